//! What independent programs say about a file.

use std::path::Path;
use std::process::Command;

/// What ffprobe found in the first video track.
#[derive(Debug, PartialEq)]
pub struct Probe {
    /// Frames that were read.
    pub frames: u64,
    /// Length of the file in seconds.
    pub seconds: f64,
    /// `h264`, `hevc`.
    pub codec: String,
    /// Picture width.
    pub width: u64,
}

/// Reads every packet with ffprobe.
///
/// # Panics
/// When ffprobe cannot make sense of the file.
pub fn probe(file: &Path) -> Probe {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-select_streams", "v:0", "-of", "json"])
        .args(["-show_entries", "stream=codec_name,width,nb_read_packets:format=duration"])
        .arg(file)
        .output()
        .expect("ffprobe is installed by the set-up");
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffprobe {}: {complaint}", file.display());
    let json: serde_json::Value = serde_json::from_str(&text).expect("ffprobe prints JSON");
    let number = |value: &serde_json::Value| value.as_str().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    let stream = &json["streams"][0];
    Probe {
        frames: stream["nb_read_packets"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0),
        seconds: number(&json["format"]["duration"]),
        codec: stream["codec_name"].as_str().unwrap_or_default().to_owned(),
        width: stream["width"].as_u64().unwrap_or(0),
    }
}

/// Decodes everything and returns what libavcodec complained about: empty when every picture is whole.
///
/// # Panics
/// When ffmpeg cannot be started.
pub fn decode_complaints(file: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        // Times as they are in the file: rounded to pictures a second, two that came close to each other would count as one.
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed by the set-up");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Size, times and SHA-256 of each packet, and what a decoder is told first, as ffmpeg reads them: equal for two files that hold the same samples, however they are cut into fragments.
///
/// # Panics
/// When ffmpeg cannot make sense of the file.
pub fn packets(file: &Path) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-map", "0", "-c", "copy", "-f", "framehash", "-hash", "sha256", "-"])
        .output()
        .expect("ffmpeg is installed by the set-up");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "ffmpeg {}: {complaint}", file.display());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| !line.starts_with("#software")).map(str::to_owned).collect()
}
