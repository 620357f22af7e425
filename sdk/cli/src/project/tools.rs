//! The compilers: which one is called how, and what to install when it is not there.

use super::{Language, Project};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Hears what is going on: one line for a step, before it begins.
pub type Words<'a> = dyn FnMut(&str) + 'a;

/// Lines of a tool's complaint that are shown.
const COMPLAINT_LINES_MAX: usize = 60;

/// Runs the language's tool. Gives the file that it made: a core module (Rust, C) or a component (JavaScript, Python), at `made` or where cargo puts it.
pub(super) fn make(project: &Project, (wit, made): (&Path, &Path), words: &mut Words<'_>) -> Result<PathBuf, String> {
    match project.language {
        Language::Rust => rust(project, words),
        Language::C => c(project, made, words),
        Language::Js => js(project, (wit, made), words),
        Language::Python => python(project, (wit, made), words),
    }
}

/// A program: in the search path, in `node_modules/.bin` of the folder, or where the SDK's set-up puts it (`~/.cache/watchbook/plugin-tools`).
#[must_use]
pub fn find_tool(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cache = std::env::var_os("WATCHBOOK_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/watchbook")));
    let tools = cache.into_iter().flat_map(|cache| {
        ["plugin-tools/node_modules/.bin", "plugin-tools/python/bin"].map(|folder| cache.join(folder))
    });
    let own = [folder.join("node_modules/.bin"), folder.join(".venv/bin")];
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .chain(tools)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn need(project: &Project, name: &str) -> Result<PathBuf, String> {
    let found = find_tool(&project.folder, name).and_then(|path| path.canonicalize().ok().map(|_| path));
    let path = found.ok_or_else(|| format!("`{name}` is not installed. {}", project.language.needs()))?;
    // The tool runs in the plugin's folder.
    std::path::absolute(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs `command` in the plugin's folder; gives its standard output.
fn run(project: &Project, command: &mut Command) -> Result<Vec<u8>, String> {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command.current_dir(&project.folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("could not run {name}: {error}. {}", project.language.needs()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    // cargo's standard output is for machines, and componentize-qjs speaks on it.
    let spoken = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(spoken);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(COMPLAINT_LINES_MAX)..).unwrap_or_default().join("\n");
    Err(format!("{name} could not build {}:\n{tail}", project.folder.display()))
}

fn rust(project: &Project, words: &mut Words<'_>) -> Result<PathBuf, String> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = run(project, Command::new(&rustc).args(["--print", "target-libdir", "--target", TARGET]))?;
    if !Path::new(String::from_utf8_lossy(&library).trim()).is_dir() {
        return Err(format!("Rust has no library for {TARGET}; run: rustup target add {TARGET}"));
    }
    let sysroot = run(project, Command::new(&rustc).args(["--print", "sysroot"]))?;
    words("cargo builds the plugin; the first time takes a minute");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    let output = run(
        project,
        cargo.env("CARGO_ENCODED_RUSTFLAGS", rust_flags(project, String::from_utf8_lossy(&sysroot).trim())),
    )?;
    let lines =
        output.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let mut files = lines.filter(|line| line["reason"] == "compiler-artifact").flat_map(|line| {
        let files = line["filenames"].as_array().cloned().unwrap_or_default();
        files.into_iter().filter_map(|file| file.as_str().map(PathBuf::from))
    });
    // What a crate needs is built before it, so the plugin's own module comes last.
    files.rfind(|file| file.extension() == Some(OsStr::new("wasm"))).ok_or_else(|| {
        "cargo made no WebAssembly module; Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]".to_owned()
    })
}

/// SIMD, a stack of 128 KiB instead of 1 MiB, and paths replaced by names, so that the same sources give the same bytes wherever they lie. Unit separators
/// between flags, so that a path may hold spaces.
fn rust_flags(project: &Project, sysroot: &str) -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let folder = project.folder.canonicalize().unwrap_or_else(|_| project.folder.clone());
    let mut flags = vec!["-Ctarget-feature=+simd128".to_owned(), "-Clink-arg=-zstack-size=131072".to_owned()];
    flags.push(format!("--remap-path-prefix={sysroot}/lib/rustlib/src/rust=rust"));
    flags.extend(home.map(|home| format!("--remap-path-prefix={home}/registry/src=crates")));
    flags.push(format!("--remap-path-prefix={}=plugin", folder.display()));
    flags.join("\u{1f}")
}

fn c(project: &Project, made: &Path, words: &mut Words<'_>) -> Result<PathBuf, String> {
    let clang = need(project, "clang")?;
    need(project, "wasm-ld")?;
    let entries =
        std::fs::read_dir(&project.folder).map_err(|error| format!("{}: {error}", project.folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut sources: Vec<String> = names.filter(|name| name.ends_with(".c")).collect();
    sources.sort();
    words("clang builds the plugin");
    let mut command = Command::new(clang);
    command.args(["--target=wasm32", "-std=c11", "-O3", "-msimd128", "-mbulk-memory", "-Wall", "-Wextra"]);
    command.args(["-nostdlib", "-fuse-ld=lld", "-Wl,--no-entry,--strip-debug,--stack-first,-z,stack-size=131072"]);
    command.arg(format!("-DWATCHBOOK_ID=\"{}\"", project.id));
    command.arg(format!("-DWATCHBOOK_VERSION=\"{}\"", project.version));
    run(project, command.arg("-o").arg(made).args(sources))?;
    Ok(made.to_owned())
}

fn js(project: &Project, (wit, made): (&Path, &Path), words: &mut Words<'_>) -> Result<PathBuf, String> {
    let tool = need(project, "componentize-qjs")?;
    words("componentize-qjs puts the plugin on QuickJS");
    let mut command = Command::new(tool);
    command.arg("--wit").arg(wit).args(["--world", &project.world, "--js", project.language.source()]);
    run(project, command.args(["--stub-wasi", "--sync", "--output"]).arg(made))?;
    Ok(made.to_owned())
}

fn python(project: &Project, (wit, made): (&Path, &Path), words: &mut Words<'_>) -> Result<PathBuf, String> {
    let tool = need(project, "componentize-py")?;
    // What `import wit_world` finds: for tests without WebAssembly, and for editors.
    let bindings = wit.with_file_name("bindings");
    if bindings.exists() {
        std::fs::remove_dir_all(&bindings).map_err(|error| format!("{}: {error}", bindings.display()))?;
    }
    let mut command = Command::new(&tool);
    run(project, command.arg("--wit-path").arg(wit).args(["--world", &project.world, "bindings"]).arg(&bindings))?;
    words("componentize-py puts the plugin on CPython; this takes some seconds");
    let mut command = Command::new(tool);
    command.arg("--wit-path").arg(wit).args(["--world", &project.world, "componentize", "--stub-wasi"]);
    run(project, command.args(["--python-path", ".", "plugin", "--output"]).arg(made))?;
    Ok(made.to_owned())
}
