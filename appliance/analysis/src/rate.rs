//! Which pictures of a stream are wanted: at most so many a second, by the time of presentation. Pure.

use watchbook_base::time::NANOS_PER_SEC;

/// The rate limit of one output. Keeps the average rate when the camera's frames fall between two due times, and starts again after a step of the clock
/// or a pause.
#[derive(Clone, Debug)]
pub struct Rate {
    interval_ns: i64,
    next_ns: Option<i64>,
}

impl Rate {
    /// At most `fps_max` pictures a second, in [`crate::plan::OUTPUT_FPS`].
    #[must_use]
    pub fn new(fps_max: f32) -> Self {
        Self { interval_ns: (NANOS_PER_SEC as f64 / f64::from(fps_max)) as i64, next_ns: None }
    }

    /// Whether a picture of this moment is wanted.
    pub fn wants(&mut self, utc_ns: i64) -> bool {
        // A camera's jitter must not turn 5 of 25 frames a second into 4: up to an eighth of the interval early counts as due.
        let due = match self.next_ns {
            Some(next) if next.abs_diff(utc_ns) < 2 * self.interval_ns.unsigned_abs() => next,
            _ => utc_ns,
        };
        if utc_ns < due.saturating_sub(self.interval_ns / 8) {
            return false;
        }
        self.next_ns = Some(due.saturating_add(self.interval_ns));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fps_max: f32, times_ns: impl Iterator<Item = i64>) -> usize {
        let mut rate = Rate::new(fps_max);
        times_ns.filter(|&utc_ns| rate.wants(utc_ns)).count()
    }

    #[test]
    fn the_rate_is_kept_on_average_whatever_the_camera_sends() {
        let second = NANOS_PER_SEC;
        assert_eq!(shown(5.0, (0..250).map(|frame| frame * second / 25)), 50, "25 to 5");
        assert_eq!(shown(5.0, (0..300).map(|frame| frame * second / 30)), 50, "30 to 5");
        assert_eq!(shown(30.0, (0..250).map(|frame| frame * second / 25)), 250, "never more than there are");
        let jitter = (0..250_i64).map(|frame| frame * second / 25 + (frame * 7919 % 10 - 5) * 1_000_000);
        assert!((49..=51).contains(&shown(5.0, jitter)));
        assert_eq!(shown(5.0, [i64::MIN, i64::MAX].into_iter()), 2, "no time is too far");
    }

    #[test]
    fn a_clock_step_or_a_pause_starts_the_rate_again() {
        let mut rate = Rate::new(5.0);
        let hour = 3600 * NANOS_PER_SEC;
        assert!(rate.wants(hour) && !rate.wants(hour + 40_000_000));
        assert!(rate.wants(0), "an hour back");
        assert!(rate.wants(2 * hour), "two hours on");
        assert!(!rate.wants(2 * hour + 40_000_000), "and no burst after it");
    }
}
