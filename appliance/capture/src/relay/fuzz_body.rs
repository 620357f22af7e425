//! What must hold for any bytes of an RTSP connection. Run here on changed and random bytes and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use super::message::{BODY_BYTES_MAX, HEAD_BYTES_MAX, Message, Messages};

/// The first byte chooses the size of the pieces in which the others come. However they come, the same messages come out; no more comes out than went in; what is broken is broken at the same
/// message.
pub(crate) fn messages(data: &[u8]) {
    let [step, bytes @ ..] = data else { return };
    let whole = all(bytes, bytes.len().max(1));
    assert_eq!(whole, all(bytes, usize::from(*step) + 1));
}

/// The messages, and whether something came that is none.
fn all(bytes: &[u8], step: usize) -> (Vec<Message>, bool) {
    let (mut messages, mut found, mut byte_count) = (Messages::default(), Vec::new(), 0);
    for piece in bytes.chunks(step) {
        messages.buffer().extend_from_slice(piece);
        loop {
            match messages.take() {
                Ok(None) => break,
                Err(_) => return (found, true),
                Ok(Some(message)) => {
                    byte_count += match &message {
                        Message::Data(packet) => packet.len(),
                        Message::Text(text) => {
                            assert!(text.first.len() <= HEAD_BYTES_MAX * 3 && text.body.len() <= BODY_BYTES_MAX);
                            text.body.len()
                        }
                    };
                    assert!(byte_count <= bytes.len(), "more comes out than went in");
                    found.push(message);
                }
            }
        }
    }
    (found, false)
}
