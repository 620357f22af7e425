//! Starts with a clock that is wrong.

use super::*;

#[test]
fn what_is_recorded_before_the_time_is_put_right_is_not_erased_with_the_hour_that_was_noted_last() {
    let machine = Box_::new(970);
    let wanted = [(camera(1), machine.clock.mono())];
    let before = machine.keys().unwrap().for_samples(&wanted).unwrap().remove(0).id;
    // Three days without power, and the clock has lost its time.
    machine.clock.advance((3 * DAY).unsigned_abs());
    machine.clock.step(-400 * DAY);
    machine.clock.set_sync_state(SyncState::Unsynchronised);
    let keys = machine.keys().unwrap();
    keys.set_retention(camera(1), Some(1));
    keys.tend();
    let wanted = [(camera(1), machine.clock.mono())];
    let after = keys.for_samples(&wanted).unwrap().remove(0).id;
    assert_eq!(keys.for_samples(&wanted).unwrap()[0].id, after, "one is enough");
    machine.clock.step(400 * DAY);
    machine.clock.set_sync_state(SyncState::Synchronised);
    keys.tend();
    let due = |keys: &Keys| keys.due(0).iter().map(|erased| erased.key_id).collect::<Vec<_>>();
    assert_eq!(due(&keys), [before]);
    machine.clock.advance((DAY + 58 * HOUR / 60).unsigned_abs());
    assert_eq!(due(&keys), [before]);
    machine.clock.advance((2 * HOUR / 60).unsigned_abs());
    assert_eq!(due(&keys), [before, after]);
}
