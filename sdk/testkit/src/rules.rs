//! Export rules: events from a file, verdicts out, as the recorder would take them.

use crate::figures::Figures;
use crate::run::{Mode, Outcome};
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use watchbook_base::{Area, CameraId, Detection, Event, EventSource, UtcNanos};
use watchbook_plugin_engine::profile::{Sampler, Stacks};
use watchbook_plugin_engine::{Failure, Kept, Limits, Machine, Prepared, RuleInstance, Settings, World};
use watchbook_plugin_host::message::Level;
use watchbook_plugin_host::rules::{Clip, LocalTime, Proposal, RECENT_MAX, RuleGate, Situation, Surroundings, Verdict};
use watchbook_plugin_host::{Package, settings};

/// A file of events.
const EVENTS_BYTES_MAX: usize = 16 << 20;
/// Events of one file.
pub const EVENTS_MAX: usize = 20_000;
/// A situation tells what happened within this time before.
const RECENT_MS: i64 = 24 * 3_600 * 1_000;

/// An event and what the station would know beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    event: Event,
    camera_name: String,
    cases: Vec<String>,
    utc_offset_min: i16,
    time_zone: String,
}

/// The API's event; what is not named here (id, digests) is not needed. The last four fields are the station's.
#[derive(Deserialize)]
struct Shape {
    #[serde(default = "one")]
    camera: u32,
    kind: String,
    score: f32,
    start_utc_ms: i64,
    #[serde(default)]
    end_utc_ms: Option<i64>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    detections: Vec<DetectionShape>,
    #[serde(default)]
    note: String,
    source: SourceShape,
    #[serde(default)]
    camera_name: Option<String>,
    #[serde(default)]
    cases: Vec<String>,
    #[serde(default)]
    utc_offset_min: i16,
    #[serde(default)]
    time_zone: Option<String>,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
struct SourceShape {
    plugin: String,
}

#[derive(Deserialize)]
struct DetectionShape {
    class: String,
    score: f32,
    area: AreaShape,
    #[serde(default)]
    track: Option<String>,
}

#[derive(Deserialize)]
struct AreaShape {
    x: f64,
    y: f64,
    w: f64,
    h: f64,
}

/// Reads events: one JSON object a line, as the station's API and `watchbook-plugin test` give them. Lines of refused marks and traps are passed over.
///
/// # Errors
/// A sentence that names the line.
pub fn events_file(path: &Path) -> Result<Vec<Told>, String> {
    let text = crate::text_file(path, EVENTS_BYTES_MAX)?;
    let mut events = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fail = |sentence: String| format!("{} line {}: {sentence}", path.display(), index + 1);
        let value: Value = serde_json::from_str(line).map_err(|error| fail(error.to_string()))?;
        if value.get("kind").is_none() && value.get("frame_utc_ms").is_some() {
            continue;
        }
        if events.len() >= EVENTS_MAX {
            return Err(fail(format!("more than {EVENTS_MAX} events")));
        }
        events.push(told(value).map_err(fail)?);
    }
    if events.is_empty() { Err(format!("{}: holds no event", path.display())) } else { Ok(events) }
}

fn told(value: Value) -> Result<Told, String> {
    let shape: Shape = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let utc = |ms: i64| {
        ms.checked_mul(1_000_000).filter(|ns| *ns >= 0).map(UtcNanos).ok_or_else(|| format!("{ms} is no time"))
    };
    let side = |part: f64| (part.clamp(0.0, 1.0) * 65_536.0).round().min(65_535.0) as u16;
    let detections = shape.detections.into_iter().map(|seen| {
        let track =
            seen.track.map(|track| track.parse::<u64>().map_err(|_| format!("`{track}` is no track"))).transpose()?;
        let AreaShape { x, y, w, h } = seen.area;
        Ok(Detection {
            class: seen.class,
            score: seen.score,
            area: Area { x: side(x), y: side(y), w: side(w), h: side(h) },
            track,
        })
    });
    let event = Event {
        camera: CameraId::new(shape.camera).ok_or_else(|| format!("{} is no camera's number", shape.camera))?,
        kind: shape.kind,
        score: shape.score,
        start: utc(shape.start_utc_ms)?,
        end: shape.end_utc_ms.map(utc).transpose()?,
        zone: shape.zone,
        detections: detections.collect::<Result<_, String>>()?,
        note: shape.note,
        source: EventSource {
            plugin: shape.source.plugin,
            version: String::new(),
            component_sha256: String::new(),
            settings_sha256: String::new(),
        },
        lead: None,
        camera_clock: None,
    };
    event.check()?;
    if !(-1_440..=1_440).contains(&shape.utc_offset_min) {
        return Err(format!("utc_offset_min is {}; -1440 to 1440 are allowed", shape.utc_offset_min));
    }
    Ok(Told {
        event,
        camera_name: shape.camera_name.unwrap_or_else(|| "Kit".to_owned()),
        cases: shape.cases,
        utc_offset_min: shape.utc_offset_min,
        time_zone: shape.time_zone.unwrap_or_else(|| "UTC".to_owned()),
    })
}

