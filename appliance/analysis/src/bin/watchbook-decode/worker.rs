//! One worker: the slots that fall to it, each with its decoder, in the order of the messages.

use crate::annexb::{parameter_sets, to_start_codes};
use crate::picture::Pipeline;
use crate::whole::Whole;
use ffmpeg_next::codec::threading;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Packet, codec, decoder};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use watchbook_analysis::Rate;
use watchbook_analysis::message::{Coding, FromDecoder, Slot, ToDecoder, encode};
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;
use watchbook_base::link::Link;
use watchbook_base::memfd;

/// A message and what came beside it.
pub(crate) type Task = (ToDecoder, Option<OwnedFd>);

pub(crate) struct Worker {
    link: Arc<Link>,
    slots: HashMap<Slot, SlotDecoder>,
}

struct SlotDecoder {
    slot: Slot,
    coding: Coding,
    decoder: decoder::Video,
    parameter_sets: Vec<u8>,
    keys_only: bool,
    aim: Aim,
    last_problem: Option<String>,
}

/// What pictures are made into.
enum Aim {
    /// Masked and scaled ones, at a rate.
    Outputs(Pipeline, Vec<Due>),
    /// At their own size or within bounds, filled.
    Whole(Whole),
}

/// One output's rate limit and counter.
struct Due {
    rate: Rate,
    seq: u64,
}

impl Worker {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, slots: HashMap::new() }
    }

    /// Works until the main thread is gone. A send that fails means that the recorder is gone; the main thread notices by itself.
    pub(crate) fn run(mut self, tasks: &Receiver<Task>) {
        while let Ok((message, descriptor)) = tasks.recv() {
            match message {
                ToDecoder::Open { slot, coding, config, masks, outputs, keys_only } => {
                    let pipeline = Pipeline::new(masks, outputs.clone());
                    let outputs =
                        outputs.iter().map(|output| Due { rate: Rate::new(output.fps_max), seq: 0 }).collect();
                    self.open((slot, coding), &config, keys_only, Aim::Outputs(pipeline, outputs));
                }
                ToDecoder::OpenWhole { slot, coding, config, bounds } => {
                    self.open((slot, coding), &config, false, Aim::Whole(Whole::new(bounds)));
                }
                ToDecoder::Drain { slot } => self.drain(slot),
                ToDecoder::AccessUnit { slot, utc_ns, key, fill } => {
                    if let Some(SlotDecoder { aim: Aim::Whole(whole), .. }) = self.slots.get_mut(&slot) {
                        whole.expect(utc_ns, fill);
                    }
                    self.access_unit(slot, (utc_ns, key), descriptor);
                }
                ToDecoder::Close { slot } => {
                    self.slots.remove(&slot);
                }
            }
        }
    }

    fn open(&mut self, (slot, coding): (Slot, Coding), config: &[u8], keys_only: bool, aim: Aim) {
        match open(coding, config) {
            Ok((decoder, parameter_sets)) => {
                let last_problem = None;
                let opened = SlotDecoder { slot, coding, decoder, parameter_sets, keys_only, aim, last_problem };
                self.slots.insert(slot, opened);
            }
            Err(sentence) => self.say(&FromDecoder::Problem { slot, sentence }, None),
        }
    }

    fn drain(&mut self, slot: Slot) {
        let outcome = match self.slots.get_mut(&slot) {
            Some(decoder) => decoder.drain(&|message, file| say(&self.link, message, file)),
            None => Ok(()),
        };
        self.taken(slot, 0, outcome);
    }

    fn access_unit(&mut self, slot: Slot, (utc_ns, key): (i64, bool), descriptor: Option<OwnedFd>) {
        let unit = descriptor
            .ok_or_else(|| "no bytes came with an access unit".to_owned())
            .and_then(|file| memfd::read(file.as_fd(), ACCESS_UNIT_BYTES_MAX).map_err(|error| error.to_string()));
        let (bytes, outcome) = match (unit, self.slots.get_mut(&slot)) {
            (Ok(unit), Some(decoder)) => {
                (unit.len(), decoder.decode(unit, (utc_ns, key), &|message, file| say(&self.link, message, file)))
            }
            // The slot could not be opened, which was said then.
            (Ok(unit), None) => (unit.len(), Err(String::new())),
            (Err(sentence), _) => (0, Err(sentence)),
        };
        self.taken(slot, bytes, outcome);
    }

    /// One piece of work is done.
    fn taken(&mut self, slot: Slot, bytes: usize, outcome: Result<(), String>) {
        let failed = outcome.is_err();
        self.say(&FromDecoder::Taken { slot, bytes: u32::try_from(bytes).unwrap_or(u32::MAX), failed }, None);
        if let (Err(sentence), Some(decoder)) = (outcome, self.slots.get_mut(&slot))
            && decoder.last_problem.as_ref() != Some(&sentence)
        {
            decoder.last_problem = Some(sentence.clone());
            self.say(&FromDecoder::Problem { slot, sentence }, None);
        }
    }

    fn say(&self, message: &FromDecoder, file: Option<BorrowedFd<'_>>) {
        say(&self.link, message, file);
    }
}

fn say(link: &Link, message: &FromDecoder, file: Option<BorrowedFd<'_>>) {
    if let Ok(bytes) = encode(message) {
        // Only a dead recorder refuses, and then the main thread ends the program.
        let _ = link.send(&bytes, file);
    }
}

