//! `watchbook-plugins --try-models`: models from a package are read and run once where that can harm nobody. It limits itself as it is told, and only then reads.

use crate::compile;
use std::io::{Error, Result};
use std::os::fd::{AsFd, OwnedFd};
use watchbook_analysis::message::decode;
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_base::memfd;
use watchbook_confine::take_away;
use watchbook_plugin_engine::Models;
use watchbook_plugin_host::compile::{FromCompiler, ToModelTrial};
use watchbook_plugin_host::message::{SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::models::{MODELS_BYTES_MAX, ModelPart};

pub(crate) fn run() -> Result<()> {
    let link = Link::from_stdin()?;
    rustix::process::nice(compile::NICENESS)?;
    let wall = take_away(compile::NEEDS)?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let (length, bytes) = link.recv(&mut buffer)?;
    let ToModelTrial { models, limits } = decode(&buffer[..length]).map_err(Error::other)?;
    let bytes = bytes.ok_or_else(|| Error::other("no models came with the wish to try them"))?;
    compile::confine(limits, wall)?;
    let outcome = match trial(&models, &bytes) {
        Ok(()) => FromCompiler::Tried,
        Err(sentence) => FromCompiler::Refused { sentence: clipped(&sentence, SENTENCE_BYTES_MAX) },
    };
    compile::say(&link, &outcome, None)
}

fn trial(parts: &[ModelPart], bytes: &OwnedFd) -> core::result::Result<(), String> {
    let bytes = memfd::read(bytes.as_fd(), MODELS_BYTES_MAX).map_err(|error| error.to_string())?;
    Models::read(parts, &bytes).map(drop)
}
