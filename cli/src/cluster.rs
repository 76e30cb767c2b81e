//! The way into a cluster: kubeconfig and context as kubectl takes them, requests with a deadline, and why one failed.
//!
//! Reads and forwards ports, never writes. Where Ringway is in the cluster: `install`; which pod serves a route: `route`;
//! connections to a pod: `forward`. Called by `status`, `config`, and `remote` for routes by name.

pub mod forward;
pub mod install;
pub mod pod_http;
pub mod route;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// An API server answers in milliseconds; a list of ten thousand objects in a second or two.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Access {
    /// The kubeconfig file [default: as kubectl: KUBECONFIG, then ~/.kube/config; in a pod its service account]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub context: Option<String>,
    /// A user to impersonate
    #[arg(long = "as", value_name = "USER", help_heading = "Cluster")]
    pub impersonate: Option<String>,
}

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Cluster {
    pub client: Client,
    /// Of the API server, for messages.
    pub server: String,
    /// The context's own namespace.
    pub namespace: String,
}

/// Why the cluster did not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// No cluster is named, or not readably.
    #[error("kubeconfig: {0}")]
    Kubeconfig(String),
    #[error("the API server {server} cannot be reached: {reason}")]
    Unreachable { server: String, reason: String },
    /// The API server said no.
    #[error("{message}")]
    Refused { status: u16, message: String },
    /// What was asked for is not there, or not fit.
    #[error("{0}")]
    Unfit(String),
}

// === impl Access ===

impl Access {
    /// Reads the kubeconfig; nothing is asked yet.
    ///
    /// # Errors
    /// [`ClusterError::Kubeconfig`].
    pub async fn cluster(&self) -> Result<Cluster, ClusterError> {
        let mut config = self.config().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // A person waits: better to say what is wrong than to try for minutes.
        config.default_retry = false;
        if self.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&self.impersonate);
        }
        let (server, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        let server = server.trim_end_matches('/').to_owned();
        let client = Client::try_from(config).map_err(|error| ClusterError::Kubeconfig(chain(&error)))?;
        Ok(Cluster { client, server, namespace })
    }

    async fn config(&self) -> Result<Config, ClusterError> {
        let failed = |error: &dyn std::error::Error| ClusterError::Kubeconfig(chain(error));
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(file) = &self.kubeconfig {
            let kubeconfig = Kubeconfig::read_from(file).map_err(|error| failed(&error))?;
            return Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| failed(&error));
        }
        if self.context.is_some() {
            return Config::from_kubeconfig(&options).await.map_err(|error| failed(&error));
        }
        Config::infer().await.map_err(|error| failed(&error))
    }
}

// === impl Cluster ===

impl Cluster {
    /// Waits for an answer, within limits.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn ask<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, ClusterError> {
        match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.explain(&error)),
            Err(_) => Err(self.unreachable(format!("no answer for {} s", REQUEST_TIMEOUT.as_secs()))),
        }
    }

    /// The same; what is not there is `None`.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub async fn find<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<Option<T>, ClusterError> {
        match self.ask(request).await {
            Ok(found) => Ok(Some(found)),
            Err(ClusterError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An error of kube's client in the words of this module.
    #[must_use]
    pub fn explain(&self, error: &kube::Error) -> ClusterError {
        match error {
            kube::Error::Api(status) => ClusterError::Refused { status: status.code, message: status.message.clone() },
            kube::Error::SerdeError(error) => ClusterError::Unfit(format!("the API server's answer: {error}")),
            kube::Error::Auth(error) => ClusterError::Kubeconfig(chain(error)),
            other => self.unreachable(chain(other)),
        }
    }

    fn unreachable(&self, reason: String) -> ClusterError {
        ClusterError::Unreachable { server: self.server.clone(), reason }
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

// === impl ClusterError ===

impl ClusterError {
    /// The credentials do not reach that far.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }
}

/// An error with its causes, none said twice.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn causes_are_said_once() {
        let cause = || std::io::Error::other("refused");
        assert_eq!(chain(&Outer("cannot connect", cause())), "cannot connect: refused");
        assert_eq!(chain(&Outer("cannot connect: refused", cause())), "cannot connect: refused");
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let access = Access { kubeconfig: Some("/nonexistent/config".into()), ..Access::default() };
        let text = access.cluster().await.unwrap_err().to_string();
        assert!(text.contains("/nonexistent/config"), "{text}");
    }
}
