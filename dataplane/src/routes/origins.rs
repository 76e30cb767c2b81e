//! Which browser origins may call a route: exact ones and `scheme://*.domain`. No origin listed: browsers are refused.

/// Compiled `allowedOrigins`.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    exact: Vec<String>,
    /// Scheme with `://`, and the suffix that starts with a dot.
    below: Vec<(String, String)>,
    any: bool,
}

// === impl Origins ===

impl Origins {
    pub(crate) fn new(patterns: &[String]) -> Self {
        let mut origins = Self::default();
        for pattern in patterns {
            let pattern = pattern.to_ascii_lowercase();
            match pattern.split_once("://*.") {
                Some((scheme, domain)) => origins.below.push((format!("{scheme}://"), format!(".{domain}"))),
                None if pattern == "*" => origins.any = true,
                None => origins.exact.push(pattern),
            }
        }
        origins
    }

    /// May a page of this origin call? Compared without case, as RFC 6454 serialises origins.
    pub(crate) fn allows(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let origin = origin.to_ascii_lowercase();
        self.any
            || self.exact.contains(&origin)
            || self.below.iter().any(|(scheme, suffix)| {
                origin.strip_prefix(scheme.as_str()).and_then(|host| host.strip_suffix(suffix.as_str())).is_some_and(
                    |label| {
                        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
                    },
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Origins;

    #[test]
    fn an_origin_is_exact_or_below_a_star() {
        let origins = Origins::new(&["https://app.example.com".into(), "https://*.corp.example:8443".into()]);
        for (origin, want) in [
            ("https://app.example.com", true),
            ("HTTPS://APP.example.com", true),
            ("http://app.example.com", false),
            ("https://app.example.com:444", false),
            ("https://a.b.corp.example:8443", true),
            ("https://corp.example:8443", false),
            ("https://evil.example/.corp.example:8443", false),
            ("https://user@x.corp.example:8443", false),
            ("null", false),
        ] {
            assert_eq!(origins.allows(origin.as_bytes()), want, "{origin}");
        }
        assert!(!Origins::new(&[]).allows(b"https://app.example.com"));
    }
}
