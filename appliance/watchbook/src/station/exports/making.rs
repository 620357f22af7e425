//! Making one export: the attempt is in its row before it begins, and whatever ends it, nothing is left lying about.

use super::ledger::{Ledger, Topic};
use super::{Result, exported};
use std::panic::{AssertUnwindSafe, catch_unwind};
use watchbook_base::Kind;
use watchbook_export::job::{Job, Made};
use watchbook_export::staging::Staging;
use watchbook_web::error::Error;

/// Makes one with `make`.
pub(super) fn work(ledger: &Ledger, staging: &Staging, export: u64, make: &dyn Fn(&Job) -> Result<Made>) {
    attempt(ledger, staging, export, make);
    ledger.made();
}

fn attempt(ledger: &Ledger, staging: &Staging, export: u64, make: &dyn Fn(&Job) -> Result<Made>) {
    let begun = ledger.change(export, |job, now| match job.begin() {
        Err(error) if error.kind == Kind::Exhausted => job.fail(error.message, now).map(|()| false),
        begun => begun.map(|()| true),
    });
    let job = match begun {
        Ok((job, true)) => job,
        Ok((job, false)) => {
            tracing::error!(export, why = job.trouble, "an export is given up");
            return remove_files(ledger, staging, export);
        }
        // It cannot be noted, and is told of; or it is not wanted any more, and nothing of it is there.
        Err(_) => return,
    };
    let made = whole("the making", || make(&job));
    if made.is_err() && ledger.stopped() {
        // That was no attempt: it is made after the next start.
        let _ = ledger.change(export, |job, _| {
            job.attempts = job.attempts.saturating_sub(1);
            Ok(())
        });
        return;
    }
    if let Err(error) = &made {
        tracing::error!(export, %error, "an export could not be made");
    }
    let ended = ledger.change(export, |job, now| match made {
        Ok(made) => job.finish(made, now),
        Err(error) => job.fail(super::sentence(&error), now),
    });
    let is_staged = ended.as_ref().is_ok_and(|(job, ())| job.state.is_staged());
    // What could not be noted is made anew after a pause, and begins by removing what is there.
    let stays_wanted = ended.is_err() && ledger.is_wanted(export);
    if !is_staged && !stays_wanted {
        remove_files(ledger, staging, export);
    }
}

/// What came of `work`, also where a fault of the program breaks it off: the thread goes on with what waits behind it.
pub(super) fn whole<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Error::new(Kind::Internal, format!("{what} was broken off by a fault of the program"))
            .next("Send the recorder's log to its maintainers."))
    })
}

/// Removes the files of an export; says so where they cannot be.
pub(super) fn remove_files(ledger: &Ledger, staging: &Staging, export: u64) {
    if let Err(error) = staging.remove(export).map_err(exported) {
        let sentence =
            format!("The files of export {export} could not be deleted; it is tried again: {}", error.message);
        ledger.say(Topic::Files, sentence);
    }
}

/// Removes what is there of exports that have no files any more.
///
/// # Errors
/// When the folder cannot be listed, or something not removed.
pub(super) fn tidy_up(ledger: &Ledger, staging: &Staging) -> Result<()> {
    for export in staging.whole().map_err(exported)? {
        if !ledger.keeps_files(export) && !ledger.is_wanted(export) {
            staging.remove(export).map_err(exported)?;
        }
    }
    ledger.unsay(Topic::Files);
    Ok(())
}
