//! Writing objects in bulk: server-side apply over a few connections to `kubectl proxy`, which keeps TLS and credentials out of the measurement.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Context, Result, ensure};
use ringway_e2e::http::Connection;
use serde_json::Value;

/// As many as keep the API server busy on two cores.
const CONNECTIONS: usize = 4;

/// One connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    address: SocketAddr,
    connection: Connection,
}

/// An object and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) path: String,
    pub(crate) object: Value,
}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self { address, connection: Connection::open(address)? })
    }

    /// Applies an object; returns it as it is stored.
    pub(crate) fn apply(&mut self, written: &Written) -> Result<Value> {
        let path = format!("{}?fieldManager=bench&force=true", written.path);
        self.patch(&path, "application/apply-patch+yaml", &written.object)
    }

    /// Merges into an object or a subresource.
    pub(crate) fn merge(&mut self, path: &str, patch: &Value) -> Result<Value> {
        self.patch(path, "application/merge-patch+json", patch)
    }

    fn patch(&mut self, path: &str, kind: &str, body: &Value) -> Result<Value> {
        if self.connection.is_spent() {
            self.connection = Connection::open(self.address)?;
        }
        let reply = self.connection.exchange("PATCH", path, &[("Content-Type", kind)], body.to_string().as_bytes())?;
        ensure!(matches!(reply.head.status, 200 | 201), "PATCH {path}: {} {}", reply.head.status, reply.text());
        serde_json::from_slice(&reply.body).with_context(|| format!("JSON of {path}"))
    }
}

/// Applies many objects.
pub(crate) fn apply_all(address: SocketAddr, objects: &[Written]) -> Result<()> {
    let share = objects.len().div_ceil(CONNECTIONS).max(1);
    thread::scope(|scope| {
        let write = |part: &[Written]| {
            let mut writer = Writer::new(address)?;
            part.iter().try_for_each(|object| writer.apply(object).map(drop))
        };
        let parts: Vec<_> = objects.chunks(share).map(|part| scope.spawn(move || write(part))).collect();
        parts.into_iter().try_for_each(|part| part.join().map_err(|_| anyhow::anyhow!("a writer panicked"))?)
    })
}
