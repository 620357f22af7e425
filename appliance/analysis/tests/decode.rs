//! The real `watchbook-decode` with real streams, made by the `ffmpeg` program: an encoder that shares nothing with this crate's code.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use bytes::Bytes;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use watchbook_analysis::replay::{Replay, Unit};
use watchbook_analysis::{Decoder, Emitted, Frame, Output, PixelFormat, Plan, Point, sight};
use watchbook_base::{CameraId, MonoNanos, StreamId, Ticks90k, TrackRole, UtcNanos, memfd};
use watchbook_media::{Codec, Packet, TrackFormat};

const PATIENCE: Duration = Duration::from_secs(30);
const FPS: i64 = 25;
const START_NS: i64 = 1_764_000_000_000_000_000;
const SIZE: (u32, u32) = (320, 180);

struct Clip {
    format: TrackFormat,
    packets: Vec<Packet>,
}

fn stream() -> StreamId {
    CameraId::new(7).unwrap().stream(TrackRole::SubVideo)
}

/// NAL units of a byte stream.
fn units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (0..stream.len().saturating_sub(2)).filter(|&at| stream[at..at + 3] == [0, 0, 1]).collect();
    let ends =
        starts.iter().skip(1).map(|&next| if stream[next - 1] == 0 { next - 1 } else { next }).chain([stream.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &stream[start + 3..end]).collect()
}

/// Encodes what `source` (a filter of the `ffmpeg` program) draws and cuts it into packets. H.264 gets its parameter sets in an `avcC`, H.265 in band.
fn clip(source: &str, codec: &str, more: &[&str]) -> Clip {
    let (aud, container) =
        if codec == "libx264" { ("h264_metadata=aud=insert", "h264") } else { ("hevc_metadata=aud=insert", "hevc") };
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", "4", "-c:v", codec, "-g", "25"])
        .args(["-threads", "1", "-bf", "0", "-preset", "ultrafast", "-bsf:v", aud])
        .args(if codec == "libx265" {
            vec!["-x265-params", "log-level=none:keyint=25:bframes=0:repeat-headers=1"]
        } else {
            vec![]
        })
        .args(more)
        .args(["-f", container, "-"])
        .output()
        .expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let h264 = codec == "libx264";
    let kind = |unit: &[u8]| if h264 { unit[0] & 0x1F } else { unit[0] >> 1 & 0x3F };
    let (mut sps, mut pps) = (Vec::new(), Vec::new());
    let mut packets: Vec<(Vec<u8>, bool)> = Vec::new();
    for unit in units(&output.stdout) {
        match (h264, kind(unit)) {
            (true, 9) | (false, 35) => {
                packets.push((Vec::new(), false));
                continue;
            }
            (true, 7) => sps = unit.to_vec(),
            (true, 8) => pps = unit.to_vec(),
            _ => {
                let (data, key) = packets.last_mut().expect("a stream begins with an access unit delimiter");
                data.extend((unit.len() as u32).to_be_bytes());
                data.extend(unit);
                *key |= if h264 { kind(unit) == 5 } else { (16..=21).contains(&kind(unit)) };
            }
        }
    }
    let config = if h264 {
        let size = |unit: &[u8]| (unit.len() as u16).to_be_bytes();
        [&[1, sps[1], sps[2], sps[3], 0xFF, 0xE1][..], &size(&sps), &sps, &[1], &size(&pps), &pps].concat()
    } else {
        Vec::new()
    };
    let (width, height) = SIZE;
    let codec = if h264 { Codec::H264 { width, height } } else { Codec::H265 { width, height } };
    Clip { format: TrackFormat { codec, config: config.into() }, packets: with_times(packets) }
}

fn with_times(units: Vec<(Vec<u8>, bool)>) -> Vec<Packet> {
    units
        .into_iter()
        .enumerate()
        .map(|(index, (data, key))| Packet {
            stream: stream(),
            dts: Ticks90k(index as i64 * 90_000 / FPS),
            cts_offset: 0,
            utc: UtcNanos(START_NS + index as i64 * 1_000_000_000 / FPS),
            mono: MonoNanos(0),
            key,
            lost_before: 0,
            data: Bytes::from(data),
        })
        .collect()
}

