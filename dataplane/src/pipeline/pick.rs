//! The eighth stage: which backend, and under which of its own names. Config decides; only where prefixes overlap, or
//! a link carries none, is the catalogue asked.

use std::sync::Arc;

use ringway_mcp::scan::{Kind, Str};
use ringway_mcp::{Method, Revision};

use super::admit::Inbound;
use super::authorize::Permit;
use super::route::LiveRoute;
use super::session::Scope;
use crate::catalog::{Resolution, Viewer};
use crate::fault::{Fault, Reason};
use crate::state::route::NameKind;
use crate::worker::Worker;

/// A permitted message and where it goes.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    pub(crate) permit: Permit,
    pub(crate) place: Place,
    pub(crate) inbound: &'a Inbound<'a>,
}

/// Where a message is answered.
#[derive(Debug)]
pub(crate) enum Place {
    /// By the gateway itself.
    Here,
    /// By the backend of one section.
    Section(Picked),
}

/// A section of the route, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Picked {
    pub(crate) section: usize,
    pub(crate) subject: Subject,
}

/// What a call names, in the server's own words; `None` where that is what the client wrote.
#[derive(Debug, Default)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) own: Option<String>,
}

/// Which member of `params` holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SubjectKind {
    #[default]
    Name,
    Uri,
    RefName,
    RefUri,
}

/// The viewer that a message's lists are made for.
pub(crate) fn viewer(scope: &Scope) -> Viewer {
    match scope {
        Scope::Modern(modern) => Viewer::new(modern.revision, modern.capabilities),
        Scope::Session(session) => Viewer::new(session.revision, session.capabilities),
        Scope::Handshake => Viewer::new(Revision::V2025_11_25, ringway_mcp::capability::ClientCapabilities(0)),
    }
}

/// Finds the place of a message.
///
/// # Errors
/// A name or URI that nobody on the route has: the same bytes as for one that is hidden.
pub(crate) async fn target<'a>(
    worker: &Worker,
    route: &Arc<LiveRoute>,
    permit: Permit,
    inbound: &'a Inbound<'a>,
) -> Result<Target<'a>, Fault> {
    let place = match (permit.message.kind, permit.message.method) {
        (Kind::Request, Method::ToolsCall) => {
            by_name(worker, route, &permit, NameKind::Tool, param_name(&permit)?).await?
        }
        (Kind::Request, Method::PromptsGet) => {
            by_name(worker, route, &permit, NameKind::Prompt, param_name(&permit)?).await?
        }
        (Kind::Request, Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe) => {
            let uri =
                permit.message.envelope.params.as_ref().and_then(|p| p.uri).ok_or_else(|| invalid("params.uri"))?;
            by_uri(worker, route, &permit, SubjectKind::Uri, uri).await?
        }
        (Kind::Request, Method::CompletionComplete) => by_reference(worker, route, &permit).await?,
        _ => Place::Here,
    };
    Ok(Target { permit, place, inbound })
}

fn param_name(permit: &Permit) -> Result<Str, Fault> {
    permit.message.envelope.params.as_ref().and_then(|p| p.name).ok_or_else(|| invalid("params.name"))
}

async fn by_reference(worker: &Worker, route: &Arc<LiveRoute>, permit: &Permit) -> Result<Place, Fault> {
    let reference = permit.message.envelope.params.as_ref().and_then(|p| p.reference);
    let reference = reference.ok_or_else(|| invalid("params.ref"))?;
    match (reference.name, reference.uri) {
        (Some(name), _) => match by_name(worker, route, permit, NameKind::Prompt, name).await? {
            Place::Section(Picked { section, subject }) => {
                Ok(Place::Section(Picked { section, subject: Subject { kind: SubjectKind::RefName, ..subject } }))
            }
            Place::Here => Ok(Place::Here),
        },
        (None, Some(uri)) => by_uri(worker, route, permit, SubjectKind::RefUri, uri).await,
        (None, None) => Err(invalid("params.ref.name or params.ref.uri")),
    }
}

async fn by_name(
    worker: &Worker,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    kind: NameKind,
    name: Str,
) -> Result<Place, Fault> {
    let visible = name.text(&permit.message.body);
    let candidates = route.rules().candidates(kind, &visible);
    let (index, own) = match candidates.as_slice() {
        [] => return Err(unknown(kind, &visible)),
        [only] => (only.section, only.own.clone()),
        _ => match worker.shared.catalog.resolve(&route.bound, &viewer(&permit.scope), kind, &visible).await {
            Resolution::One { section, own } => (section, own.into_string().into()),
            Resolution::Unknown | Resolution::Conflict => return Err(unknown(kind, &visible)),
        },
    };
    let own = (own != visible).then(|| own.into_owned());
    Ok(Place::Section(Picked { section: index, subject: Subject { kind: SubjectKind::Name, own } }))
}

async fn by_uri(
    worker: &Worker,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    kind: SubjectKind,
    uri: Str,
) -> Result<Place, Fault> {
    let visible = uri.text(&permit.message.body);
    if let Some((section, own)) = route.rules().section_of_uri(&visible) {
        if !section.resources.shows(&own) && !section.templates.shows(&own) {
            return Err(no_resource(&permit.scope, &visible));
        }
        let own = (own != visible).then(|| own.into_owned());
        return Ok(Place::Section(Picked { section: section.index, subject: Subject { kind, own } }));
    }
    match worker.shared.catalog.resolve_uri(&route.bound, &viewer(&permit.scope), &visible).await {
        Some(section) => Ok(Place::Section(Picked { section, subject: Subject { kind, own: None } })),
        None => Err(no_resource(&permit.scope, &visible)),
    }
}

/// A parameter that is not there.
pub(super) fn invalid(what: &str) -> Fault {
    Fault::client(Reason::Params, format!("Invalid params: {what} is required"))
}

/// The client's own words come back cut, so that a reply cannot be made large.
fn unknown(kind: NameKind, name: &str) -> Fault {
    let what = match kind {
        NameKind::Tool => "tool",
        NameKind::Prompt => "prompt",
    };
    Fault::client(Reason::Unknown, format!("Unknown {what}: {}", name.chars().take(128).collect::<String>()))
}

fn no_resource(scope: &Scope, uri: &str) -> Fault {
    let mut data = br#"{"uri":"#.to_vec();
    ringway_mcp::splice::write_json_string(&mut data, uri);
    data.push(b'}');
    let reason = if matches!(scope, Scope::Modern(_)) { Reason::Unknown } else { Reason::UnknownResource };
    Fault::client(reason, "Resource not found").with_data(String::from_utf8_lossy(&data).into_owned())
}
