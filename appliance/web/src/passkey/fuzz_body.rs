//! What must hold for any bytes that are sent as a passkey; called by [`crate::fuzz_body::passkey`].

use super::{Authenticator, Ceremony, Place, PublicKey, client_data, decode, encode};

/// Client data, authenticator data and a key, with a length of two bytes before the first two: what is read of them lies in them and reads back.
pub(crate) fn passkey_parts(data: &[u8]) {
    let place = Place { rp_id: "example.org".into(), origin: "https://example.org".into() };
    let Some((client, rest)) = piece(data) else { return };
    let Some((authenticator, key)) = piece(rest) else { return };
    for ceremony in [Ceremony::Create, Ceremony::Get] {
        if let Ok(challenge) = client_data(client, ceremony, &place) {
            let text = encode(&challenge);
            assert!(client.windows(text.len()).any(|part| part == text.as_bytes()) || client.contains(&b'\\'));
        }
    }
    if let Ok(said) = Authenticator::read(authenticator) {
        assert_eq!(said.counter.to_be_bytes(), authenticator[33..37]);
        if let Some(id) = said.credential {
            assert!(!id.is_empty() && authenticator[55..].starts_with(id));
        }
        assert!(said.judge("example.org").is_err() || said.judge("example.com").is_err());
    }
    let number = match key.first() {
        Some(0) => -7,
        Some(1) => -8,
        _ => -257,
    };
    let spki = key.get(1..).unwrap_or_default();
    if let Ok(kept) = PublicKey::read(number, spki) {
        assert_eq!(decode(&kept.spki, spki.len()), Ok(spki.to_vec()));
        assert!(kept.verify(authenticator, client, &[]).is_err());
    }
}

fn piece(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = data.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}