impl Told {
    /// The event with what the station would tell beside it; `before` are the events above it in the file.
    fn situation(&self, before: &[Self]) -> Result<Situation, String> {
        let start = self.event.start;
        let mut recent: Vec<&Event> = before
            .iter()
            .map(|told| &told.event)
            .filter(|event| event.camera == self.event.camera && event.start < start)
            .filter(|event| start.as_ms() - event.start.as_ms() <= RECENT_MS)
            .collect();
        recent.sort_by_key(|event| core::cmp::Reverse(event.start));
        let surroundings = Surroundings {
            camera_name: self.camera_name.clone(),
            local: local(start, self.utc_offset_min, &self.time_zone)?,
            cases: self.cases.clone(),
            recent: recent.into_iter().take(RECENT_MAX).cloned().collect(),
        };
        Ok(Situation::new(&self.event, &surroundings))
    }
}

fn local(start: UtcNanos, utc_offset_min: i16, zone: &str) -> Result<LocalTime, String> {
    let fail = |error: jiff::Error| format!("the local time of an event: {error}");
    let offset = Offset::from_seconds(i32::from(utc_offset_min) * 60).map_err(fail)?;
    let time = offset.to_datetime(Timestamp::from_millisecond(start.as_ms()).map_err(fail)?);
    let small = |value: i8| u8::try_from(value).unwrap_or(0);
    Ok(LocalTime {
        year: u16::try_from(time.year()).unwrap_or(0),
        month: small(time.month()),
        day: small(time.day()),
        hour: small(time.hour()),
        minute: small(time.minute()),
        second: small(time.second()),
        weekday: small(time.weekday().to_monday_zero_offset()),
        utc_offset_min,
        zone: zone.to_owned(),
    })
}

/// A compiled rule.
#[derive(Debug)]
pub struct Judge {
    package: Package,
    prepared: Prepared,
    compile: Duration,
    sampler: Option<Sampler>,
}

impl Judge {
    /// Compiles it. Rules always run under the deterministic setting, as in the recorder.
    ///
    /// # Errors
    /// The engine's sentence.
    pub fn new(package: Package) -> Result<Self, String> {
        Self::on(Machine::new, package, None)
    }

    /// As [`Judge::new`], and the rule's stack is looked at while it is configured and asked.
    ///
    /// # Errors
    /// As [`Judge::new`].
    pub fn sampled(package: Package) -> Result<Self, String> {
        Self::on(Machine::sampling, package, Some(Sampler::default()))
    }

    fn on(
        machine: impl FnOnce(Settings) -> Result<Machine, Failure>,
        package: Package,
        sampler: Option<Sampler>,
    ) -> Result<Self, String> {
        let began = Instant::now();
        let machine = machine(Mode::Pure.settings()).map_err(Failure::into_sentence)?;
        let limits = Limits {
            memory_bytes: u64::from(package.manifest.budget.memory_mib) << 20,
            call_ms: package.manifest.call_ms(),
            store_bytes: 0,
        };
        let capabilities: Vec<String> = package.manifest.capabilities.all().map(str::to_owned).collect();
        let prepared = machine
            .prepare(&package.component, World::ExportRule, &capabilities, limits)
            .map_err(Failure::into_sentence)?;
        Ok(Self { package, prepared, compile: began.elapsed(), sampler })
    }

    /// What it was made of.
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The stacks that were seen; none when it was made by [`Judge::new`].
    #[must_use]
    pub fn stacks(&self) -> Stacks {
        self.sampler.as_ref().map(Sampler::stacks).unwrap_or_default()
    }

