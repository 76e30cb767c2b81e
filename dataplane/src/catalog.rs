//! catalog (temporary facade)
mod changes;
mod facts;
mod item;
mod learned;
mod limits;
mod list;
mod merge;
mod page;
mod view;
mod viewer;
use crate::fault::Fault;
use crate::upstream::*;
pub use changes::{Changes, KindSet};
pub use facts::{Facts, Hello, Presence};
pub use list::{BackendList, ListKind};
use std::sync::Arc;
pub use viewer::Viewer;
#[derive(Debug)]
pub struct Catalog;
#[derive(Debug)]
pub enum Resolution {
    Unknown,
    Conflict,
    One { section: usize, own: String },
}
#[derive(Debug)]
pub struct OwnList {
    pub key: ringway_snapshot::BackendKey,
    pub kind: ListKind,
    pub list: Arc<BackendList>,
}
pub async fn read_list(
    _pool: &Pool,
    _server: &Arc<Server>,
    _s: &UpstreamSession,
    _k: ListKind,
) -> Result<Arc<BackendList>, UpstreamError> {
    Err(UpstreamError::Era)
}
impl Catalog {
    pub fn start(_k: Arc<ringway_seal::Keyring>, _t: &Arc<crate::telemetry::Telemetry>) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self))
    }
    pub fn stop(&self) {}
    pub fn apply(&self, _r: Vec<Arc<LiveRoute>>) {}
    pub async fn list(
        &self,
        _r: &Arc<LiveRoute>,
        _v: &Viewer,
        _k: ListKind,
        _c: Option<&str>,
        _o: &[OwnList],
    ) -> Result<bytes::Bytes, Fault> {
        Ok(bytes::Bytes::from_static(b"{\"tools\":[]}"))
    }
    pub async fn resolve(
        &self,
        _r: &Arc<LiveRoute>,
        _v: &Viewer,
        _k: crate::state::route::NameKind,
        _n: &str,
    ) -> Resolution {
        Resolution::Unknown
    }
    pub async fn resolve_uri(&self, _r: &Arc<LiveRoute>, _v: &Viewer, _u: &str) -> Option<usize> {
        None
    }
    pub async fn hello(&self, _r: &Arc<LiveRoute>, _v: &Viewer, _w: std::time::Duration) -> Hello {
        Hello::default()
    }
    pub fn changes(&self, _r: &Arc<LiveRoute>, _v: &Viewer) -> Changes {
        Changes::ended()
    }
    pub fn param_headers(
        &self,
        _r: &Arc<LiveRoute>,
        _v: &Viewer,
        _s: usize,
        _o: &str,
    ) -> Option<Arc<[ringway_mcp::headers::ParamHeader]>> {
        None
    }
}
