//! Timestamps of rows in a table whose key has no `seq`: each row of a partition gets a millisecond of its own, if
//! there is a free one.
//!
//! In such a table two rows of one partition and one millisecond have the same key, so the later row would
//! overwrite the earlier one. It is moved to the next free millisecond instead, by up to a second; past that it
//! does overwrite. Runs on the sender. Pure: time comes with the rows.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How far a row's time is moved at most.
pub(super) const BOUND_MS: i64 = 1_000;
/// Partitions that are remembered at most. If more have rows within one second, all are forgotten.
const PARTITIONS_MAX: usize = 1 << 20;
/// The number of partitions from which on those are looked for that may be forgotten.
const PRUNE_AT: usize = 1 << 16;
/// Rows that may be sent again whose timestamps are remembered at most: more than a quarter of the default queue in
/// memory has, where rows wait aside. Past it the oldest are forgotten, and get new ones if they are sent again.
const GIVEN_MAX: usize = 1 << 18;

/// Counts the timestamps that differ from what a table with `seq` would have. Read by the exporter.
#[derive(Debug, Default)]
pub(crate) struct TimestampCounters {
    /// Rows stored with a later millisecond than the one in which they were received.
    pub moved: AtomicU64,
    /// Rows stored with the timestamp of another row of their partition, which they overwrite.
    pub overwritten: AtomicU64,
}

impl TimestampCounters {
    /// Counts a row that was stored with this timestamp.
    pub(super) fn count(&self, timestamp: AllottedTimestamp) {
        self.moved.fetch_add(u64::from(timestamp.moved), Relaxed);
        self.overwritten.fetch_add(u64::from(timestamp.overwrites), Relaxed);
    }
}

/// The timestamp of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AllottedTimestamp {
    /// In milliseconds since 1970.
    pub(super) ms: i64,
    /// Whether it is later than the row was received.
    pub(super) moved: bool,
    /// Whether another row of the partition has it.
    pub(super) overwrites: bool,
}

/// Allots timestamps. Remembers those of rows that are not settled, since a row that is sent again must get the same
/// one, also after others that came behind it.
#[derive(Debug, Default)]
pub(super) struct TimestampAllocator {
    /// By the hash of a partition: the last millisecond that a row of it has.
    last_ms: HashMap<u64, i64>,
    /// The size of `last_ms` at which partitions are looked for that may be forgotten.
    prune_at: usize,
    /// Timestamps of rows that may be sent again, by the row's time, which no other row of this sink has.
    given: BTreeMap<u64, AllottedTimestamp>,
    keys: ahash::RandomState,
}

impl TimestampAllocator {
    /// Notes that the row of this time is stored or refused: it is not sent again.
    pub(super) fn settled(&mut self, time_ns: u64) {
        self.given.remove(&time_ns);
    }

    /// The timestamp of the row that was received at `time_ns`; the same one if the row is sent again.
    pub(super) fn of(&mut self, time_ns: u64, partition: impl Hash) -> AllottedTimestamp {
        if let Some(timestamp) = self.given.get(&time_ns) {
            return *timestamp;
        }
        let timestamp = self.next(milliseconds(time_ns), self.keys.hash_one(partition));
        self.given.insert(time_ns, timestamp);
        if self.given.len() > GIVEN_MAX {
            self.given.pop_first();
        }
        timestamp
    }

    fn next(&mut self, now_ms: i64, partition: u64) -> AllottedTimestamp {
        let last = self.last_ms.get(&partition).copied();
        let wanted = last.map_or(now_ms, |last| now_ms.max(last + 1));
        let ms = wanted.min(now_ms + BOUND_MS);
        let overwrites = ms < wanted;
        self.last_ms.insert(partition, last.map_or(ms, |last| ms.max(last)));
        self.prune(now_ms);
        AllottedTimestamp { ms, moved: ms > now_ms, overwrites }
    }

    /// Forgets partitions whose last timestamp is earlier than that of any row to come.
    fn prune(&mut self, now_ms: i64) {
        if self.last_ms.len() < self.prune_at.max(PRUNE_AT) {
            return;
        }
        self.last_ms.retain(|_, last| *last >= now_ms);
        // A bound for the memory only: no far end takes rows of a million partitions in a second.
        if self.last_ms.len() >= PARTITIONS_MAX {
            self.last_ms.clear();
        }
        self.prune_at = self.last_ms.len() * 2;
    }
}

/// A row's time in the unit of the table.
pub(super) fn milliseconds(time_ns: u64) -> i64 {
    // An i64 holds the milliseconds of all nanoseconds that a u64 holds.
    (time_ns / 1_000_000).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn timestamps(rows: &[(u64, &str)]) -> Vec<(i64, bool, bool)> {
        let mut timestamps = TimestampAllocator::default();
        let timestamp = |(time_ns, partition): &(u64, &str)| {
            let AllottedTimestamp { ms, moved, overwrites } = timestamps.of(*time_ns, partition);
            (ms, moved, overwrites)
        };
        rows.iter().map(timestamp).collect()
    }

    #[test]
    fn rows_of_one_millisecond_and_partition_get_the_next_ones() {
        let rows = [(MS, "a"), (MS + 1, "a"), (MS + 2, "b"), (MS + 3, "a"), (9 * MS, "a")];
        let expected = [
            (1, false, false),
            (2, true, false),
            (1, false, false),
            (3, true, false),
            (9, false, false),
        ];
        assert_eq!(timestamps(&rows), expected);
    }

    #[test]
    fn past_a_second_rows_overwrite_and_are_told() {
        let rows: Vec<_> = (0..1_005).map(|n| (5 * MS + n, "a")).collect();
        let timestamps = timestamps(&rows);
        assert_eq!(timestamps[1_000], (1_005, true, false));
        assert!(timestamps[1_001..].iter().all(|timestamp| *timestamp == (1_005, true, true)));
        assert_eq!(timestamps.iter().filter(|timestamp| timestamp.2).count(), 4);
    }

    #[test]
    fn a_row_that_comes_again_has_its_place() {
        let mut timestamps = TimestampAllocator::default();
        let first: Vec<_> = (0..3).map(|n| timestamps.of(MS + n, "a")).collect();
        timestamps.settled(MS);
        timestamps.settled(MS + 2);
        // Others come before the rest of the batch is sent again.
        for time_ns in MS + 3..MS + 9 {
            timestamps.of(time_ns, "a");
            timestamps.settled(time_ns);
        }
        assert_eq!(timestamps.of(MS + 1, "a"), first[1]);
        timestamps.settled(MS + 1);
        assert_eq!(timestamps.given.len(), 0);
        assert_eq!(timestamps.of(MS + 9, "a").ms, 10);
    }

    #[test]
    fn memory_is_bounded() {
        let mut timestamps = TimestampAllocator::default();
        for n in 0..2 * GIVEN_MAX as u64 {
            timestamps.of(n * MS, n);
        }
        assert!(timestamps.last_ms.len() <= PRUNE_AT && timestamps.given.len() <= GIVEN_MAX);
    }
}
