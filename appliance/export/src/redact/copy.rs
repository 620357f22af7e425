//! Writes the file of a redacted copy: fragmented MP4 with one track of H.264. Pictures of another size begin another file.
//!
//! Nothing but slices goes in, and parameter sets into the track's description: no supplemental information, no metadata, no sound.

use crate::job::FileRow;
use crate::redact::Place;
use crate::staging::NewFile;
use crate::{Error, Result};
use std::sync::Arc;
use watchbook_base::{CameraId, Kind, Ticks90k, TimeRange, UtcNanos};
use watchbook_evidence::bundle::redaction::NAME_BEGIN;

use watchbook_media::fragment::{FRAGMENT_SAMPLES_MAX, FragmentSample};
use watchbook_media::h26x::{NalKind, ParameterSets, Standard, annex_b_units};
use watchbook_media::oeff::{self, Track};

/// Bytes of a fragment after which it is written.
const FRAGMENT_BYTES: usize = 4 << 20;
/// Bytes after which it is looked for room on the disk again.
const LOOK_BYTES: u64 = 64 << 20;
/// Files of one copy: pictures whose size changes more often are a defect.
const FILES_MAX: usize = 64;
/// How long the last picture is shown where nothing says it: a twenty-fifth of a second.
const LAST_TICKS: i64 = 3_600;
/// Longest time that a picture stands because the next one is missing.
const STAND_TICKS_MAX: i64 = 90_000;

/// The files of a copy.
pub struct Copy<'a> {
    place: Place<'a>,
    camera: CameraId,
    range: TimeRange,
    now: UtcNanos,
    rows: Vec<FileRow>,
    open: Option<Open>,
    frames: u64,
    /// End of what is there, in ticks from the beginning of what was asked for.
    end_ticks: i64,
    unlooked: u64,
}

/// The file that is being written.
struct Open {
    file: NewFile,
    sets: ParameterSets,
    /// Where its first picture lies in what was asked for.
    start_ticks: i64,
    sequence: u32,
    /// Where the fragment begins.
    fragment_ticks: i64,
    samples: Vec<FragmentSample>,
    bytes: Vec<u8>,
    /// The newest picture, whose duration is not known yet.
    held: Option<Held>,
    last_duration: i64,
}

struct Held {
    ticks: i64,
    data: Vec<u8>,
    key: bool,
}

impl<'a> Copy<'a> {
    /// Nothing yet. `range`: what was asked for; `now`: when the files are made.
    #[must_use]
    pub fn new(place: Place<'a>, camera: CameraId, (range, now): (TimeRange, UtcNanos)) -> Self {
        Self { place, camera, range, now, rows: Vec::new(), open: None, frames: 0, end_ticks: 0, unlooked: 0 }
    }

