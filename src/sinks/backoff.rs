//! How long to wait before a request is sent again: a random time below a bound that doubles with each failure
//! ("full jitter").
//!
//! The time is random so that a fleet of servers does not come back to a far end all at once. Pure: time and
//! random numbers come from outside.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// The longest bound for far ends that answer requests, which cost them something even when they fail.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);
/// The longest wait that a far end may ask for. If it asks for more it is asked again after this, since an
/// operator may have mended it meanwhile.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// Counts the failures of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    longest: Duration,
}

impl Backoff {
    /// With no failure yet; the bound doubles up to `longest`.
    pub(crate) fn up_to(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// Notes that the request worked. The next failure counts as the first.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Notes that the request failed; returns how long to wait. `chance` is a random number. `asked` is the wait
    /// that the far end asks for, to which the random one is added.
    pub(crate) fn next(&mut self, chance: u64, asked: Option<Duration>) -> Duration {
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
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
        let mut backoff = Backoff::up_to(LONGEST);
        let longest: Vec<_> =
            (0..10).map(|_| backoff.next(u64::MAX, None).as_secs_f64().round()).collect();
        assert_eq!(longest, [0.0, 0.0, 1.0, 2.0, 3.0, 6.0, 13.0, 26.0, 30.0, 30.0]);
        assert_eq!(backoff.next(0, None), Duration::ZERO);
        backoff.reset();
        assert!(backoff.next(u64::MAX, None) <= FIRST);
        let mut short = Backoff::up_to(Duration::from_secs(1));
        let longest: Vec<_> = (0..5).map(|_| short.next(u64::MAX, None).as_secs_f64()).collect();
        assert_eq!(longest, [0.2, 0.4, 0.8, 1.0, 1.0]);
    }

    #[test]
    fn what_the_far_end_asks_for_is_the_least() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(Backoff::up_to(LONGEST).next(0, asked(7)), Duration::from_secs(7));
        assert_eq!(Backoff::up_to(LONGEST).next(0, asked(86_400)), LONGEST_ASKED);
    }
}
