//! What the station can be called in a browser's address line, and which of these names its own authority may vouch for.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use rcgen::{CidrSubnet, GeneralSubtree, SanType};
use serde::{Deserialize, Serialize};

/// Addresses in one certificate: more than any machine of this kind has.
const ADDRESSES_MAX: usize = 64;
/// Domains that are nobody's on the internet: mDNS (RFC 6762), what home routers use, `home.arpa` (RFC 8375), `internal` (ICANN, 2024), and this machine itself.
const PRIVATE_DOMAINS: [&str; 5] = ["local", "lan", "home.arpa", "internal", "localhost"];
/// Networks for private use: RFC 1918, shared address space (RFC 6598), link-local, loopback, and their like in IPv6 (RFC 4193).
const PRIVATE_NETWORKS: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

/// The machine's host name and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Host name, empty when it is none that a certificate can hold.
    pub host: String,
    /// Addresses of its network interfaces, in order, without link-local ones: a browser takes no zone in an address.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// From what the machine says; what no browser could ask for is left out.
    #[must_use]
    pub fn new(host: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
        let mut addresses: Vec<IpAddr> = addresses.into_iter().filter(|address| is_browsable(*address)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        Self { host: if is_host(&host) { host } else { String::new() }, addresses }
    }

    /// All host names, the machine's own first. One without a dot is known as such to nobody for sure: it stands in the domains that networks at home and in offices use.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts = Vec::new();
        if self.host.contains('.') {
            hosts.push(self.host.clone());
        } else if !self.host.is_empty() && self.host != "localhost" {
            let domains = PRIVATE_DOMAINS.iter().filter(|domain| **domain != "localhost");
            hosts.extend(domains.map(|domain| format!("{}.{domain}", self.host)));
        }
        hosts.push("localhost".to_owned());
        hosts
    }

    /// The host name that the authority may vouch for besides private domains. A permitted name stands for all below it (RFC 5280 section 4.2.1.10): with `camera` or `com.kh`, which are domains that others have names
    /// in, a thief of the key could pass for these. Three labels are somebody's own host.
    fn own_domain(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|host| host.split('.').count() >= 3)
    }

    /// What of them an authority that was made for `made_for` vouches for.
    pub(crate) fn within(&self, made_for: &Self) -> Vec<SanType> {
        let hosts = self.hosts().into_iter().filter(|host| is_permitted(host, made_for));
        let hosts = hosts.filter_map(|host| host.try_into().ok().map(SanType::DnsName));
        let permitted = |address: &IpAddr| is_private(*address) || made_for.addresses.contains(address);
        let addresses = self.addresses.iter().copied().filter(permitted);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        hosts.chain(addresses.chain(loopback).map(SanType::IpAddress)).collect()
    }

    /// What an authority that was made for `made_for` does not vouch for.
    pub(crate) fn beyond(&self, made_for: &Self) -> Vec<String> {
        let hosts = self.hosts().into_iter().filter(|host| !is_permitted(host, made_for));
        let addresses = self.addresses.iter().filter(|one| !is_private(**one) && !made_for.addresses.contains(one));
        hosts.chain(addresses.map(IpAddr::to_string)).collect()
    }

    /// What an authority that is made for these names may ever vouch for.
    pub(crate) fn permitted(&self) -> Vec<GeneralSubtree> {
        let own = self.own_domain().map(str::to_owned);
        let domains = own.into_iter().chain(PRIVATE_DOMAINS.map(str::to_owned)).map(GeneralSubtree::DnsName);
        let own = self.addresses.iter().filter(|address| !is_private(**address));
        let own = own.map(|address| (*address, if address.is_ipv4() { 32 } else { 128 }));
        let networks = PRIVATE_NETWORKS.into_iter().chain(own);
        let networks = networks.map(|(address, bits)| CidrSubnet::from_addr_prefix(address, bits));
        domains.chain(networks.map(GeneralSubtree::IpAddress)).collect()
    }
}

fn is_browsable(address: IpAddr) -> bool {
    let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    !(link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

/// A host name of letters, digits and hyphens (RFC 1123).
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label) && !host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_permitted(host: &str, made_for: &Names) -> bool {
    let below = |domain: &str| {
        host.strip_suffix(domain).is_some_and(|rest| !domain.is_empty() && (rest.is_empty() || rest.ends_with('.')))
    };
    made_for.own_domain().is_some_and(below) || PRIVATE_DOMAINS.iter().any(|domain| below(domain))
}

fn is_private(address: IpAddr) -> bool {
    PRIVATE_NETWORKS.iter().any(|(network, bits)| match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(*bits)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= u32::from(*bits)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_browser_could_ask_for_is_left_out() {
        let addresses = ["fe80::1", "127.0.0.1", "10.0.0.2", "::1", "0.0.0.0", "224.0.0.1", "10.0.0.2", "10.0.0.1"];
        let names = Names::new("Box.", addresses.map(|text| text.parse().unwrap()));
        assert_eq!(names.addresses, ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!(names.hosts(), ["box.local", "box.lan", "box.home.arpa", "box.internal", "localhost"]);
        assert_eq!(Names::new("a.example.org", []).hosts(), ["a.example.org", "localhost"]);
        for bad in ["", "a_b", "-a", "a..b", "192.168.1.1", "a/b", &"x".repeat(64)] {
            assert_eq!(Names::new(bad, []).hosts(), ["localhost"], "{bad}");
        }
    }

    #[test]
    fn names_that_came_later_are_told_when_they_are_not_private() {
        let made_for = Names::new("box", ["198.51.100.7".parse().unwrap()]);
        let later =
            Names::new("other.example", ["198.51.100.7", "203.0.113.1", "10.1.1.1"].map(|t| t.parse().unwrap()));
        assert_eq!(later.beyond(&made_for), ["other.example", "203.0.113.1"]);
        assert!(Names::new("yard", []).beyond(&made_for).is_empty(), "yard.local can be asked for");
    }

    #[test]
    fn no_domain_in_which_others_have_names_is_permitted() {
        let permitted = |host: &str| {
            let subtrees = Names::new(host, []).permitted();
            subtrees.iter().any(|subtree| matches!(subtree, GeneralSubtree::DnsName(name) if name == host))
        };
        for host in ["camera", "com", "shop", "com.kh", "example.org"] {
            assert!(!permitted(host), "{host}");
        }
        assert!(permitted("nvr.police.example"));
        let made_for = Names::new("example.org", []);
        assert_eq!(made_for.beyond(&made_for), ["example.org"], "which the page says");
    }

    #[test]
    fn private_networks_end_where_their_rfc_says() {
        for (text, expected) in [
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("172.15.255.255", false),
            ("172.16.0.0", true),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("192.168.0.1", true),
            ("100.127.255.255", true),
            ("100.128.0.0", false),
            ("192.0.2.2", false),
            ("fdff::1", true),
            ("fe00::1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(text.parse().unwrap()), expected, "{text}");
        }
    }
}
