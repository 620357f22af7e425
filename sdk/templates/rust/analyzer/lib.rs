//! Counts how often the brightness of the picture changes at once.

use watchbook_plugin::{Analyzer, Area, Fault, Frame, Mark, Settings, Setup};

struct Brightness {
    step: i64,
    before: Option<u8>,
    changes: u64,
}

impl Analyzer for Brightness {
    fn start(setup: Setup) -> Result<Self, Fault> {
        let step = Settings::parse(&setup.settings_json)?.integer("step")?;
        let saved = setup.saved.and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
        Ok(Self { step, before: None, changes: saved.unwrap_or(0) })
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> Result<Vec<Mark>, Fault> {
        let small = frame.luma_area(Area::WHOLE, (32, 18));
        let small = small.ok_or_else(|| Fault::Internal("a frame without pixels".to_owned()))?;
        let now = small.mean();
        let Some(before) = self.before.replace(now) else { return Ok(vec![]) };
        if i64::from(now.abs_diff(before)) < self.step {
            return Ok(vec![]);
        }
        self.changes += 1;
        let note = format!("from {before} to {now}, change {}", self.changes);
        Ok(vec![Mark::at("brightness", frame.info().utc_ns).note(note)])
    }

    fn stop(self) -> Vec<u8> {
        self.changes.to_string().into_bytes()
    }
}

watchbook_plugin::analyzer!(Brightness);

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugin::{Luma, testing};

    #[test]
    fn each_step_of_brightness_is_one_mark() {
        let setup = Setup { settings_json: r#"{"step": 30}"#.to_owned(), saved: Some(b"4".to_vec()), ..Setup::default() };
        let mut brightness = Brightness::start(setup).unwrap();
        let planes = [40, 50, 90, 90, 20].map(|grey| Luma::new(32, 18, vec![grey; 32 * 18]).unwrap());
        let marks: Vec<Mark> = testing::frames(planes, 200).flat_map(|frame| brightness.on_frame(&frame).unwrap()).collect();
        let notes: Vec<&str> = marks.iter().map(|mark| mark.note.as_str()).collect();
        assert_eq!(notes, ["from 50 to 90, change 5", "from 90 to 20, change 6"]);
        assert_eq!(brightness.stop(), b"6");
    }
}
