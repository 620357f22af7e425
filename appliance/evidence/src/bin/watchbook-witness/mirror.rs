//! `watchbook-witness mirror`: keeps a full copy of a log, and alerts when the log does not continue it.

mod copy;
mod folder;
mod http;
mod source;

use crate::{Failure, files, state, usage};
use copy::Copy;
use folder::Folder;
use http::Http;
use pico_args::Arguments;
use serde_json::json;
use source::{Source, Trouble};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use watchbook_evidence::mirror::{Alert, Follower, Next, explain};
use watchbook_evidence::tile::{TILE_WIDTH, Tile};
use watchbook_evidence::{Hash, Root, SignedCheckpoint, hex, merkle::leaf_hash};

/// Seconds between two looks of `--follow`, without `--every`.
const EVERY_S: u64 = 30;
/// Without `--max-silence`: a log that grows by nothing for so long is an alert.
const SILENCE_S: u64 = 24 * 3600;
/// Longest silence that can be asked for: a year.
const SILENCE_S_MAX: u64 = 366 * 86_400;
/// A token is one short line.
const TOKEN_BYTES_MAX: u64 = 4096;
/// Exit codes beside those of [`Alert::code`].
const SILENT: u8 = 46;
const UNREACHED: u8 = 47;
const NOT_LET_IN: u8 = 48;

pub(crate) const HELP: &str = "\
  watchbook-witness mirror --dir DIR [--log KEY] (--url URL --token-file FILE | --from-folder FOLDER) [--follow [--every 30s]] [--max-silence 24h] [--at SECONDS]
      keeps a full copy of a log in DIR and checks that each checkpoint continues it. KEY is the log's public key, needed the first time. URL is the address of the recorder's page,
      FILE has the mirror's token; FOLDER is another copy: a folder of this program, or one with `checkpoint` and `leaves.jsonl`. --follow goes on until there is an alert. --at is the time
      in seconds since 1970, in place of the clock. What was found last stands in DIR/status.json
";
pub(crate) const CODES: &str = "\
Exit code of `mirror`: 0 the copy is up to date · 2 · 3 as above · 40 not a checkpoint · 41 ROLLBACK · 42 FORK · 43 wrong key · 45 an entry was changed or hidden
46 SILENCE: no new entry for so long · 47 the log cannot be reached now, but that is not long enough for an alert · 48 the token is not taken
";

/// What is asked for.
struct Call {
    dir: PathBuf,
    key: Option<String>,
    origin: Option<String>,
    follow: bool,
    every: Duration,
    silence_s: u64,
    at_s: Option<u64>,
}

/// Why a look ended without a copy that is up to date.
enum Ended {
    Alert(Alert),
    /// Not reached, or not understood: in a sentence.
    Unreached(String),
    NotLetIn(String),
    Silent(String),
    Files(String),
}

impl From<Alert> for Ended {
    fn from(alert: Alert) -> Self {
        Self::Alert(alert)
    }
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Alert(alert) => Self::Alert(alert),
            Trouble::Unreached(why) => Self::Unreached(why),
            Trouble::NotLetIn(why) => Self::NotLetIn(why),
        }
    }
}

impl Ended {
    fn code(&self) -> u8 {
        match self {
            Self::Alert(alert) => alert.code(),
            Self::Unreached(_) => UNREACHED,
            Self::NotLetIn(_) => NOT_LET_IN,
            Self::Silent(_) => SILENT,
            Self::Files(_) => crate::cli::FILES,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Alert(alert) => format!("ALERT: {alert}"),
            Self::Silent(why) => format!("ALERT: SILENCE: {why}"),
            Self::NotLetIn(why) => format!("the token is not taken: {why}. Ask the station's auditor for another one"),
            Self::Unreached(why) => format!("the log could not be reached: {why}"),
            Self::Files(why) => why.clone(),
        }
    }
}

