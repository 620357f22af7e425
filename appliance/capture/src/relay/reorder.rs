//! Puts RTP packets that a network delivered out of order back into it (RFC 3550 §5.1: the sequence number is for this). Pure.
//!
//! A packet that is missing is waited for, a little; what comes after its turn is dropped, because the reader behind this takes an unbroken order only. So what is passed on
//! has rising numbers, and a number that is left out is a packet that was lost.

use bytes::Bytes;
use core::time::Duration;
use tokio::time::Instant;

/// Longest wait for a packet that others have overtaken. In a station's network that takes microseconds; over a radio link tens of milliseconds.
pub(super) const WAIT: Duration = Duration::from_millis(100);
/// Packets that wait at most: a key frame of 700 kB in one burst.
const HELD_PACKETS_MAX: usize = 512;
/// Their bytes at most: a datagram may have 64 KiB.
const HELD_BYTES_MAX: usize = 2 << 20;
/// So many packets in a row that come late, each following the one before: the camera began its numbering anew.
const RESTART_RUN: u32 = 32;

/// So long nothing of the known source has come: only then another one is listened to. Packets of another source come from whoever sends under the camera's address, from a
/// session that the camera has forgotten to end, or from a camera that has begun anew. The latter is found after this, well before a stream without pictures is given up
/// ([`crate::watch::SILENCE`]).
pub(super) const SOURCE_SILENT: Duration = Duration::from_secs(2);

/// One stream's packets.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    /// Whose turn it is.
    next: Option<u16>,
    /// The source that is listened to (SSRC, RFC 3550 §8): the one that the camera named, else that of the first packet.
    source: Option<u32>,
    /// When its newest packet came; when another one first did, as long as it has not sent any.
    heard: Option<Instant>,
    /// Packets of other sources since somebody asked.
    foreign: u64,
    /// The camera named the source, and nothing of it has come: what other sources send is held in the meantime, because some cameras name a wrong one.
    named: bool,
    others: Vec<(u32, Bytes)>,
    others_bytes: usize,
    /// What came before its turn: in the order of its number, no number twice.
    held: Vec<Held>,
    held_bytes: usize,
    late: Late,
}

#[derive(Debug)]
struct Held {
    number: u16,
    came: Instant,
    packet: Bytes,
}

/// Late packets in a row.
#[derive(Debug, Default)]
struct Late {
    last: u16,
    run: u32,
}

impl Reorder {
    /// Takes a packet as it came; gives `pass` what is in order now. The first packets of all wait, too: one of them may have been overtaken.
    pub(super) fn push<P: FnMut(&[u8])>(&mut self, packet: &[u8], now: Instant, pass: &mut P) {
        let Some((number, ssrc)) = numbered(packet) else {
            // The reader says what is wrong with it.
            return pass(packet);
        };
        let source = *self.source.get_or_insert(ssrc);
        let heard = *self.heard.get_or_insert(now);
        if ssrc != source && self.named {
            return self.other(packet, ssrc, (now, now.saturating_duration_since(heard)), pass);
        }
        if ssrc == source && core::mem::take(&mut self.named) {
            self.foreign += u64::try_from(core::mem::take(&mut self.others).len()).unwrap_or(u64::MAX);
        }
        if ssrc != source {
            if now.saturating_duration_since(heard) < SOURCE_SILENT {
                self.foreign += 1;
                return;
            }
            // The known one is gone. A reader that has had packets of it ends the session, and the next one begins with this source.
            self.flush(pass);
            self.follow(number, ssrc);
            self.heard = Some(now);
            return pass(packet);
        }
        self.heard = Some(now);
        let ahead = self.next.map_or(1, |next| number.wrapping_sub(next));
        if ahead >= 0x8000 {
            return self.late(number, packet, pass);
        }
        self.late.run = 0;
        if ahead == 0 {
            pass(packet);
            self.next = Some(number.wrapping_add(1));
        } else {
            self.hold(number, packet, now);
        }
        self.release(now, pass);
    }

    /// A packet of another source than the one that the camera named and that has sent nothing yet. Waited for no longer than an overtaken packet, it becomes the source.
    fn other<P: FnMut(&[u8])>(&mut self, packet: &[u8], ssrc: u32, (now, waited): (Instant, Duration), pass: &mut P) {
        self.others.push((ssrc, Bytes::copy_from_slice(packet)));
        self.others_bytes += packet.len();
        if waited < WAIT && self.others.len() <= HELD_PACKETS_MAX && self.others_bytes <= HELD_BYTES_MAX {
            return;
        }
        (self.named, self.source) = (false, Some(ssrc));
        for (other, packet) in core::mem::take(&mut self.others) {
            if other == ssrc {
                self.push(&packet, now, pass);
            } else {
                self.foreign += 1;
            }
        }
    }

