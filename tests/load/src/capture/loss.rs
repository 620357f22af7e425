//! Packets over UDP that are lost and overtaken: what capture counts and where it says so, beside what the cameras' side dropped and where, and whether every picture that is
//! kept is what was sent.
//!
//! The cameras drop and swap packets themselves, by seed: the kernel that this is made on has no netem.

use super::{Judged, Tally, Told, Wanted, record, runtime};
use crate::camera::{Hit, Loss, Setting, Simulator};
use crate::clip::Clip;
use crate::error::Attempt as _;
use crate::rtp::TICKS_PER_FRAME;
use crate::{Result, tags};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use watchbook_base::CameraId;
use watchbook_capture::Transport;
use watchbook_media::Packet;

/// How long packets are not lost any more before the counting ends.
const CALM: Duration = Duration::from_secs(2);

/// Four cameras for a minute, 1 % of the packets lost and 1 % overtaken.
///
/// # Errors
/// A port cannot be had, or a camera was never recorded.
pub fn run(wanted: &Wanted) -> Result<String> {
    let (count, length) = wanted.size((4_u16, Duration::from_secs(60)), (1, Duration::from_secs(4)));
    let clip = wanted.clip()?;
    let loss = Loss { seed: wanted.seed, lost_per_mille: 10, overtaken_per_mille: 10 };
    let simulator = Arc::new(Simulator::with(&clip, &Setting { loss, ..Setting::of(count) })?);
    let (runtime, shown) = (runtime()?, Arc::clone(&simulator));
    let sink = Arc::new(Tally::judging(Box::new(move |packet| judged(&clip, &shown, packet))));
    simulator.cameras.lossy.store(false, Ordering::Relaxed);
    let began = Instant::now();
    let cameras = (0..count).map(|number| record(&runtime, &simulator, number, Transport::Udp, &sink));
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    for (camera, _) in &cameras {
        sink.wait_after(*camera, began).attempt("recording every camera")?;
    }
    simulator.cameras.lossy.store(true, Ordering::Relaxed);
    std::thread::sleep(length);
    // What is lost last is noticed by what comes after it.
    simulator.cameras.lossy.store(false, Ordering::Relaxed);
    std::thread::sleep(CALM);
    let ids: Vec<CameraId> = cameras.iter().map(|(camera, _)| *camera).collect();
    for (_, handle) in cameras {
        runtime.block_on(handle.stop(watchbook_base::GapReason::Restart));
    }
    Ok(table(wanted, &simulator, &sink, &ids))
}

fn table(wanted: &Wanted, simulator: &Simulator, sink: &Tally, cameras: &[CameraId]) -> String {
    let (mut counted, mut damaged, mut kept, mut missing, mut wrong, mut sessions) = (0, 0, 0, 0, 0, 0);
    let (mut untagged, mut places) = (0, Places::default());
    let sent = &simulator.cameras.sent;
    let hits = sent.hits.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (number, camera) in (0..).zip(cameras) {
        let seen = sink.seen(*camera);
        if let Some(state) = &seen.state {
            counted += state.lost_packets;
            damaged += state.damaged_access_units;
            sessions += state.sessions;
        }
        places.add(&seen.told, hits.iter().filter(|hit| hit.camera == number));
        let whole = seen.frames.len() as u64 + seen.untagged;
        (kept, untagged) = (kept + whole, untagged + seen.untagged);
        wrong += seen.wrong + seen.frames.windows(2).filter(|pair| pair[1] <= pair[0]).count() as u64;
        let reach = seen.frames.first().zip(seen.frames.last()).map_or(0, |(first, last)| last - first + 1);
        missing += reach.saturating_sub(whole);
    }
    let Places { told, exact, other } = places;
    format!(
        "{} cameras over UDP, 1 % of their packets lost and 1 % overtaken, dropped and swapped where they are sent, seed {}.\n\n\
         | packets dropped | counted as lost | told by the samples behind them | samples that tell exactly what was dropped before them | samples that tell too much, too little, or nothing |\n\
         |---|---|---|---|---|\n| {} | {counted} | {told} | {exact} | {other} |\n\n\
         | pictures hit | of them left out | of them kept whole without their tag | counted as damaged | pictures kept | not as sent or out of order | sessions |\n\
         |---|---|---|---|---|---|---|\n| {} | {missing} | {untagged} | {damaged} | {kept} | {wrong} | {sessions} |\n",
        cameras.len(),
        wanted.seed,
        sent.lost_packets.load(Ordering::Relaxed),
        hits.len(),
    )
}

