//! The test vectors of the standard (W3C WebAuthn Level 3, section 16: "ES256 Credential with No Attestation", "Packed Attestation with RS256 Credential", "Packed Attestation with Ed25519
//! Credential"), as they stand in its source; the authenticator data was taken out of the attestation objects with python-fido2 2.2.1, and the keys were written as `SubjectPublicKeyInfo` by
//! pyca/cryptography 50.0.2.

use super::*;
use serde_json::Value;

const VECTORS: &str = include_str!("vectors.json");

fn vectors() -> Vec<Value> {
    serde_json::from_str(VECTORS).unwrap()
}

fn bytes(of: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(of.as_str().unwrap()).unwrap()
}

fn key(vector: &Value) -> PublicKey {
    let number = i32::try_from(vector["algorithm"].as_i64().unwrap()).unwrap();
    PublicKey::read(number, &bytes(&vector["public_key"])).unwrap()
}

fn example() -> Place {
    Place { rp_id: "example.org".into(), origin: "https://example.org".into() }
}

#[test]
fn the_vectors_of_the_standard_are_read_as_it_says() {
    assert_eq!(vectors().len(), 3);
    for vector in vectors() {
        for (step, ceremony) in [("create", Ceremony::Create), ("get", Ceremony::Get)] {
            let said = bytes(&vector[step]["client_data"]);
            let challenge = client_data(&said, ceremony, &example());
            assert_eq!(challenge.map(|challenge| challenge.to_vec()), Ok(bytes(&vector[step]["challenge"])), "{step}");
            let data = bytes(&vector[step]["authenticator_data"]);
            let read = Authenticator::read(&data).unwrap();
            assert_eq!(read.counter, 0);
            let id = (step == "create").then(|| bytes(&vector["id"]));
            assert_eq!(read.credential, id.as_deref());
            assert_eq!(read.judge("example.com"), Err(Why::OtherName));
            // Of the six, the device verified its holder once (section 16: bits of auth_data_UV_BE_BS).
            let verified = vector["name"] == "packed.RS256" && step == "create";
            assert_eq!(read.judge("example.org").is_ok(), verified, "{step} {}", vector["name"]);
        }
    }
}

#[test]
fn the_signatures_of_the_standard_hold_and_none_with_a_changed_bit() {
    for vector in vectors() {
        let (key, get) = (key(&vector), &vector["get"]);
        let [authenticator, client, signature] =
            ["authenticator_data", "client_data", "signature"].map(|part| bytes(&get[part]));
        assert_eq!(key.verify(&authenticator, &client, &signature), Ok(()), "{}", vector["name"]);
        let changed = |of: &[u8], at: usize| {
            let mut of = of.to_vec();
            of[at] ^= 1;
            of
        };
        for at in 0..authenticator.len() {
            assert_eq!(key.verify(&changed(&authenticator, at), &client, &signature), Err(Why::Signature));
        }
        for at in 0..client.len() {
            assert_eq!(key.verify(&authenticator, &changed(&client, at), &signature), Err(Why::Signature));
        }
        for at in 0..signature.len() {
            assert_eq!(key.verify(&authenticator, &client, &changed(&signature, at)), Err(Why::Signature));
        }
        for other in vectors().iter().filter(|other| other["name"] != vector["name"]) {
            assert_eq!(super::tests::key(other).verify(&authenticator, &client, &signature), Err(Why::Signature));
        }
    }
}

#[test]
fn a_key_is_of_the_kind_that_it_says_and_of_no_other() {
    for vector in vectors() {
        let spki = bytes(&vector["public_key"]);
        let own = i32::try_from(vector["algorithm"].as_i64().unwrap()).unwrap();
        for number in [-7, -8, -257, -35, -37, 0, 7] {
            assert_eq!(PublicKey::read(number, &spki).is_ok(), number == own, "{number} {}", vector["name"]);
        }
        assert_eq!(PublicKey::read(own, &spki[..spki.len() - 1]), Err(Why::Key));
        assert_eq!(PublicKey::read(own, &[]), Err(Why::Key));
    }
    // The bare key inside: 32 bytes of Ed25519, 65 of P-256.
    let bare = |name: &str, bytes_of: usize| {
        let vector = vectors().into_iter().find(|vector| vector["name"] == name).unwrap();
        let spki = bytes(&vector["public_key"]);
        PublicKey::read(i32::try_from(vector["algorithm"].as_i64().unwrap()).unwrap(), &spki[spki.len() - bytes_of..])
    };
    assert_eq!(bare("packed.EdDSA", 32), Err(Why::Key));
    assert_eq!(bare("none.ES256", 65), Err(Why::Key));
}

