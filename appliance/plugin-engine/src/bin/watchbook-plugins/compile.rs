//! `watchbook-plugins --compile`: a component in, its machine code out, once. It says what engine it has, limits itself as it is told, and only then reads.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_base::memfd;
use watchbook_confine::{Needs, Wall, only_known_calls, take_away};
use watchbook_plugin_engine::{Failure, Machine, Settings, World};
use watchbook_plugin_host::compile::{ARTEFACT_BYTES_MAX, CompileLimits, FromCompiler, ToCompiler};
use watchbook_plugin_host::message::{SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::package::COMPONENT_BYTES_MAX;

/// Compiling gives way to recording (`nice(2)`), less than plugins do: it is bounded, and until it is done the plugin sees nothing. Beside one busy thread a
/// core it gets a quarter of that core.
pub(crate) const NICENESS: i32 = 5;
/// It makes machine code and runs none. Its memory is bounded with its address space, by what the recorder says.
pub(crate) const NEEDS: Needs = Needs { machine_code: false, data_bytes_max: u64::MAX };

pub(crate) fn run() -> Result<()> {
    let link = Link::from_stdin()?;
    rustix::process::nice(NICENESS)?;
    let wall = take_away(NEEDS)?;
    let machine = Machine::new(Settings::LIVE).map_err(Error::other)?;
    let pure = Machine::new(Settings::PURE).map_err(Error::other)?;
    say(&link, &FromCompiler::Ready { watches: machine.fingerprint(), rules: pure.fingerprint() }, None)?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let (length, component) = match link.recv(&mut buffer) {
        Ok(received) => received,
        // The recorder has the artefact already.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error),
    };
    let ToCompiler { world, limits } = decode(&buffer[..length]).map_err(Error::other)?;
    let component = component.ok_or_else(|| Error::other("no component came with the wish to compile one"))?;
    confine(limits, wall)?;
    let machine = match world {
        World::AnalyticsPlugin => machine,
        World::ExportRule => pure,
    };
    match compile(&machine, &component) {
        Ok(artefact) => say(&link, &FromCompiler::Compiled, Some(&artefact)),
        Err(failure) => {
            let sentence = clipped(failure.sentence(), SENTENCE_BYTES_MAX);
            say(&link, &FromCompiler::Refused { sentence }, None)
        }
    }
}

/// From here on nothing that this process does can cost more than this, and it reaches nothing. What this kernel cannot do, the plugin host says.
pub(crate) fn confine(limits: CompileLimits, mut wall: Wall) -> Result<()> {
    let hard = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    let cpu_s = u64::from(limits.cpu_s);
    setrlimit(Resource::As, hard(limits.memory_bytes))?;
    // At the first value comes a signal that names the cause, at the second one that nothing survives.
    setrlimit(Resource::Cpu, Rlimit { current: Some(cpu_s), maximum: Some(cpu_s + 2) })?;
    setrlimit(Resource::Fsize, hard(ARTEFACT_BYTES_MAX as u64))?;
    only_known_calls(NEEDS, &mut wall)
}

fn compile(machine: &Machine, component: &OwnedFd) -> core::result::Result<OwnedFd, Failure> {
    let broken = |error: Error| Failure::Refused(error.to_string());
    let bytes = memfd::read(component.as_fd(), COMPONENT_BYTES_MAX).map_err(broken)?;
    let artefact = machine.compile(&bytes)?;
    if artefact.len() > ARTEFACT_BYTES_MAX {
        return Err(Failure::Refused(format!(
            "the plugin becomes {} bytes of machine code; at most {ARTEFACT_BYTES_MAX} are allowed",
            artefact.len()
        )));
    }
    memfd::seal("artefact", &artefact).map_err(broken)
}

pub(crate) fn say(link: &Link, message: &FromCompiler, artefact: Option<&OwnedFd>) -> Result<()> {
    let bytes = encode(message).map_err(Error::other)?;
    link.send(&bytes, artefact.map(AsFd::as_fd))
}
