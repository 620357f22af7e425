//! The recorder's side: offers access units to the child, takes frames from it, counts what is lost.

use crate::child::{Child, Handler, Sender};
use crate::message::{Coding, FromDecoder, Slot, ToDecoder, decode, encode};
use crate::{Error, Output, Plan, Rate};
use std::collections::{HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::{Kind, StreamId, Ticks90k, UtcNanos, memfd};
use watchbook_media::Packet;

/// Access units of one slot that may be on their way: 2 s at 30 frames a second. More is a decoder that cannot keep up.
pub const BACKLOG_UNITS_MAX: u32 = 60;
/// Bytes of one slot on their way: 8 s of a 16 Mbit/s stream, and room for one access unit of the largest size (4 MiB) beside others.
pub const BACKLOG_BYTES_MAX: u64 = 16 << 20;
/// Access units of one slot whose media time is remembered until their picture comes: those on their way and those that a decoder holds for reordering.
const TIMES_MAX: usize = BACKLOG_UNITS_MAX as usize + 32;

/// One decoded, masked, scaled picture.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Of which stream.
    pub stream: StreamId,
    /// Which of the plan's outputs it is.
    pub output: Output,
    /// 0, 1, 2 … per opened plan and output; starts again when the stream is opened again or the child is.
    pub seq: u64,
    /// UTC of presentation.
    pub utc: UtcNanos,
    /// The same in the recording's own time, by which the picture is found again among what was stored.
    pub media: Option<Ticks90k>,
    /// Whether the plan had masks, which are burnt in.
    pub masked: bool,
    /// A sealed memory file of [`Output::frame_bytes`] bytes, checked.
    pub pixels: Arc<OwnedFd>,
}

/// What the decoder has to say. The callback runs on the thread that reads the child: it must not wait.
#[derive(Clone, Debug)]
pub enum Emitted {
    /// A picture.
    Frame(Frame),
    /// A stream gives no pictures; once per cause.
    Problem {
        /// Which stream.
        stream: StreamId,
        /// For people.
        sentence: String,
    },
    /// The child ended and will be started again.
    Restarting {
        /// How it ended.
        sentence: String,
        /// When the next one comes.
        again: Duration,
    },
}

/// Counts of one stream since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// Which stream.
    pub stream: StreamId,
    /// Access units offered that the plan asks for.
    pub offered: u64,
    /// Access units of these that were dropped: a full backlog, and what depends on a dropped one.
    pub dropped: u64,
    /// Access units that the decoder refused.
    pub failed: u64,
    /// Access units on their way; at most [`BACKLOG_UNITS_MAX`].
    pub waiting: u32,
    /// Frames received.
    pub frames: u64,
    /// Why there are no frames, if the child said so.
    pub problem: Option<String>,
}

/// The decoding child and the streams that it works on.
#[derive(Debug)]
pub struct Decoder {
    child: Child,
    slots: Arc<Slots>,
}

#[derive(Default)]
struct Slots {
    table: Mutex<Table>,
    /// What the child that runs said of its wall.
    wall: Mutex<Option<Vec<String>>>,
}

impl core::fmt::Debug for Slots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slots({})", lock(&self.table).by_number.len())
    }
}

#[derive(Default)]
struct Table {
    last: Slot,
    by_stream: HashMap<StreamId, Arc<Mutex<SlotState>>>,
    by_number: HashMap<Slot, Arc<Mutex<SlotState>>>,
}

