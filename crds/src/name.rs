//! Names as Kubernetes has them. Used by whoever takes a name from outside: translation, the operator's file, the command line.

const MAX_LABEL: usize = 63;
const MAX_OBJECT_NAME: usize = 253;

/// RFC 1123 label: the name of a namespace, of a Service.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    text.len() <= MAX_LABEL && is_part(text)
}

/// RFC 1123 subdomain as Kubernetes has it for names of objects: its parts have no bound of their own.
#[must_use]
pub fn is_object_name(text: &str) -> bool {
    text.len() <= MAX_OBJECT_NAME && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::{is_dns_label, is_object_name};

    #[test]
    fn names_are_as_an_api_server_takes_them() {
        let (longest, longer) = ("a".repeat(63), "a".repeat(64));
        for (text, label, object) in [
            ("a", true, true),
            ("0-9", true, true),
            (longest.as_str(), true, true),
            (longer.as_str(), false, true),
            ("a.b", false, true),
            ("a..b", false, false),
            (".a", false, false),
            ("-a", false, false),
            ("a-", false, false),
            ("a.-b", false, false),
            ("A", false, false),
            ("a_b", false, false),
            ("ü", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_dns_label(text), is_object_name(text)), (label, object), "{text}");
        }
        assert!(is_object_name(&"a".repeat(253)) && !is_object_name(&"a".repeat(254)));
    }
}
