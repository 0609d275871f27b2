//! Tests of times to live, on machines that may be too slow for a short one.

use std::time::{Duration, Instant};

/// How the machine was too slow for what the test claims under the time to live that it was given.
#[derive(Debug)]
pub(crate) struct TooSlow(pub(crate) String);

/// The first is long enough on a machine that is not busy. After the last a series is still gone well within the
/// deadline of `wait::until`.
const TTLS: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(20)];

/// Runs a test, again with a longer time to live if the machine was too slow for the one before.
///
/// # Panics
/// If it is too slow even for the longest.
pub(crate) fn with_ttl(test: impl Fn(Duration) -> Result<(), TooSlow>) {
    let mut why = Vec::new();
    for ttl in TTLS {
        match test(ttl) {
            Ok(()) => return,
            Err(TooSlow(how)) => why.push(format!("{ttl:?}: {how}")),
        }
    }
    panic!("too slow for each time to live: {why:#?}");
}

/// Fails once so much time has passed since a sample was about to be sent: its series may be gone by then.
pub(crate) fn within(ttl: Duration, since: Instant) -> Result<(), TooSlow> {
    let passed = since.elapsed();
    if passed < ttl { Ok(()) } else { Err(TooSlow(format!("{passed:?} since a sample"))) }
}

/// The text of a time to live as a flag takes it.
pub(crate) fn ttl_flag(ttl: Duration) -> String {
    format!("{}ms", ttl.as_millis())
}
