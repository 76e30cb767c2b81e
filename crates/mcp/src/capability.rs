//! Client capabilities as bits, small enough for a session id.
//!
//! Reads any revision's `capabilities` object and writes an equivalent one. Settings that no gateway decision depends
//! on are not kept: where the original object is at hand, pass that on instead.
use std::fmt;
use std::ops::{BitAnd, BitOr};

use crate::Revision;
use crate::scan::Span;
use crate::value::{as_bool, find, members};

/// A set of client capabilities.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ClientCapabilities(pub u16);

const NAMES: [(ClientCapabilities, &str); 9] = [
    (ClientCapabilities::ROOTS, "roots"),
    (ClientCapabilities::ROOTS_LIST_CHANGED, "roots.listChanged"),
    (ClientCapabilities::SAMPLING, "sampling"),
    (ClientCapabilities::SAMPLING_TOOLS, "sampling.tools"),
    (ClientCapabilities::SAMPLING_CONTEXT, "sampling.context"),
    (ClientCapabilities::ELICITATION, "elicitation"),
    (ClientCapabilities::ELICITATION_FORM, "elicitation.form"),
    (ClientCapabilities::ELICITATION_URL, "elicitation.url"),
    (ClientCapabilities::EXT_UI, "ui"),
];

const UI: &str = "io.modelcontextprotocol/ui";

// === impl ClientCapabilities ===

impl ClientCapabilities {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `roots`
    pub const ROOTS: Self = Self(1);
    /// `roots.listChanged`
    pub const ROOTS_LIST_CHANGED: Self = Self(1 << 1);
    /// `sampling`
    pub const SAMPLING: Self = Self(1 << 2);
    /// `sampling.tools`
    pub const SAMPLING_TOOLS: Self = Self(1 << 3);
    /// `sampling.context`
    pub const SAMPLING_CONTEXT: Self = Self(1 << 4);
    /// `elicitation`
    pub const ELICITATION: Self = Self(1 << 5);
    /// `elicitation.form`, written out. An empty `elicitation` means forms too: see [`Self::elicits_form`].
    pub const ELICITATION_FORM: Self = Self(1 << 6);
    /// `elicitation.url`
    pub const ELICITATION_URL: Self = Self(1 << 7);
    /// `extensions["io.modelcontextprotocol/ui"]`
    pub const EXT_UI: Self = Self(1 << 8);

    /// Reads a `capabilities` object. A capability is there when its value is an object (or `true`).
    pub fn from_json(body: &[u8], span: Span) -> Self {
        let mut set = Self::NONE;
        for member in members(body, span) {
            let value = member.value;
            if !is_on(body, value) {
                continue;
            }
            match &*member.key.text(body) {
                "roots" => {
                    set = set | Self::ROOTS;
                    if find(body, value, "listChanged").and_then(|flag| as_bool(body, flag)) == Some(true) {
                        set = set | Self::ROOTS_LIST_CHANGED;
                    }
                }
                "sampling" => {
                    set = set | Self::SAMPLING;
                    set = set | within(body, value, "tools", Self::SAMPLING_TOOLS);
                    set = set | within(body, value, "context", Self::SAMPLING_CONTEXT);
                }
                "elicitation" => {
                    set = set | Self::ELICITATION;
                    set = set | within(body, value, "form", Self::ELICITATION_FORM);
                    set = set | within(body, value, "url", Self::ELICITATION_URL);
                }
                "extensions" => set = set | within(body, value, UI, Self::EXT_UI),
                _ => {}
            }
        }
        set
    }

