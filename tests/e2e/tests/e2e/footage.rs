//! Footage for the camera servers, made once per test run.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Folder with `main.h264` style files as `tests/e2e/servers/prepare_footage.sh` makes them.
pub fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // Another second scene is for figures only and lies elsewhere.
        let scene = std::env::var_os("WATCHBOOK_SCENE");
        let name = if scene.is_some() { "footage-scene" } else { "footage" };
        let cache = std::env::var_os("CARGO_TARGET_DIR").map_or_else(std::env::temp_dir, PathBuf::from).join(name);
        let script = watchbook_e2e::process::servers().join("prepare_footage.sh");
        let output = Command::new(&script).arg(&cache).args(scene).output().expect("the script can be started");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {}: {complaint}", script.display(), cache.display());
        cache
    })
}
