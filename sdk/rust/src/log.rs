//! Lines for the administrator's page. At most 1,024 bytes of a line are kept and 50 lines a minute; what is over is dropped and counted, never an error.
//! Outside of WebAssembly they go to standard error.

/// How much a line matters. The recorder's log keeps [`Level::Info`] and above.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author.
    Debug,
    /// Good to know.
    Info,
    /// Should not be.
    Warn,
    /// Must not be.
    Error,
}

/// Writes one line. Never waits; costs a few microseconds.
pub fn write(level: Level, line: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::guest::write(level, line);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {line}");
}

/// Writes a line that is good to know.
pub fn info(line: &str) {
    write(Level::Info, line);
}

/// Writes a line about what should not be.
pub fn warn(line: &str) {
    write(Level::Warn, line);
}

/// Writes a line about what must not be.
pub fn error(line: &str) {
    write(Level::Error, line);
}
