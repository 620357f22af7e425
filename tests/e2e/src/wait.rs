//! The one place where tests wait.

use std::time::{Duration, Instant};

/// How long between two looks.
const POLL: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives something.
///
/// # Panics
/// When `deadline` has passed without; the message holds `what` and the last thing `look` complained about.
pub fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(complaint) => {
                assert!(
                    started.elapsed() < deadline,
                    "waited {:.1} s for {what}; last: {complaint}",
                    deadline.as_secs_f64()
                );
            }
        }
        // Parking a thread that nobody unparks is a bounded wait.
        std::thread::park_timeout(POLL);
    }
}
