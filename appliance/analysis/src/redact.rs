//! Stored footage to a redacted copy of it, or to pictures that a browser plays: decoded by a `watchbook-decode`, made black where it must be and encoded anew by a `watchbook-encode`. Nothing is dropped,
//! whoever feeds it waits.
//!
//! Both children stand behind their walls and work for this one copy. No picture leaves the first one before its black is in it; it goes to the other in sealed memory of which this
//! process checks the length alone.

use crate::Error;
use crate::answers::Answers;
use crate::encoder::message::{FromEncoder, Job, Pixels, ToEncoder};
use crate::mask::Fill;
use crate::message::{Bounds, Coding, FromDecoder, Slot, ToDecoder, decode, encode, whole_bytes, whole_size};
use crate::once::Once;
use crate::replay::Unit;
use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use watchbook_base::limits::{ACCESS_UNIT_BYTES_MAX, CODEC_CONFIG_BYTES_MAX, PICTURE_SIDE_PX_MAX};
use watchbook_base::{Kind, UtcNanos, memfd};
use watchbook_media::TrackFormat;

/// Access units on their way to the decoder: it decodes one while the next ones are read from disk.
const UNITS_MAX: u32 = 4;
/// Pictures on their way to the encoder: 48 MB at 3840×2160.
const PICTURES_MAX: usize = 4;
/// How long one access unit or picture may take on a box that is busy with recording.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for a picture that somebody waits for: then its children are hung, and ended.
const PATIENCE_TO_LOOK: Duration = Duration::from_secs(10);
/// The argument with which `watchbook-decode` holds one stream only, in less memory.
pub const ONE: &str = "--one";
/// The argument with which `watchbook-encode` gives way to everything else on the box.
pub const BACKGROUND: &str = "--background";
/// Pictures a second that an encoder is told of, at most: its key frames are as many pictures apart.
const FPS_MAX: u32 = 120;

/// One picture of the copy.
#[derive(Clone, Debug)]
pub struct Coded {
    /// UTC of presentation of the picture that it was made of.
    pub utc: UtcNanos,
    /// Annex B, H.264; each is shown at once, in this order.
    pub data: Vec<u8>,
    /// Another encoder made it than the one before: the pictures have another size.
    pub fresh: bool,
}

/// Takes the next picture of the copy. Its error gives the copy up.
pub type OnCoded<'a> = dyn FnMut(Coded) -> Result<(), Error> + 'a;

/// Both children.
#[derive(Debug)]
pub struct Redactor {
    decoder: Once,
    slot: Slot,
    waiting: u32,
    fps: u32,
    encode: PathBuf,
    encoder: Option<Encoding>,
    name: String,
    padded: bool,
    failed: u64,
    problem: Option<String>,
    bounds: Option<Bounds>,
    answers: Answers,
}

/// The encoder of pictures of one size.
#[derive(Debug)]
struct Encoding {
    child: Once,
    size: (u32, u32),
    began: UtcNanos,
    /// Those of which no access unit has come yet.
    pending: VecDeque<UtcNanos>,
    /// Of how many of those it said that it is done.
    waiting: usize,
    fresh: bool,
    patience: Duration,
}

impl Redactor {
    /// Starts `decode` (`watchbook-decode`); `encode` (`watchbook-encode`) is started when the size of the pictures is known.
    ///
    /// # Errors
    /// The operating system's.
    pub fn spawn(decode: &Path, encode: &Path) -> Result<Self, Error> {
        Self::with((decode, &[]), encode, None)
    }

    /// The same to look at and not to keep: pictures within `bounds`, with as little processor time as possible, and a child that says nothing for 10 s counts as hung.
    ///
    /// # Errors
    /// As [`Redactor::spawn`].
    pub fn to_look(decode: &Path, encode: &Path, bounds: Bounds) -> Result<Self, Error> {
        Self::with((decode, &[ONE]), encode, Some(bounds))
    }

    fn with((decode, arguments): (&Path, &[&str]), encode: &Path, bounds: Option<Bounds>) -> Result<Self, Error> {
        Ok(Self {
            decoder: Once::spawn(decode, arguments)?,
            slot: 0,
            waiting: 0,
            fps: 1,
            encode: encode.to_owned(),
            encoder: None,
            name: String::new(),
            padded: false,
            failed: 0,
            problem: None,
            bounds,
            answers: Answers::new(patience_of(bounds)),
        })
    }

    /// libavcodec's name of the encoder; empty before the first picture.
    #[must_use]
    pub fn encoder(&self) -> &str {
        &self.name
    }

    /// A picture with an odd width or height has come, and has a black column at its right edge or a black row at its lower one in the copy.
    #[must_use]
    pub fn padded(&self) -> bool {
        self.padded
    }