fn spawn() -> (Decoder, Receiver<Emitted>) {
    let (sender, receiver) = channel();
    let program = Path::new(env!("CARGO_BIN_EXE_watchbook-decode"));
    let decoder = Decoder::spawn(program, move |emitted| {
        let _ = sender.send(emitted);
    });
    (decoder.unwrap(), receiver)
}

fn plan(clip: &Clip, masks: Vec<Vec<Point>>) -> Plan {
    let outputs = vec![Output { width: 160, height: 90, format: PixelFormat::Luma, fps_max: 25.0 }];
    Plan { format: clip.format.clone(), masks, outputs, keys_only: false }
}

/// Runs until `done` gives something, or fails after [`PATIENCE`].
fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::yield_now();
    }
}

/// Offers one packet once the backlog has room, and a key frame again and again until a child is there to take it.
fn offer(decoder: &Decoder, packet: &Packet) {
    until("the child to start and to take the packet", || {
        let before = decoder.status().remove(0);
        if before.waiting > 5 {
            return None;
        }
        decoder.offer(packet);
        (decoder.status()[0].dropped == before.dropped || !packet.key).then_some(())
    });
}

/// Offers the whole clip and collects the frames.
fn run(decoder: &Decoder, receiver: &Receiver<Emitted>, clip: &Clip) -> Vec<Frame> {
    clip.packets.iter().for_each(|packet| offer(decoder, packet));
    until("the child to work it off", || (decoder.status()[0].waiting == 0).then_some(()));
    let frame = |emitted| if let Emitted::Frame(frame) = emitted { Some(frame) } else { None };
    receiver.try_iter().filter_map(frame).collect()
}

fn pixels(frame: &Frame) -> Vec<u8> {
    memfd::read(std::os::fd::AsFd::as_fd(&*frame.pixels), frame.output.frame_bytes()).unwrap()
}

fn left_half() -> Vec<Point> {
    [(0.0, 0.0), (0.4999, 0.0), (0.4999, 1.0), (0.0, 1.0)].map(|(x, y)| Point::from_fractions(x, y)).to_vec()
}

#[test]
fn frames_have_the_size_the_rate_the_times_and_the_mask() {
    let white = "color=white:s=320x180:r=25";
    for (codec, more) in [("libx264", vec![]), ("libx265", vec![]), ("libx265", vec!["-pix_fmt", "yuv420p10le"])] {
        let clip = clip(white, codec, &more);
        assert_eq!(clip.packets.len(), 100);
        let (decoder, receiver) = spawn();
        let mut plan = plan(&clip, vec![left_half()]);
        plan.outputs.push(Output { width: 64, height: 64, format: PixelFormat::Rgb, fps_max: 5.0 });
        decoder.open(stream(), plan).unwrap();
        let frames = run(&decoder, &receiver, &clip);
        let (luma, rgb): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame.output.format == PixelFormat::Luma);
        assert!((98..=100).contains(&luma.len()), "{codec}: {} of 100 frames", luma.len());
        assert!((19..=20).contains(&rgb.len()), "{codec}: {} frames at 5 of 25 in 4 s", rgb.len());
        for (index, frame) in luma.iter().enumerate() {
            assert_eq!(frame.seq, index as u64);
            assert_eq!(frame.utc.0, START_NS + index as i64 * 40_000_000);
            assert!(frame.masked);
            for (at, sample) in pixels(frame).into_iter().enumerate() {
                // One column of mixture at the border; white of the source, black of the mask elsewhere.
                match at % 160 {
                    0..=78 => assert!(sample <= 2, "{codec}: {sample} shows through the mask at {at}"),
                    81.. => assert!(sample >= 250, "{codec}: {sample} is not white at {at}"),
                    _ => {}
                }
            }
        }
        for sample in rgb.iter().flat_map(|frame| pixels(frame).chunks(64 * 3).map(|row| row[0]).collect::<Vec<_>>()) {
            assert!(sample <= 2, "{codec}: {sample} shows through the mask in RGB");
        }
        assert_eq!(decoder.status()[0].failed, 0);
    }
}

