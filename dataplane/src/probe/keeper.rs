//! The thread of the probes: who is visited when, and what the visits say of backends and routes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use futures::StreamExt as _;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use ringway_snapshot::{BackendKey, ObjectName, Target};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Plan;
use super::board::Board;
use super::limits::Limits;
use super::site::Site;
use super::tally::{Tools, tally};
use super::visit::{Errand, Greeting, Visit, visit};
use crate::catalog;
use crate::telemetry::labels::TaskName;
use crate::telemetry::tasks::Tasks;
use crate::upstream::{LiveRoute, Pool, Server, UpstreamSession, end_session};

/// How often it is looked who is due.
const TICK: Duration = Duration::from_millis(200);
/// Time for the goodbyes to servers at the end.
const GOODBYES: Duration = Duration::from_secs(2);

/// All that the thread owns.
#[derive(Debug)]
pub(super) struct Keeper {
    limits: Limits,
    lists: Arc<catalog::Limits>,
    tasks: Tasks,
    board: Arc<Board>,
    pool: Arc<Pool>,
    sites: HashMap<BackendKey, Site, RandomState>,
    routes: Vec<Arc<LiveRoute>>,
    /// Indices in `routes`.
    routes_of: HashMap<BackendKey, Vec<usize>, RandomState>,
    under_way: FuturesUnordered<BoxFuture<'static, Result>>,
    /// Visits that may begin now; refilled with time.
    tokens: f64,
    refilled: Instant,
}

/// Of which incarnation of a backend, and what came of it; `None`: the visit broke off.
type Result = (Arc<Server>, Option<Visit>);

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(limits: Limits, lists: catalog::Limits, tasks: Tasks, board: Arc<Board>) -> Self {
        Self {
            lists: Arc::new(lists),
            tasks,
            board,
            pool: Arc::new(Pool::new()),
            sites: HashMap::default(),
            routes: Vec::new(),
            routes_of: HashMap::default(),
            under_way: FuturesUnordered::new(),
            tokens: as_float(limits.rate),
            refilled: Instant::now(),
            limits,
        }
    }

    /// Runs until it is stopped.
    pub(super) async fn run(mut self, mut plans: watch::Receiver<Arc<Plan>>, mut stopped: oneshot::Receiver<()>) {
        loop {
            let tick = Instant::now() + TICK;
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                changed = plans.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let plan = Arc::clone(&plans.borrow_and_update());
                    self.apply(&plan);
                }
                Some((server, visit)) = self.under_way.next() => self.take(&server, visit),
                () = sleep_until(tick), if !self.sites.is_empty() => {}
            }
            self.visit_due();
        }
        let goodbyes = self.sites.into_values().filter_map(Site::leave);
        let pool = &self.pool;
        let goodbyes = join_all(goodbyes.map(|(server, session)| async move {
            end_session(pool, &server, &session).await;
        }));
        // A server that does not listen keeps nobody.
        let _late = timeout(GOODBYES, goodbyes).await;
    }

    fn apply(&mut self, plan: &Plan) {
        let now = Instant::now();
        let mut old = std::mem::take(&mut self.sites);
        for server in plan.servers.iter().filter(|server| matches!(server.backend.target, Target::Http(_))) {
            let key = server.backend.key;
            let site = match old.remove(&key) {
                None => Site::new(Arc::clone(server), &self.limits, now),
                Some(mut site) => {
                    if site.renew(server, &self.limits, now) {
                        site
                    } else {
                        self.say_goodbye(site.leave());
                        Site::new(Arc::clone(server), &self.limits, now)
                    }
                }
            };
            self.sites.insert(key, site);
        }
        for gone in old.into_values() {
            self.say_goodbye(gone.leave());
        }
        self.routes.clone_from(&plan.routes);
        self.routes_of.clear();
        for (index, route) in self.routes.iter().enumerate() {
            for section in &route.compiled.sections {
                self.routes_of.entry(section.spec.key).or_default().push(index);
            }
        }
        let backends: HashSet<&ObjectName> = self.sites.values().map(|site| &site.server.backend.name).collect();
        let routes: HashSet<&ObjectName> = self.routes.iter().map(|route| &route.compiled.spec.name).collect();
        self.board.retain(|name| backends.contains(name), |name| routes.contains(name));
        for route in &self.routes {
            self.report_route(route);
        }
        for site in self.sites.values() {
            self.board.backend(&site.server.backend.name, &site.found);
        }
    }

    fn say_goodbye(&self, left: Option<(Arc<Server>, UpstreamSession)>) {
        let Some((server, session)) = left else { return };
        let pool = Arc::clone(&self.pool);
        // Nobody waits for it.
        drop(self.tasks.spawn(TaskName::EndSession, async move { end_session(&pool, &server, &session).await }));
    }

    fn take(&mut self, server: &Arc<Server>, visit: Option<Visit>) {
        let interval = self.interval();
        let key = server.backend.key;
        let Some(site) = self.sites.get_mut(&key).filter(|site| site.server.is_same_as(server)) else {
            // It left meanwhile, or is another: what was opened there is closed.
            let session = visit.and_then(|visit| visit.greeting).and_then(Greeting::leave);
            self.say_goodbye(session.map(|session| (Arc::clone(server), session)));
            return;
        };
        let Some(visit) = visit else { return site.rest(interval, Instant::now()) };
        let tools_changed = site.take(visit, &self.limits, interval, Instant::now());
        self.board.backend(&site.server.backend.name, &site.found);
        if tools_changed {
            for index in self.routes_of.get(&key).into_iter().flatten() {
                if let Some(route) = self.routes.get(*index) {
                    self.report_route(route);
                }
            }
        }
    }

    fn report_route(&self, route: &LiveRoute) {
        let sections = &route.compiled.sections;
        let tools: Vec<Tools<'_>> = sections
            .iter()
            .map(|section| self.sites.get(&section.spec.key).map_or(Tools::Unknown, Site::tools))
            .collect();
        self.board.route(&route.compiled.spec.name, &tally(&route.compiled, &tools));
    }

    fn visit_due(&mut self) {
        let now = Instant::now();
        let rate = as_float(self.limits.rate);
        let passed = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.tokens = passed.mul_add(rate, self.tokens).min(rate);
        self.refilled = now;
        let interval = self.interval();
        let mut due: Vec<(Instant, BackendKey)> =
            self.sites.iter_mut().filter_map(|(key, site)| Some((site.due(&self.limits, now)?, *key))).collect();
        // Who waits longest first: also where there are more than can be visited.
        due.sort_unstable_by_key(|(at, _)| *at);
        for (_, key) in due {
            if self.tokens < 1.0 || self.under_way.len() >= self.limits.parallel {
                return;
            }
            let errand = self.sites.get_mut(&key).and_then(|site| site.errand(interval, now));
            if let Some(errand) = errand {
                self.tokens -= 1.0;
                self.send(errand);
            }
        }
    }

    fn send(&self, errand: Errand) {
        let (server, pool, lists) = (Arc::clone(&errand.server), Arc::clone(&self.pool), Arc::clone(&self.lists));
        let visiting = self.tasks.spawn(TaskName::Probe, async move { visit(&pool, errand, &lists).await });
        self.under_way.push(Box::pin(async move { (server, visiting.await.ok().and_then(|found| found.ok())) }));
    }

    /// Rarer than is wished for where there are many.
    fn interval(&self) -> Duration {
        let least = Duration::from_secs_f64(as_float(self.sites.len()) / as_float(self.limits.rate.max(1)));
        self.limits.interval.max(least)
    }
}

fn as_float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
