//! Why a request to a server failed, as a person reads it.
//!
//! Which exit code follows is decided in `exit`.

use std::io;
use std::time::Duration;

use super::message::RpcError;

/// A failed exchange with an MCP server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is no http or https URL.
    #[error("{url}: {reason}")]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection: refused, unreachable, unknown name.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// From the system.
        source: io::Error,
    },
    /// The certificates given or the system's could not be used.
    #[error("TLS cannot be set up: {0}")]
    TlsSetup(String),
    /// The TLS handshake failed.
    #[error("TLS with {address} failed: {source} (--ca-cert FILE trusts another authority, --insecure anyone)")]
    Tls {
        /// Host and port.
        address: String,
        /// From rustls.
        source: io::Error,
    },
    /// The server was silent for too long.
    #[error("{address} sent nothing for {}", seconds(.after))]
    Silent {
        /// Host and port.
        address: String,
        /// The limit.
        after: Duration,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("the connection to {address} broke: {}", crate::cluster::chain(.source))]
    Broken {
        /// Host and port.
        address: String,
        /// From hyper.
        source: hyper::Error,
    },
    /// An HTTP status that is no answer, without a JSON-RPC error in the body.
    #[error("HTTP {status}{}", hint(*.status, .detail, .challenge.as_deref()))]
    Status {
        /// The status code.
        status: u16,
        /// First line of the body, shortened, or empty.
        detail: String,
        /// `WWW-Authenticate`, if sent.
        challenge: Option<String>,
    },
    /// A JSON-RPC error.
    #[error("{0}")]
    Rpc(RpcError),
    /// The server asks for what this client never offered.
    #[error("the server asks for {0}, which this client declines")]
    Declined(String),
    /// The server keeps asking.
    #[error("the server asked {0} times and still wants more: given up")]
    TooManyRounds(usize),
    /// The server broke the protocol.
    #[error("{0}")]
    Protocol(String),
}

fn seconds(after: &Duration) -> String {
    format!("{} s", after.as_secs_f64())
}

fn hint(status: u16, detail: &str, challenge: Option<&str>) -> String {
    let meaning = match status {
        401 => ": the server wants a credential (--header 'Authorization: Bearer ...' or RINGWAY_TOKEN)",
        403 => ": the server refuses this caller",
        404 => ": nothing is served under this path, or the session has ended",
        405 => ": this path takes no MCP messages",
        301 | 302 | 303 | 307 | 308 => ": the server points elsewhere, and redirects are not followed",
        429 | 503 => ": the server is busy",
        _ => "",
    };
    let mut text = meaning.to_owned();
    if let Some(challenge) = challenge {
        text.push_str("; it says: ");
        text.push_str(challenge);
    }
    if !detail.is_empty() {
        text.push_str("; ");
        text.push_str(detail);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_explains_itself() {
        let error = ClientError::Status {
            status: 401,
            detail: String::new(),
            challenge: Some("Bearer resource_metadata=\"https://x\"".to_owned()),
        };
        let text = error.to_string();
        assert!(text.starts_with("HTTP 401: the server wants a credential"), "{text}");
        assert!(text.ends_with("it says: Bearer resource_metadata=\"https://x\""), "{text}");
        let silent = ClientError::Silent { address: "h:1".to_owned(), after: Duration::from_millis(1500) };
        assert_eq!(silent.to_string(), "h:1 sent nothing for 1.5 s");
    }
}