/// Motion JPEG of what `source` draws.
fn jpegs(source: &str, pixels: &str) -> Clip {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", "4", "-c:v", "mjpeg"])
        .args(["-pix_fmt", pixels, "-q:v", "2", "-f", "mjpeg", "-"])
        .output()
        .expect("the ffmpeg program is needed: apt-get install ffmpeg");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut rest, mut units, mut format) = (&output.stdout[..], Vec::new(), None);
    while !rest.is_empty() {
        let picture = watchbook_media::mjpeg::check(rest).unwrap();
        format = Some(picture.format());
        units.push((rest[..picture.len].to_vec(), true));
        rest = &rest[picture.len..];
    }
    Clip { format: format.unwrap(), packets: with_times(units) }
}

#[test]
fn jpegs_are_masked_and_only_those_that_are_wanted_are_decoded() {
    for pixels_of in ["yuvj420p", "yuvj422p", "yuvj444p", "gray"] {
        let clip = jpegs("color=white:s=320x180:r=25", pixels_of);
        assert_eq!(clip.packets.len(), 100);
        let (decoder, receiver) = spawn();
        let mut plan = plan(&clip, vec![left_half()]);
        plan.outputs[0].fps_max = 5.0;
        plan.outputs.push(Output { width: 64, height: 64, format: PixelFormat::Rgb, fps_max: 1.0 });
        decoder.open(stream(), plan).unwrap();
        // The first is offered until a child is there.
        let frames = run(&decoder, &receiver, &clip);
        let (luma, rgb): (Vec<_>, Vec<_>) = frames.iter().partition(|frame| frame.output.format == PixelFormat::Luma);
        assert!((19..=20).contains(&luma.len()), "{pixels_of}: {} frames at 5 of 25 in 4 s", luma.len());
        assert!((3..=4).contains(&rgb.len()), "{pixels_of}: {} frames at 1 of 25 in 4 s", rgb.len());
        let status = decoder.status().remove(0);
        assert_eq!(status.failed, 0);
        assert_eq!(status.offered - status.dropped, luma.len() as u64, "no other picture was sent to the child");
        for frame in &luma {
            for (at, sample) in pixels(frame).into_iter().enumerate() {
                match at % 160 {
                    // Black of video range is a shade above black in full range.
                    0..=78 => assert!(sample <= 17, "{pixels_of}: {sample} shows through the mask at {at}"),
                    81.. => assert!(sample >= 250, "{pixels_of}: {sample} is not white at {at}"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_key_frame_a_minute_is_enough_to_see_that_a_picture_stands_still() {
    let mut clip = jpegs("testsrc2=s=320x180:r=25,select='eq(n,0)',loop=-1:1:0,setpts=N/25/TB", "yuvj420p");
    let (decoder, receiver) = spawn();
    decoder.open(stream(), Plan { keys_only: true, outputs: vec![sight::OUTPUT], ..plan(&clip, vec![]) }).unwrap();
    clip.packets.truncate(8);
    let minute_ns = i64::try_from(sight::LOOK_EVERY_MS).unwrap() * 1_000_000;
    for (packet, minute) in clip.packets.iter_mut().zip(0..) {
        packet.utc = UtcNanos(START_NS + minute * minute_ns);
    }
    let frames = run(&decoder, &receiver, &clip);
    assert_eq!(frames.len(), 8);
    let mut judge = sight::Sight::default();
    let told = frames.iter().map(|frame| {
        let luma = memfd::read(std::os::fd::AsFd::as_fd(&*frame.pixels), sight::OUTPUT.frame_bytes()).unwrap();
        judge.look(frame.utc, &luma, |_, _| false)
    });
    let since = UtcNanos(START_NS + minute_ns);
    assert_eq!(told.last().unwrap(), Some((sight::Trouble::Frozen, since)));
}

#[test]
fn the_decoder_works_behind_its_wall() {
    let clip = clip("testsrc2=s=320x180:r=25", "libx264", &[]);
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, vec![])).unwrap();
    assert!(run(&decoder, &receiver, &clip).len() > 90);
    let missing = decoder.wall().expect("it said so before it read an access unit");
    assert!(missing.iter().all(|sentence| sentence.contains("landlock")), "{missing:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", decoder.child_id().unwrap())).unwrap();
    // proc(5): 2 is a filter of calls.
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000"] {
        assert!(status.lines().any(|found| found == line), "{line}: {status}");
    }
}

#[test]
fn a_mask_changes_nothing_outside_it_however_pictures_are_predicted() {
    let clip = clip("testsrc2=s=320x180:r=25", "libx264", &[]);
    let frames = |masks| {
        let (decoder, receiver) = spawn();
        decoder.open(stream(), plan(&clip, masks)).unwrap();
        run(&decoder, &receiver, &clip)
    };
    let (plain, masked) = (frames(vec![]), frames(vec![left_half()]));
    assert!(plain.len() > 90 && plain.len() == masked.len());
    for (plain, masked) in plain.iter().zip(&masked) {
        assert!(!plain.masked && masked.masked);
        let (plain, masked) = (pixels(plain), pixels(masked));
        for at in (0..plain.len()).filter(|at| at % 160 > 81) {
            assert_eq!(plain[at], masked[at], "pixel {at}");
        }
    }
}

#[test]
fn key_frames_alone_are_shown_at_once() {
    let clip = clip("testsrc2=s=320x180:r=25", "libx264", &["-bf", "3"]);
    let (decoder, receiver) = spawn();
    decoder.open(stream(), Plan { keys_only: true, ..plan(&clip, vec![]) }).unwrap();
    for (number, packet) in clip.packets.iter().filter(|packet| packet.key).enumerate() {
        offer(&decoder, packet);
        let Ok(Emitted::Frame(frame)) = receiver.recv_timeout(PATIENCE) else {
            panic!("no frame of key frame {number}")
        };
        assert_eq!((frame.seq, frame.utc), (number as u64, packet.utc));
    }
    let before = decoder.status();
    for packet in clip.packets.iter().filter(|packet| !packet.key) {
        decoder.offer(packet);
    }
    assert_eq!(decoder.status(), before, "other frames are ignored, not counted");
}

#[test]
fn damaged_access_units_are_counted_and_the_next_key_frame_shows_again() {
    let mut clip = clip("testsrc2=s=320x180:r=25", "libx264", &[]);
    let damaged: Vec<usize> = (30..40).collect();
    for &index in &damaged {
        let data = clip.packets[index].data.len() as u32;
        clip.packets[index].data = [&data.to_be_bytes()[..], &[0xFF; 100]].concat().into();
    }
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, vec![])).unwrap();
    let process = until("the child", || decoder.child_id());
    let frames = run(&decoder, &receiver, &clip);
    let status = decoder.status().remove(0);
    assert_eq!(status.failed, damaged.len() as u64);
    assert!(frames.iter().any(|frame| frame.utc == clip.packets[75].utc), "the key frame after the damage");
    assert_eq!(decoder.child_id(), Some(process), "damage does not end the child");
}

