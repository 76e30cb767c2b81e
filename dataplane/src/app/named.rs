//! Every limit of the process under its name: for the command line, the documentation, and a test that both are whole.

pub mod setting;

use std::time::Duration;

use crate::catalog;
use crate::limits::Limits;
use crate::probe;

/// The limits of a process.
#[derive(Debug, Clone, Default)]
pub struct LimitSettings {
    pub process: Limits,
    pub lists: catalog::Limits,
    pub probes: probe::Limits,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Count,
    /// Milliseconds.
    Time,
}

/// One limit.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    pub name: &'static str,
    pub unit: Unit,
    /// What it bounds, in a few words.
    pub what: &'static str,
    read: fn(&LimitSettings) -> u64,
    write: fn(&mut LimitSettings, u64),
}

/// A limit that does not exist, or a value that it cannot have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    #[error("there is no limit {0:?}")]
    Unknown(String),
    #[error("{0} must be greater than zero")]
    Zero(&'static str),
}

macro_rules! named {
    ($($name:literal $unit:ident $($field:ident).+ $what:literal;)*) => {
        &[$(Named {
            name: $name,
            unit: Unit::$unit,
            what: $what,
            read: |limits| Number::read(&limits.$($field).+),
            write: |limits, value| Number::write(&mut limits.$($field).+, value),
        }),*]
    };
}

/// In the order of a message's way.
pub static NAMED: &[Named] = named! {
    "conn.total" Count process.connections "client connections; further ones wait in the backlog";
    "tls.handshake" Time process.tls_handshake "a TLS handshake";
    "conn.idle" Time process.connection_idle "a connection without a request";
    "headers.time" Time process.headers_time "from the first byte of a request's head to its last";
    "http2.streams" Count process.http2_streams "HTTP/2 streams of a connection";
    "headers.bytes" Bytes process.headers_bytes "all header fields of a request";
    "headers.count" Count process.headers_count "header fields of a request";
    "uri.bytes" Bytes process.uri_bytes "path and query";
    "body.bytes" Bytes process.body_bytes "a request body";
    "body.idle" Time process.body_idle "the wait for the next bytes of a body";
    "body.total" Time process.body_total "the wait for a whole body";
    "json.depth" Count process.message.depth "nested objects and arrays";
    "json.nodes" Count process.message.nodes "JSON values of a message";
    "json.keys" Count process.message.keys_per_object "keys of one object";
    "json.number" Bytes process.message.number_bytes "one JSON number";
    "method.bytes" Bytes process.message.method "a method name";
    "name.bytes" Bytes process.message.name "a tool or prompt name";
    "params.uri" Bytes process.message.uri "a resource URI or task id";
    "id.bytes" Bytes process.message.id "a request id";
    "progressToken.bytes" Bytes process.message.progress_token "a progress token";
    "inflight.session" Count process.session_inflight "requests in flight of a session";
    "streams" Count process.streams "client streams of the process";
    "stream.events" Count process.stream_events "events that wait for a slow reader";
    "stream.keepalive" Time process.stream_keepalive "silence before a comment is sent";
    "stream.stall" Time process.write_stall "a client that reads nothing while an event waits";
    "stream.age" Time process.stream_age "the life of a client stream";
    "backend.wait" Time process.backend_wait "the wait for backends in discovery and small requests";
    "list.deadline" Time lists.deadline "the wait for one backend's list";
    "list.pages" Count lists.pages "pages of one backend's list";
    "list.items" Count lists.items "items of one backend's list";
    "list.bytes" Bytes lists.bytes "one backend's list";
    "list.merged" Count lists.merged_items "items of a merged list";
    "list.page" Bytes lists.page_bytes "a page of a merged list";
    "catalog.bytes" Bytes lists.budget "merged pages of all routes and viewers";
    "catalog.viewers" Count lists.viewers "viewers at a time";
    "tool.description" Bytes lists.description "a tool's description";
    "tool.schema" Bytes lists.schema "each schema of a tool";
    "probe.interval" Time probes.interval "between two probes of a backend that answers";
    "probe.lists" Time probes.lists "between two counts of what a backend has";
    "probe.parallel" Count probes.parallel "backends probed at the same time";
    "probe.rate" Count probes.rate "probes that begin within a second";
};

trait Number: Copy {
    fn read(&self) -> u64;
    fn write(&mut self, value: u64);
}

// === impl LimitSettings ===

impl LimitSettings {
    /// Sets a limit; times in milliseconds.
    ///
    /// # Errors
    /// There is no such limit; zero, which would let nothing through.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), LimitError> {
        let named = NAMED.iter().find(|named| named.name == name).ok_or_else(|| LimitError::Unknown(name.into()))?;
        if value == 0 {
            return Err(LimitError::Zero(named.name));
        }
        (named.write)(self, value);
        Ok(())
    }
}

// === impl Named ===

impl Named {
    /// The value in `limits`; times in milliseconds.
    #[must_use]
    pub fn value(&self, limits: &LimitSettings) -> u64 {
        (self.read)(limits)
    }
}

// === impl Number ===

impl Number for usize {
    fn read(&self) -> u64 {
        u64::try_from(*self).unwrap_or(u64::MAX)
    }

    fn write(&mut self, value: u64) {
        *self = Self::try_from(value).unwrap_or(Self::MAX);
    }
}

impl Number for u32 {
    fn read(&self) -> u64 {
        u64::from(*self)
    }

    fn write(&mut self, value: u64) {
        *self = Self::try_from(value).unwrap_or(Self::MAX);
    }
}

impl Number for Duration {
    fn read(&self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn write(&mut self, value: u64) {
        *self = Self::from_millis(value);
    }
}

#[cfg(test)]
mod tests {
    use super::{LimitError, LimitSettings, NAMED};

    #[test]
    fn every_limit_is_set_by_its_name_and_no_other() {
        for (i, named) in NAMED.iter().enumerate() {
            let mut limits = LimitSettings::default();
            let other = named.value(&limits) + 1;
            limits.set(named.name, other).expect("exists");
            for (j, read) in NAMED.iter().enumerate() {
                let changed = read.value(&limits) != read.value(&LimitSettings::default());
                assert_eq!(changed, i == j, "{} through {}", read.name, named.name);
            }
        }
        assert_eq!(LimitSettings::default().set("body.bites", 1), Err(LimitError::Unknown("body.bites".into())));
        assert_eq!(LimitSettings::default().set("body.bytes", 0), Err(LimitError::Zero("body.bytes")));
    }
}
