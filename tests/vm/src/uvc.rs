//! What a USB camera says about itself: descriptors and stream negotiation of the USB Device Class Definition for Video Devices 1.1, with one bulk endpoint.

/// The endpoint on which pictures come.
pub const ENDPOINT: u8 = 1;
/// Units of 100 ns in a second (4.3.1.1, `dwFrameInterval`).
const UNITS_PER_S: u32 = 10_000_000;
/// The largest picture that is announced.
pub const PICTURE_BYTES_MAX: u32 = 1 << 20;
/// Bytes before each picture (2.4.3.3): the shortest header.
const HEADER_BYTES: u32 = 2;

/// A camera with two formats: MJPEG (number 1) and H.264 (number 2), one size, one rate.
#[derive(Clone, Debug)]
pub struct Camera {
    /// Its serial number.
    pub serial: String,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Pictures a second.
    pub fps: u32,
    /// Number of the format that was agreed on.
    pub format: u8,
}

/// What a request on the control pipe gets.
pub enum Answer {
    /// Bytes, at most as many as were asked for.
    Bytes(Vec<u8>),
    /// Done; the pictures start anew in this format.
    Start(u8),
    /// The request is refused ("stalled").
    Stall,
}

impl Camera {
    /// Answers the eight bytes of a request (USB 2.0, 9.3) and what came with it.
    pub fn request(&mut self, setup: [u8; 8], data: &[u8]) -> Answer {
        let [kind, request, low, high, ..] = setup;
        match (kind, request) {
            // GET_DESCRIPTOR
            (0x80, 6) => self.descriptor(high, low),
            // GET_STATUS, GET_CONFIGURATION, GET_INTERFACE
            (0x80..=0x82, 0) => Answer::Bytes(vec![0, 0]),
            (0x80, 8) => Answer::Bytes(vec![1]),
            (0x81, 10) => Answer::Bytes(vec![0]),
            // Everything without data is fine: SET_ADDRESS, SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE of a halted endpoint.
            (0x00..=0x02, _) => Answer::Bytes(Vec::new()),
            // Selectors of the stream (A.9.7): 1 to try, 2 to commit.
            (0x21, 1) if high == 1 || high == 2 => self.agree(high == 2, data),
            // GET_CUR, GET_MIN, GET_MAX, GET_DEF
            (0xA1, 0x81..=0x83 | 0x87) if high == 1 || high == 2 => Answer::Bytes(self.offer().to_vec()),
            // GET_LEN, GET_INFO
            (0xA1, 0x85) => Answer::Bytes(vec![34, 0]),
            (0xA1, 0x86) => Answer::Bytes(vec![3]),
            _ => Answer::Stall,
        }
    }

    fn agree(&mut self, commit: bool, data: &[u8]) -> Answer {
        if let Some(format) = data.get(2).filter(|format| (1..=2).contains(*format)) {
            self.format = *format;
        }
        if commit { Answer::Start(self.format) } else { Answer::Bytes(Vec::new()) }
    }

    fn interval(&self) -> u32 {
        UNITS_PER_S / self.fps
    }

    /// Table 4-75 of version 1.1: 34 bytes.
    fn offer(&self) -> [u8; 34] {
        let mut offer = [0; 34];
        offer[2] = self.format;
        offer[3] = 1;
        offer[4..8].copy_from_slice(&self.interval().to_le_bytes());
        offer[18..22].copy_from_slice(&PICTURE_BYTES_MAX.to_le_bytes());
        offer[22..26].copy_from_slice(&(PICTURE_BYTES_MAX + HEADER_BYTES).to_le_bytes());
        offer[26..30].copy_from_slice(&48_000_000_u32.to_le_bytes());
        offer
    }

    fn descriptor(&self, kind: u8, index: u8) -> Answer {
        match (kind, index) {
            // High speed, two interfaces that belong together, Linux Foundation's numbers for tests, three strings.
            (1, _) => Answer::Bytes(vec![18, 1, 0, 2, 0xEF, 2, 1, 64, 0x6B, 0x1D, 2, 1, 0, 1, 1, 2, 3, 1]),
            (2, _) => Answer::Bytes(self.configuration()),
            (3, 0) => Answer::Bytes(vec![4, 3, 9, 4]),
            (3, 1) => Answer::Bytes(text("Watchbook")),
            (3, 2) => Answer::Bytes(text("Test Camera")),
            (3, 3) => Answer::Bytes(text(&self.serial)),
            _ => Answer::Stall,
        }
    }