#[test]
fn a_stream_that_cannot_be_decoded_says_so() {
    let mut clip = clip("color=white:s=320x180:r=25", "libx264", &[]);
    clip.format.config = Bytes::from_static(&[1, 2, 3]);
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, vec![])).unwrap();
    let sentence = until("the problem", || {
        decoder.offer(&clip.packets[0]);
        match receiver.try_recv() {
            Ok(Emitted::Problem { stream: of, sentence }) if of == stream() => Some(sentence),
            _ => None,
        }
    });
    assert!(sentence.contains("parameter sets are damaged"), "{sentence}");
    assert_eq!(decoder.status()[0].problem.as_ref(), Some(&sentence));
}

#[test]
fn a_killed_child_comes_back_and_goes_on() {
    let clip = clip("testsrc2=s=320x180:r=25", "libx264", &[]);
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, vec![])).unwrap();
    assert!(run(&decoder, &receiver, &clip).len() > 90);
    let first = decoder.child_id().unwrap();
    let process = rustix::process::Pid::from_raw(first as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    until("the new child", || decoder.child_id().filter(|id| *id != first));
    let frames = run(&decoder, &receiver, &clip);
    assert!(frames.len() > 90, "{} frames after the restart", frames.len());
    assert!(frames[0].seq == 0 && frames[0].utc == clip.packets[0].utc, "it starts with a key frame");
}

