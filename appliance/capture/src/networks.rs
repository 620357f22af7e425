//! Which addresses count as cameras. An address typed on the page, or what a name on it stands for, must not make the recorder speak to itself, to its neighbours on
//! the link or to a cloud's metadata service (server-side request forgery, CWE-918).
//!
//! An address is judged by what it stands for when a connection is about to be made, never by how it is written, and the connection goes to the very address
//! that was judged: a name that is given another address in between (DNS rebinding) changes nothing.

use crate::config::{Error, SourceUrl};
use crate::failure::Failure;
use crate::rtsp::ANSWER;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::sync::Arc;
use url::Url;

/// Networks that can be listed.
pub const NETWORKS_MAX: usize = 64;
/// Addresses of one name that are looked at.
const ANSWERS_MAX: usize = 16;

/// What is allowed when nothing is listed: addresses for private use (RFC 1918, RFC 4193).
const PRIVATE: [IpNet; 4] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7)),
];

/// What no list can allow: it is nobody's address (RFC 6890), or everybody's.
const NOBODY: [(IpNet, &str); 6] = [
    (v4([0, 0, 0, 0], 8), "stands for no host"),
    (v4([224, 0, 0, 0], 4), "is a group's address"),
    (v4([240, 0, 0, 0], 4), "is reserved or everybody's address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "stands for no host"),
    (v6([0xFF00, 0, 0, 0, 0, 0, 0, 0], 8), "is a group's address"),
    // Discard-only, RFC 6666.
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "stands for no host"),
];

/// What only an entry that lies within it allows: a list with `0.0.0.0/0` does not mean these. Narrow ones first: the first that fits is what an entry must lie in.
const SPECIAL: [(IpNet, &str); 14] = [
    // The metadata and credential services of the large clouds; one lies in the space of carriers (100.64.0.0/10), several in that for private use.
    (v4([169, 254, 169, 254], 32), "is a cloud's metadata service"),
    (v4([169, 254, 170, 2], 32), "is a cloud's metadata service"),
    (v4([169, 254, 170, 23], 32), "is a cloud's metadata service"),
    (v4([100, 100, 100, 200], 32), "is a cloud's metadata service"),
    (v6([0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254], 128), "is a cloud's metadata service"),
    (v6([0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x23], 128), "is a cloud's metadata service"),
    (v6([0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254], 128), "is a cloud's metadata service"),
    (v6([0xFD00, 0xC1, 0, 0, 0, 0, 0xA9FE, 0xA9FE], 128), "is a cloud's metadata service"),
    (v6([0xFD00, 0x42, 0, 0, 0, 0, 0, 0x42], 128), "is a cloud's metadata service"),
    (v4([127, 0, 0, 0], 8), "is this machine itself"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "is this machine itself"),
    (v4([169, 254, 0, 0], 16), "is a link-local address"),
    (v6([0xFE80, 0, 0, 0, 0, 0, 0, 0], 10), "is a link-local address"),
    // NAT64 (RFC 6052) and 6to4 (RFC 3056) carry an IPv4 address, which is judged, too.
    (v6([0x64, 0xFF9B, 0, 0, 0, 0, 0, 0], 96), "stands for an IPv4 address"),
];

const fn v4([a, b, c, d]: [u8; 4], bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], bits: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), bits))
}

/// The networks in which cameras are. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Arc<[IpNet]>);

impl Default for Networks {
    /// Addresses for private use: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 and fc00::/7.
    fn default() -> Self {
        Self(Arc::new(PRIVATE))
    }
}

impl Networks {
    /// Reads a list such as `["192.168.10.0/24", "2001:db8:7::/64"]`; a single address is a network of its own. An empty list is the default.
    ///
    /// # Errors
    /// The first entry that is no network, or a list of more than [`NETWORKS_MAX`].
    pub fn parse(list: &[String]) -> Result<Self, Error> {
        if list.is_empty() {
            return Ok(Self::default());
        }
        if list.len() > NETWORKS_MAX {
            return Err(Error::refuse(format!("{} camera networks; at most {NETWORKS_MAX} are allowed.", list.len())));
        }
        let network = |text: &String| {
            let parsed = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            parsed.map(|network| network.trunc()).map_err(|_| {
                Error::refuse(format!(
                    "{:?} is no network. Write it as 192.168.10.0/24, or as one address.",
                    text.chars().take(64).collect::<String>()
                ))
            })
        };
        list.iter().map(network).collect::<Result<Arc<[IpNet]>, Error>>().map(Self)
    }