    fn configuration(&self) -> Vec<u8> {
        let control = self.control_interface();
        let stream = self.stream_interface();
        let mut all = vec![9, 2, 0, 0, 2, 1, 0, 0x80, 250];
        all.extend([8, 0x0B, 0, 2, 0x0E, 3, 0, 2]);
        all.extend(control);
        all.extend(stream);
        let len = u16::try_from(all.len()).unwrap_or(u16::MAX).to_le_bytes();
        all[2..4].copy_from_slice(&len);
        all
    }

    /// 3.7: a lens and a way out, nothing to set.
    fn control_interface(&self) -> Vec<u8> {
        let mut parts = vec![18, 0x24, 2, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0];
        parts.extend([9, 0x24, 3, 2, 1, 1, 0, 1, 0]);
        let total = u16::try_from(parts.len() + 13).unwrap_or(u16::MAX).to_le_bytes();
        let clock = 48_000_000_u32.to_le_bytes();
        let mut all = vec![9, 4, 0, 0, 0, 0x0E, 1, 0, 2];
        all.extend([13, 0x24, 1, 0x10, 1, total[0], total[1]]);
        all.extend(clock);
        all.extend([1, 1]);
        all.extend(parts);
        all
    }

    /// 3.9: two formats, one bulk endpoint.
    fn stream_interface(&self) -> Vec<u8> {
        let mut formats = vec![11, 0x24, 6, 1, 1, 0, 1, 0, 0, 0, 0];
        formats.extend(self.frame(7));
        // Frame-based payload: the format's identity is its four letters and the tail that all share.
        formats.extend([28, 0x24, 0x10, 2, 1]);
        formats.extend(*b"H264\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71");
        formats.extend([0, 1, 0, 0, 0, 0, 1]);
        formats.extend(self.frame(0x11));
        let head = 13 + 2;
        let total = u16::try_from(formats.len() + usize::from(head)).unwrap_or(u16::MAX).to_le_bytes();
        let mut all = vec![9, 4, 1, 0, 1, 0x0E, 2, 0, 0];
        all.extend([head, 0x24, 1, 2, total[0], total[1], 0x80 | ENDPOINT, 0, 2, 0, 0, 0, 1, 0, 0]);
        all.extend(formats);
        all.extend([7, 5, 0x80 | ENDPOINT, 2, 0, 2, 0]);
        all
    }

    /// One size with one rate; the two kinds of format have their fields in another order.
    fn frame(&self, kind: u8) -> Vec<u8> {
        let mut all = vec![30, 0x24, kind, 1, 0];
        all.extend(self.width.to_le_bytes());
        all.extend(self.height.to_le_bytes());
        let bits_a_second = PICTURE_BYTES_MAX.saturating_mul(8).to_le_bytes();
        all.extend(bits_a_second);
        all.extend(bits_a_second);
        let interval = self.interval().to_le_bytes();
        if kind == 7 {
            all.extend(PICTURE_BYTES_MAX.to_le_bytes());
            all.extend(interval);
            all.push(1);
        } else {
            all.extend(interval);
            all.push(1);
            all.extend(0_u32.to_le_bytes());
        }
        all.extend(interval);
        all
    }
}

/// A picture as it travels (2.4.3.3): a header that says "whole picture" and changes its lowest bit from one to the next, then the bytes.
#[must_use]
pub fn payload(number: u64, picture: &[u8]) -> Vec<u8> {
    let toggle = u8::from(number % 2 == 1);
    [&[2, 0x82 | toggle], picture].concat()
}

/// A string descriptor: UTF-16 behind its length.
fn text(text: &str) -> Vec<u8> {
    let letters: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut all = vec![u8::try_from(letters.len() + 2).unwrap_or(u8::MAX), 3];
    all.extend(letters);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_as_long_as_they_say() {
        let mut camera = Camera { serial: "A1".into(), width: 640, height: 360, fps: 10, format: 1 };
        let Answer::Bytes(all) = camera.request([0x80, 6, 0, 2, 0, 0, 0, 4], &[]) else { panic!("a configuration") };
        assert_eq!(usize::from(u16::from_le_bytes([all[2], all[3]])), all.len());
        let (mut at, mut kinds) = (0, Vec::new());
        while at < all.len() {
            kinds.push(all[at + 1]);
            at += usize::from(all[at]);
        }
        assert_eq!(at, all.len(), "each descriptor's first byte is its length");
        // Configuration, association, interface with three parts, interface with five, endpoint.
        assert_eq!(kinds, [2, 0x0B, 4, 0x24, 0x24, 0x24, 4, 0x24, 0x24, 0x24, 0x24, 0x24, 5]);
        assert!(matches!(camera.request([0x21, 1, 0, 2, 1, 0, 34, 0], &[0, 0, 2, 1]), Answer::Start(2)));
        assert!(matches!(camera.request([0xA1, 0x81, 0, 9, 1, 0, 34, 0], &[]), Answer::Stall));
    }
}
