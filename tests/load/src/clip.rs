//! What the simulated cameras show: a clip that is encoded once and sent in a loop.

use crate::Result;
use crate::error::{Attempt, Error};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Frames a second of every clip.
pub const FRAMES_PER_SEC: u32 = 30;

/// Size, rate and length of a clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Mean bit rate.
    pub bits_per_sec: u32,
    /// Length in seconds; even, so that a loop is a whole number of GOPs of 2 s.
    pub seconds: u32,
}

impl Shape {
    /// What a street camera sends: 1080p30 at 4 Mbit/s. 20 s are ten GOPs and 10 MB, which all cameras share.
    pub const STREET: Self = Self { width: 1920, height: 1080, bits_per_sec: 4_000_000, seconds: 20 };
    /// A small one for trying the harness out.
    pub const SMALL: Self = Self { width: 320, height: 180, bits_per_sec: 200_000, seconds: 4 };
}

/// An encoded clip, cut into pictures.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Sequence parameter set, without start code.
    pub sps: Vec<u8>,
    /// Picture parameter set, without start code.
    pub pps: Vec<u8>,
    /// The pictures in order; the first is an IDR picture.
    pub pictures: Vec<Picture>,
}

/// One coded picture: an access unit without parameter sets.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Slices, without start codes.
    pub slices: Vec<Vec<u8>>,
    /// An IDR picture.
    pub key: bool,
}

impl Clip {
    /// The clip of `shape`, encoded by ffmpeg at the first call and kept in `cache`.
    ///
    /// # Errors
    /// ffmpeg is missing or cannot encode H.264.
    pub fn cached(shape: Shape, cache: &Path) -> Result<Self> {
        let Shape { width, height, bits_per_sec, seconds } = shape;
        let file = cache.join(format!("clip-{width}x{height}-{bits_per_sec}-{seconds}s-v1.h264"));
        if !file.exists() {
            std::fs::create_dir_all(cache).attempt(format!("making {}", cache.display()))?;
            encode(shape, &file)?;
        }
        let bytes = std::fs::read(&file).attempt(format!("reading {}", file.display()))?;
        let clip = Self::parse(&bytes)?;
        let expected = (seconds * FRAMES_PER_SEC) as usize;
        if clip.pictures.len() != expected {
            let found = clip.pictures.len();
            return Err(Error(format!("{} has {found} pictures, not {expected}; delete it", file.display())));
        }
        Ok(clip)
    }

    /// Cuts an Annex B byte stream (ISO/IEC 14496-10 Annex B) whose pictures have one or more slices. Delimiters, filler and the encoder's own
    /// messages are left out: each frame gets one message of ours.
    ///
    /// # Errors
    /// No parameter sets, or a picture before the first IDR picture.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let (mut sps, mut pps, mut pictures) = (None, None, Vec::<Picture>::new());
        for nal in nals(bytes) {
            let Some((&header, body)) = nal.split_first() else { continue };
            match header & 0x1f {
                kind @ (1 | 5) => {
                    // first_mb_in_slice is ue(v): a leading 1 bit is the value 0, so the slice begins a picture (§7.3.3).
                    if body.first().is_some_and(|byte| byte & 0x80 != 0) {
                        pictures.push(Picture { slices: Vec::new(), key: kind == 5 });
                    }
                    let picture = pictures.last_mut().attempt("finding the first slice of the clip's first picture")?;
                    picture.slices.push(nal.to_vec());
                }
                7 => sps = Some(nal.to_vec()),
                8 => pps = Some(nal.to_vec()),
                _ => {}
            }
        }
        let sps = sps.attempt("finding the clip's sequence parameter set")?;
        let pps = pps.attempt("finding the clip's picture parameter set")?;
        if !pictures.first().is_some_and(|picture| picture.key) {
            return Err(Error("the clip does not begin with an IDR picture".to_owned()));
        }
        Ok(Self { sps, pps, pictures })
    }
}

/// Where clips are kept from run to run.
#[must_use]
pub fn cache() -> PathBuf {
    let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
    std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from).join("watchbook/load")
}

/// Moving bars under noise: the noise makes the rate control reach the bit rate, as a real street does.
fn encode(shape: Shape, file: &Path) -> Result<()> {
    let Shape { width, height, bits_per_sec, seconds } = shape;
    let picture = format!("testsrc2=size={width}x{height}:rate={FRAMES_PER_SEC},noise=alls=12:allf=t,format=yuv420p");
    // A name of its own, so that two harnesses may make the same clip at once; the last one wins.
    let unfinished: PathBuf = file.with_extension(format!("{}.part", std::process::id()));
    let gop = (2 * FRAMES_PER_SEC).to_string();
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &picture, "-t", &seconds.to_string()])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-bf", "0"])
        .args(["-x264-params", "sliced-threads=0:scenecut=0:repeat-headers=1"])
        .args(["-g", &gop, "-keyint_min", &gop, "-b:v", &bits_per_sec.to_string()])
        .args(["-maxrate", &bits_per_sec.to_string(), "-bufsize", &bits_per_sec.to_string(), "-f", "h264"])
        .arg(&unfinished)
        .output()
        .attempt("running ffmpeg, which makes the clip; install it")?;
    if !output.status.success() {
        return Err(Error(format!("ffmpeg made no clip: {}", String::from_utf8_lossy(&output.stderr))));
    }
    std::fs::rename(&unfinished, file).attempt(format!("keeping {}", file.display()))
}

/// The NAL units between the start codes of an Annex B stream.
fn nals(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut zeros = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == 1 && zeros >= 2 {
            starts.push((at - zeros.min(3), at + 1));
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    let ends = starts.iter().skip(1).map(|(code, _)| *code).chain([bytes.len()]);
    starts.iter().zip(ends).filter_map(|((_, start), end)| bytes.get(*start..end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annex_b_stream_is_cut_at_its_start_codes() {
        let stream =
            [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 8, 0, 0, 1, 0x65, 0x80, 0, 0, 0, 1, 0x65, 0x40, 0, 0, 1, 0x41, 0x80];
        let clip = Clip::parse(&stream).unwrap();
        assert_eq!((clip.sps.as_slice(), clip.pps.as_slice()), (&[0x67, 9][..], &[0x68, 8][..]));
        let keys: Vec<(bool, usize)> =
            clip.pictures.iter().map(|picture| (picture.key, picture.slices.len())).collect();
        assert_eq!(keys, [(true, 2), (false, 1)]);
    }

    #[test]
    fn a_stream_without_parameter_sets_is_refused() {
        assert!(Clip::parse(&[0, 0, 1, 0x65, 0x80]).unwrap_err().to_string().contains("sequence parameter set"));
        assert!(Clip::parse(&[0, 0, 1, 0x65, 0x40]).is_err());
    }
}