struct SlotState {
    number: Slot,
    plan: Plan,
    status: SlotStatus,
    /// Generation of the child that knows this slot; 0 for none.
    opened_in: u32,
    /// Where each picture is a key frame, those that no output wants are not sent.
    wanted: Option<Rate>,
    /// Nothing but a key frame may be sent.
    wait_key: bool,
    /// Bytes of the access units on their way.
    waiting_bytes: u64,
    /// UTC in nanoseconds and media time of the newest access units, at most [`TIMES_MAX`].
    times: VecDeque<(i64, Ticks90k)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Decoder {
    /// Starts `program` (`watchbook-decode`) and keeps it running until the value is dropped.
    ///
    /// # Errors
    /// The operating system's, when the program cannot be started.
    pub fn spawn(program: &Path, on: impl Fn(Emitted) + Send + Sync + 'static) -> Result<Self, Error> {
        let slots = Arc::new(Slots::default());
        let reader = Reader { slots: Arc::clone(&slots), on: Box::new(on) };
        Ok(Self { child: Child::spawn(program, Arc::new(reader))?, slots })
    }

    /// Analyses `stream` by `plan` from its next key frame on. An earlier plan of the stream ends, with its counts.
    ///
    /// # Errors
    /// [`Kind::InvalidInput`] as [`Plan::check`]; the earlier plan has ended all the same, because its masks may be out of date.
    pub fn open(&self, stream: StreamId, plan: Plan) -> Result<(), Error> {
        self.close(stream);
        plan.check()?;
        let wanted = plan.format.codec.is_intra().then(|| Rate::new(plan.fps_max()));
        let mut table = lock(&self.slots.table);
        table.last += 1;
        let number = table.last;
        let state = Arc::new(Mutex::new(SlotState {
            number,
            plan,
            status: SlotStatus { stream, offered: 0, dropped: 0, failed: 0, waiting: 0, frames: 0, problem: None },
            opened_in: 0,
            wanted,
            wait_key: true,
            waiting_bytes: 0,
            times: VecDeque::new(),
        }));
        table.by_stream.insert(stream, Arc::clone(&state));
        table.by_number.insert(number, state);
        Ok(())
    }

    /// Stops analysing `stream`. Frames on their way are dropped.
    pub fn close(&self, stream: StreamId) {
        let state = {
            let mut table = lock(&self.slots.table);
            let Some(state) = table.by_stream.remove(&stream) else { return };
            let number = lock(&state).number;
            table.by_number.remove(&number);
            state
        };
        let state = lock(&state);
        if state.opened_in != 0
            && let Ok(message) = encode(&ToDecoder::Close { slot: state.number })
        {
            // When the queue is full the child keeps an idle decoder until it restarts: memory, nothing else.
            let _ = self.child.try_send(state.opened_in, &message, None);
        }
    }

    /// Offers one packet. Never waits: what cannot be taken is dropped up to the next key frame, and counted. Packets of streams that are not open,
    /// other than key frames where the plan wants these only, and pictures of Motion JPEG that no output wants, are ignored. Costs a hash look-up, and one copy into sealed memory when taken.
    pub fn offer(&self, packet: &Packet) {
        let Some(state) = lock(&self.slots.table).by_stream.get(&packet.stream).cloned() else { return };
        let mut state = lock(&state);
        if state.plan.keys_only && !packet.key {
            return;
        }
        // The child's own rates choose the same pictures of those that are left: at each of their times this one says yes, too.
        let wanted = state.wanted.clone();
        if state.wanted.as_mut().is_some_and(|rate| !rate.wants(packet.utc.0)) {
            return;
        }
        state.status.offered += 1;
        if !self.take(&mut state, packet) {
            state.status.dropped += 1;
            (state.wait_key, state.wanted) = (true, wanted);
        }
    }

    fn take(&self, state: &mut SlotState, packet: &Packet) -> bool {
        let generation = self.child.generation();
        if generation == 0 {
            return false;
        }
        if state.opened_in != generation {
            (state.wait_key, state.status.waiting, state.waiting_bytes) = (true, 0, 0);
        }
        let length = packet.data.len() as u64;
        let full = state.status.waiting >= BACKLOG_UNITS_MAX || state.waiting_bytes + length > BACKLOG_BYTES_MAX;
        if (state.wait_key && !packet.key) || full {
            return false;
        }
        if state.opened_in != generation {
            let sent = encode(&open_message(state)).and_then(|message| self.child.try_send(generation, &message, None));
            if sent.is_err() {
                return false;
            }
            state.opened_in = generation;
        }
        let message = ToDecoder::AccessUnit { slot: state.number, utc_ns: packet.utc.0, key: packet.key, fill: None };
        let sent = memfd::seal("access-unit", &packet.data)
            .map_err(|error| Error::io("handing over an access unit", error))
            .and_then(|file| self.child.try_send(generation, &encode(&message)?, Some(file.as_fd())));
        if sent.is_ok() {
            state.wait_key = false;
            state.status.waiting += 1;
            state.waiting_bytes += length;
            if state.times.len() >= TIMES_MAX {
                state.times.pop_front();
            }
            let media = packet.dts.0.saturating_add(i64::from(packet.cts_offset));
            state.times.push_back((packet.utc.0, Ticks90k(media)));
        }
        sent.is_ok()
    }

    /// Counts of every open stream.
    #[must_use]
    pub fn status(&self) -> Vec<SlotStatus> {
        let states: Vec<_> = lock(&self.slots.table).by_stream.values().cloned().collect();
        states.iter().map(|state| lock(state).status.clone()).collect()
    }

    /// What of the wall around the child this kernel cannot do, a sentence each: empty when all of it stands. `None` while there is no child that said so.
    #[must_use]
    pub fn wall(&self) -> Option<Vec<String>> {
        lock(&self.slots.wall).clone()
    }

    /// Process id of the child while it runs.
    #[must_use]
    pub fn child_id(&self) -> Option<u32> {
        self.child.id()
    }
}

fn open_message(state: &SlotState) -> ToDecoder {
    ToDecoder::Open {
        slot: state.number,
        coding: Coding::of(state.plan.format.codec),
        config: state.plan.format.config.to_vec(),
        masks: state.plan.masks.clone(),
        outputs: state.plan.outputs.clone(),
        keys_only: state.plan.keys_only,
    }
}

struct Reader {
    slots: Arc<Slots>,
    on: Box<dyn Fn(Emitted) + Send + Sync>,
}

impl Reader {
    /// The open slot with this number; `None` for one that was closed while the message was on its way.
    fn slot(&self, number: Slot) -> Option<Arc<Mutex<SlotState>>> {
        lock(&self.slots.table).by_number.get(&number).cloned()
    }

