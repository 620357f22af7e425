//! What was found in a ring and its index, in words.

use super::line;
use watchbook_base::StreamId;
use watchbook_store::check::Report;

/// What is neither good nor damaged.
fn unverified(report: &Report) -> String {
    let mut text = String::new();
    if let Some(seq) = report.torn_seq {
        line(
            &mut text,
            format_args!(
                "commit {seq} was torn by a power cut; it was never acknowledged, and the next start drops it"
            ),
        );
    }
    if report.unreadable_runs > 0 {
        let runs = report.unreadable_runs;
        line(
            &mut text,
            format_args!("{runs} runs are erased, or their key is not at hand: only their checksums are verified"),
        );
    }
    text
}

/// What is wrong with superblock and segment files.
fn misdescribed(report: &Report) -> String {
    let mut text = String::new();
    if let Some(why) = &report.bad_superblock {
        line(
            &mut text,
            format_args!(
                "DAMAGED: the superblock: {why}; a segment's header says the same, and the next start writes it again"
            ),
        );
    }
    for bad in &report.bad_slots {
        line(&mut text, format_args!("DAMAGED: segment {:06}: {}", bad.slot, bad.what));
    }
    text
}

/// What was found, for people.
pub fn described(report: &Report) -> String {
    let mut text = String::new();
    if let Some(disk) = report.disk {
        line(&mut text, format_args!("ring {disk}: {} of {} segments in use", report.segments, report.slots));
    }
    line(
        &mut text,
        format_args!(
            "{} commits, {} runs, {:.3} GB of samples verified, newest commit {}",
            report.commits,
            report.runs,
            report.payload_bytes as f64 / 1e9,
            report.last_seq
        ),
    );
    text.push_str(&unverified(report));
    text.push_str(&misdescribed(report));
    for damage in &report.damage {
        let (slot, from, to) = (damage.slot, damage.from, damage.to);
        line(
            &mut text,
            format_args!(
                "DAMAGED: segment {slot:06}, bytes {from} to {to}: commits {} to {} cannot be read",
                damage.seq_from, damage.seq_to
            ),
        );
    }
    for run in &report.bad_runs {
        line(
            &mut text,
            format_args!(
                "DAMAGED: {}, recording {}, segment {:06} offset {}, commit {}: {}",
                run.stream, run.recording, run.slot, run.offset, run.seq, run.what
            ),
        );
    }
    for link in &report.broken_links {
        line(
            &mut text,
            format_args!(
                "DAMAGED: segment {:06}: its first commit, {}, does not follow from the commit before it; one of the two was written anew",
                link.slot, link.seq
            ),
        );
    }
    let unlisted = report.bad_run_count.saturating_sub(report.bad_runs.len() as u64);
    if unlisted > 0 {
        line(&mut text, format_args!("DAMAGED: {unlisted} more runs"));
    }
    text.push_str(&log(report));
    text.push_str(&index(report));
    text
}

/// How what lies in the ring goes with what the audit log says of it.
fn log(report: &Report) -> String {
    let mut text = String::new();
    for bad in &report.bad_leaves {
        let stream = match StreamId::from_u32(bad.stream) {
            Some(stream) => format!("{stream}, recording {}", bad.recording),
            None => "a recording".to_owned(),
        };
        let leaf = bad.leaf.map_or_else(String::new, |leaf| format!(" (entry {leaf} of the audit log)"));
        line(
            &mut text,
            format_args!(
                "DAMAGED: {stream}, segment {:06} of generation {}: {}{leaf}",
                bad.slot, bad.generation, bad.what
            ),
        );
    }
    let unlisted = report.bad_leaf_count.saturating_sub(report.bad_leaves.len() as u64);
    if unlisted > 0 {
        line(&mut text, format_args!("DAMAGED: {unlisted} more recordings are not what the audit log says of them"));
    }
    if let Some(seq) = report.logged_beyond {
        line(
            &mut text,
            format_args!(
                "DAMAGED: the audit log tells of commits up to {}, and the ring ends before: footage that was recorded is gone",
                seq - 1
            ),
        );
    }
    text.push_str(&lost(report));
    if let Some(why) = &report.log_error {
        line(&mut text, format_args!("NOT COMPARED: the audit log cannot be read: {why}"));
    }
    if report.leaves > 0 || report.bad_leaf_count > 0 {
        let runs = report.unlogged_runs;
        line(
            &mut text,
            format_args!(
                "{} entries of the audit log agree with the footage that they tell of; {runs} runs are in none: newer ones, or from before the log told of footage",
                report.leaves
            ),
        );
    }
    text
}

/// What the ring had lost at earlier starts, as the audit log tells.
fn lost(report: &Report) -> String {
    let mut text = String::new();
    for loss in &report.losses {
        let told = loss.entries.map_or_else(
            || "in which no footage was".to_owned(),
            |(first, last)| format!("of which entries {first} to {last} tell"),
        );
        line(
            &mut text,
            format_args!(
                "LOST: commits {} to {}, {told}, were not there at a start on {}: entry {} of the audit log says so",
                loss.from_seq,
                loss.to_seq.saturating_sub(1),
                loss.found,
                loss.entry
            ),
        );
    }
    if report.unprovable_runs > 0 {
        let runs = report.unprovable_runs;
        line(&mut text, format_args!("NOT PROVABLE: the entries that tell of {runs} runs here tell of lost ones too"));
    }
    if report.past_losses > 0 {
        let losses = report.past_losses;
        line(
            &mut text,
            format_args!("{losses} earlier losses stand in the audit log; what was around them is overwritten"),
        );
    }
    text
}

/// How the index goes with the ring.
fn index(report: &Report) -> String {
    let mut text = String::new();
    if let Some(why) = &report.index_error {
        line(
            &mut text,
            format_args!(
                "DAMAGED: the index cannot be used: {why}; the ring was checked without it, and `watchbook check --rebuild` makes it again"
            ),
        );
    } else if let (Some(missing), Some(surplus)) = (report.missing_in_index, report.only_in_index) {
        match (missing, surplus) {
            (0, 0) => line(&mut text, format_args!("the index agrees with the ring")),
            _ => line(
                &mut text,
                format_args!(
                    "the index lacks {missing} runs and has {surplus} too many; `watchbook check --rebuild` makes it again"
                ),
            ),
        }
    } else {
        line(&mut text, format_args!("there is no index, or an empty one; `watchbook check --rebuild` makes it"));
    }
    text
}
