//! `watchbook-plugins --rerun`: one plugin over given frames under deterministic settings, once. It walls itself in before it sees the component.

use rustix::process::{Resource, Rlimit, setrlimit};
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_base::memfd;
use watchbook_confine::{Needs, Wall, only_known_calls, take_away};
use watchbook_plugin_engine::{AnalyticsInstance, Failure, Frame, Kept, Machine, Pixels, Settings, Setup, World};
use watchbook_plugin_host::compile::ARTEFACT_BYTES_MAX;
use watchbook_plugin_host::message::{SENTENCE_BYTES_MAX, clipped};
use watchbook_plugin_host::package::COMPONENT_BYTES_MAX;
use watchbook_plugin_host::rerun::{CPU_S_MAX, FromRerun, MEMORY_BYTES_MAX, ToRerun};

/// Nobody waits for it but a person at the page: it gives way to the plugins that watch.
const NICENESS: i32 = 17;
/// It compiles the plugin and runs it: the compiler's memory and that of the largest plugin.
const NEEDS: Needs = Needs { machine_code: true, data_bytes_max: MEMORY_BYTES_MAX };

pub(crate) fn run() -> Result<()> {
    let link = Link::from_stdin()?;
    rustix::process::nice(NICENESS)?;
    let mut wall = take_away(NEEDS)?;
    confine(&mut wall)?;
    let machine = Machine::new(Settings::PURE).map_err(Error::other)?;
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    let Some((message, component)) = hear(&link, &mut buffer)? else { return Ok(()) };
    let mut instance = match begin(&machine, message, component)? {
        Ok(instance) => instance,
        Err(failure) => return fail(&link, &failure),
    };
    say(&link, &FromRerun::Started)?;
    while let Some((message, pixels)) = hear(&link, &mut buffer)? {
        let ToRerun::Frame { utc_ns, width, height, masked, skipped } = message else {
            return Err(Error::other("a run that has begun is told to begin"));
        };
        let pixels = pixels.ok_or_else(|| Error::other("no pixels came with a frame"))?;
        let frame = Frame { utc_ns, width, height, masked, skipped, pixels: Pixels::Sealed(Arc::new(pixels)) };
        let marks = match instance.on_frame(frame) {
            Ok(marks) => marks,
            // It could not use this frame, which the recorder lets pass too.
            Err(Failure::Fault(_)) => Vec::new(),
            Err(failure) => return fail(&link, &failure),
        };
        say(&link, &FromRerun::Marks(marks))?;
    }
    Ok(())
}

/// One message; `None` when the recorder has let us go.
fn hear(link: &Link, buffer: &mut [u8]) -> Result<Option<(ToRerun, Option<OwnedFd>)>> {
    match link.recv(buffer) {
        Ok((length, descriptor)) => Ok(Some((decode(&buffer[..length]).map_err(Error::other)?, descriptor))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

type Begun = core::result::Result<AnalyticsInstance, Failure>;

fn begin(machine: &Machine, message: ToRerun, component: Option<OwnedFd>) -> Result<Begun> {
    let ToRerun::Begin { id, version, limits, capabilities, camera, zones, settings_json } = message else {
        return Err(Error::other("a run begins with its component"));
    };
    let component = component.ok_or_else(|| Error::other("no component came with the wish to run one"))?;
    let bytes = memfd::read(component.as_fd(), COMPONENT_BYTES_MAX)?;
    let started = || -> Begun {
        let prepared = machine.prepare(&bytes, World::AnalyticsPlugin, &capabilities, limits)?;
        // What a plugin logs was logged then.
        let mut instance = AnalyticsInstance::new(&prepared, Kept::default(), Box::new(|_, _| {}))?;
        let (id, version, camera) = (id.as_str(), version.as_str(), camera.as_str());
        instance.start(&Setup { id, version, camera, zones: &zones, settings_json: &settings_json, saved: None })?;
        Ok(instance)
    };
    Ok(started())
}

fn fail(link: &Link, failure: &Failure) -> Result<()> {
    say(link, &FromRerun::Failed { sentence: clipped(failure.sentence(), SENTENCE_BYTES_MAX) })
}

fn say(link: &Link, message: &FromRerun) -> Result<()> {
    match link.send(&encode(message).map_err(Error::other)?, None) {
        // The recorder has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        sent => sent,
    }
}

/// From here on nothing that this process does can cost more than this, and it reaches nothing. What this kernel cannot do, the plugin host says. Address space
/// is not limited: the engine reserves far more than it uses.
fn confine(wall: &mut Wall) -> Result<()> {
    // At the first value comes a signal that names the cause, at the second one that nothing survives.
    setrlimit(Resource::Cpu, Rlimit { current: Some(CPU_S_MAX), maximum: Some(CPU_S_MAX + 2) })?;
    let artefact = Some(ARTEFACT_BYTES_MAX as u64);
    setrlimit(Resource::Fsize, Rlimit { current: artefact, maximum: artefact })?;
    only_known_calls(NEEDS, wall)
}
