//! Which addresses a backend may be dialled at: the public internet, and what an install adds.
//!
//! Asked twice: of an address that stands in a `url`, and of every address that DNS answers, right before it is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Which addresses may be dialled: asked of each address right before it is connected to, since DNS may say anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dial {
    Any,
    /// Addresses of the public internet (IANA's special-purpose registries are not) and those in `allowed`, CIDRs.
    Public {
        allowed: Vec<String>,
    },
}

/// IANA IPv4 Special-Purpose Address Registry without what is globally reachable, multicast (RFC 5771), and the one
/// public address that every host of a large cloud reaches a metadata service at.
const IPV4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    // Multicast, reserved and broadcast.
    "224.0.0.0/3",
];

/// Within 2000::/3, outside of which nothing is public: IANA IPv6 Special-Purpose Address Registry.
const IPV6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// True for what only the public internet has. An IPv4 address inside of an IPv6 one (mapped, NAT64) counts as itself.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !within(&IPV4, IpAddr::V4(address)),
        IpAddr::V6(address) => match nat64(address) {
            Some(inner) => !within(&IPV4, IpAddr::V4(inner)),
            None => address.segments()[0] & 0xe000 == 0x2000 && !within(&IPV6, IpAddr::V6(address)),
        },
    }
}

/// The address behind the well-known prefix 64:ff9b::/96 (RFC 6052).
fn nat64(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = address.segments() else { return None };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

fn within(list: &[impl AsRef<str>], address: IpAddr) -> bool {
    list.iter().any(|cidr| cidr.as_ref().parse::<IpNet>().is_ok_and(|cidr| cidr.contains(&address)))
}

// === impl Dial ===

impl Dial {
    /// May this address be connected to?
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public { allowed } => {
                let address = address.to_canonical();
                is_public(address) || within(allowed, address)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{Dial, IPV4, IPV6, is_public};

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn the_tables_are_cidrs() {
        for cidr in IPV4.iter().chain(&IPV6) {
            assert!(cidr.parse::<ipnet::IpNet>().is_ok_and(|net| net.trunc() == net), "{cidr}");
        }
    }

    #[test]
    fn public_is_what_no_registry_sets_aside() {
        for public in ["1.1.1.1", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "223.255.255.255"] {
            assert!(is_public(address(public)), "{public}");
        }
        for public in ["2606:4700:4700::1111", "2a00::1", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1", "2001:200::1"] {
            assert!(is_public(address(public)), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(address(private)), "{private}");
            assert!(!is_public(address(&format!("::ffff:{private}"))), "mapped {private}");
            assert!(!is_public(address(&format!("64:ff9b::{private}"))), "NAT64 {private}");
        }
        for private in [
            "::",
            "::1",
            "::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(private)), "{private}");
        }
    }

    #[test]
    fn an_install_adds_to_the_public_internet() {
        let dial = Dial::Public { allowed: vec!["10.1.0.0/16".into(), "fd00::/64".into(), "nonsense".into()] };
        for (text, is_permitted) in [
            ("1.1.1.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00::1", true),
            ("fd00:1::1", false),
        ] {
            assert_eq!(dial.permits(address(text)), is_permitted, "{text}");
            assert!(Dial::Any.permits(address(text)));
        }
    }
}
