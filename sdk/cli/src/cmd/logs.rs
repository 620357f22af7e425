//! `logs`: what a plugin says on a station.

use crate::cmd::station::Station;
use crate::out::Out;
use crate::{Command, finish, usage};
use pico_args::Arguments;
use serde_json::Value;
use std::time::Duration;

/// Between two looks with `-f`.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(crate) const COMMAND: Command = Command {
    name: "logs",
    summary: "shows what a plugin logs on a station",
    help: "\
watchbook-plugin logs PLUGIN-ID --from https://STATION [--ca FILE] --account NAME [--password-file FILE] [-f]

  --from https://STATION address of the station's page; http:// on the station itself
  --ca FILE              the certificate of its authority, which it has at /ca.crt; without it those that the system trusts
  --account NAME         an account of the station that may read its settings; its password is asked for
  --password-file FILE   the password is the first line of FILE
  -f                     goes on with what is logged from now on, until it is interrupted

A station keeps the last lines of each plugin in memory.
",
    run,
};

fn run(mut arguments: Arguments, out: &mut Out) -> Result<(), String> {
    let follow = arguments.contains("-f");
    let station = Station::sign_in(&mut arguments, "logs", "--from")?;
    let plugin: String = arguments.free_from_str().map_err(usage("logs"))?;
    finish(arguments)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if plugin.is_empty() || !plugin.chars().all(plain) {
        return Err(format!("`{plugin}` is no plugin's id"));
    }
    let path = format!("/api/v1/plugins/{plugin}/log");
    let mut seen = 0;
    loop {
        let log = station.get(&path)?;
        for line in fresh(&log, &mut seen) {
            out.result(&sentence(line), line);
        }
        if !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The lines after the first `seen` ones of the plugin's life; counts on. A station that was started anew begins again at its first line.
fn fresh<'a>(log: &'a Value, seen: &mut u64) -> &'a [Value] {
    let lines = log["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    let dropped = log["dropped"].as_u64().unwrap_or_default();
    let all = dropped + lines.len() as u64;
    if all < *seen {
        *seen = 0;
    }
    let skip = usize::try_from(seen.saturating_sub(dropped)).unwrap_or(usize::MAX).min(lines.len());
    *seen = all;
    &lines[skip..]
}

fn sentence(line: &Value) -> String {
    let at = line["at_utc_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    let word = |key: &str| line[key].as_str().unwrap_or_default();
    format!("{at} camera {} {} {}", line["camera"], word("level"), word("text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_line_is_shown_once() {
        let log = |from: u64, to: u64| json!({ "dropped": from, "lines": (from..to).collect::<Vec<_>>() });
        let mut seen = 0;
        let mut shown =
            |from, to| fresh(&log(from, to), &mut seen).iter().filter_map(Value::as_u64).collect::<Vec<_>>();
        assert_eq!(shown(0, 2), [0, 1]);
        assert!(shown(0, 2).is_empty());
        assert_eq!(shown(1, 4), [2, 3]);
        assert_eq!(shown(9, 11), [9, 10], "what was dropped in between is gone");
        assert_eq!(shown(0, 1), [0], "started anew");
    }

    #[test]
    fn a_line_says_when_and_where() {
        let line = json!({ "at_utc_ms": 1_000, "camera": 3, "level": "warn", "text": "dark" });
        assert_eq!(sentence(&line), "1970-01-01T00:00:01Z camera 3 warn dark");
    }
}
