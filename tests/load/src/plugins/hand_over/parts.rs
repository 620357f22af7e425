//! What a frame's way to a plugin is made of, each part alone.

use super::super::{Line, PLANE_BYTES, Wanted, percentile_us};
use crate::error::Attempt;
use crate::{Error, Result};
use std::hint::black_box;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::Link;
use watchbook_base::memfd;
use watchbook_plugin_host::message::{FRAME_HEAD_BYTES_MAX, FrameHead};

/// The lines of this measurement.
///
/// # Errors
/// The operating system's.
pub fn run(wanted: &Wanted, plane: &[u8]) -> Result<Vec<Line>> {
    let count = wanted.size(2_000, 20);
    let line = |what: &str, us: f64| Line {
        what: format!("part of it: {what}, p50"),
        figure: format!("{us:.1} µs"),
        peer: "–".to_owned(),
        ratio: "–".to_owned(),
        bound: "–".to_owned(),
    };
    Ok(vec![
        line("a message with a descriptor, written and read by one thread", message(count)?),
        line("a thread that waits for a message wakes up and answers, half of there and back", wake_up_by_link(count)?),
        line("a thread that waits for a condition wakes up, half of there and back", wake_up_by_condition(count)?),
        line(
            "looking at the seals and the length",
            sealed(plane, count, |file, _| memfd::check(file.as_fd(), PLANE_BYTES).map(drop))?,
        ),
        line(
            "reading the plane into memory that was used before",
            sealed(plane, count, |file, old| memfd::read_at(file.as_fd(), old, 0))?,
        ),
        line("reading the plane into fresh memory", fresh(plane, wanted.size(500, 5))?),
        line("closing the last descriptor, which frees the pages", closing(plane, wanted.size(500, 5))?),
    ])
}

fn times(count: usize, mut one: impl FnMut() -> std::io::Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let began = Instant::now();
        one().attempt("measuring a part of a frame's way")?;
        times.push(began.elapsed());
    }
    Ok(percentile_us(&times, 50))
}

fn head() -> FrameHead {
    FrameHead { utc_ns: super::super::START_NS, width: 640, height: 360, masked: false, missed: 0, given_ns: 1 }
}

fn message(count: usize) -> Result<f64> {
    let (near, far) = Link::pair().attempt("making a link")?;
    let file = memfd::seal("frame", b"x").attempt("sealing a frame")?;
    times(count, || {
        let bytes = encode(&head()).map_err(std::io::Error::other)?;
        near.send(&bytes, Some(file.as_fd()))?;
        let mut buffer = [0; FRAME_HEAD_BYTES_MAX];
        let (length, _file) = far.recv(&mut buffer)?;
        black_box(decode::<FrameHead>(&buffer[..length]).map_err(std::io::Error::other)?);
        Ok(())
    })
}

fn wake_up_by_link(count: usize) -> Result<f64> {
    let (near, far) = Link::pair().attempt("making a link")?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut buffer = [0; 1];
            while far.recv(&mut buffer).is_ok() && far.send(&[1], None).is_ok() {}
        });
        let outcome = times(count, || {
            near.send(&[1], None)?;
            near.recv(&mut [0; 1]).map(drop)
        });
        drop(near);
        outcome.map(|us| us / 2.0)
    })
}

fn wake_up_by_condition(count: usize) -> Result<f64> {
    let shared = Arc::new((Mutex::new(0_usize), Condvar::new()));
    let turn = |odd: usize| {
        let (number, changed) = &*shared;
        let number = number.lock().unwrap_or_else(PoisonError::into_inner);
        let mut number =
            changed.wait_while(number, |number| *number % 2 == odd).unwrap_or_else(PoisonError::into_inner);
        *number += 1;
        changed.notify_one();
        *number
    };
    std::thread::scope(|scope| {
        scope.spawn(|| while turn(0) < 2 * count {});
        let us = times(count, || {
            turn(1);
            let (number, changed) = &*shared;
            let number = number.lock().unwrap_or_else(PoisonError::into_inner);
            drop(changed.wait_while(number, |number| *number % 2 == 1 && *number < 2 * count));
            Ok(())
        });
        us.map(|us| us / 2.0)
    })
}

/// Each time with a file that was sealed just before, as frames are: the second reading of one is twice as fast.
fn sealed(
    plane: &[u8],
    count: usize,
    one: impl Fn(&std::os::fd::OwnedFd, &mut [u8]) -> std::io::Result<()>,
) -> Result<f64> {
    let mut old = vec![1; plane.len()];
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let file = memfd::seal("frame", plane).attempt("sealing a frame")?;
        let began = Instant::now();
        one(&file, &mut old).attempt("reading a frame")?;
        times.push(began.elapsed());
    }
    Ok(percentile_us(&times, 50))
}

fn fresh(plane: &[u8], count: usize) -> Result<f64> {
    let file = memfd::seal("frame", plane).attempt("sealing a frame")?;
    // One allocation that nobody has touched: zeroed by the kernel, page by page, at the first touch.
    let mut memory = vec![0_u8; plane.len() * count];
    let mut parts = memory.chunks_exact_mut(plane.len());
    times(count, || {
        let part = parts.next().ok_or_else(|| std::io::Error::other("no memory is left"))?;
        memfd::read_at(file.as_fd(), part, 0)
    })
}

fn closing(plane: &[u8], count: usize) -> Result<f64> {
    let sealed: std::io::Result<Vec<_>> = (0..count).map(|_| memfd::seal("frame", plane)).collect();
    let mut files = sealed.attempt("sealing frames")?.into_iter();
    times(count, || {
        drop(files.next());
        Ok(())
    })
}

/// How long sealing the plane takes, each time.
///
/// # Errors
/// The operating system's.
pub fn seals(plane: &[u8], count: usize) -> Result<Vec<Duration>> {
    (0..count)
        .map(|_| {
            let began = Instant::now();
            let file = memfd::seal("frame", plane).attempt("sealing a frame")?;
            let time = began.elapsed();
            if memfd::check(file.as_fd(), plane.len()).is_ok() {
                Ok(time)
            } else {
                Err(Error("a sealed frame is not one".to_owned()))
            }
        })
        .collect()
}
