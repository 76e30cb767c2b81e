//! What texts may look like: names, hosts, paths, headers, globs.
//!
//! Each rule is a predicate, and a constant that says it in words. No fields are known here. Called by `source` and
//! the rules.

pub(crate) use ringway_crds::name::{is_dns_label, is_object_name};

/// In words: [`is_object_name`].
pub(crate) const OBJECT_NAME: &str =
    "must be a DNS name of at most 253 characters: lower-case letters, digits, `-` and `.`";
/// In words: [`is_dns_label`].
pub(crate) const DNS_LABEL: &str = "must be a DNS label of at most 63 characters: lower-case letters, digits and `-`";
/// In words: [`is_mcp_name`].
pub(crate) const MCP_NAME: &str = "must be 1 to 128 of the characters A-Z a-z 0-9 _ . -";

/// A host name to match: a DNS name, or one with a `*.` in front; never an IP address (Gateway API, Hostname).
pub(crate) fn is_hostname_pattern(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    text.len() <= 253 && name.split('.').all(is_dns_label) && text.parse::<std::net::IpAddr>().is_err()
}

/// What models see (MCP, "tool names").
pub(crate) fn is_mcp_name(text: &str) -> bool {
    (1..=128).contains(&text.len()) && is_name_part(text)
}

/// Made of the characters of [`is_mcp_name`] alone, of any length.
pub(crate) fn is_name_part(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// An absolute path that is compared byte by byte: no escapes, no empty or dot segments, so that one path has one
/// spelling.
pub(crate) fn is_exact_path(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    path.len() <= 1024
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&b))
        && (rest.is_empty() || rest.split('/').all(|segment| !matches!(segment, "" | "." | "..")))
}

/// A path with an optional query, as it goes into a request line.
pub(crate) fn is_request_path(path: &str) -> bool {
    path.len() <= 1024
        && path.starts_with('/')
        && !path.contains('#')
        && path.parse::<http::uri::PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == path)
}

/// A glob on a server's own names: `*` any run, `?` one character, everything else itself.
pub(crate) fn is_glob(text: &str) -> bool {
    (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The beginning of a text from outside, for messages.
pub(crate) fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::{is_exact_path, is_hostname_pattern, is_mcp_name, is_object_name, is_request_path};

    fn agree(rule: fn(&str) -> bool, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule(text), "{text:?} is refused");
        }
        for text in bad {
            assert!(!rule(text), "{text:?} is accepted");
        }
    }

    #[test]
    fn names_of_objects_and_hosts() {
        agree(is_object_name, &["a", "github", "a-1.b.c"], &["", "A", "-a", "a-", "a..b", ".a", "a.", "a_b", "ä"]);
        let too_long = format!("{}.{}", "a".repeat(63), "b".repeat(64));
        agree(is_object_name, &[&too_long], &[&"a".repeat(254)]);
        agree(is_hostname_pattern, &[], &[&too_long]);
        agree(
            is_hostname_pattern,
            &["tools.example.com", "*.example.com", "localhost"],
            &["*", "*.*.a", "a.*.b", "127.0.0.1", "::1", "a:80", "Tools.example.com", "http://a", "*."],
        );
    }

    #[test]
    fn names_that_models_see() {
        let long = "a".repeat(128);
        let too_long = "a".repeat(129);
        agree(is_mcp_name, &["search", "A.b-c_1", &long], &["", "a b", "a/b", "é", &too_long]);
    }

    #[test]
    fn paths_have_one_spelling() {
        agree(
            is_exact_path,
            &["/", "/mcp", "/a/b.c/~x"],
            &["", "mcp", "/mcp/", "//", "/a//b", "/a/../b", "/./a", "/a%20b", "/a?b", "/a#b", "/ä"],
        );
        agree(is_request_path, &["/", "/mcp?x=1", "/a%20b"], &["", "mcp", "/a b", "/a#b", "/a\nb", "/a\0"]);
    }
}
