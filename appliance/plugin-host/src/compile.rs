//! Compiling components in throw-away children. Compiling is where a hostile component costs the most memory and time, so it happens in a process of its own,
//! `watchbook-plugins --compile`, that limits itself before it sees the component, is given up after a while, and holds nothing but that one component.

pub mod cache;
pub(crate) mod queue;

use crate::message::{SENTENCE_BYTES_MAX, World, clipped};
use crate::models::ModelPart;
use crate::package::COMPONENT_BYTES_MAX;
use cache::Cache;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watchbook_analysis::message::{decode, encode};
use watchbook_base::link::{Link, MESSAGE_BYTES_MAX};
use watchbook_base::memfd;

/// What the child is called with.
pub const COMPILE_ARGUMENT: &str = "--compile";
/// What a child is called with that tries models.
pub const MODELS_ARGUMENT: &str = "--try-models";
/// Bytes of a compiled component, four for each of the largest component's: Python's 18 MB become 35 MB.
pub const ARTEFACT_BYTES_MAX: usize = 4 * COMPONENT_BYTES_MAX;
/// Sets of models whose trial is remembered: more than a station has plugins with models. When there are more, all are tried again.
const TRIED_MAX: usize = 64;
/// How long a child may take to say what engine it has.
const READY_MAX: Duration = Duration::from_secs(30);

/// What one compilation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompileLimits {
    /// Address space of the child.
    pub memory_bytes: u64,
    /// Its processor time.
    pub cpu_s: u32,
    /// From being given the component to its answer.
    pub wall_s: u32,
}

impl CompileLimits {
    /// Python's run-time of 18 MB, the largest measured, took 371 MB of memory and 6 to 12 s of processor time. On the wall a compilation may wait for a box
    /// that is busy with recording.
    pub const USUAL: Self = Self { memory_bytes: 1 << 30, cpu_s: 60, wall_s: 600 };
}

/// From the recorder to a compile child: one message, with the component in the sealed memory file beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToCompiler {
    /// What the component is: rules are compiled otherwise than plugins that watch.
    pub world: World,
    /// To be set before the component is read.
    pub limits: CompileLimits,
}

/// From the recorder to a child that tries models: one message, with their bytes in the sealed memory file beside it. It does with them what the plugin host will
/// do, under limits: a model that takes too much, or that the library fails on, ends here. Answered by [`FromCompiler::Tried`] or [`FromCompiler::Refused`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToModelTrial {
    /// What the bytes are.
    pub models: Vec<ModelPart>,
    /// To be set before they are read.
    pub limits: CompileLimits,
}

/// From a compile child to the recorder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromCompiler {
    /// First word: a digest of the engine, its version, its settings and this processor, for plugins that watch and for rules. An artefact fits that engine only.
    Ready {
        /// Of [`World::AnalyticsPlugin`].
        watches: String,
        /// Of [`World::ExportRule`].
        rules: String,
    },
    /// The artefact is in the sealed memory file beside the message.
    Compiled,
    /// The models can be run.
    Tried,
    /// The component, or a model, cannot be used.
    Refused {
        /// Why.
        sentence: String,
    },
}

/// What is to be compiled.
#[derive(Debug)]
pub struct Job<'a> {
    /// SHA-256 of the component, lower-case hex.
    pub component_sha256: &'a str,
    /// The component, sealed.
    pub component: &'a OwnedFd,
    /// What it is.
    pub world: World,
    /// Its models, and their bytes, sealed.
    pub models: Option<(&'a [ModelPart], &'a OwnedFd)>,
}

/// Compiles one component at a time, each in a child of its own, and keeps what came out.
#[derive(Debug)]
pub struct Compiler {
    program: PathBuf,
    cache: Option<Cache>,
    limits: CompileLimits,
    /// The link to the child that runs, to let it go.
    current: Mutex<Option<Arc<Link>>>,
    process: AtomicU32,
    compiled: AtomicU64,
    over: AtomicBool,
    /// Models that ran in a trial: their hashes are in it, and the host checks these before it reads them.
    tried: Mutex<HashSet<Vec<ModelPart>>>,
}

