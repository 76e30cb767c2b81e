//! A problem of an object: where, of what kind, and in words.
//!
//! Made by `source` and by the rules; shown by `ringway validate` and `ringway run`, written as conditions in a cluster.

use std::fmt;

use crate::path::FieldPath;

/// One finding. The order is that of a reader: file, line, column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    /// From 1; 0 when only the file is known.
    pub line: u64,
    /// From 1, in characters; 0 when only the file is known.
    pub column: u64,
    /// `None`: the document does not say what it is.
    pub object: Option<ObjectLabel>,
    /// Empty for the document as a whole.
    pub field: FieldPath,
    pub reason: Reason,
    /// A sentence without a full stop. Never holds a secret value.
    pub message: String,
    pub severity: Severity,
}

/// What a document calls itself, whether or not it is served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectLabel {
    pub kind: String,
    pub namespace: String,
    pub name: String,
}

/// Why, in the words of Kubernetes conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Not YAML, or beyond the parser's budget.
    InvalidSyntax,
    /// A key stands twice in one mapping.
    DuplicateField,
    UnknownField,
    /// A field that must be there is not.
    RequiredValue,
    InvalidValue,
    /// Right in itself, not served by this version.
    UnsupportedValue,
    /// More than the bound, or less.
    OutOfRange,
    /// The reference points at nothing.
    RefNotFound,
    /// The reference needs a ReferenceGrant, or may never point there.
    RefNotPermitted,
    /// The reference points at an object that has an error of its own.
    RefNotAccepted,
    /// The reference is to a kind that the field does not take.
    InvalidKind,
    /// What the reference points at is there, and does not hold what is needed.
    InvalidRef,
    /// No listener takes the route.
    NotAttached,
    /// Two objects or entries claim the same thing.
    Conflicted,
    /// Two tools or prompts would be seen under one name.
    NameConflict,
    /// Read, and without effect.
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What has it is not served.
    Error,
    /// It is served; it may not do what its author thinks.
    Warning,
}

// === impl ObjectLabel ===

impl fmt::Display for ObjectLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

// === impl Reason ===

impl Reason {
    /// About what a reference points at, not about the object that has it.
    #[must_use]
    pub fn is_reference(self) -> bool {
        matches!(
            self,
            Self::RefNotFound | Self::RefNotPermitted | Self::RefNotAccepted | Self::InvalidKind | Self::InvalidRef
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// === impl Problem ===

impl Problem {
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        if !self.field.steps().is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}: {}", self.reason, self.message)
    }
}
