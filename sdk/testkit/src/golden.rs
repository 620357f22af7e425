//! Golden results: one JSON object a line, compared line by line.

use std::path::Path;

/// A golden file. A thousand marks with sixty boxes each stay below it.
pub const GOLDEN_BYTES_MAX: usize = 16 << 20;
/// Lines of one comparison.
pub const LINES_MAX: usize = 20_000;
/// Lines of a difference that are shown.
const SHOWN_MAX: usize = 60;
/// Cells of the table that finds the longest common part; larger results are compared place by place.
const CELLS_MAX: usize = 4_000_000;

/// How two results differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// In the golden file only.
    Gone(String),
    /// In the new result only.
    New(String),
}

/// What turns `golden` into `found`, in order; empty when they are the same.
#[must_use]
pub fn changes(golden: &[String], found: &[String]) -> Vec<Change> {
    let head = golden.iter().zip(found).take_while(|(old, new)| old == new).count();
    let (golden, found) = (&golden[head..], &found[head..]);
    let tail = golden.iter().rev().zip(found.iter().rev()).take_while(|(old, new)| old == new).count();
    let (golden, found) = (&golden[..golden.len() - tail], &found[..found.len() - tail]);
    let cells = (golden.len() + 1).saturating_mul(found.len() + 1);
    if cells > CELLS_MAX {
        let gone = golden.iter().cloned().map(Change::Gone);
        return gone.chain(found.iter().cloned().map(Change::New)).collect();
    }
    let mut changes = Vec::new();
    let longest = longest_common(golden, found);
    let columns = found.len() + 1;
    let (mut row, mut column) = (0, 0);
    while row < golden.len() || column < found.len() {
        let both = row < golden.len() && column < found.len();
        if both && golden[row] == found[column] {
            (row, column) = (row + 1, column + 1);
        } else if column >= found.len()
            || row < golden.len() && longest[(row + 1) * columns + column] >= longest[row * columns + column + 1]
        {
            changes.push(Change::Gone(golden[row].clone()));
            row += 1;
        } else {
            changes.push(Change::New(found[column].clone()));
            column += 1;
        }
    }
    changes
}

/// Length of the longest common part of what follows each pair of places, row by row.
fn longest_common(golden: &[String], found: &[String]) -> Vec<u32> {
    let columns = found.len() + 1;
    let mut table = vec![0_u32; (golden.len() + 1) * columns];
    for row in (0..golden.len()).rev() {
        for column in (0..found.len()).rev() {
            table[row * columns + column] = if golden[row] == found[column] {
                table[(row + 1) * columns + column + 1] + 1
            } else {
                table[(row + 1) * columns + column].max(table[row * columns + column + 1])
            };
        }
    }
    table
}

/// The changes as lines for people: `-` is expected and missing, `+` is new.
#[must_use]
pub fn show(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes.iter().take(SHOWN_MAX) {
        let (sign, line) = match change {
            Change::Gone(line) => ('-', line),
            Change::New(line) => ('+', line),
        };
        text.extend([sign, ' ']);
        text += line;
        text.push('\n');
    }
    if changes.len() > SHOWN_MAX {
        text += &format!("... and {} lines more\n", changes.len() - SHOWN_MAX);
    }
    text
}

/// Reads a golden file. Empty lines do not count.
///
/// # Errors
/// A sentence: missing, too large, not JSON in some line.
pub fn read(path: &Path) -> Result<Vec<String>, String> {
    let text = crate::text_file(path, GOLDEN_BYTES_MAX)?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if lines.len() >= LINES_MAX {
            return Err(format!("{}: more than {LINES_MAX} lines", path.display()));
        }
        // Written again, so that white space does not count.
        let value: serde_json::Value = serde_json::from_str(line)
            .map_err(|error| format!("{} line {}: not JSON: {error}", path.display(), index + 1))?;
        lines.push(value.to_string());
    }
    Ok(lines)
}

/// Writes a golden file beside its place, then puts it there.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, lines: &[String]) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, text).map_err(fail)?;
    std::fs::rename(&unfinished, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        text.chars().map(String::from).collect()
    }

    #[test]
    fn a_difference_names_what_is_gone_and_what_is_new() {
        assert_eq!(changes(&lines("abc"), &lines("abc")), []);
        assert_eq!(
            changes(&lines("abcd"), &lines("axcde")),
            [Change::Gone("b".into()), Change::New("x".into()), Change::New("e".into())]
        );
        assert_eq!(show(&changes(&lines("ab"), &lines("b"))), "- a\n");
        let many = show(&changes(&lines(&"a".repeat(100)), &[]));
        assert!(many.ends_with("... and 40 lines more\n"), "{many}");
    }

    #[test]
    fn a_golden_file_is_written_and_read_and_white_space_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.jsonl");
        write(&path, &[r#"{"a":1}"#.into(), r#"{"b":[2]}"#.into()]).unwrap();
        let read_back = read(&path).unwrap();
        std::fs::write(&path, "{ \"a\" : 1 }\n\n{\"b\": [2]}").unwrap();
        assert_eq!(read(&path).unwrap(), read_back);
        std::fs::write(&path, "{\"a\":1}\nnonsense").unwrap();
        assert!(read(&path).unwrap_err().contains("line 2"));
        assert!(read(&folder.path().join("none")).unwrap_err().contains("none"));
    }

    proptest! {
        #[test]
        fn the_changes_turn_one_into_the_other(old in "[abc]{0,12}", new in "[abc]{0,12}") {
            let (old, new) = (lines(&old), lines(&new));
            let changes = changes(&old, &new);
            let gone = changes.iter().filter(|change| matches!(change, Change::Gone(_))).count();
            let added = changes.len() - gone;
            prop_assert_eq!(old.len() - gone, new.len() - added, "what is common is common to both");
            prop_assert_eq!(changes.is_empty(), old == new);
            // What is left of the old without the gone ones is the same as of the new without the added ones, as a bag.
            let rest = |lines: &[String], out: &dyn Fn(&Change) -> Option<String>| {
                let mut rest = lines.to_vec();
                for line in changes.iter().filter_map(out) {
                    let at = rest.iter().position(|own| *own == line).unwrap();
                    rest.remove(at);
                }
                rest.sort();
                rest
            };
            let from_old = rest(&old, &|change| if let Change::Gone(line) = change { Some(line.clone()) } else { None });
            let from_new = rest(&new, &|change| if let Change::New(line) = change { Some(line.clone()) } else { None });
            prop_assert_eq!(from_old, from_new);
        }
    }
}
