//! Real footage, decoded by ffmpeg as the recorder's analysis would give it.

use crate::{Dice, HEIGHT, WIDTH};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Pedestrians on a square: a sample of OpenCV, in the Debian package `opencv-doc`. 768 x 576 pixels, 10 frames a second, 79.5 s.
pub const SQUARE: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub struct Clip<'a> {
    /// The file.
    pub path: &'a Path,
    /// Frames a second.
    pub fps: u32,
    /// Seconds from its start; 0 is all.
    pub seconds: u32,
    /// A filter of ffmpeg before the scaling, such as a crop; empty for none.
    pub filter: &'a str,
}

/// Every frame as 640 x 360 grey pixels.
///
/// # Panics
/// When ffmpeg is missing or cannot read the file.
#[must_use]
pub fn decode(clip: Clip<'_>) -> Vec<Vec<u8>> {
    let Clip { path, fps, seconds, filter } = clip;
    assert!(path.exists(), "{} is missing; install the package opencv-doc", path.display());
    let comma = if filter.is_empty() { "" } else { "," };
    let filter = format!("{filter}{comma}scale={WIDTH}:{HEIGHT}:flags=area,fps={fps}");
    let length: Vec<String> = if seconds == 0 { vec![] } else { vec!["-t".into(), seconds.to_string()] };
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(length)
        .arg("-i")
        .arg(path)
        .args(["-an", "-vf", &filter, "-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg runs; install the package ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(WIDTH * HEIGHT).map(<[u8]>::to_vec).collect()
}

/// A clip that does not come with the sources: in the folder `$WATCHBOOK_FOOTAGE`, or in `shared/footage` beside the clone. None when it is not there: that is said
/// aloud, and noted in the file `$WATCHBOOK_NOT_TESTED`, from which `make test` says at its end what it has passed without.
///
/// # Panics
/// When that file cannot be written.
#[must_use]
pub fn outside(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = ["../shared/footage", "../../shared/footage"].map(|folder| root.join(folder));
    let folders = std::env::var_os("WATCHBOOK_FOOTAGE").map(PathBuf::from).into_iter().chain(beside);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        let why = format!("the clip {name} is not there; put it into a folder and name that in WATCHBOOK_FOOTAGE");
        eprintln!("NOT TESTED: {why}");
        if let Some(path) = std::env::var_os("WATCHBOOK_NOT_TESTED") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.and_then(|mut file| file.write_all(format!("{why}\n").as_bytes()))
                .expect("what is not tested is noted");
        }
    }
    found
}

/// A frozen picture with the noise of a sensor of `sigma` grey levels, frame after frame.
pub fn frozen(frame: &[u8], sigma: f32) -> impl Iterator<Item = Vec<u8>> {
    let (frame, mut dice) = (frame.to_vec(), Dice(1));
    std::iter::repeat_with(move || {
        let mut luma = frame.clone();
        dice.noise(&mut luma, sigma);
        luma
    })
}