    /// Access units that the decoder refused.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// What the decoder said of what it refused.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Begins a recording, whose first access unit is a key frame. `fps`: its pictures a second, about.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] for what is no video; else as [`Once::send`].
    pub fn open(&mut self, format: &TrackFormat, fps: u32) -> Result<(), Error> {
        let wrong = |sentence: &str| Err(Error::new(Kind::InvalidInput, sentence));
        if !format.codec.is_video() {
            return wrong("sound cannot be redacted; choose a video stream");
        }
        if format.config.len() > CODEC_CONFIG_BYTES_MAX {
            return wrong("a codec configuration that is too long");
        }
        if self.slot > 0 {
            self.decoder.send(&encode(&ToDecoder::Close { slot: self.slot })?, None)?;
        }
        (self.slot, self.waiting, self.fps) =
            (self.slot + 1, 0, fps.clamp(1, self.bounds.map_or(FPS_MAX, |bounds| bounds.fps_max.max(1))));
        let (coding, config) = (Coding::of(format.codec), format.config.to_vec());
        self.decoder
            .send(&encode(&ToDecoder::OpenWhole { slot: self.slot, coding, config, bounds: self.bounds })?, None)
    }

    /// Gives the decoder one access unit, and `on` what is ready. Waits while enough is on its way. `fill`: what is made black in its picture; `None`: it does not belong into
    /// the copy.
    ///
    /// # Errors
    /// As [`Once::recv`]; [`Kind::Corrupt`] for a child that talks and does none of its work; [`Kind::Unavailable`] when there is no encoder, or none that can encode pictures of this size; what `on` says.
    pub fn feed(&mut self, unit: Unit<'_>, fill: Option<Fill>, on: &mut OnCoded<'_>) -> Result<(), Error> {
        let file =
            memfd::seal("access-unit", unit.data).map_err(|error| Error::io("handing over an access unit", error))?;
        let message = ToDecoder::AccessUnit { slot: self.slot, utc_ns: unit.utc.0, key: unit.key, fill };
        self.decoder.send(&encode(&message)?, Some(file.as_fd()))?;
        self.waiting += 1;
        self.answers.asked();
        while self.waiting >= UNITS_MAX {
            self.hear(on)?;
        }
        Ok(())
    }

    /// Waits for what the decoder and the encoder give without another access unit.
    ///
    /// # Errors
    /// As [`Redactor::feed`].
    pub fn settle(&mut self, on: &mut OnCoded<'_>) -> Result<(), Error> {
        while self.waiting > 0 {
            self.hear(on)?;
        }
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.settle(0, on))
    }

    /// Ends a recording: waits for everything that is on its way, also what the decoder holds back for reordering.
    ///
    /// # Errors
    /// As [`Redactor::feed`].
    pub fn drain(&mut self, on: &mut OnCoded<'_>) -> Result<(), Error> {
        if self.slot == 0 {
            return Ok(());
        }
        self.decoder.send(&encode(&ToDecoder::Drain { slot: self.slot })?, None)?;
        self.waiting += 1;
        self.answers.asked();
        while self.waiting > 0 {
            self.hear(on)?;
        }
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.settle(0, on))
    }

    fn hear(&mut self, on: &mut OnCoded<'_>) -> Result<(), Error> {
        let now = self.slot;
        let (payload, descriptor) = self.decoder.answer(&self.answers)?;
        match decode(payload)? {
            FromDecoder::Taken { slot, failed, .. } if slot == now => {
                self.waiting = self.waiting.saturating_sub(1);
                self.answers.taken();
                self.failed += u64::from(failed);
            }
            FromDecoder::Whole { slot, utc_ns, width, height } if slot == now => {
                let pixels = descriptor.ok_or_else(|| Error::new(Kind::Corrupt, "a picture without pixels"))?;
                self.answers.picture()?;
                self.picture((UtcNanos(utc_ns), (width, height)), &pixels, on)?;
                self.answers.shown();
            }
            FromDecoder::Problem { slot, sentence } if slot == now => {
                self.problem = Some(sentence);
                self.answers.idle()?;
            }
            FromDecoder::Begun { missing } => {
                missing.iter().for_each(|sentence| tracing::warn!(sentence, "the decoder's wall is not whole"));
                self.answers.idle()?;
            }
            // Of a recording that is over.
            FromDecoder::Taken { .. } | FromDecoder::Problem { .. } | FromDecoder::Whole { .. } => {
                self.answers.idle()?
            }
            FromDecoder::Frame { .. } => {
                return Err(Error::new(Kind::Corrupt, "a scaled picture that nobody asked for"));
            }
        }
        Ok(())
    }

    fn picture(
        &mut self,
        (utc, size): (UtcNanos, (u32, u32)),
        pixels: &OwnedFd,
        on: &mut OnCoded<'_>,
    ) -> Result<(), Error> {
        let sides = [size.0, size.1];
        if !sides.iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)) {
            return Err(Error::new(Kind::Corrupt, "a picture of no size"));
        }
        let bytes = whole_bytes(size.0, size.1);
        let length = memfd::check(pixels.as_fd(), bytes).map_err(|error| Error::io("taking a picture", error))?;
        if length != bytes {
            return Err(Error::new(Kind::Corrupt, "a picture that is too short"));
        }
        let whole = whole_size(size.0, size.1);
        self.padded |= whole != size;
        let size = whole;
        if self.encoder.as_ref().is_none_or(|encoder| encoder.size != size) {
            if let Some(mut before) = self.encoder.take() {
                before.settle(0, on)?;
            }
            let rate = (self.fps, self.bounds.is_some());
            let (encoder, name) = Encoding::open((&self.encode, patience_of(self.bounds)), size, rate, utc)?;
            (self.encoder, self.name) = (Some(encoder), name);
        }
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        encoder.take(utc, pixels)?;
        encoder.settle(PICTURES_MAX - 1, on)
    }
}

