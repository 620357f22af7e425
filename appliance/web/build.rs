//! Makes the folder that the page's files are embedded from, so that the program builds before the page does. Without files in it the program says
//! that it has no page.

use std::io::Write;

fn main() {
    let dist = std::path::Path::new("ui/dist");
    // A folder that cannot be made shows as an error of the embedding, which names it.
    drop(std::fs::create_dir_all(dist));
    // Without this line cargo looks at the whole package, which costs a build and nothing else.
    drop(writeln!(std::io::stdout(), "cargo::rerun-if-changed=ui/dist"));
}
