//! `server/discover`: what the route can do in the modern era.
//!
//! On a route where only legacy backends answer, the client is told so (-32022 with the legacy versions) and falls back
//! to the handshake, where it gets everything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringway_mcp::Revision;
use ringway_mcp::scan::{self, ResultKey};
use ringway_mcp::splice::{Edits, write_json_string};

use super::super::authorize::Permit;
use super::super::parse::unsupported;
use super::super::pick;
use super::super::route::LiveRoute;
use crate::catalog::Hello;
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::worker::Worker;

/// What a backend that is known to be quick may take: a client's probe should not wait for the slow ones.
const SOON: Duration = Duration::from_millis(300);

const VERSIONS: &str = r#"["2026-07-28","2025-11-25","2025-06-18","2025-03-26"]"#;
const MODERN_ONLY: &str = r#"["2026-07-28"]"#;

/// Answers with the union of the backends' capabilities.
///
/// # Errors
/// No backend of this era; none that can be reached.
pub(crate) async fn answer(worker: &Arc<Worker>, route: &Arc<LiveRoute>, permit: &Permit, id: &[u8]) -> Result<Reply, Fault> {
    let viewer = pick::viewer(&permit.scope);
    let catalog = &worker.shared.catalog;
    let mut hello = catalog.hello(&route.bound, &viewer, SOON).await;
    if !hello.any_known() {
        hello = catalog.hello(&route.bound, &viewer, worker.shared.limits.backend_wait).await;
    }
    if !hello.any_known() {
        if hello.any_other_era() {
            let legacy = [Revision::V2025_11_25, Revision::V2025_06_18, Revision::V2025_03_26];
            return Err(unsupported(Revision::V2026_07_28.as_str(), &legacy));
        }
        return Err(Fault::upstream(Reason::UpstreamConnect, "No backend of this route can be reached"));
    }
    let result = match route.rules().sole() {
        Some(_) => own_answer(route, &hello)?,
        None => compose(route, &hello),
    };
    Ok(super::result(id, result))
}

fn versions(hello: &Hello) -> &'static str {
    if hello.any_other_era() || hello.any_dual_era() { VERSIONS } else { MODERN_ONLY }
}

/// One backend: its own words, but the versions are the gateway's.
fn own_answer(route: &LiveRoute, hello: &Hello) -> Result<Bytes, Fault> {
    let facts = hello.sections.iter().flatten().next().ok_or_else(|| Fault::internal("No backend"))?;
    let data = &facts.message;
    let envelope = scan::scan(data, &scan::Limits::default()).map_err(|error| Fault::internal("A kept answer is broken").caused_by(error))?;
    let result = envelope.result.as_ref().ok_or_else(|| Fault::internal("A kept answer is an error"))?;
    let mut edits = Edits::new();
    edits.set_member(result.object, result.field(ResultKey::SupportedVersions), "supportedVersions", versions(hello).as_bytes());
    edits.set_member(result.object, result.field(ResultKey::CacheScope), "cacheScope", br#""private""#);
    if let Some(instructions) = &route.rules().spec.instructions {
        let mut text = Vec::new();
        write_json_string(&mut text, instructions);
        edits.set_member(result.object, result.field(ResultKey::Instructions), "instructions", &text);
    }
    let whole = edits.apply(data).map_err(|error| Fault::internal("The answer could not be rewritten").caused_by(error))?;
    // The result alone goes behind the client's id.
    let envelope = scan::scan(&whole, &scan::Limits::default()).map_err(|error| Fault::internal("The answer is broken").caused_by(error))?;
    let span = envelope.result.map(|r| r.object.span).ok_or_else(|| Fault::internal("The answer is broken"))?;
    Ok(whole.slice(span.range()))
}

fn compose(route: &LiveRoute, hello: &Hello) -> Bytes {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(br#"{"resultType":"complete","supportedVersions":"#);
    out.extend_from_slice(versions(hello).as_bytes());
    out.extend_from_slice(br#","capabilities":"#);
    out.extend_from_slice(hello.capabilities().to_modern_json().as_bytes());
    if let Some(instructions) = &route.rules().spec.instructions {
        out.extend_from_slice(br#","instructions":"#);
        write_json_string(&mut out, instructions);
    }
    // Backends come and go: a client should ask again before long.
    out.extend_from_slice(br#","ttlMs":5000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"ringway","title":"#);
    write_json_string(&mut out, &route.rules().spec.name.name);
    out.extend_from_slice(concat!(r#","version":""#, env!("CARGO_PKG_VERSION"), r#""}}}"#).as_bytes());
    out.into()
}