    /// Gives up what has been waited for long enough.
    pub(super) fn release(&mut self, now: Instant, pass: &mut impl FnMut(&[u8])) {
        let mut taken = 0;
        // What stands before one that has waited long enough goes with it.
        let waited = self.held.iter().rposition(|held| now.saturating_duration_since(held.came) >= WAIT);
        for (at, held) in self.held.iter().enumerate() {
            let due = self.next == Some(held.number)
                || waited.is_some_and(|waited| at <= waited)
                || self.held.len() - taken > HELD_PACKETS_MAX
                || self.held_bytes > HELD_BYTES_MAX;
            if !due {
                break;
            }
            pass(&held.packet);
            self.next = Some(held.number.wrapping_add(1));
            self.held_bytes -= held.packet.len();
            taken += 1;
        }
        self.held.drain(..taken);
    }

    /// The source that the camera named in its answer to SETUP.
    pub(super) fn expect(&mut self, ssrc: u32) {
        (self.source, self.named) = (Some(ssrc), true);
    }

    /// The source that is listened to.
    #[cfg(test)]
    pub(super) fn source(&self) -> Option<u32> {
        self.source
    }

    /// How many packets of other sources were dropped since the last question.
    pub(super) fn take_foreign(&mut self) -> u64 {
        core::mem::take(&mut self.foreign)
    }

    /// When [`Self::release`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.came).min().map(|came| came + WAIT)
    }

    /// The packet after `number` is the next one.
    fn follow(&mut self, number: u16, ssrc: u32) {
        (self.next, self.source, self.late) = (Some(number.wrapping_add(1)), Some(ssrc), Late::default());
    }

    fn hold(&mut self, number: u16, packet: &[u8], now: Instant) {
        // Before the first release the oldest number is not known yet: what is within half of the number space before one that is held comes before it.
        let base =
            self.next.or_else(|| self.held.first().map(|held| held.number.wrapping_sub(0x4000))).unwrap_or(number);
        let place = self.held.binary_search_by_key(&number.wrapping_sub(base), |held| held.number.wrapping_sub(base));
        // One that is there already is a copy.
        if let Err(at) = place {
            self.held.insert(at, Held { number, came: now, packet: Bytes::copy_from_slice(packet) });
            self.held_bytes += packet.len();
        }
    }

    fn late(&mut self, number: u16, packet: &[u8], pass: &mut impl FnMut(&[u8])) {
        let follows = self.late.run > 0 && number == self.late.last.wrapping_add(1);
        self.late = Late { last: number, run: if follows { self.late.run + 1 } else { 1 } };
        if self.late.run > RESTART_RUN {
            self.flush(pass);
            pass(packet);
            (self.next, self.late) = (Some(number.wrapping_add(1)), Late::default());
        }
    }

    fn flush(&mut self, pass: &mut impl FnMut(&[u8])) {
        for held in self.held.drain(..) {
            pass(&held.packet);
        }
        self.held_bytes = 0;
    }
}

