//! Passwords that a camera takes in the path or query of its address, as in `rtsp://host/user=admin&password=x&channel=1`: they are never given
//! back, and who sends the address back unchanged keeps them.

use crate::check::{destination, percent_decode};
use crate::error::Error;
use core::ops::Range;

/// What stands in an answer where the address has a password.
pub(crate) const PLACEHOLDER: &str = "•••";
/// [`PLACEHOLDER`] as the path and the query of an address carry it.
const ENCODED: &str = "%E2%80%A2%E2%80%A2%E2%80%A2";
/// One of its characters.
const ENCODED_CHAR: &str = "%E2%80%A2";
/// Names of values that are secret, as the name or its end, in lower case. A longer one stands before those that it ends with.
const SECRET_WORDS: [&str; 12] =
    ["passphrase", "passcode", "password", "passwort", "passwd", "pass", "psw", "pwd", "pw", "secret", "token", "auth"];
/// Names that end a value in addresses such as `/user=a_password=b_channel=1_stream=0.sdp`. Any other `_` may belong to the password.
const NEXT_WORDS: [&str; 4] = ["_channel", "_stream", "_user", "_subtype"];

/// One secret value of an address.
struct Found {
    /// Which of [`SECRET_WORDS`] names it.
    word: &'static str,
    value: Range<usize>,
}

/// `url` as it is shown: with [`PLACEHOLDER`] for each secret value.
pub(crate) fn shown(url: &str) -> String {
    let mut shown = String::with_capacity(url.len());
    let mut from = 0;
    for found in find(url) {
        shown.push_str(&url[from..found.value.start]);
        shown.push_str(PLACEHOLDER);
        from = found.value.end;
    }
    shown + &url[from..]
}

/// `text`, which may quote an address or a part of it, without the secret values of `urls`. Values of one or two bytes stay: they would take half
/// of the words with them.
pub(crate) fn scrubbed<'a>(text: &str, urls: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    for url in urls {
        for found in find(url).into_iter().filter(|found| found.value.len() > 2) {
            text = text.replace(&url[found.value], PLACEHOLDER);
        }
    }
    text
}

/// `url` with the stored values for its placeholders: those of the first of `stored` that has one of this name, and the same scheme, host and port,
/// for an admin could else read a password back by pointing the camera at a machine of their own.
///
/// # Errors
/// When a placeholder stands for nothing that is stored there.
pub(crate) fn restored(field: &str, url: String, stored: &[String]) -> Result<String, Error> {
    if !url.contains(ENCODED_CHAR) {
        return Ok(url);
    }
    let place = destination(&url);
    let here: Vec<&String> = stored.iter().filter(|stored| destination(stored) == place).collect();
    let mut whole = String::with_capacity(url.len());
    let mut from = 0;
    let mut before: Vec<&str> = Vec::new();
    for found in find(&url) {
        let nth = before.iter().filter(|word| **word == found.word).count();
        before.push(found.word);
        if url[found.value.clone()] != *ENCODED {
            continue;
        }
        let value = here.iter().find_map(|stored| {
            let of_word = find(stored).into_iter().filter(|known| known.word == found.word).nth(nth);
            of_word.map(|known| &stored[known.value])
        });
        let Some(value) = value else { break };
        whole.push_str(&url[from..found.value.start]);
        whole.push_str(value);
        from = found.value.end;
    }
    whole.push_str(&url[from..]);
    if whole.contains(ENCODED_CHAR) {
        let message = format!("{field}.url has {PLACEHOLDER} where no password is stored for this host and port");
        return Err(Error::invalid(message).next("Type the password in the address again."));
    }
    Ok(whole)
}

/// The secret values of `url`, in order, none of them empty. Rather too much is taken for secret than too little.
fn find(url: &str) -> Vec<Found> {
    let bytes = url.as_bytes();
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let mut at = url[after_scheme..].find(['/', '?']).map_or(url.len(), |path| after_scheme + path);
    let mut name_from = at;
    let mut all = Vec::new();
    while at < bytes.len() {
        let Some(len) = equals_sign(&bytes[at..]) else {
            if matches!(bytes[at], b'/' | b'?' | b'&' | b';' | b',') {
                name_from = at + 1;
            }
            at += 1;
            continue;
        };
        let word = secret_word(&url[name_from..at]);
        at += len;
        if let Some(word) = word {
            let end = at + value_len(&url[at..]);
            if end > at {
                all.push(Found { word, value: at..end });
            }
            at = end;
        }
        name_from = at;
    }
    all
}

/// Length of the `=` at the start of `bytes`, which some cameras want encoded.
fn equals_sign(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'=', ..] => Some(1),
        [b'%', b'3', b'D' | b'd', ..] => Some(3),
        _ => None,
    }
}

