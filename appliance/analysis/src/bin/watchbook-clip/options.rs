//! The command line of `watchbook-clip`, checked.

use std::ffi::OsString;
use watchbook_analysis::plan::{MASK_POINTS_MAX, MASKS_MAX};
use watchbook_analysis::{Output, PixelFormat, Point};
use watchbook_base::time::NANOS_PER_SEC;

pub(crate) const HELP: &str = "\
Writes what a plugin would see of a recording or a camera to standard output.

watchbook-clip SOURCE [OPTIONS]

  SOURCE               a file (MP4, Matroska, AVI, MPEG-TS, raw H.264 or H.265) or rtsp://...
  --size WIDTHxHEIGHT  of the pictures, 16 to 1920 a side               [640x360]
  --fps N              at most so many a second, 0.1 to 30               [5]
  --start-utc-ns N     time of the first picture of a file, in ns since 1970  [1764000000000000000]
  --seconds N          stop after so much of the source, 1 to 86400      [3600]
  --frames N           stop after so many pictures, 1 to 1000000         [1000000]
  --mask X,Y;X,Y;...   a polygon that is blackened, corners in fractions of the picture; may be repeated
";

/// Time of a file's first picture when none is given: fixed, so that the same file gives the same bytes.
const START_UTC_NS: i64 = 1_764_000_000_000_000_000;
const SECONDS: std::ops::RangeInclusive<u64> = 1..=86_400;
const SECONDS_DEFAULT: u64 = 3_600;
const FRAMES: std::ops::RangeInclusive<u64> = 1..=1_000_000;
/// Words of one command line.
const WORDS_MAX: usize = 64;

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) source: String,
    pub(crate) output: Output,
    pub(crate) start_utc_ns: i64,
    pub(crate) length_max_ns: i64,
    pub(crate) frames_max: u64,
    pub(crate) masks: Vec<Vec<Point>>,
}

impl Options {
    /// `None` when help was asked for.
    ///
    /// # Errors
    /// A sentence that names the option and what it takes.
    pub(crate) fn parse(words: Vec<OsString>) -> Result<Option<Self>, String> {
        if words.len() > WORDS_MAX {
            return Err(format!("{} words; at most {WORDS_MAX} are allowed", words.len()));
        }
        let mut words = words
            .into_iter()
            .map(|word| word.into_string().map_err(|word| format!("`{}` is not UTF-8", word.to_string_lossy())));
        let mut options = Self {
            source: String::new(),
            output: Output { width: 640, height: 360, format: PixelFormat::Luma, fps_max: 5.0 },
            start_utc_ns: START_UTC_NS,
            length_max_ns: SECONDS_DEFAULT as i64 * NANOS_PER_SEC,
            frames_max: *FRAMES.end(),
            masks: Vec::new(),
        };
        while let Some(word) = words.next() {
            let word = word?;
            if !word.starts_with("--") {
                if !options.source.is_empty() {
                    return Err(format!("`{word}` is one source too many"));
                }
                options.source = word;
                continue;
            }
            if word == "--help" {
                return Ok(None);
            }
            let value = words.next().ok_or_else(|| format!("{word} wants a value; --help lists the options"))??;
            options.set(&word, &value)?;
        }
        if options.source.is_empty() {
            return Err("a file or an rtsp:// address is wanted; --help lists the options".to_owned());
        }
        options.output.check().map_err(|error| error.to_string())?;
        Ok(Some(options))
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{name} {value}: not understood; --help shows what it takes");
        let within = |range: std::ops::RangeInclusive<u64>| {
            let number: u64 = value.parse().map_err(|_| wrong())?;
            if range.contains(&number) {
                return Ok(number);
            }
            Err(format!("{name} is {number}; {} to {} are allowed", range.start(), range.end()))
        };
        match name {
            "--size" => {
                let (width, height) = value.split_once('x').ok_or_else(wrong)?;
                self.output.width = width.parse().map_err(|_| wrong())?;
                self.output.height = height.parse().map_err(|_| wrong())?;
            }
            "--fps" => self.output.fps_max = value.parse().map_err(|_| wrong())?,
            "--start-utc-ns" => self.start_utc_ns = within(0..=i64::MAX as u64)? as i64,
            "--seconds" => self.length_max_ns = within(SECONDS)? as i64 * NANOS_PER_SEC,
            "--frames" => self.frames_max = within(FRAMES)?,
            "--mask" if self.masks.len() >= MASKS_MAX => return Err(format!("at most {MASKS_MAX} masks are allowed")),
            "--mask" => self.masks.push(polygon(value).ok_or_else(wrong)?),
            _ => return Err(format!("there is no option {name}; --help lists them")),
        }
        Ok(())
    }
}

fn polygon(text: &str) -> Option<Vec<Point>> {
    let corner = |pair: &str| {
        let (x, y) = pair.split_once(',')?;
        let part = |text: &str| text.trim().parse::<f64>().ok().filter(|part| (0.0..=1.0).contains(part));
        Some(Point::from_fractions(part(x)?, part(y)?))
    };
    let corners: Vec<Point> = text.split(';').take(MASK_POINTS_MAX + 1).map(corner).collect::<Option<_>>()?;
    (3..=MASK_POINTS_MAX).contains(&corners.len()).then_some(corners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>, String> {
        Options::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn options_are_taken_in_any_order() {
        let options =
            parse("--fps 2.5 a.mp4 --size 320x180 --mask 0,0;1,0;1,1 --frames 7 --seconds 2").unwrap().unwrap();
        assert_eq!(options.source, "a.mp4");
        assert_eq!((options.output.width, options.output.height, options.output.fps_max), (320, 180, 2.5));
        assert_eq!((options.frames_max, options.length_max_ns), (7, 2 * NANOS_PER_SEC));
        assert_eq!(
            options.masks,
            [vec![Point { x: 0, y: 0 }, Point { x: 65_535, y: 0 }, Point { x: 65_535, y: 65_535 }]]
        );
        assert_eq!(parse("--help"), Ok(None));
    }

    #[test]
    fn each_mistake_is_named() {
        for (line, word) in [
            ("", "a file"),
            ("a b", "one source too many"),
            ("a --colour 1", "--colour"),
            ("a --fps", "wants a value"),
            ("a --fps 31", "0.1 to 30"),
            ("a --size 640", "--size"),
            ("a --size 8x8", "16 to 1920"),
            ("a --frames 0", "1 to 1000000"),
            ("a --seconds 99999", "1 to 86400"),
            ("a --mask 0,0;1,1", "--mask"),
            ("a --mask 0,0;1,1;2,2", "--mask"),
        ] {
            let sentence = parse(line).unwrap_err();
            assert!(sentence.contains(word), "{word} is not named in: {sentence}");
        }
    }
}
