//! What is made, as OpenSSL sees it; what is refused of what somebody gives.

use crate::{Authority, Error, Facts, Given, KeptAuthority, LEAF_DAYS, Names, RENEW_DAYS, fingerprint};
use std::path::Path;
use std::process::Command;
use watchbook_base::UtcNanos;

const DAY_NANOS: i64 = 86_400 * 1_000_000_000;
const SECRET: [u8; 32] = [3; 32];
/// 2026-12-01T00:00:00Z, by `date -u -d 2026-12-01 +%s`.
const NOW: UtcNanos = UtcNanos(1_796_083_200 * 1_000_000_000);

fn names() -> Names {
    Names::new("yard", ["192.168.7.2", "198.51.100.4", "fd00::2"].map(|text| text.parse().unwrap()))
}

fn authority() -> (KeptAuthority, Authority) {
    let kept = KeptAuthority::make(&names(), NOW, &SECRET).unwrap();
    let opened = kept.open(&SECRET).unwrap();
    (kept, opened)
}

fn days(days: i64) -> UtcNanos {
    NOW.plus_nanos(days * DAY_NANOS)
}

/// Runs OpenSSL; success, and everything that it printed.
fn openssl(dir: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").current_dir(dir).args(arguments.split_whitespace()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

/// The same when it must succeed.
fn openssl_ok(dir: &Path, arguments: &str) -> String {
    let (ok, text) = openssl(dir, arguments);
    assert!(ok, "openssl {arguments}: {text}");
    text
}

fn write_leaf(dir: &Path, authority: &Authority, names: &Names, now: UtcNanos) -> Facts {
    let (_, leaf) = authority.certify(names, now, &SECRET).unwrap();
    std::fs::write(dir.join("ca.der"), authority.certificate()).unwrap();
    std::fs::write(dir.join("leaf.der"), leaf.chain().first().unwrap()).unwrap();
    openssl_ok(dir, "x509 -inform der -in ca.der -out ca.pem");
    openssl_ok(dir, "x509 -inform der -in leaf.der -out leaf.pem");
    leaf.facts
}

#[test]
fn openssl_verifies_the_certificate_for_each_name_and_for_no_other() {
    let (dir, (_, authority)) = (tempfile::tempdir().unwrap(), authority());
    let facts = write_leaf(dir.path(), &authority, &names(), NOW);
    let verify = "verify -x509_strict -purpose sslserver -attime 1796083200 -CAfile ca.pem";
    for host in ["yard.local", "yard.lan", "localhost"] {
        assert!(facts.names.iter().any(|name| name == host), "{facts:?}");
        openssl_ok(dir.path(), &format!("{verify} -verify_hostname {host} leaf.pem"));
    }
    for address in ["192.168.7.2", "198.51.100.4", "fd00::2", "127.0.0.1", "::1"] {
        openssl_ok(dir.path(), &format!("{verify} -verify_ip {address} leaf.pem"));
    }
    assert!(!openssl(dir.path(), &format!("{verify} -verify_hostname bank.example leaf.pem")).0);
    assert!(!openssl(dir.path(), &format!("{verify} -verify_ip 192.168.7.3 leaf.pem")).0);
    // Another station's authority.
    let other = KeptAuthority::make(&names(), NOW, &SECRET).unwrap().open(&SECRET).unwrap();
    std::fs::write(dir.path().join("ca.der"), other.certificate()).unwrap();
    openssl_ok(dir.path(), "x509 -inform der -in ca.der -out ca.pem");
    assert!(!openssl(dir.path(), &format!("{verify} leaf.pem")).0);
}

#[test]
fn whoever_steals_the_authority_s_key_can_vouch_for_no_other_site() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let (_, authority) = authority();
    write_leaf(path, &authority, &names(), NOW);
    std::fs::write(path.join("ca.key"), authority.private_key_for_tests()).unwrap();
    for (name, allowed) in [
        ("DNS:bank.example", false),
        ("DNS:yard.example", false),
        ("IP:203.0.113.1", false),
        ("IP:2001:db8::1", false),
        ("DNS:yard", false),
        ("DNS:door.yard", false),
        ("DNS:box.lan", true),
        ("IP:10.9.8.7", true),
    ] {
        std::fs::write(path.join("ext"), format!("subjectAltName={name}\nextendedKeyUsage=serverAuth\n")).unwrap();
        openssl_ok(
            path,
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout s.key -subj /CN=x -out s.csr",
        );
        openssl_ok(path, "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAkeyform der -days 3 -extfile ext -out s.pem");
        let (ok, text) = openssl(path, "verify -no_check_time -CAfile ca.pem s.pem");
        assert_eq!(ok, allowed, "{name}: {text}");
        assert!(allowed || text.contains("permitted subtree violation"), "{name}: {text}");
    }
    // Nor make another authority.
    std::fs::write(path.join("ext"), "basicConstraints=critical,CA:TRUE\n").unwrap();
    openssl_ok(path, "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAkeyform der -days 3 -extfile ext -out lower.pem");
    std::fs::write(path.join("ext"), "subjectAltName=DNS:yard.local\n").unwrap();
    openssl_ok(path, "req -new -key s.key -subj /CN=lowest -out s.csr");
    openssl_ok(path, "x509 -req -in s.csr -CA lower.pem -CAkey s.key -days 3 -extfile ext -out s.pem");
    let (ok, text) = openssl(path, "verify -no_check_time -CAfile ca.pem -untrusted lower.pem s.pem");
    assert!(!ok && text.contains("path length"), "{text}");
}

