//! Bodies of leaves that an evidence bundle hands on. Others, such as who looked at what, are not read here.
//!
//! A body is JSON text without white space, `kind` first and the other fields in alphabetical order, and has one spelling.

use serde::{Deserialize, Serialize};

/// What a leaf says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// Runs of one recording that lie in one segment.
    Segment {
        /// Which recording.
        recording: u64,
        /// RFC 6962 root over the hashes of the runs, lower-case hexadecimal.
        root: String,
        /// How many they are.
        runs: u32,
        /// Camera × 256 + role.
        stream: u32,
    },
    /// A stretch of time without footage of a stream that should have some.
    Gap {
        /// First nanosecond after it (decimal, since 1970).
        end_ns: String,
        /// Why.
        reason: String,
        /// First nanosecond of it.
        start_ns: String,
        /// Camera × 256 + role.
        stream: u32,
    },
    /// Footage was handed out.
    Export {
        /// Who asked.
        account: u32,
        /// Who released it.
        approver: u32,
        /// SHA-256 of the bundle's manifest, lower-case hexadecimal.
        manifest: String,
    },
    /// The log's key changes.
    LogKey {
        /// The note of [`crate::rotation`].
        note: String,
    },
}

impl Record {
    /// The body of a leaf.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers always have a JSON form")
    }

    /// What `body` says; `None` for other kinds and other spellings.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let record: Self = serde_json::from_slice(body).ok()?;
        (record.body() == body).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_spelling() {
        let gap = Record::Gap {
            end_ns: "9".to_owned(),
            reason: "camera gone".to_owned(),
            start_ns: "7".to_owned(),
            stream: 257,
        };
        let body = r#"{"kind":"gap","end_ns":"9","reason":"camera gone","start_ns":"7","stream":257}"#;
        assert_eq!(gap.body(), body.as_bytes());
        assert_eq!(Record::parse(body.as_bytes()), Some(gap));
        for bad in [
            body.replace(':', ": "),
            body.replace("257", "257.0"),
            body.replace(r#""stream":257"#, r#""stream":257,"stream":257"#),
            body.replace(r#""stream":257"#, r#""stream":257,"more":1"#),
            body.replace(r#""kind":"gap","end_ns":"9""#, r#""end_ns":"9","kind":"gap""#),
            body.replace("gap\"", "g\\u0061p\""),
            r#"{"account":2,"action":"read_audit","outcome":"allowed"}"#.to_owned(),
        ] {
            assert_eq!(Record::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
