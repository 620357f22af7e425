//! Transcoders in memory: what comes is one small H.264 picture for each that is wanted.

use crate::error::Error;
use crate::ports::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use watchbook_base::Kind;
use watchbook_media::TrackFormat;

/// Parameter sets that ffmpeg's libx264 gives for 128×96 at 25 pictures a second in baseline profile, as a byte stream.
const SETS: [u8; 36] = [
    0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x0A, 0xD9, 0x02, 0x0D, 0xB0, 0x11, 0, 0, 0x03, 0, 0x01, 0, 0, 0x03, 0, 0x32, 0x0F,
    0x12, 0x26, 0x48, 0, 0, 0, 1, 0x68, 0xCB, 0x83, 0xCB, 0x20,
];

/// What a test tells them, and sees of them.
#[derive(Default)]
pub(in crate::tests) struct MemoryTranscoders {
    /// Recording is late.
    pub(in crate::tests) late: AtomicBool,
    /// No unit can be decoded.
    pub(in crate::tests) blind: AtomicBool,
    /// The next unit ends its programs.
    pub(in crate::tests) dying: AtomicBool,
    /// That run now.
    pub(in crate::tests) running: Arc<AtomicUsize>,
    /// Units that were fed.
    pub(in crate::tests) fed: Arc<AtomicUsize>,
}

struct One {
    running: Arc<AtomicUsize>,
    fed: Arc<AtomicUsize>,
    blind: bool,
    dying: bool,
    begun: bool,
    refused: u64,
}

impl Drop for One {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Transcoders for MemoryTranscoders {
    fn start(&self) -> Result<Box<dyn Transcoder>, Error> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let flag = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        let (running, fed) = (Arc::clone(&self.running), Arc::clone(&self.fed));
        let (blind, dying) = (flag(&self.blind), flag(&self.dying));
        Ok(Box::new(One { running, fed, blind, dying, begun: false, refused: 0 }))
    }

    fn recording_is_late(&self) -> bool {
        self.late.load(Ordering::SeqCst)
    }
}

impl Transcoder for One {
    fn open(&mut self, _format: &TrackFormat, _fps: u32) -> Result<(), Error> {
        self.begun = false;
        Ok(())
    }

    fn feed(&mut self, unit: CodedUnit<'_>, on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        self.fed.fetch_add(1, Ordering::SeqCst);
        if self.dying {
            return Err(Error::new(Kind::Unavailable, "watchbook-decode ended before its work was done"));
        }
        if self.blind {
            self.refused += 1;
            return Ok(());
        }
        if !unit.shown {
            return Ok(());
        }
        let slice = if self.begun { [0, 0, 0, 1, 0x41, 0x9A] } else { [0, 0, 0, 1, 0x65, 0x88] };
        let sets: &[u8] = if self.begun { &[] } else { &SETS };
        self.begun = true;
        on(Transcoded { at: unit.at, data: [sets, &slice].concat() })
    }

    fn settle(&mut self, _on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn drain(&mut self, _on: &mut OnTranscoded<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn refused(&self) -> (u64, Option<String>) {
        (self.refused, self.blind.then(|| "the decoder refuses what the camera sends".to_owned()))
    }
}
