//! Real streams, made and checked by ffmpeg and ffprobe: what goes in as access units comes out of our files as the same pictures at the same times.

use crate::memory::{Memory, NewSpan, range_ms, utc_ms, whole};
use bytes::Bytes;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use watchbook_base::{Ticks90k, TrackRole};
use watchbook_media::h26x::{
    ParameterSets, Standard, annex_b_units, check_access_unit, from_annex_b, is_key_frame, to_annex_b,
};
use watchbook_media::sample_entry::codec_string;
use watchbook_media::{Codec, FragmentedFile, Sample, SpanSummary, TrackFormat, h264, h265, mjpeg};

/// Pictures a second of every test stream; 3600 ticks each.
const FPS: i64 = 25;
const STEP: i64 = 90_000 / FPS;

/// Runs a tool; what it printed to stdout. Fails on a bad status or on anything printed to stderr.
fn run(tool: &str, args: &[&str]) -> Vec<u8> {
    let out = Command::new(tool).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.trim().is_empty(), "{tool} {args:?}: {errors}");
    out.stdout
}

/// False, said loudly, on a machine without the tools.
fn have_tools() -> bool {
    let missing = ["ffmpeg", "ffprobe"].into_iter().find(|tool| Command::new(tool).arg("-version").output().is_err());
    if let Some(tool) = missing {
        eprintln!("SKIPPED: {tool} is not installed, so no other program has checked the files");
    }
    missing.is_none()
}

/// A coded test picture stream.
struct Footage {
    format: Arc<TrackFormat>,
    samples: Vec<(Sample, Bytes)>,
    /// Hash of every picture in presentation order.
    pictures: Vec<String>,
}

/// `secs` of moving test picture, 322 × 182 so that cropping matters, a key frame each second.
fn footage(dir: &Path, standard: Standard, secs: i64, b_frames: u32) -> Footage {
    let (coder, muxer, filter) = match standard {
        Standard::H264 => ("libx264", "h264", "h264_mp4toannexb"),
        Standard::H265 => ("libx265", "hevc", "hevc_mp4toannexb"),
    };
    let file = dir.join("source.mp4");
    let file = file.to_str().unwrap();
    let source = format!("testsrc2=size=322x182:rate={FPS}:duration={secs}");
    let b = b_frames.to_string();
    let params = format!("keyint={FPS}:min-keyint={FPS}:scenecut=0:open-gop=0:bframes={b}:aud=1:log-level=none");
    let name = if standard == Standard::H264 { "-x264-params" } else { "-x265-params" };
    let params = if standard == Standard::H264 { params.replace(":log-level=none", "") } else { params };
    let encode =
        ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-vf", "setsar=4/3", "-c:v", coder, "-preset", "ultrafast"];
    let rest = [
        "-pix_fmt",
        "yuv420p",
        "-bf",
        &b,
        name,
        &params,
        "-video_track_timescale",
        "90000",
        "-map_metadata",
        "-1",
        file,
    ];
    run("ffmpeg", &[&encode[..], &rest[..]].concat());
    let stream = run("ffmpeg", &["-v", "error", "-i", file, "-c", "copy", "-bsf:v", filter, "-f", muxer, "-"]);
    let packets =
        run("ffprobe", &["-v", "error", "-show_entries", "packet=pts,dts,size,pos,flags", "-of", "csv=p=0", file]);
    let packets: Vec<Coded> = String::from_utf8(packets).unwrap().lines().map(packet_line).collect();
    assert_eq!(packets.len(), (secs * FPS) as usize);
    let mut sets = ParameterSets::new(standard);
    for nal in annex_b_units(&stream) {
        sets.push(nal).unwrap();
    }
    let bytes = std::fs::read(file).unwrap();
    let (zero, mut samples) = (packets[0].dts, Vec::new());
    for coded in packets {
        let unit = Bytes::copy_from_slice(&bytes[coded.at..coded.at + coded.len]);
        assert_eq!(check_access_unit(standard, &unit).unwrap().key, coded.key);
        assert_eq!(is_key_frame(standard, &unit), coded.key);
        let (cts_offset, size_bytes) = ((coded.pts - coded.dts) as i32, unit.len() as u32);
        samples.push((
            Sample { dts: Ticks90k(coded.dts - zero), cts_offset, size_bytes, key: coded.key, lost_before: 0 },
            unit,
        ));
    }
    let format = Arc::new(sets.format().unwrap().unwrap());
    check_config(standard, &format, &bytes);
    for (_, unit) in &samples {
        assert_eq!(from_annex_b(&to_annex_b(&format, unit, false).unwrap()).unwrap(), unit);
    }
    Footage { format, samples, pictures: pictures(file) }
}

