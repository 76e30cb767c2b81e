//! Problems of an object into the conditions of its status.
//!
//! Called by `translate` for each object of a cluster. Which problems there are is the rules' to say.

use std::borrow::Borrow;
use std::fmt::Write as _;

use crate::object::Object;
use crate::problem::{Problem, Reason, Severity};
use crate::verdict::{Condition, Verdict};

/// A message of a condition ends here; Kubernetes allows 32 times as much, and nobody reads it.
const MAX_MESSAGE: usize = 1024;
/// Kept free for what follows a message that was cut.
const MAX_TAIL: usize = 24;

/// The problems of one object, by the condition that they make false.
#[derive(Debug, Default)]
pub(crate) struct Charges<'a> {
    own: Vec<&'a Problem>,
    references: Vec<&'a Problem>,
    names: Vec<&'a Problem>,
    /// Told, and nothing is false by them.
    notes: Vec<&'a Problem>,
}

// === impl Charges ===

impl<'a> Charges<'a> {
    /// What was wrong with the object as it was read, and what the rules found.
    pub(crate) fn new(object: &'a Object, found: &'a [Problem]) -> Self {
        let mut charges = Self::default();
        for problem in object.problems().iter().chain(found) {
            match (problem.severity, problem.reason) {
                (Severity::Warning, _) => charges.notes.push(problem),
                (Severity::Error, reason) if reason.is_reference() => charges.references.push(problem),
                (Severity::Error, Reason::NameConflict) => {
                    charges.names.push(problem);
                    charges.own.push(problem);
                }
                (Severity::Error, _) => charges.own.push(problem),
            }
        }
        charges
    }

    /// `is_served`: the rest of the object is.
    pub(crate) fn accepted(&self, is_served: bool) -> Condition {
        if self.own.is_empty() {
            return Condition::yes("Accepted");
        }
        let is_later = self.own.iter().all(|problem| problem.reason == Reason::UnsupportedValue);
        let rest = if is_served { "; the rest is served" } else { "" };
        Condition::no(if is_later { "UnsupportedValue" } else { "Invalid" }, message(&self.own, rest))
    }

    /// `not_found`: the reason when what is missing comes first.
    pub(crate) fn resolved_refs(&self, not_found: &'static str) -> Condition {
        let Some(first) = self.references.first() else { return Condition::yes("ResolvedRefs") };
        let reason = match first.reason {
            Reason::RefNotFound => not_found,
            Reason::RefNotPermitted => "RefNotPermitted",
            Reason::InvalidKind => "InvalidKind",
            Reason::RefNotAccepted => "RefNotAccepted",
            _ => "InvalidRef",
        };
        Condition::no(reason, message(&self.references, ""))
    }

    /// Names that are contested.
    pub(crate) fn conflicted(&self) -> Option<Condition> {
        let message = message(&self.names, "");
        (!self.names.is_empty()).then_some(Condition { is_true: true, reason: "NameConflict", message })
    }

    /// In words, what is served and still worth a look.
    pub(crate) fn notes(&self) -> String {
        message(&self.notes, "")
    }

    pub(crate) fn verdict(&self, not_found: &'static str, is_served: bool) -> Verdict {
        Verdict {
            accepted: self.accepted(is_served),
            resolved_refs: self.resolved_refs(not_found),
            conflicted: self.conflicted(),
            is_served,
        }
    }
}

/// The first problems in full, the others by number.
pub(crate) fn message(problems: &[impl Borrow<Problem>], tail: &str) -> String {
    let sentences = problems.iter().map(Borrow::borrow).map(|problem| match problem.field.steps() {
        [] => problem.message.clone(),
        _ => format!("{}: {}", problem.field, problem.message),
    });
    bounded(&sentences.collect::<Vec<_>>(), tail)
}

/// Sentences joined to at most [`MAX_MESSAGE`] characters.
fn bounded(sentences: &[String], tail: &str) -> String {
    let room = MAX_MESSAGE - MAX_TAIL - tail.chars().count();
    let mut out = String::new();
    let mut length = 0;
    for (index, sentence) in sentences.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        let more = separator.len() + sentence.chars().count();
        if length + more <= room {
            out.push_str(separator);
            out.push_str(sentence);
            length += more;
            continue;
        }
        let mut left = sentences.len() - index;
        if index == 0 {
            out.extend(sentence.chars().take(room - 1));
            out.push('…');
            left -= 1;
        }
        if left > 0 {
            write!(out, "; and {left} more").unwrap_or_default();
        }
        break;
    }
    out.push_str(tail);
    out
}

#[cfg(test)]
mod tests {
    use super::{MAX_MESSAGE, bounded};

    #[test]
    fn messages_are_cut_between_sentences() {
        assert_eq!(bounded(&[], ""), "");
        assert_eq!(bounded(&["a".into(), "b".into()], "; c"), "a; b; c");
        let many: Vec<String> = (0..500).map(|i| format!("spec.backends[{i}]: is wrong")).collect();
        let text = bounded(&many, "; the rest is served");
        assert!(text.starts_with("spec.backends[0]: is wrong; spec.backends[1]"), "{text}");
        assert!(text.ends_with(" more; the rest is served"), "{text}");
        assert!(text.chars().count() <= MAX_MESSAGE);
    }

    #[test]
    fn one_endless_sentence_is_cut_between_characters() {
        let text = bounded(&["ß→🦀".repeat(5000), "b".into()], "");
        assert!(text.chars().count() <= MAX_MESSAGE && text.ends_with("…; and 1 more"), "{text}");
        assert_eq!(bounded(&["x".repeat(5000)], "").chars().count(), MAX_MESSAGE - 24);
    }
}
