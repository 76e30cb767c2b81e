//! The problems of one object while its rules run, and the checks that many fields share.
//!
//! Decides nothing about an object as a whole. Used by the rules of backends, routes and Secrets.

use std::fmt::Display;
use std::time::Duration;

use ringway_crds::Duration as GatewayDuration;

use crate::object::Object;
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};

/// The least and the most that a time of a call may be.
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Problems are collected here, each at the field it is about.
pub(crate) struct Scope<'a> {
    pub(crate) object: &'a Object,
    problems: Vec<Problem>,
    errors: usize,
}

/// The range of a duration, both ends included, and what counts when it is left out.
pub(crate) struct Span {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
    pub(crate) default: Duration,
}

/// The range of a number, both ends included, and what counts when it is left out.
pub(crate) struct Range {
    pub(crate) least: u64,
    pub(crate) most: u64,
    pub(crate) default: usize,
}

// === impl Scope ===

impl<'a> Scope<'a> {
    pub(crate) fn new(object: &'a Object) -> Self {
        Self { object, problems: Vec::new(), errors: 0 }
    }

    pub(crate) fn namespace(&self) -> &'a str {
        &self.object.id.name.namespace
    }

    pub(crate) fn error(&mut self, field: &FieldPath, reason: Reason, message: impl Display) {
        self.errors += 1;
        self.problems.push(self.object.problem(field.clone(), reason, Severity::Error, message.to_string()));
    }

    pub(crate) fn warning(&mut self, field: &FieldPath, reason: Reason, message: impl Display) {
        self.problems.push(self.object.problem(field.clone(), reason, Severity::Warning, message.to_string()));
    }

    /// A field of the contract whose time has not come: never ignored.
    pub(crate) fn unsupported(&mut self, field: &FieldPath) {
        self.error(field, Reason::UnsupportedValue, "is not served by this version; leave it out");
    }

    /// How many errors so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// At most `most` items; a problem beyond.
    pub(crate) fn at_most(&mut self, field: &FieldPath, length: usize, most: usize) {
        if length > most {
            self.error(field, Reason::OutOfRange, format_args!("has {length} entries, at most {most} are allowed"));
        }
    }

    /// At most `most` characters, and no control character beside line breaks and tabs.
    pub(crate) fn prose(&mut self, field: &FieldPath, text: &str, most: usize) {
        let length = text.chars().count();
        if length > most {
            self.error(field, Reason::OutOfRange, format_args!("has {length} characters, at most {most} are allowed"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.error(field, Reason::InvalidValue, "must not hold control characters");
        }
    }

    pub(crate) fn duration(&mut self, field: &FieldPath, value: Option<GatewayDuration>, span: &Span) -> Duration {
        let Some(GatewayDuration(duration)) = value else { return span.default };
        if duration < span.least || duration > span.most {
            let (least, most) = (GatewayDuration(span.least), GatewayDuration(span.most));
            self.error(field, Reason::OutOfRange, format_args!("must be from {least} to {most}"));
        }
        duration
    }

    pub(crate) fn number(&mut self, field: &FieldPath, value: Option<u64>, range: &Range) -> usize {
        let Some(number) = value else { return range.default };
        if number < range.least || number > range.most {
            let Range { least, most, .. } = range;
            self.error(field, Reason::OutOfRange, format_args!("must be from {least} to {most}"));
        }
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}
