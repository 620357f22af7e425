//! Rounds of recording and crashing: what one life of the program was promised is held against what the next one finds.

use crate::child::{Job, WORD};
use crate::error::{Attempt as _, Error, Result, ensure};
use crate::footage::STEP_NANOS;
use crate::holds::{Heard, Ledger, Sum};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use watchbook_base::fs::sim::Dice;

/// Lines that wait to be read: more than a life says.
const LINES_MAX: usize = 1 << 16;
/// From the start of a life to its first commit: an emulated machine boots in between, perhaps on a busy host.
const START_PATIENCE: Duration = Duration::from_secs(600);
/// So many rounds take a minute, and a hold that is a minute old is held: at their end all of them must be.
const LONG_ROUNDS: u32 = 10;
/// What P1 allows.
const LOST_MS_MAX: u64 = 1_000;

/// What can be crashed.
pub trait Machine {
    /// Starts a life.
    ///
    /// # Errors
    /// When it cannot.
    fn start(&mut self, job: &Job) -> Result<Running>;

    /// Ends it at once, and brings what it stood on back.
    ///
    /// # Errors
    /// When that cannot be done.
    fn crash(&mut self, running: Running, dice: &mut Dice) -> Result<Vec<String>>;

    /// Longest stretch of recording before a crash.
    fn recording_ms_max(&self) -> u64 {
        3_000
    }
}

