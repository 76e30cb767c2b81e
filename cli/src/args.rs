//! The command line as clap reads it.

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::call::Call;
use crate::config::Config;
use crate::exit;
use crate::output::Format;
use crate::remote::Remote;
use crate::status::Status;

/// What kubectl runs for `kubectl ringway`.
const PLUGIN: &str = "kubectl-ringway";
const PLUGIN_USAGE: &str = "kubectl ringway";

/// Shown under `ringway run --help`.
const TRACES: &str = "\
Traces go to an OpenTelemetry collector by OTLP over HTTP when one of these is set:
  OTEL_EXPORTER_OTLP_ENDPOINT         its URL, such as http://localhost:4318 (/v1/traces is appended)
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT  the URL for traces, taken as it is
Also read: OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TIMEOUT, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED";

/// Shown under `ringway demo --help`.
const SERVERS: &str = "\
With --servers-only one address serves:
  /legacy/mcp, /mcp  the legacy server (2025-03-26 to 2025-11-25, sessions)
  /modern/mcp        the modern server (2026-07-28, stateless)
  /healthz           200 while it serves, for probes
SIGTERM and Ctrl-C let calls in flight end (5 s at most); a second one ends at once. In a container listen on 0.0.0.0.";

/// The MCP gateway: many MCP servers behind one URL
#[derive(Debug, Parser)]
#[command(name = "ringway", version, after_help = exit::HELP, propagate_version = true)]
pub struct Cli {
    /// What to log to standard error: error, warn, info, debug, trace or off, or filters such as `ringway=debug`
    /// [default: info for run, error for demo, warn otherwise]
    #[arg(long, global = true, value_name = "LEVEL", env = "RINGWAY_LOG")]
    pub log_level: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway on the configuration of a directory or file
    #[command(after_help = TRACES)]
    Run(Run),
    /// Try the gateway: two bundled MCP servers behind it, one call, and a URL for your own client
    Demo(Demo),
    /// Check a configuration: every problem with file, line and field
    Validate(Validate),
    /// List the tools of an MCP server, or of a route of a cluster
    Tools(Lists),
    /// List the prompts of an MCP server, or of a route of a cluster
    Prompts(Lists),
    /// List the resources of an MCP server, or of a route of a cluster
    Resources(Resources),
    /// Call a tool of an MCP server, or of a route of a cluster
    Call(Call),
    /// Check the install of a cluster: every problem with its remedy
    Status(Status),
    /// What the data plane of a cluster serves
    #[command(subcommand)]
    Config(Config),
    /// Print a completion script for a shell
    Completions(Completions),
}

/// Run the gateway.
///
/// Changed files are read while it runs. A configuration with an error changes nothing: what is wrong is logged, and what
/// was served goes on. SIGHUP reads the files and the keys now; SIGTERM and Ctrl-C drain and end, a second one ends at once.
#[derive(Debug, Args)]
pub struct Run {
    /// A directory with *.yaml and *.yml files, or one file
    #[arg(short, long, value_name = "PATH")]
    pub file: PathBuf,
    /// Where clients connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where health and metrics are, or `off`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9901", value_parser = admin_address)]
    pub admin: AdminAddress,
    /// Where the applied configuration can be looked at, secrets as stars: a loopback address [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub debug: Option<SocketAddr>,
    /// Threads that serve clients [default: as many as the process may use processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: Option<u16>,
    /// File of the keys that seal session ids, one base64 key of 32 bytes per line [default: .ringway/keys beside the
    /// configuration, made at the first start]
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Certificate chain (PEM): serve HTTPS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Where a line per message goes: stdout, stderr, off, or a file
    #[arg(long, value_name = "WHERE", default_value = "stdout")]
    pub access_log: String,
    /// A limit of the process, such as body.bytes=8Mi, headers.time=5s or streams=1000; `--limit help` names all of them
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::limits::parse)]
    pub limit: Vec<crate::limits::Limit>,
    /// How many seconds calls may go on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 25, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub grace: u64,
}

/// An address, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminAddress(pub Option<SocketAddr>);

