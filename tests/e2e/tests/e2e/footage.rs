//! Footage for the camera servers, made once per test run.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Folder with `main.h264` style files as `tests/e2e/servers/prepare_footage.sh` makes them.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cache = std::env::var_os("CARGO_TARGET_DIR").map_or_else(std::env::temp_dir, PathBuf::from).join("footage");
        let script = watchbook_e2e::process::servers().join("prepare_footage.sh");
        let output = Command::new(&script).arg(&cache).output().expect("the script can be started");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {}: {complaint}", script.display(), cache.display());
        cache
    })
}