/// One packet of an MP4 that ffmpeg wrote.
struct Coded {
    pts: i64,
    dts: i64,
    len: usize,
    at: usize,
    key: bool,
}

/// `pts,dts,size,pos,flags` of ffprobe.
fn packet_line(line: &str) -> Coded {
    let fields: Vec<&str> = line.split(',').collect();
    let number = |index: usize| -> i64 { fields[index].parse().unwrap() };
    Coded {
        pts: number(0),
        dts: number(1),
        len: number(2) as usize,
        at: number(3) as usize,
        key: fields[4].starts_with('K'),
    }
}

/// Our configuration record against the one that ffmpeg wrote for the same stream.
fn check_config(standard: Standard, format: &TrackFormat, file: &[u8]) {
    let name = if standard == Standard::H264 { b"avcC" } else { b"hvcC" };
    let at = file.windows(4).position(|window| window == name).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    let theirs = TrackFormat { codec: format.codec, config: Bytes::copy_from_slice(&file[at + 4..at - 4 + size]) };
    assert_eq!(format.codec.dimensions(), Some((322, 182)));
    assert_eq!(codec_string(format), codec_string(&theirs));
    let sets = watchbook_media::h26x::parameter_sets(format).unwrap();
    match standard {
        Standard::H264 => {
            assert_eq!(format.config, theirs.config);
            assert_eq!(h264::Sps::parse(sets[0]).unwrap().display.pixel_aspect, Some((4, 3)));
        }
        Standard::H265 => {
            assert_eq!(format.config[..13], theirs.config[..13], "profile, tier and level");
            assert_eq!(format.config[16..19], theirs.config[16..19], "chroma format and bit depths");
            let theirs = watchbook_media::h26x::parameter_sets(&theirs).unwrap();
            assert!(sets.iter().all(|set| theirs.contains(set)));
            assert_eq!(h265::Sps::parse(sets[1]).unwrap().display.pixel_aspect, Some((4, 3)));
        }
    }
}

/// A hash of every picture that a player shows.
fn pictures(file: &str) -> Vec<String> {
    let args = [
        "-v",
        "error",
        "-xerror",
        "-i",
        file,
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "framehash",
        "-hash",
        "crc32",
        "-",
    ];
    let text = String::from_utf8(run("ffmpeg", &args)).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit(',').next().unwrap().trim().to_string())
        .collect()
}

/// One value for each stream, or for each packet, as ffprobe prints it.
fn probe(file: &str, stream: &str, entries: &str) -> Vec<String> {
    let args =
        ["-v", "error", "-select_streams", stream, "-count_frames", "-show_entries", entries, "-of", "csv=p=0", file];
    String::from_utf8(run("ffprobe", &args))
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches(',').to_string())
        .collect()
}

/// Stores the samples with these indices as one span that starts `ms` after New Year.
fn store(
    memory: &mut Memory,
    footage: &Footage,
    recording: u64,
    range: core::ops::Range<usize>,
    ms: i64,
) -> SpanSummary {
    memory.add(NewSpan {
        role: TrackRole::MainVideo,
        recording,
        format: &footage.format,
        samples: &footage.samples[range.clone()],
        end_dts: range.end as i64 * STEP,
        utc: utc_ms(ms),
        run_len: 13,
    })
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_string()
}

/// Ten seconds in three spans of one recording, a gap of 7 s, five more seconds; played whole and from the middle of a group of pictures.
fn round_trip(standard: Standard, b_frames: u32) {
    let dir = tempfile::tempdir().unwrap();
    let footage = footage(dir.path(), standard, 15, b_frames);
    assert_eq!(footage.samples.iter().any(|(sample, _)| sample.cts_offset != 0), b_frames > 0);
    let mut memory = Memory::default();
    let ranges = [(1, 0..90, 0), (1, 90..130, 3600), (1, 130..250, 5200), (2, 250..375, 17_000)];
    let spans: Vec<SpanSummary> =
        ranges.into_iter().map(|(recording, range, ms)| store(&mut memory, &footage, recording, range, ms)).collect();
    // Presentation is late by this much against the first decode time, from which UTC counts.
    let late_ms = i64::from(footage.samples[0].0.cts_offset) / 90;
    let file = FragmentedFile::plan(&spans, range_ms(0, 60_000), None, &memory).unwrap();
    let all = write(dir.path(), "all.mp4", &whole(&file, &memory));
    assert_eq!(pictures(&all), footage.pictures);
    assert_eq!(probe(&all, "v", "stream=width,height,nb_read_frames"), ["322,182,375"]);
    // From 4.32 s to 19.56 s of presentation: pictures 108 to 249, and 250 to 313 behind the gap.
    let (from, to) = (4_320 + late_ms, 19_560 + late_ms);
    let file = FragmentedFile::plan(&spans, range_ms(from, to), Some(utc_ms(-1000)), &memory).unwrap();
    let played = write(dir.path(), "played.mp4", &whole(&file, &memory));
    let shown = pictures(&played);
    assert_eq!(shown[..shown.len() - 4], footage.pictures[100..100 + shown.len() - 4], "from the key frame at 4 s");
    assert!(shown.len() >= 214, "{} pictures", shown.len());
    let times: Vec<i64> = probe(&played, "v", "packet=dts").iter().map(|text| text.parse().unwrap()).collect();
    let expected = (100..250).map(|i| i * STEP).chain((250..).map(|i| i * STEP + 7 * 90_000)).map(|dts| dts + 90_000);
    assert!(times.len() >= 214 && times.iter().copied().eq(expected.take(times.len())), "{times:?}");
    decoder_feed(dir.path(), standard, &footage);
}

