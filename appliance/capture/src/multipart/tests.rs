use super::*;
use proptest::prelude::*;

const TRANSCRIPTS: [(&str, &str); 11] = [
    ("plain", include_str!("../../testdata/mjpeg/plain.txt")),
    ("dashes", include_str!("../../testdata/mjpeg/dashes.txt")),
    ("quoted", include_str!("../../testdata/mjpeg/quoted.txt")),
    ("spaces", include_str!("../../testdata/mjpeg/spaces.txt")),
    ("no-length", include_str!("../../testdata/mjpeg/no-length.txt")),
    ("no-first-boundary", include_str!("../../testdata/mjpeg/no-first-boundary.txt")),
    ("stray-lines", include_str!("../../testdata/mjpeg/stray-lines.txt")),
    ("no-line-end", include_str!("../../testdata/mjpeg/no-line-end.txt")),
    ("own-fields", include_str!("../../testdata/mjpeg/own-fields.txt")),
    ("line-feeds", include_str!("../../testdata/mjpeg/line-feeds.txt")),
    ("other-boundary", include_str!("../../testdata/mjpeg/other-boundary.txt")),
];

/// A JPEG by the syntax of T.81 figure B.2, whose scan has line ends, dashes and what looks like a boundary in it, and `number` to tell it by.
fn jpeg(number: u8) -> Vec<u8> {
    let mut data = vec![0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0, 8, 0, 16, 1, 1, 0x11, 0];
    data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    data.extend(b"\r\n--frame\r\n-- \n--my\r\n\r\nframe");
    data.extend([number, 0xFF, 0xD9]);
    data
}

/// Without the look-alike, for boundaries that are as short as it.
fn plain_jpeg(number: u8) -> Vec<u8> {
    let mut data = jpeg(number);
    data.splice(25..data.len() - 3, *b"\r\n\r\n--x");
    data
}

/// A transcript as the camera's bytes: `Content-Type` of the response, and the body, with pictures 0, 1, 2 …
fn body_of(transcript: &str, length_off: isize) -> (String, Vec<u8>) {
    let line_end = if transcript.contains("# Line ends: LF") { "\n" } else { "\r\n" };
    let lines: Vec<&str> = transcript.lines().filter(|line| !line.starts_with('#')).collect();
    let (head, rest) = lines.split_first().unwrap();
    let content_type = head.split_once(':').unwrap().1.trim().to_owned();
    let text = rest[1..].join(line_end) + line_end;
    let (mut body, mut number) = (Vec::new(), 0);
    for (index, piece) in text.split("[jpeg]").enumerate() {
        if index > 0 {
            body.extend(plain_jpeg(number));
            number += 1;
        }
        let length = plain_jpeg(number).len().saturating_add_signed(length_off);
        body.extend(piece.replace("[length]", &length.to_string()).into_bytes());
    }
    (content_type, body)
}

fn read(content_type: &str, body: &[u8], step: usize) -> Result<Vec<Part>, Broken> {
    let mut parts = Parts::new(boundary_of(content_type));
    let mut found = Vec::new();
    for piece in body.chunks(step.max(1)) {
        parts.push(piece);
        while let Some(part) = parts.next()? {
            found.push(part);
        }
        assert!(
            parts.buffer.len() <= ACCESS_UNIT_BYTES_MAX + step.max(1) + HEADER_BYTES_MAX,
            "what is held is bounded"
        );
    }
    Ok(found)
}

fn pictures(parts: &[Part]) -> Vec<Vec<u8>> {
    parts
        .iter()
        .map(|part| match part {
            Part::Picture(data, picture) => {
                assert_eq!((picture.width, picture.height, picture.len), (16, 8, data.len()));
                data.to_vec()
            }
            Part::Damaged(what) => panic!("damaged: {what}"),
        })
        .collect()
}

#[test]
fn every_cameras_way_of_writing_it_gives_the_same_pictures() {
    for (name, transcript) in TRANSCRIPTS {
        assert!(transcript.starts_with("# Source: "), "{name}");
        let (content_type, body) = body_of(transcript, 0);
        for step in [1, 2, 3, 7, 64, body.len()] {
            let found = read(&content_type, &body, step).unwrap_or_else(|broken| panic!("{name}, {step}: {broken:?}"));
            assert_eq!(pictures(&found), [plain_jpeg(0), plain_jpeg(1)], "{name} in pieces of {step}");
        }
    }
}