#[test]
fn client_data_of_another_page_is_refused() {
    let challenge = encode(&[7; CHALLENGE_BYTES]);
    let said = |kind: &str, origin: &str, more: &str| {
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#)
    };
    let judged = |text: &str| client_data(text.as_bytes(), Ceremony::Get, &example());
    assert_eq!(judged(&said("webauthn.get", "https://example.org", "")), Ok([7; CHALLENGE_BYTES]));
    let plain = r#","crossOrigin":false,"other":{"a":[1]}"#;
    assert_eq!(judged(&said("webauthn.get", "https://example.org", plain)), Ok([7; CHALLENGE_BYTES]));
    for (kind, origin, more) in [
        ("webauthn.create", "https://example.org", ""),
        ("payment.get", "https://example.org", ""),
        ("webauthn.get", "http://example.org", ""),
        ("webauthn.get", "https://example.org:8443", ""),
        ("webauthn.get", "https://www.example.org", ""),
        ("webauthn.get", "https://example.org.evil.example", ""),
        ("webauthn.get", "https://example.org/", ""),
        ("webauthn.get", "https://example.org", r#","crossOrigin":true"#),
    ] {
        assert_eq!(judged(&said(kind, origin, more)), Err(Why::OtherPage), "{kind} {origin} {more}");
    }
    let twice = said("webauthn.get", "https://evil.example", r#","origin":"https://example.org""#);
    let long = said("webauthn.get", "https://example.org", &format!(r#","x":"{}""#, "y".repeat(2048)));
    for text in ["", "{}", "null", &twice, &long] {
        assert_eq!(judged(text), Err(Why::Unreadable), "{text}");
    }
    let short = said("webauthn.get", "https://example.org", "").replace(&challenge, &encode(&[7; 31]));
    assert_eq!(judged(&short), Err(Why::Challenge));
}

#[test]
fn authenticator_data_is_as_long_as_its_flags_say() {
    let fixed = |flags: u8| [&hex::sha256(b"example.org")[..], &[flags], &[0, 0, 0, 5]].concat();
    let read = |data: &[u8]| Authenticator::read(data).map(|said| (said.counter, said.judge("example.org")));
    assert_eq!(read(&fixed(0x05)), Ok((5, Ok(()))));
    assert_eq!(read(&fixed(0x1D)), Ok((5, Ok(()))));
    for flags in [0x00, 0x01, 0x04] {
        assert_eq!(read(&fixed(flags)), Ok((5, Err(Why::NotVerified))), "{flags}");
    }
    // A copy of what cannot be copied (section 6.1.3).
    assert_eq!(read(&fixed(0x15)), Err(Why::Unreadable));
    assert_eq!(read(&fixed(0x05)[..36]), Err(Why::Unreadable));
    assert_eq!(read(&[&fixed(0x05)[..], &[0xA0]].concat()), Err(Why::Unreadable));
    assert_eq!(read(&fixed(0x85)), Err(Why::Unreadable));
    assert_eq!(read(&[&fixed(0x85)[..], &[0xA0]].concat()), Ok((5, Ok(()))));
    let with = |len: u16, id: usize, key: usize| {
        [&fixed(0x45)[..], &[0; 16], &len.to_be_bytes(), &vec![1; id], &vec![2; key]].concat()
    };
    assert_eq!(Authenticator::read(&with(3, 3, 1)).unwrap().credential, Some(&[1, 1, 1][..]));
    assert_eq!(Authenticator::read(&with(1023, 1023, 1)).unwrap().credential.map(<[u8]>::len), Some(1023));
    for data in [with(0, 0, 9), with(3, 3, 0), with(9, 3, 1), with(1024, 1024, 1), fixed(0x45)] {
        assert_eq!(read(&data), Err(Why::Unreadable));
    }
}

#[test]
fn a_counter_goes_up_or_is_not_there() {
    let data = |counter: u32| [&[0; 32][..], &[0x05], &counter.to_be_bytes()].concat();
    for (last, now, right) in [
        (0, 0, true),
        (0, 1, true),
        (1, 2, true),
        (1, 1, false),
        (2, 1, false),
        (1, 0, false),
        (u32::MAX, 0, false),
        (u32::MAX - 1, u32::MAX, true),
    ] {
        let data = data(now);
        let judged = Authenticator::read(&data).unwrap().counts_on_from(last);
        assert_eq!(judged, if right { Ok(()) } else { Err(Why::Counter) }, "{last} {now}");
    }
}