/// What a decoder gets: Annex B with parameter sets at key frames, here of a stream whose own sets were taken out.
fn decoder_feed(dir: &Path, standard: Standard, footage: &Footage) {
    let mut fed = Vec::new();
    for (sample, unit) in &footage.samples {
        let slices: Vec<u8> = watchbook_media::h26x::nal_units(unit)
            .map(Result::unwrap)
            .filter(|nal| standard.nal_kind(nal[0]) != watchbook_media::h26x::NalKind::ParameterSet)
            .flat_map(|nal| (nal.len() as u32).to_be_bytes().into_iter().chain(nal.iter().copied()))
            .collect();
        fed.extend(to_annex_b(&footage.format, &slices, sample.key).unwrap());
    }
    let name = if standard == Standard::H264 { "fed.h264" } else { "fed.h265" };
    assert_eq!(pictures(&write(dir, name, &fed)), footage.pictures);
}

#[test]
fn h264_plays_as_it_was_coded() {
    if have_tools() {
        round_trip(Standard::H264, 0);
    }
}

#[test]
fn h264_with_b_frames_plays_as_it_was_coded() {
    if have_tools() {
        round_trip(Standard::H264, 3);
    }
}

#[test]
fn h265_plays_as_it_was_coded() {
    if have_tools() {
        round_trip(Standard::H265, 0);
    }
}

#[test]
fn h265_with_b_frames_plays_as_it_was_coded() {
    if have_tools() {
        round_trip(Standard::H265, 3);
    }
}

/// Motion JPEG pictures of the moving test picture, one behind the other as ffmpeg writes them.
fn jpegs(dir: &Path, secs: i64) -> Footage {
    let source = format!("testsrc2=size=322x182:rate={FPS}:duration={secs}");
    let made = dir.join("source.mjpeg");
    let made = made.to_str().unwrap();
    let encode =
        ["-v", "error", "-y", "-f", "lavfi", "-i", &source, "-c:v", "mjpeg", "-pix_fmt", "yuvj422p", "-q:v", "4"];
    run("ffmpeg", &[&encode[..], &["-f", "mjpeg", made]].concat());
    let stream = std::fs::read(made).unwrap();
    let (mut at, mut samples) = (0, Vec::new());
    while at < stream.len() {
        let picture = mjpeg::check(&stream[at..]).unwrap();
        assert_eq!((picture.width, picture.height), (322, 182));
        let data = Bytes::copy_from_slice(&stream[at..at + picture.len]);
        let dts = Ticks90k(samples.len() as i64 * STEP);
        samples.push((Sample { dts, cts_offset: 0, size_bytes: data.len() as u32, key: true, lost_before: 0 }, data));
        at += picture.len;
    }
    assert_eq!(samples.len(), (secs * FPS) as usize, "ffmpeg and we agree where a picture ends");
    let format = Arc::new(mjpeg::check(&stream).unwrap().format());
    Footage { format, samples, pictures: pictures(made) }
}