#[test]
fn a_length_that_is_wrong_is_found_out_and_not_believed_again() {
    for (name, transcript) in TRANSCRIPTS.into_iter().filter(|(_, transcript)| transcript.contains("[length]")) {
        for off in [-9, -1, 1, 5, 30, 100_000_000] {
            let (content_type, mut body) = body_of(transcript, off);
            // A length that is too long waits for bytes that come with the next pictures.
            let more = body.clone();
            (0..4).for_each(|_| body.extend(&more));
            let found = read(&content_type, &body, 11).unwrap_or_else(|broken| panic!("{name}, {off}: {broken:?}"));
            let whole = found.iter().filter(|part| matches!(part, Part::Picture(..))).count();
            assert!(whole >= 8, "{name}, lengths off by {off}: {whole} of 10 pictures: {found:?}");
        }
    }
}

#[test]
fn a_length_that_is_far_too_large_is_not_waited_for() {
    for (name, transcript) in TRANSCRIPTS.into_iter().filter(|(_, transcript)| transcript.contains("[length]")) {
        let (content_type, body) = body_of(transcript, 500_000);
        for step in [1, 7, body.len()] {
            let found = read(&content_type, &body, step).unwrap_or_else(|broken| panic!("{name}, {step}: {broken:?}"));
            // Both pictures are here, and nothing of what was told besides.
            assert_eq!(pictures(&found), [plain_jpeg(0), plain_jpeg(1)], "{name} in pieces of {step}");
        }
    }
}

