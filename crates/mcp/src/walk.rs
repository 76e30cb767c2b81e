//! Static patterns of places in a message, and the walk that finds the strings there.
//!
//! The places are those where MCP puts resource URIs: they are mapped between backend and client names. Text and
//! `structuredContent` are in no pattern, so they are never touched. Recursion is as deep as the pattern, not the data.
use std::cell::OnceCell;

use crate::scan::{Span, Str};
use crate::value::{JsonKind, elements, find, kind, members, string};

/// A place.
#[derive(Debug)]
pub enum Pattern {
    /// The string here.
    Text,
    /// Members of the object here.
    Keys(&'static [Key]),
    /// Each element of the array here.
    Each(&'static Self),
    /// Each element if an array is here, else the value itself.
    OneOrEach(&'static Self),
}

/// A member of a [`Pattern::Keys`].
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Look there only if the object's `type` is this.
    pub when: Option<&'static str>,
    /// What to look for in the value.
    pub then: Pattern,
}

const fn key(name: &'static str, then: Pattern) -> Key {
    Key { name, when: None, then }
}

const URI: Pattern = Pattern::Keys(&[key("uri", Pattern::Text)]);

const CONTENT: Pattern =
    Pattern::Keys(&[Key { name: "uri", when: Some("resource_link"), then: Pattern::Text }, key("resource", URI)]);

/// URIs in a `tools/call` result: resource links and embedded resources.
pub const CALL_RESULT_URIS: Pattern = Pattern::Keys(&[key("content", Pattern::Each(&CONTENT))]);

/// URIs in a `prompts/get` result, whose messages hold one content or several.
pub const PROMPT_RESULT_URIS: Pattern =
    Pattern::Keys(&[key("messages", Pattern::Each(&Pattern::Keys(&[key("content", Pattern::OneOrEach(&CONTENT))])))]);

/// URIs in a `resources/read` result.
pub const READ_RESULT_URIS: Pattern = Pattern::Keys(&[key("contents", Pattern::Each(&URI))]);

/// The UI resource of a tool (MCP Apps), relative to the tool: nested and in its old flat spelling.
pub const UI_RESOURCE_URI: Pattern = Pattern::Keys(&[key(
    "_meta",
    Pattern::Keys(&[
        key("ui", Pattern::Keys(&[key("resourceUri", Pattern::Text)])),
        key("ui/resourceUri", Pattern::Text),
    ]),
)]);

/// Nothing.
pub const NOTHING: Pattern = Pattern::Keys(&[]);

/// Calls `found` for each string at a place of `pattern` in the value at `span`, in the order of the wire.
pub fn strings(body: &[u8], span: Span, pattern: &Pattern, found: &mut impl FnMut(Str)) {
    match pattern {
        Pattern::Text => {
            if let Some(text) = string(body, span) {
                found(text);
            }
        }
        Pattern::Keys(keys) => {
            // Looked up once an object, at need: a sender may repeat a key as often as it likes.
            let kind = OnceCell::new();
            let kind = || kind.get_or_init(|| find(body, span, "type").and_then(|value| string(body, value)));
            for member in members(body, span) {
                for key in keys.iter().filter(|key| member.key.is(body, key.name)) {
                    if key.when.is_none_or(|wanted| kind().is_some_and(|kind| kind.is(body, wanted))) {
                        strings(body, member.value, &key.then, found);
                    }
                }
            }
        }
        Pattern::Each(each) => {
            for element in elements(body, span) {
                strings(body, element, each, found);
            }
        }
        Pattern::OneOrEach(each) if kind(body, span) == Some(JsonKind::Array) => {
            strings(body, span, &Pattern::Each(each), found);
        }
        Pattern::OneOrEach(one) => strings(body, span, one, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str, pattern: &Pattern) -> Vec<String> {
        let mut out = Vec::new();
        let span = Span { start: 0, end: body.len() as u32 };
        strings(body.as_bytes(), span, pattern, &mut |text| out.push(text.text(body.as_bytes()).into_owned()));
        out
    }

    #[test]
    fn call_results_give_links_and_embedded_resources_only() {
        let body = r#"{"content":[{"type":"text","text":"uri","uri":"no:1"},
            {"uri":"a:\u0031","type":"resource_link"},
            {"type":"resource","resource":{"uri":"a:2","text":"{\"uri\":\"no:2\"}"}},
            {"type":"resource_link","uri":7}, "no", null],
            "structuredContent":{"content":[{"type":"resource_link","uri":"no:3"}]},"uri":"no:4"}"#;
        assert_eq!(found(body, &CALL_RESULT_URIS), ["a:1", "a:2"]);
    }

    #[test]
    fn a_repeated_key_costs_no_second_look_at_the_object() {
        // Ten thousand looks at a megabyte would take more than ten seconds.
        let uris = r#""uri":"a:1","#.repeat(10_000);
        let body = format!(r#"{{"content":[{{{uris}"text":"{}","type":"resource_link"}}]}}"#, "x y".repeat(400_000));
        let start = std::time::Instant::now();
        assert_eq!(found(&body, &CALL_RESULT_URIS).len(), 10_000);
        assert!(start.elapsed().as_secs() < 5);
    }

    #[test]
    fn prompt_results_take_one_content_or_several() {
        let body = r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a:1"}}},
            {"content":[{"type":"resource_link","uri":"a:2"},{"type":"text","text":"x"}]},{"content":"y"}]}"#;
        assert_eq!(found(body, &PROMPT_RESULT_URIS), ["a:1", "a:2"]);
    }

    #[test]
    fn read_results_and_tools() {
        assert_eq!(
            found(r#"{"contents":[{"uri":"a:1","text":"t"},{"uri":"a:2"}]}"#, &READ_RESULT_URIS),
            ["a:1", "a:2"]
        );
        let tool = r#"{"name":"t","_meta":{"ui":{"resourceUri":"ui://a"},"ui/resourceUri":"ui://b","x":"ui://c"}}"#;
        assert_eq!(found(tool, &UI_RESOURCE_URI), ["ui://a", "ui://b"]);
        assert!(found(tool, &NOTHING).is_empty());
    }
}
