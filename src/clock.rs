//! Time, read in one place.
//!
//! Everything that compares times (expiry, stamps of gauges, deadlines) uses the monotonic clock;
//! only what leaves for another system carries wall-clock time.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

static START: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds of the monotonic clock since the first call in this process, plus one:
/// never 0, which cells use for "never".
pub(crate) fn now_ns() -> u64 {
    let start = *START.get_or_init(Instant::now);
    // 2^64 ns are 584 years.
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX - 1) + 1
}

/// Nanoseconds since 1970 on the wall clock: for what leaves for another system.
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) // until 2554
}