/// A program whose lines are read.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts `command`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .attempt(format_args!("starting {command:?}"))?;
        let output = child.stdout.take().attempt("its output")?;
        let (sender, lines) = sync_channel(LINES_MAX);
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(std::result::Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Its next line; `None` at the end, or when none comes until `deadline`.
    pub fn line(&self, deadline: Instant) -> Option<String> {
        self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// Lines that have arrived and were not read.
    pub fn arrived(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// `SIGKILL`, and everything that it had said until then.
    ///
    /// # Errors
    /// When it had ended by itself, which is no crash of ours, or cannot be waited for.
    pub fn kill(mut self) -> Result<Vec<String>> {
        if let Some(status) = self.child.try_wait().attempt("looking whether the program is still there")? {
            let last: Vec<String> = self.lines.iter().collect();
            return Err(Error(format!("the program ended by itself ({status}) before it was killed: {last:?}")));
        }
        let _ = self.child.kill();
        self.child.wait().attempt("waiting for the end of a killed program")?;
        Ok(self.lines.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a life has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Newest frame that all cameras handed over.
    pub put: Option<(u32, u32)>,
    /// Newest one that was acknowledged.
    pub ack: Option<(u32, u32)>,
    /// Newest acknowledged commit.
    pub seq: u64,
    /// Newest commit that `check` saw before the life.
    pub checked_seq: Option<u64>,
    /// Oldest of the streams' newest samples before the life.
    pub found: Option<(u32, u32)>,
    /// Streams that had any.
    pub found_streams: u32,
    /// From start to first commit.
    pub recording_ms: Option<u64>,
    /// Of holds.
    pub holds: Heard,
    /// It has looked at everything and begins to record.
    pub ready: bool,
    /// It is through.
    pub done: bool,
    /// What it complained of.
    pub bad: Vec<String>,
}

impl Said {
    /// Takes in a line; others than the program's are passed over.
    pub fn hear(&mut self, line: &str) {
        // The line may follow something of the kernel's.
        let Some((_, line)) = line.split_once(WORD).filter(|(_, rest)| rest.starts_with(' ')) else { return };
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let numbers: Vec<u64> = rest.split(' ').map_while(|word| word.parse().ok()).collect();
        let pair =
            |at: usize| Some((u32::try_from(*numbers.get(at)?).ok()?, u32::try_from(*numbers.get(at + 1)?).ok()?));
        match word {
            "put" => self.put = pair(0).or(self.put),
            "ack" => self.ack = pair(0).or(self.ack),
            "seq" => self.seq = numbers.first().copied().unwrap_or(self.seq),
            "recording" => self.recording_ms = numbers.first().copied(),
            "check" => self.checked_seq = rest.strip_prefix("clean ").and_then(|seq| seq.parse().ok()),
            "found" => {
                self.found_streams += 1;
                self.found = match (self.found, pair(1)) {
                    (Some(known), Some(new)) => Some(known.min(new)),
                    (known, new) => known.or(new),
                };
            }
            "ready" => self.ready = true,
            "done" => self.done = true,
            "bad" => self.bad.push(rest.to_owned()),
            other => self.holds.hear(other, rest),
        }
    }
}

/// What is promised to the next life.
#[derive(Clone, Copy, Debug, Default)]
struct Promised {
    ack: Option<(u32, u32)>,
    put: Option<(u32, u32)>,
    seq: u64,
}

/// What many rounds showed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// What each round lost, in stream time.
    pub lost_ms: Vec<u64>,
    /// From start to first commit, life by life.
    pub recording_ms: Vec<u64>,
    /// Commits that were acknowledged.
    pub commits: u64,
    /// Rounds in which footage was acknowledged before the crash.
    pub recorded: u32,
    /// Of holds.
    pub holds: Sum,
    /// What was broken: by which round it was to be seen, and what.
    pub broken: Vec<(u32, String)>,
    /// The same of holds.
    pub holds_broken: Vec<(u32, String)>,
    /// The machine did not do its part, and the rounds ended early.
    pub stopped: Option<Error>,
}

impl Tally {
    /// One line.
    #[must_use]
    pub fn line(&self) -> String {
        let most = |ms: &[u64]| ms.iter().copied().max().unwrap_or(0);
        let middle = |ms: &[u64]| {
            let mut sorted = ms.to_vec();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or(0)
        };
        format!(
            "{} crashes, {} commits acknowledged; lost at most {} ms (median {}); recording again after at most {} ms (median {}); {}; broken {}",
            self.lost_ms.len(),
            self.commits,
            most(&self.lost_ms),
            middle(&self.lost_ms),
            most(&self.recording_ms),
            middle(&self.recording_ms),
            self.holds,
            self.broken.len() + self.holds_broken.len()
        )
    }

    /// What is wrong with `rounds` rounds: every broken promise, and that too little happened for the kept ones to mean anything. Empty when all is well.
    #[must_use]
    pub fn wrong(&self, rounds: u32) -> Vec<String> {
        let broken = self.broken.iter().chain(&self.holds_broken);
        let mut wrong: Vec<String> = broken.map(|(round, why)| format!("round {round}: {why}")).collect();
        wrong.extend(self.stopped.iter().map(ToString::to_string));
        if self.commits < u64::from(rounds) || self.recorded == 0 {
            wrong.push(format!(
                "too little was recorded: {} commits in {rounds} rounds, footage in {} of them",
                self.commits, self.recorded
            ));
        }
        if rounds >= LONG_ROUNDS && self.holds.verified == 0 {
            wrong.push(format!("no hold was read back: {}", self.holds));
        }
        wrong
    }

    /// The fewest rounds, from the first one on, that show what went wrong first.
    #[must_use]
    pub fn rounds_to_replay(&self, rounds: u32) -> u32 {
        let seen = self.broken.iter().chain(&self.holds_broken).map(|(round, _)| *round).min();
        // The last look is at what the last round left.
        seen.unwrap_or(rounds).clamp(1, rounds.max(1))
    }
}

/// `rounds` times: record, crash, start again and compare. `progress` gets a line each.
pub fn run(machine: &mut dyn Machine, job: &Job, rounds: (u32, u64), progress: &mut dyn FnMut(&str)) -> Tally {
    let mut tally = Tally::default();
    tally.stopped = crash_again_and_again(machine, job, rounds, (progress, &mut tally)).err();
    tally
}

fn crash_again_and_again(
    machine: &mut dyn Machine,
    job: &Job,
    (rounds, seed): (u32, u64),
    (progress, tally): (&mut dyn FnMut(&str), &mut Tally),
) -> Result<()> {
    let (mut promised, mut ledger) = (Promised::default(), Ledger::default());
    let mut dice = Dice::new(seed);
    for round in 1..=rounds + 1 {
        let look_only = round > rounds;
        let await_holds = look_only && rounds >= LONG_ROUNDS;
        let job = Job { life: round, flushes: round.is_multiple_of(2), look_only, await_holds, ..job.clone() };
        let running = machine.start(&job)?;
        let mut said = Said::default();
        if look_only {
            hear_until(&running, &mut said, Instant::now() + START_PATIENCE, |said| said.done);
            ensure(said.done, || format!("after round {rounds} the program did not come to its end: {said:?}"))?;
            drop(running);
        } else {
            // Now and then the power goes while the box is starting.
            let early = dice.percent(15) && round > 1;
            let deadline = Instant::now() + START_PATIENCE;
            hear_until(
                &running,
                &mut said,
                deadline,
                |said| if early { said.ready } else { said.recording_ms.is_some() },
            );
            ensure(said.ready, || format!("round {round}: the program does not record: {said:?}"))?;
            let on = Duration::from_millis(dice.below(if early { 300 } else { machine.recording_ms_max() }));
            hear_until(&running, &mut said, Instant::now() + on, |_| false);
            machine.crash(running, &mut dice)?.iter().for_each(|line| said.hear(line));
        }
        tally.recorded += u32::from(!look_only && (said.ack.is_some() || said.recording_ms.is_some()));
        let kept = keep(&promised, &said, job.cameras);
        tally.broken.extend(said.bad.iter().map(|why| (round, why.clone())));
        match kept {
            Ok(lost_ms) if round > 1 => tally.lost_ms.push(lost_ms),
            Ok(_) => {}
            Err(Error(why)) => tally.broken.push((round, why)),
        }
        let mut of_holds = ledger.compare(&said.holds, await_holds, &mut tally.holds);
        of_holds.extend(ledger.learn(&said.holds, &mut tally.holds));
        tally.holds_broken.extend(of_holds.into_iter().map(|why| (round, why)));
        tally.recording_ms.extend(said.recording_ms);
        tally.commits += said.seq.saturating_sub(said.checked_seq.unwrap_or(said.seq));
        progress(&format!("round {round}: {said:?}"));
        promised = Promised {
            ack: said.ack.or(promised.ack),
            put: said.put.or(promised.put),
            seq: said.seq.max(promised.seq),
        };
    }
    Ok(())
}

fn hear_until(running: &Running, said: &mut Said, deadline: Instant, enough: impl Fn(&Said) -> bool) {
    while !enough(said) {
        match running.line(deadline) {
            Some(line) => said.hear(&line),
            None => break,
        }
    }
}

/// Holds what is there against what was promised; says how much of what was handed over is lost, in milliseconds.
fn keep(promised: &Promised, said: &Said, cameras: u32) -> Result<u64> {
    let Some(checked) = said.checked_seq else {
        return Err(Error(format!("check is not content: {:?}", said.bad)));
    };
    ensure(checked >= promised.seq, || format!("commit {} was acknowledged, {checked} is the newest", promised.seq))?;
    let Some(put) = promised.put else { return Ok(0) };
    if let Some(ack) = promised.ack {
        let found = said.found.ok_or_else(|| Error(format!("{ack:?} was acknowledged, and there is nothing")))?;
        ensure(said.found_streams == cameras, || {
            format!("only {} of {cameras} streams are there", said.found_streams)
        })?;
        ensure(found >= ack, || format!("frame {ack:?} was acknowledged, {found:?} is the newest"))?;
    }
    // A crash while the box starts may leave more than was heard of.
    if said.found.is_some_and(|found| found >= put) {
        return Ok(0);
    }
    let kept = said.found.filter(|found| found.0 == put.0).map_or(0, |found| found.1 + 1);
    let lost = u64::from((put.1 + 1).saturating_sub(kept)) * (STEP_NANOS / 1_000_000);
    ensure(lost <= LOST_MS_MAX, || {
        format!("{lost} ms were lost: {put:?} was handed over, {:?} is the newest", said.found)
    })?;
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Said {
        let mut said = Said::default();
        lines.iter().for_each(|line| said.hear(line));
        said
    }

    #[test]
    fn lines_are_found_behind_the_kernels() {
        let said = said(&[
            "[ 1.0] hello",
            "[    2.3] xWB put 3 9",
            "WB seq 7",
            "WB check clean 6",
            "WBseq 9",
            "WB bad it fell over",
        ]);
        assert_eq!((said.put, said.seq, said.checked_seq), (Some((3, 9)), 7, Some(6)));
        assert_eq!(said.bad, ["it fell over"]);
    }

    #[test]
    fn a_promise_that_is_not_kept_is_noticed() {
        let promised = Promised { ack: Some((2, 10)), put: Some((2, 20)), seq: 5 };
        let next = |seq: u64, frame: u32| said(&[&format!("WB check clean {seq}"), &format!("WB found 256 2 {frame}")]);
        assert_eq!(keep(&promised, &next(5, 10), 1), Ok(400));
        assert!(keep(&promised, &next(4, 10), 1).is_err(), "a commit is gone");
        assert!(keep(&promised, &next(5, 9), 1).is_err(), "a frame is gone");
        assert!(keep(&promised, &next(5, 10), 2).is_err(), "a stream is gone");
        assert!(keep(&promised, &said(&["WB check clean 5"]), 1).is_err(), "all is gone");
        assert_eq!(
            keep(&promised, &said(&["WB check clean 5", "WB found 256 3 1"]), 1),
            Ok(0),
            "more than was heard of"
        );
        let far = Promised { put: Some((2, 40)), ..promised };
        assert!(keep(&far, &next(5, 14), 1).is_err(), "more than a second is gone");
    }
}
