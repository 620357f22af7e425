//! Drawn scenes and real footage for the tests of the first-party plugins.
//!
//! * **Enters:** what a scene holds; the name of a clip.
//! * **Leaves:** frames of 640 x 360 grey pixels.
//! * **Promises:** the same scene gives the same frames on every machine. A clip that is not there is said aloud.
//! * **Never:** is part of a plugin.
//! * **Proof:** the tests of the plugins, which know what each scene holds.

mod dice;
mod footage;
mod scene;

pub use dice::Dice;
pub use footage::{Clip, SQUARE, decode, frozen, outside};
pub use scene::{Block, HEIGHT, START_NS, Scene, WIDTH};

use std::collections::BTreeMap;

/// Compares a manifest with the program: its version, and least, greatest and default value of each setting by its name.
///
/// # Errors
/// A sentence with the first difference.
pub fn manifest(text: &str, version: &str, bounds: impl Fn(&str) -> Option<(u32, u32, u32)>) -> Result<(), String> {
    let mut tables: Vec<(&str, BTreeMap<&str, &str>)> = vec![("", BTreeMap::new())];
    for line in text.lines().map(str::trim) {
        match (line.split_once(" = "), tables.last_mut()) {
            (Some((key, value)), Some((_, table))) => drop(table.insert(key, value.trim_matches('"'))),
            _ if line.starts_with('[') => tables.push((line, BTreeMap::new())),
            _ => {}
        }
    }
    if tables[0].1.get("version") != Some(&version) {
        return Err(format!("the manifest's version is not {version}"));
    }
    for (_, setting) in tables.iter().filter(|(name, _)| *name == "[[settings]]") {
        let number = |key: &str| match setting.get(key) {
            Some(&"true") => Some(1),
            Some(&"false") => Some(0),
            Some(text) => text.parse().ok(),
            None => Some(u32::from(key == "max")),
        };
        let said = (|| Some((number("min")?, number("max")?, number("default")?)))();
        let name = setting.get("name").unwrap_or(&"");
        if said.is_none() || said != bounds(name) {
            return Err(format!("setting `{name}`: the manifest has {said:?}, the program {:?}", bounds(name)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_of_a_manifest_is_found() {
        let text =
            "version = \"1\"\n[[settings]]\nname = \"size\"\nmin = 2\nmax = 9\ndefault = 3\n[[emits]]\nkind = \"x\"\n";
        let bounds = |name: &str| (name == "size").then_some((2, 9, 3));
        assert_eq!(manifest(text, "1", bounds), Ok(()));
        assert!(manifest(text, "2", bounds).unwrap_err().contains("version"));
        assert!(manifest(text, "1", |_| Some((2, 9, 4))).unwrap_err().contains("`size`"));
        assert!(manifest(text, "1", |_| None).is_err());
    }
}
