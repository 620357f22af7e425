//! Answers a camera's challenges, so that its user name and password need not leave the relay.

use super::message::Text;
use crate::config::Credentials;
use bytes::BytesMut;
use http_auth::{PasswordClient, PasswordParams};
use std::collections::VecDeque;

/// Requests that wait for their answer: retina has two at most, one that keeps the session alive and the one that ends it.
const PENDING_MAX: usize = 4;
/// Challenges to one request that are answered. A second one means that the password is wrong, unless the camera says that only its nonce has grown old (`stale`, RFC 2617 §3.2.1): some hand
/// out one for each request.
const CHALLENGES_MAX: u32 = 3;

/// User name and password, the newest challenge, and the requests that may be challenged.
pub(super) struct Auth {
    credentials: Option<Credentials>,
    client: Option<PasswordClient>,
    pending: VecDeque<Pending>,
}

struct Pending {
    request: Text,
    /// Challenges to itself that it has answered.
    answered: u32,
}

impl Auth {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, client: None, pending: VecDeque::new() }
    }

    /// Writes `request`, with an answer to the newest challenge.
    pub(super) fn send(&mut self, request: Text, out: &mut BytesMut) {
        self.write(Pending { request, answered: 0 }, out);
    }

    /// Takes an answer of the camera. `true`: it was a challenge, and the request was written once more.
    pub(super) fn challenged(&mut self, answer: &Text, out: &mut BytesMut) -> bool {
        let cseq = answer.header("CSeq");
        let Some(at) = self.pending.iter().position(|pending| pending.request.header("CSeq") == cseq) else {
            return false;
        };
        let Some(pending) = self.pending.remove(at) else { return false };
        let again = match pending.answered {
            0 => true,
            answered => answered < CHALLENGES_MAX && answer.all("WWW-Authenticate").any(is_stale),
        };
        if answer.status() != Some(401) || !again || self.credentials.is_none() {
            return false;
        }
        let challenges = answer.all("WWW-Authenticate");
        let client = challenges.fold(PasswordClient::builder(), |builder, value| builder.challenges(value)).build();
        let Ok(client) = client else { return false };
        self.client = Some(client);
        self.write(Pending { answered: pending.answered + 1, ..pending }, out);
        true
    }

    /// Forgets the requests that wait for an answer: their connection is gone.
    pub(super) fn forget(&mut self) {
        self.pending.clear();
    }

    fn write(&mut self, mut pending: Pending, out: &mut BytesMut) {
        let request = &mut pending.request;
        let authorization = request.request().and_then(|(method, uri)| {
            let (credentials, client) = (self.credentials.as_ref()?, self.client.as_mut()?);
            let params = PasswordParams {
                username: &credentials.username,
                password: &credentials.password,
                uri,
                method,
                body: Some(&[]),
            };
            client.respond(&params).ok()
        });
        request.set("Authorization", authorization);
        request.write(out);
        if self.pending.len() == PENDING_MAX {
            self.pending.pop_front();
        }
        self.pending.push_back(pending);
    }
}