#[test]
fn motion_jpeg_plays_as_it_was_coded() {
    if !have_tools() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let footage = jpegs(dir.path(), 6);
    let mut memory = Memory::default();
    let spans = [store(&mut memory, &footage, 1, 0..90, 0), store(&mut memory, &footage, 1, 90..150, 3600)];
    let file = FragmentedFile::plan(&spans, range_ms(0, 60_000), None, &memory).unwrap();
    let all = write(dir.path(), "all.mp4", &whole(&file, &memory));
    assert_eq!(
        probe(&all, "v", "stream=codec_name,codec_tag_string,width,height,nb_read_frames"),
        ["mjpeg,mp4v,322,182,150"]
    );
    assert_eq!(pictures(&all), footage.pictures);
    // Any picture can be the first.
    let file = FragmentedFile::plan(&spans, range_ms(1_000, 5_000), None, &memory).unwrap();
    let bytes = whole(&file, &memory);
    let fragments = bytes.windows(4).filter(|kind| *kind == b"moof").count();
    assert!(fragments < 8, "{fragments} fragments for 4 s");
    let played = write(dir.path(), "played.mp4", &bytes);
    let shown = pictures(&played);
    assert!(shown.len() >= 100 && shown[..] == footage.pictures[25..25 + shown.len()], "{} pictures", shown.len());
}

/// AAC frames out of an ADTS stream (ISO/IEC 14496-3 §1.A.2), 16 kHz mono, each 1024 samples or 5760 ticks long.
fn aac(secs: i64) -> (Arc<TrackFormat>, Vec<(Sample, Bytes)>) {
    let source = format!("sine=frequency=440:sample_rate=16000:duration={secs}");
    let stream =
        run("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", &source, "-c:a", "aac", "-b:a", "32k", "-f", "adts", "-"]);
    let (mut rest, mut samples) = (&stream[..], Vec::new());
    while !rest.is_empty() {
        assert!(rest[0] == 0xFF && rest[1] & 0xF0 == 0xF0);
        let len = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5] >> 5);
        let data = Bytes::copy_from_slice(&rest[7..len]);
        let dts = Ticks90k(samples.len() as i64 * 5760);
        samples.push((Sample { dts, cts_offset: 0, size_bytes: data.len() as u32, key: true, lost_before: 0 }, data));
        rest = &rest[len..];
    }
    // AAC-LC (2), rate index 8, one channel: 00010 1000 0001 000.
    let config = Bytes::from_static(&[0b0001_0100, 0b0000_1000]);
    (Arc::new(TrackFormat { codec: Codec::Aac { sample_rate_hz: 16_000, channels: 1 }, config }), samples)
}

#[test]
fn aac_sound_is_played() {
    if !have_tools() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (format, sound) = aac(8);
    let mut memory = Memory::default();
    let audio = memory.add(NewSpan {
        role: TrackRole::MainAudio,
        recording: 7,
        format: &format,
        samples: &sound,
        end_dts: sound.len() as i64 * 5760,
        utc: utc_ms(2000),
        run_len: 8,
    });
    let played = FragmentedFile::plan(&[audio], range_ms(3000, 4000), None, &memory).unwrap();
    let path = write(dir.path(), "sound.mp4", &whole(&played, &memory));
    assert_eq!(probe(&path, "a", "stream=codec_name,profile,sample_rate,channels"), ["aac,LC,16000,1"]);
    run("ffmpeg", &["-v", "error", "-xerror", "-i", &path, "-f", "null", "-"]);
}

#[test]
fn g711_sound_is_named_and_played() {
    if !have_tools() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut memory = Memory::default();
    for (codec, name) in [
        (Codec::Pcmu { sample_rate_hz: 8000, channels: 1 }, "pcm_mulaw"),
        (Codec::Pcma { sample_rate_hz: 8000, channels: 1 }, "pcm_alaw"),
    ] {
        let format = Arc::new(TrackFormat { codec, config: Bytes::new() });
        // 20 ms each, 160 bytes.
        let data = Bytes::from(vec![0x55; 160]);
        let sample = |i: i64| {
            (
                Sample { dts: Ticks90k(i * 1800), cts_offset: 0, size_bytes: 160, key: true, lost_before: 0 },
                data.clone(),
            )
        };
        let sound: Vec<_> = (0..100).map(sample).collect();
        let (role, utc) = (TrackRole::MainAudio, utc_ms(0));
        let audio = memory.add(NewSpan {
            role,
            recording: 7,
            format: &format,
            samples: &sound,
            end_dts: 180_000,
            utc,
            run_len: 25,
        });
        let file = FragmentedFile::plan(&[audio], range_ms(0, 2000), None, &memory).unwrap();
        let path = write(dir.path(), "g711.mp4", &whole(&file, &memory));
        assert_eq!(probe(&path, "a", "stream=codec_name,sample_rate,channels"), [format!("{name},8000,1")]);
        run("ffmpeg", &["-v", "error", "-xerror", "-i", &path, "-f", "null", "-"]);
    }
}
