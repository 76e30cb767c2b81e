//! The install's own certificates: an authority, what the replicas show, and what the data plane shows.
//!
//! What is due is decided in [`authority`] and [`leaf`], pure; [`keeper`] reads and writes the Secrets. Started by `app`;
//! the config stream takes the TLS settings from [`Identity`].

pub mod authority;
pub mod keeper;
pub mod leaf;
pub mod tls;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use keeper::Keeper;

/// What this replica shows and whom it trusts, always the newest; to be loaded for each connection.
#[derive(Debug, Clone)]
pub struct Identity {
    pub server: Arc<ArcSwap<rustls::ServerConfig>>,
    pub client: Arc<ArcSwap<rustls::ClientConfig>>,
}

/// Nothing here shows a key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("Secret {secret} has no {key}, or it is not text")]
    MissingKey { secret: String, key: &'static str },
    #[error("{what} cannot be read: {message}")]
    Unreadable { what: &'static str, message: String },
    #[error("a certificate cannot be made")]
    Issue(#[from] rcgen::Error),
    #[error("the TLS settings cannot be made")]
    Tls(#[from] rustls::Error),
    #[error("the verifier of client certificates cannot be made")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("a session key cannot be made")]
    SessionKey(#[from] ringway_seal::SealError),
    #[error("the API server refused a Secret")]
    Api(#[from] kube::Error),
    #[error("the API server does not answer")]
    Silent,
}
