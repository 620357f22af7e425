//! RTSP messages in a stream of bytes (RFC 2326 §4, §10.12): where one ends, and its head as text. Pure.

use bytes::{Buf as _, Bytes, BytesMut};

/// Longest head (first line and header lines): many times what any camera sends.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest body: session descriptions are a few kilobytes.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// What comes next in the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// An interleaved packet with its four bytes of header: `$`, channel, length.
    Data(Bytes),
    /// A request or an answer.
    Text(Text),
}

/// A request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// Request line or status line.
    pub(super) first: String,
    /// Names and values, in their order.
    pub(super) headers: Vec<(String, String)>,
    /// As long as Content-Length says.
    pub(super) body: Bytes,
}

/// It is no RTSP, or longer than the bounds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Text {
    /// The first header of this name, which is compared without regard to case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Sets the header of this name, or takes it out.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Status of an answer; `None` for a request.
    pub(super) fn status(&self) -> Option<u16> {
        self.first.strip_prefix("RTSP/")?.split(' ').nth(1)?.parse().ok()
    }

    /// Method and address of a request.
    pub(super) fn request(&self) -> Option<(&str, &str)> {
        let mut words = self.first.split(' ');
        Some((words.next()?, words.next()?))
    }

    /// As it goes over the wire.
    pub(super) fn write(&self, out: &mut BytesMut) {
        out.extend_from_slice(self.first.as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}

/// The bytes of one end as they come, and the messages in them. What was looked at once is not looked at again, however small the pieces are.
#[derive(Debug, Default)]
pub(super) struct Messages {
    buffer: BytesMut,
    /// No head ends before this.
    looked: usize,
    /// A head whose body is still to come, and the body's length.
    head: Option<(Text, usize)>,
}

impl Messages {
    /// What `bytes` begin with.
    pub(super) fn of(bytes: BytesMut) -> Self {
        Self { buffer: bytes, ..Self::default() }
    }

    /// Where further bytes go: behind those that are there.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Takes the next whole message off the front; `None` when more bytes are needed.
    ///
    /// # Errors
    /// What lies at the front is no message, or one longer than the bounds.
    pub(super) fn take(&mut self) -> Result<Option<Message>, Malformed> {
        if self.head.is_none() {
            // Some cameras pad between messages; so does retina's reader take it.
            let padding = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            self.buffer.advance(padding);
            if self.buffer.first() == Some(&b'$') {
                let Some(&[_, _, high, low]) = self.buffer.first_chunk::<4>() else { return Ok(None) };
                let length = 4 + usize::from(u16::from_be_bytes([high, low]));
                let whole = self.buffer.len() >= length;
                return Ok(whole.then(|| Message::Data(self.buffer.split_to(length).freeze())));
            }
            let Some(head_length) = self.head_length()? else { return Ok(None) };
            let text = head(&self.buffer.split_to(head_length))?;
            let body_length: usize = match text.header("Content-Length") {
                Some(value) => value.trim().parse().map_err(|_| Malformed)?,
                None => 0,
            };
            if body_length > BODY_BYTES_MAX {
                return Err(Malformed);
            }
            self.head = Some((text, body_length));
        }
        let Some((mut text, length)) = self.head.take_if(|(_, length)| self.buffer.len() >= *length) else {
            return Ok(None);
        };
        text.body = self.buffer.split_to(length).freeze();
        Ok(Some(Message::Text(text)))
    }

    /// Length of the head with its empty line.
    fn head_length(&mut self) -> Result<Option<usize>, Malformed> {
        const END: &[u8] = b"\r\n\r\n";
        let looked_at = &self.buffer[..self.buffer.len().min(HEAD_BYTES_MAX)];
        // A first line is short and begins with a word; what is not is found out before 64 KiB have come.
        if looked_at.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
            return Err(Malformed);
        }
        let from = self.looked.min(looked_at.len());
        match looked_at[from..].windows(END.len()).position(|window| window == END) {
            Some(at) => {
                self.looked = 0;
                Ok(Some(from + at + END.len()))
            }
            None if self.buffer.len() >= HEAD_BYTES_MAX => Err(Malformed),
            None => {
                self.looked = looked_at.len().saturating_sub(END.len() - 1);
                Ok(None)
            }
        }
    }
}