impl Compiler {
    /// A compiler with `program` (`watchbook-plugins`) that keeps its artefacts in `cache`; without one, nothing is kept.
    #[must_use]
    pub fn new(program: &Path, cache: Option<Cache>, limits: CompileLimits) -> Self {
        Self {
            program: program.to_owned(),
            cache,
            limits,
            current: Mutex::new(None),
            process: AtomicU32::new(0),
            compiled: AtomicU64::new(0),
            over: AtomicBool::new(false),
            tried: Mutex::default(),
        }
    }

    /// The artefact of a component, sealed: from the cache, else compiled now. Its models are tried in a child of their own. Waits for up to
    /// [`CompileLimits::wall_s`] for each of the two.
    ///
    /// # Errors
    /// A sentence for the administrator, of at most [`SENTENCE_BYTES_MAX`] bytes.
    pub fn artefact(&self, job: &Job<'_>) -> Result<OwnedFd, String> {
        if let Some((parts, bytes)) = job.models.filter(|(parts, _)| !self.tried().contains(*parts)) {
            self.in_child((MODELS_ARGUMENT, "trying the plugin's models"), |link| self.try_models(link, parts, bytes))?;
            let mut tried = self.tried();
            if tried.len() >= TRIED_MAX {
                tried.clear();
            }
            tried.insert(parts.to_vec());
        }
        self.in_child((COMPILE_ARGUMENT, "compiling the plugin"), |link| self.talk(link, job))
    }

    /// What `talk` makes of a child that is called with this argument and does this.
    fn in_child<T>(
        &self,
        (argument, doing): (&str, &str),
        talk: impl FnOnce(&Link) -> Result<T, Ended>,
    ) -> Result<T, String> {
        let (link, theirs) = Link::pair().map_err(|error| format!("starting a compiler: {error}"))?;
        let mut process = watchbook_starter::spawn(&self.program, &[argument], theirs)
            .map_err(|error| format!("starting {} for {doing}: {error}", self.program.display()))?;
        let link = Arc::new(link);
        *self.current() = Some(Arc::clone(&link));
        self.process.store(process.id(), Ordering::SeqCst);
        let outcome = if self.over.load(Ordering::SeqCst) {
            Err(Ended::Said("the recorder stops".to_owned()))
        } else {
            talk(&link)
        };
        *self.current() = None;
        // It ends by itself when it crashed or broke a limit; how it ended must not be hidden by our signal.
        let status = if matches!(outcome, Err(Ended::Gone)) {
            process.wait()
        } else {
            let _ = process.kill();
            process.wait()
        };
        self.process.store(0, Ordering::SeqCst);
        outcome.map_err(|ended| {
            let sentence = match ended {
                Ended::Said(sentence) => sentence,
                Ended::Gone => match status {
                    Ok(status) => self.ending(status, doing),
                    Err(error) => format!("the compiler was lost: {error}"),
                },
            };
            clipped(&sentence, SENTENCE_BYTES_MAX)
        })
    }

