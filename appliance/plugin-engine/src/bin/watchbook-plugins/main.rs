//! `watchbook-plugins`: masked frames in, marks out; events in, verdicts out. The only program of the recorder that holds a WebAssembly engine.
//!
//! It compiles nothing: called with `--compile` it is another program, a throw-away child that compiles one component ([`compile`]), called with
//! `--try-models` one that runs models for the first time ([`trial`]), and with `--rerun` one that takes one plugin over given frames ([`rerun`]).
//!
//! It is started by the recorder with a link as standard input and knows nothing else: no file, no address, no setting. It ends when the link does. Before the first
//! byte of a plugin it walls itself in ([`watchbook_confine`]). The
//! main thread only reads the link and never waits for a plugin; every instance has its own thread and a link of its own for its frames, or a desk of a few events.

mod actor;
mod artefact;
mod compile;
mod judge;
mod legacy;
mod loaded;
mod mailbox;
mod rerun;
mod traps;
mod trial;

use actor::{Actor, Binding};
use judge::Judge;
use legacy::Legacy;
use loaded::Loaded;
use mailbox::{Desk, Mailbox};
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_confine::{Needs, only_known_calls, take_away};
use watchbook_plugin_engine::{Machine, Settings};
use watchbook_plugin_host::compile::{COMPILE_ARGUMENT, MODELS_ARGUMENT};
use watchbook_plugin_host::message::{FromPlugins, InstanceNumber, PluginNumber, ToPlugins, World};
use watchbook_plugin_host::rerun::RERUN_ARGUMENT;

/// Plugins give way to everything else on the box (`nice(2)`), also to decoding.
const NICENESS: i32 = 15;
/// 2 GiB that instances may be promised, 2 MiB of stack for each of 256 and as much again for what they keep, 1 GiB of frames at hand, and 4 GiB for plugins on their way from
/// bytes to machine code, 256 MiB each.
const NEEDS: Needs = Needs { machine_code: true, data_bytes_max: 8 << 30 };

