//! A redacted copy by the real `watchbook-decode` and `watchbook-encode`, of real streams with B-frames, judged by ffmpeg.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;
use watchbook_analysis::Point;
use watchbook_analysis::mask::Fill;
use watchbook_analysis::message::Bounds;
use watchbook_analysis::redact::{Coded, Redactor};
use watchbook_analysis::replay::Unit;
use watchbook_base::UtcNanos;
use watchbook_media::h26x::from_annex_b;
use watchbook_media::{Codec, TrackFormat};

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
const START_NS: i64 = 1_764_000_000_000_000_000;
/// How far from black (16) a pixel that was filled may be after it was encoded.
const SHADES_MAX: u8 = 8;
/// So near to what is not black the encoder may let more of that shine in: pixels, and shades.
const EDGE: (usize, u8) = (4, 40);

/// An access unit with the number of its picture in the order of presentation.
struct Stored {
    number: i64,
    key: bool,
    data: Vec<u8>,
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().expect("ffmpeg is installed by the set-up");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Two seconds of a moving picture at 25 a second, in decode order, as `encoder` codes it.
fn film(encoder: &[&str], format: &str) -> Vec<Stored> {
    film_of((WIDTH, HEIGHT), encoder, format)
}

fn film_of((width, height): (usize, usize), encoder: &[&str], format: &str) -> Vec<Stored> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mp4");
    let path = path.to_str().unwrap();
    // The source makes even sizes alone.
    let source = match width % 2 + height % 2 {
        0 => format!("testsrc2=size={width}x{height}:rate=25"),
        _ => format!(
            "testsrc2=size={}x{}:rate=25,format=yuv444p,crop={width}:{height}:0:0:exact=1",
            width + width % 2,
            height + height % 2
        ),
    };
    let mut arguments = vec!["-v", "error", "-f", "lavfi", "-i", &source, "-t", "2", "-threads", "1", "-c:v"];
    arguments.extend(encoder);
    arguments.extend(["-video_track_timescale", "25", path]);
    run("ffmpeg", &arguments);
    let shown = ["-v", "error", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", path];
    let told = String::from_utf8(run("ffprobe", &shown)).unwrap();
    let times: Vec<(i64, bool)> = told
        .lines()
        .map(|line| {
            let (pts, flags) = line.split_once(',').unwrap();
            (pts.parse().unwrap(), flags.starts_with('K'))
        })
        .collect();
    let aud = format!("{format}_mp4toannexb,{}_metadata=aud=insert", if format == "h264" { "h264" } else { "hevc" });
    let stream = run("ffmpeg", &["-v", "error", "-i", path, "-c", "copy", "-bsf:v", &aud, "-f", format, "-"]);
    // Every access unit begins with a delimiter.
    let delimiter: &[u8] = if format == "h264" { &[0, 0, 1, 9] } else { &[0, 0, 1, 0x46] };
    let mut starts: Vec<usize> = (0..stream.len() - 4).filter(|at| stream[*at..].starts_with(delimiter)).collect();
    starts.push(stream.len());
    assert_eq!(starts.len(), times.len() + 1);
    let first = times.iter().map(|(pts, _)| *pts).min().unwrap();
    let unit = |(pair, (pts, key)): (&[usize], &(i64, bool))| Stored {
        number: pts - first,
        key: *key,
        data: from_annex_b(&stream[pair[0]..pair[1]]).unwrap().to_vec(),
    };
    starts.windows(2).zip(&times).map(unit).collect()
}

fn utc(number: i64) -> UtcNanos {
    UtcNanos(START_NS + number * 40_000_000)
}

fn rectangle(left: f64, top: f64, right: f64, bottom: f64) -> Vec<Point> {
    [(left, top), (right, top), (right, bottom), (left, bottom)].map(|(x, y)| Point::from_fractions(x, y)).to_vec()
}

/// The copy of the pictures for which `fill` gives something, and the numbers of its pictures.
fn redacted(codec: Codec, film: &[Stored], fill: impl Fn(i64) -> Option<Fill>) -> (Vec<i64>, Vec<u8>) {
    let program = |name: &'static str| Path::new(name);
    let (decode, encode) = (env!("CARGO_BIN_EXE_watchbook-decode"), env!("CARGO_BIN_EXE_watchbook-encode"));
    let mut redactor = Redactor::spawn(program(decode), program(encode)).unwrap();
    let (mut numbers, mut stream) = (Vec::new(), Vec::new());
    let mut on = |coded: Coded| {
        assert_eq!(coded.fresh, numbers.is_empty(), "one encoder for one size");
        numbers.push((coded.utc.0 - START_NS) / 40_000_000);
        stream.extend(coded.data);
        Ok(())
    };
    redactor.open(&TrackFormat { codec, config: bytes::Bytes::new() }, 25).unwrap();
    for Stored { number, key, data } in film {
        redactor.feed(Unit { utc: utc(*number), key: *key, data }, fill(*number), &mut on).unwrap();
    }
    redactor.drain(&mut on).unwrap();
    assert!(redactor.failed() == 0 && !redactor.encoder().is_empty(), "{:?}", redactor.problem());
    let (Codec::H264 { width, height } | Codec::H265 { width, height }) = codec else { panic!("{codec:?}") };
    assert_eq!(redactor.padded(), width % 2 + height % 2 > 0);
    (numbers, stream)
}

/// Brightness of each picture, as ffmpeg decodes it.
fn decoded(stream: &[u8]) -> Vec<Vec<u8>> {
    decoded_of((WIDTH, HEIGHT), stream)
}

fn decoded_of((width, height): (usize, usize), stream: &[u8]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.h264");
    std::fs::write(&path, stream).unwrap();
    let path = path.to_str().unwrap();
    let all = run(
        "ffmpeg",
        &["-v", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"],
    );
    assert_eq!(all.len() % (width * height * 3 / 2), 0, "every picture is {width}x{height}");
    all.chunks(width * height * 3 / 2).map(|picture| picture[..width * height].to_vec()).collect()
}

fn h264() -> Codec {
    Codec::H264 { width: WIDTH as u32, height: HEIGHT as u32 }
}

#[test]
fn every_wanted_picture_comes_once_in_its_order_with_its_black() {
    let film = film(&["libx264", "-bf", "3", "-g", "25", "-pix_fmt", "yuv420p"], "h264");
    assert!(film.windows(2).any(|pair| pair[0].number > pair[1].number), "there are pictures out of order");
    // The black moves by four columns a picture, and the first ten pictures do not belong into the copy.
    let left = |number: i64| (number * 4) as f64 / WIDTH as f64;
    let fill = |number: i64| {
        let outlines = vec![rectangle(left(number), 0.25, left(number) + 0.25, 0.75)];
        (number >= 10).then_some(Fill { outlines, but: false })
    };
    let (numbers, stream) = redacted(h264(), &film, fill);
    assert_eq!(numbers, (10..50).collect::<Vec<_>>());
    let pictures = decoded(&stream);
    assert_eq!(pictures.len(), 40);
    for (picture, number) in pictures.iter().zip(&numbers) {
        let columns = (number * 4) as usize..(number * 4) as usize + WIDTH / 4;
        let inside =
            |at: usize| columns.contains(&(at % WIDTH)) && (HEIGHT / 4..HEIGHT * 3 / 4).contains(&(at / WIDTH));
        let far =
            |at: usize| [at - EDGE.0, at + EDGE.0, at - EDGE.0 * WIDTH, at + EDGE.0 * WIDTH].into_iter().all(inside);
        for (at, shade) in picture.iter().enumerate().filter(|(at, _)| inside(*at)) {
            let most = if far(at) { SHADES_MAX } else { EDGE.1 };
            assert!(shade.abs_diff(16) <= most, "{shade} at {at} of picture {number}");
        }
        let seen = picture.iter().enumerate().filter(|(at, shade)| !inside(*at) && **shade > 60).count();
        assert!(seen > WIDTH * HEIGHT / 10, "the rest is there");
    }
}

#[test]
fn everything_but_a_region_is_black_in_ten_bits_too() {
    let x265 = ["libx265", "-x265-params", "log-level=none:keyint=25", "-pix_fmt", "yuv420p10le"];
    let film = film(&x265, "hevc");
    let codec = Codec::H265 { width: WIDTH as u32, height: HEIGHT as u32 };
    let fill = |_| Some(Fill { outlines: vec![rectangle(0.25, 0.25, 0.75, 0.75)], but: true });
    let (numbers, stream) = redacted(codec, &film, fill);
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    for picture in decoded(&stream) {
        let stays = |at: usize| {
            (WIDTH / 4..WIDTH * 3 / 4).contains(&(at % WIDTH)) && (HEIGHT / 4..HEIGHT * 3 / 4).contains(&(at / WIDTH))
        };
        let near = |at: usize| {
            let (column, row) = (at % WIDTH, at / WIDTH);
            (WIDTH / 4 - EDGE.0..WIDTH * 3 / 4 + EDGE.0).contains(&column)
                && (HEIGHT / 4 - EDGE.0..HEIGHT * 3 / 4 + EDGE.0).contains(&row)
        };
        for (at, shade) in picture.iter().enumerate().filter(|(at, _)| !stays(*at)) {
            let most = if near(at) { EDGE.1 } else { SHADES_MAX };
            assert!(shade.abs_diff(16) <= most, "{shade} at {at}");
        }
        assert!(picture.iter().enumerate().any(|(at, shade)| stays(at) && *shade > 60));
    }
}

#[test]
fn without_a_word_of_what_is_black_nothing_comes_out() {
    let film = film(&["libx264", "-bf", "0", "-pix_fmt", "yuv420p"], "h264");
    let program = |name: &'static str| Path::new(name);
    let (decode, encode) = (env!("CARGO_BIN_EXE_watchbook-decode"), env!("CARGO_BIN_EXE_watchbook-encode"));
    let mut redactor = Redactor::spawn(program(decode), program(encode)).unwrap();
    redactor.open(&TrackFormat { codec: h264(), config: bytes::Bytes::new() }, 25).unwrap();
    let mut on = |_: Coded| panic!("a picture came");
    for Stored { number, key, data } in &film {
        redactor.feed(Unit { utc: utc(*number), key: *key, data }, None, &mut on).unwrap();
    }
    redactor.drain(&mut on).unwrap();
    assert_eq!(redactor.encoder(), "", "no encoder was needed");
}

/// 4:4:4 has odd sizes, and H.264 in 4:2:0 has none.
#[test]
fn a_picture_of_an_odd_size_loses_nothing_and_gets_a_black_edge() {
    let (width, height) = (321, 181);
    let film = film_of((width, height), &["libx264", "-bf", "2", "-pix_fmt", "yuv444p"], "h264");
    let codec = Codec::H264 { width: width as u32, height: height as u32 };
    let fill = |_| Some(Fill { outlines: vec![rectangle(0.0, 0.0, 0.5, 0.5)], but: false });
    let (numbers, stream) = redacted(codec, &film, fill);
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    let (whole_width, whole_height) = (322, 182);
    let pictures = decoded_of((whole_width, whole_height), &stream);
    assert_eq!(pictures.len(), 50);
    for picture in pictures {
        let shade = |column: usize, row: usize| picture[row * whole_width + column];
        for row in 0..height / 2 - EDGE.0 {
            for column in 0..width / 2 - EDGE.0 {
                assert!(shade(column, row).abs_diff(16) <= SHADES_MAX, "{} at {column},{row}", shade(column, row));
            }
        }
        // The added column and row are black, as far as the encoder lets them next to what is not.
        let edge =
            |at: &dyn Fn(usize) -> u8, all: usize| (0..all).map(|place| u32::from(at(place))).sum::<u32>() / all as u32;
        let added = edge(&|row| shade(whole_width - 1, row), whole_height);
        let beside = edge(&|row| shade(whole_width - 2, row), whole_height);
        assert!(added < 50 && beside > 60, "{added} beside {beside}");
        let added = edge(&|column| shade(column, whole_height - 1), whole_width);
        let beside = edge(&|column| shade(column, whole_height - 2), whole_width);
        assert!(added < 50 && beside > 60, "{added} below {beside}");
    }
}

/// Pictures of a look within `bounds`, and their numbers.
fn looked((width, height): (usize, usize), film: &[Stored], bounds: Bounds) -> (Vec<i64>, Vec<u8>) {
    let program = |name: &'static str| Path::new(name);
    let (decode, encode) = (env!("CARGO_BIN_EXE_watchbook-decode"), env!("CARGO_BIN_EXE_watchbook-encode"));
    let mut looker = Redactor::to_look(program(decode), program(encode), bounds).unwrap();
    let (mut numbers, mut stream) = (Vec::new(), Vec::new());
    let mut on = |coded: Coded| {
        numbers.push((coded.utc.0 - START_NS) / 40_000_000);
        stream.extend(coded.data);
        Ok(())
    };
    let codec = Codec::H265 { width: width as u32, height: height as u32 };
    looker.open(&TrackFormat { codec, config: bytes::Bytes::new() }, 25).unwrap();
    for (at, Stored { number, key, data }) in film.iter().enumerate() {
        let fill = Some(Fill { outlines: Vec::new(), but: false });
        looker.feed(Unit { utc: utc(*number), key: *key, data }, fill, &mut on).unwrap();
        if at % 7 == 0 {
            looker.settle(&mut on).unwrap();
        }
    }
    looker.drain(&mut on).unwrap();
    assert_eq!((looker.failed(), looker.problem()), (0, None));
    (numbers, stream)
}

/// Peak signal-to-noise ratio in dB.
fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.len() as f64 / squares.max(1e-9)).log10()
}

