//! A plugin's folder: what it is written in, and how its component is made.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

mod tools;

pub use tools::{Words, find_tool};

/// The largest component that a station takes: 32 MiB.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// With the crate `watchbook-plugin`.
    Rust,
    /// With `watchbook_plugin.h`.
    C,
    /// On QuickJS, by componentize-qjs.
    Js,
    /// On CPython, by componentize-py.
    Python,
}

impl Language {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Rust, Self::C, Self::Js, Self::Python];

    /// The file that the plugin's source begins with, below its folder.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Rust => "src/lib.rs",
            Self::C => "plugin.c",
            Self::Js => "plugin.js",
            Self::Python => "plugin.py",
        }
    }

    /// What must be installed, in one sentence.
    #[must_use]
    pub fn needs(self) -> &'static str {
        match self {
            Self::Rust => "Needs Rust and, once, `rustup target add wasm32-unknown-unknown`.",
            Self::C => "Needs clang with wasm-ld, version 14 or newer: `apt-get install clang lld`.",
            Self::Js => "Needs Node.js and, once, `npm install --global componentize-qjs@0.4.5`.",
            Self::Python => "Needs Python 3.10 or newer and, once, `pip install componentize-py==0.25.1`.",
        }
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "rust" => Ok(Self::Rust),
            "c" => Ok(Self::C),
            "js" | "javascript" => Ok(Self::Js),
            "python" | "py" => Ok(Self::Python),
            _ => Err(format!("there is no template for `{word}`; the languages are rust, c, js and python")),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::Js => "js",
            Self::Python => "python",
        })
    }
}

/// A plugin's folder and what its manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// From the source file that is there.
    pub language: Language,
    /// The manifest's `id`.
    pub id: String,
    /// The manifest's `version`.
    pub version: String,
    /// The manifest's `world`.
    pub world: String,
    /// Both lists of the manifest's `[capabilities]`.
    pub capabilities: Vec<String>,
}

impl Project {
    /// Reads the folder.
    ///
    /// # Errors
    /// A sentence: no manifest, one that lacks a word, or no source in a language that can be built.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join("plugin.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            format!(
                "{}: {error}; run this in a plugin's folder, or make one with `watchbook-plugin new`",
                path.display()
            )
        })?;
        let manifest: toml::Table = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
        let word = |name: &str| match manifest.get(name).and_then(toml::Value::as_str) {
            Some(word) => Ok(word.to_owned()),
            None => Err(format!("{}: `{name}` is missing", path.display())),
        };
        let (id, version, world) = (word("id")?, word("version")?, word("world")?);
        let sources = Language::ALL.into_iter().filter(|language| folder.join(language.source()).is_file());
        let language = sources.clone().next().ok_or_else(|| {
            let known = Language::ALL.map(Language::source).join(", ");
            format!("{} has no source that can be built: one of {known} is expected", folder.display())
        })?;
        let lists = manifest.get("capabilities").and_then(toml::Value::as_table);
        let lists = lists.into_iter().flat_map(|lists| ["required", "optional"].map(|name| lists.get(name)));
        let words = lists.flatten().filter_map(toml::Value::as_array).flatten();
        let capabilities = words.filter_map(toml::Value::as_str).map(str::to_owned).collect();
        Ok(Self { folder: folder.to_owned(), language, id, version, world, capabilities })
    }

    /// Makes the component. `words` hears what is going on.
    ///
    /// # Errors
    /// A sentence: a tool that is missing, with the command that installs it; what the tool said; a component that no station would take.
    pub fn build(&self, words: &mut Words<'_>) -> Result<Vec<u8>, String> {
        let scratch = self.scratch()?;
        let wit = scratch.join("wit");
        let fail = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(&wit).map_err(|error| fail(&wit, error))?;
        for (name, text) in crate::template::WIT {
            std::fs::write(wit.join(name), self.narrowed(text)).map_err(|error| fail(&wit, error))?;
        }
        let made = scratch.join("made.wasm");
        let made = tools::make(self, (&wit, &made), words)?;
        let bytes = std::fs::read(&made).map_err(|error| fail(&made, error))?;
        let component = match self.language {
            Language::Rust | Language::C => crate::build(&bytes, &wit, &self.world)?,
            Language::Js | Language::Python => bytes,
        };
        self.check(&component)?;
        Ok(component)
    }

    /// The contract without the imports that the manifest does not ask for: an interpreter's component imports all that its world has.
    fn narrowed(&self, wit: &str) -> String {
        let import = |line: &str| line.trim().strip_prefix("import ")?.strip_suffix(';').map(str::to_owned);
        let kept =
            |line: &&str| import(line).is_none_or(|name| name == "inference" || self.capabilities.contains(&name));
        wit.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n")
    }

    /// Where what is in between lies: the folder's own `target`.
    fn scratch(&self) -> Result<PathBuf, String> {
        let scratch = self.folder.join("target/watchbook-plugin");
        std::fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        // Absolute: the tools run in the folder.
        scratch.canonicalize().map_err(|error| format!("{}: {error}", scratch.display()))
    }

    /// What a station would refuse and an author should hear now.
    fn check(&self, component: &[u8]) -> Result<(), String> {
        if component.len() > COMPONENT_BYTES_MAX {
            return Err(format!(
                "the component has {} bytes; a station takes at most {COMPONENT_BYTES_MAX}: leave out what it does not need",
                component.len()
            ));
        }
        let anatomy = crate::anatomy::of(component)?;
        for import in &anatomy.imports {
            let known = import.strip_prefix("watchbook:plugin/").and_then(|rest| rest.split('@').next());
            match known {
                None => {
                    return Err(format!(
                        "the component imports `{import}`; a station offers watchbook:plugin alone: no files, clock, network or environment"
                    ));
                }
                Some("types") => {}
                Some(capability) if self.capabilities.iter().any(|asked| asked == capability) => {}
                Some(capability) => {
                    return Err(format!(
                        "the component uses `{capability}`, which plugin.toml does not ask for; add it to [capabilities] or do without"
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_says_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let lack = |word: &str| {
            let message = Project::open(folder.path()).unwrap_err();
            assert!(message.contains(word), "{message}");
        };
        lack("watchbook-plugin new");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("plugin.toml", "id = \"org.example.a\"\nversion = \"1.0.0\"");
        lack("`world`");
        let manifest = "id = \"org.example.a\"\nversion = \"1.0.0\"\nworld = \"export-rule\"\n[capabilities]\noptional = [\"log\"]";
        write("plugin.toml", manifest);
        lack("plugin.py");
        write("plugin.py", "");
        let project = Project::open(folder.path()).unwrap();
        assert_eq!((project.language, project.world.as_str()), (Language::Python, "export-rule"));
        assert_eq!(project.capabilities, ["log"]);
    }

    #[test]
    fn languages_are_read_by_their_names() {
        for language in Language::ALL {
            assert_eq!(language.to_string().parse(), Ok(language));
        }
        assert!("go".parse::<Language>().unwrap_err().contains("rust, c, js and python"));
    }
}
