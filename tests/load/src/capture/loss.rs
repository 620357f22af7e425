//! Packets over UDP that are lost and overtaken: what capture counts beside what the cameras' side dropped, and whether every picture that is kept is what was sent.
//!
//! The cameras drop and swap packets themselves, by seed: the kernel that this is made on has no netem.

use super::{Judged, Tally, Wanted, record, runtime};
use crate::camera::{Loss, Setting, Simulator};
use crate::clip::Clip;
use crate::error::Attempt as _;
use crate::{Result, tags};
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    let mut untagged = 0;
    for camera in cameras {
        let seen = sink.seen(*camera);
        if let Some(state) = &seen.state {
            counted += state.lost_packets;
            damaged += state.damaged_access_units;
            sessions += state.sessions;
        }
        let whole = seen.frames.len() as u64 + seen.untagged;
        (kept, untagged) = (kept + whole, untagged + seen.untagged);
        wrong += seen.wrong + seen.frames.windows(2).filter(|pair| pair[1] <= pair[0]).count() as u64;
        let reach = seen.frames.first().zip(seen.frames.last()).map_or(0, |(first, last)| last - first + 1);
        missing += reach.saturating_sub(whole);
    }
    let sent = &simulator.cameras.sent;
    format!(
        "{} cameras over UDP, 1 % of their packets lost and 1 % overtaken, dropped and swapped where they are sent, seed {}.\n\n\
         | packets dropped | packets counted as lost | pictures hit | of them left out | of them kept whole without their tag | marked as damaged | pictures kept | not as sent or out of order | sessions |\n\
         |---|---|---|---|---|---|---|---|---|\n| {} | {counted} | {} | {missing} | {untagged} | {damaged} | {kept} | {wrong} | {sessions} |\n",
        cameras.len(),
        wanted.seed,
        sent.lost_packets.load(Ordering::Relaxed),
        sent.damaged_frames.load(Ordering::Relaxed),
    )
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
