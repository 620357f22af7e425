//! Raw pictures to H.264, in a child program: the recorder itself holds no encoder.
//!
//! One child for one stream, so that a device that makes it crash costs its own stream, and its processor time is that stream's cost. [`Encoder::offer`] never waits: a
//! child that is behind loses pictures, which are counted.

pub mod message;

use crate::Error;
use crate::child::{Child, Handler, Sender};
use crate::message::{decode, encode};
use message::{FromEncoder, Job, ToEncoder};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_base::limits::ACCESS_UNIT_BYTES_MAX;
use watchbook_base::{Kind, memfd};

/// Raw pictures on their way to the child at most: 8 MiB at 1920×1080 in two bytes a pixel.
pub const WAITING_MAX: u32 = 4;

/// What comes out.
#[derive(Clone, Debug)]
pub enum Made {
    /// One access unit as a byte stream.
    Coded {
        /// The time that its picture was offered with.
        at_us: i64,
        /// Annex B, with parameter sets before a key frame.
        data: Vec<u8>,
    },
    /// Nothing will come: no encoder, or none that takes this.
    Refused(String),
    /// The child ended and will be started again; the next picture is a key frame.
    Restarting(String),
}

/// How it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// libavcodec's name of the encoder; `None` until the child said so.
    pub encoder: Option<String>,
    /// Pictures that were encoded.
    pub pictures: u64,
    /// Processor time in ms, children that ended included.
    pub cpu_ms: u64,
}

#[derive(Default)]
struct State {
    status: Status,
    waiting: u32,
    /// Processor time of children that ended.
    cpu_before_ms: u64,
}

struct Shared {
    job: Job,
    state: Mutex<State>,
    on: Box<dyn Fn(Made) + Send + Sync>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that is encoded. Dropping it ends the child.
pub struct Encoder {
    child: Child,
    shared: Arc<Shared>,
}

impl Encoder {
    /// Starts `program` (`watchbook-encode`). `on` runs on the thread that reads the child: it must not wait.
    ///
    /// # Errors
    /// The operating system's, when it cannot be started.
    pub fn spawn(program: &Path, job: Job, on: impl Fn(Made) + Send + Sync + 'static) -> Result<Self, Error> {
        let shared = Arc::new(Shared { job, state: Mutex::default(), on: Box::new(on) });
        let child = Child::spawn(program, Arc::new(Reader(Arc::clone(&shared))))?;
        Ok(Self { child, shared })
    }

    /// Offers one picture. False when it was dropped: too many wait, or there is no child now.
    #[must_use]
    pub fn offer(&self, picture: &[u8], at_us: i64) -> bool {
        let generation = self.child.generation();
        if generation == 0 {
            return false;
        }
        {
            let mut state = self.shared.state();
            if state.waiting >= WAITING_MAX {
                return false;
            }
            state.waiting += 1;
        }
        let sent =
            memfd::seal("picture", picture).map_err(|error| Error::io("handing over a picture", error)).and_then(
                |file| self.child.try_send(generation, &encode(&ToEncoder::Picture { at_us })?, Some(file.as_fd())),
            );
        if sent.is_err() {
            let mut state = self.shared.state();
            state.waiting = state.waiting.saturating_sub(1);
        }
        sent.is_ok()
    }

    /// How it does.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.state().status.clone()
    }
}

struct Reader(Arc<Shared>);

impl Handler for Reader {
    fn started(&self, child: &Sender<'_>, _generation: u32) {
        {
            let mut state = self.0.state();
            state.waiting = 0;
            state.cpu_before_ms = state.status.cpu_ms;
        }
        let sent = encode(&ToEncoder::Open(self.0.job.clone())).and_then(|message| child.send(&message, None));
        if let Err(error) = sent {
            tracing::debug!(%error, "an encoder ended before it was told what to do");
        }
    }

    fn message(&self, payload: &[u8], descriptor: Option<OwnedFd>) -> Result<(), Error> {
        match decode(payload)? {
            FromEncoder::Begun { missing } => {
                missing.iter().for_each(|sentence| tracing::warn!(sentence, "the encoder's wall is not whole"));
            }
            FromEncoder::Opened { encoder } => self.0.state().status.encoder = Some(encoder),
            FromEncoder::Refused { sentence } => (self.0.on)(Made::Refused(sentence)),
            FromEncoder::Coded { at_us } => {
                let file = descriptor.ok_or_else(|| Error::new(Kind::Corrupt, "an access unit without bytes"))?;
                let data = memfd::read(file.as_fd(), ACCESS_UNIT_BYTES_MAX)
                    .map_err(|error| Error::io("taking an access unit", error))?;
                self.0.state().status.pictures += 1;
                (self.0.on)(Made::Coded { at_us, data });
            }
            FromEncoder::Taken { cpu_ms, failed } => {
                let mut state = self.0.state();
                state.waiting = state.waiting.saturating_sub(1);
                state.status.cpu_ms = state.cpu_before_ms.saturating_add(cpu_ms);
                if failed {
                    tracing::debug!("a picture could not be read by the encoder");
                }
            }
        }
        Ok(())
    }

    fn ended(&self, sentence: &str, again: Duration) {
        (self.0.on)(Made::Restarting(format!("{sentence}; again in {} s", again.as_secs())));
    }
}
