use super::*;
use proptest::prelude::*;

const HOUR: i64 = 60 * MINUTE;
/// A Friday in 2026.
const NOW: UtcNanos = UtcNanos(1_795_737_600 * NANOS_PER_SEC);

fn camera(number: u32) -> CameraId {
    CameraId::new(number).unwrap()
}

fn at(hours: i64) -> UtcNanos {
    NOW.plus_nanos(hours * HOUR)
}

fn range(start: UtcNanos, end: UtcNanos) -> TimeRange {
    TimeRange { start, end }
}

/// Cameras 1 and 2, two hours of yesterday, for accounts 7 and 8; opened by 3 an hour ago, for a day.
fn case() -> Case {
    Case {
        number: "17/2026".into(),
        purpose: Purpose::TrafficCollision,
        cameras: [camera(1), camera(2)].into(),
        range: range(at(-26), at(-24)),
        expires: at(23),
        opened_by: 3,
        opened: at(-1),
        investigators: [7, 8].into(),
        closed: None,
        emergency: false,
        reviewed: None,
        stopped: None,
        bookmarks: Vec::new(),
    }
}

fn emergency() -> Case {
    Case {
        number: "E-1".into(),
        purpose: Purpose::FireOrRescue,
        range: range(at(-2), at(0)),
        expires: NOW.plus_nanos(30 * MINUTE),
        opened_by: 7,
        opened: NOW,
        investigators: [7].into(),
        emergency: true,
        ..case()
    }
}

type Change = fn(&mut Case);

#[test]
fn a_case_admits_its_own_people_cameras_hours_and_time_and_nothing_else() {
    let whole = range(at(-26), at(-24));
    let second = NANOS_PER_SEC;
    let number = || "17/2026".to_owned();
    let refused: [(u32, u32, TimeRange, UtcNanos, Change, CaseRefusal); 9] = [
        (9, 1, whole, NOW, |_| {}, CaseRefusal::NotNamed(number())),
        (3, 1, whole, NOW, |_| {}, CaseRefusal::NotNamed(number())),
        (7, 3, whole, NOW, |_| {}, CaseRefusal::OtherCamera(number(), camera(3))),
        (7, 1, range(at(-26).plus_nanos(-second), at(-24)), NOW, |_| {}, CaseRefusal::OutsideWindow(number(), whole)),
        (7, 1, range(at(-26), at(-24).plus_nanos(second)), NOW, |_| {}, CaseRefusal::OutsideWindow(number(), whole)),
        (7, 1, range(at(-30), at(-29)), NOW, |_| {}, CaseRefusal::OutsideWindow(number(), whole)),
        (7, 1, whole, at(23), |_| {}, CaseRefusal::Expired(number())),
        (7, 1, whole, at(-2), |_| {}, CaseRefusal::Expired(number())),
        (7, 1, whole, NOW, |case| case.closed = Some(NOW), CaseRefusal::Closed(number())),
    ];
    for (account, of, wanted, now, change, refusal) in refused {
        let mut changed = case();
        change(&mut changed);
        assert_eq!(changed.admits(account, camera(of), wanted, now), Err(refusal.clone()));
        let told = refusal.to_string();
        assert!(told.contains("17/2026") && refusal.next_step().ends_with('.'), "{told}");
    }
    for (account, of, wanted, now) in
        [(7, 1, whole, NOW), (8, 2, range(at(-25), at(-24)), at(23).plus_nanos(-1)), (7, 2, whole, at(-1))]
    {
        assert_eq!(case().admits(account, camera(of), wanted, now), Ok(()));
    }
}