#[test]
fn a_child_that_hangs_costs_frames_and_never_time() {
    let clip = clip("testsrc2=s=320x180:r=25", "libx264", &[]);
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, vec![])).unwrap();
    run(&decoder, &receiver, &clip);
    let process = rustix::process::Pid::from_raw(decoder.child_id().unwrap() as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    let before = decoder.status().remove(0);
    let begin = Instant::now();
    for packet in clip.packets.iter().cycle().take(10_000) {
        decoder.offer(packet);
    }
    let spent = begin.elapsed();
    let after = decoder.status().remove(0);
    assert_eq!(after.offered - before.offered, 10_000);
    let taken = 10_000 - (after.dropped - before.dropped);
    assert!(
        taken <= u64::from(watchbook_analysis::decoder::BACKLOG_UNITS_MAX),
        "{taken} units wait for a child that hangs"
    );
    assert!(spent < Duration::from_secs(5), "10,000 offers took {spent:?}");
    rustix::process::kill_process(process, rustix::process::Signal::CONT).unwrap();
    assert!(run(&decoder, &receiver, &clip).len() > 20, "it goes on with the next key frame");
}

#[test]
fn a_child_started_by_hand_says_who_should_start_it() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_watchbook-decode")).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a Watchbook link"));
}

#[test]
fn stored_footage_is_replayed_without_a_loss_and_gives_the_same_pixels() {
    let clip = clip("testsrc2=size=320x180:rate=25", "libx264", &[]);
    let masks =
        vec![vec![Point::from_fractions(0.0, 0.0), Point::from_fractions(0.5, 0.0), Point::from_fractions(0.0, 0.5)]];
    let (decoder, receiver) = spawn();
    decoder.open(stream(), plan(&clip, masks.clone())).unwrap();
    let live = run(&decoder, &receiver, &clip);

    let mut replay = Replay::spawn(Path::new(env!("CARGO_BIN_EXE_watchbook-decode"))).unwrap();
    replay.open(&plan(&clip, masks)).unwrap();
    let mut again = Vec::new();
    let mut on = |utc: UtcNanos, pixels: std::os::fd::OwnedFd| {
        again.push((utc, memfd::read(std::os::fd::AsFd::as_fd(&pixels), 160 * 90).unwrap()));
        Ok(())
    };
    for packet in &clip.packets {
        replay.feed(Unit { utc: packet.utc, key: packet.key, data: &packet.data }, &mut on).unwrap();
    }
    replay.settle(&mut on).unwrap();
    assert_eq!((again.len(), replay.failed()), (clip.packets.len(), 0), "every access unit gives its picture");
    for frame in &live {
        let pixels = memfd::read(std::os::fd::AsFd::as_fd(&*frame.pixels), 160 * 90).unwrap();
        let (_, other) = again.iter().find(|(utc, _)| *utc == frame.utc).unwrap();
        assert_eq!(*other, pixels);
        let packet = clip.packets.iter().find(|packet| packet.utc == frame.utc).unwrap();
        assert_eq!(frame.media, Some(packet.dts), "a picture is found again by its media time");
    }
}

#[test]
fn a_replay_that_is_stopped_says_so_instead_of_waiting() {
    let clip = clip("testsrc2=size=320x180:rate=25", "libx264", &[]);
    let mut replay = Replay::spawn(Path::new(env!("CARGO_BIN_EXE_watchbook-decode"))).unwrap();
    replay.open(&plan(&clip, Vec::new())).unwrap();
    replay.stopper().stop();
    let mut feed = |packet: &Packet| {
        replay.feed(Unit { utc: packet.utc, key: packet.key, data: &packet.data }, &mut |_, _| Ok(()))
    };
    let failed = clip.packets.iter().find_map(|packet| feed(packet).err());
    assert_eq!(failed.map(|error| error.kind()), Some(watchbook_base::Kind::Unavailable));
}
