use super::*;
use core::str::FromStr as _;
use proptest::prelude::*;

const CORPUS: &str = include_str!("../../testdata/hostile-urls.txt");

fn networks(list: &[&str]) -> Networks {
    Networks::parse(&list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    IpAddr::from_str(text).unwrap()
}

/// What a typed address is refused with, if it is.
fn typed(url: &str, networks: &Networks) -> Result<SourceUrl, Error> {
    let (url, _) = SourceUrl::parse(url)?;
    networks.check(&url).map(|()| url)
}

#[test]
fn the_hostile_corpus_reaches_nobody() {
    let usual = Networks::default();
    let mut counts = [0, 0];
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    // Each with the other scheme, too, whose parser reads numbers and other scripts in hosts.
    for line in lines.flat_map(|line| [line.to_owned(), line.replacen("rtsp://", "http://", 1)]) {
        let line = line.as_str();
        let [url, answers, when] = line.split(" | ").collect::<Vec<_>>().try_into().expect(line);
        let parsed = typed(url, &usual);
        if when == "typed" {
            let error = parsed.expect_err(line);
            assert!(error.message.ends_with('.') && !error.message.contains('\r'), "{line}: {error}");
            counts[0] += 1;
            continue;
        }
        let url = parsed.expect(line);
        let answers = answers.split(' ').map(|text| SocketAddr::new(ip(text), 554));
        let failure = usual.choose(&url.host_port(), answers).expect_err(line);
        assert!(failure.detail.ends_with('.') && failure.next_step.contains("[cameras]"), "{line}: {failure}");
        counts[1] += 1;
    }
    assert!(counts[0] + counts[1] >= 40 && counts[1] >= 5, "{counts:?}");
}

#[tokio::test]
async fn the_systems_own_resolver_is_not_believed_either() {
    for url in ["rtsp://localhost/", "rtsp://127.1/", "rtsp://2130706433/", "rtsp://0x7f.1/", "rtsp://[::1]/"] {
        let (url, _) = SourceUrl::parse(url).unwrap();
        let failure = Networks::default().pin(&url).await.expect_err(url.as_str());
        assert!(failure.detail.contains("is this machine itself"), "{url}: {failure}");
    }
    let (url, _) = SourceUrl::parse("rtsp://localhost:8554/main?x=1").unwrap();
    let address = networks(&["127.0.0.0/8", "::1"]).pin(&url).await.unwrap();
    assert!(address.ip().is_loopback() && address.port() == 8554);
    let pinned = pinned(&url, address.ip());
    assert_eq!((pinned.path(), pinned.query(), pinned.port()), ("/main", Some("x=1"), Some(8554)));
    assert_eq!(literal(&pinned), Some(address.ip()));
}

#[test]
fn cameras_of_a_station_pass() {
    let usual = Networks::default();
    for address in ["10.1.2.3", "172.16.0.9", "172.31.255.255", "192.168.1.64", "fd12:3456::8"] {
        assert_eq!(usual.judge(ip(address)), Ok(()), "{address}");
    }
    for address in ["172.32.0.1", "192.169.0.1", "11.0.0.1", "fe00::1"] {
        assert_eq!(usual.judge(ip(address)), Err("is in none of the camera networks"), "{address}");
    }
}

/// Addresses of this machine beside loopback; a second one in a subnet is not what the kernel would send from.
#[test]
fn this_machines_own_addresses_are_nobodys_camera() {
    let own = if_addrs::get_if_addrs().unwrap().into_iter().map(|interface| interface.ip());
    let own: Vec<IpAddr> = own.filter(|ip| ip.is_ipv4() && !ip.is_loopback()).collect();
    let all = networks(&["0.0.0.0/0", "::/0", "169.254.0.0/16"]);
    for ip in own.iter().filter(|ip| all.judge(**ip).is_ok()) {
        let failure = all.choose("h:554", core::iter::once(SocketAddr::new(*ip, 554))).expect_err(&ip.to_string());
        assert!(failure.detail.contains("is this machine itself"), "{failure}");
    }
    assert!(!all.is_own("192.0.2.77:554".parse().unwrap()) && !all.is_own("[2001:db8::77]:554".parse().unwrap()));
}

#[test]
fn a_list_replaces_the_default_and_a_broad_entry_means_nothing_special() {
    let narrow = networks(&["192.168.10.0/24", "203.0.113.7"]);
    assert_eq!(narrow.judge(ip("192.168.10.7")), Ok(()));
    assert_eq!(narrow.judge(ip("203.0.113.7")), Ok(()));
    assert!(narrow.judge(ip("192.168.11.7")).is_err() && narrow.judge(ip("10.0.0.1")).is_err());
    let all = networks(&["0.0.0.0/0", "::/0"]);
    assert_eq!(all.judge(ip("8.8.8.8")), Ok(()));
    for address in
        ["127.0.0.1", "::1", "169.254.169.254", "169.254.1.1", "fe80::1", "100.100.100.200", "64:ff9b::808:808"]
    {
        assert!(all.judge(ip(address)).is_err(), "{address}");
    }
    // A station whose cameras gave themselves link-local addresses (RFC 3927) lists them, and still has no way to a metadata service.
    let link_local = networks(&["169.254.0.0/16"]);
    assert_eq!(link_local.judge(ip("169.254.1.1")), Ok(()));
    assert_eq!(link_local.judge(ip("169.254.169.254")), Err("is a cloud's metadata service"));
    assert!(networks(&["0.0.0.0/8", "224.0.0.0/4", "255.255.255.255"]).judge(ip("224.0.0.1")).is_err());
}

#[test]
fn what_is_no_list_of_networks_is_refused() {
    for text in ["", "192.168.1.0/33", "camera", "10.0.0.0/8 "] {
        let error = Networks::parse(&[text.to_owned()]).expect_err(text);
        assert!(error.message.contains("is no network"), "{error}");
    }
    let many = vec!["10.0.0.0/8".to_owned(); NETWORKS_MAX + 1];
    assert!(Networks::parse(&many).unwrap_err().message.contains("at most 64"));
}

#[test]
fn a_name_with_good_and_bad_addresses_leads_to_the_good_one() {
    let answers = ["127.0.0.1:554", "192.0.2.1:554", "10.255.0.9:554"].map(|text| text.parse().unwrap());
    assert_eq!(Networks::default().choose("h:554", answers.into_iter()).unwrap(), answers[2]);
    let late = core::iter::repeat_n(answers[0], ANSWERS_MAX).chain([answers[2]]);
    assert!(Networks::default().choose("h:554", late).is_err(), "no more than {ANSWERS_MAX} answers are looked at");
}

proptest! {
    /// The resolver's reading of digits is the independent source: `getaddrinfo` with a numeric host asks nobody.
    #[test]
    fn digits_are_read_as_the_operating_system_reads_them(host in "(0x)?[0-9a-f]{1,10}(\\.(0x|0)?[0-9]{1,4}){0,3}") {
        use std::net::ToSocketAddrs as _;
        if let Some(own) = numbers(&host) {
            let theirs = (host.as_str(), 554).to_socket_addrs().map(|mut found| found.next().map(|found| found.ip()));
            prop_assert_eq!(theirs.ok().flatten(), Some(IpAddr::V4(own)));
        }
    }

    #[test]
    fn an_address_is_judged_the_same_in_every_dress(address: u32) {
        let address = Ipv4Addr::from(address);
        let all = networks(&["0.0.0.0/0", "::/0", "64:ff9b::/96"]);
        let plain = all.judge(IpAddr::V4(address)).is_ok();
        let [a, b, c, d] = address.octets().map(u16::from);
        for dressed in [
            address.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, a << 8 | b, c << 8 | d),
            Ipv6Addr::new(0x2002, a << 8 | b, c << 8 | d, 0, 0, 0, 0, 1),
        ] {
            prop_assert_eq!(all.judge(dressed.into()).is_ok(), plain, "{}", dressed);
        }
    }
}