    /// Writes an equivalent `capabilities` object, leaving out what `revision` does not know.
    pub fn write_json(self, out: &mut Vec<u8>, revision: Revision) {
        let detailed = revision >= Revision::V2025_11_25;
        let mut object = ObjectWriter::open(out);
        if self.has(Self::ROOTS) {
            let changed = self.has(Self::ROOTS_LIST_CHANGED) && !revision.is_modern();
            object.member("roots", if changed { r#"{"listChanged":true}"# } else { "{}" });
        }
        if self.has(Self::SAMPLING) {
            let tools = detailed && self.has(Self::SAMPLING_TOOLS);
            let context = detailed && self.has(Self::SAMPLING_CONTEXT);
            object.member("sampling", pair((tools, r#""tools":{}"#), (context, r#""context":{}"#)).as_str());
        }
        // Before 2025-11-25 there are forms only: a client that takes URLs alone has nothing to offer there.
        if self.has(Self::ELICITATION) && revision >= Revision::V2025_06_18 && (detailed || self.elicits_form()) {
            let form = detailed && self.has(Self::ELICITATION_FORM);
            let url = detailed && self.has(Self::ELICITATION_URL);
            object.member("elicitation", pair((form, r#""form":{}"#), (url, r#""url":{}"#)).as_str());
        }
        if self.has(Self::EXT_UI) {
            object
                .member("extensions", r#"{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}"#);
        }
        object.close();
    }

    /// Whether all of `other` is in the set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether a server may ask this client anything: roots, sampling or elicitation.
    pub const fn asks(self) -> bool {
        self.0 & (Self::ROOTS.0 | Self::SAMPLING.0 | Self::ELICITATION.0) != 0
    }

    /// Whether the client shows forms: said so, or declared elicitation without saying which kind.
    pub const fn elicits_form(self) -> bool {
        self.has(Self::ELICITATION) && (self.has(Self::ELICITATION_FORM) || !self.has(Self::ELICITATION_URL))
    }
}

impl BitOr for ClientCapabilities {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for ClientCapabilities {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Debug for ClientCapabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(NAMES.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| name)).finish()
    }
}

fn is_on(body: &[u8], value: Span) -> bool {
    matches!(value.of(body).first(), Some(b'{' | b't'))
}

fn within(body: &[u8], object: Span, key: &str, bit: ClientCapabilities) -> ClientCapabilities {
    if find(body, object, key).is_some_and(|value| is_on(body, value)) { bit } else { ClientCapabilities::NONE }
}

fn pair(first: (bool, &str), second: (bool, &str)) -> String {
    let comma = if first.0 && second.0 { "," } else { "" };
    let text = |(on, text)| if on { text } else { "" };
    format!("{{{}{comma}{}}}", text(first), text(second))
}

struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

// === impl ObjectWriter ===

impl<'a> ObjectWriter<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    // `key` needs no escapes; `value` is raw JSON.
    fn member(&mut self, key: &str, value: &str) {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value.as_bytes());
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ClientCapabilities {
        ClientCapabilities::from_json(text.as_bytes(), Span { start: 0, end: text.len() as u32 })
    }

    fn write(set: ClientCapabilities, revision: Revision) -> String {
        let mut out = Vec::new();
        set.write_json(&mut out, revision);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn reads_each_capability() {
        type C = ClientCapabilities;
        for (text, bits) in [
            ("{}", C::NONE),
            ("[]", C::NONE),
            (r#"{"roots":{}}"#, C::ROOTS),
            (r#"{"roots":{"listChanged":true}}"#, C::ROOTS | C::ROOTS_LIST_CHANGED),
            (r#"{"roots":{"listChanged":false}}"#, C::ROOTS),
            (r#"{"roots":null,"sampling":false}"#, C::NONE),
            (r#"{"sampling":{"tools":{},"context":{}}}"#, C::SAMPLING | C::SAMPLING_TOOLS | C::SAMPLING_CONTEXT),
            (r#"{"elicitation":{}}"#, C::ELICITATION),
            (r#"{"elicitation":{"url":{}}}"#, C::ELICITATION | C::ELICITATION_URL),
            (r#"{"elicitation":{"form":{},"url":null}}"#, C::ELICITATION | C::ELICITATION_FORM),
            (r#"{"extensions":{"io.modelcontextprotocol/ui":{}}}"#, C::EXT_UI),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":{}},"experimental":{}}"#, C::NONE),
        ] {
            assert_eq!(read(text), bits, "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back_in_the_newest_legacy_revision() {
        let all: u16 = NAMES.iter().map(|(bit, _)| bit.0).sum();
        for bits in 0..=all {
            let set = ClientCapabilities(bits);
            let sound = |part, whole| !set.has(part) || set.has(whole);
            type C = ClientCapabilities;
            if sound(C::ROOTS_LIST_CHANGED, C::ROOTS)
                && sound(C::SAMPLING_TOOLS, C::SAMPLING)
                && sound(C::SAMPLING_CONTEXT, C::SAMPLING)
                && sound(C::ELICITATION_FORM, C::ELICITATION)
                && sound(C::ELICITATION_URL, C::ELICITATION)
            {
                assert_eq!(read(&write(set, Revision::V2025_11_25)), set);
            }
        }
    }

    #[test]
    fn older_revisions_see_only_what_they_know() {
        let all = read(r#"{"roots":{"listChanged":true},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#);
        assert_eq!(
            write(all, Revision::V2025_06_18),
            r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}"#
        );
        assert_eq!(write(all, Revision::V2024_11_05), r#"{"roots":{"listChanged":true},"sampling":{}}"#);
        assert_eq!(
            write(all, Revision::V2026_07_28),
            r#"{"roots":{},"sampling":{"tools":{}},"elicitation":{"form":{},"url":{}}}"#
        );
        let url_only = read(r#"{"elicitation":{"url":{}}}"#);
        assert_eq!(write(url_only, Revision::V2025_06_18), "{}");
        assert!(!url_only.elicits_form() && read(r#"{"elicitation":{}}"#).elicits_form() && url_only.asks());
        assert!(!read(r#"{"extensions":{"io.modelcontextprotocol/ui":{}}}"#).asks());
    }
}
