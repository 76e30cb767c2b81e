//! Whether each backend answers, what it is and how much it has, with or without clients: for the status of its object.
//!
//! One thread visits every backend of the configuration, also those on no route: gently, a few at a time, and not while
//! clients show that it answers. Serves no client and changes no route. Started by `app` in a pod of a cluster.

mod board;
mod keeper;
mod limits;
mod site;
mod tally;
mod verdict;
mod visit;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ringway_config_stream::Facts;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use crate::catalog;
use crate::telemetry::tasks::Tasks;
use crate::upstream::{LiveRoute, Server};
use board::Board;
use keeper::Keeper;
pub use limits::Limits;

/// What there is to visit.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) routes: Vec<Arc<LiveRoute>>,
}

/// The probes. Dropped, they end.
#[derive(Debug)]
pub(crate) struct Probes {
    plan: watch::Sender<Arc<Plan>>,
    board: Arc<Board>,
    stop: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

// === impl Probes ===

impl Probes {
    /// Starts the thread, with nothing to visit yet. `lists`: what a list may hold.
    pub(crate) fn start(limits: Limits, lists: catalog::Limits, tasks: Tasks) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (plan, plans) = watch::channel(Arc::<Plan>::default());
        let (stop, stopped) = oneshot::channel();
        let board = Arc::new(Board::default());
        let keeper = Keeper::new(limits, lists, tasks, Arc::clone(&board));
        let thread = thread::Builder::new().name("ringway-probe".to_owned()).spawn(move || {
            runtime.block_on(keeper.run(plans, stopped));
        })?;
        Ok(Self { plan, board, stop: Mutex::new(Some((stop, thread))) })
    }

    /// Visits these from now on. What is the same is not visited anew.
    pub(crate) fn apply(&self, plan: Plan) {
        self.plan.send_replace(Arc::new(plan));
    }

    /// All that is known now.
    pub(crate) fn facts(&self) -> Arc<Facts> {
        self.board.facts()
    }

    /// Ends the sessions with backends and the thread, within seconds.
    pub(crate) fn stop(&self) {
        let Some((stop, thread)) = self.stop.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        drop(stop);
        if thread.join().is_err() {
            tracing::error!("the thread of the probes ended by a panic");
        }
    }
}
