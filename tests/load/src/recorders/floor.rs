//! The floor: receive what a camera sends and write it to a file, nothing else. No recorder can cost less with the same system calls.
//!
//! It runs as a program of its own (`watchbook-load floor`), so that it is measured like the others.

use super::{Program, Recorder, Running, Station, read_folder};
use crate::error::Attempt;
use crate::tags::Tags;
use crate::{Error, Result};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A frame of 17 kB, even a key frame, comes in one read.
const READ_BYTES: usize = 256 << 10;
/// An answer to `SETUP` or `PLAY` has a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The program that holds [`record`].
pub struct Floor {
    /// `watchbook-load`.
    pub program: PathBuf,
}

struct Receiving {
    program: Program,
    folder: PathBuf,
}

impl Recorder for Floor {
    fn name(&self) -> String {
        "floor: receive and write".to_owned()
    }

    fn missing(&self) -> Option<String> {
        (!self.program.is_file()).then(|| format!("{} is not built", self.program.display()))
    }

    fn start(&self, station: &Station) -> Result<Box<dyn Running>> {
        if station.udp {
            return Err(Error("the floor speaks TCP only".to_owned()));
        }
        let folder = station.disk.join("floor");
        std::fs::create_dir_all(&folder).attempt("making a folder")?;
        let mut command = Command::new(&self.program);
        command.arg("floor").arg(&folder).args(&station.urls);
        let program = Program::start("floor", &mut command, &station.scratch)?;
        Ok(Box::new(Receiving { program, folder }))
    }
}

impl Running for Receiving {
    fn pids(&self) -> Vec<u32> {
        vec![self.program.id()]
    }

    fn finish(mut self: Box<Self>) -> Result<Tags> {
        self.program.terminate()?;
        read_folder(&self.folder)
    }
}

/// Receives from `urls` into one file each below `folder` until it is killed.
///
/// # Errors
/// No runtime; a camera that goes away is reported and left.
pub fn record(folder: &Path, urls: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().attempt("starting")?;
    runtime.block_on(async {
        let mut sessions = tokio::task::JoinSet::new();
        for (camera, url) in urls.iter().enumerate() {
            sessions.spawn(receive(url.clone(), folder.join(format!("{camera}.rtp"))));
        }
        while let Some(ended) = sessions.join_next().await {
            if let Ok(Err(error)) = ended {
                eprintln!("floor: {error}");
            }
        }
    });
    Ok(())
}

async fn receive(url: String, file: PathBuf) -> Result<()> {
    let host = url.trim_start_matches("rtsp://").split('/').next().unwrap_or_default();
    let mut stream = TcpStream::connect(host).await.attempt(format!("calling {host}"))?;
    let mut file = File::create(&file).attempt(format!("making {}", file.display()))?;
    let setup =
        format!("SETUP {url}/track RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n");
    let play = format!("PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: 1\r\n\r\n");
    for request in [setup, play] {
        stream.write_all(request.as_bytes()).await.attempt(format!("asking {url}"))?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < ANSWER_BYTES_MAX {
            answer.push(stream.read_u8().await.attempt(format!("hearing {url}"))?);
        }
    }
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer).await.attempt(format!("receiving from {url}"))?;
        if count == 0 {
            return Err(Error(format!("{url} hung up")));
        }
        file.write_all(&buffer[..count]).attempt("writing")?;
    }
}
