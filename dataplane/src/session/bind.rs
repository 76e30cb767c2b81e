//! Which upstream session a session has at a backend: known, or made now, once for all who wait.
//!
//! Use is free: a known binding is used without asking anyone. Making or replacing one is a lease at the owner, so
//! that a session never has two bound upstream sessions at one backend. Called by `pipeline::forward`.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::Method;

use super::owner::{Begin, Owner};
use super::{Session, revision_of};
use crate::fault::Fault;
use crate::upstream::{self, Hello, Outgoing, Pool, Server, Target, UpstreamSession};

/// An upstream session and the number of its binding: a replacement has a higher one.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) upstream: UpstreamSession,
    pub(crate) seq: u64,
    /// This use made it.
    pub(crate) fresh: bool,
}

/// What binding needs beside the session.
#[derive(Clone, Copy)]
pub(crate) struct Binder<'a> {
    pub(crate) owner: &'a Owner<UpstreamSession>,
    pub(crate) pool: &'a Pool,
    pub(crate) server: &'a Arc<Server>,
}

// === impl Binder ===

impl Binder<'_> {
    /// The binding as far as it is known, without making one.
    pub(crate) fn known(self, session: &Session) -> Option<Bound> {
        let key = self.server.backend.key;
        if let Some((seq, upstream)) = self.owner.binding(&session.key(), key) {
            return Some(Bound { upstream, seq, fresh: false });
        }
        sealed(session, self.server).map(|upstream| Bound { upstream, seq: 0, fresh: false })
    }

    /// The binding to use. `stale`: the number of one that the backend no longer knows.
    ///
    /// # Errors
    /// The fault of the one attempt that everybody waited for.
    pub(crate) async fn bind(self, session: &Session, stale: Option<u64>) -> Result<Bound, Fault> {
        if stale.is_none()
            && let Some(bound) = self.known(session)
        {
            return Ok(bound);
        }
        let key = session.key();
        let backend = self.server.backend.key;
        match self.owner.begin_bind(&key, backend, stale).await.map_err(|shared| shared.to_fault())? {
            Begin::Bound(seq, upstream) => Ok(Bound { upstream, seq, fresh: false }),
            Begin::Lease(lease) => match self.establish(session).await {
                Ok(upstream) => {
                    let seq = lease.commit(upstream.clone());
                    self.apply_log_level(session, &upstream).await;
                    Ok(Bound { upstream, seq, fresh: true })
                }
                Err(fault) => {
                    lease.fail(&fault);
                    Err(fault)
                }
            },
        }
    }

    async fn establish(self, session: &Session) -> Result<UpstreamSession, Fault> {
        let hello = Hello::Made {
            revision: session.revision,
            capabilities: session.capabilities,
            client_name: session.token.client_name.as_str(),
            client_version: session.token.client_version.as_str(),
        };
        let made = upstream::initialize(self.pool, self.server, &hello).await?;
        Ok(made.session)
    }

    /// A level that the client set earlier holds for a backend that is bound later, too.
    async fn apply_log_level(self, session: &Session, upstream: &UpstreamSession) {
        let Some(level) = self.owner.log_level(&session.key()) else { return };
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{"level":"{level}"}}}}"#, Method::LoggingSetLevel.as_str());
        let timeouts = self.server.backend.timeouts;
        let out = Outgoing {
            body: Bytes::from(body),
            session: Some(upstream),
            revision: Some(upstream.revision),
            headers: &[],
            idle: timeouts.connect * 2,
            deadline: tokio::time::Instant::now() + timeouts.connect * 2,
            idempotent: true,
        };
        if let Err(error) = upstream::send(self.pool, self.server, out).await {
            tracing::debug!(backend = %self.server.backend.name, %error, "log level not taken");
        }
    }
}

/// The binding that was made during `initialize` and stands in the id. A child process cannot stand there.
fn sealed(session: &Session, server: &Server) -> Option<UpstreamSession> {
    if matches!(server.backend.target, Target::Stdio(_)) {
        return None;
    }
    let binding = session.token.bindings.iter().find(|b| b.backend == server.backend.key.0)?;
    Some(UpstreamSession {
        id: binding.upstream_session.clone(),
        endpoint: binding.endpoint,
        revision: revision_of(binding.revision)?,
        process: None,
    })
}