    /// How many components were compiled; what came from the cache is not counted.
    #[must_use]
    pub fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::SeqCst)
    }

    /// Process id of the child that compiles, while there is one, for fault tests.
    #[must_use]
    pub fn child_id(&self) -> Option<u32> {
        Some(self.process.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    /// Gives up what is being compiled, and compiles no more.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(link) = self.current().as_ref() {
            // The one who waits for the answer sees an end of file. A link that is gone already is what we want.
            let _ = rustix::net::shutdown(link.as_ref(), rustix::net::Shutdown::Both);
        }
    }

    fn tried(&self) -> MutexGuard<'_, HashSet<Vec<ModelPart>>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Link>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn talk(&self, link: &Link, job: &Job<'_>) -> Result<OwnedFd, Ended> {
        let (FromCompiler::Ready { watches, rules }, _) = self.hear(link, READY_MAX)? else { return Err(strange()) };
        let engine = match job.world {
            World::AnalyticsPlugin => watches,
            World::ExportRule => rules,
        };
        if let Some(artefact) = self.cache.as_ref().and_then(|cache| cache.get(job.component_sha256, &engine)) {
            return Ok(artefact);
        }
        let limits = self.limits;
        let message = ToCompiler { world: job.world, limits };
        let message = encode(&message).map_err(|error| Ended::Said(error.to_string()))?;
        self.compiled.fetch_add(1, Ordering::SeqCst);
        // An end of file comes when it is gone already.
        let _ = link.send(&message, Some(job.component.as_fd()));
        match self.hear(link, Duration::from_secs(limits.wall_s.into()))? {
            (FromCompiler::Compiled, Some(artefact)) => {
                memfd::check(artefact.as_fd(), ARTEFACT_BYTES_MAX)
                    .map_err(|error| Ended::Said(format!("what the compiler gave: {error}")))?;
                if let Some(cache) = &self.cache {
                    cache.put(job.component_sha256, &engine, &artefact);
                }
                Ok(artefact)
            }
            (FromCompiler::Refused { sentence }, _) => Err(Ended::Said(sentence)),
            _ => Err(strange()),
        }
    }

    fn try_models(&self, link: &Link, parts: &[ModelPart], bytes: &OwnedFd) -> Result<(), Ended> {
        let limits = self.limits;
        let message = ToModelTrial { models: parts.to_vec(), limits };
        let message = encode(&message).map_err(|error| Ended::Said(error.to_string()))?;
        // An end of file comes when it is gone already.
        let _ = link.send(&message, Some(bytes.as_fd()));
        match self.hear(link, Duration::from_secs(limits.wall_s.into()))? {
            (FromCompiler::Tried, _) => Ok(()),
            (FromCompiler::Refused { sentence }, _) => Err(Ended::Said(sentence)),
            _ => Err(strange()),
        }
    }

    fn hear(&self, link: &Link, patience: Duration) -> Result<(FromCompiler, Option<OwnedFd>), Ended> {
        let said = |error: &dyn std::fmt::Display| Ended::Said(format!("reading what the compiler says: {error}"));
        set_socket_timeout(link, Timeout::Recv, Some(patience)).map_err(|error| said(&error))?;
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        match link.recv(&mut buffer) {
            Ok((length, descriptor)) => {
                let message = decode(&buffer[..length]).map_err(|error| said(&error))?;
                Ok((message, descriptor))
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(Ended::Said(format!(
                "this was given up after {} s; ask the plugin's publisher for a smaller component, or for smaller models",
                patience.as_secs()
            ))),
            Err(_) if self.over.load(Ordering::SeqCst) => Err(Ended::Said("the recorder stops".to_owned())),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset) =>
            {
                Err(Ended::Gone)
            }
            Err(error) => Err(said(&error)),
        }
    }

    /// How a child ended that gave no answer, in words.
    fn ending(&self, status: ExitStatus, doing: &str) -> String {
        let CompileLimits { memory_bytes, cpu_s, .. } = self.limits;
        let advice = "bind the plugin again to try once more, or ask its publisher for a smaller one";
        // signal(7) on x86-64 and aarch64: SIGABRT, SIGXCPU.
        match status.signal() {
            Some(6) => format!(
                "{doing} was stopped: it needs more than {} MiB of memory, or the compiler failed; {advice}",
                memory_bytes >> 20
            ),
            Some(24) => {
                format!("{doing} was stopped: it needs more than {cpu_s} s of processor time; {advice}")
            }
            _ => format!("{doing} came to nothing: the compiler ended ({status}); {advice}"),
        }
    }
}

/// Why there is no artefact.
enum Ended {
    /// For this reason.
    Said(String),
    /// The child is gone without an answer.
    Gone,
}

fn strange() -> Ended {
    Ended::Said("the compiler gave an answer that is none".to_owned())
}