/// Where samples say that something is missing before them, beside where something was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Places {
    /// Packets that samples say are missing.
    told: u64,
    /// Samples that say exactly what is missing.
    exact: u64,
    /// Those that do not.
    other: u64,
}

impl Places {
    /// What the samples of one camera tell, which lost `hits`. What is lost of a picture shows at the first one that is kept: itself, where only its tag was lost, or the next.
    fn add<'a>(&mut self, told: &[Told], hits: impl Iterator<Item = &'a Hit>) {
        // Ticks of frame 0, from any frame of the recording that has its tag.
        let ticks = i64::from(TICKS_PER_FRAME);
        let zero: BTreeMap<u32, i64> = told
            .iter()
            .filter_map(|told| Some((told.recording, told.dts.0 - i64::try_from(told.frame?).ok()? * ticks)))
            .collect();
        let frame = |told: &Told| Some((told.dts.0 - zero.get(&told.recording)?) / ticks);
        let mut hits = hits.peekable();
        for told in told {
            let number = frame(told).and_then(|frame| u64::try_from(frame).ok());
            let mut lost = 0;
            while let Some(hit) = hits.next_if(|hit| number.is_some_and(|number| hit.frame <= number)) {
                lost += hit.lost;
            }
            self.told += u64::from(told.lost_before);
            match (lost, u64::from(told.lost_before)) {
                (0, 0) => {}
                (lost, told) if lost == told => self.exact += 1,
                _ => self.other += 1,
            }
        }
        // Nothing is behind these.
        self.other += hits.count() as u64;
    }
}

/// As ISO/IEC 14496-15 §5.3.3 stores NAL units; parameter sets are apart.
fn stored<'a>(nals: impl Iterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    nals.flat_map(|nal| (nal.len() as u32).to_be_bytes().into_iter().chain(nal.iter().copied())).collect()
}

/// What a packet is. The tag is the first packet of most frames; one that lost it alone is whole.
fn judged(clip: &Clip, simulator: &Simulator, packet: &Packet) -> Judged {
    let tagged = || {
        let camera = u16::try_from(packet.stream.camera.get().checked_sub(1)?).ok()?;
        let digits = packet.data.get(4 + tags::DIGITS_AT..)?.get(4..16)?;
        let frame = u64::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
        let picture = clip.pictures.get(simulator.cameras.place(camera, frame))?;
        let tag = tags::nal(camera, frame);
        (packet.data == stored(core::iter::once(&tag).chain(&picture.slices))).then_some(frame)
    };
    match tagged() {
        Some(frame) => Judged::Frame(frame),
        None if clip.pictures.iter().any(|picture| packet.data == stored(picture.slices.iter())) => Judged::Untagged,
        None => Judged::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_base::Ticks90k;

    #[test]
    fn what_is_told_at_another_place_is_not_exact() {
        let told = |frame: u64, tagged: bool, lost_before: u16| {
            let dts = Ticks90k((frame as i64 - 100) * i64::from(TICKS_PER_FRAME));
            Told { recording: 1, dts, frame: tagged.then_some(frame), lost_before }
        };
        let hit = |frame: u64, lost: u64| Hit { camera: 0, frame, lost };
        // 102 and 103 are left out, 105 has lost its tag alone, 109 something that nothing is behind of.
        let hits = [hit(102, 2), hit(103, 1), hit(105, 1), hit(109, 1)];
        let right =
            [told(100, true, 0), told(101, true, 0), told(104, true, 3), told(105, false, 1), told(108, true, 0)];
        let mut places = Places::default();
        places.add(&right, hits.iter());
        assert_eq!(places, Places { told: 4, exact: 2, other: 1 });
        let wrong =
            [told(100, true, 0), told(101, true, 3), told(104, true, 0), told(105, false, 2), told(110, true, 1)];
        let mut places = Places::default();
        places.add(&wrong, hits.iter());
        assert_eq!(places, Places { told: 6, exact: 1, other: 3 });
    }
}