fn secret_word(name: &str) -> Option<&'static str> {
    let name = percent_decode(name).unwrap_or_else(|| name.to_owned()).to_lowercase();
    SECRET_WORDS.into_iter().find(|word| name.ends_with(word))
}

/// Up to the next `&`, or to a `_name=` that is known.
fn value_len(rest: &str) -> usize {
    let end = rest.find('&').unwrap_or(rest.len());
    let lower = rest[..end].to_ascii_lowercase();
    let next = |word: &str| {
        let mut starts = lower.match_indices(word).map(|(at, _)| at);
        starts.find(|at| equals_sign(&lower.as_bytes()[at + word.len()..]).is_some())
    };
    NEXT_WORDS.into_iter().filter_map(next).min().unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{StreamAddress, Transport};
    use proptest::prelude::*;

    fn parsed(url: &str) -> String {
        let address = StreamAddress { url: Some(url.to_owned()), transport: Transport::Tcp, interval_ms: None };
        crate::check::address("main", &address).unwrap().0.url
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (url, expected) in [
            ("rtsp://h/user=admin&password=x1&channel=1", "rtsp://h/user=admin&password=•••&channel=1"),
            (
                "rtsp://h/user=admin_password=a_b_channel=1_stream=0.sdp?real_stream",
                "rtsp://h/user=admin_password=•••_channel=1_stream=0.sdp?real_stream",
            ),
            ("rtsp://h:8554/a?passwd=x&q=1", "rtsp://h:8554/a?passwd=•••&q=1"),
            ("rtsp://h?PWD=x", "rtsp://h?PWD=•••"),
            ("rtsp://h/a?user=u&adminPass=x/y?z;1", "rtsp://h/a?user=u&adminPass=•••"),
            ("rtsp://h/a?p%61ss=x", "rtsp://h/a?p%61ss=•••"),
            ("rtsp://h/a?user%3Du%26password%3Dx", "rtsp://h/a?user%3Du%26password%3D•••"),
            ("rtsp://h/a?password=a%26b&c=d", "rtsp://h/a?password=•••&c=d"),
            ("rtsp://h/a?password=&c=d", "rtsp://h/a?password=&c=d"),
            ("rtsp://password=x/a?channel=1", "rtsp://password=x/a?channel=1"),
            (
                "rtsp://h/Streaming/Channels/101?transportmode=unicast",
                "rtsp://h/Streaming/Channels/101?transportmode=unicast",
            ),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[test]
    fn what_is_sent_back_is_what_is_stored_at_the_same_place_alone() {
        let stored = ["rtsp://h/user=a&password=x1&channel=1".to_owned(), "rtsp://h/b?pwd=y%26&pwd=z".to_owned()];
        let back = |url: &str| restored("main", parsed(url), &stored);
        assert_eq!(
            back("rtsp://h:554/user=a&password=•••&channel=2").unwrap(),
            "rtsp://h:554/user=a&password=x1&channel=2"
        );
        assert_eq!(back("rtsp://h/c?pwd=•••&pwd=•••").unwrap(), "rtsp://h/c?pwd=y%26&pwd=z");
        assert_eq!(back("rtsp://h/c?pwd=new&pwd=•••").unwrap(), "rtsp://h/c?pwd=new&pwd=z");
        for wrong in [
            "rtsp://other/user=a&password=•••",
            "rtsp://h:555/user=a&password=•••",
            "rtsps://h/user=a&password=•••",
            "rtsp://h/user=a&passwd=•••",
            "rtsp://h/user=a&password=•••2",
            "rtsp://h/user=•••&channel=1",
            "rtsp://h/•••",
        ] {
            assert!(back(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_secret_comes_back_and_a_shown_address_keeps_it(
            secret in "[A-Za-z0-9%_.!/?;-]{1,12}", word in 0_usize..SECRET_WORDS.len(), rest in "(&channel=1|_stream=0\\.sdp|)",
        ) {
            // A path with dots for names is another path before it is stored.
            prop_assume!(!secret.contains("/.") && !secret.to_lowercase().contains("/%2e"));
            let text = format!("rtsp://h/user=a&{}=QQ{secret}QQ{rest}", SECRET_WORDS[word]);
            let stored = parsed(&text);
            prop_assert!(!shown(&stored).contains("QQ"), "{}", shown(&stored));
            let back = restored("main", parsed(&shown(&stored)), std::slice::from_ref(&stored)).unwrap();
            prop_assert_eq!(back, stored);
        }

        #[test]
        fn any_text_is_looked_at_without_harm(text in "\\PC{0,60}") {
            drop(shown(&text));
            drop(restored("main", text.clone(), &[text]));
        }
    }
}
