//! One ffmpeg a camera that copies into MP4 files of 10 s: how recorders built around ffmpeg store footage.

use super::{Program, Recorder, Running, Station, on_path, read_folder};
use crate::Result;
use crate::error::Attempt;
use crate::tags::Tags;
use std::path::PathBuf;
use std::process::Command;

/// One process a camera.
pub struct Ffmpeg;

struct Copying {
    programs: Vec<Program>,
    folder: PathBuf,
}

impl Recorder for Ffmpeg {
    fn name(&self) -> String {
        "ffmpeg -c copy a camera".to_owned()
    }

    fn missing(&self) -> Option<String> {
        on_path("ffmpeg").is_none().then(|| "ffmpeg is not installed".to_owned())
    }

    fn start(&self, station: &Station) -> Result<Box<dyn Running>> {
        let folder = station.disk.join("ffmpeg");
        let mut programs = Vec::new();
        for (camera, url) in station.urls.iter().enumerate() {
            let own = folder.join(camera.to_string());
            std::fs::create_dir_all(&own).attempt("making a folder")?;
            let transport = if station.udp { "udp" } else { "tcp" };
            let mut command = Command::new("ffmpeg");
            command
                .args([
                    "-nostdin",
                    "-loglevel",
                    "error",
                    "-rtsp_transport",
                    transport,
                    "-i",
                    url,
                    "-map",
                    "0:v",
                    "-c",
                    "copy",
                ])
                .args(["-f", "segment", "-segment_time", "10", "-segment_format", "mp4", "-reset_timestamps", "1"])
                .arg(own.join("%06d.mp4"));
            programs.push(Program::start(&format!("ffmpeg-{camera}"), &mut command, &station.scratch)?);
        }
        Ok(Box::new(Copying { programs, folder }))
    }
}

impl Running for Copying {
    fn pids(&self) -> Vec<u32> {
        self.programs.iter().map(Program::id).collect()
    }

    fn finish(mut self: Box<Self>) -> Result<Tags> {
        for program in &self.programs {
            program.ask_to_end()?;
        }
        for program in &mut self.programs {
            program.wait_end()?;
        }
        read_folder(&self.folder)
    }
}
