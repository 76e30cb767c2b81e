//! Globs on names: `*` any run of characters, `?` one. Linear in the text for each star, no recursion.

/// A compiled glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: Vec<char>,
}

// === impl Glob ===

impl Glob {
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self { pattern: pattern.chars().collect() }
    }

    /// Does the whole of `text` match? At most `pattern × text` steps.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut p, mut t) = (0, 0);
        // Where to go on after a mismatch: just behind the last star, one character further in the text.
        let mut retry: Option<(usize, usize)> = None;
        while t < text.len() {
            match self.pattern.get(p) {
                Some('*') => {
                    retry = Some((p + 1, t));
                    p += 1;
                }
                Some(&c) if c == '?' || text.get(t) == Some(&c) => {
                    p += 1;
                    t += 1;
                }
                _ => match retry {
                    Some((star, from)) => {
                        retry = Some((star, from + 1));
                        p = star;
                        t = from + 1;
                    }
                    None => return false,
                },
            }
        }
        self.pattern.iter().skip(p).all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn matches_whole_names_only() {
        for (pattern, text, want) in [
            ("search*", "search", true),
            ("search*", "search_code", true),
            ("search*", "research", false),
            ("*_admin", "user_admin", true),
            ("*_admin", "user_admins", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?", "ü", true),
            ("?", "", false),
            ("*", "", true),
            ("get_issue", "get_issue", true),
            ("a**", "a", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_stay_cheap() {
        let pattern = "*a".repeat(60) + "b";
        assert!(!Glob::new(&pattern).matches(&"a".repeat(5_000)));
    }
}
