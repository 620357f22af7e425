//! `org.watchbook.event-clip`: an export rule that proposes one clip for events that belong together.
//!
//! * **Enters:** an event with what surrounds it, and the settings.
//! * **Leaves:** a proposal to export a clip, or none.
//! * **Promises:** each event that matters lies in exactly one clip; no two clips of a camera begin within each other.
//! * **Never:** reads a clock or keeps anything from one event to the next.
//! * **Proof:** the tests below, a property test among them, and the cases in `tests`.
//!
//! A rule remembers nothing, so the earlier events are gone through again each time: the first one that matters begins a clip, and what begins before that clip
//! ends belongs to it. Only an event that begins a clip is answered with a proposal.

use watchbook_plugin::{Fault, Mark, Proposal, Rule, Settings, Situation, Verdict};

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// The rule with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct EventClip {
    kinds: Vec<String>,
    score_min: f32,
    before_s: u32,
    after_s: u32,
}

impl EventClip {
    fn matters(&self, mark: &Mark) -> bool {
        mark.score >= self.score_min && self.kinds.contains(&mark.kind)
    }

    /// End of the clip that an event would begin, in nanoseconds of UTC.
    fn clip_end_ns(&self, mark: &Mark) -> u64 {
        let end = mark.end_utc_ns.unwrap_or(mark.start_utc_ns);
        end.saturating_add(u64::from(self.after_s) * NANOS_PER_SEC)
    }

    /// Whether `mark` begins a clip, after the `earlier` ones of the camera, newest first.
    fn begins(&self, mark: &Mark, earlier: &[&Mark]) -> bool {
        let mut clip_end_ns = 0;
        for before in earlier.iter().rev().filter(|before| self.matters(before)) {
            if before.start_utc_ns >= clip_end_ns {
                clip_end_ns = self.clip_end_ns(before);
            }
        }
        mark.start_utc_ns >= clip_end_ns
    }
}

impl Rule for EventClip {
    fn configure(settings_json: &str) -> Result<Self, Fault> {
        let settings = Settings::parse(settings_json)?;
        let seconds = |name: &str| {
            let value = settings.integer(name)?;
            u32::try_from(value)
                .map_err(|_| Fault::Config(format!("`{name}` is {value}; 0 to 600 seconds are allowed")))
        };
        let kinds = settings.text("kinds")?.split([' ', ',', ';']).filter(|word| !word.is_empty());
        Ok(Self {
            kinds: kinds.map(str::to_owned).collect(),
            score_min: settings.number("score_min")? as f32,
            before_s: seconds("before_s")?,
            after_s: seconds("after_s")?,
        })
    }

    fn evaluate(&self, situation: &Situation) -> Result<Vec<Verdict>, Fault> {
        let mark = &situation.event.mark;
        let earlier: Vec<&Mark> = situation.recent.iter().map(|occurrence| &occurrence.mark).collect();
        if !self.matters(mark) || !self.begins(mark, &earlier) {
            return Ok(vec![]);
        }
        let clip = situation.clip(self.before_s, self.after_s);
        let seconds = (clip.to_utc_ns - clip.from_utc_ns) / NANOS_PER_SEC;
        let reason = format!("{} with the score {:.2}; a clip of {seconds} s", mark.kind, mark.score);
        Ok(vec![Verdict::new(Proposal::ExportClip(clip), reason)])
    }
}

