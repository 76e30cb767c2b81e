//! What of a message is rewritten on its way, up and down: names, URIs, ids. Everything else leaves as the bytes that
//! came. Pure.

use bytes::Bytes;
use ringway_mcp::Method;
use ringway_mcp::scan::{Envelope, ParamsKey, Str};
use ringway_mcp::splice::Edits;
use ringway_mcp::walk::{self, Pattern};

use super::super::parse::Message;
use super::super::pick::{Subject, SubjectKind};
use crate::fault::Fault;
use crate::state::route::Section;

/// The request as the server understands it: its own name or URI, and for a legacy server the `arguments` that its
/// validator may insist on. `traceparent` takes the place of one that a modern message brought: the server's spans belong
/// below the gateway's.
///
/// # Errors
/// Only a fault of our own: edits that do not fit.
pub(crate) fn request(
    message: &Message,
    subject: &Subject,
    legacy: bool,
    traceparent: Option<&[u8]>,
) -> Result<Bytes, Fault> {
    let params = message.envelope.params.as_ref();
    let mut edits = Edits::new();
    if let (Some(own), Some(at)) = (&subject.own, subject_of(message, subject.kind)) {
        edits.replace_string(at.quoted(), own);
    }
    if legacy
        && message.method == Method::ToolsCall
        && let Some(params) = params.filter(|p| p.is_object && p.field(ParamsKey::Arguments).is_none())
    {
        edits.append_member(params.object, "arguments", b"{}");
    }
    if let Some(ours) = traceparent.filter(|_| !legacy)
        && let Some(theirs) = message.envelope.meta().and_then(|meta| meta.traceparent)
    {
        edits.replace(theirs.span, ours);
    }
    apply(&edits, &message.body)
}

/// The string in the request that names the thing.
pub(crate) fn subject_of(message: &Message, kind: SubjectKind) -> Option<Str> {
    let params = message.envelope.params.as_ref()?;
    match kind {
        SubjectKind::Name => params.name,
        SubjectKind::Uri => params.uri,
        SubjectKind::RefName => params.reference?.name,
        SubjectKind::RefUri => params.reference?.uri,
    }
}

/// An answer as the client understands it: the client's own id, where the server gave another or none, and URIs in
/// their visible form.
///
/// # Errors
/// Only a fault of our own.
pub(crate) fn answer(
    method: Method,
    section: &Section,
    id: &[u8],
    data: &Bytes,
    envelope: &Envelope,
) -> Result<Bytes, Fault> {
    let mut edits = Edits::new();
    match envelope.id {
        Some(own) if own.span.of(data) == id => {}
        Some(own) => edits.replace(own.span, id),
        None => edits.append_member(envelope.object, "id", id),
    }
    if let (Some(pattern), Some(result)) = (uris_of(method), &envelope.result) {
        map_uris(&mut edits, section, data, result.object.span, pattern);
    }
    apply(&edits, data)
}

/// An answer on a resumed stream, whose call is not known any more: no two kinds of results hold URIs in the same place.
///
/// # Errors
/// Only a fault of our own.
pub(crate) fn resumed_answer(section: &Section, data: &Bytes, envelope: &Envelope) -> Result<Bytes, Fault> {
    let mut edits = Edits::new();
    if let Some(result) = &envelope.result {
        for pattern in [&walk::CALL_RESULT_URIS, &walk::PROMPT_RESULT_URIS, &walk::READ_RESULT_URIS] {
            map_uris(&mut edits, section, data, result.object.span, pattern);
        }
    }
    apply(&edits, data)
}

/// A notification as the client understands it.
///
/// # Errors
/// Only a fault of our own.
pub(crate) fn notification(section: &Section, data: &Bytes, envelope: &Envelope) -> Result<Bytes, Fault> {
    let mut edits = Edits::new();
    if envelope.known_method() == Some(Method::ResourcesUpdated)
        && let Some(uri) = envelope.params.as_ref().and_then(|p| p.uri)
        && let Some(visible) = section.visible_uri(&uri.text(data))
    {
        edits.replace_string(uri.quoted(), &visible);
    }
    apply(&edits, data)
}

/// A message with another id.
///
/// # Errors
/// Only a fault of our own.
pub(crate) fn with_id(data: &Bytes, envelope: &Envelope, id: &[u8]) -> Result<Bytes, Fault> {
    let mut edits = Edits::new();
    if let Some(own) = envelope.id {
        edits.replace(own.span, id);
    }
    apply(&edits, data)
}

pub(crate) fn uris_of(method: Method) -> Option<&'static Pattern> {
    match method {
        Method::ToolsCall => Some(&walk::CALL_RESULT_URIS),
        Method::PromptsGet => Some(&walk::PROMPT_RESULT_URIS),
        Method::ResourcesRead => Some(&walk::READ_RESULT_URIS),
        _ => None,
    }
}

fn map_uris(
    edits: &mut Edits,
    section: &Section,
    data: &Bytes,
    span: ringway_mcp::scan::Span,
    pattern: &'static Pattern,
) {
    if section.uri_prefix.is_none() {
        return;
    }
    walk::strings(data, span, pattern, &mut |uri: Str| {
        if let Some(visible) = section.visible_uri(&uri.text(data)) {
            edits.replace_string(uri.quoted(), &visible);
        }
    });
}

fn apply(edits: &Edits, data: &Bytes) -> Result<Bytes, Fault> {
    if edits.is_empty() {
        return Ok(data.clone());
    }
    edits.apply(data).map_err(|error| Fault::internal("A message could not be rewritten").caused_by(error))
}
