//! What must hold for any header, any backup and any address that somebody sends. Run here on a corpus and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use crate::backup::fuzz_body::backup_file;
use crate::passkey::fuzz_body::passkey_parts;
use crate::range::{Part, part};
use crate::tls::redirect::fuzz_body::redirected;
use axum::http::{HeaderMap, HeaderValue, header};

/// `Range` and `If-Range`, a line each, of a file whose length is in the first eight bytes: a part lies in the file, and is never empty.
pub fn http_range(data: &[u8]) {
    let Some((len, lines)) = data.split_first_chunk::<8>() else { return };
    let len = u64::from_le_bytes(*len);
    let mut headers = HeaderMap::new();
    let mut lines = lines.split(|byte| *byte == b'\n');
    for name in [header::RANGE, header::IF_RANGE] {
        if let Some(Ok(value)) = lines.next().filter(|line| !line.is_empty()).map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    let asked = headers.contains_key(header::RANGE);
    match part(&headers, len, "\"a\"") {
        Part::Some { start, end } => assert!(start < end && end <= len && asked),
        Part::Unsatisfiable => assert!(asked),
        Part::Whole => {}
    }
}

/// Path and `Host` of a request in the open: it leads to that host over TLS, or nowhere.
pub fn http_redirect(data: &[u8]) {
    redirected(data);
}

/// What a backup holds, with and without its seal.
pub fn backup(data: &[u8]) {
    backup_file(data);
}

/// What a browser says about a passkey.
pub fn passkey(data: &[u8]) {
    passkey_parts(data);
}

#[cfg(test)]
#[path = "../../../tests/fuzz/corpus.rs"]
mod corpus;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz_body::corpus::over_corpus;

    #[test]
    fn any_range() {
        let of = |text: &str| [&10_000_u64.to_le_bytes()[..], text.as_bytes()].concat();
        let seeds =
            ["bytes=0-499", "bytes=-500\n\"a\"", "bytes=9500-\n\"b\"", "bytes=0-0,-1", "bytes=9-99999999999999999999"];
        assert!(over_corpus("http_range", http_range, &seeds.map(of)) > 0);
    }

    #[test]
    fn any_redirect() {
        let seeds = ["/live?camera=1\nbox:8080", "//evil.example/\nbox", "*\n[fd00::2]:8080", "/a\nbox\nevil.example"];
        assert!(over_corpus("http_redirect", http_redirect, &seeds.map(|text| text.as_bytes().to_vec())) > 0);
    }

    #[test]
    fn any_passkey() {
        let vectors: serde_json::Value = serde_json::from_str(include_str!("passkey/vectors.json")).unwrap();
        let bytes = |of: &serde_json::Value| crate::passkey::decode(of.as_str().unwrap(), 2048).unwrap();
        let piece = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
        let mut seeds = Vec::new();
        for vector in vectors.as_array().unwrap() {
            let kind = match vector["algorithm"].as_i64().unwrap() {
                -7 => 0,
                -8 => 1,
                _ => 2,
            };
            for step in ["create", "get"] {
                let said = |part: &str| piece(&bytes(&vector[step][part]));
                let key = [&[kind][..], &bytes(&vector["public_key"])].concat();
                seeds.push([said("client_data"), said("authenticator_data"), key].concat());
            }
        }
        assert!(over_corpus("passkey", passkey, &seeds) > 0);
    }

    #[test]
    fn any_backup() {
        let about = br#"{"version":"1","made_utc_ms":1,"station":"s","origin":"o","entry":1,"plugins":[{"id":"a.b","version":"1.0.0"}]}"#;
        let piece = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
        let contents =
            [&piece(about)[..], &[2], &piece(b"guard"), &piece(b"{}"), &[5], &piece(&[0, 0, 0, 1]), &piece(b"{}")];
        let head = [&b"WBBACKUP\x01\0\0\x80\0\0\0\0\x03"[..], &[1; 28], &[2; 16]].concat();
        assert!(
            over_corpus(
                "backup",
                backup,
                &[contents.concat(), head, [&[0, 2][..], b"ab", &[0, 1], b"c", b"file"].concat()],
            ) > 0
        );
    }
}
