use super::*;
use core::time::Duration;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;

#[test]
fn a_fingerprint_is_that_of_openssl() {
    // SHA-256 of "abc", FIPS 180-2 appendix B.1.
    let shown = Fingerprint::of(&CertificateDer::from(b"abc".to_vec()));
    let written = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    assert_eq!(shown.to_string(), written);
    assert_eq!(written.replace(':', "").to_lowercase().parse(), Ok(shown));
    for wrong in ["", "AB", &written[3..], &format!("{written}:00"), &written.replace("BA", "XY")] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

/// An authority's certificate, one that it made for 192.0.2.7, and one of version 1, by the `openssl` program.
fn made_by_openssl() -> (CertificateDer<'static>, CertificateDer<'static>, CertificateDer<'static>) {
    let dir = tempfile::tempdir().unwrap();
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=station -days 2 -keyout ca.key -out ca.pem 2>log &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=camera -keyout leaf.key -out leaf.csr 2>>log &&
        printf 'subjectAltName=IP:192.0.2.7' >san && openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out leaf.pem 2>>log &&
        openssl x509 -req -in leaf.csr -signkey leaf.key -days 2 -out first.pem 2>>log && openssl x509 -in first.pem -outform der -out first.der &&
        openssl x509 -in ca.pem -outform der -out ca.der && openssl x509 -in leaf.pem -outform der -out leaf.der";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(dir.path()).status().unwrap();
    assert!(made.success(), "{:?}", std::fs::read_to_string(dir.path().join("log")));
    let read = |name: &str| CertificateDer::from(std::fs::read(dir.path().join(name)).unwrap());
    (read("ca.der"), read("leaf.der"), read("first.der"))
}

#[test]
fn an_authority_vouches_for_one_host_for_a_while_and_a_pin_for_one_certificate() {
    let (authority, leaf, first) = made_by_openssl();
    let crypto = Arc::new(provider::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let known = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto)).build().unwrap();
    let known = Some(known);
    let now = UnixTime::now();
    let later = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + days * 86_400));
    let judged = |pin, known: &Option<_>, certificate: &CertificateDer<'_>, host: &str, now| {
        let verifier = Verifier::new(pin, known.clone(), Arc::clone(&crypto));
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let judged = verifier.verify_server_cert(certificate, &[], &name, &[], now);
        assert_eq!(judged.is_err(), verifier.refused.get().is_some());
        verifier.refused.get().map(|refused| {
            assert_eq!(refused.shown, Fingerprint::of(certificate));
            let url = SourceUrl::parse(&format!("https://{host}/")).unwrap().0;
            (refused.why.clone(), untrusted(&url, refused, pin))
        })
    };
    let why = |judged: Option<(Distrust, Failure)>| judged.map(|(why, _)| why);
    let (shown, other) = (Fingerprint::of(&leaf), Fingerprint::of(&authority));
    assert_eq!(why(judged(None, &known, &leaf, "192.0.2.7", now)), None);
    let elsewhere = judged(None, &known, &leaf, "192.0.2.8", now).unwrap();
    assert!(matches!(elsewhere.0, Distrust::Elsewhere(_)));
    assert!(elsewhere.1.detail.contains("is one for 192.0.2.7"), "{}", elsewhere.1);
    let expired = judged(None, &known, &leaf, "192.0.2.7", later(3)).unwrap();
    assert!(expired.1.detail.contains(&format!("ran out on {}", day(later(2)))), "{}", expired.1);
    let early = judged(None, &known, &leaf, "192.0.2.7", UnixTime::since_unix_epoch(Duration::ZERO)).unwrap();
    assert!(early.1.detail.contains(&format!("valid from {} on only", day(now))), "{}", early.1);
    for (_, failure) in [elsewhere, expired, early] {
        assert_eq!(failure.certificate, Some(shown), "a person may trust it all the same");
    }
    assert_eq!(why(judged(None, &None, &leaf, "192.0.2.7", now)), Some(Distrust::Unknown), "nobody vouches");
    assert_eq!(why(judged(Some(shown), &None, &leaf, "elsewhere", later(3))), None, "a pin asks for nothing else");
    let vouched = judged(Some(other), &known, &leaf, "192.0.2.7", now);
    assert_eq!(why(vouched), Some(Distrust::Other), "with a pin no authority counts");
    for pin in [None, Some(Fingerprint::of(&first))] {
        let (why, failure) = judged(pin, &known, &first, "192.0.2.7", now).unwrap();
        assert_eq!((why, failure.certificate), (Distrust::FirstVersion, None), "trusting it would not help");
        assert!(failure.next_step.contains("use its http:// address"), "{failure}");
    }
    assert!(!is_first_version(&leaf) && !is_first_version(&[]) && !is_first_version(&[0x30, 0x82]));
}

#[tokio::test]
async fn what_speaks_no_tls_is_said_with_the_port_to_look_at() {
    for (scheme, port) in [("https", "443"), ("rtsps", "322")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let url = SourceUrl::parse(&format!("{scheme}://{address}/")).unwrap().0;
        let stream = TcpStream::connect(address).await.unwrap();
        let (failure, _server) = tokio::join!(connect(stream, &url, None), answer);
        let failure = failure.err().unwrap();
        assert_eq!(failure.reason, watchbook_base::GapReason::StreamUnusable);
        assert!(failure.detail.contains("does not speak TLS") && failure.next_step.contains(port), "{failure}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(bytes: [u8; 32]) {
        let fingerprint = Fingerprint(bytes);
        prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    #[test]
    fn any_text_is_read_without_harm(text in "[0-9a-fA-F: é]{0,140}") {
        drop(text.parse::<Fingerprint>());
    }
}
