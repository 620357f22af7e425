//! How big and how well documented the code is.

use core::fmt;

/// Of 100 public items, this many carry a description. The compiler asks for all of them in our crates; the rule also sees what it cannot.
pub const DOCUMENTED_PERCENT_MIN: usize = 95;

/// Sizes and counts over all Rust sources, tests left out unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines of each function, from its signature to its closing brace.
    pub function_lines: Vec<usize>,
    /// Lines and path of each file, `#[cfg(test)]` items not counted.
    pub file_lines: Vec<(usize, String)>,
    /// Lines of test code.
    pub test_lines: usize,
    /// Public items.
    pub public: usize,
    /// Public items with a description.
    pub documented: usize,
    /// Calls of `unwrap`.
    pub unwraps: usize,
    /// `assert!` and its kin.
    pub asserts: usize,
    /// Uses of `unsafe`.
    pub unsafes: usize,
    /// Uses of `unsafe` with a SAFETY comment.
    pub safeties: usize,
}

impl Figures {
    /// Documented public items of 100, rounded down; 100 when there are none.
    #[must_use]
    pub fn documented_percent(&self) -> usize {
        (self.documented * 100).checked_div(self.public).unwrap_or(100)
    }

    /// Lines of all files together.
    #[must_use]
    pub fn code_lines(&self) -> usize {
        self.file_lines.iter().map(|(lines, _)| lines).sum()
    }
}

/// The value that `percent` of `sorted` do not exceed (nearest rank); 0 for none.
#[must_use]
pub fn percentile(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut functions = self.function_lines.clone();
        functions.sort_unstable();
        let mut files: Vec<usize> = self.file_lines.iter().map(|(lines, _)| *lines).collect();
        files.sort_unstable();
        let row = |f: &mut fmt::Formatter<'_>, name: &str, sorted: &[usize]| {
            let max = sorted.last().copied().unwrap_or(0);
            let (half, most) = (percentile(sorted, 50), percentile(sorted, 90));
            writeln!(f, "{name}: {} · lines p50 {half} · p90 {most} · max {max}", sorted.len())
        };
        row(f, "functions", &functions)?;
        row(f, "files", &files)?;
        let code = self.code_lines();
        writeln!(f, "lines: {code} · of tests {}", self.test_lines)?;
        writeln!(f, "public items: {} · documented {} %", self.public, self.documented_percent())?;
        writeln!(
            f,
            "unwraps: {} · asserts {} · unsafe {} · with SAFETY {}",
            self.unwraps, self.asserts, self.unsafes, self.safeties
        )?;
        let mut long: Vec<_> =
            self.file_lines.iter().filter(|(lines, _)| *lines > crate::tree::FILE_LINES_SOFT).collect();
        long.sort_unstable_by(|a, b| b.cmp(a));
        for (lines, path) in long {
            writeln!(f, "over {} lines: {path} ({lines})", crate::tree::FILE_LINES_SOFT)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        // By hand: of ten values the 5th is the median and the 9th the 90th percentile.
        let ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100];
        assert_eq!((percentile(&ten, 50), percentile(&ten, 90), percentile(&ten, 100)), (5, 9, 100));
        assert_eq!(percentile(&[], 50), 0);
    }

    #[test]
    fn nothing_public_is_fully_documented() {
        assert_eq!(Figures::default().documented_percent(), 100);
        assert_eq!(Figures { public: 3, documented: 2, ..Figures::default() }.documented_percent(), 66);
    }
}
