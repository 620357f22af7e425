//! A file or an address as decoded pictures with their times.

use ffmpeg_next::codec::threading;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Dictionary, Error, Rational, codec, decoder, format, media};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use watchbook_base::time::NANOS_PER_SEC;

/// What a file may be. A playlist is not among it: it would open what it names.
const FILE_FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,h264,hevc";
/// How long an address may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The most that a decoder buffers; damaged packets in a row beyond it end the clip.
const REFUSALS_MAX: u32 = 1_000;
/// Decoding uses at most so many cores.
const THREADS_MAX: usize = 4;

pub(crate) struct Source {
    name: String,
    input: format::context::Input,
    stream: usize,
    time_base: Rational,
    decoder: decoder::Video,
    start_utc_ns: i64,
    first_pts: Option<i64>,
    last_pts: Option<i64>,
    /// Ticks from one picture to the next in a stream that has no times, such as raw H.264.
    step: i64,
    heard: std::sync::Arc<std::sync::Mutex<Instant>>,
    draining: bool,
}

impl Source {
    /// Opens `name`. The first picture gets `start_utc_ns`, the others follow by their presentation times.
    ///
    /// # Errors
    /// A sentence: nothing there, no video, a codec that this libavcodec lacks.
    pub(crate) fn open(name: &str, start_utc_ns: i64) -> Result<Self, String> {
        ffmpeg_next::init().map_err(|error| error.to_string())?;
        let heard = std::sync::Arc::new(std::sync::Mutex::new(Instant::now()));
        let input = open_input(name, &heard)?;
        let sentence = |error: Error| format!("{name}: {error}");
        let stream = input.streams().best(media::Type::Video).ok_or_else(|| format!("{name}: holds no video"))?;
        let (index, time_base, rate) = (stream.index(), stream.time_base(), stream.avg_frame_rate());
        let mut context = codec::Context::from_parameters(stream.parameters()).map_err(sentence)?;
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        context.set_threading(threading::Config { count, ..threading::Config::default() });
        let decoder = context.decoder().video().map_err(|error| format!("{name}: its codec: {error}"))?;
        if time_base.numerator() <= 0 || time_base.denominator() <= 0 {
            return Err(format!("{name}: its clock has no unit"));
        }
        let step = step(time_base, rate);
        Ok(Self {
            name: name.to_owned(),
            input,
            stream: index,
            time_base,
            decoder,
            start_utc_ns,
            first_pts: None,
            last_pts: None,
            step,
            heard,
            draining: false,
        })
    }

    /// The next whole picture and its UTC in nanoseconds; `None` at the end.
    ///
    /// # Errors
    /// A sentence when the source cannot be read or decoded any more.
    pub(crate) fn next_picture(&mut self) -> Result<Option<(i64, Video)>, String> {
        let mut refusals = 0;
        loop {
            let mut picture = Video::empty();
            match self.decoder.receive_frame(&mut picture) {
                Ok(()) if picture.is_corrupt() => continue,
                Ok(()) => return Ok(Some((self.utc_ns(&picture), picture))),
                Err(Error::Eof) => return Ok(None),
                Err(_) if self.draining => return Ok(None),
                Err(_) => {}
            }
            if let Err(error) = self.feed() {
                refusals += 1;
                if refusals >= REFUSALS_MAX {
                    return Err(format!("{}: cannot be decoded: {error}", self.name));
                }
            }
        }
    }

    /// Gives the decoder one packet more, or tells it that there are none.
    fn feed(&mut self) -> Result<(), Error> {
        *self.heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
        let mut packet = ffmpeg_next::Packet::empty();
        match packet.read(&mut self.input) {
            Ok(()) if packet.stream() == self.stream => self.decoder.send_packet(&packet),
            Ok(()) => Ok(()),
            Err(Error::Eof | Error::Exit) => {
                self.draining = true;
                self.decoder.send_eof()
            }
            Err(error) => Err(error),
        }
    }

    fn utc_ns(&mut self, picture: &Video) -> i64 {
        let pts = picture
            .timestamp()
            .or(picture.pts())
            .unwrap_or_else(|| self.last_pts.map_or(0, |last| last.saturating_add(self.step)));
        self.last_pts = Some(pts);
        let first = *self.first_pts.get_or_insert(pts);
        let ticks = i128::from(pts) - i128::from(first);
        let (up, down) = (i128::from(self.time_base.numerator()), i128::from(self.time_base.denominator()));
        let ns = ticks * up * i128::from(NANOS_PER_SEC) / down;
        i64::try_from(i128::from(self.start_utc_ns) + ns).unwrap_or(i64::MAX).max(0)
    }
}

/// Ticks of one frame at `rate`, or at 25 frames a second when the stream does not say.
fn step(time_base: Rational, rate: Rational) -> i64 {
    let rate = if rate.numerator() > 0 && rate.denominator() > 0 { rate } else { Rational::new(25, 1) };
    let ticks = i64::from(time_base.denominator()) * i64::from(rate.denominator());
    (ticks / (i64::from(time_base.numerator()) * i64::from(rate.numerator()))).max(1)
}

fn open_input(name: &str, heard: &std::sync::Arc<std::sync::Mutex<Instant>>) -> Result<format::context::Input, String> {
    let mut options = Dictionary::new();
    if name.starts_with("rtsp://") || name.starts_with("rtsps://") {
        options.set("protocol_whitelist", "rtsp,rtsps,rtp,udp,tcp,tls,crypto");
        options.set("rtsp_transport", "tcp");
    } else if Path::new(name).is_file() {
        options.set("protocol_whitelist", "file");
        options.set("format_whitelist", FILE_FORMATS);
    } else if std::fs::metadata(name).is_ok_and(|metadata| metadata.file_type().is_char_device()) {
        return Err(format!(
            "{name} is a device; recordings and rtsp:// cameras are read. Make a recording of it: ffmpeg -f v4l2 -i {name} -t 30 clip.mp4"
        ));
    } else {
        return Err(format!("{name}: neither a file nor an rtsp:// address"));
    }
    let heard = std::sync::Arc::clone(heard);
    let silent = move || heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner).elapsed() > SILENCE_MAX;
    format::input_with_interrupt_and_dictionary(name, silent, options).map_err(|error| {
        format!("{name}: cannot be opened: {error}; MP4, Matroska, AVI, MPEG-TS, raw H.264 and H.265 are read")
    })
}
