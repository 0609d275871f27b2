//! Lines in the log about rows that are dropped: one at once, and while it goes on one every 10 s, each with how many
//! there were. What drops them only counts: that may be a worker, which writes no log.
//!
//! Runs on the spooler. Rows that are left when the server stops have a line of their own, in `queue::ending`.

use crate::logger::throttle::Throttle;
use crate::sinks::DropReason;
use crate::sinks::counters::SinkCounters;

/// The reasons that rows are dropped for while the server runs.
const REASONS: [DropReason; 4] =
    [DropReason::QueueFull, DropReason::TooOld, DropReason::AsideFull, DropReason::Damaged];

/// What the log says of rows of one sink that were dropped.
#[derive(Debug, Default)]
pub(crate) struct DropLog {
    /// In the order of [`REASONS`].
    told: [ToldRows; REASONS.len()],
}

/// Rows dropped for one reason that the log tells of.
#[derive(Debug, Default)]
struct ToldRows {
    rows: u64,
    throttle: Throttle,
}

impl DropLog {
    /// Tells of rows that were dropped since the last line about their reason, if that is long enough ago.
    pub(crate) fn tell(&mut self, counters: &SinkCounters) {
        for (reason, told) in REASONS.into_iter().zip(&mut self.told) {
            let dropped = counters.dropped(reason);
            let rows = dropped - told.rows;
            if rows > 0 && told.throttle.allows() {
                told.rows = dropped;
                let (sink, name) = (counters.sink, reason.as_str());
                log::warn!("{sink}: {rows} rows dropped, {name}: {}", cause(reason));
            }
        }
    }

    /// Tells of all that it has not told of, since the spooler ends.
    pub(crate) fn tell_rest(mut self, counters: &SinkCounters) {
        for told in &mut self.told {
            told.throttle.reset();
        }
        self.tell(counters);
    }
}

fn cause(reason: DropReason) -> &'static str {
    match reason {
        DropReason::QueueFull => "memory was full (-sink-queue-bytes), and there was no other room",
        DropReason::TooOld => "the far end did not take them in time (-sink-retry-max)",
        DropReason::AsideFull => {
            "the far end takes none of their index or stream, and they had a quarter of -sink-queue-bytes"
        }
        DropReason::Damaged => "they could not be read back from disk",
        DropReason::Shutdown => "the server stopped",
    }
}
