//! One stream: raw pixels to plain 4:2:0, masked, encoded.

use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::software::scaling::{Context, Flags};
use ffmpeg_next::{Dictionary, Packet, Rational, decoder};
use watchbook_analysis::encoder::message::{Job, Pixels};
use watchbook_analysis::mask::Mask;
use watchbook_media::h26x::{NalKind, Standard, annex_b_units};

/// libavcodec's name of an encoder, and what makes it give a picture at once.
type Candidate = (&'static str, &'static [(&'static str, &'static str)]);

/// The same for what is looked at once: half the processor time, a profile that every browser plays (ISO/IEC 14496-10 §A.2), and no more than 6 Mbit/s.
const FAST: [Candidate; 2] = [
    (
        "libx264",
        &[
            ("preset", "superfast"),
            ("tune", "zerolatency"),
            ("profile", "main"),
            ("crf", "24"),
            ("maxrate", "6000k"),
            ("bufsize", "6000k"),
            ("x264-params", "threads=1:sliced-threads=0:scenecut=0"),
        ],
    ),
    ("libopenh264", &[("rc_mode", "quality"), ("allow_skip_frames", "0")]),
];

/// Encoders, the one to prefer first. All of them compute on the processor: one beside it (V4L2 M2M, VAAPI) needs a device file, and the wall lets none in (`appliance/DECISIONS.md`).
const ENCODERS: [Candidate; 2] = [
    (
        "libx264",
        &[
            ("preset", "veryfast"),
            ("tune", "zerolatency"),
            ("crf", "23"),
            ("x264-params", "threads=1:sliced-threads=0:scenecut=0"),
        ],
    ),
    ("libopenh264", &[("rc_mode", "quality"), ("allow_skip_frames", "0")]),
];
/// Pictures that an encoder must have encoded before it is taken: a key picture and another one.
const TRIAL_PICTURES: i64 = 2;
/// Bits a pixel and picture where an encoder wants a rate: 0.1 is 4.6 Mbit/s for 1280×720 at 50.
const BITS_PER_PIXEL: f64 = 0.1;

pub(crate) struct Coder {
    job: Job,
    name: &'static str,
    encoder: encoder::Video,
    jpeg: Option<decoder::Video>,
    plain: Option<Context>,
    mask: Mask,
    last_us: i64,
}

impl Coder {
    /// The best encoder that is there, takes the job and has encoded pictures of its size.
    ///
    /// # Errors
    /// A sentence for people.
    pub(crate) fn open(job: Job) -> Result<Self, String> {
        Self::open_of(if job.fast { &FAST } else { &ENCODERS }, job)
    }

