//! Hosts beside the public internet that a backend's `url` may name.
//!
//! Judges a host as it is written; what its name resolves to is asked of [`Dial`] when it is dialled.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ringway_snapshot::Dial;
use serde::Deserialize;

use crate::text;

/// Exact host names, `*.suffix`, addresses and CIDRs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct AllowedHosts {
    names: BTreeSet<String>,
    /// With the leading dot.
    suffixes: BTreeSet<String>,
    networks: BTreeSet<IpNet>,
}

/// Names that only a cluster, a machine or a private network resolves (RFC 6761, 6762, 8375, and common use).
const LOCAL: [&str; 5] = [".svc", ".local", ".localhost", ".internal", ".home.arpa"];

// === impl AllowedHosts ===

impl AllowedHosts {
    /// How a host may be dialled; `None`: not at all.
    pub(crate) fn dial(&self, host: &url::Host<&str>, cluster_domain: &str) -> Option<Dial> {
        let public = Dial::Public { allowed: self.networks.iter().map(ToString::to_string).collect() };
        let address = match host {
            url::Host::Domain(name) => return self.dial_name(name, cluster_domain, public),
            url::Host::Ipv4(address) => IpAddr::V4(*address),
            url::Host::Ipv6(address) => IpAddr::V6(*address),
        };
        public.permits(address).then_some(public)
    }

    fn dial_name(&self, name: &str, cluster_domain: &str, public: Dial) -> Option<Dial> {
        // The root's dot changes nothing of what a name stands for.
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_under = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| !rest.is_empty());
        if self.names.contains(name) || self.suffixes.iter().any(|suffix| is_under(suffix)) {
            return Some(Dial::Any);
        }
        let is_local = !name.contains('.')
            || LOCAL.iter().any(|suffix| is_under(suffix))
            || name == cluster_domain
            || is_under(&format!(".{cluster_domain}"));
        (!is_local).then_some(public)
    }
}

impl TryFrom<Vec<String>> for AllowedHosts {
    type Error = String;

    fn try_from(hosts: Vec<String>) -> Result<Self, String> {
        let mut allowed = Self::default();
        for host in hosts {
            let network = host.parse::<IpNet>().ok().or_else(|| host.parse::<IpAddr>().ok().map(IpNet::from));
            if let Some(network) = network {
                allowed.networks.insert(network.trunc());
                continue;
            }
            if !text::is_hostname_pattern(&host) {
                return Err(format!("`{}` is no lower-case host name, `*.suffix`, address or CIDR", text::cut(&host)));
            }
            match host.strip_prefix('*') {
                Some(suffix) => allowed.suffixes.insert(suffix.to_owned()),
                None => allowed.names.insert(host),
            };
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use ringway_snapshot::Dial;
    use url::Url;

    use super::AllowedHosts;

    fn hosts(list: &[&str]) -> Result<AllowedHosts, String> {
        AllowedHosts::try_from(list.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn dial(hosts: &AllowedHosts, url: &str) -> Option<Dial> {
        let url = Url::parse(url).expect("a url");
        hosts.dial(&url.host().expect("a host"), "k8s.example")
    }

    #[test]
    fn only_public_hosts_are_dialled_without_leave() {
        let none = AllowedHosts::default();
        for good in
            ["https://mcp.example.com", "http://1.1.1.1:8080/x", "http://[2606:4700::1]", "https://a.svc.example.com"]
        {
            assert_eq!(dial(&none, good), Some(Dial::Public { allowed: vec![] }), "{good}");
        }
        for bad in [
            "http://localhost:3000/mcp",
            "http://LOCALHOST./",
            "http://a.localhost",
            "http://intranet",
            "http://github.tools.svc",
            "http://github.tools.svc.",
            "http://github.tools.svc.k8s.example",
            "http://node-1.k8s.example",
            "http://k8s.example",
            "http://github.tools.svc.cluster.local",
            "http://printer.local",
            "http://metadata.google.internal",
            "http://nas.home.arpa",
            "http://127.1",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0",
            "http://10.0.0.1",
            "http://169.254.169.254/latest",
            "http://100.64.0.1",
            "http://224.0.0.1",
            "http://[::1]",
            "http://[::ffff:10.0.0.1]",
            "http://[fd00:ec2::254]",
            "http://[fe80::1]",
            "http://[64:ff9b::a00:1]",
        ] {
            assert_eq!(dial(&none, bad), None, "{bad}");
        }
    }

    #[test]
    fn an_install_allows_names_suffixes_and_networks() {
        let some =
            hosts(&["intranet", "*.corp.internal", "10.1.2.3/16", "192.168.7.7", "fd00::/64"]).expect("they are read");
        for name in ["http://intranet/x", "http://a.b.corp.internal", "http://a.corp.internal."] {
            assert_eq!(dial(&some, name), Some(Dial::Any), "{name}");
        }
        let networks = vec!["10.1.0.0/16".to_owned(), "192.168.7.7/32".into(), "fd00::/64".into()];
        for address in ["http://10.1.9.9", "http://192.168.7.7", "http://[fd00::9]", "http://mcp.example.com"] {
            assert_eq!(dial(&some, address), Some(Dial::Public { allowed: networks.clone() }), "{address}");
        }
        for bad in ["http://corp.internal", "http://xcorp.internal", "http://10.2.0.1", "http://192.168.7.8"] {
            assert_eq!(dial(&some, bad), None, "{bad}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for bad in ["", "*", "http://a", "a:80", "10.0.0.0/99", "A.example.com", "a.*.b"] {
            let error = hosts(&[bad]).expect_err(bad);
            assert!(error.contains("is no lower-case host name"), "{error}");
        }
    }
}
