//! The last lines that each plugin logged, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use watchbook_base::{CameraId, UtcNanos};
use watchbook_plugin_host::Level;
use watchbook_web::api;

/// Lines kept of each plugin: 200 × 1 KiB × 64 plugins are 13 MB at worst.
const LINES_MAX: usize = 200;

/// The logs of all plugins.
#[derive(Debug, Default)]
pub struct PluginLogs(Mutex<BTreeMap<String, Lines>>);

#[derive(Debug, Default)]
struct Lines {
    last: VecDeque<api::PluginLogLine>,
    dropped: u64,
}

impl PluginLogs {
    /// Keeps a line, and forgets the oldest when there are too many.
    pub fn push(&self, plugin: &str, at: UtcNanos, camera: CameraId, (level, text): (Level, String)) {
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let mut logs = self.lock();
        let lines = logs.entry(plugin.to_owned()).or_default();
        if lines.last.len() == LINES_MAX {
            lines.last.pop_front();
            lines.dropped += 1;
        }
        lines.last.push_back(api::PluginLogLine { at_utc_ms: at.as_ms(), camera, level: level.to_owned(), text });
    }

    /// What is kept of a plugin.
    pub fn of(&self, plugin: &str) -> api::PluginLog {
        let logs = self.lock();
        let kept =
            |lines: &Lines| api::PluginLog { lines: lines.last.iter().cloned().collect(), dropped: lines.dropped };
        logs.get(plugin).map(kept).unwrap_or_default()
    }

    /// Forgets a removed plugin.
    pub fn forget(&self, plugin: &str) {
        self.lock().remove(plugin);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Lines>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_are_kept_and_the_others_counted() {
        let logs = PluginLogs::default();
        let camera = CameraId::new(1).unwrap();
        for number in 0..LINES_MAX + 3 {
            logs.push("org.a", UtcNanos(0), camera, (Level::Warn, number.to_string()));
        }
        let log = logs.of("org.a");
        assert_eq!((log.lines.len(), log.dropped), (LINES_MAX, 3));
        assert_eq!((log.lines[0].text.as_str(), log.lines[0].level.as_str()), ("3", "warn"));
        assert_eq!(logs.of("org.b"), api::PluginLog::default());
        logs.forget("org.a");
        assert_eq!(logs.of("org.a"), api::PluginLog::default());
    }
}
