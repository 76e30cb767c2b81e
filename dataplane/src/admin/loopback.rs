//! Names of this machine alone, told from those that DNS rebinding brings. Also asked by `pipeline`, for a route's own door.

use std::net::IpAddr;

/// `localhost`, or an address of the loopback, with any port or none.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = rest.is_empty() || rest.starts_with(':');
    is_port && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::is_loopback_name;

    #[test]
    fn only_loopback_names_are_loopback() {
        for (host, want) in [
            ("localhost", true),
            ("LocalHost:8080", true),
            ("127.0.0.1", true),
            ("127.8.9.1:80", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("[::1]evil.example", false),
            ("[::1", false),
            ("0.0.0.0", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("[::ffff:8.8.8.8]", false),
            ("", false),
        ] {
            assert_eq!(is_loopback_name(host), want, "{host}");
        }
    }
}
