//! What `check` says of a ring whose power went.

use super::harness::*;
use std::path::Path;
use std::sync::Arc;
use watchbook_base::fs::sim::Dice;
use watchbook_base::{Clock, GapReason};
use watchbook_media::RecordingEnd;

/// Commits of 12 samples until the power goes, with a recording that ends and another that begins within one commit now and then.
fn record_until_cut(machine: &Box_) {
    let Ok(mut parts) = machine.try_open() else { return };
    let mut cam = Cam::new(1, 60_000);
    parts.writer.begin(&cam.start(&machine.clock));
    for commit in 0..24 {
        for frame in 0..12 {
            if commit % 3 == 1 && frame == 6 {
                let (stream, utc) = (cam.stream, machine.clock.utc());
                parts.writer.end(&RecordingEnd { stream, utc, reason: GapReason::CameraGone });
                parts.writer.begin(&cam.start(&machine.clock));
            }
            parts.writer.append(cam.packet(&machine.clock)).unwrap();
            machine.clock.advance(STEP_NANOS);
        }
        // A commit that is tried again without power would go on to change the index, which has no power either.
        if parts.committer.step().is_err() || machine.fs.is_off() {
            return;
        }
    }
}

#[test]
fn check_is_content_wherever_the_power_went() {
    let (mut torn, mut wrapped) = (0, 0);
    for step in 20..80 {
        // Without keys, so that each step is one of the ring's own.
        let machine = Box_ { sealed: false, ..Box_::new(step) };
        machine.fs.cut_after(step);
        record_until_cut(&machine);
        machine.fs.power_on();
        machine.kv.crash(&mut Dice::new(step));
        let report =
            crate::check(Path::new("/ring"), Arc::new(machine.fs.clone()), Some(&machine.kv), &mut |_| {}).unwrap();
        assert!(report.is_clean(), "cut at step {step}: {report:?}");
        torn += u64::from(report.torn_seq.is_some());
        wrapped += u64::from(report.last_seq > 20);
        let parts = machine.open();
        assert_eq!(parts.writer.stats().last_seq, report.last_seq, "cut at step {step}: a start sees what check saw");
    }
    assert!(torn > 0 && wrapped > 0, "{torn} cuts tore a commit, {wrapped} came after the ring had wrapped");
}