fn patience_of(bounds: Option<Bounds>) -> Duration {
    if bounds.is_some() { PATIENCE_TO_LOOK } else { PATIENCE }
}

impl Encoding {
    fn open(
        (program, patience): (&Path, Duration),
        size: (u32, u32),
        (fps, fast): (u32, bool),
        began: UtcNanos,
    ) -> Result<(Self, String), Error> {
        let (width, height) = size;
        let mut child = Once::spawn(program, &[BACKGROUND])?;
        let job = Job { pixels: Pixels::Yu12, width, height, line_bytes: width, fps, masks: Vec::new(), fast };
        child.send(&encode(&ToEncoder::Open(job))?, None)?;
        let encoder = Self::opened(&mut child, patience)?;
        Ok((Self { child, size, began, pending: VecDeque::new(), waiting: 0, fresh: true, patience }, encoder))
    }

    /// Waits until it is open; its name.
    fn opened(child: &mut Once, patience: Duration) -> Result<String, Error> {
        let mut answers = Answers::new(patience);
        loop {
            match decode(child.answer(&answers)?.0)? {
                FromEncoder::Begun { missing } => {
                    missing.iter().for_each(|sentence| tracing::warn!(sentence, "the encoder's wall is not whole"));
                    answers.idle()?;
                }
                FromEncoder::Opened { encoder } => return Ok(encoder),
                FromEncoder::Refused { sentence } => return Err(Error::new(Kind::Unavailable, sentence)),
                FromEncoder::Coded { .. } | FromEncoder::Taken { .. } => {
                    return Err(Error::new(Kind::Corrupt, "an encoder that speaks of pictures before it has any"));
                }
            }
        }
    }

    fn take(&mut self, utc: UtcNanos, pixels: &OwnedFd) -> Result<(), Error> {
        let at_us = utc.nanos_since(self.began) / 1_000;
        self.child.send(&encode(&ToEncoder::Picture { at_us })?, Some(pixels.as_fd()))?;
        self.pending.push_back(utc);
        self.waiting += 1;
        Ok(())
    }

    /// Waits until at most `left` pictures are on their way.
    fn settle(&mut self, left: usize, on: &mut OnCoded<'_>) -> Result<(), Error> {
        while self.waiting > left {
            let (payload, descriptor) = self.child.recv(self.patience)?;
            match decode(payload)? {
                FromEncoder::Coded { .. } => {
                    let utc = self.pending.pop_front();
                    let utc = utc.ok_or_else(|| Error::new(Kind::Corrupt, "an access unit of no picture"))?;
                    let file = descriptor.ok_or_else(|| Error::new(Kind::Corrupt, "an access unit without bytes"))?;
                    let data = memfd::read(file.as_fd(), ACCESS_UNIT_BYTES_MAX)
                        .map_err(|error| Error::io("taking an access unit", error))?;
                    let fresh = std::mem::take(&mut self.fresh);
                    on(Coded { utc, data, fresh })?;
                }
                FromEncoder::Taken { failed, .. } => {
                    self.waiting -= 1;
                    // Encoders that hold pictures back are not taken (`watchbook-encode`): what has not come now never comes.
                    if failed || self.pending.len() != self.waiting {
                        return Err(Error::new(Kind::Unavailable, "the encoder has refused a picture"));
                    }
                }
                FromEncoder::Begun { .. } | FromEncoder::Opened { .. } | FromEncoder::Refused { .. } => {
                    return Err(Error::new(Kind::Corrupt, "an encoder that begins again"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::double;

    #[test]
    fn children_that_only_talk_are_given_up() {
        let problem = |slot| FromDecoder::Problem { slot, sentence: "no".to_owned() };
        let of_another = FromDecoder::Taken { slot: 8, bytes: 1, failed: false };
        for word in [problem(0), problem(8), of_another, FromDecoder::Begun { missing: Vec::new() }] {
            let mut redactor = Redactor {
                decoder: double::that_says(&word, 1000),
                slot: 0,
                waiting: 1,
                fps: 1,
                encode: PathBuf::new(),
                encoder: None,
                name: String::new(),
                padded: false,
                failed: 0,
                problem: None,
                bounds: None,
                answers: Answers::new(PATIENCE),
            };
            let told = redactor.settle(&mut |_| Ok(())).map_err(|error| error.kind());
            assert_eq!(told, Err(Kind::Corrupt), "{word:?}");
        }
        let mut encoder = double::that_says(&FromEncoder::Begun { missing: Vec::new() }, 1000);
        let told = Encoding::opened(&mut encoder, PATIENCE).map_err(|error| error.kind());
        assert_eq!(told, Err(Kind::Corrupt));
    }
}
