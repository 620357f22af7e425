//! What the cameras of these tests send, and whether that is what was recorded.

use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pictures a second.
pub const FPS: u32 = 10;

/// Files of pictures, made by ffmpeg.
pub struct Footage {
    /// MJPEG.
    pub jpeg: PathBuf,
    /// H.264, each access unit behind a delimiter, parameter sets before each key frame.
    pub h264: PathBuf,
}

impl Footage {
    /// Six seconds of a moving test picture, every one of them different.
    pub fn make(dir: &Path) -> Self {
        let made = Self { jpeg: dir.join("pictures.mjpeg"), h264: dir.join("pictures.h264") };
        let x264 = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-g",
            "10",
            "-x264-params",
            "aud=1:repeat-headers=1:bframes=0",
            "-f",
            "h264",
        ];
        encode(&x264, &made.h264);
        encode(&["-c:v", "mjpeg", "-q:v", "6", "-f", "mjpeg"], &made.jpeg);
        made
    }

    /// `file` holds at least `least` access units, and they are those of the source, in its order, none left out, from any of them on.
    pub fn assert_recorded(&self, file: &Path, least: usize) {
        let stream = file.with_extension("h264");
        run(Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i"])
            .arg(file)
            .args(["-c", "copy", "-f", "h264"])
            .arg(&stream));
        let source = access_units(&std::fs::read(&self.h264).unwrap());
        let recorded = access_units(&std::fs::read(&stream).unwrap());
        assert!(recorded.len() >= least, "{} access units of at least {least}", recorded.len());
        let first =
            source.iter().position(|unit| *unit == recorded[0]).expect("the first access unit is one of the source's");
        // A machine without virtualisation may be too slow for one of them; each that is there is the source's, in its order.
        let (mut place, mut skipped) = (first, 0);
        for (at, unit) in recorded.iter().enumerate().skip(1) {
            let step = (1..=source.len()).find(|step| source[(place + step) % source.len()] == *unit);
            let step = step.unwrap_or_else(|| panic!("access unit {at} of {} is none of the source's", recorded.len()));
            (place, skipped) = (place + step, skipped + step - 1);
        }
        assert!(skipped <= recorded.len(), "{skipped} left out of {}", recorded.len());
    }
}

/// SHA-256 of the slices of each picture (NAL units of types 1 to 5, ITU-T H.264 table 7-1) in a file or a stream, in its order. What else belongs to a picture travels in packets
/// of its own over RTP, and need not be there.
pub fn slices(file: &Path) -> Vec<String> {
    let from_mp4 = file.extension().is_some_and(|ending| ending == "mp4");
    let filter = if from_mp4 { "h264_mp4toannexb,filter_units=pass_types=1-5" } else { "filter_units=pass_types=1-5" };
    let hashes = file.with_extension("hashes");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(file).args(["-c", "copy", "-bsf:v", filter]);
    run(ffmpeg.args(["-f", "framehash", "-hash", "sha256"]).arg(&hashes));
    let text = std::fs::read_to_string(hashes).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(',')?.1.trim().to_owned())).collect()
}

/// Each picture of `recorded` is one of `source`, which is shown over and over, byte for byte and in its order. How many are left out, and in how many places.
pub fn left_out(source: &[String], recorded: &[String]) -> (usize, usize) {
    let mut place =
        source.iter().position(|one| one == &recorded[0]).expect("the first picture is one of the source's");
    let (mut skipped, mut places) = (0, 0);
    for (at, picture) in recorded.iter().enumerate().skip(1) {
        let step = (1..=source.len()).find(|step| &source[(place + step) % source.len()] == picture);
        let step = step.unwrap_or_else(|| panic!("picture {at} of {} is none of the source's", recorded.len()));
        (place, skipped, places) = (place + step, skipped + step - 1, places + usize::from(step > 1));
    }
    (skipped, places)
}

/// How many pictures ffmpeg makes of `file`, damaged or not.
pub fn decoded(file: &Path) -> usize {
    let raw = file.with_extension("gray");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "fatal", "-y", "-i"]).arg(file);
    run(ffmpeg
        .args(["-fps_mode", "passthrough", "-vf", "scale=16:16", "-f", "rawvideo", "-pix_fmt", "gray"])
        .arg(&raw));
    std::fs::read(&raw).unwrap().len() / 256
}

/// ffmpeg decodes `file` to at least `least` pictures of that size, without a complaint; the left half of each is black when it is masked for good, and only then.
pub fn assert_played(file: &Path, (width, height): (usize, usize), least: usize, masked: bool) {
    let raw = file.with_extension("gray");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-xerror", "-y", "-i"]).arg(file);
    run(ffmpeg.args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray"]).arg(&raw));
    let all = std::fs::read(&raw).unwrap();
    let pictures: Vec<&[u8]> = all.chunks(width * height).collect();
    assert!(
        all.len().is_multiple_of(width * height) && pictures.len() >= least,
        "{} bytes of {width}×{height}",
        all.len()
    );
    for picture in pictures {
        // The column in which the mask ends mixes with its neighbour.
        let left = picture.chunks(width).flat_map(|row| &row[..width / 2 - 8]);
        assert_eq!(left.max().is_some_and(|brightest| *brightest < 48), masked, "the left half");
    }
}

fn encode(codec: &[&str], to: &Path) {
    let picture = format!("testsrc2=size=640x360:rate={FPS}:duration=6");
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &picture, "-pix_fmt", "yuvj420p"])
        .args(codec)
        .arg(to));
}

fn run(command: &mut Command) {
    let output = command.output().expect("ffmpeg is there");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// SHA-256 of each access unit of an Annex B stream with delimiters. Parameter sets are left out: they travel in the file's head and ffmpeg puts them back where it likes.
fn access_units(stream: &[u8]) -> Vec<String> {
    let starts: Vec<usize> = (0..stream.len()).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let mut units: Vec<Sha256> = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        let nal = &stream[start + 3..end];
        let used = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        match nal[0] & 0x1F {
            7 | 8 => {}
            kind => {
                if kind == 9 {
                    units.push(Sha256::new());
                }
                let unit = units.last_mut().expect("a stream begins with a delimiter");
                unit.update([0, 0, 1]);
                unit.update(&nal[..used]);
            }
        }
    }
    units.into_iter().map(|unit| unit.finalize().iter().map(|byte| format!("{byte:02x}")).collect()).collect()
}
