//! The `ringway` binary: reads the command line, runs one command, turns its outcome into an exit code.

use std::process::ExitCode;

use clap::CommandFactory;
use ringway_cli::args::{Cli, Command, Lists};
use ringway_cli::client::List;
use ringway_cli::config::Config;
use ringway_cli::exit::{CommandError, Exit};
use ringway_cli::{call, config, demo, logging, output, remote, run, status, tools, validate};

/// Frees memory back to the system after a burst, which the C library's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::from_arguments(std::env::args_os());
    match logging::start(level(&cli)).and_then(|()| execute(&cli.command)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = error.exit();
            if exit != Exit::Done {
                let style = output::BAD;
                output::note(&format!("{style}error:{style:#} {}", output::printable(&error.to_string())));
            }
            exit.into()
        }
    }
}

fn level(cli: &Cli) -> &str {
    let quiet = match cli.command {
        Command::Run(_) => "info",
        // Each era misses the other's server there, which the gateway rightly warns of.
        Command::Demo(_) => "error",
        // The verifier logs what the command's own error says.
        _ => "warn,rustls_platform_verifier=off",
    };
    cli.log_level.as_deref().unwrap_or(quiet)
}

fn execute(command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Run(options) => run::run(options),
        Command::Demo(options) => demo::command::demo(options),
        Command::Validate(options) => validate::validate(options),
        Command::Tools(options) => list(options, List::Tools),
        Command::Prompts(options) => list(options, List::Prompts),
        Command::Resources(options) if options.templates => list(&options.lists, List::ResourceTemplates),
        Command::Resources(options) => list(&options.lists, List::Resources),
        Command::Call(options) => remote::block_on(call::call(options)),
        Command::Status(options) => remote::block_on(status::status(options)),
        Command::Config(Config::Dump(options)) => remote::block_on(config::dump(options)),
        Command::Completions(options) => {
            clap_complete::generate(options.shell, &mut Cli::command(), "ringway", &mut std::io::stdout());
            Ok(Exit::Done)
        }
    }
}

fn list(options: &Lists, list: List) -> Result<Exit, CommandError> {
    remote::block_on(tools::list(&options.remote, list, options.output))
}
