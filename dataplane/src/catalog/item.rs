//! One item of a list as clients of a route see it: renamed, described anew, URIs mapped, or left out with a reason.
//!
//! Pure. Splices raw bytes: whatever is not rewritten stays as the server wrote it. Called by `merge` and `walk`.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::headers::{ParamHeader, param_headers};
use ringway_mcp::scan::{Object, Span};
use ringway_mcp::splice::{Edits, write_json_string};
use ringway_mcp::value::{self, JsonKind};
use ringway_mcp::walk;
use ringway_snapshot::Override;

use super::limits::Limits;
use super::list::{BackendList, DropReason, ListItem, ListKind};
use crate::state::route::{NameKind, Section};

/// What becomes of an item.
#[derive(Debug)]
pub(super) enum Shown {
    /// By the route's rules: no report.
    Hidden,
    /// For a reason that somebody should know.
    Out(DropReason),
    Item(Visible),
}

/// A visible item.
#[derive(Debug)]
pub(super) struct Visible {
    /// Name, URI or template as clients see it.
    pub name: Box<str>,
    pub raw: Bytes,
    /// The `x-mcp-header` annotations of a tool, for modern viewers.
    pub params: Option<Arc<[ParamHeader]>>,
}

/// The members of an item that are looked at. Each may stand once.
#[derive(Debug, Default)]
struct Parts {
    whole: Span,
    members: u32,
    name: Option<Span>,
    description: Option<Span>,
    annotations: Option<Span>,
    input_schema: Option<Span>,
    output_schema: Option<Span>,
    meta: Option<Span>,
}

/// Shows `item` of `section`'s server to clients of `modern` or legacy era.
///
/// Rules on resources and templates match their URIs: a read names nothing else.
#[must_use]
pub(super) fn show(section: &Section, kind: ListKind, item: &ListItem, modern: bool, limits: &Limits) -> Shown {
    let name = match visible_name(section, kind, &item.own) {
        Ok(Some(name)) => name,
        Ok(None) => return Shown::Hidden,
        Err(why) => return Shown::Out(why),
    };
    match rewritten(section, kind, item, &name, limits) {
        Ok((raw, parts)) => match param_headers_of(kind, modern, &item.raw, &parts) {
            Ok(params) => Shown::Item(Visible { name: name.into(), raw, params }),
            Err(why) => Shown::Out(why),
        },
        Err(why) => Shown::Out(why),
    }
}

/// The own names of the tools that a route may show, whatever its rules: what limits and broken definitions leave.
#[must_use]
pub(super) fn usable_tools(list: &BackendList, limits: &Limits) -> Vec<Box<str>> {
    let is_usable = |item: &&ListItem| {
        let parts = Parts::read(ListKind::Tools, &item.raw);
        parts.is_ok_and(|parts| within_limits(&parts, None, limits).is_ok())
    };
    list.items.iter().filter(is_usable).map(|item| item.own.clone()).collect()
}

/// Is this a name that every client and model takes: `[A-Za-z0-9_.-]{1,128}` (SEP-986)?
#[must_use]
pub(super) fn is_portable(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

pub(super) fn visible_name(section: &Section, kind: ListKind, own: &str) -> Result<Option<String>, DropReason> {
    let kind = match kind {
        ListKind::Tools => NameKind::Tool,
        ListKind::Prompts => NameKind::Prompt,
        ListKind::Templates | ListKind::Resources => {
            let names = if kind == ListKind::Templates { &section.templates } else { &section.resources };
            return Ok(names.shows(own).then(|| section.visible_uri(own).unwrap_or_else(|| own.to_owned())));
        }
    };
    let Some(visible) = section.visible_name(kind, own) else { return Ok(None) };
    if !is_portable(&visible) {
        return Err(DropReason::NameCharacters);
    }
    // A call goes the other way: it must lead back to this very item.
    let names = section.names(kind);
    let leads_back = names.shown(own).and_then(|shown| names.own(shown)).is_some_and(|back| back == own);
    if leads_back { Ok(Some(visible)) } else { Err(DropReason::Shadowed) }
}

fn rewritten(
    section: &Section,
    kind: ListKind,
    item: &ListItem,
    name: &str,
    limits: &Limits,
) -> Result<(Bytes, Parts), DropReason> {
    let body = &item.raw;
    let parts = Parts::read(kind, body)?;
    let rule = rule_of(section, kind, &item.own);
    if kind == ListKind::Tools {
        within_limits(&parts, rule, limits)?;
    }
    let mut edits = Edits::new();
    if name != &*item.own
        && let Some(span) = parts.name
    {
        edits.replace_string(span, name);
    }
    if let Some(rule) = rule {
        override_texts(&mut edits, body, &parts, rule);
    }
    if let Some(meta) = parts.meta.filter(|_| section.uri_prefix.is_some()) {
        map_ui_uri(&mut edits, body, meta, section)?;
    }
    if edits.is_empty() {
        return Ok((body.clone(), parts));
    }
    let raw = edits.apply(body).map_err(|_| DropReason::DuplicateKey)?;
    Ok((raw, parts))
}

fn rule_of<'a>(section: &'a Section, kind: ListKind, own: &str) -> Option<&'a Override> {
    match kind {
        ListKind::Tools => section.tools.override_of(own),
        ListKind::Prompts => section.prompts.override_of(own),
        ListKind::Templates => section.templates.override_of(own),
        ListKind::Resources => section.resources.override_of(own),
    }
}

