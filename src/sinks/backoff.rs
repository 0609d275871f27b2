//! How long to wait before the next try: "full jitter", a random time below a bound that doubles.
//!
//! Pure: time and chance come from outside. The aim of the randomness is that a fleet of servers does not
//! come back to a far end all at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// What a far end may ask for: more is taken as this, since an operator may have mended it meanwhile.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// The state of a series of failures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked: the next failure is the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed: the time to wait. `chance` is evenly distributed; `asked` is what the far end asked for,
    /// which is the least then.
    pub(crate) fn next(&mut self, chance: u64, asked: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // A value in 0..1 with 53 bits.
        let part = (chance >> 11) as f64 / (1_u64 << 53) as f64;
        bound.mul_f64(part) + asked.unwrap_or_default().min(LONGEST_ASKED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> =
            (0..10).map(|_| backoff.next(u64::MAX, None).as_secs_f64().round()).collect();
        assert_eq!(longest, [0.0, 0.0, 1.0, 2.0, 3.0, 6.0, 13.0, 26.0, 30.0, 30.0]);
        assert_eq!(backoff.next(0, None), Duration::ZERO);
        backoff.reset();
        assert!(backoff.next(u64::MAX, None) <= FIRST);
    }

    #[test]
    fn what_the_far_end_asks_for_is_the_least() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(Backoff::default().next(0, asked(7)), Duration::from_secs(7));
        assert_eq!(Backoff::default().next(0, asked(86_400)), LONGEST_ASKED);
    }
}