#[test]
fn what_a_case_must_be() {
    let wrong: [(Change, &str); 14] = [
        (|case| case.number = String::new(), "empty"),
        (|case| case.cameras.clear(), "cameras"),
        (|case| case.cameras = (1..=u32::try_from(CAMERAS_MAX).unwrap() + 1).map(camera).collect(), "cameras"),
        (|case| case.range = range(at(-24), at(-24)), "after it begins"),
        (|case| case.range.start = case.range.end.plus_nanos(-31 * DAY - 1), "31 days"),
        (|case| case.expires = NOW, "after now"),
        (|case| case.expires = NOW.plus_nanos(92 * DAY + 1), "92 days"),
        (|case| case.range.end = case.expires.plus_nanos(1), "before the case"),
        (|case| case.investigators.clear(), "investigators"),
        (|case| case.investigators = (10..27).collect(), "investigators"),
        (|case| case.investigators = [3].into(), "another account"),
        (|case| case.investigators = [3, 7].into(), "another account"),
        (|case| case.emergency = true, "30 minutes"),
        (|case| case.opened_by = 7, "another account"),
    ];
    assert_eq!((case().check(NOW), emergency().check(NOW)), (Ok(()), Ok(())));
    for (change, told) in wrong {
        let mut changed = case();
        change(&mut changed);
        let why = changed.check(NOW).unwrap_err();
        assert!(why.contains(told), "{why}");
    }
    let wrong: [(Change, &str); 5] = [
        (|case| case.expires = NOW.plus_nanos(30 * MINUTE + 1), "30 minutes"),
        (|case| case.range.start = case.range.end.plus_nanos(-DAY - 1), "1 days"),
        (|case| case.investigators = [7, 8].into(), "nobody else"),
        (|case| case.investigators = [8].into(), "nobody else"),
        (|case| case.investigators.clear(), "nobody else"),
    ];
    for (change, told) in wrong {
        let mut changed = emergency();
        change(&mut changed);
        let why = changed.check(NOW).unwrap_err();
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn numbers_are_what_people_write_and_nothing_that_hides() {
    for good in ["1", "17/2026", "PP-114.2 a", "លេខ ១២/២៦", "ក្រម 3", &"9".repeat(64)] {
        assert_eq!(check_number(good), Ok(()), "{good}");
    }
    for bad in
        ["", " 1", "1 ", "a\nb", "a\u{202E}b", "a,b", "a<b", "a?b", "a%b", "a\u{17B4}b", "a\u{200B}b", &"9".repeat(65)]
    {
        assert!(check_number(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn an_emergency_is_reviewed_and_nothing_else() {
    assert!(emergency().needs_review() && !case().needs_review());
    assert!(!Case { reviewed: Some(NOW), ..emergency() }.needs_review());
    assert!(emergency().is_open(NOW) && !emergency().is_open(NOW.plus_nanos(30 * MINUTE)));
    assert!(!Case { closed: Some(NOW), ..case() }.is_open(NOW));
}

#[test]
fn an_export_of_an_emergency_outlives_its_half_hour_and_ends_when_somebody_else_says_so() {
    let hours = emergency().range;
    let later = NOW.plus_nanos(9 * 60 * MINUTE);
    let lets_out = |case: &Case, account| case.lets_out(account, camera(1), hours, later);
    assert_eq!(lets_out(&emergency(), 7), Ok(()), "a second person comes in the morning");
    assert_eq!(
        emergency().admits(7, camera(1), hours, later),
        Err(CaseRefusal::Expired("E-1".into())),
        "nobody looks any more"
    );
    let done = Case { closed: Some(NOW), ..emergency() };
    assert_eq!(lets_out(&done, 7), Ok(()), "whoever opened it was done with it");
    let stopped = Case { stopped: Some(NOW), ..emergency() };
    assert_eq!(lets_out(&stopped, 7), Err(CaseRefusal::Stopped("E-1".into())));
    assert_eq!(lets_out(&emergency(), 8), Err(CaseRefusal::NotNamed("E-1".into())));
    assert!(emergency().lets_out(7, camera(9), hours, later).is_err(), "another camera");
    assert!(emergency().lets_out(7, camera(1), range(at(-30), at(0)), later).is_err(), "other hours");
    let ended = case().expires;
    assert_eq!(
        case().lets_out(7, camera(1), case().range, ended),
        Err(CaseRefusal::Expired(case().number)),
        "a case that somebody else opened has its own end"
    );
}

#[test]
fn purposes_have_the_words_of_the_interface() {
    let words: Vec<String> = Purpose::ALL.iter().map(|one| serde_json::to_string(one).unwrap()).collect();
    let listed = "traffic_collision traffic_offence theft violence property_damage fire_or_rescue other_crime subject_request equipment_check";
    assert_eq!(words, listed.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn what_is_admitted_lies_in_the_window_of_an_open_case(
        account in 6_u32..10, of in 1_u32..4, start in -30_i64..-20, len in 0_i64..4, hour in -3_i64..26,
    ) {
        let wanted = range(at(start), at(start + len));
        let admitted = case().admits(account, camera(of), wanted, at(hour)).is_ok();
        let inside = [7, 8].contains(&account) && of < 3 && start >= -26 && start + len <= -24 && (-1..23).contains(&hour);
        prop_assert_eq!(admitted, inside);
    }
}
