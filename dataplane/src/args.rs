//! The command line of a pod, as clap reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use ringway_dataplane::app::limit_setting::{self, Limit};
use ringway_dataplane::process::logging::Format;

/// Shown under `--help`.
const MORE: &str = "\
A snapshot is served from disk until the operator sends a newer one; without either the pod is not ready, and /readyz
says why. SIGTERM and SIGINT drain and end, a second one ends at once. Keys and certificates are read again when their
files change.

Traces go to an OpenTelemetry collector by OTLP over HTTP when OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set; the other OTEL_ variables are read, too.

Exit codes: 0 drained, 1 failed, 2 wrong arguments, 130 interrupted";

/// The data plane of Ringway, the MCP gateway: one pod of a cluster, configured by the operator
#[derive(Debug, Parser)]
#[command(name = "ringway-dataplane", version, after_help = MORE)]
pub(crate) struct Args {
    /// Where the operator publishes, such as ringway-operator.ringway-system.svc:18000
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) operator: String,
    /// A directory with ca.crt, tls.crt and tls.key: whom to believe, and who this pod is
    #[arg(long, value_name = "DIR")]
    pub(crate) tls: PathBuf,
    /// File of the keys that seal session ids, one base64 key of 32 bytes per line; the same for every pod
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: PathBuf,
    /// A port of listeners and the socket that serves it here, such as 443=0.0.0.0:8443; may stand several times
    #[arg(long = "port", value_name = "PORT=ADDRESS", required = true, value_parser = port)]
    pub(crate) ports: Vec<(u16, SocketAddr)>,
    /// Where /livez, /readyz and /metrics are
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9090")]
    pub(crate) admin: SocketAddr,
    /// Where the applied configuration can be looked at: a loopback address
    #[arg(long, value_name = "ADDRESS", value_parser = loopback)]
    pub(crate) debug: Option<SocketAddr>,
    /// A directory for the last good snapshot and the deleted sessions
    #[arg(long, value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// How many seconds calls may go on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub(crate) grace: u64,
    /// How long to serve on after SIGTERM before draining, while this pod is still taken for ready, such as 5s; not needed
    /// where a preStop hook waits
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = limit_setting::duration)]
    pub(crate) drain_delay: Duration,
    /// Threads that serve clients [default: as many as the process may use processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,
    /// Where a line per message goes: stdout, stderr, off, or a file
    #[arg(long, value_name = "WHERE", default_value = "stdout")]
    pub(crate) access_log: String,
    /// A limit of the process, such as body.bytes=8Mi, headers.time=5s or streams=1000; `--limit help` names all of them
    #[arg(long, value_name = "NAME=VALUE", value_parser = limit_setting::parse)]
    pub(crate) limit: Vec<Limit>,
    /// What to log to standard error: error, warn, info, debug, trace or off, or filters such as `ringway=debug`
    #[arg(long, visible_alias = "log", value_name = "LEVEL", default_value = "info", env = "RINGWAY_LOG")]
    pub(crate) log_level: String,
    /// How the log looks
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: Format,
    /// Who this pod is; from the downward API
    #[command(flatten)]
    pub(crate) pod: Pod,
}

/// Who this pod is.
#[derive(Debug, clap::Args)]
pub(crate) struct Pod {
    /// Name of the pod
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub(crate) pod_name: String,
    /// Namespace of the pod
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    pub(crate) pod_namespace: String,
    /// UID of the pod
    #[arg(long, value_name = "UID", env = "POD_UID", default_value = "")]
    pub(crate) pod_uid: String,
    /// Node of the pod
    #[arg(long, value_name = "NODE", env = "NODE_NAME", default_value = "")]
    pub(crate) node_name: String,
}

/// An argument that clap could not check: said as clap says it.
pub(crate) fn fail(message: &str) -> ExitCode {
    let error = Args::command().error(clap::error::ErrorKind::ValueValidation, message);
    // Standard error may be gone; the exit code says it, too.
    let _unheard = error.print();
    ExitCode::from(2)
}

// === impl Args ===

impl Args {
    /// The sockets by port.
    ///
    /// # Errors
    /// A port stands twice.
    pub(crate) fn sockets(&self) -> Result<BTreeMap<u16, SocketAddr>, String> {
        let mut sockets = BTreeMap::new();
        for (port, address) in &self.ports {
            if sockets.insert(*port, *address).is_some() {
                return Err(format!("--port: port {port} stands twice"));
            }
        }
        Ok(sockets)
    }
}

fn port(text: &str) -> Result<(u16, SocketAddr), String> {
    let (port, address) = text.split_once('=').ok_or("expected PORT=ADDRESS, such as 443=0.0.0.0:8443")?;
    let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(|| format!("{port:?} is no port"))?;
    let address = address.parse().map_err(|_| format!("{address:?} is no address with a port"))?;
    Ok((port, address))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected an address such as 127.0.0.1:9901".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be a loopback address: what is shown there is for the pod's own operators".to_owned())
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
    let is_fine = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0);
    if is_fine { Ok(text.to_owned()) } else { Err("expected HOST:PORT".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: [&str; 8] = [
        "ringway-dataplane",
        "--operator=o.ns.svc:18000",
        "--tls=/tls",
        "--keys=/keys",
        "--state=/state",
        "--port=80=0.0.0.0:8080",
        "--pod-name=p",
        "--pod-namespace=n",
    ];

    fn with<'a>(more: &[&'a str]) -> Result<Args, clap::Error> {
        let all: Vec<&'a str> = LEAST.iter().chain(more).copied().collect();
        Args::try_parse_from(all)
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_least_is_enough_and_all_of_it_is_needed() {
        let args = with(&["--port", "443=[::]:8443", "--drain-delay=1m500ms"]).unwrap();
        let sockets = args.sockets().unwrap();
        assert_eq!(sockets.get(&443).map(ToString::to_string).as_deref(), Some("[::]:8443"));
        assert_eq!((sockets.len(), args.drain_delay), (2, Duration::from_millis(60_500)));
        for left_out in &LEAST[1..6] {
            let rest = LEAST.iter().filter(|text| *text != left_out);
            assert!(Args::try_parse_from(rest).is_err(), "without {left_out}");
        }
        assert!(with(&["--port=80=0.0.0.0:1"]).unwrap().sockets().is_err());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for wrong in [
            "--port=0=0.0.0.0:8080",
            "--port=80",
            "--port=80=8080",
            "--port=70000=0.0.0.0:8080",
            "--debug=0.0.0.0:9901",
            "--debug=9901",
            "--drain-delay=5",
            "--operator=o.ns.svc",
            "--operator=:1",
            "--grace=-1",
            "--limit=body.bites=1",
        ] {
            assert!(with(&[wrong]).is_err(), "{wrong}");
        }
    }
}