    fn frame(&self, slot: Slot, output: u8, (seq, utc_ns): (u64, i64), pixels: Option<OwnedFd>) -> Result<(), Error> {
        let Some(state) = self.slot(slot) else { return Ok(()) };
        let frame = {
            let mut state = lock(&state);
            let broken = |what: &str| Error::new(Kind::Corrupt, format!("a frame of {} {what}", state.status.stream));
            let output =
                *state.plan.outputs.get(usize::from(output)).ok_or_else(|| broken("for an output never asked for"))?;
            let pixels = pixels.ok_or_else(|| broken("without pixels"))?;
            let length = memfd::check(pixels.as_fd(), output.frame_bytes())
                .map_err(|error| Error::io(format!("taking a frame of {}", state.status.stream), error))?;
            if length != output.frame_bytes() {
                return Err(broken("that is too short"));
            }
            state.status.frames += 1;
            state.status.problem = None;
            Frame {
                stream: state.status.stream,
                output,
                seq,
                utc: UtcNanos(utc_ns),
                media: state.times.iter().find(|(utc, _)| *utc == utc_ns).map(|(_, media)| *media),
                masked: !state.plan.masks.is_empty(),
                pixels: Arc::new(pixels),
            }
        };
        (self.on)(Emitted::Frame(frame));
        Ok(())
    }
}

impl Handler for Reader {
    fn started(&self, _child: &Sender<'_>, generation: u32) {
        tracing::info!(generation, "the decoder runs");
    }

    fn message(&self, payload: &[u8], descriptor: Option<OwnedFd>) -> Result<(), Error> {
        match decode(payload)? {
            FromDecoder::Begun { missing } => {
                missing.iter().for_each(|sentence| tracing::warn!(sentence, "the decoder's wall is not whole"));
                *lock(&self.slots.wall) = Some(missing);
                Ok(())
            }
            FromDecoder::Frame { slot, output, seq, utc_ns } => self.frame(slot, output, (seq, utc_ns), descriptor),
            FromDecoder::Taken { slot, bytes, failed } => {
                if let Some(state) = self.slot(slot) {
                    let mut state = lock(&state);
                    state.status.waiting = state.status.waiting.saturating_sub(1);
                    state.waiting_bytes = state.waiting_bytes.saturating_sub(u64::from(bytes));
                    state.status.failed += u64::from(failed);
                }
                Ok(())
            }
            FromDecoder::Whole { .. } => Err(Error::new(Kind::Corrupt, "a whole picture that nobody asked for")),
            FromDecoder::Problem { slot, sentence } => {
                if let Some(state) = self.slot(slot) {
                    let stream = {
                        let mut state = lock(&state);
                        state.status.problem = Some(sentence.clone());
                        state.status.stream
                    };
                    (self.on)(Emitted::Problem { stream, sentence });
                }
                Ok(())
            }
        }
    }

    fn ended(&self, sentence: &str, again: Duration) {
        tracing::warn!(sentence, again_secs = again.as_secs(), "the decoder ended");
        *lock(&self.slots.wall) = None;
        (self.on)(Emitted::Restarting { sentence: sentence.to_owned(), again });
    }
}
