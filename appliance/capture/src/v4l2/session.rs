//! One session with a device: a thread that waits for its pictures, because the device is a file that blocks.

use super::outlet::{Outlet, Shared};
use super::units::Units;
use super::{Choice, Coding, DeviceName, choose, device_failure, find, formats};
use crate::config::SessionConfig;
use crate::encode::{Coded, Encoder, EncoderState, Encoding, Masks, RawJob};
use crate::failure::Failure;
use crate::rtsp::{ANSWER, Item};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use v4l::buffer::{Flags, Metadata, Type};
use v4l::io::mmap::Stream;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};
use watchbook_base::limits::PICTURE_SIDE_PX_MAX;
use watchbook_base::{Clock as _, clock::SystemClock};
use watchbook_media::h26x::Standard;

/// Pictures that the thread is ahead of the recorder's task at most: a quarter of a second at 60 a second. What comes then is dropped and counted.
const QUEUE: usize = 16;
/// Buffers that the driver fills: at 30 pictures a second it may be left alone for a quarter of a second.
const BUFFERS: u32 = 8;
/// How often the thread looks whether it is still wanted.
const LOOK_MS: i32 = 250;
/// `POLLIN` of `poll(2)`.
const READABLE: i16 = 1;

/// A device that streams.
pub(crate) struct Session {
    items: mpsc::Receiver<Item>,
    shared: Arc<Shared>,
    identity: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Session {
    /// Finds the device, sets its format and starts it. `turn` is held until its thread has let the device go.
    ///
    /// # Errors
    /// The reason and sentences for it; bounded by twice [`ANSWER`].
    pub(crate) async fn open(config: &SessionConfig, name: DeviceName, turn: &Arc<Semaphore>) -> Result<Self, Failure> {
        let identity = config.source.url.host_port();
        let late = |what: &str| Failure::no_answer(&identity, what, ANSWER.as_secs());
        let turn = tokio::time::timeout(ANSWER, Arc::clone(turn).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(|| late("the end of its last session"))?;
        let shared = Arc::new(Shared::default());
        let (ready, started) = oneshot::channel();
        let (to, items) = mpsc::channel(QUEUE);
        let (encoding, masks) = (config.encoding.clone(), config.masks.clone());
        let work = Work { name, to, shared: Arc::clone(&shared), turn, encoding, masks };
        let session = Self { items, shared, identity: identity.clone() };
        let spawned = std::thread::Builder::new().name("v4l2".to_owned()).spawn(move || work.run(ready));
        spawned.map_err(|error| device_failure(&identity, "read on a thread of its own", &error))?;
        match tokio::time::timeout(ANSWER, started).await {
            Ok(Ok(opened)) => opened.map(|()| session),
            // The thread is gone without a word: it panicked.
            Ok(Err(_)) => Err(session.over()),
            Err(_) => Err(late("the start of its stream")),
        }
    }

    /// The next item. Cancelling it loses nothing.
    ///
    /// # Errors
    /// The session is over.
    pub(crate) async fn next(&mut self) -> Result<Item, Failure> {
        self.items.recv().await.ok_or_else(|| self.over())
    }

    /// Who encodes it, when the device does not.
    pub(crate) fn encoder(&self) -> Option<EncoderState> {
        self.shared.encoder()
    }

    fn over(&self) -> Failure {
        self.shared.failure().unwrap_or_else(|| {
            Failure::unusable(
                format!("What the camera {} says makes the reader fail.", self.identity),
                "Report the camera's model; recording goes on when it becomes readable.",
            )
        })
    }
}

struct Work {
    name: DeviceName,
    to: mpsc::Sender<Item>,
    shared: Arc<Shared>,
    turn: OwnedSemaphorePermit,
    encoding: Encoding,
    masks: Masks,
}

impl Work {
    fn run(self, ready: oneshot::Sender<Result<(), Failure>>) {
        let node = match find(&self.name.identity) {
            Ok(node) => node,
            Err(failure) => {
                let _ = ready.send(Err(failure));
                return;
            }
        };
        let (mut fails, mut stream) = (true, None);
        match Source::open(&self, node.device()) {
            Ok(mut source) => {
                // Nobody waits any more when the answer came too late; the first look at `ended` sees it.
                let _ = ready.send(Ok(()));
                let failed = self.read(&mut source);
                fails = failed.is_some();
                self.shared.fail(failed);
                stream = Some(source.stream);
            }
            Err(failure) => drop(ready.send(Err(failure))),
        }
        let Self { to, turn, .. } = self;
        // Here the task learns that it is over. What follows is between this thread and the kernel.
        drop(to);
        drop(stream);
        if fails && node.doubt() {
            // Nobody can have this node again; when the device comes back it has another.
            drop(turn);
            drop(node);
        } else {
            // Only when the device is closed may the next session have it.
            drop(node);
            drop(turn);
        }
    }

    /// Until the device fails, or the session is dropped (`None`).
    fn read(&self, source: &mut Source) -> Option<Failure> {
        let opened = Instant::now();
        while !self.shared.is_ended() {
            if let Err(error) = source.step() {
                return Some(device_failure(&self.name.identity, "read", &error));
            }
            if let Some(encoder) = &source.encoder {
                let open_ms = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.shared.tell_encoder(EncoderState { open_ms, ..encoder.state() });
            }
        }
        None
    }

    /// Starts the encoder of a device that gives raw pictures.
    fn encoder(&self, job: RawJob, outlet: &Arc<Mutex<Outlet>>) -> Result<Box<dyn Encoder>, Failure> {
        let identity = self.name.identity.clone();
        let refused = move |why: &str| {
            Failure::unusable(
                format!("The pictures of the camera {identity} cannot be encoded: {why}."),
                "Install libavcodec with libx264 or libopenh264, or choose a format of the camera that is stored as it is.",
            )
        };
        let Some(encoders) = self.encoding.get() else { return Err(refused("this station has no encoder")) };
        let (outlet, shared, why) = (Arc::clone(outlet), Arc::clone(&self.shared), refused.clone());
        let on = Box::new(move |coded| match coded {
            Coded::Unit { at_us, data } => lock(&outlet).take(&data, at_us, 0),
            Coded::Restarting(sentence) => lock(&outlet).give(Item::Damaged(sentence)),
            Coded::Refused(sentence) => {
                shared.fail(Some(why(&sentence)));
                shared.end();
            }
        });
        encoders.open(job, on).map_err(|sentence| refused(&sentence))
    }
}

fn lock(outlet: &Mutex<Outlet>) -> MutexGuard<'_, Outlet> {
    outlet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream that is let go without a panic. The crate's own end of it panics when the device does not let go (`VIDIOC_STREAMOFF` answers EBUSY while another program has priority), and once more for
/// the buffers: the second panic would end the program.
struct Mapped(Option<Stream<'static>>);

impl Mapped {
    fn stream(&mut self) -> io::Result<&mut Stream<'static>> {
        self.0.as_mut().ok_or_else(|| io::Error::other("its stream is over"))
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        let Some(mut stream) = self.0.take() else { return };
        match stream.stop() {
            Err(error) if error.raw_os_error() != Some(NO_DEVICE) => {
                tracing::error!(%error, "a camera does not let its stream go; it and its buffers are given up until the next start");
                // Its buffers stay mapped: another session finds the device in use.
                core::mem::forget(stream);
            }
            _ => drop(stream),
        }
    }
}

/// `ENODEV`: it was unplugged.
const NO_DEVICE: i32 = 19;

/// A device that gives buffers.
struct Source {
    stream: Mapped,
    outlet: Arc<Mutex<Outlet>>,
    /// For what the device does not code itself.
    encoder: Option<Box<dyn Encoder>>,
    /// Number of the newest buffer.
    sequence: Option<u32>,
    /// When the newest picture was taken, in microseconds.
    newest_us: Option<i64>,
}

impl Source {
    fn open(work: &Work, device: &Device) -> Result<Self, Failure> {
        let (name, identity) = (&work.name, &work.name.identity);
        let choice = choose(identity, &formats(device), name)?;
        let set = set_format(device, &choice)
            .map_err(|error| device_failure(identity, &format!("set to {}", choice.letters), &error))?;
        if let Some(fps) = name.fps {
            // Many devices have one rate only and refuse to be asked.
            if let Err(error) = device.set_params(&Parameters::with_fps(fps)) {
                tracing::debug!(camera = %identity, fps, %error, "the rate cannot be set");
            }
        }
        let units = match choice.coding {
            Coding::H265 => Units::new(Standard::H265),
            Coding::Jpeg if !choice.encode => Units::jpeg(),
            _ => Units::new(Standard::H264),
        };
        let outlet = Arc::new(Mutex::new(Outlet::new(units, work.to.clone())));
        let encoder = if !choice.encode {
            None
        } else {
            let fps = name.fps.unwrap_or_else(|| rate_of(device));
            let job = RawJob {
                letters: choice.letters.clone(),
                width: set.width,
                height: set.height,
                line_bytes: set.stride,
                fps,
                masks: work.masks.clone(),
            };
            Some(work.encoder(job, &outlet)?)
        };
        let failed = |error: io::Error| device_failure(identity, "started", &error);
        let stream = Stream::with_buffers(device, Type::VideoCapture, BUFFERS).map_err(failed)?;
        let mut mapped = Mapped(Some(stream));
        let stream = mapped.stream().map_err(failed)?;
        // `next` queues the buffer that it lent last, buffer 0 at first, before it takes another: all the others are queued here. A driver may give fewer than asked.
        let others = (1..BUFFERS as usize).take_while(|index| CaptureStream::queue(stream, *index).is_ok()).count();
        if others == 0 {
            return Err(failed(io::Error::other("it has one buffer only")));
        }
        stream.start().map_err(failed)?;
        Ok(Self { stream: mapped, outlet, encoder, sequence: None, newest_us: None })
    }

    /// Hands the next picture on, or sees that none came within [`LOOK_MS`].
    fn step(&mut self) -> io::Result<()> {
        let stream = self.stream.stream()?;
        match stream.handle().poll(READABLE, LOOK_MS) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let (buffer, meta) = stream.next()?;
        let missing = self.sequence.replace(meta.sequence).map_or(0, |before| missing(before, meta.sequence));
        let mut outlet = lock(&self.outlet);
        if meta.flags.contains(Flags::ERROR) {
            outlet.lose(missing);
            outlet.give(Item::Damaged("the device marks a picture as damaged".to_owned()));
            return Ok(());
        }
        let used = usize::try_from(meta.bytesused).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get(..used).unwrap_or_default();
        let at_us = after(&mut self.newest_us, taken_us(meta));
        match &mut self.encoder {
            None => outlet.take(buffer, at_us, missing),
            Some(encoder) => {
                outlet.lose(missing);
                // Its answer comes on a thread that needs the outlet.
                drop(outlet);
                if !encoder.offer(buffer, at_us) {
                    lock(&self.outlet).lose(1);
                }
            }
        }
        Ok(())
    }
}

/// Pictures a second that a device does by itself; 30 when it does not say.
fn rate_of(device: &Device) -> u32 {
    let interval = device.params().map(|parameters| parameters.interval);
    let rate = interval.ok().filter(|each| each.numerator > 0).map(|each| each.denominator / each.numerator);
    rate.filter(|rate| (1..=240).contains(rate)).unwrap_or(30)
}

fn set_format(device: &Device, choice: &Choice) -> io::Result<Format> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    let (letters, (width, height)) = (&choice.letters, choice.size);
    let fourcc = <[u8; 4]>::try_from(letters.as_bytes()).map_err(|_| wrong(format!("{letters} is no format")))?;
    let set = device.set_format(&Format::new(width, height, FourCC::new(&fourcc)))?;
    // A driver answers with what it does instead of what it cannot do.
    if set.fourcc.repr != fourcc {
        return Err(wrong(format!("it gives {} instead", set.fourcc)));
    }
    if ![set.width, set.height].iter().all(|side| (1..=PICTURE_SIDE_PX_MAX).contains(side)) {
        return Err(wrong(format!("it gives pictures of {}×{}", set.width, set.height)));
    }
    Ok(set)
}

/// Pictures between two numbers; a driver that does not count, or starts anew, misses none.
fn missing(before: u32, now: u32) -> u16 {
    let between = now.wrapping_sub(before).saturating_sub(1);
    if between > 10_000 { 0 } else { u16::try_from(between).unwrap_or(u16::MAX) }
}

/// When the picture was taken, in microseconds of `CLOCK_MONOTONIC`: as the driver says it, else when it was given out.
fn taken_us(meta: &Metadata) -> i64 {
    let now_us = i64::try_from(SystemClock.mono().0 / 1_000).unwrap_or(i64::MAX);
    let told_us = meta.timestamp.sec.saturating_mul(1_000_000).saturating_add(meta.timestamp.usec);
    let late_us = now_us.saturating_sub(told_us);
    let monotonic = meta.flags & Flags::TIMESTAMP_MASK == Flags::TIMESTAMP_MONOTONIC;
    let sane = (0..i64::try_from(LATE_MAX.as_micros()).unwrap_or(i64::MAX)).contains(&late_us);
    if monotonic && sane { told_us } else { now_us }
}

/// Times of pictures rise: one that was taken at `told_us`, but not after the picture before, is [`APART_US`] behind that. A driver may tell a time that goes back; and the time at which a picture came
/// stands for one that cannot be, after which a right one may lie before it.
fn after(newest_us: &mut Option<i64>, told_us: i64) -> i64 {
    let at_us = newest_us.map_or(told_us, |newest| told_us.max(newest.saturating_add(APART_US)));
    *newest_us = Some(at_us);
    at_us
}

/// A tick of 1/90,000 s, which recordings count in, rounded up.
const APART_US: i64 = 12;

/// A picture that is said to be older has a wrong time: buffers for this long do not exist.
const LATE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_pictures_are_counted_by_their_numbers() {
        assert_eq!((missing(4, 5), missing(4, 8), missing(u32::MAX, 0)), (0, 3, 0));
        assert_eq!((missing(5, 5), missing(900, 0)), (0, 0), "no number, or a new row of them");
    }

