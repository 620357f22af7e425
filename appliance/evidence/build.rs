//! Puts the player where [`player`](src/player.rs) takes it from, so that the crate builds without Node.js: without `player/dist/player.html` the player is empty.

use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dist = Path::new("player/dist");
    // A folder that cannot be made shows as a player that is empty.
    drop(std::fs::create_dir_all(dist));
    // A file that is not there would have the crate built anew each time; the folder is.
    writeln!(std::io::stdout(), "cargo::rerun-if-changed={}", dist.display())?;
    let page = std::fs::read(dist.join("player.html")).unwrap_or_default();
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("player.html"), page)?;
    Ok(())
}
