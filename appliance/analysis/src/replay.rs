//! Stored footage through a `watchbook-decode` of its own: nothing is dropped, whoever feeds it waits. For deriving an event again.

use crate::answers::Answers;
use crate::message::{Coding, FromDecoder, Slot, ToDecoder, decode, encode};
use crate::once::{Once, Stopper};
use crate::redact::ONE;
use crate::{Error, Output, Plan};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use watchbook_base::{Kind, UtcNanos, memfd};

/// Access units on their way to the child: it decodes one while the next ones are read from disk.
const UNITS_MAX: u32 = 4;
/// How long one access unit may take on a box that is busy with recording, when nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// A rate that lets every picture through: which are wanted is decided by [`crate::choice`], not by the child.
const EVERY_PICTURE: f32 = 10_000.0;

/// One access unit as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// Decoding can start here.
    pub key: bool,
    /// As [`watchbook_media::Codec`] says.
    pub data: &'a [u8],
}

/// A decoding child that is fed by hand.
#[derive(Debug)]
pub struct Replay {
    child: Once,
    slot: Slot,
    output: Option<Output>,
    waiting: u32,
    answers: Answers,
    /// Access units that the decoder refused.
    failed: u64,
    problem: Option<String>,
}

impl Replay {
    /// Starts `program` (`watchbook-decode`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn spawn(program: &Path) -> Result<Self, Error> {
        let child = Once::spawn(program, &[ONE])?;
        let answers = Answers::new(PATIENCE);
        Ok(Self { child, slot: 0, output: None, waiting: 0, answers, failed: 0, problem: None })
    }

    /// Somebody waits: no access unit may take longer.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { answers: self.answers.within(patience), ..self }
    }

    /// What ends it from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.child.stopper()
    }

    /// Access units that could not be decoded so far.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Begins a recording. The plan has one output; its rate is not kept: every picture comes.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] as [`Plan::check`], and for more than one output; else as [`Once::send`].
    pub fn open(&mut self, plan: &Plan) -> Result<(), Error> {
        plan.check()?;
        let [output] = plan.outputs[..] else {
            return Err(Error::new(Kind::InvalidInput, "footage is replayed for one size of picture at a time"));
        };
        if self.slot > 0 {
            self.child.send(&encode(&ToDecoder::Close { slot: self.slot })?, None)?;
        }
        (self.slot, self.output, self.waiting) = (self.slot + 1, Some(output), 0);
        let message = ToDecoder::Open {
            slot: self.slot,
            coding: Coding::of(plan.format.codec),
            config: plan.format.config.to_vec(),
            masks: plan.masks.clone(),
            outputs: vec![Output { fps_max: EVERY_PICTURE, ..output }],
            keys_only: plan.keys_only,
        };
        self.child.send(&encode(&message)?, None)
    }

    /// Gives it one access unit, the first of a recording a key frame, and hands the pictures that are ready to `on`, with the time of their access unit.
    /// Waits while [`UNITS_MAX`] are on their way.
    ///
    /// # Errors
    /// As [`Once::recv`]; [`Kind::Corrupt`] for a child that talks and decodes nothing; what `on` says.
    pub fn feed(&mut self, unit: Unit<'_>, on: &mut OnPicture<'_>) -> Result<(), Error> {
        let file =
            memfd::seal("access-unit", unit.data).map_err(|error| Error::io("handing over an access unit", error))?;
        let message = ToDecoder::AccessUnit { slot: self.slot, utc_ns: unit.utc.0, key: unit.key, fill: None };
        self.child.send(&encode(&message)?, Some(file.as_fd()))?;
        self.waiting += 1;
        self.answers.asked();
        while self.waiting >= UNITS_MAX {
            self.hear(on)?;
        }
        Ok(())
    }

    /// Waits for what is on its way. Pictures that the decoder holds for reordering come with later access units only.
    ///
    /// # Errors
    /// As [`Replay::feed`].
    pub fn settle(&mut self, on: &mut OnPicture<'_>) -> Result<(), Error> {
        while self.waiting > 0 {
            self.hear(on)?;
        }
        Ok(())
    }

    /// Why nothing could be decoded, if so.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    fn hear(&mut self, on: &mut OnPicture<'_>) -> Result<(), Error> {
        let slot_now = self.slot;
        let (payload, descriptor) = self.child.answer(&self.answers)?;
        match decode(payload)? {
            FromDecoder::Taken { slot, failed, .. } if slot == slot_now => {
                self.waiting = self.waiting.saturating_sub(1);
                self.answers.taken();
                self.failed += u64::from(failed);
            }
            FromDecoder::Frame { slot, utc_ns, .. } if slot == slot_now => {
                self.answers.picture()?;
                let bytes = self.output.map_or(0, |output| output.frame_bytes());
                let pixels = descriptor.ok_or_else(|| Error::new(Kind::Corrupt, "a picture without pixels"))?;
                let length =
                    memfd::check(pixels.as_fd(), bytes).map_err(|error| Error::io("taking a picture", error))?;
                if length != bytes {
                    return Err(Error::new(Kind::Corrupt, "a picture that is too short"));
                }
                on(UtcNanos(utc_ns), pixels)?;
                self.answers.shown();
            }
            FromDecoder::Problem { slot, sentence } if slot == slot_now => {
                self.problem = Some(sentence);
                self.answers.idle()?;
            }
            // Of a recording that is over; and what the wall lacks, which the decoder of the cameras says too.
            FromDecoder::Taken { .. }
            | FromDecoder::Frame { .. }
            | FromDecoder::Whole { .. }
            | FromDecoder::Problem { .. }
            | FromDecoder::Begun { .. } => self.answers.idle()?,
        }
        Ok(())
    }
}

/// Takes a picture: UTC of its access unit, and its bytes in sealed memory, checked.
pub type OnPicture<'a> = dyn FnMut(UtcNanos, OwnedFd) -> Result<(), Error> + 'a;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::once::double;

    #[test]
    fn a_child_that_only_talks_is_given_up() {
        let problem = |slot| FromDecoder::Problem { slot, sentence: "no".to_owned() };
        let of_another = FromDecoder::Taken { slot: 8, bytes: 1, failed: false };
        for word in [problem(0), problem(8), of_another, FromDecoder::Begun { missing: Vec::new() }] {
            let (child, answers) = (double::that_says(&word, 1000), Answers::new(PATIENCE));
            let mut replay = Replay { child, slot: 0, output: None, waiting: 0, answers, failed: 0, problem: None };
            let unit = Unit { utc: UtcNanos(0), key: true, data: b"x" };
            replay.feed(unit, &mut |_, _| Ok(())).unwrap();
            let told = replay.settle(&mut |_, _| Ok(())).map_err(|error| error.kind());
            assert_eq!(told, Err(Kind::Corrupt), "{word:?}");
        }
    }
}