fn open(coding: Coding, config: &[u8]) -> Result<(decoder::Video, Vec<u8>), String> {
    let (id, name) = match coding {
        Coding::H264 => (codec::Id::H264, "H.264"),
        Coding::H265 => (codec::Id::HEVC, "H.265"),
        Coding::Mjpeg => (codec::Id::MJPEG, "JPEG"),
    };
    let sets =
        parameter_sets(coding, config).ok_or_else(|| format!("the camera's {name} parameter sets are damaged"))?;
    let codec = decoder::find(id).ok_or_else(|| format!("this libavcodec has no {name} decoder"))?;
    let mut context = codec::Context::new_with_codec(codec);
    context.set_threading(threading::Config { count: 1, ..threading::Config::default() });
    let opened = context.decoder().open_as(codec).and_then(decoder::Opened::video);
    opened.map(|decoder| (decoder, sets)).map_err(|error| format!("the {name} decoder cannot be opened: {error}"))
}

/// The time of a picture that the decoder gives. One that has none is about that of the access unit sent last, which is good enough for a plugin; a whole picture would get the black of
/// another one by it, and has no time.
fn time_of(given: Option<i64>, sent_last: i64, whole: bool) -> Option<i64> {
    given.or((!whole).then_some(sent_last))
}

type Say<'a> = &'a dyn Fn(&FromDecoder, Option<BorrowedFd<'_>>);

impl SlotDecoder {
    fn decode(&mut self, mut unit: Vec<u8>, (utc_ns, key): (i64, bool), say: Say<'_>) -> Result<(), String> {
        if self.coding != Coding::Mjpeg && !to_start_codes(&mut unit) {
            return Err("the camera sends damaged access units".to_owned());
        }
        let mut packet = if key && !self.parameter_sets.is_empty() {
            Packet::copy(&[self.parameter_sets.as_slice(), &unit].concat())
        } else {
            Packet::copy(&unit)
        };
        // The decoder gives it back with the picture, in presentation order.
        packet.set_pts(Some(utc_ns));
        let refused = |error: ffmpeg_next::Error| format!("the decoder refuses what the camera sends: {error}");
        self.decoder.send_packet(&packet).map_err(refused)?;
        if self.keys_only {
            // Without this the picture would wait for a successor that comes a GOP later.
            self.decoder.send_eof().map_err(refused)?;
        }
        let outcome = self.pictures(utc_ns, say);
        if self.keys_only {
            self.decoder.flush();
        }
        outcome
    }

    /// Gives what is held back for reordering, and is ready for a new beginning.
    fn drain(&mut self, say: Say<'_>) -> Result<(), String> {
        let ended = self.decoder.send_eof().map_err(|error| format!("the decoder does not end: {error}"));
        let outcome = ended.and_then(|()| self.pictures(0, say));
        self.decoder.flush();
        outcome
    }

    /// Hands out what the decoder has ready.
    fn pictures(&mut self, utc_ns: i64, say: Say<'_>) -> Result<(), String> {
        let mut outcome = Ok(());
        let mut decoded = Video::empty();
        while self.decoder.receive_frame(&mut decoded).is_ok() {
            let time = time_of(decoded.pts(), utc_ns, matches!(self.aim, Aim::Whole(_)));
            if let Some(utc_ns) = time.filter(|_| !decoded.is_corrupt()) {
                outcome = outcome.and(self.emit(&decoded, utc_ns, say));
            }
        }
        outcome
    }

    fn emit(&mut self, decoded: &Video, utc_ns: i64, say: Say<'_>) -> Result<(), String> {
        let (pipeline, outputs) = match &mut self.aim {
            Aim::Outputs(pipeline, outputs) => (pipeline, outputs),
            Aim::Whole(whole) => {
                let Some((bytes, (width, height))) = whole.bytes(decoded, utc_ns)? else { return Ok(()) };
                let file =
                    memfd::seal("picture", &bytes).map_err(|error| format!("no memory for a picture: {error}"))?;
                say(&FromDecoder::Whole { slot: self.slot, utc_ns, width, height }, Some(file.as_fd()));
                self.last_problem = None;
                return Ok(());
            }
        };
        let wanted: Vec<usize> =
            outputs.iter_mut().enumerate().filter_map(|(index, due)| due.rate.wants(utc_ns).then_some(index)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let prepared = pipeline.prepare(decoded)?;
        let prepared = prepared.as_ref().unwrap_or(decoded);
        for index in wanted {
            let bytes = pipeline.scale(prepared, index)?;
            let file = memfd::seal("frame", &bytes).map_err(|error| format!("no memory for a frame: {error}"))?;
            let seq = outputs[index].seq;
            outputs[index].seq += 1;
            let output = u8::try_from(index).map_err(|error| error.to_string())?;
            say(&FromDecoder::Frame { slot: self.slot, output, seq, utc_ns }, Some(file.as_fd()));
        }
        self.last_problem = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_picture_without_a_time_gets_no_other_ones() {
        assert_eq!((time_of(Some(3), 9, true), time_of(Some(3), 9, false)), (Some(3), Some(3)));
        assert_eq!(time_of(None, 9, false), Some(9), "a plugin's picture");
        assert_eq!(time_of(None, 9, true), None, "its black would be that of another picture");
    }
}