fn main() -> ExitCode {
    let argument = std::env::args_os().nth(1);
    let is = |word: &str| argument.as_ref().is_some_and(|argument| argument == word);
    let outcome = match () {
        () if is(COMPILE_ARGUMENT) => compile::run(),
        () if is(MODELS_ARGUMENT) => trial::run(),
        () if is(RERUN_ARGUMENT) => rerun::run(),
        () => run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "watchbook-plugins: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The child's end of the link as every thread uses it.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Link>);

impl Outbox {
    /// Says one thing. Only a dead recorder refuses, and then the main thread ends the program.
    pub(crate) fn say(&self, message: &FromPlugins) {
        if let Ok(bytes) = encode(message) {
            let _ = self.0.send(&bytes, None);
        }
    }
}

struct Host {
    outbox: Outbox,
    machine: Machine,
    /// For rules: pure.
    pure: Machine,
    plugins: HashMap<PluginNumber, Arc<Loaded>>,
    places: HashMap<InstanceNumber, Place>,
}

/// An instance as the main thread knows it.
struct Place {
    plugin: PluginNumber,
    work: Work,
    /// What it leaves when it has ended; a rule leaves nothing.
    legacy: Option<Arc<Legacy>>,
    /// Of which plugin the one before it was, and what that one left, while the recorder may take the change back.
    before: Option<Inherited>,
}

/// What an instance of this plugin left.
type Inherited = (PluginNumber, Arc<Legacy>);

/// Where an instance takes its work from.
enum Work {
    Frames(Arc<Mailbox>),
    Events(Arc<Desk>),
}

impl Place {
    fn close(&self) {
        match &self.work {
            Work::Frames(mailbox) => mailbox.close(),
            Work::Events(desk) => desk.close(),
        }
    }
}

fn run() -> std::io::Result<()> {
    let link = Arc::new(Link::from_stdin()?);
    rustix::process::nice(NICENESS)?;
    let mut wall = take_away(NEEDS)?;
    only_known_calls(NEEDS, &mut wall)?;
    let machine = Machine::new(Settings::LIVE).map_err(Error::other)?;
    let pure = Machine::new(Settings::PURE).map_err(Error::other)?;
    let outbox = Outbox(Arc::clone(&link));
    outbox.say(&FromPlugins::Begun { missing: wall.missing });
    let mut host = Host { outbox, machine, pure, plugins: HashMap::new(), places: HashMap::new() };
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        match link.recv(&mut buffer) {
            Ok((length, descriptor)) => {
                let message = decode(&buffer[..length]).map_err(Error::other)?;
                host.handle(message, descriptor)?;
            }
            // The recorder is gone or has let us go: nothing is left to do, and nothing here is worth finishing.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Host {
    fn handle(&mut self, message: ToPlugins, descriptor: Option<OwnedFd>) -> std::io::Result<()> {
        match message {
            ToPlugins::Load { plugin, id, version, limits, capabilities, world, models } => {
                let loaded = Loaded::new((id, version), limits, capabilities, world).with_models(models, descriptor);
                self.plugins.insert(plugin, Arc::new(loaded));
            }
            ToPlugins::Compiled { plugin } => self.take(plugin, descriptor)?,
            ToPlugins::NotCompiled { plugin, sentence } => {
                // A plugin that was taken out while it was being compiled costs nothing.
                if let Some(Err(sentence)) = self.plugins.get(&plugin).map(|loaded| loaded.refuse(sentence)) {
                    self.outbox.say(&FromPlugins::Refused { plugin, sentence });
                }
            }
            ToPlugins::Bind { instance, plugin, after, camera, zones, settings_json } => {
                let before = after.and_then(|after| self.places.remove(&after));
                self.bind((instance, plugin), before, (camera, zones, settings_json), descriptor)?;
            }
            ToPlugins::Unload { plugin } => self.unload(plugin),
            ToPlugins::Unbind { instance } => {
                if let Some(place) = self.places.remove(&instance) {
                    place.close();
                }
            }
            ToPlugins::Evaluate { instance, event } => {
                let situation = descriptor.ok_or_else(|| Error::other("no situation came with an event"))?;
                if let Some(Work::Events(desk)) = self.places.get(&instance).map(|place| &place.work)
                    && !desk.put(event, situation)
                {
                    let sentence = "too many events wait for this rule".to_owned();
                    self.outbox.say(&FromPlugins::Unjudged { instance, event, sentence, trapped: false });
                }
            }
        }
        Ok(())
    }

    fn loaded(&self, plugin: PluginNumber) -> std::io::Result<Arc<Loaded>> {
        self.plugins.get(&plugin).map(Arc::clone).ok_or_else(|| Error::other("a word about an unknown plugin"))
    }

    fn take(&self, plugin: PluginNumber, artefact: Option<OwnedFd>) -> std::io::Result<()> {
        let artefact = artefact.ok_or_else(|| Error::other("no artefact came with a plugin"))?;
        // A plugin that was taken out while it was being compiled costs nothing.
        let Some(loaded) = self.plugins.get(&plugin).map(Arc::clone) else { return Ok(()) };
        let machine = match loaded.world {
            World::AnalyticsPlugin => self.machine.clone(),
            World::ExportRule => self.pure.clone(),
        };
        let outbox = self.outbox.clone();
        // The artefact of a language run-time has tens of megabytes: never on this thread.
        std::thread::Builder::new().name(format!("load-{plugin}")).spawn(move || {
            outbox.say(&match loaded.take(&machine, &artefact) {
                Ok(()) => FromPlugins::Loaded { plugin },
                Err(sentence) => FromPlugins::Refused { plugin, sentence },
            });
        })?;
        Ok(())
    }

    fn bind(
        &mut self,
        (instance, plugin): (InstanceNumber, PluginNumber),
        before: Option<Place>,
        binding: Binding,
        frames: Option<OwnedFd>,
    ) -> std::io::Result<()> {
        if let Some(before) = &before {
            before.close();
        }
        let (loaded, outbox) = (self.loaded(plugin)?, self.outbox.clone());
        let thread = std::thread::Builder::new().name(format!("plugin-{instance}"));
        let place = match loaded.world {
            World::AnalyticsPlugin => {
                let frames = frames.ok_or_else(|| Error::other("no link for its frames came with an instance"))?;
                let mailbox = Arc::new(Mailbox::new(Link::from(frames)));
                let (inherits, before) = inherits(plugin, before);
                let actor = Actor::new(instance, loaded, outbox, binding).after(inherits);
                let legacy = Some(actor.legacy());
                let theirs = Arc::clone(&mailbox);
                thread.spawn(move || actor.run(&theirs))?;
                Place { plugin, work: Work::Frames(mailbox), legacy, before }
            }
            World::ExportRule => {
                let desk = Arc::new(Desk::default());
                let judge = Judge::new(instance, loaded, outbox, binding.2);
                let theirs = Arc::clone(&desk);
                thread.spawn(move || judge.run(&theirs))?;
                Place { plugin, work: Work::Events(desk), legacy: None, before: None }
            }
        };
        self.places.insert(instance, place);
        Ok(())
    }

    /// Forgets a plugin, and what its instances left to those of another version: that change is not taken back any more.
    fn unload(&mut self, plugin: PluginNumber) {
        self.plugins.remove(&plugin);
        for place in self.places.values_mut() {
            place.before.take_if(|(other, _)| *other == plugin);
        }
    }
}

/// What a new instance of `plugin` gets, and what is kept for the case that it is taken back. When the one before it was put in the place of one of this
/// very plugin, then that change is taken back now: the new one gets what that one left, whatever was made of it since.
fn inherits(plugin: PluginNumber, before: Option<Place>) -> (Option<Arc<Legacy>>, Option<Inherited>) {
    let Some(Place { plugin: other, legacy, before, .. }) = before else { return (None, None) };
    match before {
        Some((earlier, legacy)) if earlier == plugin => (Some(legacy), None),
        before if other == plugin => (legacy, before),
        _ => (legacy.clone(), legacy.map(|legacy| (other, legacy))),
    }
}
