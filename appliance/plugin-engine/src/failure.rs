//! What can go wrong with a plugin.

use core::fmt;
use wasmtime::{Trap, WasmBacktrace};
use watchbook_plugin_host::message::{SENTENCE_BYTES_MAX, clipped};

/// A function's name in a sentence; the plugin's author chose it.
const NAME_BYTES_MAX: usize = 120;

/// Why a plugin, or one of its calls, came to nothing. Each holds a sentence for the administrator and the author, at most
/// [`SENTENCE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The call was stopped: it trapped or broke a limit. The instance is of no more use; a fresh one may do better.
    Trap(String),
    /// The plugin refuses its settings, or the host refuses the plugin. Nothing helps but other settings or another plugin.
    Refused(String),
    /// The plugin could not do this one call. The instance goes on.
    Fault(String),
}

impl Failure {
    /// The sentence.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Trap(sentence) | Self::Refused(sentence) | Self::Fault(sentence) => sentence,
        }
    }

    /// The sentence, to keep.
    #[must_use]
    pub fn into_sentence(self) -> String {
        match self {
            Self::Trap(sentence) | Self::Refused(sentence) | Self::Fault(sentence) => sentence,
        }
    }

    /// A trap in words: the innermost cause, which is the host's own sentence when the host stopped the call, and the function that it happened in.
    pub(crate) fn of_call(error: &wasmtime::Error, fuel: u64) -> Self {
        let cause = match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => format!("one call used more than its {fuel} instructions"),
            Some(trap) => {
                let backtrace = error.downcast_ref::<WasmBacktrace>();
                let inner = backtrace.and_then(|backtrace| backtrace.frames().first()?.func_name().map(str::to_owned));
                match inner {
                    Some(name) => format!("{trap} in {}", clipped(&name, NAME_BYTES_MAX)),
                    None => trap.to_string(),
                }
            }
            None => error.root_cause().to_string(),
        };
        let sentence = if cause.is_empty() { format!("{error:#}") } else { cause };
        Self::Trap(clipped(&sentence, SENTENCE_BYTES_MAX))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for Failure {}