fn head(bytes: &[u8]) -> Result<Text, Malformed> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
    let first = lines.next().ok_or(Malformed)?.to_owned();
    if !first.starts_with("RTSP/") && !first.contains(" RTSP/") {
        return Err(Malformed);
    }
    let header = |line: &str| {
        let (name, value) = line.split_once(':').ok_or(Malformed)?;
        Ok((name.trim().to_owned(), value.trim().to_owned()))
    };
    let headers = lines.map(header).collect::<Result<_, _>>()?;
    Ok(Text { first, headers, body: Bytes::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 2326 §10.12, the example: an answer, packets, and another answer in one stream.
    const STREAM: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nsession: 12345678\r\nContent-Length: 4\r\n\r\nv=0\n$\x00\x00\x02ab\r\n$\x01\x00\x01cRTSP/1.0 401 Unauthorized\r\nCSeq: 4\r\nWWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Digest realm=\"a\"\r\n\r\n";

    fn all(chunk: usize) -> Vec<Message> {
        let (mut messages, mut found) = (Messages::default(), Vec::new());
        for piece in STREAM.chunks(chunk) {
            messages.buffer().extend_from_slice(piece);
            while let Some(message) = messages.take().unwrap() {
                found.push(message);
            }
        }
        assert!(messages.buffer.is_empty() && messages.head.is_none());
        found
    }

    #[test]
    fn messages_are_found_however_the_bytes_come() {
        let whole = all(STREAM.len());
        let [Message::Text(first), Message::Data(one), Message::Data(two), Message::Text(last)] = &whole[..] else {
            panic!("{whole:?}");
        };
        assert_eq!(
            (first.status(), first.header("Session"), &first.body[..]),
            (Some(200), Some("12345678"), &b"v=0\n"[..])
        );
        assert_eq!((&one[..], &two[..]), (&b"$\x00\x00\x02ab"[..], &b"$\x01\x00\x01c"[..]));
        assert_eq!((last.status(), last.all("www-authenticate").count()), (Some(401), 2));
        for chunk in 1..40 {
            assert_eq!(all(chunk), whole);
        }
    }

    #[test]
    fn what_is_no_rtsp_or_too_long_is_refused() {
        let huge = [b"RTSP/1.0 200 OK\r\nX: ".to_vec(), vec![b'a'; HEAD_BYTES_MAX]].concat();
        let body = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
        for wrong in [
            b"\x16\x03\x01".as_slice(),
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nnothing\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
            body.as_bytes(),
            &huge,
        ] {
            assert_eq!(Messages::of(BytesMut::from(wrong)).take(), Err(Malformed));
        }
    }

    #[test]
    fn a_head_is_read_once_however_slowly_its_body_comes() {
        let mut messages = Messages::of(BytesMut::from(&b"RTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n"[..]));
        assert_eq!(messages.take(), Ok(None));
        assert!(messages.head.is_some() && messages.buffer.is_empty(), "it is off the buffer");
        // A line end, which would be padding between messages, and what would be a packet.
        messages.buffer().extend_from_slice(b"\r$");
        assert_eq!(messages.take(), Ok(None));
        messages.buffer().extend_from_slice(b"aRTSP/1.0 200 OK\r\n\r");
        let Ok(Some(Message::Text(text))) = messages.take() else { panic!("its body is whole") };
        assert_eq!(&text.body[..], b"\r$a");
        assert_eq!(messages.take(), Ok(None));
        assert_eq!(messages.looked, "RTSP/1.0 200 OK\r\n\r".len() - 3, "what was looked at is not looked at again");
        messages.buffer().extend_from_slice(b"\n");
        assert!(matches!(messages.take(), Ok(Some(Message::Text(_)))));
    }

    #[test]
    fn the_corpus_holds() {
        assert!(
            crate::corpus::over_corpus(
                "rtsp_message",
                super::super::fuzz_body::messages,
                &[[&[9][..], STREAM].concat()]
            ) > 0
        );
    }

    proptest! {
        #[test]
        fn messages_do_not_depend_on_how_their_bytes_come(
            step: u8, at in 0..STREAM.len(), noise in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut stream = STREAM.to_vec();
            stream.splice(at..at, noise.iter().copied());
            super::super::fuzz_body::messages(&[&[step][..], &stream].concat());
            super::super::fuzz_body::messages(&[&[step][..], &noise].concat());
        }

        #[test]
        fn any_bytes_are_read_without_harm_and_what_is_written_is_read_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), body in "[a-z]{0,20}",
        ) {
            let mut messages = Messages::of(BytesMut::from(&bytes[..]));
            while let Ok(Some(_)) = messages.take() {}
            let mut text = Text { first: "RTSP/1.0 200 OK".into(), headers: vec![], body: Bytes::from(body) };
            text.set("Content-Length", Some(text.body.len().to_string()));
            let mut written = BytesMut::new();
            text.write(&mut written);
            prop_assert_eq!(Messages::of(written).take(), Ok(Some(Message::Text(text))));
        }
    }
}