#[test]
fn dates_and_fingerprint_are_those_that_openssl_reads() {
    let (dir, (_, authority)) = (tempfile::tempdir().unwrap(), authority());
    let facts = write_leaf(dir.path(), &authority, &names(), NOW);
    let text = openssl_ok(
        dir.path(),
        "x509 -in leaf.pem -noout -dates -fingerprint -sha256 -ext basicConstraints,keyUsage,extendedKeyUsage",
    );
    // Two days before the first of December, and 397 days after that.
    for line in [
        "notBefore=Nov 29 00:00:00 2026 GMT",
        "notAfter=Dec 31 00:00:00 2027 GMT",
        &facts.sha256,
        "TLS Web Server Authentication",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!((facts.not_before_s, facts.not_after_s), (1_795_910_400, 1_830_211_200));
    let text = openssl_ok(
        dir.path(),
        "x509 -in ca.pem -noout -dates -fingerprint -sha256 -ext basicConstraints,nameConstraints",
    );
    for line in [
        "notBefore=Jan  1 00:00:00 2020 GMT",
        "notAfter=Dec  1 00:00:00 2036 GMT",
        "CA:TRUE, pathlen:0",
        &authority.sha256(),
        "IP:198.51.100.4/255.255.255.255",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn a_certificate_is_made_anew_before_it_ends_and_when_the_names_change() {
    let (_, authority) = authority();
    let (_, leaf) = authority.certify(&names(), NOW, &SECRET).unwrap();
    let fits = |names: &Names, now: UtcNanos| authority.still_fits(&leaf.facts, names, now);
    assert!(fits(&names(), NOW));
    let last = LEAF_DAYS - RENEW_DAYS - 2;
    assert!(fits(&names(), days(last)));
    assert!(!fits(&names(), days(last + 1)));
    assert!(!fits(&names(), days(5000)), "a clock that jumped ahead");
    assert!(!fits(&names(), days(-3)), "a clock that was set back");
    let moved = Names::new("yard", ["192.168.7.9".parse().unwrap()]);
    assert!(!fits(&moved, NOW));
    assert!(fits(&Names::new("yard", []), NOW), "an address that is gone may come back");
    let (_, anew) = authority.certify(&moved, NOW, &SECRET).unwrap();
    assert!(authority.still_fits(&anew.facts, &moved, NOW));
    let other = KeptAuthority::make(&names(), NOW, &SECRET).unwrap().open(&SECRET).unwrap();
    assert!(!other.still_fits(&leaf.facts, &names(), NOW), "another authority's");
}

#[test]
fn a_clock_that_begins_in_1970_leaves_nothing_that_is_expired_today() {
    let dir = tempfile::tempdir().unwrap();
    let first = UtcNanos(5_000_000_000);
    let authority = KeptAuthority::make(&names(), first, &SECRET).unwrap().open(&SECRET).unwrap();
    let facts = write_leaf(dir.path(), &authority, &names(), first);
    openssl_ok(dir.path(), "verify -attime 1796083200 -CAfile ca.pem leaf.pem");
    assert!(authority.still_fits(&facts, &names(), first), "it is not made again each minute");
    assert!(!authority.is_ending(NOW));
    // And one that was first years ahead.
    let ahead = KeptAuthority::make(&names(), days(20_000), &SECRET).unwrap().open(&SECRET).unwrap();
    let facts = write_leaf(dir.path(), &ahead, &names(), days(20_000));
    assert!(!ahead.still_fits(&facts, &names(), NOW), "its certificate is of a day to come");
    write_leaf(dir.path(), &ahead, &names(), NOW);
    openssl_ok(dir.path(), "verify -attime 1796083200 -CAfile ca.pem leaf.pem");
}

#[test]
fn an_authority_that_ends_is_told() {
    let (_, authority) = authority();
    assert!(!authority.is_ending(days(3650 - 40)));
    assert!(authority.is_ending(days(3653)));
}

#[test]
fn what_is_kept_opens_with_its_secret_alone_and_holds_no_key_in_the_open() {
    let (kept, authority) = authority();
    assert_eq!(kept.open(&[4; 32]).map(drop).unwrap_err().kind, watchbook_base::Kind::Corrupt);
    let (leaf, certified) = authority.certify(&names(), NOW, &SECRET).unwrap();
    assert_eq!(leaf.open(&SECRET).unwrap().facts, certified.facts);
    assert!(leaf.open(&[4; 32]).is_err());
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.key"), authority.private_key_for_tests()).unwrap();
    let text = openssl_ok(dir.path(), "pkey -inform der -in ca.key -noout -text");
    let secret = text.split("priv:").nth(1).and_then(|rest| rest.split("pub:").next()).unwrap();
    let digits: String = secret.chars().filter(char::is_ascii_hexdigit).collect();
    let bytes = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap().to_string();
    let canary: Vec<String> = (1..17).map(bytes).collect();
    let text = |kept: &KeptAuthority| serde_json::to_string(kept).unwrap();
    assert!(!text(&kept).contains(&canary.join(",")));
    assert!(
        authority
            .private_key_for_tests()
            .windows(16)
            .any(|part| part.iter().map(u8::to_string).eq(canary.iter().cloned()))
    );
}

/// A certificate and its key, as OpenSSL makes them.
fn foreign(dir: &Path, name: &str, more: &str) -> (Vec<u8>, Vec<u8>) {
    openssl_ok(
        dir,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} {more}"
        ),
    );
    (std::fs::read(dir.join(format!("{name}.pem"))).unwrap(), std::fs::read(dir.join(format!("{name}.key"))).unwrap())
}

fn today() -> UtcNanos {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UtcNanos(i64::try_from(now.as_nanos()).unwrap())
}

#[test]
fn a_given_certificate_is_taken_when_a_browser_could_be_content() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = foreign(dir.path(), "a", "-days 90 -addext subjectAltName=DNS:rec.example.org,IP:192.0.2.7");
    let given = Given::read(&chain, &key, today()).unwrap();
    assert_eq!(given.certified.facts.names, ["rec.example.org", "192.0.2.7"]);
    let text = openssl_ok(dir.path(), "x509 -in a.pem -noout -fingerprint -sha256");
    assert!(text.contains(&given.certified.facts.sha256));
    assert_eq!(given.seal(&SECRET).unwrap().open(&SECRET).unwrap().facts, given.certified.facts);
}

