//! `org.watchbook.vehicle`: says when vehicles are in the picture, by asking a neural network that the host runs.
//!
//! * **Enters:** frames; what the model `models/vehicle.onnx` sees in each.
//! * **Leaves:** one mark `vehicle-present` for each visit, with the vehicles of its fullest moment.
//! * **Promises:** a visit has at least two frames with a vehicle; one that goes on is reported every 30 seconds.
//! * **Never:** tells one vehicle from another or reads a plate: a model gives boxes, and there is no field for more.
//! * **Proof:** the tests below; the case in `tests`, which runs the model on a drawn street.

use watchbook_plugin::{Analyzer, Area, Detection, Fault, Frame, Mark, Settings, Setup, inference};

const NANOS_PER_MS: u64 = 1_000_000;
/// The model's file in the package.
const MODEL: &str = "models/vehicle.onnx";
/// A visit that lasts is reported so often.
const REPORT_NS: u64 = 30_000 * NANOS_PER_MS;
/// A single frame may be an error of the network.
const FRAMES_MIN: u32 = 2;

/// The plugin at work.
#[derive(Clone, Debug)]
pub struct Vehicles {
    score_min: f32,
    quiet_ns: u64,
    visit: Option<Visit>,
}

/// Vehicles are there.
#[derive(Clone, Debug)]
struct Visit {
    start_ns: u64,
    last_ns: u64,
    frames: u32,
    fullest: Vec<Detection>,
}

impl Visit {
    fn mark(&self) -> Option<Mark> {
        let score = self.fullest.iter().map(|seen| seen.score).fold(0.0, f32::max);
        let note = format!("at most {} at once", self.fullest.len());
        let mark = Mark::at("vehicle-present", self.start_ns).until(self.last_ns).score(score).note(note);
        (self.frames >= FRAMES_MIN).then(|| self.fullest.iter().cloned().fold(mark, Mark::seen))
    }
}

impl Vehicles {
    /// One frame's vehicles; the mark of a visit that is over or is to be reported.
    fn see(&mut self, now_ns: u64, seen: Vec<Detection>) -> Option<Mark> {
        // A clock that was set back begins anew.
        let over = |visit: &Visit| now_ns < visit.last_ns || now_ns - visit.last_ns > self.quiet_ns;
        let ended = self.visit.take_if(|visit| over(visit));
        if !seen.is_empty() {
            let visit = self.visit.get_or_insert_with(|| Visit {
                start_ns: now_ns,
                last_ns: now_ns,
                frames: 0,
                fullest: Vec::new(),
            });
            (visit.last_ns, visit.frames) = (now_ns, visit.frames + 1);
            if seen.len() > visit.fullest.len() {
                visit.fullest = seen;
            }
        }
        let long = |visit: &mut Visit| visit.last_ns - visit.start_ns >= REPORT_NS;
        ended.or_else(|| self.visit.take_if(long)).and_then(|visit| visit.mark())
    }
}

impl Analyzer for Vehicles {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let settings = Settings::parse(&setup.settings_json)?;
        let quiet_ms = u64::try_from(settings.integer("quiet_ms")?).unwrap_or(0);
        Ok(Self { score_min: settings.number("score_min")? as f32, quiet_ns: quiet_ms * NANOS_PER_MS, visit: None })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let mut seen = inference::detect(MODEL, frame).map_err(Fault::Internal)?;
        seen.retain(|seen| seen.score >= self.score_min);
        seen.iter_mut().for_each(rounded);
        Ok(self.see(frame.info().utc_ns, seen).into_iter().collect())
    }
}

/// To a hundredth of the score and 1/256 of the picture: more digits the network does not know, and on another kind of processor they would be others.
fn rounded(seen: &mut Detection) {
    let step = |number: u16| number & !0xff;
    let Area { x, y, w, h } = seen.area;
    seen.area = Area { x: step(x), y: step(y), w: step(w).max(0x100), h: step(h).max(0x100) };
    seen.score = (seen.score * 100.0).round() / 100.0;
}

watchbook_plugin::analyzer!(Vehicles);

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugin::{Luma, testing};

    /// What comes of frames 200 ms apart with so many vehicles in each.
    fn marks(counts: &[u8]) -> Vec<Mark> {
        // The model of this test sees as many vehicles as the picture is bright.
        testing::model(MODEL, |frame| {
            let count = frame.luma().mean();
            let vehicle =
                |number: u8| Detection::new("vehicle", Area { x: 1_000 * u16::from(number), y: 0, w: 900, h: 900 });
            let weak = Detection { score: 0.3, ..vehicle(60) };
            Ok((0..count).map(vehicle).chain([weak]).collect())
        });
        let settings_json = r#"{"score_min": 0.6, "quiet_ms": 1000}"#.to_owned();
        let mut vehicles = Vehicles::start(Setup { settings_json, ..Setup::default() }).unwrap();
        let planes = counts.iter().filter_map(|count| Luma::new(2, 2, vec![*count; 4]));
        testing::frames(planes, 200).flat_map(|frame| vehicles.on_frame(&frame).unwrap()).collect()
    }

    #[test]
    fn a_visit_is_one_mark_with_its_fullest_moment() {
        let found = marks(&[0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        let [mark] = found.as_slice() else { panic!("{found:?}") };
        let at = |frame: u64| testing::BEGINNING_NS + frame * 200 * NANOS_PER_MS;
        assert_eq!((mark.start_utc_ns, mark.end_utc_ns, mark.detections.len()), (at(2), Some(at(7)), 2));
        assert!(mark.note.contains('2') && mark.detections.iter().all(|seen| seen.score > 0.6));
    }

    #[test]
    fn one_frame_is_no_visit_and_a_long_one_is_told_in_parts() {
        assert!(marks(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_empty());
        // 31 seconds.
        let found = marks(&[1; 155]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].end_utc_ns, Some(testing::BEGINNING_NS + REPORT_NS));
    }

    #[test]
    fn a_model_that_fails_costs_the_frame_and_the_plugin_goes_on() {
        testing::model(MODEL, |_| Err("no".to_owned()));
        let settings_json = r#"{"score_min": 0.6, "quiet_ms": 1000}"#.to_owned();
        let mut vehicles = Vehicles::start(Setup { settings_json, ..Setup::default() }).unwrap();
        let frame = testing::frames(Luma::new(2, 2, vec![0; 4]), 200).next().unwrap();
        assert_eq!(vehicles.on_frame(&frame), Err(Fault::Internal("no".to_owned())));
    }
}
