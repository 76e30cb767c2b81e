//! The path of a field inside an object: `spec.backends[0].prefix`.
//!
//! Built by the rules, looked up by `source` to find the line. Knows nothing of YAML.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// From the object's root; empty for the object itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FieldPath(Vec<Step>);

// === impl FieldPath ===

impl FieldPath {
    /// `a.b.c`, for keys without dots.
    #[must_use]
    pub fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }

    /// The field `dotted` below this one.
    #[must_use]
    pub fn field(&self, dotted: &str) -> Self {
        self.join(&Self::of(dotted).0)
    }

    /// A key that may hold dots: of a map with free keys.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The field that `below` leads to from this one.
    #[must_use]
    pub fn join(&self, below: &[Step]) -> Self {
        Self([self.steps(), below].concat())
    }

    fn step(&self, step: Step) -> Self {
        self.join(&[step])
    }
}

impl From<Vec<Step>> for FieldPath {
    fn from(steps: Vec<Step>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key)
                    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)) =>
                {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(key)?;
                }
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::FieldPath;

    #[test]
    fn paths_read_as_kubernetes_writes_them() {
        let path = FieldPath::of("spec.stdio").field("env").key("A.B");
        assert_eq!(path.to_string(), "spec.stdio.env[\"A.B\"]");
        assert_eq!(FieldPath::of("spec.backends").index(0).field("prefix").to_string(), "spec.backends[0].prefix");
    }
}