/// What a browser cannot play: every picture at its own time, smaller in its proportions, and as ffmpeg would make it small.
#[test]
fn pictures_to_look_at_are_smaller_and_resemble_the_footage() {
    let size = (1920, 1080);
    let x265 = [
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none:keyint=25:bframes=2",
        "-pix_fmt",
        "yuv420p",
    ];
    let film = film_of(size, &x265, "hevc");
    assert!(film.windows(2).any(|pair| pair[0].number > pair[1].number), "there are pictures out of order");
    let (numbers, stream) = looked(size, &film, Bounds { width_max: 640, height_max: 640, fps_max: 30 });
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    let source = "testsrc2=size=1920x1080:rate=25,format=yuv420p,scale=640:360:flags=area";
    let raw = ["-v", "error", "-f", "lavfi", "-i", source, "-t", "2", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"];
    let reference = run("ffmpeg", &raw);
    for (number, (picture, wanted)) in
        decoded_of((640, 360), &stream).iter().zip(reference.chunks(640 * 360 * 3 / 2)).enumerate()
    {
        let alike = psnr(picture, &wanted[..640 * 360]);
        assert!(alike > 28.0, "picture {number} is {alike:.1} dB from what was filmed");
        let other = psnr(picture, &reference[(number + 3) % 50 * (640 * 360 * 3 / 2)..][..640 * 360]);
        assert!(other < alike - 3.0, "picture {number} could as well be another one: {other:.1} dB");
    }
}

#[test]
fn pictures_to_look_at_come_no_oftener_than_wished() {
    let size = (WIDTH, HEIGHT);
    let x265 =
        ["libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=25", "-pix_fmt", "yuv420p10le"];
    let film = film_of(size, &x265, "hevc");
    let (numbers, stream) = looked(size, &film, Bounds { width_max: 1280, height_max: 720, fps_max: 10 });
    assert!((19..=21).contains(&numbers.len()) && numbers.is_sorted(), "{numbers:?} of 2 s at 10 a second");
    assert!(numbers.windows(2).all(|pair| (2..=3).contains(&(pair[1] - pair[0]))), "{numbers:?}");
    assert_eq!(decoded_of(size, &stream).len(), numbers.len(), "never larger than it was");
}