    /// How long compiling took.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.compile
    }

    /// Asks the rule about each event in turn, a fresh instance each time. `each` sees the lines that an event gave, and the rule's log.
    ///
    /// # Errors
    /// A sentence about the settings or a time.
    pub fn run(
        &self,
        events: &[Told],
        chosen: &serde_json::Map<String, Value>,
        mut each: impl FnMut(&[String], &[(Level, String)]),
    ) -> Result<Outcome, String> {
        let manifest = &self.package.manifest;
        let settings = settings::complete(&manifest.settings, chosen).map_err(|error| error.to_string())?;
        let kept = Kept::default();
        let mut outcome = Outcome::default();
        for (index, told) in events.iter().enumerate() {
            let situation = told.situation(&events[..index])?;
            let (sender, log) = channel();
            let mut lines = Vec::new();
            let about = told.event.start.as_ms();
            outcome.frames += 1;
            let answer = self.ask(&settings, (&situation, kept.clone()), sender, &mut outcome.figures);
            match answer {
                Ok(verdicts) => {
                    let mut gate = RuleGate::new(told.event.camera, manifest.retention_effect);
                    for verdict in verdicts {
                        let passed = gate.pass(vec![verdict], told.event.start);
                        if passed.is_empty() {
                            outcome.refused += 1;
                            let why = gate.last_refusal().unwrap_or("refused");
                            lines.push(json!({ "event_utc_ms": about, "refused": why }).to_string());
                        }
                        outcome.events += passed.len() as u64;
                        lines.extend(passed.iter().map(|verdict| shape(verdict, about).to_string()));
                    }
                }
                Err(failure) => {
                    outcome.failures += 1;
                    let what = match failure {
                        Failure::Trap(_) => "trap",
                        Failure::Refused(_) => "set_aside",
                        Failure::Fault(_) => "fault",
                    };
                    lines.push(json!({ "event_utc_ms": about, what: failure.sentence() }).to_string());
                }
            }
            each(&lines, &log.try_iter().collect::<Vec<_>>());
            let room = crate::golden::LINES_MAX.saturating_sub(outcome.lines.len());
            outcome.lines.extend(lines.into_iter().take(room));
        }
        Ok(outcome)
    }

    fn ask(
        &self,
        settings: &str,
        (situation, kept): (&Situation, Kept),
        log: std::sync::mpsc::Sender<(Level, String)>,
        figures: &mut Figures,
    ) -> Result<Vec<Verdict>, Failure> {
        let manifest = &self.package.manifest;
        let say = Box::new(move |level, text| {
            // Nobody reads the lines of an instance that is gone.
            let _ = log.send((level, text));
        });
        let mut instance = RuleInstance::new(&self.prepared, kept, say)?;
        if let Some(sampler) = &self.sampler {
            instance.sample(sampler);
        }
        let answer =
            instance.configure((&manifest.id, &manifest.version), settings).and_then(|()| instance.evaluate(situation));
        let spent = instance.spent();
        figures.call(spent.busy, spent.fuel, instance.memory_bytes());
        answer
    }
}

/// A verdict as a golden line.
fn shape(verdict: &Verdict, about: i64) -> Value {
    let clip = |clip: &Clip| {
        let ms = |ns: u64| ns / 1_000_000;
        json!({
            "from_utc_ms": ms(clip.from_utc_ns), "to_utc_ms": ms(clip.to_utc_ns), "redaction": clip.redaction,
            "case_number": clip.case_number, "approvals": clip.approvals,
        })
    };
    let (name, value) = match &verdict.what {
        Proposal::ExportClip(wanted) => ("export_clip", clip(wanted)),
        Proposal::Tag(word) => ("tag", json!(word)),
        Proposal::Notify(line) => ("notify", json!(line)),
        Proposal::Hold(wanted) => ("hold", clip(wanted)),
    };
    json!({ "event_utc_ms": about, name: value, "reason": verdict.reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_the_wall_clocks() {
        // 2026-11-26 10:17:45 UTC was a Thursday; Phnom Penh is seven hours ahead.
        let utc = UtcNanos(1_795_688_265_000_000_000);
        let here = local(utc, 420, "Asia/Phnom_Penh").unwrap();
        assert_eq!((here.year, here.month, here.day, here.hour, here.minute, here.second), (2026, 11, 26, 17, 17, 45));
        assert_eq!((here.weekday, here.zone.as_str()), (3, "Asia/Phnom_Penh"));
        let west = local(utc, -660, "X").unwrap();
        assert_eq!((west.day, west.hour, west.weekday), (25, 23, 2));
    }

    #[test]
    fn events_are_read_as_the_api_gives_them_and_each_mistake_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let line = r#"{"id":"7","camera":2,"kind":"motion","score":0.5,"start_utc_ms":1000,"end_utc_ms":2000,"zone":null,"note":"","detections":[{"class":"vehicle","score":1.0,"area":{"x":0.5,"y":0,"w":0.25,"h":1},"track":"9"}],"source":{"plugin":"org.example.a","version":"1"},"cases":["2026-1"]}"#;
        let refused = r#"{"frame_utc_ms":1,"refused":"no"}"#;
        std::fs::write(&path, format!("{line}\n\n{refused}\n")).unwrap();
        let told = events_file(&path).unwrap();
        assert_eq!(
            (told.len(), told[0].event.camera.get(), told[0].cases.as_slice()),
            (1, 2, &["2026-1".to_owned()][..])
        );
        assert_eq!(told[0].event.detections[0].area, Area { x: 32_768, y: 0, w: 16_384, h: 65_535 });
        for (from, to, word) in [
            ("0.5", "1.5", "score"),
            ("1000", "-1", "no time"),
            ("\"9\"", "\"nine\"", "nine"),
            ("\"kind\":\"motion\",", "", "kind"),
            ("\"cases\"", "\"utc_offset_min\":2000,\"cases\"", "1440"),
        ] {
            std::fs::write(&path, line.replacen(from, to, 1)).unwrap();
            let sentence = events_file(&path).unwrap_err();
            assert!(sentence.contains("line 1") && sentence.contains(word), "{word} is not named in: {sentence}");
        }
    }
}