pub(crate) fn run(mut arguments: Arguments) -> Result<String, Failure> {
    let url: Option<String> = arguments.opt_value_from_str("--url")?;
    let token: Option<PathBuf> = arguments.opt_value_from_str("--token-file")?;
    let folder: Option<PathBuf> = arguments.opt_value_from_str("--from-folder")?;
    let mut time = |name: &'static str, without: u64| -> Result<u64, Failure> {
        let text: Option<String> = arguments.opt_value_from_str(name)?;
        let bad = |text: &str| usage(format!("{name} {text} is no time such as 24h, 90m or 2d, at most a year"));
        text.map_or(Ok(without), |text| seconds(&text).ok_or_else(|| bad(&text)))
    };
    let (silence_s, every_s) = (time("--max-silence", SILENCE_S)?, time("--every", EVERY_S)?);
    let call = Call {
        dir: arguments.value_from_str("--dir")?,
        key: arguments.opt_value_from_str("--log")?,
        origin: arguments.opt_value_from_str("--origin")?,
        follow: arguments.contains("--follow"),
        every: Duration::from_secs(every_s),
        silence_s,
        at_s: arguments.opt_value_from_str("--at")?,
    };
    crate::finish(arguments)?;
    let mut copy = Copy::open(&call.dir, call.key.as_deref(), call.origin.as_deref()).map_err(files)?;
    let mut source: Box<dyn Source> = match (url, token, folder) {
        (Some(url), Some(token), None) => {
            let token = state::bounded(&token, TOKEN_BYTES_MAX).map_err(files)?;
            let token = String::from_utf8(token).map_err(|_| files("the file with the token is no text"))?;
            Box::new(Http::new(&url, token.trim()).map_err(usage)?)
        }
        (None, None, Some(folder)) => {
            Box::new(Folder::open(&folder).map_err(|trouble| ended(&copy, &call, trouble.into()))?)
        }
        _ => return Err(usage("say --url and --token-file, or --from-folder; --help shows how")),
    };
    let mut told = None;
    loop {
        match look(&mut copy, &mut *source, &call) {
            Ok(text) if !call.follow => return Ok(text),
            Ok(text) => say_once(&mut told, &text),
            // The silence becomes an alert by itself.
            Err(unreached @ Ended::Unreached(_)) if call.follow => {
                say_once(&mut told, &format!("{}\n", ended(&copy, &call, unreached).1));
            }
            Err(other) => return Err(ended(&copy, &call, other)),
        }
        std::thread::sleep(call.every);
    }
}

fn say_once(told: &mut Option<String>, text: &str) {
    if told.as_deref() != Some(text) {
        crate::cli::say(text);
        *told = Some(text.to_owned());
    }
}

/// `24h`, `90m`, `45s` or `2d` in seconds.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| (1..=SILENCE_S_MAX).contains(seconds))
}

fn now_s(call: &Call) -> Result<u64, Ended> {
    let before = || Ended::Files("the clock is before 1970; set it".to_owned());
    match call.at_s {
        Some(at_s) => Ok(at_s),
        None => SystemTime::now().duration_since(UNIX_EPOCH).map(|now| now.as_secs()).map_err(|_| before()),
    }
}

/// Writes down what was found; as a failure.
fn ended(copy: &Copy, call: &Call, ended: Ended) -> Failure {
    let mut sentence = ended.sentence();
    if let Err(error) = copy.tell(&status(copy, call, Some((ended.code(), &sentence)))) {
        sentence += &format!("; it could not be written down: {error}");
    }
    Failure(ended.code(), sentence)
}

fn status(copy: &Copy, call: &Call, found: Option<(u8, &str)>) -> serde_json::Value {
    let Root { size, hash } = copy.follower.root();
    json!({
        "state": match found { None => "up to date", Some((UNREACHED, _)) => "not reached", Some(_) => "alert" },
        "code": found.map_or(0, |(code, _)| code),
        "message": found.map(|(_, sentence)| sentence),
        "origin": copy.origin,
        "entries": size,
        "root": hex(&hash),
        "looked_utc_s": now_s(call).ok(),
        "grown_utc_s": copy.grown_s,
        "newest_entry_utc_s": newest_s(&copy.follower),
    })
}

fn newest_s(follower: &Follower) -> Option<u64> {
    follower.newest().and_then(|newest| u64::try_from(newest.0 / 1_000_000_000).ok())
}

/// One look: the checkpoint, what is new under it, and whether that is new enough.
fn look(copy: &mut Copy, source: &mut dyn Source, call: &Call) -> Result<String, Ended> {
    let now_s = now_s(call)?;
    let grown = match advance(copy, source) {
        Ok(grown) => grown,
        Err(Ended::Unreached(why)) => {
            silence(copy, call, now_s).map_err(|silent| match silent {
                Ended::Silent(silent) => Ended::Silent(format!("{silent}; it cannot be reached: {why}")),
                other => other,
            })?;
            return Err(Ended::Unreached(why));
        }
        Err(other) => return Err(other),
    };
    if grown > 0 || copy.grown_s.is_none() {
        copy.grown_s = Some(now_s);
    }
    silence(copy, call, now_s)?;
    copy.tell(&status(copy, call, None)).map_err(Ended::Files)?;
    let size = copy.follower.root().size;
    Ok(format!(
        "{}: {size} entries, {grown} of them new; every entry is in the tree that the log signed\n",
        copy.origin
    ))
}

/// Whether the log has been quiet for too long: by when the copy grew, and by the times in the entries themselves, which an old copy of a log cannot have.
fn silence(copy: &Copy, call: &Call, now_s: u64) -> Result<(), Ended> {
    let quiet =
        |since: Option<u64>| since.map(|since| now_s.saturating_sub(since)).filter(|quiet| *quiet > call.silence_s);
    let told =
        |seconds: u64, what: &str| Ended::Silent(format!("{} h {} min {what}", seconds / 3600, seconds / 60 % 60));
    if let Some(seconds) = quiet(copy.grown_s) {
        return Err(told(seconds, "without a new entry of the log"));
    }
    match quiet(newest_s(&copy.follower)) {
        Some(seconds) => Err(told(seconds, "since the newest entry was written, by the log's own clock")),
        None => Ok(()),
    }
}

