//! WS-Discovery (OASIS 1.1; ONVIF Core Specification 7): one question to the group, and who answers within a few seconds.

use super::xml::{Node, children, parse, raw, text};
use super::{DeviceUrl, TEXT_CHARS_MAX};
use crate::networks::Networks;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeMap;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Devices that are listed.
pub const DEVICES_MAX: usize = 256;
/// Answers that are kept on one interface: a device may answer both questions.
const ANSWERS_MAX: usize = 2 * DEVICES_MAX;
/// Answers of one sender that are kept on one interface: a flood from one leaves room for the others.
const SENDER_ANSWERS_MAX: usize = 8;
/// Bytes of an answer; one datagram.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Addresses of one device that are looked at.
const ADDRESSES_MAX: usize = 8;
/// Interfaces of this machine that are asked on.
const INTERFACES_MAX: usize = 16;
/// The question is asked again after this: datagrams get lost.
const AGAIN: Duration = Duration::from_millis(700);

/// The group and port of WS-Discovery (1.1, 3.1.1).
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 3702);

/// A device that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its device service, on the address that the answer came from.
    pub url: DeviceUrl,
    /// The address that the answer came from.
    pub address: IpAddr,
    /// The device's own name for itself, the same after each start: a URN.
    pub endpoint: String,
    /// Its name, from its scopes; may be empty.
    pub name: String,
    /// Its hardware, from its scopes; may be empty.
    pub hardware: String,
}

/// Asks on every network interface of this machine and collects for `wait`; sorted by address. Devices outside the camera networks are left out.
///
/// # Errors
/// No socket can be made: the system's sentence.
pub async fn discover(networks: &Networks, wait: Duration) -> std::io::Result<Vec<Found>> {
    discover_by(GROUP, networks, wait).await
}

/// As [`discover`], with another address than the group's: for a station whose network forwards no multicast, and for tests.
///
/// # Errors
/// No socket can be made: the system's sentence.
pub async fn discover_by(to: SocketAddr, networks: &Networks, wait: Duration) -> std::io::Result<Vec<Found>> {
    let deadline = Instant::now() + wait;
    let mut sockets = Vec::new();
    for address in own_addresses(to).into_iter().take(INTERFACES_MAX) {
        // An interface that is down refuses; the others are asked.
        if let Ok(socket) = UdpSocket::bind((address, 0)).await {
            sockets.push(socket);
        }
    }
    if sockets.is_empty() {
        sockets.push(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?);
    }
    let asked: Vec<_> = sockets.iter().map(|socket| ask(socket, to, networks, deadline)).collect();
    let answers = futures::future::join_all(asked).await;
    let mut found = BTreeMap::new();
    for (sender, bytes) in answers.into_iter().flatten() {
        for device in devices(&String::from_utf8_lossy(&bytes), sender.ip()) {
            if found.len() < DEVICES_MAX {
                found.entry((device.address, device.url.as_str().to_owned())).or_insert(device);
            }
        }
    }
    Ok(found.into_values().collect())
}

/// One address of each interface that is up and has a neighbour; for a question to one address that of the way there.
fn own_addresses(to: SocketAddr) -> Vec<IpAddr> {
    let listed = if to.ip().is_multicast() { if_addrs::get_if_addrs().unwrap_or_default() } else { Vec::new() };
    let own = listed.iter().map(if_addrs::Interface::ip).filter(|address| address.is_ipv4() && !address.is_loopback());
    own.collect()
}

/// Asks twice and gives what came, with its sender.
async fn ask(socket: &UdpSocket, to: SocketAddr, networks: &Networks, deadline: Instant) -> Vec<(SocketAddr, Vec<u8>)> {
    let question = question();
    let mut again = Some(Instant::now() + AGAIN);
    let mut answers = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES_MAX];
    // An interface without a way to the group answers nothing.
    let _ = socket.send_to(question.as_bytes(), to).await;
    loop {
        let next = again.filter(|next| *next < deadline).unwrap_or(deadline);
        match timeout_at(next, socket.recv_from(&mut buffer)).await {
            Ok(Ok((length, sender))) if answers.len() < ANSWERS_MAX => {
                let of_sender = answers.iter().filter(|(other, _): &&(SocketAddr, Vec<u8>)| other.ip() == sender.ip());
                if networks.judge(sender.ip()).is_ok() && of_sender.count() < SENDER_ANSWERS_MAX {
                    answers.push((sender, buffer[..length].to_vec()));
                }
            }
            // Enough; or an error that an earlier datagram caused, such as a closed port.
            Ok(_) => sleep_until((Instant::now() + Duration::from_millis(1)).min(next)).await,
            Err(_) if again.is_some_and(|again| again < deadline) => {
                again = None;
                let _ = socket.send_to(question.as_bytes(), to).await;
            }
            Err(_) => return answers,
        }
        if Instant::now() >= deadline {
            return answers;
        }
    }
}

