//! Takes out of a line of a log what might be a secret. The recorder logs none (the canary test looks); this is for whoever else writes into the same log, and for the claim code, which is
//! printed on purpose.

/// Behind these words, and `=` or `:`, stands something that nobody else is to know.
const WORDS: [&str; 9] =
    ["claim code", "password", "passwd", "secret", "token", "authorization", "cookie", "recovery key", "credential"];
/// What stands for it.
const GONE: &str = "[removed]";
/// A run of letters and digits of both cases that is so long is a key or a code in base64. A digest in small hexadecimal digits is none.
const CODE_CHARS_MIN: usize = 32;

/// The line without what might be a secret.
pub(super) fn scrub(line: &str) -> String {
    codes_removed(&values_removed(&users_removed(line)))
}

/// `scheme://user:password@host` without user and password.
fn users_removed(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        text.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/\"'<>`,;)]}".contains(c)).unwrap_or(after.len());
        // A password may hold what ends an address, so the last @ before the next space counts.
        let word = after.find(char::is_whitespace).unwrap_or(after.len());
        let user = after.get(..word).and_then(|word| word.rfind('@'));
        rest = match user {
            Some(user) => {
                text.push_str(GONE);
                after.get(user..).unwrap_or_default()
            }
            None => {
                text.push_str(after.get(..end).unwrap_or_default());
                after.get(end..).unwrap_or_default()
            }
        };
    }
    text + rest
}

/// What stands behind one of [`WORDS`], to the end of the line: a value may have spaces.
fn values_removed(line: &str) -> String {
    let small = line.to_ascii_lowercase();
    let cut = WORDS.iter().filter_map(|word| {
        let behind = small.find(word)? + word.len();
        let sign = small.get(behind..)?.find(['=', ':'])?;
        // In between may stand what ends a word in JSON, and nothing else.
        let between = small.get(behind..behind + sign)?;
        between.chars().all(|c| c.is_whitespace() || "\"'_-".contains(c)).then_some(behind + sign + 1)
    });
    match cut.min() {
        Some(at) => format!("{} {GONE}", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
}

fn codes_removed(line: &str) -> String {
    let is_code_char = |c: char| c.is_ascii_alphanumeric() || "+_-=".contains(c);
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_code_char(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
        let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
        text.push_str(if mixed && word.len() >= CODE_CHARS_MIN { GONE } else { word });
        let next = after.find(is_code_char).unwrap_or(after.len());
        text.push_str(after.get(..next).unwrap_or_default());
        rest = after.get(next..).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_codes_and_what_stands_behind_telling_words_are_removed() {
        for (line, clean) in [
            ("playing rtsp://admin:p@ss/w0rd@10.0.0.7/live failed", "playing rtsp://[removed]@10.0.0.7/live failed"),
            ("rtsp://10.0.0.7/live and http://u:p@h/", "rtsp://10.0.0.7/live and http://[removed]@h/"),
            ("claim code: ABCD-EFGH", "claim code: [removed]"),
            ("{\"Password\": \"a b c\", \"x\": 1}", "{\"Password\": [removed]"),
            ("Set-Cookie: __Host-session=1234; Path=/", "Set-Cookie: [removed]"),
            ("made bQ2zV0Jc9mJ4V1uH8aXo3yTt5rKp7LwE", "made [removed]"),
        ] {
            assert_eq!(scrub(line), clean);
        }
    }

    #[test]
    fn what_helps_stays() {
        for line in [
            "2026-11-28T06:00:00+0000 box watchbook[7]: camera 3 main: the password was refused",
            "an hour's root is e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "the second factor of account 4 was removed; tokens of the app are older",
            "segment 000004 at offset 4096: rtsp://10.0.0.7:554/live",
        ] {
            assert_eq!(scrub(line), line);
        }
    }
}
