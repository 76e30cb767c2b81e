//! Settings of the process: the command line, and the file that the chart writes.
//!
//! Strict: what is unknown or contradicts itself ends the start with a message that names the field.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use ringway_crds::name::is_dns_label;
use ringway_translate::install::ClusterInstall;

/// Observes Ringway's resources, tells the data plane what to serve, and writes what became of them into their status.
#[derive(Debug, Clone, Parser)]
#[command(name = "ringway-operator", version)]
pub struct Args {
    /// Settings of the install, YAML
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,

    /// Name of this pod: who it is among the replicas
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: String,

    /// Address of this pod: where other replicas find it
    #[arg(long, env = "POD_IP", value_name = "IP")]
    pub pod_ip: IpAddr,

    /// Where pods of the data plane connect (gRPC, mTLS)
    #[arg(long, default_value = "0.0.0.0:18000", value_name = "ADDR")]
    pub stream: SocketAddr,

    /// Where /livez, /readyz and /metrics are
    #[arg(long, default_value = "0.0.0.0:18080", value_name = "ADDR")]
    pub admin: SocketAddr,

    /// Level, or directives like `info,ringway_operator::observe=debug`
    #[arg(long, env = "RINGWAY_LOG", default_value = "info", value_name = "LEVEL")]
    pub log: String,

    #[arg(long, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("{path}: {field}: {message}")]
    Invalid { path: PathBuf, field: &'static str, message: String },
}

/// Reads the settings of the install.
///
/// # Errors
/// The file is not there, is no YAML of the right shape, or contradicts itself.
pub fn read(path: &Path) -> Result<ClusterInstall, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<ClusterInstall, ConfigError> {
    let install: ClusterInstall = serde_yaml::from_str(text)
        .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: error.to_string() })?;
    let invalid = |field, message: String| Err(ConfigError::Invalid { path: path.to_owned(), field, message });
    if !is_dns_label(&install.namespace) {
        return invalid("namespace", format!("`{}` is no name of a namespace", install.namespace));
    }
    // With `-session-keys` behind it, it is still a name of an object.
    if !is_dns_label(&install.name) || install.name.len() > 50 {
        return invalid("name", format!("`{}` must be a DNS label of at most 50 characters", install.name));
    }
    let port = install.default_listener.port;
    if !install.ports.contains(&port) {
        return invalid("defaultListener.port", format!("{port} is none of `ports`: nobody could reach it"));
    }
    Ok(install)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "namespace: ringway-system\nname: ringway\nrouteNamespaces: [ringway-system]\nsecretNamespaces: ['*']\n\
                        ports: [80, 443]\ndefaultListener: { port: 80 }\n";

    fn error(text: &str) -> String {
        parse(Path::new("install.yaml"), text).expect_err("refused").to_string()
    }

    #[test]
    fn what_the_chart_writes_is_read() {
        let install = parse(Path::new("install.yaml"), GOOD).expect("read");
        assert_eq!((install.name.as_str(), install.cluster_domain.as_str()), ("ringway", "cluster.local"));
        assert!(install.secret_namespaces.holds("any") && !install.route_namespaces.holds("any"));
    }

    #[test]
    fn faults_name_the_file_and_the_field() {
        for (from, to, expected) in [
            ("name: ringway\n", "name: ringway\nreplica: 2\n", "replica"),
            ("name: ringway\n", "", "name"),
            ("name: ringway\n", "name: Ringway\n", "name: `Ringway`"),
            ("namespace: ringway-system", "namespace: ''", "namespace"),
            ("{ port: 80 }", "{ port: 8080 }", "defaultListener.port: 8080"),
            ("{ port: 80 }", "{ port: 80, tls: x }", "tls"),
            ("[80, 443]", "[80, 443000]", "443000"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from}");
            let error = error(&text);
            assert!(error.starts_with("install.yaml: ") && error.contains(expected), "{expected}: {error}");
        }
    }
}
