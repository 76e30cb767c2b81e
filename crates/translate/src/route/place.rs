//! Where a route is: hosts, path, and the origins that browsers may come from.

use std::collections::BTreeSet;

use ringway_crds::route::ParentRef;

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;
use crate::text;

/// As Gateway API bounds them.
const MAX_PARENTS: usize = 32;
const MAX_HOSTNAMES: usize = 16;
const MAX_ORIGINS: usize = 64;

/// What is wrong with the list as a whole; where it leads is `attach`'s question.
pub(super) fn parents(scope: &mut Scope<'_>, list: Option<&[ParentRef]>) {
    let field = FieldPath::of("spec.parentRefs");
    if list.is_some_and(<[_]>::is_empty) {
        scope.error(&field, Reason::InvalidValue, "must not be empty; leave it out for the install's own listener");
    }
    scope.at_most(&field, list.unwrap_or_default().len(), MAX_PARENTS);
}

pub(super) fn hostnames(scope: &mut Scope<'_>, list: Option<&[String]>) -> Vec<String> {
    let field = FieldPath::of("spec.hostnames");
    let Some(list) = list else { return Vec::new() };
    if list.is_empty() {
        scope.error(&field, Reason::InvalidValue, "must not be empty; leave it out for every host");
    }
    scope.at_most(&field, list.len(), MAX_HOSTNAMES);
    let mut seen = BTreeSet::new();
    for (index, hostname) in list.iter().enumerate() {
        if !text::is_hostname_pattern(hostname) {
            let message = "must be a lower-case host name, with or without a leading `*.`, without port; no IP address";
            scope.error(&field.index(index), Reason::InvalidValue, message);
        }
        if !seen.insert(hostname) {
            scope.error(
                &field.index(index),
                Reason::Conflicted,
                format_args!("`{}` stands twice", text::cut(hostname)),
            );
        }
    }
    list.to_vec()
}

pub(super) fn path(scope: &mut Scope<'_>, path: Option<&str>) -> String {
    let path = path.unwrap_or("/mcp");
    let field = FieldPath::of("spec.path");
    if !text::is_exact_path(path) {
        let message = "must be an absolute path of at most 1024 bytes without query, percent signs, empty or dot \
                       segments and a slash at the end";
        scope.error(&field, Reason::InvalidValue, message);
    } else if path == "/.well-known" || path.starts_with("/.well-known/") {
        scope.error(&field, Reason::InvalidValue, "/.well-known is the gateway's own (RFC 8615)");
    }
    path.to_owned()
}

/// `scheme://host[:port]`, lower case, in the order written.
pub(super) fn origins(scope: &mut Scope<'_>, list: &[String]) -> Vec<String> {
    let field = FieldPath::of("spec.allowedOrigins");
    scope.at_most(&field, list.len(), MAX_ORIGINS);
    let mut seen = BTreeSet::new();
    for (index, origin) in list.iter().enumerate() {
        if !is_origin(origin) {
            let message = "must be `scheme://host[:port]` with http or https, lower case, with or without a leading \
                           `*.` in the host, and no path";
            scope.error(&field.index(index), Reason::InvalidValue, message);
        }
        if !seen.insert(origin) {
            scope.error(&field.index(index), Reason::Conflicted, format_args!("`{}` stands twice", text::cut(origin)));
        }
    }
    list.to_vec()
}

/// As a browser writes it (RFC 6454 section 6.2), so that a comparison of texts is enough.
fn is_origin(origin: &str) -> bool {
    let (rest, default_port) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (_, Some(rest)) => (rest, 80),
        _ => return false,
    };
    let is_ipv6 = |host: &str| {
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.to_string() == host))
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !rest.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    // Browsers leave the scheme's own port out.
    let is_port =
        port.is_none_or(|port| port.parse::<u16>().is_ok_and(|n| n != 0 && n != default_port && n.to_string() == port));
    is_port && (text::is_hostname_pattern(host) || is_ipv6(host) || host.parse::<std::net::Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for good in [
            "https://example.com",
            "https://*.example.com",
            "http://localhost:6274",
            "http://127.0.0.1:8080",
            "http://[::1]:80801".get(..16).expect("in bounds"),
            "http://[::1]",
        ] {
            assert!(is_origin(good), "{good} is refused");
        }
        for bad in [
            "*",
            "null",
            "example.com",
            "https://",
            "https://example.com/",
            "https://Example.com",
            "https://example.com:443",
            "http://example.com:80",
            "http://example.com:080",
            "http://example.com:0",
            "http://example.com:99999",
            "ftp://example.com",
            "https://u@example.com",
            "https://*",
            "https://a.*.com",
            "http://::1",
        ] {
            assert!(!is_origin(bad), "{bad} is accepted");
        }
    }
}
