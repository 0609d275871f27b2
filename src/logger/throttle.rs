//! A throttle for log lines that a lasting failure would repeat.
//!
//! Owned by the thread that logs; the first line always passes. It must not know what is logged.

use std::time::{Duration, Instant};

/// Lets a log line pass at most once per period.
#[derive(Debug)]
pub(crate) struct Throttle {
    period: Duration,
    last: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// The shortest time between two lines on one subject; long enough to read them as they come.
    pub(crate) const USUAL_PERIOD: Duration = Duration::from_secs(10);

    /// Lets a line pass at most once per `period`.
    pub(crate) const fn new(period: Duration) -> Self {
        Self { period, last: None, left_out: 0 }
    }

    /// Whether a line may be logged now; the period begins anew if so.
    pub(crate) fn allows(&mut self) -> bool {
        let allowed = self.last.is_none_or(|last| last.elapsed() >= self.period);
        if allowed {
            self.last = Some(Instant::now());
        } else {
            self.left_out += 1;
        }
        allowed
    }

    /// Words for the end of a line that was allowed: how many were not since the one before it.
    pub(crate) fn left_out(&mut self) -> String {
        match std::mem::take(&mut self.left_out) {
            0 => String::new(),
            count => format!(" ({count} more since the last such line)"),
        }
    }

    /// Lets the next line pass again, since the failure is over. Returns whether it had been logged.
    pub(crate) fn reset(&mut self) -> bool {
        self.last.take().is_some()
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(Self::USUAL_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_per_period_and_the_first_one_after_a_reset() {
        let mut throttle = Throttle::new(Duration::MAX);
        assert!(!throttle.reset());
        assert!(throttle.allows());
        assert_eq!(throttle.left_out(), "");
        assert!(!throttle.allows() && !throttle.allows());
        assert_eq!(throttle.left_out(), " (2 more since the last such line)");
        assert_eq!(throttle.left_out(), "");
        assert!(throttle.reset());
        assert!(throttle.allows());
        let mut never_waits = Throttle::new(Duration::ZERO);
        assert!(never_waits.allows() && never_waits.allows());
    }
}
