//! `watchbook-plugins`: masked frames in, marks out. The only program of Watchbook that holds a WebAssembly engine.
//!
//! It is started by the recorder with a link as standard input and knows nothing else: no file, no address, no setting. It ends when the link does. The
//! main thread only reads the link and never waits for a plugin; every instance has its own thread and a mailbox of one frame.

mod actor;
mod engine;
mod host;
mod loaded;
mod mailbox;

use actor::Actor;
use engine::Machine;
use loaded::Loaded;
use mailbox::{Incoming, Mailbox};
use std::collections::HashMap;
use std::io::{Error, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_plugin_host::message::{FromPlugins, InstanceNumber, PluginNumber, ToPlugins};

/// Plugins give way to everything else on the box (`nice(2)`), also to decoding.
const NICENESS: i32 = 15;

fn main() -> ExitCode {
    match run() {
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
    machine: Arc<Machine>,
    plugins: HashMap<PluginNumber, Arc<Loaded>>,
    mailboxes: HashMap<InstanceNumber, Arc<Mailbox>>,
}

fn run() -> std::io::Result<()> {
    let link = Arc::new(Link::from_stdin()?);
    rustix::process::nice(NICENESS)?;
    let machine = Arc::new(Machine::new().map_err(|error| Error::other(format!("{error:#}")))?);
    machine.start_ticking()?;
    let outbox = Outbox(Arc::clone(&link));
    let mut host = Host { outbox, machine, plugins: HashMap::new(), mailboxes: HashMap::new() };
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
            ToPlugins::Load { plugin, id, version, limits, capabilities } => {
                let component = descriptor.ok_or_else(|| Error::other("no component came with a plugin"))?;
                let loaded = Arc::new(Loaded::new(limits, capabilities));
                self.plugins.insert(plugin, Arc::clone(&loaded));
                let (machine, outbox) = (Arc::clone(&self.machine), self.outbox.clone());
                // Compiling takes from milliseconds (Rust) to seconds (a language run-time): never on this thread.
                std::thread::Builder::new().name(format!("compile-{plugin}")).spawn(move || {
                    outbox.say(&match loaded.compile(&machine, component, (&id, &version)) {
                        Ok(()) => FromPlugins::Loaded { plugin },
                        Err(sentence) => FromPlugins::Refused { plugin, sentence },
                    });
                })?;
            }
            ToPlugins::Bind { instance, plugin, camera, zones, settings_json } => {
                let loaded = self.plugins.get(&plugin).ok_or_else(|| Error::other("a binding of an unknown plugin"))?;
                let mailbox = Arc::new(Mailbox::default());
                self.mailboxes.insert(instance, Arc::clone(&mailbox));
                let machine = Arc::clone(&self.machine);
                let actor = Actor::new(
                    instance,
                    (machine, Arc::clone(loaded)),
                    self.outbox.clone(),
                    (camera, zones, settings_json),
                );
                std::thread::Builder::new().name(format!("plugin-{instance}")).spawn(move || actor.run(&mailbox))?;
            }
            ToPlugins::Unbind { instance } => {
                if let Some(mailbox) = self.mailboxes.remove(&instance) {
                    mailbox.close();
                }
            }
            ToPlugins::Frame { instance, utc_ns, width, height, masked, missed } => {
                let pixels = descriptor.ok_or_else(|| Error::other("no pixels came with a frame"))?;
                if let Some(mailbox) = self.mailboxes.get(&instance) {
                    mailbox.put(Incoming { utc_ns, width, height, masked, missed, pixels });
                }
            }
        }
        Ok(())
    }
}