/// Sequence number and SSRC of an RTP packet of version 2.
pub(super) fn numbered(packet: &[u8]) -> Option<(u16, u32)> {
    let head = packet.first_chunk::<12>()?;
    let ssrc = u32::from_be_bytes([head[8], head[9], head[10], head[11]]);
    (head[0] >> 6 == 2).then(|| (u16::from_be_bytes([head[2], head[3]]), ssrc))
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Ledger;
    use super::*;
    use proptest::prelude::*;

    fn packet(number: u16, ssrc: u32) -> Vec<u8> {
        let mut packet = vec![0x80, 96];
        packet.extend(number.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(ssrc.to_be_bytes());
        packet
    }

    /// The numbers that are passed on when these come, one a millisecond.
    fn passed(numbers: impl IntoIterator<Item = u16>) -> Vec<u16> {
        let (mut reorder, mut found, ledger) = (Reorder::default(), Vec::new(), Ledger::default());
        let mut pass = |packet: &[u8]| {
            ledger.pass(0, packet);
            found.extend(numbered(packet).map(|(number, _)| number));
        };
        let mut now = Instant::now();
        for number in numbers {
            reorder.push(&packet(number, 7), now, &mut pass);
            now += Duration::from_millis(1);
        }
        reorder.release(now + WAIT, &mut pass);
        assert_eq!((reorder.due(), reorder.held_bytes), (None, 0));
        if let (Some(first), Some(last)) = (found.first(), found.last())
            && last.wrapping_sub(*first) < 0x8000
        {
            let missing = u64::from(last.wrapping_sub(*first)) + 1 - found.len() as u64;
            assert_eq!(ledger.take_rest(), missing, "each number that is left out is counted");
        }
        found
    }

    #[test]
    fn overtaken_packets_get_their_place_back_across_the_wrap() {
        assert_eq!(passed([65_533, 65_535, 0, 65_534, 2, 1, 1, 3]), [65_533, 65_534, 65_535, 0, 1, 2, 3]);
    }

    #[test]
    fn a_lost_packet_is_waited_for_and_then_given_up_and_one_that_comes_later_is_dropped() {
        let late = (1..=200).filter(|number| *number != 50).chain([50, 201]);
        let expected: Vec<u16> = (1..=201).filter(|number| *number != 50).collect();
        assert_eq!(passed(late), expected);
        let (mut reorder, now) = (Reorder::default(), Instant::now());
        let mut early = |_: &[u8]| panic!("its turn has not come");
        reorder.push(&packet(1, 7), now, &mut early);
        reorder.push(&packet(3, 7), now, &mut early);
        assert_eq!(reorder.due(), Some(now + WAIT));
    }

    #[test]
    fn a_camera_that_begins_its_numbers_anew_is_followed() {
        let found = passed((20_000..20_200).chain(10..100));
        assert_eq!(found[..200], (20_000..20_200).collect::<Vec<_>>());
        assert_eq!(*found.last().unwrap(), 99, "{} passed", found.len());
    }

    #[test]
    fn another_source_is_heard_only_when_the_known_one_has_been_silent() {
        let (mut reorder, mut found, begun) = (Reorder::default(), Vec::new(), Instant::now());
        let mut pass = |packet: &[u8]| found.extend(numbered(packet));
        let mut push = |reorder: &mut Reorder, number, ssrc, at_ms| {
            reorder.push(&packet(number, ssrc), begun + Duration::from_millis(at_ms), &mut pass);
        };
        push(&mut reorder, 5, 1, 0);
        push(&mut reorder, 6, 1, 200);
        push(&mut reorder, 900, 2, 300);
        push(&mut reorder, 7, 1, 1_900);
        // One that keeps sending is never heard beside the known one, however long.
        push(&mut reorder, 901, 2, 3_800);
        push(&mut reorder, 8, 1, 3_850);
        assert_eq!((reorder.take_foreign(), reorder.source()), (2, Some(1)));
        push(&mut reorder, 902, 2, 5_849);
        assert_eq!(reorder.take_foreign(), 1);
        push(&mut reorder, 903, 2, 5_850);
        push(&mut reorder, 904, 2, 5_851);
        push(&mut reorder, 9, 1, 5_852);
        assert_eq!((reorder.take_foreign(), reorder.source()), (1, Some(2)), "the old one is a stranger now");
        assert_eq!(found, [(5, 1), (6, 1), (7, 1), (8, 1), (903, 2), (904, 2)]);
    }

    #[test]
    fn a_source_that_the_camera_named_is_waited_for_and_not_for_ever() {
        let begun = Instant::now();
        let passed = |packets: &[(u16, u32, u64)]| {
            let (mut reorder, mut found) = (Reorder::default(), Vec::new());
            reorder.expect(7);
            for (number, ssrc, at_ms) in packets {
                let at = begun + Duration::from_millis(*at_ms);
                reorder.push(&packet(*number, *ssrc), at, &mut |packet| found.extend(numbered(packet)));
            }
            reorder.release(begun + Duration::from_secs(9), &mut |packet| found.extend(numbered(packet)));
            (found, reorder.take_foreign())
        };
        // Some cameras name a wrong one: the key frame that they send first is not lost for that.
        let wrong = passed(&[(900, 2, 0), (901, 2, 50), (902, 3, 60), (902, 2, 100), (903, 2, 101)]);
        assert_eq!(wrong, (vec![(900, 2), (901, 2), (902, 2), (903, 2)], 1));
        let right = passed(&[(900, 2, 0), (5, 7, 50), (901, 2, 90), (6, 7, 120), (902, 2, 300)]);
        assert_eq!(right, (vec![(5, 7), (6, 7)], 3));
    }

    proptest! {
        #[test]
        fn numbers_rise_and_nothing_comes_twice(first: u16, jumbled in proptest::collection::vec(0_u16..300, 1..32)) {
            let found = passed(jumbled.iter().map(|offset| first.wrapping_add(*offset)));
            let mut sorted: Vec<u16> = jumbled;
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(found, sorted.iter().map(|offset| first.wrapping_add(*offset)).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_pass_without_harm(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..100)) {
            let mut reorder = Reorder::default();
            for packet in &packets {
                reorder.push(packet, Instant::now(), &mut |_| {});
            }
            prop_assert!(reorder.held.len() <= HELD_PACKETS_MAX);
        }
    }
}
