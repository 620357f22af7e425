//! The figures as Markdown.

use crate::first_byte::FirstByte;
use crate::measure::{Conditions, Figures};
use core::fmt::Write as _;

/// One line of the recording table: a recorder and what it cost, or why it was not measured.
pub struct Row {
    /// Name of the recorder.
    pub recorder: String,
    /// Cameras.
    pub cameras: u16,
    /// Its figures, or a sentence.
    pub outcome: Result<Figures, String>,
}

/// The table of all recorders.
#[must_use]
pub fn recording(rows: &[Row], conditions: &Conditions, machine: &str) -> String {
    let mut text = format!(
        "1080p30 H.264 at 4 Mbit/s, GOP 2 s, RTSP over {}, {} s after {} s of warming up; fresh ext4 on a loop device for each line. {machine}.\n\n",
        if conditions.udp { "UDP" } else { "TCP" },
        conditions.window.as_secs(),
        conditions.warm_up.as_secs(),
    );
    text.push_str(
        "| recorder | cameras | CPU-s per stream-minute | MB memory per stream | device bytes per byte | device flushes per s | commits per s | frames | lost | twice | reconnects |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

fn line(row: &Row) -> String {
    let Row { recorder, cameras, outcome } = row;
    let figures = match outcome {
        Ok(figures) => figures,
        Err(reason) => {
            return format!("| {recorder} | {cameras} | not measured: {} |\n", reason.replace(['\n', '|'], " "));
        }
    };
    let number =
        |value: Option<f64>, digits: usize| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
    format!(
        "| {recorder} | {cameras} | {:.3} | {:.1} | {} | {} | {} | {} | {} | {} | {} |\n",
        figures.cpu_sec_per_stream_minute,
        figures.memory_bytes_per_stream / 1e6,
        number(figures.device_bytes_per_byte, 3),
        number(figures.flushes_per_sec, 1),
        number(figures.commits_per_sec, 2),
        figures.frames,
        figures.lost,
        figures.twice,
        figures.reconnects,
    )
}

/// The table of first bytes.
#[must_use]
pub fn first_bytes(rows: &[FirstByte], how: &str) -> String {
    let mut text =
        format!("{how}\n\n| MP4 of | first byte: first request | median of the others | size |\n|---|---|---|---|\n");
    for row in rows {
        let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.1} ms | {:.1} ms | {:.1} MB |",
            row.length,
            ms(row.first),
            ms(row.median),
            row.file_bytes as f64 / 1e6
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_recorder_that_is_not_there_says_so_in_its_line() {
        let row = Row { recorder: "X".into(), cameras: 16, outcome: Err("not\ninstalled".into()) };
        assert_eq!(line(&row), "| X | 16 | not measured: not installed |\n");
    }

    #[test]
    fn every_line_has_the_columns_of_the_head() {
        let figures = Figures {
            cameras: 16,
            cpu_sec_per_stream_minute: 0.0567,
            memory_bytes_per_stream: 1.24e6,
            device_bytes_per_byte: Some(1.0123),
            flushes_per_sec: None,
            commits_per_sec: Some(2.0),
            frames: 10,
            lost: 1,
            twice: 0,
            reconnects: 0,
        };
        let conditions = Conditions {
            cameras: 16,
            warm_up: Duration::ZERO,
            window: Duration::from_secs(60),
            udp: false,
            skip_every: 0,
        };
        let text =
            recording(&[Row { recorder: "X".into(), cameras: 16, outcome: Ok(figures) }], &conditions, "a machine");
        let columns: Vec<usize> =
            text.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [12, 12, 12]);
        assert!(text.contains("| X | 16 | 0.057 | 1.2 | 1.012 | – | 2.00 | 10 | 1 | 0 | 0 |"));
    }
}
