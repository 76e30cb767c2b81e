//! Whether what this replica knows can still be what holds: the API server has to have answered of late.
//!
//! A replica that is cut off goes on with what it saw last, and a pod that reaches no other would take that for the truth
//! once it has held long enough. So it stops offering in good time. When it is in touch again, everything is listed anew
//! first: watches that were cut do not say what they missed. The rules are pure; run by `app`.

use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::limits::HOLD;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::Health;
use crate::metrics::Metrics;
use crate::observe::Observer;
use crate::publish::Publisher;

/// Without an answer of the API server for this long, a replica is stale: some calls about the Lease, and far less than
/// a pod holds.
pub const STALE_AFTER: Duration = Duration::from_secs(20);
/// For all lists to come in once the API server answers again. One that fails must not hold up all others for ever.
const CATCH_UP: Duration = Duration::from_secs(30);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(200);

const _: () = assert!(STALE_AFTER.as_secs() * 2 <= HOLD.as_secs(), "a pod must not take what is stale");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Freshness {
    Fresh,
    /// The API server does not answer.
    Silent,
    /// It answers since then, and not everything is listed.
    CatchingUp(Instant),
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// It became stale.
    Withdraw,
    /// List everything anew.
    Renew,
    /// It is fresh again; true: with every list.
    Offer(bool),
}

/// What is looked at, and who is told.
#[derive(Debug, Clone)]
pub struct Parts {
    /// When the last call to the API server was begun that it answered.
    pub answered: watch::Receiver<Instant>,
    pub observer: Arc<Observer>,
    pub publisher: Arc<Publisher>,
    pub health: Arc<Health>,
    pub metrics: Arc<Metrics>,
}

/// Runs for ever.
pub async fn run(parts: Parts) {
    let mut freshness = Freshness::Fresh;
    loop {
        let answered = *parts.answered.borrow();
        let turn = freshness.look(Instant::now(), answered, parts.observer.is_renewed());
        match turn {
            Turn::Nothing => {}
            Turn::Withdraw => {
                tracing::warn!(
                    limit = STALE_AFTER.as_secs(),
                    "the API server does not answer; nothing is offered to pods that have a configuration"
                );
            }
            Turn::Renew => {
                tracing::info!("the API server answers again; everything is listed anew");
                parts.observer.renew();
            }
            Turn::Offer(true) => tracing::info!("everything is listed anew; offered again"),
            Turn::Offer(false) => tracing::warn!("not everything can be listed; offered again all the same"),
        }
        if turn != Turn::Nothing {
            let problem = freshness.problem();
            parts.publisher.offer_all(problem.is_none());
            parts.metrics.stale.set(i64::from(problem.is_some()));
            parts.health.stale(problem);
        }
        tokio::time::sleep(LOOK).await;
    }
}

// === impl Freshness ===

impl Freshness {
    /// `answered`: when a call was begun that the API server answered. `is_renewed`: everything is listed since it was last
    /// asked for.
    fn look(&mut self, now: Instant, answered: Instant, is_renewed: bool) -> Turn {
        let is_silent = now.saturating_duration_since(answered) >= STALE_AFTER;
        let (state, turn) = match *self {
            Self::Fresh if is_silent => (Self::Silent, Turn::Withdraw),
            Self::CatchingUp(_) if is_silent => (Self::Silent, Turn::Nothing),
            Self::Silent if !is_silent => (Self::CatchingUp(now), Turn::Renew),
            Self::CatchingUp(since) if is_renewed || now.saturating_duration_since(since) >= CATCH_UP => {
                (Self::Fresh, Turn::Offer(is_renewed))
            }
            state => (state, Turn::Nothing),
        };
        *self = state;
        turn
    }

    /// Why it is stale.
    fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Fresh => None,
            Self::Silent => Some("stale: the API server does not answer"),
            Self::CatchingUp(_) => Some("stale: the API server answers again, and not everything is listed anew"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_api_server_makes_it_stale_until_everything_is_listed_anew() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut freshness = Freshness::Fresh;
        assert_eq!(freshness.look(after(19), start, true), Turn::Nothing);
        assert_eq!(freshness.problem(), None);
        assert_eq!(freshness.look(after(20), start, true), Turn::Withdraw);
        assert_eq!(freshness.look(after(300), start, true), Turn::Nothing, "said once");
        assert!(freshness.problem().is_some());
        assert_eq!(freshness.look(after(301), after(300), true), Turn::Renew);
        assert_eq!(freshness.look(after(302), after(302), false), Turn::Nothing);
        assert!(freshness.problem().is_some(), "an answer alone does not say what was missed");
        assert_eq!(freshness.look(after(303), after(302), true), Turn::Offer(true));
        assert_eq!(freshness.problem(), None);
    }

    #[test]
    fn a_list_that_fails_on_is_not_waited_for_without_end() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut freshness = Freshness::CatchingUp(start);
        assert_eq!(freshness.look(after(29), after(28), false), Turn::Nothing);
        assert_eq!(freshness.look(after(30), after(28), false), Turn::Offer(false));
        // Silent again meanwhile: it begins anew.
        let mut freshness = Freshness::CatchingUp(start);
        assert_eq!(freshness.look(after(25), start, false), Turn::Nothing);
        assert_eq!(freshness, Freshness::Silent);
        assert_eq!(freshness.look(after(40), after(40), true), Turn::Renew);
    }
}
