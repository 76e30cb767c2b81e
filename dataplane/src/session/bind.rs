//! Which upstream session a session has at a backend: known, or made now, once for all who wait.
//!
//! Use is free: a known binding is used without asking anyone. Making or replacing one is a lease at the owner, so
//! that a session never has two bound upstream sessions at one backend. Called by `pipeline::forward`.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::Method;
use ringway_snapshot::Target;

use super::owner::Owner;
use super::owner::bind::{Begin, BindLease, Waited};
use super::{Session, revision_of};
use crate::fault::{Executed, Fault, Reason, Source};
use crate::upstream::{self, Hello, Outgoing, Pool, Server, UpstreamSession};

/// An upstream session and the number of its binding: a replacement has another one.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) upstream: UpstreamSession,
    /// `None`: the one in the sealed id.
    pub(crate) seq: Option<u64>,
    /// This use made it.
    pub(crate) fresh: bool,
}

/// One failure told to all who waited for the attempt.
#[derive(Debug, Clone)]
pub(crate) struct SharedFault {
    source: Source,
    reason: Reason,
    executed: Executed,
    message: Cow<'static, str>,
}

/// A binding that proved dead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stale(pub(crate) Option<u64>);

/// What binding needs beside the session.
#[derive(Debug)]
pub(crate) struct Binder<'a, L> {
    pub(crate) owner: &'a Arc<Owner<UpstreamSession, L, SharedFault>>,
    pub(crate) pool: &'a Pool,
    pub(crate) server: &'a Arc<Server>,
}

// === impl Binder ===

impl<L> Binder<'_, L> {
    /// The binding as far as it is known, without making one.
    pub(crate) fn known(&self, session: &Session) -> Option<Bound> {
        let key = self.server.backend.key;
        if let Some((seq, upstream)) = self.owner.binding(session.key(), key) {
            return Some(Bound { upstream, seq: Some(seq), fresh: false });
        }
        sealed(session, self.server).map(|upstream| Bound { upstream, seq: None, fresh: false })
    }

    /// The binding to use. `stale`: one that the backend no longer knows.
    ///
    /// # Errors
    /// The fault of the one attempt that everybody waited for; the session is gone.
    pub(crate) async fn bind(&self, session: &Session, stale: Option<Stale>) -> Result<Bound, Fault> {
        if stale.is_none()
            && let Some(bound) = self.known(session)
        {
            return Ok(bound);
        }
        let seen = stale.and_then(|stale| stale.0);
        let lease = match self.owner.begin_bind(session.key(), self.server.backend.key, seen) {
            Begin::Bound(seq, upstream) => return Ok(Bound { upstream, seq: Some(seq), fresh: false }),
            Begin::Gone => return Err(gone()),
            Begin::Lease(lease) => lease,
            Begin::Wait(waiting) => match waiting.ended().await {
                Waited::Bound(seq, upstream) => return Ok(Bound { upstream, seq: Some(seq), fresh: false }),
                Waited::Failed(shared) => return Err(shared.to_fault()),
                Waited::Gone => return Err(gone()),
                Waited::Lease(lease) => lease,
            },
        };
        Box::pin(self.make(session, lease)).await
    }

    /// Enters the binding of the sealed id into a new record, so that the end of the record ends the upstream session.
    pub(crate) fn adopt_sealed(&self, session: &Session) {
        let Some(upstream) = sealed(session, self.server) else { return };
        if let Begin::Lease(lease) = self.owner.begin_bind(session.key(), self.server.backend.key, None) {
            // An orphan belongs to a session that is being deleted, which collects the sealed binding itself.
            let _adopted = lease.commit(upstream);
        }
    }

    async fn make(&self, session: &Session, lease: BindLease<UpstreamSession, L, SharedFault>) -> Result<Bound, Fault> {
        let hello = Hello::Made {
            revision: session.revision,
            capabilities: session.capabilities,
            client_name: session.token.client_name.as_str(),
            client_version: session.token.client_version.as_str(),
        };
        match upstream::initialize(self.pool, self.server, &hello).await {
            Ok(made) => match lease.commit(made.session.clone()) {
                Ok(committed) => {
                    self.apply_log_level(session, &made.session).await;
                    Ok(Bound { upstream: made.session, seq: Some(committed.seq), fresh: true })
                }
                Err(orphan) => {
                    upstream::end_session(self.pool, self.server, &orphan.0).await;
                    Err(gone())
                }
            },
            Err(error) => {
                // Whatever the handshake did, the call itself was not sent.
                let fault = Fault::from(error).executed(Executed::No);
                lease.fail(&SharedFault::of(&fault));
                Err(fault)
            }
        }
    }

    /// A level that the client set earlier holds for a backend that is bound later, too.
    async fn apply_log_level(&self, session: &Session, upstream: &UpstreamSession) {
        let Some(level) = self.owner.log_level(session.key()) else { return };
        let method = Method::LoggingSetLevel.as_str();
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"level":"{}"}}}}"#, level.as_str());
        let wait = self.server.backend.timeouts.connect * 2;
        let out = Outgoing {
            body: Bytes::from(body),
            session: Some(upstream),
            revision: Some(upstream.revision),
            headers: &[],
            idle: wait,
            deadline: tokio::time::Instant::now() + wait,
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

fn gone() -> Fault {
    Fault::client(Reason::Session, "Session not found")
}

// === impl SharedFault ===

impl SharedFault {
    fn of(fault: &Fault) -> Self {
        Self { source: fault.source, reason: fault.reason, executed: fault.executed, message: fault.message.clone() }
    }

    fn to_fault(&self) -> Fault {
        Fault::new(self.source, self.reason, self.message.clone()).executed(self.executed)
    }
}
