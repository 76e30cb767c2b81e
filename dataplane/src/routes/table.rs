//! The routes of one listener by path and host name.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::LiveRoute;
use crate::state::hosts::{HostMap, overlap};

/// Paths are exact; of the routes at one path the more specific host name wins.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The listener's; `None`: every host comes here.
    hostname: Option<Box<str>>,
    by_path: HashMap<Box<str>, HostMap<Arc<LiveRoute>>, RandomState>,
}

// === impl Paths ===

impl Paths {
    pub(super) fn of(hostname: Option<&str>) -> Self {
        Self { hostname: hostname.map(Box::from), by_path: HashMap::default() }
    }

    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Arc<LiveRoute>> {
        self.by_path.get(path)?.find(host)
    }

    /// Would [`Self::insert`] take the route?
    fn has_room(&self, route: &LiveRoute) -> Result<(), String> {
        let spec = &route.rules().spec;
        let Some(hosts) = self.by_path.get(spec.path.as_str()) else { return Ok(()) };
        let taken = self.patterns(route).find_map(|pattern| hosts.under(pattern));
        taken.map_or(Ok(()), |other| {
            Err(format!("Route {} has the same host name and path {}.", other.rules().spec.name, spec.path))
        })
    }

    /// Takes a route in, whole or not at all.
    pub(super) fn insert(&mut self, route: &Arc<LiveRoute>) -> Result<(), String> {
        self.has_room(route)?;
        let patterns: SmallVec<[_; 4]> = self.patterns(route).collect();
        let hosts = self.by_path.entry(route.rules().spec.path.as_str().into()).or_default();
        for pattern in patterns {
            // A host name that stands twice on a route is one.
            hosts.insert(pattern, Arc::clone(route));
        }
        Ok(())
    }

    /// The route's host names of which the listener has a host. Any other is of another listener, and takes no place from
    /// anybody here.
    fn patterns<'a>(&self, route: &'a LiveRoute) -> impl Iterator<Item = Option<&'a str>> {
        let hostnames = &route.rules().spec.hostnames;
        let every = hostnames.is_empty().then_some(None);
        let all = every.into_iter().chain(hostnames.iter().map(|hostname| Some(hostname.as_str())));
        all.filter(|pattern| overlap(self.hostname.as_deref(), *pattern))
    }
}