/// Try the gateway.
#[derive(Debug, Args)]
#[command(after_help = SERVERS)]
pub struct Demo {
    /// Where clients connect; when the port is taken, the next free one (an error with --servers-only)
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// End after the call instead of waiting for Ctrl-C
    #[arg(long, conflicts_with = "servers_only")]
    pub once: bool,
    /// Run the bundled servers alone, without a gateway: something to put behind one
    #[arg(long)]
    pub servers_only: bool,
}

/// Check a configuration.
#[derive(Debug, Args)]
pub struct Validate {
    /// A directory with *.yaml and *.yml files, one file, or `-` for standard input
    #[arg(short, long, value_name = "PATH")]
    pub file: PathBuf,
    /// Check as the operator of a cluster would: the file of its settings (`operator.yaml` in the ConfigMap
    /// RELEASE-operator). Everything that is referred to must be in the configuration
    #[arg(long, value_name = "FILE")]
    pub cluster_rules: Option<PathBuf>,
    /// How to print the problems
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// List what a server has.
#[derive(Debug, Args)]
pub struct Lists {
    /// Which server.
    #[command(flatten)]
    pub remote: Remote,
    /// How to print the list
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// List resources.
#[derive(Debug, Args)]
pub struct Resources {
    /// Which server, and how to print.
    #[command(flatten)]
    pub lists: Lists,
    /// The templates instead
    #[arg(long)]
    pub templates: bool,
}

/// Print a completion script.
#[derive(Debug, Args)]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

// === impl Cli ===

impl Cli {
    /// Reads the command line; ends the process on a wrong one and for `--help`.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Self {
        match Self::try_from_arguments(arguments) {
            Ok(cli) => cli,
            Err(error) => error.exit(),
        }
    }

    /// As a kubectl plugin (a program `kubectl-ringway` in the path) it calls itself what its user typed.
    fn try_from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let command = if arguments.first().is_some_and(|name| is_plugin(name)) {
            Self::command().bin_name(PLUGIN_USAGE)
        } else {
            Self::command()
        };
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }
}

fn is_plugin(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == PLUGIN)
}

fn admin_address(text: &str) -> Result<AdminAddress, String> {
    if text == "off" {
        return Ok(AdminAddress(None));
    }
    text.parse()
        .map(|address| AdminAddress(Some(address)))
        .map_err(|_| "an address such as 127.0.0.1:9901, or off".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_admin_address_may_be_off() {
        let admin = |text: &str| match Cli::try_parse_from(["ringway", "run", "-f", "d", "--admin", text]) {
            Ok(Cli { command: Command::Run(run), .. }) => Some(run.admin),
            _ => None,
        };
        assert_eq!(admin("off"), Some(AdminAddress(None)));
        assert_eq!(admin("[::1]:1"), Some(AdminAddress(Some("[::1]:1".parse().unwrap()))));
        assert_eq!(admin("9901"), None);
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert!(Cli::try_parse_from(["ringway", "run", "-f", "d", "--tls-cert", "c"]).is_err());
        assert!(Cli::try_parse_from(["ringway", "run", "-f", "d", "--tls-cert", "c", "--tls-key", "k"]).is_ok());
    }

    #[test]
    fn as_a_plugin_it_is_called_as_its_user_called_it() {
        let usage = |program: &str| {
            let arguments = [program, "status", "--help"].map(OsString::from);
            Cli::try_from_arguments(arguments).unwrap_err().to_string()
        };
        for program in ["kubectl-ringway", "/usr/local/bin/kubectl-ringway", "kubectl-ringway.exe"] {
            assert!(usage(program).contains("Usage: kubectl ringway status"), "{}", usage(program));
        }
        assert!(usage("/bin/ringway").contains("Usage: ringway status"));
    }

    #[test]
    fn waiting_takes_gateway_api_durations() {
        let waits = |text: &str| Cli::try_parse_from(["ringway", "status", "--wait", text]).is_ok();
        assert!(waits("90s") && waits("1m30s"));
        assert!(!waits("90") && !waits("-1s") && !waits("forever"));
    }
}