/// `stale=true` among the parameters of a challenge.
fn is_stale(challenge: &str) -> bool {
    challenge.split([',', ' ']).any(|part| {
        let (name, value) = part.trim().split_once('=').unwrap_or_default();
        name.trim().eq_ignore_ascii_case("stale") && value.trim().trim_matches('"').eq_ignore_ascii_case("true")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn text(first: &str, headers: &[(&str, &str)]) -> Text {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Text { first: first.to_owned(), headers, body: Bytes::new() }
    }

    fn challenge(cseq: &str, value: &str) -> Text {
        text(
            "RTSP/1.0 401 Unauthorized",
            &[("CSeq", cseq), ("WWW-Authenticate", "Basic realm=\"a\""), ("WWW-Authenticate", value)],
        )
    }

    fn auth() -> Auth {
        Auth::new(Some(Credentials { username: "Mufasa".into(), password: "Circle Of Life".into() }))
    }

    #[test]
    fn a_challenge_is_answered_once_and_then_known() {
        let (mut auth, mut out) = (auth(), BytesMut::new());
        auth.send(text("DESCRIBE rtsps://h/dir RTSP/1.0", &[("CSeq", "1")]), &mut out);
        assert!(!String::from_utf8_lossy(&out).contains("Authorization"));
        out.clear();
        let digest = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"";
        assert!(auth.challenged(&challenge("1", digest), &mut out));
        let written = String::from_utf8_lossy(&out).into_owned();
        // RFC 2069's form: MD5(MD5(Mufasa:testrealm@host.com:Circle Of Life):nonce:MD5(DESCRIBE:rtsps://h/dir)), computed with md5sum.
        assert!(written.contains("username=\"Mufasa\"") && written.contains("uri=\"rtsps://h/dir\""), "{written}");
        assert!(
            written.contains(&format!("response=\"{DESCRIBE_RESPONSE}\"")) && !written.contains("Circle"),
            "{written}"
        );
        out.clear();
        assert!(
            !auth.challenged(&challenge("1", digest), &mut out),
            "a second challenge to the same request means a wrong password"
        );
        assert!(out.is_empty());
        auth.send(text("SETUP rtsps://h/dir/t RTSP/1.0", &[("CSeq", "2")]), &mut out);
        assert!(String::from_utf8_lossy(&out).contains("Authorization: Digest"));
        out.clear();
        assert!(auth.challenged(&challenge("2", &digest.replace("dcd9", "0000")), &mut out), "a nonce may grow old");
        assert!(String::from_utf8_lossy(&out).contains("00008b71"));
    }

    /// `a=$(printf 'Mufasa:testrealm@host.com:Circle Of Life' | md5sum | cut -c1-32); b=$(printf 'DESCRIBE:rtsps://h/dir' | md5sum | cut -c1-32);
    /// printf "$a:dcd98b7102dd2f0e8b11d0f600bfb0c093:$b" | md5sum`
    const DESCRIBE_RESPONSE: &str = "01306013f8c035e6359fbd44cedc2fec";

    #[test]
    fn without_a_password_or_a_scheme_that_is_known_the_answer_is_the_readers() {
        let mut out = BytesMut::new();
        let mut nobody = Auth::new(None);
        nobody.send(text("DESCRIBE rtsp://h/ RTSP/1.0", &[("CSeq", "1")]), &mut out);
        let mut strange = auth();
        strange.send(text("DESCRIBE rtsp://h/ RTSP/1.0", &[("CSeq", "1")]), &mut out);
        out.clear();
        let unknown = text("RTSP/1.0 401 Unauthorized", &[("CSeq", "1"), ("WWW-Authenticate", "Negotiate")]);
        assert!(!nobody.challenged(&challenge("1", "Digest realm=\"a\", nonce=\"b\""), &mut out));
        assert!(!strange.challenged(&unknown, &mut out));
        assert!(!strange.challenged(&text("RTSP/1.0 200 OK", &[("CSeq", "9")]), &mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn a_nonce_that_has_grown_old_is_no_wrong_password_and_has_an_end_all_the_same() {
        let (mut auth, mut out) = (auth(), BytesMut::new());
        auth.send(text("GET_PARAMETER rtsp://h/ RTSP/1.0", &[("CSeq", "7")]), &mut out);
        let answers = (0..5).map(|nonce| {
            let stale = ["stale=TRUE", "stale=\"true\"", "Stale = true"][nonce % 3].replace(" = ", "=");
            auth.challenged(&challenge("7", &format!("Digest realm=\"r\", nonce=\"n{nonce}\", {stale}")), &mut out)
        });
        assert_eq!(answers.collect::<Vec<_>>(), [true, true, true, false, false]);
        assert!(String::from_utf8_lossy(&out).contains("nonce=\"n2\""));
        assert!(
            !is_stale("Digest realm=\"stale=true\"") && !is_stale("Digest stale=false") && !is_stale("Digest stale")
        );
    }

    #[test]
    fn what_is_never_answered_is_forgotten() {
        let (mut auth, mut out) = (auth(), BytesMut::new());
        for cseq in 0..100 {
            auth.send(text("OPTIONS rtsp://h/ RTSP/1.0", &[("CSeq", &cseq.to_string())]), &mut out);
        }
        assert_eq!(auth.pending.len(), PENDING_MAX);
    }
}