fn within_limits(parts: &Parts, rule: Option<&Override>, limits: &Limits) -> Result<(), DropReason> {
    let replaced = rule.is_some_and(|rule| rule.description.is_some());
    let longer = |span: Option<Span>, most: usize| span.is_some_and(|span| span.len() > most);
    // Two bytes for the quotes.
    if !replaced && longer(parts.description, limits.description + 2) {
        return Err(DropReason::Description);
    }
    if longer(parts.input_schema, limits.schema) || longer(parts.output_schema, limits.schema) {
        return Err(DropReason::Schema);
    }
    Ok(())
}

fn override_texts(edits: &mut Edits, body: &[u8], parts: &Parts, rule: &Override) {
    let whole = Object { span: parts.whole, members: parts.members };
    if let Some(text) = &rule.description {
        match parts.description {
            Some(span) => edits.replace_string(span, text),
            None => edits.append_member(whole, "description", &json_string(text)),
        }
    }
    let Some(annotations) = &rule.annotations else { return };
    match parts.annotations.filter(|span| value::kind(body, *span) == Some(JsonKind::Object)) {
        Some(span) => merge_members(edits, body, span, annotations),
        None => {
            let text = serde_json::Value::Object(annotations.clone()).to_string().into_bytes();
            match parts.annotations {
                Some(span) => edits.replace(span, &text),
                None => edits.append_member(whole, "annotations", &text),
            }
        }
    }
}

/// Sets the members of `new` in the object at `span`, key by key. A key that stands there twice is set twice.
fn merge_members(edits: &mut Edits, body: &[u8], span: Span, new: &serde_json::Map<String, serde_json::Value>) {
    let members = u32::try_from(value::members(body, span).count()).unwrap_or(u32::MAX);
    for (key, with) in new {
        let text = with.to_string().into_bytes();
        let mut found = false;
        for member in value::members(body, span).filter(|member| member.key.is(body, key)) {
            edits.replace(member.value, &text);
            found = true;
        }
        if !found {
            edits.append_member(Object { span, members }, key, &text);
        }
    }
}

fn json_string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_json_string(&mut out, text);
    out
}

fn map_ui_uri(edits: &mut Edits, body: &[u8], meta: Span, section: &Section) -> Result<(), DropReason> {
    // The pattern starts at the tool; a tool has `_meta` once (checked), so the walk finds the same one.
    let mut seen = 0;
    let whole = Span { start: 0, end: u32::try_from(body.len()).unwrap_or(u32::MAX) };
    walk::strings(body, whole, &walk::UI_RESOURCE_URI, &mut |uri| {
        seen += 1;
        if let Some(visible) = section.visible_uri(&uri.text(body)) {
            edits.replace_string(uri.quoted(), &visible);
        }
    });
    // Both spellings at most; more means the same key twice.
    let allowed = if value::kind(body, meta) == Some(JsonKind::Object) { 2 } else { 0 };
    if seen > allowed { Err(DropReason::DuplicateKey) } else { Ok(()) }
}

fn param_headers_of(
    kind: ListKind,
    modern: bool,
    body: &[u8],
    parts: &Parts,
) -> Result<Option<Arc<[ParamHeader]>>, DropReason> {
    let Some(schema) = parts.input_schema.filter(|_| modern && kind == ListKind::Tools) else { return Ok(None) };
    let headers = param_headers(schema.of(body)).map_err(|_| DropReason::HeaderAnnotation)?;
    Ok((!headers.is_empty()).then(|| headers.into()))
}

// === impl Parts ===

impl Parts {
    fn read(kind: ListKind, body: &Bytes) -> Result<Self, DropReason> {
        let span = Span { start: 0, end: u32::try_from(body.len()).map_err(|_| DropReason::Shape)? };
        let mut parts = Self { whole: span, ..Self::default() };
        for member in value::members(body, span) {
            parts.members += 1;
            let Some(slot) = parts.slot(kind, &member.key.text(body)) else { continue };
            if slot.replace(member.value).is_some() {
                return Err(DropReason::DuplicateKey);
            }
        }
        Ok(parts)
    }

    fn slot(&mut self, kind: ListKind, key: &str) -> Option<&mut Option<Span>> {
        Some(match key {
            _ if key == kind.key() => &mut self.name,
            "description" => &mut self.description,
            "annotations" => &mut self.annotations,
            "inputSchema" => &mut self.input_schema,
            "outputSchema" => &mut self.output_schema,
            "_meta" => &mut self.meta,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
