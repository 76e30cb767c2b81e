//! Values by host name: exact names, `*.` and one or more labels, every host. Found by hashing, however many there are.
//!
//! Pure. Made when the configuration changes; asked once or twice per request, without an allocation.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// A map from host name patterns, lower case.
#[derive(Debug, Clone)]
pub struct HostMap<T> {
    exact: HashMap<Box<str>, T, RandomState>,
    /// By what follows `*.`.
    below: HashMap<Box<str>, T, RandomState>,
    any: Option<T>,
}

/// The longest DNS name. A longer host has no name below a star: each of its labels would be one look-up.
const LONGEST: usize = 253;

/// Is there a host that fits both patterns? `None`: every host.
#[must_use]
pub fn overlap(one: Option<&str>, other: Option<&str>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let holds = |pattern: &str, name: &str| {
        pattern.strip_prefix('*').is_some_and(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
    };
    one == other || holds(one, other) || holds(other, one)
}

// === impl HostMap ===

impl<T> Default for HostMap<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), below: HashMap::default(), any: None }
    }
}

impl<T> HostMap<T> {
    /// Puts `value` under a pattern; `None`: every host. False: the pattern is taken, and nothing changed.
    pub fn insert(&mut self, pattern: Option<&str>, value: T) -> bool {
        if self.under(pattern).is_some() {
            return false;
        }
        match pattern {
            None => self.any = Some(value),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(below) => drop(self.below.insert(below.into(), value)),
                None => drop(self.exact.insert(pattern.into(), value)),
            },
        }
        true
    }

    /// What stands under exactly this pattern.
    #[must_use]
    pub fn under(&self, pattern: Option<&str>) -> Option<&T> {
        match pattern {
            None => self.any.as_ref(),
            Some(pattern) => match pattern.strip_prefix("*.") {
                Some(below) => self.below.get(below),
                None => self.exact.get(pattern),
            },
        }
    }

    /// The value of the most specific pattern that a host fits: its own name, then the longest name below a star.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&T> {
        self.named(host).or(self.any.as_ref())
    }

    /// The same without the pattern that every host fits.
    #[must_use]
    pub fn named(&self, host: &str) -> Option<&T> {
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        if self.below.is_empty() || host.len() > LONGEST {
            return None;
        }
        let dots = host.match_indices('.').filter(|(at, _)| *at > 0);
        dots.filter_map(|(at, _)| host.get(at + 1..)).find_map(|rest| self.below.get(rest))
    }

    /// The value of the name itself, or of a star in place of its first label alone: how certificates match.
    #[must_use]
    pub fn of_certificate(&self, host: &str) -> Option<&T> {
        self.exact.get(host).or_else(|| self.below.get(host.split_once('.')?.1))
    }

    /// True when no pattern was put in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{HostMap, overlap};

    fn map(patterns: &[&'static str]) -> HostMap<&'static str> {
        let mut map = HostMap::default();
        for pattern in patterns {
            assert!(map.insert((*pattern != "*").then_some(*pattern), *pattern));
        }
        map
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let map = map(&["*", "*.example.com", "*.b.example.com", "a.example.com"]);
        for (host, want) in [
            ("a.example.com", "a.example.com"),
            ("x.example.com", "*.example.com"),
            ("a.b.example.com", "*.b.example.com"),
            ("x.a.b.example.com", "*.b.example.com"),
            ("b.example.com", "*.example.com"),
            ("example.com", "*"),
            (".example.com", "*"),
            ("evilexample.com", "*"),
            ("", "*"),
        ] {
            assert_eq!(map.find(host), Some(&want), "{host}");
        }
        assert_eq!(map.named("example.com"), None);
    }

    #[test]
    fn a_pattern_is_put_in_once() {
        for pattern in [None, Some("a.example.com"), Some("*.example.com")] {
            let mut map = HostMap::default();
            assert!(map.is_empty());
            assert!(map.insert(pattern, 1) && !map.insert(pattern, 2));
            assert_eq!(map.under(pattern), Some(&1));
        }
    }

    #[test]
    fn a_name_that_cannot_be_one_is_not_looked_for_below_stars() {
        let map = map(&["*.example.com"]);
        let long = format!("{}example.com", "a.".repeat(300));
        assert_eq!(map.find(&long), None);
        assert_eq!(map.find("a.a.example.com"), Some(&"*.example.com"));
    }

    #[test]
    fn patterns_overlap_where_a_host_fits_both() {
        for (one, other, want) in [
            ("*", "*", true),
            ("*", "*.example.com", true),
            ("a.example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "*.b.example.com", true),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.evilexample.com", false),
            ("*.a.example.com", "*.b.example.com", false),
            ("a.example.com", "b.example.com", false),
        ] {
            let of = |pattern: &'static str| (pattern != "*").then_some(pattern);
            assert_eq!(overlap(of(one), of(other)), want, "{one} {other}");
            assert_eq!(overlap(of(other), of(one)), want, "{other} {one}");
        }
    }

    #[test]
    fn a_certificate_s_star_is_one_label() {
        let map = map(&["*.example.com"]);
        assert_eq!(map.of_certificate("a.example.com"), Some(&"*.example.com"));
        assert_eq!(map.of_certificate("b.a.example.com"), None);
        assert_eq!(map.of_certificate("example.com"), None);
    }
}
