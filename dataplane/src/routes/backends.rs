//! The backends of one configuration: each as it is wanted, or in its last good form where it cannot be.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringway_config_stream::{Key, Kind, Rejection};
use ringway_snapshot::{Backend, BackendKey, HttpTarget, ObjectName, Target};

use crate::upstream::Server;

/// Every backend.
#[derive(Debug, Default)]
pub(super) struct Backends {
    by_key: HashMap<BackendKey, Slot, RandomState>,
}

#[derive(Debug)]
struct Slot {
    wanted: Arc<Backend>,
    /// Of `wanted`, or of an older form; broken where there never was a good one: a call to it says so.
    server: Arc<Server>,
    /// Why `wanted` is not what is served.
    refusal: Option<String>,
}

// === impl Backends ===

impl Backends {
    pub(super) fn new(
        backends: &BTreeMap<ObjectName, Arc<Backend>>,
        previous: &Self,
        rejections: &mut Vec<Rejection>,
    ) -> Self {
        let mut by_key = HashMap::with_capacity_and_hasher(backends.len(), RandomState::default());
        for wanted in backends.values() {
            let slot = Slot::new(wanted, previous.by_key.get(&wanted.key));
            if let Some(reason) = slot.refusal.clone() {
                rejections.push(Rejection::new(&Key::new(Kind::Backend, &wanted.name), reason));
            }
            by_key.insert(wanted.key, slot);
        }
        Self { by_key }
    }

    pub(super) fn server(&self, key: BackendKey) -> Option<&Arc<Server>> {
        self.by_key.get(&key).map(|slot| &slot.server)
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.by_key.values().map(|slot| &slot.server)
    }
}

// === impl Slot ===

impl Slot {
    fn new(wanted: &Arc<Backend>, old: Option<&Self>) -> Self {
        if let Some(old) = old.filter(|old| Arc::ptr_eq(&old.wanted, wanted)) {
            return Self { wanted: Arc::clone(wanted), server: Arc::clone(&old.server), refusal: old.refusal.clone() };
        }
        let server = Server::new(Arc::clone(wanted), old.map(|old| &old.server));
        let refusal = server.broken().map(|why| format!("It cannot be used: {why}."));
        let good = old.map(|old| &old.server).filter(|old| refusal.is_some() && old.broken().is_none());
        let server = match good {
            None => server,
            Some(good) => match at_new_endpoints(&good.backend, wanted) {
                Some(moved) => Server::new(Arc::new(moved), Some(good)),
                None => Arc::clone(good),
            },
        };
        Self { wanted: Arc::clone(wanted), server, refusal }
    }
}

/// The old form of a Service where its pods are now: addresses of pods that are gone help nobody.
fn at_new_endpoints(old: &Backend, new: &Backend) -> Option<Backend> {
    let (Target::Http(was), Target::Http(is)) = (&old.target, &new.target) else { return None };
    let same_service = was.hostname == is.hostname && was.port == is.port;
    if !same_service || was.endpoints.is_none() || is.endpoints.is_none() || was.endpoints == is.endpoints {
        return None;
    }
    Some(Backend { target: Target::Http(HttpTarget { endpoints: is.endpoints.clone(), ..was.clone() }), ..old.clone() })
}
