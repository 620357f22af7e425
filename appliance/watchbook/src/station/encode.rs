//! Encoders for devices that give raw pictures: a child program for each stream.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use watchbook_analysis::Point;
use watchbook_analysis::encoder::message::{Job, Pixels};
use watchbook_analysis::encoder::{Encoder, Made};
use watchbook_capture as capture;

/// The encoders of this station: the program beside the others.
pub fn programs(program_dir: &Path) -> capture::Encoding {
    capture::Encoding::by(Arc::new(Programs(program_dir.join("watchbook-encode"))))
}

struct Programs(PathBuf);

impl capture::Encoders for Programs {
    fn open(&self, job: capture::RawJob, on: capture::OnCoded) -> Result<Box<dyn capture::Encoder>, String> {
        let pixels = Pixels::of(&job.letters).ok_or_else(|| format!("nobody here reads {}", job.letters))?;
        let corner = |&(x, y): &(f32, f32)| Point::from_fractions(f64::from(x), f64::from(y));
        let job = Job {
            pixels,
            width: job.width,
            height: job.height,
            line_bytes: job.line_bytes.max(pixels.line_bytes(job.width)),
            fps: job.fps,
            masks: job.masks.iter().map(|outline| outline.iter().map(corner).collect()).collect(),
            fast: false,
        };
        let made = move |made| {
            on(match made {
                Made::Coded { at_us, data } => capture::Coded::Unit { at_us, data },
                Made::Refused(sentence) => capture::Coded::Refused(sentence),
                Made::Restarting(sentence) => capture::Coded::Restarting(sentence),
            });
        };
        let encoder = Encoder::spawn(&self.0, job, made).map_err(|error| error.to_string())?;
        Ok(Box::new(Running(encoder)))
    }
}

struct Running(Encoder);

impl capture::Encoder for Running {
    fn offer(&mut self, picture: &[u8], at_us: i64) -> bool {
        self.0.offer(picture, at_us)
    }

    fn state(&self) -> capture::EncoderState {
        let status = self.0.status();
        capture::EncoderState { name: status.encoder, cpu_ms: status.cpu_ms, open_ms: 0 }
    }
}
