//! Calls of a tool through the gateway, one after the other, for as long as a test does something to the cluster. Every failure is kept.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;

use crate::session::Session;
use crate::wait;

/// Failures that are kept; the rest is counted.
const KEPT: usize = 20;

/// Between a failure and the next attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Clients that call until they are stopped.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    answered: AtomicUsize,
    failed: AtomicUsize,
    trouble: Mutex<Trouble>,
}

/// What went wrong, and for how long nothing went well.
#[derive(Debug, Default)]
struct Trouble {
    first: Vec<String>,
    last_answer: Option<Instant>,
    longest_gap: Duration,
}

/// How it went.
#[derive(Debug)]
pub struct Outcome {
    pub answered: usize,
    pub failed: usize,
    /// The first of them.
    pub failures: Vec<String>,
    /// Between two answers, whoever got them.
    pub longest_gap: Duration,
}

/// A session, a call of the tool `add` of the bundled servers, and its end.
pub fn call(address: SocketAddr, path: &str) -> Result<()> {
    let mut session = Session::open(address, path, &json!({}))?;
    add(&mut session)?;
    session.delete().map(drop)
}

/// The tool `add`, by whatever prefix the route gives it.
pub fn add(session: &mut Session) -> Result<()> {
    let names = session.names("tools/list", "tools")?;
    let name = names.iter().find(|name| name.ends_with("add")).with_context(|| format!("no add among {names:?}"))?;
    let answer = session.request("tools/call", &json!({"name": name, "arguments": {"a": 2, "b": 40}}))?;
    ensure!(answer["result"]["structuredContent"]["sum"] == json!(42), "{name} answered {answer}");
    Ok(())
}

/// Calls until one works: a Service, an endpoint or a route may be on its way.
pub fn first_call(address: SocketAddr, path: &str, within: Duration) -> Result<()> {
    let mut last = None;
    wait::until(&format!("a tool call on {path}"), within, || match call(address, path) {
        Ok(()) => Ok(Some(())),
        Err(error) => {
            last = Some(format!("{error:#}"));
            Ok(None)
        }
    })
    .with_context(|| last.unwrap_or_default())
}

// === impl Traffic ===

impl Traffic {
    /// Each client opens a session, calls and ends it, over and over, every step on a connection that may be new.
    #[must_use]
    pub fn start(address: SocketAddr, path: &str, clients: usize) -> Self {
        Self::of(clients, || {
            let path = path.to_owned();
            move || call(address, &path)
        })
    }

    /// Each client keeps one session for all its calls.
    #[must_use]
    pub fn in_sessions(address: SocketAddr, path: &str, clients: usize) -> Self {
        Self::of(clients, || {
            let (path, mut session) = (path.to_owned(), None);
            move || {
                let open = match session.take() {
                    Some(kept) => kept,
                    None => Session::open(address, &path, &json!({}))?,
                };
                add(session.insert(open))
            }
        })
    }

    fn of<C: FnMut() -> Result<()> + Send + 'static>(clients: usize, make: impl Fn() -> C) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |mut call: C| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                while !shared.is_over.load(Ordering::Acquire) {
                    shared.count(call());
                }
            })
        };
        let clients = (0..clients).map(|_| client(make())).collect();
        Self { shared, clients }
    }

    /// How many calls were answered so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Acquire)
    }

    /// Waits until so many more calls were answered: what was done is in force, and traffic flows.
    pub fn goes_on(&self, more: usize, within: Duration) -> Result<()> {
        let from = self.answered();
        let start = Instant::now();
        wait::until(&format!("{more} more calls to be answered"), within, || {
            Ok((self.answered() >= from + more).then_some(()))
        })
        .with_context(|| {
            format!(
                "{} since {:?}: {}",
                self.answered() - from,
                start.elapsed(),
                self.shared.trouble().first.join("\n")
            )
        })
    }

    /// Ends it: how many calls were answered. Any that failed is an error.
    pub fn stop_without_failure(self) -> Result<usize> {
        let outcome = self.stop()?;
        ensure!(outcome.failed == 0, "calls failed: {outcome:#?}");
        ensure!(outcome.answered > 0, "not one call was made");
        Ok(outcome.answered)
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<Outcome> {
        self.shared.is_over.store(true, Ordering::Release);
        for client in self.clients.drain(..) {
            client.join().map_err(|_| anyhow!("a client panicked"))?;
        }
        let trouble = self.shared.trouble();
        Ok(Outcome {
            answered: self.answered(),
            failed: self.shared.failed.load(Ordering::Acquire),
            failures: trouble.first.clone(),
            longest_gap: trouble.longest_gap,
        })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
    }
}

// === impl Shared ===

impl Shared {
    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, outcome: Result<()>) {
        let mut trouble = self.trouble();
        let Err(error) = outcome else {
            self.answered.fetch_add(1, Ordering::AcqRel);
            let now = Instant::now();
            let gap = trouble.last_answer.map(|last| now.duration_since(last)).unwrap_or_default();
            trouble.longest_gap = trouble.longest_gap.max(gap);
            trouble.last_answer = Some(now);
            return;
        };
        self.failed.fetch_add(1, Ordering::AcqRel);
        if trouble.first.len() < KEPT {
            trouble.first.push(format!("{error:#}"));
        }
        drop(trouble);
        // As a client that tries again does.
        thread::park_timeout(PAUSE);
    }
}
