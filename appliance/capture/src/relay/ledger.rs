//! What was lost of the packets that went to the reader, by the place where it was lost (RFC 3550 §5.1: each packet has the number after the one before it).
//!
//! retina counts too, but forgets what it has counted when it drops a damaged access unit. So each packet is looked at on its way there, and the losses are asked for when an access
//! unit has come out: by its RTP time, which tells how far retina has read.

use super::reorder::numbered;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Access units of a stream whose losses wait to be asked for: seconds of one that retina drops as a whole. Of more, the oldest two become one.
const UNITS_MAX: usize = 1024;
/// Streams of a session, with room: one for each channel.
const STREAMS_MAX: usize = 8;

/// The losses of one session.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Stream>>);

#[derive(Debug)]
struct Stream {
    channel: u8,
    ssrc: u32,
    /// Number of the packet that is expected.
    next: u16,
    /// RTP time of each access unit, and packets that were lost before or within it, in the order of their coming.
    units: VecDeque<(u32, u64)>,
}

impl Ledger {
    fn streams(&self) -> MutexGuard<'_, Vec<Stream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This packet goes to the reader on `channel`.
    pub(super) fn pass(&self, channel: u8, packet: &[u8]) {
        let (Some((number, ssrc)), Some(time)) = (numbered(packet), packet.get(4..8)) else { return };
        let time = time.iter().fold(0, |time, byte| time << 8 | u32::from(*byte));
        let mut streams = self.streams();
        let Some(stream) = streams.iter_mut().find(|stream| stream.channel == channel) else {
            if streams.len() < STREAMS_MAX {
                let units = VecDeque::from([(time, 0)]);
                streams.push(Stream { channel, ssrc, next: number.wrapping_add(1), units });
            }
            return;
        };
        let ahead = number.wrapping_sub(stream.next);
        // Another source, or one that began its numbering anew behind the last number, has lost nothing that could be counted. One that began anew before it cannot be told from a
        // loss.
        let lost = if stream.ssrc == ssrc && ahead < 0x8000 { u64::from(ahead) } else { 0 };
        (stream.ssrc, stream.next) = (ssrc, number.wrapping_add(1));
        match stream.units.back_mut() {
            Some((last, sum)) if *last == time => *sum += lost,
            _ => stream.units.push_back((time, lost)),
        }
        if stream.units.len() > UNITS_MAX
            && let Some((_, oldest)) = stream.units.pop_front()
            && let Some((_, sum)) = stream.units.front_mut()
        {
            *sum += oldest;
        }
    }

    /// Packets lost since the last question, up to the access unit of `channel` with this RTP time and within it; `None` when it is not known.
    pub(crate) fn take_until(&self, channel: u8, time: u32) -> Option<u64> {
        let mut streams = self.streams();
        let stream = streams.iter_mut().find(|stream| stream.channel == channel)?;
        let at = stream.units.iter().position(|(unit, _)| *unit == time)?;
        Some(stream.units.drain(..=at).map(|(_, lost)| lost).sum())
    }

    /// Packets lost of which nobody has asked yet, of all streams: the session is over.
    pub(crate) fn take_rest(&self) -> u64 {
        self.streams().iter_mut().flat_map(|stream| stream.units.drain(..)).map(|(_, lost)| lost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(number: u16, time: u32) -> [u8; 12] {
        let (number, time) = (number.to_be_bytes(), time.to_be_bytes());
        [0x80, 96, number[0], number[1], time[0], time[1], time[2], time[3], 0, 0, 0, 7]
    }

    fn ledger(packets: impl IntoIterator<Item = (u16, u32)>) -> Ledger {
        let ledger = Ledger::default();
        packets.into_iter().for_each(|(number, time)| ledger.pass(0, &packet(number, time)));
        ledger
    }

    #[test]
    fn a_loss_belongs_to_the_access_unit_of_the_packet_after_it() {
        // Pictures of B-frames: their times do not rise. 11, 14 and 15 are missing.
        let ledger = ledger([(10, 3000), (12, 3000), (13, 9000), (16, 6000), (17, 6000), (18, 12_000)]);
        assert_eq!(ledger.take_until(0, 3000), Some(1));
        assert_eq!(ledger.take_until(0, 3000), None, "it was asked for");
        assert_eq!((ledger.take_until(2, 9000), ledger.take_until(0, 1)), (None, None));
        // The one at 9000 never came out of the reader: what it lost goes with the next.
        assert_eq!(ledger.take_until(0, 6000), Some(2));
        assert_eq!((ledger.take_until(0, 12_000), ledger.take_rest()), (Some(0), 0));
    }

    #[test]
    fn what_was_lost_last_is_there_when_the_session_is_over() {
        let ledger = ledger([(65_534, 1), (1, 2), (4, 3)]);
        ledger.pass(2, &packet(5, 8));
        ledger.pass(2, &packet(9, 9));
        assert_eq!(ledger.take_until(0, 2), Some(2), "numbers wrap");
        assert_eq!((ledger.take_rest(), ledger.take_rest()), (2 + 3, 0));
    }

    #[test]
    fn another_numbering_is_no_loss() {
        let ledger = ledger([(500, 1), (20, 2), (22, 3)]);
        let mut other = packet(4_000, 4);
        other[11] = 8;
        ledger.pass(0, &other);
        ledger.pass(0, b"no packet");
        assert_eq!(ledger.take_rest(), 1);
    }

    proptest! {
        #[test]
        fn no_loss_is_forgotten_or_counted_twice(sent in prop::collection::vec((0_u16..5, 0_u32..9, prop::option::weighted(0.2, 0_u32..9)), 1..3_000)) {
            let ledger = Ledger::default();
            let (mut number, mut lost, mut told) = (0_u16, 0_u64, 0);
            for (at, (missing, time, asked)) in sent.into_iter().enumerate() {
                // What is missing before the first packet of all is not known.
                let missing = if at == 0 { 0 } else { missing };
                number = number.wrapping_add(missing + 1);
                lost += u64::from(missing);
                ledger.pass(0, &packet(number, time));
                told += asked.and_then(|time| ledger.take_until(0, time)).unwrap_or(0);
                prop_assert!(ledger.streams()[0].units.len() <= UNITS_MAX);
            }
            prop_assert_eq!(told + ledger.take_rest(), lost);
        }
    }
}
