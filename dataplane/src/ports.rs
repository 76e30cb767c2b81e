//! The listeners of one configuration by port: which one a host name meets, its TLS, and what cannot be served.
//!
//! Opens no socket and knows no route. Made by `routes`; asked by `listen` at each handshake.

mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_config_stream::{Key, Kind, Rejection};
use ringway_snapshot::{Listener, ListenerName};
use rustls::ServerConfig;
use xxhash_rust::xxh3::Xxh3Default;

use crate::state::hosts::HostMap;

pub(crate) use tls::nobody;

/// A listener as a connection remembers it: the same as long as it lets in the same clients, whatever else changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ListenerId(u64);

/// A listener as it is served.
#[derive(Debug)]
pub(crate) struct LiveListener {
    pub(crate) spec: Arc<Listener>,
    pub(crate) id: ListenerId,
    /// `None`: plain HTTP.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// One port: all of its listeners plain, or all with TLS.
#[derive(Debug, Default)]
pub(crate) struct Port {
    pub(crate) listeners: Vec<Arc<LiveListener>>,
    /// Index in `listeners`.
    by_host: HostMap<usize>,
}

/// Every listener of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// In the order of the sockets.
    pub(crate) ports: Vec<Port>,
    slots: BTreeMap<ListenerName, Slot>,
}

/// What was asked for, and what became of it.
#[derive(Debug)]
struct Slot {
    wanted: Arc<Listener>,
    compiled: Result<Arc<LiveListener>, String>,
    served: Option<Arc<LiveListener>>,
}

// === impl ListenerId ===

impl ListenerId {
    fn of(spec: &Listener) -> Self {
        let mut hash = Xxh3Default::new();
        let mut add = |text: &[u8]| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text);
        };
        add(spec.name.to_string().as_bytes());
        // A client that was let in by another rule has to ask again. The certificates that the listener shows are not part
        // of it: their change cuts nobody.
        if let Some(client) = spec.tls.as_ref().and_then(|tls| tls.client.as_ref()) {
            add(&[u8::from(client.is_required)]);
            client.ca_pem.iter().for_each(|pem| add(pem.as_bytes()));
        }
        Self(hash.digest())
    }
}

// === impl LiveListener ===

impl LiveListener {
    fn new(spec: &Arc<Listener>) -> Result<Self, String> {
        let tls = spec.tls.as_ref().map(tls::server_config).transpose()?;
        Ok(Self { spec: Arc::clone(spec), id: ListenerId::of(spec), tls })
    }
}

// === impl Port ===

impl Port {
    /// Are connections to begin with a handshake?
    pub(crate) fn is_tls(&self) -> bool {
        self.listeners.first().is_some_and(|listener| listener.tls.is_some())
    }

    /// The listener of a host, and its place in `listeners`; the more specific host name wins.
    pub(crate) fn find(&self, host: &str) -> Option<(usize, &Arc<LiveListener>)> {
        let index = *self.by_host.find(host)?;
        Some((index, self.listeners.get(index)?))
    }

    /// The listener of a handshake. Without a name only one without a host name will do.
    pub(crate) fn find_by_sni(&self, name: Option<&str>) -> Option<&Arc<LiveListener>> {
        let index = match name {
            Some(name) => self.by_host.find(&name.to_ascii_lowercase()),
            None => self.by_host.under(None),
        };
        self.listeners.get(*index?)
    }

    /// Takes a listener in, unless another stands in its way.
    fn place(&mut self, listener: &Arc<LiveListener>) -> Result<(), String> {
        let hostname = listener.spec.hostname.as_deref();
        if let Some(first) = self.listeners.first()
            && first.tls.is_some() != listener.tls.is_some()
        {
            let how = if first.tls.is_some() { "with TLS" } else { "without TLS" };
            return Err(format!("Listener {} serves port {} {how}.", first.spec.name, first.spec.port));
        }
        if let Some(other) = self.by_host.under(hostname).and_then(|index| self.listeners.get(*index)) {
            return Err(format!("Listener {} has the same port and host name.", other.spec.name));
        }
        self.by_host.insert(hostname, self.listeners.len());
        self.listeners.push(Arc::clone(listener));
        Ok(())
    }
}

// === impl Ports ===

impl Ports {
    /// Compiles `listeners` for the sockets of `numbers`. What did not change is taken over from `previous`; what cannot
    /// be served is told to `rejections`, and its last good form is served if it fits.
    pub(crate) fn new(
        listeners: &BTreeMap<ListenerName, Arc<Listener>>,
        numbers: &[u16],
        previous: &Self,
        rejections: &mut Vec<Rejection>,
    ) -> Self {
        let mut made = Self { ports: numbers.iter().map(|_| Port::default()).collect(), slots: BTreeMap::default() };
        let mut order: Vec<_> = listeners.values().map(|wanted| previous.slot_of(wanted)).collect();
        // Where two want the same place, the one that has it keeps it.
        order.sort_by_key(|(slot, old)| !old.as_ref().is_some_and(|old| same_place(&old.spec, &slot.wanted)));
        let mut refused = Vec::new();
        for (mut slot, old) in order {
            let placed = slot.compiled.clone().and_then(|live| made.place(numbers, &live).map(|()| live));
            match placed {
                Ok(live) => slot.served = Some(live),
                Err(reason) => refused.push((slot.wanted.name.clone(), old, reason)),
            }
            made.slots.insert(slot.wanted.name.clone(), slot);
        }
        for (name, old, reason) in refused {
            let served = old.filter(|old| made.place(numbers, old).is_ok());
            if let Some(slot) = made.slots.get_mut(&name) {
                slot.served = served;
            }
            rejections.push(Rejection::new(&Key::new(Kind::Listener, name), reason));
        }
        made
    }

    /// A slot for what is wanted, compiled unless it was before, and what is served in its name now.
    fn slot_of(&self, wanted: &Arc<Listener>) -> (Slot, Option<Arc<LiveListener>>) {
        let old = self.slots.get(&wanted.name);
        let compiled = match old.filter(|old| Arc::ptr_eq(&old.wanted, wanted)) {
            Some(old) => old.compiled.clone(),
            None => LiveListener::new(wanted).map(Arc::new),
        };
        (Slot { wanted: Arc::clone(wanted), compiled, served: None }, old.and_then(|old| old.served.clone()))
    }

    fn place(&mut self, numbers: &[u16], live: &Arc<LiveListener>) -> Result<(), String> {
        let port = live.spec.port;
        let place = numbers.iter().position(|number| *number == port).and_then(|index| self.ports.get_mut(index));
        place.ok_or_else(|| format!("Port {port} is not open on this data plane."))?.place(live)
    }

    /// The socket of a listener that is served, and its place there.
    pub(crate) fn place_of(&self, name: &ListenerName) -> Option<(usize, usize)> {
        let served = self.slots.get(name)?.served.as_ref()?;
        self.ports.iter().enumerate().find_map(|(socket, port)| {
            let index = port.by_host.under(served.spec.hostname.as_deref())?;
            port.listeners.get(*index).is_some_and(|live| Arc::ptr_eq(live, served)).then_some((socket, *index))
        })
    }
}

fn same_place(one: &Listener, other: &Listener) -> bool {
    one.port == other.port && one.hostname == other.hostname
}
