//! The catalogue thread: its runtime, its pool, its beginning and end.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use ringway_seal::Keyring;
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};

use super::entry::Shop;
use super::keeper::{Inputs, Keeper, Routes};
use super::learned::Learned;
use super::limits::Limits;
use super::view::Board;
use super::{Catalog, ORDERS, Shared};
use crate::telemetry::labels::TaskName;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::tasks::Tasks;
use crate::upstream::Pool;

/// Time for the goodbyes to servers when the catalogue ends.
const GOODBYES: Duration = Duration::from_secs(3);

// === impl Catalog ===

impl Catalog {
    /// Starts the catalogue thread, with no routes yet.
    ///
    /// # Errors
    /// The system gives no thread or no runtime.
    pub fn start(keyring: Arc<Keyring>, limits: Limits, metrics: Arc<Metrics>) -> io::Result<Arc<Self>> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let limits = Arc::new(limits);
        let (orders, order_inbox) = mpsc::channel(ORDERS);
        let (news, news_inbox) = mpsc::unbounded_channel();
        let (config, config_inbox) = watch::channel(Arc::<Routes>::default());
        let shared = Arc::new(Shared {
            board: Board::new(),
            keyring: ArcSwap::new(keyring),
            limits: Arc::clone(&limits),
            learned: Mutex::new(Learned::new(limits.learned_uris)),
            metrics: Arc::clone(&metrics),
            stop: Notify::new(),
        });
        let tasks = Tasks::new(metrics);
        let shop = Shop { pool: Arc::new(Pool::new()), limits, tasks: tasks.clone(), news };
        let keeper = Keeper::new(Arc::clone(&shared), shop);
        let inputs = Inputs { orders: order_inbox, config: config_inbox, news: news_inbox };
        let thread = thread::Builder::new().name("catalog".to_owned()).spawn(move || {
            runtime.block_on(async move {
                // Entries are held by the keeper: when it returns they say goodbye.
                keeper.run(inputs).await;
                let end = Instant::now() + GOODBYES;
                while tasks.live(TaskName::Catalog) > 0 && Instant::now() < end {
                    sleep(Duration::from_millis(10)).await;
                }
            });
        })?;
        Ok(Arc::new(Self { shared, orders, config, thread: Mutex::new(Some(thread)) }))
    }

    /// Ends the catalogue thread and its upstream sessions, and waits for that (a few seconds at most). Lists that are
    /// asked for afterwards are answered from what was merged, or refused.
    pub fn stop(&self) {
        self.shared.stop.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the catalogue thread ended by a panic");
        }
    }
}
