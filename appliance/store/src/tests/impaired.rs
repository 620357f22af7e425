//! What may look wrong because something was lost on its way here.

use super::harness::*;
use crate::kv::model::ModelKv;
use watchbook_access::Action;
use watchbook_base::{Kind, Ticks90k, TimeRange, UtcNanos};
use watchbook_media::{Impaired, Packet};

fn at(frame: i64) -> UtcNanos {
    START.plus_ticks(Ticks90k(frame * STEP_TICKS))
}

fn shown(from: i64, to: i64, lost: u64) -> Impaired {
    Impaired { range: TimeRange { start: at(from), end: at(to) }, lost }
}

#[test]
fn what_is_impaired_is_told_from_the_tail_the_index_and_the_log_alone() {
    let mut machine = Box_::new(21);
    let mut parts = machine.open();
    let mut cam = Cam::new(1, 300);
    parts.writer.begin(&cam.start(&machine.clock));
    // 100 s, a key frame every 12 pictures. Two losses in one GOP, one before a key frame, one across the first minute's end, one packet that is refused as too large.
    for frame in 0..2_500 {
        let packet = cam.packet(&machine.clock);
        let lost_before = match frame {
            40 => 3,
            43 => 2,
            240 => 7,
            1_499 => 1,
            _ => 0,
        };
        let huge = frame == 2_000;
        let data = if huge { vec![0; 2 << 20].into() } else { packet.data.clone() };
        assert_eq!(parts.writer.append(Packet { lost_before, data, ..packet }).is_err(), huge);
        machine.clock.advance(STEP_NANOS);
        if frame % 13 == 12 {
            parts.committer.step().unwrap();
        }
    }
    parts.committer.step().unwrap();
    let timeline = grant(Action::Timeline { camera: camera(1) });
    let told = |parts: &crate::store::Parts, range| parts.reader.impaired(&timeline, video(1), range).unwrap();
    let all = [shown(39, 48, 5), shown(239, 240, 7), shown(1_498, 1_500, 1), shown(1_999, 2_004, 1)];
    let found = told(&parts, ALL);
    assert_eq!((found.list.as_slice(), found.coarse), (&all[..], false));
    // What began before a range and reaches into it is in it.
    let part = |from, to| told(&parts, TimeRange { start: at(from), end: at(to) }).list;
    assert_eq!((part(45, 200), part(49, 200)), (vec![all[0]], vec![]));
    let refused = parts.reader.impaired(&grant(Action::Timeline { camera: camera(2) }), video(1), ALL).unwrap_err();
    assert_eq!(refused.kind, Kind::Denied);

    drop(parts);
    let parts = machine.open();
    assert_eq!(told(&parts, ALL).list, all, "after a start");
    drop(parts);
    machine.kv = ModelKv::crashing();
    assert_eq!(told(&machine.open(), ALL).list, all, "from an index that was made again");
}
