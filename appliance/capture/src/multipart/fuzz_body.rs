//! What must hold for any body at all. Run here on changed and random bytes and in `tests/fuzz` by libFuzzer; it panics when a promise is broken.

use super::{Broken, Part, Parts, mjpeg};

/// The first byte chooses the boundary, the second the size of the pieces; the rest is the body. What comes out as a picture is a whole one; no more comes out
/// than went in; what is broken once does not come right by itself.
pub(crate) fn multipart(data: &[u8]) {
    let [choice, step, body @ ..] = data else { return };
    let boundaries = [None, Some("frame"), Some("--myboundary"), Some("b"), Some("ffmpeg")];
    let mut parts = Parts::new(boundaries[usize::from(*choice) % boundaries.len()]);
    let (mut count, mut byte_count) = (0, 0);
    for piece in body.chunks(usize::from(*step) + 1) {
        parts.push(piece);
        loop {
            match parts.next() {
                Ok(None) => break,
                Ok(Some(Part::Picture(data, picture))) => {
                    assert_eq!(mjpeg::check(&data).ok(), Some(picture));
                    assert_eq!(picture.len, data.len());
                    byte_count += data.len();
                }
                Ok(Some(Part::Damaged(what))) => assert!(!what.is_empty()),
                Err(Broken(what)) => {
                    assert!(!what.is_empty());
                    return;
                }
            }
            count += 1;
            assert!(count <= body.len() && byte_count <= body.len(), "more comes out than went in");
        }
    }
}