watchbook_plugin::rule!(EventClip);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use watchbook_plugin::Occurrence;
    use watchbook_plugin::testing::{self, BEGINNING_NS};

    const SETTINGS: &str =
        r#"{"kinds": "wrong-way, stopped-vehicle", "score_min": 0.5, "before_s": 10, "after_s": 50}"#;

    fn rule() -> EventClip {
        EventClip::configure(SETTINGS).unwrap()
    }

    /// An event at the beginning, after others that began so many seconds before it, newest first.
    fn after(seconds: &[u64]) -> Situation {
        let mut situation = testing::situation("wrong-way");
        let before = |back: &u64| {
            let mark = Mark::at("wrong-way", BEGINNING_NS - back * NANOS_PER_SEC);
            Occurrence { source: "org.watchbook.traffic".to_owned(), mark }
        };
        situation.recent = seconds.iter().map(before).collect();
        situation
    }

    fn clips(situation: &Situation) -> usize {
        rule().evaluate(situation).unwrap().len()
    }

    #[test]
    fn one_event_gives_one_clip() {
        let verdicts = rule().evaluate(&after(&[])).unwrap();
        let [Verdict { what: Proposal::ExportClip(clip), reason }] = &verdicts[..] else { panic!("{verdicts:?}") };
        assert_eq!(clip.from_utc_ns, BEGINNING_NS - 10 * NANOS_PER_SEC);
        assert_eq!(clip.to_utc_ns, BEGINNING_NS + 50 * NANOS_PER_SEC);
        assert!(reason.contains("wrong-way") && reason.contains("60 s"), "{reason}");
    }

    #[test]
    fn what_begins_within_a_clip_belongs_to_it() {
        assert_eq!(clips(&after(&[49])), 0);
        assert_eq!(clips(&after(&[50])), 1, "the clip ends where this event begins");
        // 90 s ago a clip began; 45 s ago an event within it, which began none; so this one begins the next.
        assert_eq!(clips(&after(&[45, 90])), 1);
        // 100 s ago a clip, 45 s ago the next one, which this event lies in.
        assert_eq!(clips(&after(&[45, 100])), 0);
    }

    #[test]
    fn other_kinds_and_low_scores_neither_give_a_clip_nor_belong_to_one() {
        let mut situation = after(&[20]);
        situation.recent[0].mark.score = 0.4;
        assert_eq!(clips(&situation), 1);
        situation.recent[0].mark = Mark::at("motion", BEGINNING_NS - NANOS_PER_SEC);
        assert_eq!(clips(&situation), 1);
        situation.event.mark.kind = "motion".to_owned();
        assert_eq!(clips(&situation), 0);
        let mut weak = after(&[]);
        weak.event.mark.score = 0.49;
        assert_eq!(clips(&weak), 0);
    }

    #[test]
    fn a_long_event_holds_its_clip_open() {
        let mut situation = after(&[300]);
        situation.recent[0].mark.end_utc_ns = Some(BEGINNING_NS - 40 * NANOS_PER_SEC);
        assert_eq!(clips(&situation), 0);
    }

    #[test]
    fn the_manifest_gives_settings_that_the_rule_takes() {
        let manifest: toml::Table = include_str!("../plugin.toml").parse().unwrap();
        let words = |setting: &toml::Value| {
            let value = match &setting["default"] {
                toml::Value::String(text) => format!("\"{text}\""),
                other => other.to_string(),
            };
            format!("\"{}\": {value}", setting["name"].as_str().unwrap())
        };
        let settings: Vec<String> = manifest["settings"].as_array().unwrap().iter().map(words).collect();
        let rule = EventClip::configure(&format!("{{{}}}", settings.join(","))).unwrap();
        assert_eq!((rule.kinds.len(), rule.before_s, rule.after_s), (0, 10, 50));
        assert!(EventClip::configure(&SETTINGS.replace("50}", "-1}")).is_err());
    }

    proptest! {
        /// Over any row of events: every one lies in a clip, and no two clips begin within each other.
        #[test]
        fn every_event_is_in_exactly_one_clip(gaps in prop::collection::vec(0_u64..120, 1..40)) {
            let starts: Vec<u64> = gaps.iter().scan(0, |sum, gap| { *sum += gap; Some(*sum) }).collect();
            let last = starts[starts.len() - 1];
            let mut clip_from = None;
            for (index, start) in starts.iter().enumerate() {
                let mut situation = after(&starts[..index].iter().rev().map(|other| last - other).collect::<Vec<_>>());
                situation.event.mark.start_utc_ns = BEGINNING_NS - (last - start) * NANOS_PER_SEC;
                let begins = clips(&situation) == 1;
                prop_assert_eq!(begins, clip_from.is_none_or(|from| *start >= from + 50), "event {} of {:?}", index, starts);
                if begins {
                    clip_from = Some(*start);
                }
            }
        }
    }
}