/// Takes what is new; how many entries.
fn advance(copy: &mut Copy, source: &mut dyn Source) -> Result<u64, Ended> {
    let bytes = source.checkpoint()?;
    let judged = copy.follower.judge(&bytes);
    if let Err(alert) = &judged {
        copy.keep_proof(alert, &bytes);
    }
    let Next::Grows(signed) = judged? else {
        recheck(copy, source)?;
        return Ok(0);
    };
    let (kept, now) = (copy.follower.root(), signed.checkpoint().root);
    let (ahead, partial) = match take(copy, source, now) {
        Ok(taken) => taken,
        Err(Ended::Alert(entry @ Alert::Entry { .. })) => {
            // What differs from the copy may be a history of its own, which the log has signed, too.
            let alert = match copy.follower.finish(&signed).map(|_| explained(copy, source, (kept, now))) {
                Ok(fork @ Alert::Fork { .. }) => fork,
                _ => entry,
            };
            copy.keep_proof(&alert, &bytes);
            return Err(alert.into());
        }
        Err(other) => return Err(other),
    };
    let finished = ahead.finish(&signed);
    if !matches!(finished, Ok(Some(()))) {
        let alert = match finished {
            Err(alert) => alert,
            Ok(_) => explained(copy, source, (kept, now)),
        };
        copy.keep_proof(&alert, &bytes);
        return Err(alert.into());
    }
    commit(copy, ahead, (&signed, partial))?;
    recheck(copy, source)?;
    Ok(now.size - kept.size)
}

fn commit(copy: &mut Copy, ahead: Follower, (signed, before): (&SignedCheckpoint, Option<Tile>)) -> Result<(), Ended> {
    copy.commit(signed).map_err(Ended::Files)?;
    copy.follower = ahead;
    if let Some(before) = before {
        copy.forget(before);
    }
    Ok(())
}

/// The copy with the entries up to `now`, which lie in its folder from then on; and the bundle that a longer one takes the place of.
fn take(copy: &Copy, source: &mut dyn Source, now: Root) -> Result<(Follower, Option<Tile>), Ended> {
    let (mut ahead, width) = (copy.follower.clone(), u64::from(TILE_WIDTH));
    let size = copy.follower.root().size;
    let partial = Tile::of_tree(0, size / width, size).filter(|tile| !tile.is_full());
    for bundle in size / width..=now.size / width {
        let Some(tile) = Tile::of_tree(0, bundle, now.size) else { break };
        let entries = source.entries(tile)?;
        let known = match partial.filter(|partial| partial.index == bundle) {
            Some(partial) => copy.bundle(partial).map_err(Ended::Files)?,
            None => Vec::new(),
        };
        compare(bundle * width, &known, &entries)?;
        copy.put(tile, &entries).map_err(Ended::Files)?;
        entries.iter().skip(known.len()).try_for_each(|entry| ahead.push(entry))?;
    }
    Ok((ahead, partial))
}

/// What is handed out now begins with what was handed out before.
fn compare(first: u64, kept: &[Vec<u8>], now: &[Vec<u8>]) -> Result<(), Alert> {
    let differs = kept.iter().zip(now).position(|(kept, now)| kept != now);
    match differs.or((now.len() < kept.len()).then_some(now.len())) {
        None => Ok(()),
        Some(at) => Err(Alert::Entry {
            index: first + u64::try_from(at).unwrap_or_default(),
            why: "the log hands out another entry than it did before; this copy has the one that was signed".to_owned(),
        }),
    }
}

/// Fetches entries again that are in the copy: nobody can know which are asked for. A folder has all of them compared.
fn recheck(copy: &Copy, source: &mut dyn Source) -> Result<(), Ended> {
    let size = copy.follower.root().size;
    let full = size / u64::from(TILE_WIDTH);
    let bundles = match source.is_cheap() {
        true => 0..full + 1,
        false if full == 0 => return Ok(()),
        false => {
            let chosen = random() % full;
            chosen..chosen + 1
        }
    };
    for index in bundles {
        let Some(tile) = Tile::of_tree(0, index, size) else { break };
        let kept = copy.bundle(tile).map_err(Ended::Files)?;
        compare(index * u64::from(TILE_WIDTH), &kept, &source.entries(tile)?)?;
    }
    Ok(())
}

/// Where the system gives no random bytes, the first bundle is as good as any.
fn random() -> u64 {
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).map_or(0, |()| u64::from_le_bytes(bytes))
}

fn explained(copy: &Copy, source: &dyn Source, roots: (Root, Root)) -> Alert {
    let hashes = |tile: Tile| -> Option<Vec<Hash>> {
        Some(copy.bundle(tile).ok()?.iter().map(|entry| leaf_hash(entry)).collect())
    };
    explain(roots, &source::Tiles(source), hashes)
}
