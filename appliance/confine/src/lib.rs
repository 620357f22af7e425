//! The wall around a child program that is about to read hostile bytes: what it has open stays, nothing more can be reached.
//!
//! * **Enters:** what the program needs beyond the common ([`Needs`]).
//! * **Leaves:** a process that opens no file, makes no socket, starts no program, sees no other process, has no capability, leaves no core file and makes only the
//!   calls of a short list; and a [`Wall`] that says what this kernel could not do.
//! * **Promises:** whoever takes such a process over gets its memory, its processor time, its standard error and the link to the recorder, and nothing else. What a kernel lacks is said, never
//!   passed over.
//! * **Never:** loosens anything. There is no way back.
//! * **Proof:** `tests/wall.rs` (a process behind the wall tries), the tests of the children (`appliance/plugin-engine/tests`, `appliance/analysis/tests`), which
//!   run behind it.
//!
//! There are two halves because threads matter: [`take_away`] binds the calling thread and those that it starts, so it comes first in a program;
//! [`only_known_calls`] binds every thread, so it may come when everything is set up.

mod calls;
pub mod recorder;

pub use calls::only_known_calls;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io::{Error, Result};

/// Descriptors of a process: an instance has two, its link and the frame at hand, and 256 instances are allowed; the rest is for events that wait. It is also what
/// unix(7) counts descriptors on their way by, which are the recorder's too when both have one user.
pub const DESCRIPTORS_MAX: u64 = 4096;

/// What a child needs beyond what every child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// It runs machine code that it was given: pages may be made executable.
    pub machine_code: bool,
    /// Private memory that it may write to: stacks, heaps, linear memories. What is only reserved does not count.
    pub data_bytes_max: u64,
}

/// How much of the wall stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wall {
    /// A sentence for each part that this kernel cannot do; empty when all of it stands.
    pub missing: Vec<String>,
}

/// First half, to be called before there is a second thread: no file system, no TCP, no signal to others and no abstract socket (landlock), no capability, no new
/// rights, no core file, nobody of the same user looks in; bounded descriptors and memory; death with the thread that started it.
///
/// # Errors
/// The operating system's, when it refuses what every supported kernel can do.
pub fn take_away(needs: Needs) -> Result<Wall> {
    // Memory that processes share has no limit of its own. When there is none left, this process goes before the recorder does. First: what is not dumpable may
    // not say so of itself.
    let first_to_go = std::fs::write("/proc/self/oom_score_adj", "1000");
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    at_most(Resource::Core, 0)?;
    at_most(Resource::Nofile, DESCRIPTORS_MAX)?;
    at_most(Resource::Data, needs.data_bytes_max)?;
    no_rights()?;
    let survives = first_to_go.err().map(|error| {
        format!("this process cannot be made the first to end when memory runs out (oom_score_adj: {error})")
    });
    Ok(Wall { missing: survives.into_iter().chain(without_files()?).collect() })
}

/// No capability, and none by a program that gives some.
fn no_rights() -> Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let nothing = CapabilitySet::empty();
    let sets = CapabilitySets { effective: nothing, permitted: nothing, inheritable: nothing };
    // Under the service unit there are none, and the call that gives them up is not allowed either.
    match rustix::thread::capabilities(None)? == sets {
        true => Ok(()),
        false => Ok(rustix::thread::set_capabilities(None, sets)?),
    }
}

/// Lowers a limit for good.
fn at_most(resource: Resource, value: u64) -> Result<()> {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Landlock without a single rule that allows something. The sentence says what this kernel does not know of it.
fn without_files() -> Result<Option<String>> {
    // ABI 6 (Linux 6.12) is the newest that this asks for; an older kernel does what it knows.
    let abi = ABI::V6;
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(abi)))
        .and_then(|rules| rules.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(|error| Error::other(format!("shutting the file system out: {error}")))?;
    Ok(lacks(restricted.ruleset))
}

const NO_LANDLOCK: &str = "this kernel has no landlock: the list of calls alone keeps files out";

/// What is not kept out.
fn lacks(status: RulesetStatus) -> Option<String> {
    match status {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some(
            "this kernel is older than 6.12: its landlock shuts files out, not all of TCP, signals and abstract sockets"
                .to_owned(),
        ),
        RulesetStatus::NotEnforced => Some(NO_LANDLOCK.to_owned()),
    }
}
