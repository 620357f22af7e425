//! Marks motion outside office hours and tells people on duty.

use watchbook_plugin::{Fault, Proposal, Rule, Settings, Situation, Verdict};

struct AfterHours {
    office_from: i64,
    office_until: i64,
    notify: bool,
}

impl Rule for AfterHours {
    fn configure(settings_json: &str) -> Result<Self, Fault> {
        let settings = Settings::parse(settings_json)?;
        let rule = Self {
            office_from: settings.integer("office_from")?,
            office_until: settings.integer("office_until")?,
            notify: settings.boolean("notify")?,
        };
        if rule.office_from >= rule.office_until {
            return Err(Fault::Config("`office_until` must be later than `office_from`".to_owned()));
        }
        Ok(rule)
    }

    fn evaluate(&self, situation: &Situation) -> Result<Vec<Verdict>, Fault> {
        let local = &situation.local;
        let office = local.weekday < 5 && (self.office_from..self.office_until).contains(&i64::from(local.hour));
        if situation.event.mark.kind != "motion" || office {
            return Ok(vec![]);
        }
        let (from, until) = (self.office_from, self.office_until);
        let reason = format!("motion at {}:{:02}, outside office hours {from} to {until}", local.hour, local.minute);
        let mut verdicts = vec![Verdict::new(Proposal::Tag("after-hours".to_owned()), reason.clone())];
        if self.notify {
            let line = format!("Motion outside office hours: {}", situation.camera_name);
            verdicts.push(Verdict::new(Proposal::Notify(line), reason));
        }
        Ok(verdicts)
    }
}

watchbook_plugin::rule!(AfterHours);

#[cfg(test)]
mod tests {
    use super::*;
    use watchbook_plugin::testing;

    #[test]
    fn motion_counts_outside_office_hours_only() {
        let rule = AfterHours { office_from: 8, office_until: 17, notify: true };
        let mut situation = testing::situation("motion");
        assert_eq!(rule.evaluate(&situation), Ok(vec![]), "Monday, 16:00");
        situation.local.hour = 17;
        let verdicts = rule.evaluate(&situation).unwrap();
        assert_eq!(verdicts[0].what, Proposal::Tag("after-hours".to_owned()));
        assert_eq!(verdicts[0].reason, "motion at 17:00, outside office hours 8 to 17");
        assert_eq!(verdicts[1].what, Proposal::Notify("Motion outside office hours: Camera".to_owned()));
        situation.event.mark.kind = "count".to_owned();
        assert_eq!(rule.evaluate(&situation), Ok(vec![]));
    }

    #[test]
    fn hours_that_make_no_sense_are_refused() {
        let settings = r#"{"office_from": 17, "office_until": 8, "notify": true}"#;
        assert!(matches!(AfterHours::configure(settings), Err(Fault::Config(_))));
    }
}