    /// Takes a picture that is shown `ticks` of 1/90,000 s after the beginning of what was asked for. `fresh`: it begins another file.
    ///
    /// # Errors
    /// `Corrupt` when it is no H.264, `Exhausted` when the disk is full or the size changes too often, what the disk says.
    pub fn picture(&mut self, ticks: i64, annex_b: &[u8], fresh: bool) -> Result<()> {
        if fresh || self.open.is_none() {
            self.close()?;
            self.open = Some(self.begin(ticks, annex_b)?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        self.frames += 1;
        let held = open.take(ticks, annex_b)?;
        let before = open.held.replace(held);
        if let Some(before) = before {
            let duration = ticks.saturating_sub(before.ticks).max(1);
            self.unlooked += open.push(before, duration)?;
        }
        self.end_ticks = self.end_ticks.max(ticks);
        if self.unlooked >= LOOK_BYTES {
            self.unlooked = 0;
            self.place.1.check_room(LOOK_BYTES)?;
        }
        Ok(())
    }

    /// Nothing follows the last picture at once; where the next one may lie at the earliest.
    ///
    /// # Errors
    /// What the disk says.
    pub fn pause(&mut self) -> Result<i64> {
        let Some(open) = &mut self.open else { return Ok(i64::MIN) };
        if let Some(end) = open.let_go()? {
            self.end_ticks = end;
        }
        Ok(self.end_ticks)
    }

    fn name(&self) -> String {
        match self.rows.len() {
            0 => format!("{NAME_BEGIN}camera-{}.mp4", self.camera),
            parts => format!("{NAME_BEGIN}camera-{}-part-{}.mp4", self.camera, parts + 1),
        }
    }

    fn begin(&self, ticks: i64, annex_b: &[u8]) -> Result<Open> {
        let (export, staging) = self.place;
        if self.rows.len() >= FILES_MAX {
            let message =
                format!("making redacted copy {export}: its pictures change their size more than {FILES_MAX} times");
            return Err(Error::new(Kind::Exhausted, message));
        }
        let mut sets = ParameterSets::new(Standard::H264);
        for nal in annex_b_units(annex_b) {
            sets.push(nal)?;
        }
        let none = || Error::new(Kind::Corrupt, "making a redacted copy: the encoder begins without parameter sets");
        let format = sets.format()?.ok_or_else(none)?;
        let left = Ticks90k::from_nanos(self.range.end.nanos_since(self.range.start)).0.saturating_sub(ticks);
        let track = Track { formats: vec![Arc::new(format)] };
        let head = oeff::head(&[track], u64::try_from(left).unwrap_or(0), self.now)?;
        let mut file = staging.file(export, &self.name(), false)?;
        file.write(&head)?;
        let (samples, bytes, held) = (Vec::new(), Vec::new(), None);
        let last_duration = LAST_TICKS;
        Ok(Open {
            file,
            sets,
            start_ticks: ticks,
            sequence: 0,
            fragment_ticks: ticks,
            samples,
            bytes,
            held,
            last_duration,
        })
    }

    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        if let Some(end) = open.let_go()? {
            self.end_ticks = end;
        }
        open.flush()?;
        self.rows.push(open.file.finish()?);
        Ok(())
    }

    /// The files and how many pictures are in them.
    ///
    /// # Errors
    /// What the disk says.
    pub fn finish(mut self) -> Result<(Vec<FileRow>, u64)> {
        self.close()?;
        Ok((self.rows, self.frames))
    }
}

impl Open {
    /// The slices of an access unit, each behind its length. What else is in it stays out.
    fn take(&mut self, ticks: i64, annex_b: &[u8]) -> Result<Held> {
        let (mut data, mut key) = (Vec::with_capacity(annex_b.len()), false);
        for nal in annex_b_units(annex_b) {
            match nal.first().map_or(NalKind::Outside, |first| Standard::H264.nal_kind(*first)) {
                NalKind::ParameterSet => {
                    if self.sets.push(nal)? {
                        let message = "making a redacted copy: the encoder changes its parameter sets";
                        return Err(Error::new(Kind::Corrupt, message));
                    }
                }
                kind @ (NalKind::Slice | NalKind::KeySlice) => {
                    key |= kind == NalKind::KeySlice;
                    data.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
                    data.extend_from_slice(nal);
                }
                NalKind::Other | NalKind::Outside => {}
            }
        }
        if data.is_empty() {
            return Err(Error::new(Kind::Corrupt, "making a redacted copy: the encoder gave a unit without a picture"));
        }
        Ok(Held { ticks, data, key })
    }

    /// Puts a picture into the fragment, and writes that when it is long enough; gives how many bytes were written.
    fn push(&mut self, held: Held, duration: i64) -> Result<u64> {
        let is_full = self.samples.len() >= FRAGMENT_SAMPLES_MAX || self.bytes.len() >= FRAGMENT_BYTES;
        let written = if held.key || is_full { self.flush()? } else { 0 };
        if self.samples.is_empty() {
            self.fragment_ticks = held.ticks;
        }
        // Behind a picture that stands too long the next one begins a fragment of its own, at its own time.
        let shown = duration.min(STAND_TICKS_MAX);
        self.samples.push(FragmentSample {
            duration_ticks: u32::try_from(shown).unwrap_or(1),
            size_bytes: u32::try_from(held.data.len()).unwrap_or(u32::MAX),
            cts_offset: 0,
            key: held.key,
        });
        self.bytes.extend_from_slice(&held.data);
        self.last_duration = shown;
        Ok(written + if shown < duration { self.flush()? } else { 0 })
    }

    /// The held picture gets the duration of the one before; the end of it.
    fn let_go(&mut self) -> Result<Option<i64>> {
        let Some(held) = self.held.take() else { return Ok(None) };
        let (end, duration) = (held.ticks.saturating_add(self.last_duration), self.last_duration);
        self.push(held, duration)?;
        Ok(Some(end))
    }

    fn flush(&mut self) -> Result<u64> {
        if self.samples.is_empty() {
            return Ok(0);
        }
        self.sequence += 1;
        let decode_ticks = u64::try_from(self.fragment_ticks.saturating_sub(self.start_ticks)).unwrap_or(0);
        let place = oeff::Place { sequence: self.sequence, track: 0, format: 0, decode_ticks };
        let head = oeff::fragment_head(place, &self.samples, 0..self.samples.len())?;
        self.file.write(&head)?;
        self.file.write(&self.bytes)?;
        let written = head.len().saturating_add(self.bytes.len());
        self.samples.clear();
        self.bytes.clear();
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }
}
