//! Pictures as RTP packets (RFC 3550, RFC 6184), made once and stamped anew each time they are sent.

use crate::clip::{Clip, Picture};
use crate::tags;

/// Payload of one packet; with headers it fits an Ethernet frame of 1,500 bytes.
const PAYLOAD_BYTES_MAX: usize = 1400;
/// `$`, channel and length (RFC 2326 §10.12) and the RTP header.
const HEADER_BYTES: usize = 4 + 12;
/// Media ticks of one frame at 30 frames a second.
pub const TICKS_PER_FRAME: u32 = 3000;
/// Payload type in the session description.
pub const PAYLOAD_TYPE: u8 = 96;

/// The packets of one picture, one behind the other as they go over TCP. Over UDP the first four bytes of each are left away.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
    /// Start and end of each packet.
    packets: Vec<(usize, usize)>,
    /// Where the tag's digits are.
    digits_at: usize,
    /// Bytes of the access unit once it is stored with 4-byte lengths.
    pub stored_bytes: u64,
}

/// What changes each time a frame is sent.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// For the tag.
    pub camera: u16,
    /// For the tag and the media time.
    pub frame: u64,
    /// Sequence number of the first packet.
    pub sequence: u16,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Interleaved channel.
    pub channel: u8,
}

impl Stamp {
    /// Media time in the 90 kHz clock; wraps as RTP's does.
    #[must_use]
    pub fn rtp_time(&self) -> u32 {
        (self.frame as u32).wrapping_mul(TICKS_PER_FRAME)
    }
}

impl Frame {
    /// Every picture of `clip`. Parameter sets go before each IDR picture, as cameras send them.
    #[must_use]
    pub fn of_clip(clip: &Clip) -> Vec<Self> {
        clip.pictures.iter().map(|picture| Self::new(clip, picture)).collect()
    }

    fn new(clip: &Clip, picture: &Picture) -> Self {
        let tag = tags::nal(0, 0);
        let mut frame = Self { bytes: Vec::new(), packets: Vec::new(), digits_at: 0, stored_bytes: 0 };
        let sets = if picture.key { vec![&clip.sps, &clip.pps] } else { vec![] };
        for nal in sets {
            frame.push_nal(nal);
        }
        frame.digits_at = frame.bytes.len() + HEADER_BYTES + tags::DIGITS_AT;
        frame.push_nal(&tag);
        for slice in &picture.slices {
            frame.push_nal(slice);
        }
        // The marker bit closes the access unit (RFC 6184 §5.1).
        if let Some(&(start, _)) = frame.packets.last() {
            frame.bytes[start + 5] |= 0x80;
        }
        frame
    }

    fn push_nal(&mut self, nal: &[u8]) {
        self.stored_bytes += 4 + nal.len() as u64;
        if nal.len() <= PAYLOAD_BYTES_MAX {
            self.push_packet(&[], nal);
            return;
        }
        // FU-A (RFC 6184 §5.8): indicator with the NAL's importance, header with start, end and type.
        let (indicator, kind) = (nal[0] & 0xe0 | 28, nal[0] & 0x1f);
        let pieces: Vec<&[u8]> = nal[1..].chunks(PAYLOAD_BYTES_MAX - 2).collect();
        for (at, piece) in pieces.iter().enumerate() {
            let first = if at == 0 { 0x80 } else { 0 };
            let last = if at + 1 == pieces.len() { 0x40 } else { 0 };
            self.push_packet(&[indicator, first | last | kind], piece);
        }
    }

    fn push_packet(&mut self, head: &[u8], body: &[u8]) {
        let start = self.bytes.len();
        let length = (12 + head.len() + body.len()) as u16;
        self.bytes.extend_from_slice(&[b'$', 0]);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(&[0x80, PAYLOAD_TYPE]);
        self.bytes.extend_from_slice(&[0; 10]);
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(body);
        self.packets.push((start, self.bytes.len()));
    }

    /// Number of packets.
    #[must_use]
    pub fn packet_count(&self) -> usize {
        self.packets.len()
    }

