//! What a plugin costs: compiling, starting, the first call, the calls after it.

use crate::Source;
use crate::figures::{Figures, Spread};
use crate::run::Runner;
use std::time::Duration;
use watchbook_analysis::clip::Picture;
use watchbook_base::time::NANOS_PER_SEC;
use watchbook_plugin_engine::Failure;
use watchbook_plugin_host::Zone;

/// Calls of one measurement.
pub const CALLS: std::ops::RangeInclusive<u32> = 10..=100_000;
/// Calls when nothing is said.
pub const CALLS_DEFAULT: u32 = 1_000;
/// Pictures that are held in memory and shown again and again.
const PICTURES_MAX: usize = 300;
/// Bytes of them: pictures of full HD are fewer.
const PICTURES_BYTES_MAX: usize = 256 << 20;
/// Fresh instances.
const STARTS: usize = 20;

/// The figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Bench {
    /// Compiling the component, which the recorder does once.
    pub compile: Duration,
    /// A fresh instance, in milliseconds.
    pub instantiate_ms: Spread,
    /// `describe` and `start`, in milliseconds.
    pub start_ms: Spread,
    /// The first frame of each fresh instance, in milliseconds.
    pub first_call_ms: Spread,
    /// All later frames.
    pub calls: Figures,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Times compiling, a fresh instance, the first call and `calls` further ones over a clip or scene, as the recorder would run the plugin.
///
/// # Errors
/// A sentence: the source has no pictures, the plugin cannot be started, a call was stopped.
pub fn measure(
    runner: &Runner,
    source: &mut Source,
    (settings_json, zones): (&str, &[Zone]),
    calls: u32,
) -> Result<Bench, String> {
    let head = source.head();
    let pictures = collect(source)?;
    let span_ns = span_ns(&pictures);
    let (mut instantiate, mut start, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let mut watch = runner.watch(settings_json, zones).map_err(Failure::into_sentence)?;
        let (made, started) = watch.start_times();
        instantiate.push(ms(made));
        start.push(ms(started));
        refuse(watch.frame(head, pictures[0].clone()).failure)?;
        first.push(watch.figures().ms().max);
    }
    let mut watch = runner.watch(settings_json, zones).map_err(Failure::into_sentence)?;
    let mut shown = 0;
    for round in 0_i64.. {
        for picture in &pictures {
            if shown == calls {
                let calls = watch.figures().clone();
                return Ok(Bench {
                    compile: runner.compile_time(),
                    instantiate_ms: Spread::of(&instantiate),
                    start_ms: Spread::of(&start),
                    first_call_ms: Spread::of(&first),
                    calls,
                });
            }
            let utc_ns = picture.utc_ns.saturating_add(span_ns.saturating_mul(round));
            refuse(watch.frame(head, Picture { utc_ns, luma: picture.luma.clone() }).failure)?;
            shown += 1;
        }
    }
    Err("no calls were made".to_owned())
}

/// How much later the pictures come when they are shown once more: their own time and a second.
pub(crate) fn span_ns(pictures: &[Picture]) -> i64 {
    let time = |picture: Option<&Picture>| picture.map_or(0, |picture| picture.utc_ns);
    time(pictures.last()).saturating_sub(time(pictures.first())) + NANOS_PER_SEC
}

/// A call that was stopped ends a measurement.
pub(crate) fn refuse(failure: Option<Failure>) -> Result<(), String> {
    match failure {
        Some(Failure::Trap(sentence) | Failure::Refused(sentence)) => {
            Err(format!("the plugin was stopped: {sentence}"))
        }
        Some(Failure::Fault(_)) | None => Ok(()),
    }
}

/// The first pictures of a source, as many as memory is meant for.
pub(crate) fn collect(source: &mut Source) -> Result<Vec<Picture>, String> {
    let most = PICTURES_MAX.min(PICTURES_BYTES_MAX / source.head().plane_bytes());
    let mut pictures = Vec::new();
    while pictures.len() < most
        && let Some(picture) = source.next_picture()?
    {
        pictures.push(picture);
    }
    if pictures.is_empty() { Err("there is no picture".to_owned()) } else { Ok(pictures) }
}