/// A Probe for ONVIF's video transmitters (Core Specification 7.3.2.1), with a message number of its own.
fn question() -> String {
    let mut bytes = [0; 16];
    // Without random numbers the number is only not unique: devices that answered this one before keep still.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let number = format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" xmlns:n=\"http://www.onvif.org/ver10/network/wsdl\">\
         <s:Header><a:MessageID>urn:uuid:{number}</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
         <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>\
         <s:Body><d:Probe><d:Types>n:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>"
    )
}

/// The devices of one answer. What makes no sense is left out: anybody on the network may answer.
pub(super) fn devices(answer: &str, sender: IpAddr) -> Vec<Found> {
    let Ok(document) = parse(answer) else { return Vec::new() };
    let matches = document.descendants().filter(|node| node.is_element() && node.tag_name().name() == "ProbeMatch");
    matches.filter_map(|found| device(found, sender)).take(ADDRESSES_MAX).collect()
}

fn device(found: Node<'_, '_>, sender: IpAddr) -> Option<Found> {
    let addresses = raw(found, "XAddrs");
    let host = DeviceUrl::parse(&SocketAddr::new(sender, 80).to_string()).ok()?;
    // A camera that has both is asked plainly until a person trusts its certificate.
    let given = |scheme: &str| {
        addresses.split_whitespace().take(ADDRESSES_MAX).find(|address| address.starts_with(scheme)).map(str::to_owned)
    };
    let url = match (given("http://"), given("https://")) {
        (Some(plain), _) => DeviceUrl(host.moved(&plain)?),
        (None, Some(encrypted)) => {
            let host = DeviceUrl::parse(&format!("https://{}", SocketAddr::new(sender, 443))).ok()?;
            DeviceUrl(host.moved(&encrypted)?)
        }
        (None, None) => return None,
    };
    let endpoint = children(found, "EndpointReference").next().map(|endpoint| text(endpoint, "Address"));
    let scopes = raw(found, "Scopes");
    let scope = |kind: &str| {
        let prefix = format!("onvif://www.onvif.org/{kind}/");
        let value = scopes.split_whitespace().find_map(|scope| scope.strip_prefix(prefix.as_str())).unwrap_or_default();
        let decoded = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        decoded.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect::<String>()
    };
    let (name, hardware) = (scope("name"), scope("hardware"));
    Some(Found { url, address: sender, endpoint: endpoint.unwrap_or_default(), name, hardware })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onvif::xml::own_text;

    /// As WS-Discovery 1.1 (5.3.1) and the Core Specification (7.3.2.2) draw it.
    fn answer(xaddrs: &str, scopes: &str) -> String {
        format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV='http://www.w3.org/2003/05/soap-envelope' \
             xmlns:wsa='http://schemas.xmlsoap.org/ws/2004/08/addressing' xmlns:d='http://schemas.xmlsoap.org/ws/2005/04/discovery'>\
             <SOAP-ENV:Body><d:ProbeMatches><d:ProbeMatch><wsa:EndpointReference><wsa:Address>urn:uuid:1</wsa:Address>\
             </wsa:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes>\
             <d:XAddrs>{xaddrs}</d:XAddrs></d:ProbeMatch></d:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    }

    #[test]
    fn a_device_is_reached_where_its_answer_came_from() {
        let sender: IpAddr = "192.168.1.64".parse().unwrap();
        let scopes = "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Yard%20gate onvif://www.onvif.org/hardware/X-1";
        let xaddrs = "https://192.168.1.64/onvif/device_service http://10.0.0.9:8000/onvif/device_service";
        let found = devices(&answer(xaddrs, scopes), sender);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].url.as_str(), "http://192.168.1.64:8000/onvif/device_service");
        let said = (found[0].name.as_str(), found[0].hardware.as_str(), found[0].endpoint.as_str());
        assert_eq!(said, ("Yard gate", "X-1", "urn:uuid:1"));
    }

    #[test]
    fn what_is_no_answer_is_left_out() {
        let sender: IpAddr = "192.168.1.64".parse().unwrap();
        let encrypted =
            devices(&answer("https://10.0.0.9:8443/onvif/device_service", ""), "192.168.1.64".parse().unwrap());
        assert_eq!(encrypted[0].url.as_str(), "https://192.168.1.64:8443/onvif/device_service");
        for text in ["", "<", "<a/>", &answer("", ""), &answer("ftp://x/", ""), &answer("http://", "")] {
            assert_eq!(devices(text, sender), [], "{text}");
        }
        let v6 = devices(&answer("http://[fe80::1]/onvif/device_service", ""), "fd00::7".parse().unwrap());
        assert_eq!(v6[0].url.as_str(), "http://[fd00::7]/onvif/device_service");
    }

    #[test]
    fn a_question_has_a_number_of_its_own() {
        let number = |question: &str| {
            let document = parse(question).unwrap();
            let id = document.descendants().find(|node| node.tag_name().name() == "MessageID").map(own_text);
            id.unwrap()
        };
        let (one, other) = (number(&question()), number(&question()));
        assert_ne!(one, other);
        assert_eq!(one.len(), "urn:uuid:".len() + 36);
    }
}
