//! Components that wait to be compiled, and the thread that has them compiled, one at a time.

use super::{Compiler, Job};
use crate::message::{PluginNumber, World};
use crate::models::ModelPart;
use crate::package::PLUGINS_MAX;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Components that may wait: every plugin once.
const WAITING_MAX: usize = PLUGINS_MAX;
/// How often a plugin host whose queue is full is offered what was compiled for it.
const AGAIN: Duration = Duration::from_millis(20);

/// A component that one plugin host waits for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) plugin: PluginNumber,
    /// Of the plugin host.
    pub(crate) generation: u32,
    pub(crate) component_sha256: String,
    pub(crate) component: Arc<OwnedFd>,
    pub(crate) world: World,
    /// Its models and the sealed memory file with their bytes.
    pub(crate) models: Option<(Vec<ModelPart>, Arc<OwnedFd>)>,
}

/// What came of a request.
pub(crate) type Outcome = Result<OwnedFd, String>;

/// Ends what is being compiled when it is dropped.
pub(crate) struct Queue {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

struct Shared {
    compiler: Compiler,
    waiting: Mutex<(VecDeque<Request>, bool)>,
    changed: Condvar,
}

impl Shared {
    /// What waits, and whether it is over.
    fn waiting(&self) -> MutexGuard<'_, (VecDeque<Request>, bool)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Request> {
        let idle = |waiting: &mut (VecDeque<Request>, bool)| waiting.0.is_empty() && !waiting.1;
        let mut waiting = self.changed.wait_while(self.waiting(), idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.1 { None } else { waiting.0.pop_front() }
    }

    /// Waits a little; false when it is over.
    fn pause(&self) -> bool {
        let open = |waiting: &mut (VecDeque<Request>, bool)| !waiting.1;
        let waited = self.changed.wait_timeout_while(self.waiting(), AGAIN, open);
        !waited.unwrap_or_else(PoisonError::into_inner).0.1
    }
}

impl Queue {
    /// Starts the thread. `deliver` hands over what came of a request; false means that there was no room, and it is called again.
    pub(crate) fn start(
        compiler: Compiler,
        deliver: impl Fn(&Request, &Outcome) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { compiler, waiting: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let worker = std::thread::Builder::new().name("compile".to_owned()).spawn(move || {
            while let Some(request) = own.next() {
                let outcome = own.compiler.artefact(&Job {
                    component_sha256: &request.component_sha256,
                    component: &request.component,
                    world: request.world,
                    models: request.models.as_ref().map(|(parts, bytes)| (parts.as_slice(), bytes.as_ref())),
                });
                while !deliver(&request, &outcome) && own.pause() {}
            }
        })?;
        Ok(Self { shared, worker: Some(worker) })
    }

    /// Puts a component behind those that wait, in the place of an earlier wish for the same plugin. False when too many wait.
    pub(crate) fn push(&self, request: Request) -> bool {
        let mut waiting = self.shared.waiting();
        waiting.0.retain(|other| other.plugin != request.plugin);
        if waiting.0.len() >= WAITING_MAX {
            return false;
        }
        waiting.0.push_back(request);
        self.shared.changed.notify_one();
        true
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.shared.compiler
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.waiting().1 = true;
        self.shared.changed.notify_all();
        self.shared.compiler.stop();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
