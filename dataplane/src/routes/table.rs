//! The routes of one listener by path and host name.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::LiveRoute;
use crate::state::hosts::HostMap;

/// Paths are exact; of the routes at one path the more specific host name wins.
#[derive(Debug, Default)]
pub(super) struct Paths {
    by_path: HashMap<Box<str>, HostMap<Arc<LiveRoute>>, RandomState>,
}

// === impl Paths ===

impl Paths {
    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Arc<LiveRoute>> {
        self.by_path.get(path)?.find(host)
    }

    /// Would [`Self::insert`] take the route?
    pub(super) fn has_room(&self, route: &LiveRoute) -> Result<(), String> {
        let spec = &route.rules().spec;
        let Some(hosts) = self.by_path.get(spec.path.as_str()) else { return Ok(()) };
        let taken = patterns(route).find_map(|pattern| hosts.under(pattern));
        taken.map_or(Ok(()), |other| {
            Err(format!("Route {} has the same host name and path {}.", other.rules().spec.name, spec.path))
        })
    }

    /// Takes a route in, whole or not at all.
    pub(super) fn insert(&mut self, route: &Arc<LiveRoute>) -> Result<(), String> {
        self.has_room(route)?;
        let hosts = self.by_path.entry(route.rules().spec.path.as_str().into()).or_default();
        for pattern in patterns(route) {
            // A host name that stands twice on a route is one.
            hosts.insert(pattern, Arc::clone(route));
        }
        Ok(())
    }
}

fn patterns(route: &LiveRoute) -> impl Iterator<Item = Option<&str>> {
    let hostnames = &route.rules().spec.hostnames;
    let every = hostnames.is_empty().then_some(None);
    every.into_iter().chain(hostnames.iter().map(|hostname| Some(hostname.as_str())))
}
