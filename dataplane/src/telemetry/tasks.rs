//! Tasks under names: how many live, and which ended by a panic.
//!
//! Every task of the data plane but those of `upstream` (its connections and child processes, which `Server::levels`
//! counts) is started here, so that a leak test can read who is left. A panic ends its task alone; its message, which may
//! hold data of a caller, is never logged: only where it happened.

use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::JoinHandle;

use super::labels::TaskName;
use super::metrics::Metrics;

/// Starts tasks; cheap to clone.
#[derive(Debug, Clone)]
pub struct Tasks {
    metrics: Arc<Metrics>,
}

/// A task ended by a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task panicked ({})", .0.as_str())]
pub struct Panicked(pub TaskName);

// === impl Tasks ===

impl Tasks {
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Starts `future` on the runtime of this thread. It counts as alive until it is done, aborted or its runtime ends.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: TaskName, future: F) -> JoinHandle<Result<F::Output, Panicked>>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let metrics = Arc::clone(&self.metrics);
        let alive = self.metrics.task(name);
        tokio::spawn(async move {
            // What the future shares with others is behind locks that recover from poison.
            let result = AssertUnwindSafe(future).catch_unwind().await;
            drop(alive);
            result.map_err(|_| {
                metrics.panicked(name);
                Panicked(name)
            })
        })
    }

    /// Tasks alive under `name`.
    #[must_use]
    pub fn live(&self, name: TaskName) -> i64 {
        self.metrics.live_tasks(name)
    }
}

/// From now on a panic anywhere in the process is an error event with its place and thread, without its message.
/// Called once by the program, not by tests.
pub fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        match info.location() {
            Some(at) => tracing::error!(thread, file = at.file(), line = at.line(), "panic"),
            None => tracing::error!(thread, "panic"),
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::sync::{Mutex, PoisonError};

    use tracing::field::{Field, Visit};
    use tracing::{Event, Metadata, Subscriber, span};

    use super::*;

    /// Every field of every event, as text.
    #[derive(Debug, Clone, Default)]
    struct Events(Arc<Mutex<String>>);

    impl Visit for Events {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            write!(text, "{}={value:?} ", field.name()).unwrap();
        }
    }

    impl Subscriber for Events {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }
        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &span::Id) {}
        fn exit(&self, _: &span::Id) {}
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_its_message() {
        let events = Events::default();
        let before = panic::take_hook();
        log_panics();
        let result = tracing::subscriber::with_default(events.clone(), || {
            panic::catch_unwind(|| panic!("the password is {}", "hunter2"))
        });
        panic::set_hook(before);
        assert!(result.is_err());
        let text = events.0.lock().unwrap().clone();
        assert!(text.contains("tasks.rs") && text.contains("line="), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[tokio::test]
    async fn counts_while_alive_and_catches_panics() {
        let tasks = Tasks::new(Metrics::new());
        let (release, wait) = tokio::sync::oneshot::channel::<u8>();
        let waiting = tasks.spawn(TaskName::Call, wait);
        let endless = tasks.spawn(TaskName::Call, std::future::pending::<()>());
        assert_eq!(tasks.live(TaskName::Call), 2);
        release.send(7).unwrap();
        assert_eq!(waiting.await.unwrap(), Ok(Ok(7)));
        assert_eq!(tasks.live(TaskName::Call), 1);
        endless.abort();
        assert!(endless.await.is_err());
        assert_eq!(tasks.live(TaskName::Call), 0);

        let failed = tasks.spawn(TaskName::Bind, async { panic!("told to") });
        assert_eq!(failed.await.unwrap(), Err::<(), _>(Panicked(TaskName::Bind)));
        assert_eq!((tasks.live(TaskName::Bind), tasks.metrics.panics_total(TaskName::Bind)), (0, 1));
    }
}
