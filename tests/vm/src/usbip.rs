//! A USB device as a process: the kernel's virtual host controller sends its requests over a socket (`Documentation/usb/usbip_protocol.rst` of the kernel).

use crate::uvc::{self, Answer, Camera};
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes before a request and before an answer.
const HEAD_BYTES: usize = 48;
/// Bytes that the host may send along: the stream negotiation has 34.
const OUT_BYTES_MAX: usize = 4096;
/// `EPIPE`: a stalled endpoint. `ECONNRESET`: a request that was taken back.
const STALLED: i32 = -32;
const TAKEN_BACK: i32 = -104;

/// What the host is to get: for each format its pictures, over and over.
pub struct Pictures {
    /// MJPEG, one JPEG each.
    pub jpeg: Vec<Vec<u8>>,
    /// H.264, one access unit each, the first a key frame.
    pub h264: Vec<Vec<u8>>,
}

/// A request for pictures that waits for one.
struct Wanted {
    number: u32,
    len: usize,
}

#[derive(Default)]
struct State {
    wanted: VecDeque<Wanted>,
    /// Format and generation of the stream; another generation starts with the first picture.
    stream: Option<(u8, u64)>,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Answers of both threads go out whole.
    out: Mutex<UnixStream>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, number: u32, status: i32, data: &[u8], sent: usize) -> io::Result<()> {
        let mut all = Vec::with_capacity(HEAD_BYTES + data.len());
        all.extend(3_u32.to_be_bytes());
        all.extend(number.to_be_bytes());
        all.extend([0; 12]);
        all.extend(status.to_be_bytes());
        all.extend(u32::try_from(sent).unwrap_or(0).to_be_bytes());
        all.resize(HEAD_BYTES, 0);
        all.extend(data);
        self.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&all)
    }
}

/// Plugs `camera` into a port of the virtual host controller and serves it until the machine takes it away. Ending the process pulls it out.
///
/// # Errors
/// When there is no such controller, or its port is taken.
pub fn plug_in(camera: Camera, pictures: Pictures, port: u32) -> io::Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let attach = Path::new("/sys/devices/platform/vhci_hcd.0/attach");
    // Port, socket, device (bus 1, device 2), high speed.
    std::fs::write(attach, format!("{port} {} {} 3", theirs.as_raw_fd(), 0x1_0002))?;
    drop(theirs);
    let fps = camera.fps;
    let out = Mutex::new(ours.try_clone()?);
    let shared = Arc::new(Shared { state: Mutex::new(State::default()), changed: Condvar::new(), out });
    let sender = Arc::clone(&shared);
    let sending = std::thread::spawn(move || send(&sender, &pictures, fps));
    let served = serve(&shared, camera, ours);
    shared.state().closed = true;
    shared.changed.notify_all();
    drop(sending.join());
    served
}

fn serve(shared: &Shared, mut camera: Camera, mut from: UnixStream) -> io::Result<()> {
    loop {
        let mut head = [0; HEAD_BYTES];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (command, number, to_host, endpoint) = (word(0), word(4), word(12) == 1, word(16));
        if command == 2 {
            take_back(shared, number, word(20))?;
            continue;
        }
        let len = usize::try_from(word(24)).unwrap_or(usize::MAX);
        let mut data = vec![0; if to_host { 0 } else { len.min(OUT_BYTES_MAX) }];
        from.read_exact(&mut data)?;
        if endpoint == u32::from(uvc::ENDPOINT) {
            shared.state().wanted.push_back(Wanted { number, len });
            shared.changed.notify_all();
            continue;
        }
        let mut setup = [0; 8];
        setup.copy_from_slice(&head[40..48]);
        match camera.request(setup, &data) {
            Answer::Bytes(mut bytes) => {
                bytes.truncate(len);
                let sent = if to_host { bytes.len() } else { data.len() };
                shared.answer(number, 0, if to_host { &bytes } else { &[] }, sent)?;
            }
            Answer::Start(format) => {
                let mut state = shared.state();
                let generation = state.stream.map_or(1, |(_, generation)| generation + 1);
                state.stream = Some((format, generation));
                drop(state);
                shared.answer(number, 0, &[], data.len())?;
                shared.changed.notify_all();
            }
            Answer::Stall => shared.answer(number, STALLED, &[], 0)?,
        }
    }
}

fn take_back(shared: &Shared, number: u32, unwanted: u32) -> io::Result<()> {
    let mut state = shared.state();
    let before = state.wanted.len();
    state.wanted.retain(|wanted| wanted.number != unwanted);
    let status = if state.wanted.len() < before { TAKEN_BACK } else { 0 };
    drop(state);
    let mut all = [0; HEAD_BYTES];
    all[..4].copy_from_slice(&4_u32.to_be_bytes());
    all[4..8].copy_from_slice(&number.to_be_bytes());
    all[20..24].copy_from_slice(&status.to_be_bytes());
    shared.out.lock().unwrap_or_else(PoisonError::into_inner).write_all(&all)
}

/// Sends picture after picture of the stream that is agreed on, at its rate.
fn send(shared: &Shared, pictures: &Pictures, fps: u32) {
    let step = Duration::from_secs(1) / fps;
    let (mut generation, mut number, mut next) = (0, 0_u64, Instant::now());
    loop {
        let (format, now_generation) = match wait_turn(shared, next) {
            Some(stream) => stream,
            None => return,
        };
        if now_generation != generation {
            (generation, number) = (now_generation, 0);
        }
        let list = if format == 1 { &pictures.jpeg } else { &pictures.h264 };
        let index = usize::try_from(number).unwrap_or(0) % list.len();
        if !send_one(shared, &uvc::payload(number, &list[index]), generation) {
            continue;
        }
        number += 1;
        next = (next + step).max(Instant::now());
    }
}

/// Until it is time and somebody wants a picture; `None` when the device is gone.
fn wait_turn(shared: &Shared, next: Instant) -> Option<(u8, u64)> {
    let mut state = shared.state();
    loop {
        if state.closed {
            return None;
        }
        let left = next.saturating_duration_since(Instant::now());
        match state.stream {
            Some(stream) if left.is_zero() && !state.wanted.is_empty() => return Some(stream),
            Some(_) if !left.is_zero() => {
                state =
                    shared.changed.wait_timeout(state, left).map_or_else(|error| error.into_inner().0, |woken| woken.0);
            }
            _ => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// One picture over as many requests as it takes, ended by a short one. False when the stream was started anew meanwhile.
fn send_one(shared: &Shared, payload: &[u8], generation: u64) -> bool {
    let mut rest = payload;
    loop {
        let mut state = shared.state();
        let wanted = loop {
            if state.closed || state.stream.is_none_or(|(_, now)| now != generation) {
                return false;
            }
            match state.wanted.pop_front() {
                Some(wanted) => break wanted,
                None => state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        let (part, left) = rest.split_at(rest.len().min(wanted.len));
        if shared.answer(wanted.number, 0, part, part.len()).is_err() {
            return false;
        }
        rest = left;
        if part.len() < wanted.len {
            return true;
        }
    }
}