#[test]
fn what_does_not_do_is_refused_in_words_and_without_a_byte_of_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = foreign(dir.path(), "a", "-days 90 -addext subjectAltName=DNS:a.example");
    let (other, other_key) = foreign(dir.path(), "b", "-days 90 -addext subjectAltName=DNS:b.example");
    let (nameless, nameless_key) = foreign(dir.path(), "c", "-days 90");
    let alt = "-days 90 -addext subjectAltName=DNS:d.example";
    let (client, client_key) = foreign(dir.path(), "d", &format!("{alt} -addext extendedKeyUsage=clientAuth"));
    openssl_ok(dir.path(), &format!("req -x509 -newkey ed25519 -nodes -keyout e.key -out e.pem -subj /CN=e {alt}"));
    let [odd, odd_key] = ["e.pem", "e.key"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    openssl_ok(dir.path(), "pkey -in a.key -aes256 -passout pass:x -out locked.key");
    let locked = std::fs::read(dir.path().join("locked.key")).unwrap();
    let later = today().plus_nanos(91 * DAY_NANOS);
    let before = today().plus_nanos(-DAY_NANOS);
    let large = vec![b'a'; 70_000];
    let cases: [(&[u8], &[u8], UtcNanos, &str); 12] = [
        (&client, &client_key, today(), "not for servers"),
        (&odd, &odd_key, today(), "no common browser"),
        (&chain, &other_key, today(), "not the one of the certificate"),
        (&chain, &key, later, "ran out on"),
        (&chain, &key, before, "look at the recorder's clock"),
        (&nameless, &nameless_key, today(), "no host name"),
        (&chain, &locked, today(), "encrypted with a passphrase"),
        (&chain, b"", today(), "no private key"),
        (b"hello", &key, today(), "no certificate"),
        (&key, &key, today(), "no certificate"),
        (&[&chain[..], &other].concat(), &key, today(), "not in order"),
        (&large, &key, today(), "64 KiB"),
    ];
    let secret = String::from_utf8(key.clone()).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    for (chain, key, now, expected) in cases {
        let Err(Error { message, .. }) = Given::read(chain, key, now) else { panic!("taken, but: {expected}") };
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains(secret));
    }
}

#[test]
fn a_fingerprint_is_written_as_browsers_write_it() {
    // SHA-256 of nothing, FIPS 180-4.
    assert!(fingerprint(b"").starts_with("E3:B0:C4:42:98:FC:1C:14"));
    assert_eq!(fingerprint(b"").len(), 95);
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_a_certificate_by_chance_and_none_break_the_reader(at in 0_usize..400, byte: u8, end in 0_usize..700) {
        let (_, authority) = authority();
        let mut bytes = authority.certificate().to_vec();
        let last = bytes.len() - 1;
        bytes[at.min(last)] = byte;
        bytes.truncate(end.max(1));
        drop(Facts::of(&bytes));
        proptest::prop_assert!(Facts::of(&bytes[..bytes.len() - 1]).is_err());
    }
}