    #[test]
    fn times_of_pictures_rise_whatever_a_driver_tells() {
        let mut newest = None;
        let told = [1_000_000, 1_033_333, 1_033_333, 900_000, 1_033_340, 1_066_666, i64::MAX, 7];
        let taken = told.map(|us| after(&mut newest, us));
        assert_eq!(taken[..6], [1_000_000, 1_033_333, 1_033_345, 1_033_357, 1_033_369, 1_066_666]);
        assert_eq!(taken[6..], [i64::MAX, i64::MAX], "the end of time is no overflow");
    }

    #[test]
    fn a_time_that_cannot_be_is_not_believed() {
        let now = SystemClock.mono().0 / 1_000;
        let told = |us: i64, flags| {
            let timestamp = v4l::Timestamp::new(us / 1_000_000, us % 1_000_000);
            taken_us(&Metadata { timestamp, flags, ..Metadata::default() })
        };
        let now = i64::try_from(now).unwrap();
        assert_eq!(told(now - 40_000, Flags::TIMESTAMP_MONOTONIC), now - 40_000);
        for (us, flags) in [
            (now - 40_000, Flags::TIMESTAMP_COPY),
            (now - 9_000_000, Flags::TIMESTAMP_MONOTONIC),
            (now + 9_000_000, Flags::TIMESTAMP_MONOTONIC),
            (i64::MAX / 1_000_000, Flags::TIMESTAMP_MONOTONIC),
        ] {
            assert!((now..now + 2_000_000).contains(&told(us, flags)), "{us}");
        }
    }
}
