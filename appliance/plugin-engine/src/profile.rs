//! Where a plugin's time goes: its stack, looked at again and again. For the author's tool alone; nothing in the recorder's child reaches this file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wasmtime::{AsContext, FrameInfo, WasmBacktrace};
use watchbook_plugin_host::message::clipped;

/// How often the stack of a plugin on a machine of [`crate::Machine::sampling`] is looked at.
pub const SAMPLE_EVERY: Duration = Duration::from_millis(1);
/// Stacks that a [`Sampler`] keeps: those of a minute.
pub const STACKS_MAX: usize = 60_000;
/// Functions of a stack that are kept, counted from the innermost.
pub const DEPTH_MAX: usize = 100;
/// A function's name; a longer one is cut.
const NAME_BYTES_MAX: usize = 1_000;

/// A function of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Function {
    /// Its module's name, when the component tells it.
    pub module: Option<String>,
    /// Its number in the module.
    pub index: u32,
    /// Its name as the compiler wrote it, when the component tells it: at most 1,000 bytes.
    pub name: Option<String>,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Stacks {
    /// Every function that was seen.
    pub functions: Vec<Function>,
    /// Indices into `functions`, the innermost first: at most [`STACKS_MAX`] stacks of at most [`DEPTH_MAX`].
    pub stacks: Vec<Vec<u32>>,
    /// Stacks beyond that.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Seen {
    stacks: Stacks,
    numbers: HashMap<Function, u32>,
}

/// Collects stacks. Cheap to clone: clones are the same collection.
///
/// A stack is looked at where the engine looks at the clock: at the next start of a function or turn of a loop after each [`SAMPLE_EVERY`]. What the host does
/// for the plugin, such as copying a frame, counts for the function that goes on after it.
#[derive(Clone, Debug, Default)]
pub struct Sampler(Arc<Mutex<Seen>>);

impl Sampler {
    pub(crate) fn look(&self, context: impl AsContext) {
        let trace = WasmBacktrace::force_capture(context);
        let mut seen = self.0.lock().expect("nothing panics while it notes a stack");
        if seen.stacks.stacks.len() >= STACKS_MAX {
            seen.stacks.lost += 1;
            return;
        }
        let stack = trace.frames().iter().take(DEPTH_MAX).map(|frame| seen.number(function(frame))).collect();
        seen.stacks.stacks.push(stack);
    }

    /// What was seen so far.
    #[must_use]
    pub fn stacks(&self) -> Stacks {
        self.0.lock().expect("nothing panics while it notes a stack").stacks.clone()
    }
}

impl Seen {
    fn number(&mut self, function: Function) -> u32 {
        if let Some(number) = self.numbers.get(&function) {
            return *number;
        }
        // A component of 32 MiB has fewer functions than this.
        let number = u32::try_from(self.stacks.functions.len()).unwrap_or(u32::MAX);
        self.stacks.functions.push(function.clone());
        self.numbers.insert(function, number);
        number
    }
}

fn function(frame: &FrameInfo) -> Function {
    let text = |name: &str| clipped(name, NAME_BYTES_MAX);
    Function { module: frame.module().name().map(text), index: frame.func_index(), name: frame.func_name().map(text) }
}
