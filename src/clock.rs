//! The one place where clocks are read.
//!
//! Times that are compared with each other (expiry, stamps of gauges, deadlines) are of the monotonic clock. Only
//! what is sent to another system has the time of the wall clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::planted::{self, Fault};

static START: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds of the monotonic clock since the first call in this process, plus one, so that they are never 0:
/// in a cell 0 stands for "never".
pub(crate) fn now_ns() -> u64 {
    let start = *START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_nanos()).expect("2^64 ns are 584 years") + 1
}

/// Nanoseconds since 1970 by the wall clock, for what is sent to another system; 0 if the clock is set before.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = if planted::is(Fault::WallClockSteps) { stepping(since) } else { since };
    // 2^64 ns end in 2554; Linux' clock ends in 2262.
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// The time of a clock that is an hour behind in one second, an hour ahead in the next, and then stands still for one.
#[cold]
fn stepping(since: Duration) -> Duration {
    const HOUR: Duration = Duration::from_hours(1);
    match since.as_secs() % 4 {
        0 => since,
        1 => since.saturating_sub(HOUR),
        2 => since + HOUR,
        _ => Duration::from_secs(since.as_secs()),
    }
}
