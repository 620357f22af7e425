//! Exports as the page shows them.

use super::{ExportDesk, MISSING_MAX, carry};
use std::sync::atomic::Ordering;
use watchbook_base::UtcNanos;
use watchbook_export::job::{FileRow, Job, Made, MissingRow, State};
use watchbook_web::api;

impl ExportDesk {
    /// Names of accounts, and what whoever looks may do with it, are left open.
    pub(super) fn shown(&self, job: &Job) -> api::Export {
        let order = &job.order;
        let (_, carrying) = self.ledger.progress();
        api::Export {
            id: job.id.to_string(),
            case: order.case.clone(),
            cameras: order.cameras.iter().map(|of| of.camera).collect(),
            start_utc_ms: order.range.start.as_ms(),
            end_utc_ms: order.range.end.as_ms(),
            recipient_class: order.recipient_class,
            recipient: order.recipient.clone(),
            asked_by: order.account,
            asked_by_name: None,
            asked_utc_ms: order.asked.as_ms(),
            state: state(job.state),
            since_utc_ms: job.since.as_ms(),
            progress: self.progress(job),
            made: job.made.as_ref().map(made_shown),
            answer: job.answer.as_ref().map(|answer| api::ExportAnswer {
                account: answer.account,
                account_name: None,
                at_utc_ms: answer.at.as_ms(),
                reason: answer.reason.clone(),
            }),
            trouble: (!job.trouble.is_empty()).then(|| job.trouble.clone()),
            expires_utc_ms: job.expires().map(UtcNanos::as_ms),
            delivered_utc_ms: job.delivered_at.map(UtcNanos::as_ms),
            deliveries: job.deliveries.iter().map(|delivery| carry::shown(job, delivery, carrying)).collect(),
            denied: None,
            redaction: order.redaction.as_ref().map(super::redact::shown),
        }
    }

    fn progress(&self, job: &Job) -> Option<api::ExportProgress> {
        if job.state != State::Making {
            return None;
        }
        let (making, _) = self.ledger.progress();
        let making = making.filter(|making| making.export == job.id).unwrap_or_default();
        let is_before =
            |other: &&Job| other.state == State::Making && (other.order.asked, other.id) < (job.order.asked, job.id);
        let before_it = self.ledger.list().iter().filter(is_before).count();
        let total_bytes = if making.total_bytes == 0 { job.estimate_bytes } else { making.total_bytes };
        let left = total_bytes.saturating_sub(making.done_bytes);
        Some(api::ExportProgress {
            done_bytes: making.done_bytes,
            total_bytes,
            before_it: u32::try_from(before_it).unwrap_or(u32::MAX),
            without_leaf: making.without_leaf,
            seconds_left: match job.order.redaction {
                None => left / self.bytes_per_s.load(Ordering::Relaxed).max(1) + 1,
                Some(_) => self.redacted_seconds(job.order.range) * left / total_bytes.max(1) + 1,
            },
        })
    }
}

fn state(state: State) -> api::ExportState {
    match state {
        State::Making => api::ExportState::Making,
        State::Ready => api::ExportState::Ready,
        State::Released => api::ExportState::Released,
        State::Refused => api::ExportState::Refused,
        State::Failed => api::ExportState::Failed,
        State::Cancelled => api::ExportState::Cancelled,
        State::Expired => api::ExportState::Expired,
    }
}

fn made_shown(made: &Made) -> api::ExportMade {
    let missing = |row: &MissingRow| api::ExportMissing {
        camera: row.camera,
        is_sound: row.is_sound,
        start_utc_ms: row.range.start.as_ms(),
        end_utc_ms: row.range.end.as_ms(),
        reason: row.reason.clone(),
    };
    let file =
        |file: &FileRow| api::ExportFile { name: file.name.clone(), bytes: file.bytes, sha256: file.sha256.clone() };
    api::ExportMade {
        manifest_sha256: made.manifest_sha256.clone(),
        bytes: made.bytes(),
        runs: made.runs,
        complete: made.is_complete(),
        delivered_start_utc_ms: made.delivered.map(|range| range.start.as_ms()),
        delivered_end_utc_ms: made.delivered.map(|range| range.end.as_ms()),
        missing: made.missing.iter().take(MISSING_MAX).map(missing).collect(),
        missing_count: u64::try_from(made.missing.len()).unwrap_or(u64::MAX),
        files: made.files.iter().map(file).collect(),
        witnesses: made.witnesses.clone(),
    }
}
