//! Is the process alive, and is it ready: facts written by workers and listeners, read by the admin server.
//!
//! Liveness asks only whether threads make progress. Readiness asks for configuration, listeners and drain; never for
//! backends or an operator, whose loss must not take pods out of service.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::drain::Drain;

/// A worker that did not beat for this long is stuck, and the process with it.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How often a worker beats.
pub const BEAT: Duration = Duration::from_secs(1);

/// The facts; shared by all who write them.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    workers: Mutex<Vec<Arc<Worker>>>,
    config: Mutex<Config>,
    listening: AtomicBool,
    leaving: AtomicBool,
    drain: Drain,
}

/// A worker's pulse. Dropped: the worker ended in order and is no longer watched.
#[derive(Debug)]
pub struct Heartbeat {
    health: Arc<Health>,
    worker: Arc<Worker>,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: String,
    /// `None`: fine.
    pub problem: Option<String>,
}

#[derive(Debug)]
struct Worker {
    name: String,
    /// Milliseconds after `started`.
    last: AtomicU64,
}

#[derive(Debug)]
enum Config {
    Applied,
    Missing(String),
}

// === impl Health ===

impl Health {
    /// With no configuration and no listener: not ready.
    #[must_use]
    pub fn new(drain: Drain) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            workers: Mutex::default(),
            config: Mutex::new(Config::Missing("not read yet".to_owned())),
            listening: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            drain,
        })
    }

    /// Watches one more worker from now on.
    #[must_use]
    pub fn worker(self: &Arc<Self>, name: impl Into<String>) -> Heartbeat {
        let worker = Arc::new(Worker { name: name.into(), last: AtomicU64::new(self.now()) });
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&worker));
        Heartbeat { health: Arc::clone(self), worker }
    }

    /// The first snapshot is in use. Stays so whatever comes after it.
    pub fn config_applied(&self) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Config::Applied;
    }

    /// Why there is no snapshot yet; nothing once one was applied.
    pub fn config_missing(&self, reason: impl Into<String>) {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Config::Missing(old) = &mut *config {
            *old = reason.into();
        }
    }

    /// Every listener is bound.
    pub fn listening(&self) {
        self.listening.store(true, Relaxed);
    }

    /// The process is about to drain: nobody new is to be sent here.
    pub fn leaving(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// One check per worker.
    #[must_use]
    pub fn live(&self) -> Vec<Check> {
        self.live_at(self.now())
    }

    fn live_at(&self, now: u64) -> Vec<Check> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let check = |worker: &Arc<Worker>| {
            let silent = Duration::from_millis(now.saturating_sub(worker.last.load(Relaxed)));
            let problem = (silent >= STUCK_AFTER).then(|| format!("no progress for {} s", silent.as_secs()));
            Check { name: worker.name.clone(), problem }
        };
        workers.iter().map(check).collect()
    }

    /// Configuration, listeners, drain.
    #[must_use]
    pub fn ready(&self) -> Vec<Check> {
        let config = match &*self.config.lock().unwrap_or_else(PoisonError::into_inner) {
            Config::Applied => None,
            Config::Missing(reason) => Some(reason.clone()),
        };
        let listening = self.listening.load(Relaxed);
        let leaving = self.leaving.load(Relaxed).then(|| "leaving".to_owned());
        let drain = if self.drain.is_draining() { Some("draining".to_owned()) } else { leaving };
        vec![
            Check { name: "config".to_owned(), problem: config },
            Check { name: "listeners".to_owned(), problem: (!listening).then(|| "not bound".to_owned()) },
            Check { name: "drain".to_owned(), problem: drain },
        ]
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

// === impl Heartbeat ===

impl Heartbeat {
    pub fn beat(&self) {
        self.worker.last.store(self.health.now(), Relaxed);
    }

    /// Beats for ever: the worker spawns this on its own runtime, so that a blocked runtime is silent.
    pub async fn run(self) {
        let mut interval = tokio::time::interval(BEAT);
        loop {
            interval.tick().await;
            self.beat();
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let mut workers = self.health.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| !Arc::ptr_eq(worker, &self.worker));
    }
}

/// All checks as text, as Kubernetes' own servers write them.
#[must_use]
pub fn report(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        // Writing to a String cannot fail.
        let _ = match &check.problem {
            None => writeln!(text, "[+] {} ok", check.name),
            Some(problem) => writeln!(text, "[-] {} failed: {problem}", check.name),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::cells::Gauge;

    fn problems(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|check| check.problem.is_some()).map(|check| check.name.as_str()).collect()
    }

    #[test]
    fn ready_means_configured_listening_and_not_draining() {
        let drain = Drain::new(Gauge::default());
        let health = Health::new(drain.clone());
        assert_eq!(problems(&health.ready()), ["config", "listeners"]);
        health.config_missing("no files in routes/");
        assert!(report(&health.ready()).contains("[-] config failed: no files in routes/\n"));
        health.listening();
        health.config_applied();
        health.config_missing("too late");
        assert_eq!(problems(&health.ready()), [""; 0]);
        assert_eq!(report(&health.ready()), "[+] config ok\n[+] listeners ok\n[+] drain ok\n");
        health.leaving();
        assert!(report(&health.ready()).contains("[-] drain failed: leaving\n"));
        drain.begin();
        assert!(report(&health.ready()).contains("[-] drain failed: draining\n"));
    }

    #[test]
    fn a_silent_worker_is_stuck_until_it_beats_or_ends() {
        let health = Health::new(Drain::new(Gauge::default()));
        let (one, two) = (health.worker("worker-0"), health.worker("worker-1"));
        let base = health.now();
        assert_eq!(problems(&health.live_at(base + 9_000)), [""; 0]);
        one.worker.last.store(base + 15_000, Relaxed);
        assert_eq!(problems(&health.live_at(base + 20_000)), ["worker-1"]);
        drop(two);
        assert_eq!(problems(&health.live_at(base + 20_000)), [""; 0]);
        assert_eq!(problems(&health.live_at(base + 25_000)), ["worker-0"]);
        one.beat();
        assert_eq!(problems(&health.live()), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_heartbeat_beats() {
        let health = Health::new(Drain::new(Gauge::default()));
        let beat = health.worker("worker-0");
        let worker = Arc::clone(&beat.worker);
        worker.last.store(u64::MAX, Relaxed);
        let task = tokio::spawn(beat.run());
        tokio::time::sleep(BEAT * 2).await;
        assert!(worker.last.load(Relaxed) < u64::MAX);
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(health.live(), []);
    }
}