#[test]
fn what_looks_like_a_boundary_is_not_the_end_of_a_picture_that_is_waited_for() {
    let mut parts = Parts::new(Some("frame"));
    let length = jpeg(1).len();
    for piece in [format!("--frame\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &jpeg(1)[..length - 1]] {
        parts.push(piece);
        assert_eq!(parts.next(), Ok(None));
    }
    parts.push(&jpeg(1)[length - 1..]);
    assert!(matches!(parts.next(), Ok(Some(Part::Picture(data, _))) if data == jpeg(1)));
    assert!(!parts.lengths_lie);
}

#[test]
fn a_picture_without_a_length_does_not_wait_for_the_next_one() {
    let mut parts = Parts::new(Some("frame"));
    parts.push(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n");
    assert_eq!(parts.next(), Ok(None));
    parts.push(&plain_jpeg(7));
    assert!(matches!(parts.next(), Ok(Some(Part::Picture(data, _))) if data == plain_jpeg(7)), "its end is its own");
    assert_eq!(parts.next(), Ok(None));
}

#[test]
fn what_looks_like_a_boundary_inside_a_picture_costs_at_most_that_picture() {
    let mut body = Vec::new();
    for number in 0..3 {
        body.extend(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ");
        body.extend(format!("{}\r\n\r\n", jpeg(number).len()).bytes());
        body.extend(jpeg(number));
        body.extend(b"\r\n");
    }
    let found = read("multipart/x-mixed-replace; boundary=frame", &body, 10).unwrap();
    assert_eq!(pictures(&found), [jpeg(0), jpeg(1), jpeg(2)], "with a length nothing is searched");
}

#[test]
fn padding_behind_a_picture_is_cut_off() {
    let mut body = format!("--b\r\nContent-Length: {}\r\n\r\n", jpeg(1).len() + 100).into_bytes();
    body.extend(jpeg(1));
    body.extend([0; 100]);
    body.extend(b"\r\n--b\r\n\r\n");
    body.extend(plain_jpeg(2));
    body.extend([0; 100]);
    body.extend(b"\r\n--b\r\n");
    let found = read("multipart/x-mixed-replace; boundary=b", &body, 1000).unwrap();
    assert_eq!(pictures(&found), [jpeg(1), plain_jpeg(2)]);
}

#[test]
fn padding_that_comes_later_is_stepped_over_and_is_bounded() {
    let head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";
    let padding = vec![0; 5 * HEADER_BYTES_MAX];
    let part = |number| [&head[..], &plain_jpeg(number), &padding, b"\r\n"].concat();
    let whole = [part(1), part(2), part(3)].concat();
    let before = head.len() + plain_jpeg(1).len();
    for step in [1, 7, 1000, before, whole.len()] {
        let found = read("multipart/x-mixed-replace; boundary=frame", &whole, step).unwrap();
        // The last one has no delimiter behind it: known by its own end, or not yet.
        let expected = [plain_jpeg(1), plain_jpeg(2), plain_jpeg(3)];
        let found = pictures(&found);
        assert!(found.len() >= 2 && expected.starts_with(&found), "in pieces of {step}: {} pictures", found.len());
    }
    let endless = [&head[..], &plain_jpeg(1), &vec![0; PADDING_BYTES_MAX + 2]].concat();
    assert!(read("multipart/x-mixed-replace; boundary=frame", &endless, before).unwrap_err().0.contains("padding"));
}

#[test]
fn what_is_no_picture_is_damage_and_what_is_no_body_ends_it() {
    let html =
        b"--frame\r\nContent-Type: text/html\r\n\r\n<html>busy</html>\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n";
    let found = read("multipart/x-mixed-replace; boundary=frame", &[&html[..], &plain_jpeg(1)].concat(), 16).unwrap();
    assert!(
        matches!(&found[..], [Part::Damaged(what), Part::Picture(..)] if what.contains("start of image")),
        "{found:?}"
    );

    let broken = |body: &[u8]| read("multipart/x-mixed-replace; boundary=frame", body, 1000).unwrap_err().0;
    assert!(broken(&[b'x'; 20_000]).contains("no boundary"));
    assert!(broken(&b"line\r\n".repeat(4000)).contains("no boundary"));
    assert!(broken(&[&b"--frame\r\n"[..], &b"X-More: of this\r\n".repeat(4000)].concat()).contains("header of a part"));
}

#[test]
fn a_part_without_end_is_let_go_up_to_the_next_boundary() {
    let mut body = b"--boundary7\r\nContent-Type: image/jpeg\r\n\r\n".to_vec();
    body.extend(&jpeg(0)[..20]);
    body.resize(ACCESS_UNIT_BYTES_MAX * 2, 0x55);
    body.extend(b"\r\n--boundary7\r\nContent-Type: image/jpeg\r\n\r\n");
    body.extend(plain_jpeg(3));
    let found = read("multipart/x-mixed-replace; boundary=boundary7", &body, 60_000).unwrap();
    assert!(matches!(&found[..], [Part::Damaged(what), Part::Picture(..)] if what.contains("more than")), "{found:?}");
}

#[test]
fn boundaries_are_read_as_they_are_written() {
    // RFC 2046 §5.1.1: quotes are needed for some characters.
    assert_eq!(boundary_of("multipart/mixed; boundary=\"gc0pJq0M:08jU534c0p\""), Some("gc0pJq0M:08jU534c0p"));
    assert_eq!(boundary_of("multipart/x-mixed-replace;charset=utf-8; Boundary=a=b"), Some("a=b"));
    assert_eq!(boundary_of("multipart/x-mixed-replace; boundary="), None);
    assert_eq!(boundary_of("multipart/x-mixed-replace"), None);
    assert_eq!(core_of(b"----"), None);
}

/// What is wanted of the pieces: the pictures, and whether the body can be read on.
fn outcome(content_type: &str, body: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Broken> {
    let whole = |part| match part {
        Part::Picture(data, _) => Some(data.to_vec()),
        Part::Damaged(_) => None,
    };
    Ok(read(content_type, body, step)?.into_iter().filter_map(whole).collect())
}

proptest! {
    // The noise is put where text is, behind a colon, so that it makes no other pictures.
    #[test]
    fn pieces_make_no_difference(
        noise in "[ -~]{0,60}",
        line in 0_usize..12,
        length_off in prop_oneof![Just(0_isize), -20_isize..20, Just(500_000)],
        step in 1_usize..300,
        which in 0_usize..TRANSCRIPTS.len(),
    ) {
        let (content_type, mut body) = body_of(TRANSCRIPTS[which].1, length_off);
        // The pictures of a transcript that was cut short could not be told from those still to come.
        let more = body.clone();
        (0..3).for_each(|_| body.extend(&more));
        if let Some((at, _)) = body.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(line) {
            body.splice(at + 1..at + 1, noise.bytes());
        }
        prop_assert_eq!(outcome(&content_type, &body, step), outcome(&content_type, &body, body.len()));
    }

    #[test]
    fn no_bytes_break_a_promise(
        noise in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..600,
        choice in any::<[u8; 2]>(),
        length_off in prop_oneof![Just(0_isize), -20_isize..20, Just(500_000)],
        which in 0_usize..TRANSCRIPTS.len(),
    ) {
        let (_, mut body) = body_of(TRANSCRIPTS[which].1, length_off);
        let at = at.min(body.len());
        body.splice(at..at, noise.iter().copied());
        fuzz_body::multipart(&[&choice[..], &body].concat());
        fuzz_body::multipart(&[&choice[..], &noise].concat());
    }
}

#[test]
fn the_corpus_holds() {
    let seeds = TRANSCRIPTS.map(|(_, transcript)| [&[1, 200][..], &body_of(transcript, 0).1].concat());
    assert!(crate::corpus::over_corpus("multipart", fuzz_body::multipart, &seeds) > 0);
}

/// What must hold for any bytes; in `tests/fuzz` by libFuzzer, too.
#[path = "fuzz_body.rs"]
mod fuzz_body;