    /// Appends the stamped frame to `out` as it goes over TCP.
    pub fn write(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        let base = out.len();
        out.extend_from_slice(&self.bytes);
        let copy = &mut out[base..];
        for (at, &(start, _)) in self.packets.iter().enumerate() {
            copy[start + 1] = stamp.channel;
            copy[start + 6..start + 8].copy_from_slice(&stamp.sequence.wrapping_add(at as u16).to_be_bytes());
            copy[start + 8..start + 12].copy_from_slice(&stamp.rtp_time().to_be_bytes());
            copy[start + 12..start + 16].copy_from_slice(&stamp.ssrc.to_be_bytes());
        }
        let digits = tags::digits(stamp.camera, stamp.frame);
        copy[self.digits_at..self.digits_at + digits.len()].copy_from_slice(digits.as_bytes());
    }

    /// The packets of a frame that [`Frame::write`] wrote to an empty buffer, without their interleaving headers.
    pub fn datagrams<'a>(&'a self, written: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.packets.iter().filter_map(|&(start, end)| written.get(start + 4..end))
    }
}

/// A sender report (RFC 3550 §6.4.1) without report blocks, with its interleaving header.
#[must_use]
pub fn sender_report(stamp: &Stamp, unix_nanos: u128, packets: u32, octets: u32) -> Vec<u8> {
    // NTP counts from 1900: 2,208,988,800 s before 1970.
    let seconds = (unix_nanos / 1_000_000_000) as u64 + 2_208_988_800;
    let fraction = ((unix_nanos % 1_000_000_000) << 32) / 1_000_000_000;
    let mut report = vec![b'$', stamp.channel + 1, 0, 28, 0x80, 200, 0, 6];
    for word in [stamp.ssrc, seconds as u32, fraction as u32, stamp.rtp_time(), packets, octets] {
        report.extend_from_slice(&word.to_be_bytes());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tags::Tags;

    fn clip(slice_bytes: usize) -> Clip {
        let mut slice = vec![0x65_u8, 0x80];
        slice.extend((0..slice_bytes - 2).map(|i| (i % 251) as u8 + 1));
        Clip { sps: vec![0x67, 1], pps: vec![0x68, 2], pictures: vec![Picture { slices: vec![slice], key: true }] }
    }

    /// Puts the packets back together as RFC 6184 tells a receiver to.
    fn depacketised(frame: &Frame, written: &[u8]) -> Vec<Vec<u8>> {
        let mut nals: Vec<Vec<u8>> = Vec::new();
        for packet in frame.datagrams(written) {
            let payload = &packet[12..];
            if payload[0] & 0x1f != 28 {
                nals.push(payload.to_vec());
                continue;
            }
            if payload[1] & 0x80 != 0 {
                nals.push(vec![payload[0] & 0xe0 | payload[1] & 0x1f]);
            }
            nals.last_mut().unwrap().extend_from_slice(&payload[2..]);
        }
        nals
    }

    #[test]
    fn fragments_give_the_same_nal_units_again() {
        for slice_bytes in [3, 1400, 1401, 1399 + 1398, 20_000] {
            let clip = clip(slice_bytes);
            let frame = Frame::of_clip(&clip).remove(0);
            let mut written = Vec::new();
            frame.write(&Stamp { camera: 7, frame: 9, sequence: 65_535, ssrc: 5, channel: 2 }, &mut written);
            let nals = depacketised(&frame, &written);
            let expected =
                vec![clip.sps.clone(), clip.pps.clone(), tags::nal(7, 9), clip.pictures[0].slices[0].clone()];
            assert_eq!(nals, expected, "{slice_bytes} bytes");
            assert_eq!(frame.stored_bytes, nals.iter().map(|nal| 4 + nal.len() as u64).sum::<u64>());
            let mut tags = Tags::default();
            tags.read(written.as_slice()).unwrap();
            assert_eq!(tags.reach(7), Some((9, 9)));
        }
    }

    #[test]
    fn sequence_numbers_wrap_and_only_the_last_packet_is_marked() {
        let frame = Frame::of_clip(&clip(5000)).remove(0);
        let mut written = Vec::new();
        frame.write(&Stamp { camera: 0, frame: 3, sequence: 65_534, ssrc: 0x0102_0304, channel: 0 }, &mut written);
        let heads: Vec<(u8, u16, u32)> = frame
            .datagrams(&written)
            .map(|packet| {
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                (packet[1], sequence, u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
            })
            .collect();
        assert_eq!(heads.len(), frame.packet_count());
        for (at, head) in heads.iter().enumerate() {
            let marker = if at + 1 == heads.len() { 0x80 } else { 0 };
            assert_eq!(*head, (PAYLOAD_TYPE | marker, 65_534_u16.wrapping_add(at as u16), 9000));
        }
    }
}