    /// Whether a camera may have this address. The sentence in `Err` continues "The address 127.0.0.1 ...".
    ///
    /// # Errors
    /// Why not.
    pub fn judge(&self, address: IpAddr) -> Result<(), &'static str> {
        let address = address.to_canonical();
        let within = |list: &[(IpNet, &'static str)]| list.iter().find(|(net, _)| net.contains(&address)).copied();
        if let Some((_, what)) = within(&NOBODY) {
            return Err(what);
        }
        if let Some(inner) = carried(address) {
            self.judge(IpAddr::V4(inner))?;
        }
        let mut listed = self.0.iter().filter(|network| network.contains(&address));
        match within(&SPECIAL) {
            Some((special, what)) => listed.any(|network| special.contains(network)).then_some(()).ok_or(what),
            None => listed.next().map(|_| ()).ok_or("is in none of the camera networks"),
        }
    }

    /// Judges an address that is typed as digits, as the operating system would read them (also `2130706433`, `0x7f.1`), before it is kept. A name passes: what
    /// it stands for is judged at each connection.
    ///
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn check(&self, url: &SourceUrl) -> Result<(), Error> {
        let Some(address) = literal(url.url()) else { return Ok(()) };
        self.judge(address).map_err(|what| Error::refuse(format!("{} {NEXT_STEP}", sentence(address, what))))
    }

    /// Looks the host up and gives the address to connect to: the first that is allowed. Waits at most [`ANSWER`].
    ///
    /// # Errors
    /// The name is not known, or none of its addresses is allowed.
    pub(crate) async fn pin(&self, url: &SourceUrl) -> Result<SocketAddr, Failure> {
        self.pin_at(url.host(), url.port(), &url.host_port()).await
    }

    /// The same for another kind of address; `host_port` is what sentences call it.
    pub(crate) async fn pin_host(&self, url: &Url, host_port: &str) -> Result<SocketAddr, Failure> {
        self.pin_at(plain_host(url), url.port_or_known_default().unwrap_or(80), host_port).await
    }

    async fn pin_at(&self, host: &str, port: u16, host_port: &str) -> Result<SocketAddr, Failure> {
        let answers = tokio::time::timeout(ANSWER, tokio::net::lookup_host((host, port)))
            .await
            .map_err(|_| Failure::no_answer(host_port, "the look-up of its name", ANSWER.as_secs()))?
            .map_err(|error| Failure::unreachable(host_port, &error.to_string()))?;
        self.choose(host_port, answers)
    }

    fn choose(&self, host_port: &str, answers: impl Iterator<Item = SocketAddr>) -> Result<SocketAddr, Failure> {
        let mut refused = None;
        for answer in answers.take(ANSWERS_MAX) {
            let judged = self.judge(answer.ip()).and_then(|()| match self.is_own(answer) {
                true => Err("is this machine itself"),
                false => Ok(()),
            });
            match judged {
                Ok(()) => return Ok(answer),
                Err(what) => refused = refused.or(Some((answer.ip(), what))),
            }
        }
        Err(match refused {
            Some((address, what)) => Failure::unusable(
                format!("No connection is made for {host_port}: {}", lower(&sentence(address, what))),
                NEXT_STEP,
            ),
            None => Failure::unreachable(host_port, "failed to lookup address information"),
        })
    }

    /// Whether the address is one of this machine's own: only those can be bound to. Loopback addresses that are listed are meant.
    fn is_own(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        !ip.is_loopback() && std::net::UdpSocket::bind((ip, 0)).is_ok()
    }
}

const NEXT_STEP: &str =
    "Enter the camera's own address; if this is it, list its network under [cameras] in the configuration file.";

fn sentence(address: IpAddr, what: &str) -> String {
    format!("The address {address} {what}.")
}

fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// The IPv4 address inside an address of NAT64 or 6to4.
fn carried(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let [first, second, third, .., high, low] = address.segments();
    match (first, second) {
        (0x64, 0xFF9B) => Some((u32::from(high) << 16 | u32::from(low)).into()),
        (0x2002, _) => Some((u32::from(second) << 16 | u32::from(third)).into()),
        _ => None,
    }
}

/// The host as a resolver takes it: an IPv6 address without its brackets.
fn plain_host(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The address that the host is written as, when it is no name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = plain_host(url);
    host.parse().ok().or_else(|| numbers(host.trim_end_matches('.')).map(IpAddr::V4))
}

/// `inet_aton` of POSIX: one to four parts, each decimal, octal (`0`) or hexadecimal (`0x`), the last one filling what is left.
fn numbers(host: &str) -> Option<Ipv4Addr> {
    let part = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    };
    let parts = host.split('.').map(part).collect::<Option<Vec<u32>>>()?;
    let (last, before) = parts.split_last()?;
    if before.len() > 3 || before.iter().any(|part| *part > 255) {
        return None;
    }
    let bits_left = 32 - 8 * before.len() as u32;
    if u64::from(*last) >> bits_left != 0 {
        return None;
    }
    let high = before.iter().zip([24, 16, 8]).fold(0, |sum, (part, shift)| sum | part << shift);
    Some((high | last).into())
}

/// The address of a session: that of `url`, but for the host, which is the one that was judged.
pub(crate) fn pinned(url: &SourceUrl, address: IpAddr) -> Url {
    let mut url = url.url().clone();
    // It fails only for an address without a host.
    let _ = url.set_ip_host(address);
    url
}

#[cfg(test)]
mod tests;
