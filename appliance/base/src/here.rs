//! Whether what is sent to an address leaves the machine.

use core::net::IpAddr;

/// True for a host of a URL (`localhost`, an address, an IPv6 address also in brackets) that leads nowhere but into this machine: what is sent there in the open nobody reads on the way. Another name
/// counts as elsewhere, whatever it resolves to.
#[must_use]
pub fn is_here(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_somebody_else_is_elsewhere() {
        for here in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_here(here), "{here}");
        }
        for there in ["", "localhost.example", "127.0.0.1.example", "10.0.0.5", "[fd00::1]", "0.0.0.0", "[::1"] {
            assert!(!is_here(there), "{there}");
        }
    }
}
