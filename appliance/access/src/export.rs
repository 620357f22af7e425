//! Exports as the gate sees them: who asked for what, which decides who may release, refuse, give up or take it out.

use crate::action::Action;
use crate::gate::{Refusal, Within, inside};
use crate::role::Subject;
use watchbook_base::{CameraId, TimeRange};

/// An export as it is at this moment, as far as rights go. How far its making is, whoever keeps exports judges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportNow {
    /// Its number.
    pub export: u64,
    /// Account that asked for it.
    pub asked_by: u32,
    /// Number of the case in which it was asked for.
    pub case: String,
    /// Whose footage it has; never empty.
    pub cameras: Vec<CameraId>,
    /// Of when.
    pub range: TimeRange,
}

/// What may be done with an export that another account asked for, and what with one's own alone. Total: what is done with an export that is not the subject's
/// [`Subject::export`] is refused.
pub(crate) fn of_export(subject: &Subject, action: &Action) -> Result<(), Refusal> {
    let (number, is_answer) = match action {
        Action::ReleaseExport { export, .. } | Action::RefuseExport { export, .. } => (*export, true),
        Action::CancelExport { export } | Action::DeliverExport { export, .. } => (*export, false),
        _ => return Ok(()),
    };
    let refused = |why: String| Err(Refusal::NotAllowed(why));
    let Some(export) = subject.export.as_ref().filter(|known| known.export == number) else {
        return refused(format!("there is no export {number}"));
    };
    let is_own = subject.account == Some(export.asked_by);
    match (is_answer, is_own) {
        // Also where one account has both roles: what leaves the box needs two people.
        (true, true) => {
            return refused(format!("export {number} was asked for by this account; somebody else must answer it"));
        }
        (false, false) => {
            return refused(format!(
                "export {number} was asked for by another account, which alone may have it or give it up"
            ));
        }
        _ => {}
    }
    if matches!(action, Action::CancelExport { .. }) {
        return Ok(());
    }
    if let Some(other) = export.cameras.iter().find(|camera| !subject.covers(**camera)) {
        return refused(format!("export {number} has camera {other}, which is not among the cameras of this account"));
    }
    match action {
        Action::DeliverExport { .. } => {
            let within = (&*export.case, Within::Export);
            export.cameras.iter().try_for_each(|camera| inside(subject, within, *camera, export.range))
        }
        _ => Ok(()),
    }
}