    fn open_of(candidates: &[Candidate], job: Job) -> Result<Self, String> {
        let jpeg = (job.pixels == Pixels::Jpeg).then(open_jpeg).transpose()?;
        let mask = Mask::draw(&job.masks, job.width, job.height);
        let mut tried = Vec::new();
        for &(name, options) in candidates {
            let Some(codec) = encoder::find_by_name(name) else { continue };
            // The one that was tried has begun a stream already.
            match trial(codec, &job, options).and_then(|()| open(codec, &job, options)) {
                Ok(encoder) => return Ok(Self { job, name, encoder, jpeg, plain: None, mask, last_us: i64::MIN }),
                Err(error) => tried.push(format!("{name}: {error}")),
            }
        }
        let tried = if tried.is_empty() { "there is none".to_owned() } else { tried.join("; ") };
        Err(format!("no H.264 encoder of this system's libavcodec can be used ({tried})"))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Encodes one picture; gives the access units that are ready, each with the time of its picture.
    ///
    /// # Errors
    /// A sentence: it is shorter than it should be, or the encoder refuses.
    pub(crate) fn encode(&mut self, picture: &[u8], at_us: i64) -> Result<Vec<(i64, Vec<u8>)>, String> {
        let refused = |error: ffmpeg_next::Error| error.to_string();
        let raw = match &mut self.jpeg {
            Some(decoder) => decode_jpeg(decoder, picture)?,
            None => self.raw(picture)?,
        };
        let mut plain = Video::empty();
        self.scaler(&raw)?.run(&raw, &mut plain).map_err(refused)?;
        if !self.mask.is_empty() {
            for (plane, shift, value) in [(0, (0, 0), 16), (1, (1, 1), 128), (2, (1, 1), 128)] {
                let stride = plain.stride(plane);
                self.mask.burn(plain.data_mut(plane), stride, shift, value);
            }
        }
        // Encoders want times that grow.
        self.last_us = at_us.max(self.last_us.saturating_add(1));
        plain.set_pts(Some(self.last_us));
        encoded(&mut self.encoder, &plain)
    }

    /// The picture as libavcodec knows it: line by line, because a device's lines may be longer.
    fn raw(&self, picture: &[u8]) -> Result<Video, String> {
        let job = &self.job;
        let mut raw = Video::new(pixel(job.pixels), job.width, job.height);
        let mut rest = picture;
        let planes = job.pixels.planes(job.line_bytes as usize);
        // YV12 has its two chroma planes the other way round.
        let order: &[usize] = if job.pixels == Pixels::Yv12 { &[0, 2, 1] } else { &[0, 1, 2] };
        for ((line, shift), &plane) in planes.into_iter().zip(order) {
            let lines = (job.height as usize).div_ceil(1 << shift);
            let stride = raw.stride(plane);
            for (to, number) in raw.data_mut(plane).chunks_mut(stride).take(lines).zip(0..) {
                let from =
                    rest.get(number * line..(number + 1) * line).ok_or("a picture is shorter than its size says")?;
                let used = line.min(to.len());
                to[..used].copy_from_slice(&from[..used]);
            }
            rest = rest.get(lines * line..).unwrap_or_default();
        }
        Ok(raw)
    }

    fn scaler(&mut self, raw: &Video) -> Result<&mut Context, String> {
        let fits = self.plain.as_ref().is_some_and(|context| {
            let input = context.input();
            (input.format, input.width, input.height) == (raw.format(), raw.width(), raw.height())
        });
        if !fits {
            let to = (Pixel::YUV420P, self.job.width, self.job.height);
            let made = Context::get(raw.format(), raw.width(), raw.height(), to.0, to.1, to.2, Flags::BILINEAR);
            self.plain = Some(made.map_err(|error| format!("pixels of layout {:?}: {error}", raw.format()))?);
        }
        self.plain.as_mut().ok_or_else(|| "no converter".to_owned())
    }
}

fn open(codec: ffmpeg_next::Codec, job: &Job, options: &[(&str, &str)]) -> Result<encoder::Video, String> {
    let context = codec::Context::new_with_codec(codec);
    let mut video = context.encoder().video().map_err(|error| error.to_string())?;
    video.set_width(job.width);
    video.set_height(job.height);
    video.set_format(Pixel::YUV420P);
    video.set_time_base(Rational(1, 1_000_000));
    video.set_frame_rate(Some(Rational(i32::try_from(job.fps).unwrap_or(30), 1)));
    video.set_gop(job.fps.max(1));
    video.set_max_b_frames(0);
    let pixels = f64::from(job.width) * f64::from(job.height);
    video.set_bit_rate((pixels * f64::from(job.fps) * BITS_PER_PIXEL) as usize);
    let mut dictionary = Dictionary::new();
    options.iter().for_each(|(key, value)| dictionary.set(key, value));
    video.open_as_with(codec, dictionary).map_err(|error| error.to_string())
}

/// Gives an encoder one picture and takes the access units that are ready, each with the time of its picture.
fn encoded(encoder: &mut encoder::Video, picture: &Video) -> Result<Vec<(i64, Vec<u8>)>, String> {
    encoder.send_frame(picture).map_err(|error| error.to_string())?;
    let (mut units, mut packet) = (Vec::new(), Packet::empty());
    while encoder.receive_packet(&mut packet).is_ok() {
        let at_us = packet.pts().or(picture.pts()).unwrap_or_default();
        units.push((at_us, packet.data().unwrap_or_default().to_vec()));
    }
    Ok(units)
}

/// Encodes some grey pictures of the job's size. An encoder that opens may still refuse them, hold them back, or give what is no H.264.
fn trial(codec: ffmpeg_next::Codec, job: &Job, options: &[(&str, &str)]) -> Result<(), String> {
    let mut encoder = open(codec, job, options)?;
    let mut picture = Video::new(Pixel::YUV420P, job.width, job.height);
    (0..picture.planes()).for_each(|plane| picture.data_mut(plane).fill(128));
    for number in 0..TRIAL_PICTURES {
        picture.set_pts(Some(number * 1_000_000 / i64::from(job.fps.max(1))));
        let units = encoded(&mut encoder, &picture)?;
        let [(_, unit)] = &units[..] else { return Err(format!("{} access units came for one picture", units.len())) };
        let kinds: Vec<NalKind> = annex_b_units(unit)
            .map(|nal| nal.first().map_or(NalKind::Outside, |first| Standard::H264.nal_kind(*first)))
            .collect();
        let wanted: &[NalKind] =
            if number == 0 { &[NalKind::ParameterSet, NalKind::KeySlice] } else { &[NalKind::Slice] };
        if !wanted.iter().all(|kind| kinds.contains(kind)) {
            return Err("what it gives is no stream of H.264".to_owned());
        }
    }
    Ok(())
}

fn open_jpeg() -> Result<decoder::Video, String> {
    let codec = decoder::find(codec::Id::MJPEG).ok_or("this libavcodec has no JPEG decoder")?;
    let context = codec::Context::new_with_codec(codec);
    let opened = context.decoder().open_as(codec).and_then(decoder::Opened::video);
    opened.map_err(|error| format!("the JPEG decoder cannot be opened: {error}"))
}

fn decode_jpeg(decoder: &mut decoder::Video, picture: &[u8]) -> Result<Video, String> {
    let refused = |error: ffmpeg_next::Error| error.to_string();
    decoder.send_packet(&Packet::copy(picture)).map_err(refused)?;
    let mut decoded = Video::empty();
    decoder.receive_frame(&mut decoded).map_err(refused)?;
    Ok(decoded)
}

fn pixel(pixels: Pixels) -> Pixel {
    match pixels {
        Pixels::Yuyv => Pixel::YUYV422,
        Pixels::Uyvy => Pixel::UYVY422,
        Pixels::Yvyu => Pixel::YVYU422,
        Pixels::Nv12 => Pixel::NV12,
        Pixels::Nv21 => Pixel::NV21,
        Pixels::Nv16 => Pixel::NV16,
        Pixels::Yu12 | Pixels::Yv12 => Pixel::YUV420P,
        Pixels::Yuv422p => Pixel::YUV422P,
        Pixels::Grey => Pixel::GRAY8,
        Pixels::Rgb3 => Pixel::RGB24,
        Pixels::Bgr3 => Pixel::BGR24,
        Pixels::Jpeg => Pixel::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { pixels: Pixels::Grey, width: 160, height: 96, line_bytes: 160, fps: 10, masks: Vec::new(), fast: false }
    }

    #[test]
    fn an_encoder_that_opens_and_gives_something_else_is_passed_over() {
        let mut candidates: Vec<Candidate> = vec![("no_such_encoder", &[]), ("rawvideo", &[])];
        let refused = Coder::open_of(&candidates, job()).err().unwrap();
        assert!(refused.contains("rawvideo: ") && refused.contains("no stream of H.264"), "{refused}");
        candidates.extend(ENCODERS);
        let mut coder = Coder::open_of(&candidates, job()).unwrap();
        assert!(ENCODERS.iter().any(|(name, _)| *name == coder.name()));
        // The stream begins with the first picture of the device, not with one of the trial.
        let units = coder.encode(&[128; 160 * 96], 7_000).unwrap();
        assert_eq!(units.iter().map(|(at_us, _)| *at_us).collect::<Vec<_>>(), [7_000]);
        let first = annex_b_units(&units[0].1).next().unwrap()[0];
        assert_eq!(Standard::H264.nal_kind(first), NalKind::ParameterSet);
    }

    #[test]
    fn an_encoder_that_holds_pictures_back_is_passed_over() {
        // Without its tuning libx264 looks ahead.
        let candidates: [Candidate; 1] = [("libx264", &[("preset", "veryfast")])];
        if encoder::find_by_name("libx264").is_none() {
            return assert!(Coder::open(job()).is_ok(), "then there is another one");
        }
        let refused = Coder::open_of(&candidates, job()).err().unwrap();
        assert!(refused.contains("0 access units came for one picture"), "{refused}");
    }
}
