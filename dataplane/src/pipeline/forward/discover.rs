//! `server/discover`: what the route can do in the modern era.
//!
//! On a route where only legacy backends answer, the client is told so (-32022 with the legacy versions) and falls back
//! to the handshake, where it gets everything.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringway_mcp::scan::{self, ResultKey};
use ringway_mcp::splice::{Edits, write_json_string};
use ringway_mcp::{Revision, value};

use super::super::authorize::Permit;
use super::super::parse::era::unsupported;
use super::super::pick;
use super::super::route::LiveRoute;
use super::capabilities::Union;
use crate::catalog::{Hello, Presence};
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
pub(crate) async fn answer(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    id: &[u8],
) -> Result<Reply, Fault> {
    let viewer = pick::viewer(&permit.scope);
    let catalog = &worker.shared.catalog;
    let mut hello = catalog.hello(&route.bound, &viewer, SOON).await;
    if !any_known(&hello) {
        hello = catalog.hello(&route.bound, &viewer, worker.shared.limits.backend_wait).await;
    }
    if !any_known(&hello) {
        if any_other_era(&hello) {
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

/// Some backend answered in the modern era, now or before.
fn any_known(hello: &Hello) -> bool {
    hello.sections.iter().any(|s| s.facts.is_some())
}

fn any_other_era(hello: &Hello) -> bool {
    hello.sections.iter().any(|s| s.state == Presence::OtherEra)
}

fn any_dual_era(hello: &Hello) -> bool {
    hello.sections.iter().filter_map(|s| s.facts.as_deref()).any(|facts| {
        let data = &facts.message;
        let versions =
            scan::scan(data, &scan::Limits::default()).ok().and_then(|e| e.result).and_then(|r| r.supported_versions);
        let named =
            versions.into_iter().flat_map(|list| value::elements(data, list)).filter_map(|v| value::string(data, v));
        named.into_iter().any(|s| Revision::parse(s.text(data).as_bytes()).is_some_and(|r| !r.is_modern()))
    })
}

fn versions(hello: &Hello) -> &'static str {
    if any_other_era(hello) || any_dual_era(hello) { VERSIONS } else { MODERN_ONLY }
}

/// One backend: its own words, but the versions are the gateway's.
fn own_answer(route: &LiveRoute, hello: &Hello) -> Result<Bytes, Fault> {
    let facts = hello.sections.iter().find_map(|s| s.facts.as_deref()).ok_or_else(|| Fault::internal("No backend"))?;
    let data = &facts.message;
    let envelope = scan::scan(data, &scan::Limits::default())
        .map_err(|error| Fault::internal("A kept answer is broken").caused_by(error))?;
    let result = envelope.result.as_ref().ok_or_else(|| Fault::internal("A kept answer is an error"))?;
    let mut edits = Edits::new();
    edits.set_member(
        result.object,
        result.field(ResultKey::SupportedVersions),
        "supportedVersions",
        versions(hello).as_bytes(),
    );
    edits.set_member(result.object, result.field(ResultKey::CacheScope), "cacheScope", br#""private""#);
    if let Some(instructions) = &route.rules().spec.instructions {
        let mut text = Vec::new();
        write_json_string(&mut text, instructions);
        edits.set_member(result.object, result.field(ResultKey::Instructions), "instructions", &text);
    }
    let whole =
        edits.apply(data).map_err(|error| Fault::internal("The answer could not be rewritten").caused_by(error))?;
    // The result alone goes behind the client's id.
    let envelope = scan::scan(&whole, &scan::Limits::default())
        .map_err(|error| Fault::internal("The answer is broken").caused_by(error))?;
    let span = envelope.result.map(|r| r.object.span).ok_or_else(|| Fault::internal("The answer is broken"))?;
    Ok(whole.slice(span.range()))
}

fn compose(route: &LiveRoute, hello: &Hello) -> Bytes {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(br#"{"resultType":"complete","supportedVersions":"#);
    out.extend_from_slice(versions(hello).as_bytes());
    out.extend_from_slice(br#","capabilities":"#);
    out.extend_from_slice(Union::of(hello).to_json(Revision::V2026_07_28).as_bytes());
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
