//! `ringway demo`: the gateway in front of the two bundled servers, a call through it in each era, and a URL to go on
//! with.

use std::net::SocketAddr;
use std::time::Duration;

use ringway_dataplane::app::{Gateway, LimitSettings, Listen, LogTarget, Settings, StartError};
use ringway_dataplane::process;
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use serde_json::value::RawValue;

use super::{PATH, Server, site};
use crate::args::Demo;
use crate::call;
use crate::client::{Client, Endpoint, EraChoice, Options};
use crate::config_dir::TextFile;
use crate::exit::{CommandError, Exit};
use crate::load::load;
use crate::output::{self, DIM, Format, GOOD, STRONG, WARN, note};
use crate::remote;
use crate::run;
use crate::signals::Signals;
use crate::terminal::{Answers, Terminal};

/// How many ports after the wanted one are tried.
const PORTS: u16 = 100;
/// What the demo's own calls may take; they take two seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// Nobody but a person's own client is connected.
const GRACE: Duration = Duration::from_secs(2);
const CONFIGURATION: &str = include_str!("demo.yaml");

/// Starts everything, calls, and stays.
///
/// # Errors
/// When a part cannot be started, or a call fails.
pub fn demo(options: &Demo) -> Result<Exit, CommandError> {
    if options.servers_only {
        return remote::block_on(site::command(options));
    }
    remote::block_on(show(options))
}

async fn show(options: &Demo) -> Result<Exit, CommandError> {
    let mut signals = Signals::new()?;
    let (legacy, modern) = (Server::legacy().await?, Server::modern().await?);
    let gateway = start(options.listen, &snapshot(&legacy, &modern)?)?;
    let url = format!("http://{}{PATH}", gateway.local_addr());
    note(&format!("{GOOD}Ringway listens on{GOOD:#} {STRONG}{url}{STRONG:#}"));
    note(&format!("{DIM}  legacy server (2025-11-25, sessions)  {}{DIM:#}", legacy.url()));
    note(&format!("{DIM}  modern server (2026-07-28, stateless) {}{DIM:#}", modern.url()));
    let called = tokio::select! {
        called = both_eras(&url) => called.map(|()| true),
        () = signals.stop() => Ok(false),
    };
    if matches!(called, Ok(true)) && !options.once {
        invite(&url)?;
        signals.stop().await;
    }
    let drained = run::drain(gateway, GRACE, &mut signals).await?;
    Ok(if called? { drained } else { Exit::Interrupted })
}

fn snapshot(legacy: &Server, modern: &Server) -> Result<Snapshot, CommandError> {
    let text = CONFIGURATION.replace("LEGACY_URL", &legacy.url()).replace("MODERN_URL", &modern.url());
    let loaded = load(&[TextFile { name: "demo.yaml".to_owned(), text }]);
    match loaded.problems.first() {
        None => Ok(Snapshot { generation: 1, ..loaded.snapshot }),
        Some(problem) => Err(CommandError::Failed(problem.to_string())),
    }
}

/// Takes the wanted port, or the next free one.
fn start(wanted: SocketAddr, snapshot: &Snapshot) -> Result<Gateway, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Failed(error.to_string());
    let key = ringway_seal::generate_file_text().map_err(|error| failed(&error))?;
    for offset in 0..=PORTS {
        let mut address = wanted;
        // Port 0 asks the system for a free one, which cannot be taken.
        address.set_port(wanted.port().checked_add(offset).ok_or_else(|| failed(&"there is no free port"))?);
        let settings = Settings {
            listen: Listen::plain(address),
            admin: None,
            debug: None,
            workers: process::processors(),
            keyring: Keyring::parse(&key).map_err(|error| failed(&error))?,
            tombstone_file: None,
            access_log: LogTarget::Off,
            traces: None,
            limits: LimitSettings::default(),
        };
        match Gateway::start(settings, snapshot.clone()) {
            Ok(gateway) => {
                if offset > 0 {
                    let (taken, port) = (wanted.port(), address.port());
                    note(&format!("{WARN}Port {taken} is taken{WARN:#}: using {port}, the next free one"));
                }
                return Ok(gateway);
            }
            Err(StartError::AddressInUse(_)) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Err(failed(&format!("no free port from {} on", wanted.port())))
}

async fn both_eras(url: &str) -> Result<(), CommandError> {
    one_call(url, EraChoice::Modern, "modern_countdown", r#"{"from":10,"delay_ms":120}"#).await?;
    one_call(url, EraChoice::Legacy, "legacy_add", r#"{"a":20,"b":22}"#).await
}

async fn one_call(url: &str, era: EraChoice, tool: &str, arguments: &str) -> Result<(), CommandError> {
    let options = Options { era, silence: SILENCE, ..Options::default() };
    let mut client = Client::connect(Endpoint::parse(url)?, options).await?;
    let revision = client.server().revision.clone();
    note(&format!("\nAs a client of {revision}: {STRONG}{tool} {arguments}{STRONG:#}"));
    let arguments = RawValue::from_string(arguments.to_owned()).map_err(std::io::Error::other)?;
    let mut terminal = Terminal::new(Answers::Defaults);
    let result = client.call(tool, &arguments, &mut terminal).await;
    terminal.finish();
    call::end(client).await;
    let result = result?;
    call::show(&result, Format::Table)?;
    if result.is_error { Err(CommandError::Failed(format!("{tool} failed"))) } else { Ok(()) }
}

/// How to go on from here.
fn invite(url: &str) -> Result<(), CommandError> {
    output::line(&format!(
        r#"
Paste this into an MCP client:

{{
  "mcpServers": {{
    "ringway": {{ "type": "http", "url": "{url}" }}
  }}
}}

Or try it from another terminal:

  ringway tools {url}
  ringway call {url} legacy_ask_name --era legacy
  curl -sN {url} -H 'Content-Type: application/json' \
    -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \
    -H 'Mcp-Method: tools/call' -H 'Mcp-Name: modern_time' \
    -d '{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"modern_time","arguments":{{}},
         "_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
         "io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}'
"#
    ))?;
    note(&format!("{DIM}Ctrl-C ends it.{DIM:#}"));
    Ok(())
}
