//! How long a download of ten seconds, an hour or a day takes to begin.

use crate::http::Client;
use crate::{Error, Result};
use std::time::Duration;

/// Requests for each length after the first one.
const REPEATS: usize = 9;

/// How long one length took.
pub struct FirstByte {
    /// For the table.
    pub length: &'static str,
    /// Nothing of this range had been asked for before.
    pub first: Duration,
    /// Of the following requests.
    pub median: Duration,
    /// The whole file.
    pub file_bytes: u64,
}

/// Asks for each of `ranges` (words for the table, milliseconds UTC) of `camera`.
///
/// # Errors
/// A request fails, or its file is empty.
pub fn measure(client: &Client, camera: u64, ranges: &[(&'static str, i64, i64)]) -> Result<Vec<FirstByte>> {
    let mut rows = Vec::new();
    for &(length, from, to) in ranges {
        let path = format!("/api/v1/cameras/{camera}/export.mp4?from_utc_ms={from}&to_utc_ms={to}");
        let (first, file_bytes) = client.first_byte(&path)?;
        if file_bytes == 0 {
            return Err(Error(format!("{path} gave an empty file")));
        }
        let mut others = Vec::new();
        for _ in 0..REPEATS {
            others.push(client.first_byte(&path)?.0);
        }
        others.sort_unstable();
        rows.push(FirstByte { length, first, median: others[REPEATS / 2], file_bytes });
    }
    Ok(rows)
}
