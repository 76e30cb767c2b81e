//! What commands share: the options of a connection (`tools`, `prompts`, `resources`, `call`), and a runtime for the one
//! thing a command does.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::client::{Client, Endpoint, EraChoice, Options, Trust};
use crate::cluster::Access;
use crate::cluster::route::{self, RouteName};
use crate::exit::{CommandError, Exit};

/// How to reach a server.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// Where the server answers, for instance http://127.0.0.1:8080/mcp; or a route of a cluster, NAMESPACE/ROUTE, by
    /// the API server's port-forward
    #[arg(value_name = "URL|NAMESPACE/ROUTE")]
    pub server: String,
    /// A header for every request, `Name: value`; may be given more than once
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// A bearer token for every request
    #[arg(long, env = "RINGWAY_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Which era of the protocol to speak
    #[arg(long, value_enum, default_value_t = EraChoice::Auto)]
    pub era: EraChoice,
    /// Give a server up that sends nothing for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// Certificates (PEM) to trust beside the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca_cert: Option<PathBuf>,
    /// Believe any certificate of the server
    #[arg(long)]
    pub insecure: bool,
    /// Namespace of the route, when it is given by its name alone
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Cluster")]
    pub namespace: Option<String>,
    /// The host to ask a route for, where it has many [default: its first]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub host: Option<String>,
    /// Namespace of the Ringway install [default: found by its labels]
    #[arg(long, value_name = "NAMESPACE", help_heading = "Cluster")]
    pub install_namespace: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    pub access: Access,
}

// === impl Remote ===

impl Remote {
    /// Connects.
    ///
    /// # Errors
    /// When an option is wrong or the server cannot be used.
    pub async fn connect(&self) -> Result<Client, CommandError> {
        let mut options = Options {
            era: self.era,
            headers: self.header_map()?,
            silence: Duration::from_secs(self.timeout),
            trust: self.trust()?,
            tunnel: None,
        };
        let Some(route) = RouteName::parse(&self.server, self.namespace.as_deref()) else {
            return Ok(Client::connect(self.endpoint()?, options).await?);
        };
        let cluster = self.access.cluster().await?;
        let way = route::way(cluster, &route, self.install_namespace.as_deref(), self.host.as_deref()).await?;
        options.tunnel = Some(way.tunnel);
        Ok(Client::connect(Endpoint::parse(&way.url)?, options).await?)
    }

    /// Whoever wrote no scheme may have meant a route.
    fn endpoint(&self) -> Result<Endpoint, CommandError> {
        let parsed = Endpoint::parse(&self.server);
        if parsed.is_ok() || self.server.contains("://") {
            return Ok(parsed?);
        }
        let reason = parsed.err().map(|error| error.to_string()).unwrap_or_default();
        Err(CommandError::Usage(format!(
            "{reason}; a route of a cluster is NAMESPACE/ROUTE, or its name and --namespace"
        )))
    }

    fn trust(&self) -> Result<Trust, CommandError> {
        if self.insecure {
            return Ok(Trust::Anyone);
        }
        let extra_roots = self.ca_cert.as_ref().map(|path| {
            std::fs::read(path).map_err(|error| CommandError::Failed(format!("{}: {error}", path.display())))
        });
        Ok(Trust::System { extra_roots: extra_roots.transpose()? })
    }

    fn header_map(&self) -> Result<HeaderMap, CommandError> {
        let mut all = HeaderMap::new();
        for given in &self.headers {
            let (name, value) = given.split_once(':').ok_or_else(|| wrong_header("a header is `Name: value`"))?;
            let name: HeaderName = name.trim().parse().map_err(|_| wrong_header("the name is no header name"))?;
            all.append(name, secret(value.trim())?);
        }
        if let Some(token) = &self.token {
            all.insert(header::AUTHORIZATION, secret(&format!("Bearer {token}"))?);
        }
        Ok(all)
    }
}

/// Never shows the value: it may be a credential.
fn wrong_header(reason: &str) -> CommandError {
    CommandError::Usage(format!("--header or --token: {reason}"))
}

fn secret(value: &str) -> Result<HeaderValue, CommandError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| wrong_header("the value cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Runs one command's work.
///
/// # Errors
/// Those of the work, or when the system gives no runtime.
pub fn block_on(work: impl Future<Output = Result<Exit, CommandError>>) -> Result<Exit, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(work);
    // A name that is still being looked up must not hold the end up.
    runtime.shutdown_background();
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(headers: &[&str], token: Option<&str>) -> Remote {
        Remote {
            server: String::new(),
            headers: headers.iter().map(|&header| header.to_owned()).collect(),
            token: token.map(str::to_owned),
            era: EraChoice::Auto,
            timeout: 1,
            ca_cert: None,
            insecure: false,
            namespace: None,
            install_namespace: None,
            host: None,
            access: Access::default(),
        }
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let map = remote(&["X-A: 1", "x-a:2"], Some("t0k")).header_map().unwrap();
        assert_eq!(map.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(map["authorization"], "Bearer t0k");
        assert!(!format!("{map:?}").contains("t0k"));
        for wrong in ["s3cret", "bad name: s3cret", "a: s3cret\n"] {
            let text = remote(&[wrong, "b: \u{7f}"], None).header_map().unwrap_err().to_string();
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}
