//! How a command ends: the exit codes, and which failure gets which.

use std::io;
use std::process::ExitCode;

use crate::client::ClientError;
use crate::cluster::ClusterError;
use crate::config_dir::ReadError;
use crate::keys::KeysError;

/// The codes, as `ringway --help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// Something failed; for `validate`, the configuration has errors; for `status`, there are problems.
    Failed = 1,
    /// The command line was wrong (clap's own code), or the kubeconfig.
    Usage = 2,
    /// The tool ran and reported an error.
    ToolError = 3,
    /// The server could not be reached, or was silent.
    Unreachable = 4,
    /// The server refused: HTTP 401, 403, 404 and other statuses.
    Refused = 5,
    /// The server answered with a JSON-RPC error, or broke the protocol.
    Protocol = 6,
    /// Ctrl-C, as shells count it: 128 + SIGINT.
    Interrupted = 130,
}

/// Shown under `ringway --help`.
pub const HELP: &str = "\
Exit codes:
  0    done
  1    failed; validate: the configuration has errors; status: there are problems; config dump: pods differ
  2    wrong command line or kubeconfig
  3    call: the tool ran and reported an error
  4    the server or the API server cannot be reached, or is silent
  5    it refused: HTTP 401, 403, 404 and other statuses; status: no problem in what could be looked at
  6    the server answered with a JSON-RPC error, or broke the protocol
  130  interrupted";

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A server, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The configuration files.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The sealing keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The terminal, a pipe, a thread.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An argument that clap could not check.
    #[error("{0}")]
    Usage(String),
    /// Anything else, in words.
    #[error("{0}")]
    Failed(String),
}

// === impl Exit ===

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

// === impl CommandError ===

impl CommandError {
    /// The code that a shell sees.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Client(error) => client_exit(error),
            Self::Cluster(error) => cluster_exit(error),
            // Whoever read our output has enough: `ringway tools URL | head`.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Usage(_) => Exit::Usage,
            Self::Read(_) | Self::Keys(_) | Self::Io(_) | Self::Failed(_) => Exit::Failed,
        }
    }
}

fn client_exit(error: &ClientError) -> Exit {
    match error {
        ClientError::Url { .. } => Exit::Usage,
        ClientError::Connect { .. }
        | ClientError::Tls { .. }
        | ClientError::Silent { .. }
        | ClientError::Broken { .. } => Exit::Unreachable,
        ClientError::Status { .. } => Exit::Refused,
        ClientError::Rpc(_) | ClientError::Declined(_) | ClientError::TooManyRounds(_) | ClientError::Protocol(_) => {
            Exit::Protocol
        }
        ClientError::TlsSetup(_) => Exit::Failed,
    }
}

fn cluster_exit(error: &ClusterError) -> Exit {
    match error {
        ClusterError::Kubeconfig(_) => Exit::Usage,
        ClusterError::Unreachable { .. } => Exit::Unreachable,
        ClusterError::Refused { .. } => Exit::Refused,
        ClusterError::Unfit(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_code() {
        let codes = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::ToolError,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Protocol,
            Exit::Interrupted,
        ];
        for code in codes {
            let number = format!("  {:<5}", code as u8);
            assert!(HELP.lines().any(|line| line.starts_with(&number)), "{code:?}");
        }
        assert_eq!(HELP.lines().count(), codes.len() + 1);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let pipe = CommandError::Io(io::ErrorKind::BrokenPipe.into());
        assert_eq!(pipe.exit(), Exit::Done);
        assert_eq!(CommandError::Io(io::ErrorKind::NotFound.into()).exit(), Exit::Failed);
    }
}
