//! Cells: the words in which one worker counts one series.
//!
//! A cell has one writer, the worker that owns it, so counting is load, add, store: no locked
//! instruction, no retry. A reader (the exporter) sees each word whole, but may see one word before
//! and another after a sample. The layouts below allow for that.
//!
//! ```text
//! counter    stamp | whole (u64) | fraction (f64)
//! gauge      stamp | value (f64); what is added to it is in cells of their own (`adds`)
//! histogram  stamp | sum (f64) | one count (u64) per bound | count above the last bound
//! ```
//!
//! `stamp` is the time of the last sample in ns of the monotonic clock, 0 before the first.

use crate::metric::Kind;
use crate::sync::{AtomicU64, Ordering};

/// Word of the stamp in every cell.
const STAMP: usize = 0;
/// Word of a counter's whole part, a gauge's value and a histogram's sum.
const MAIN: usize = 1;
/// Word of a counter's fraction and a histogram's first bucket.
const REST: usize = 2;

/// 2^64, the first float that a u64 cannot hold.
const TWO_POW_64: f64 = 18_446_744_073_709_551_616.0;

/// Words of a counter's cell.
pub(crate) const COUNTER_WORDS: usize = 3;
/// Words of a gauge's cell.
pub(crate) const GAUGE_WORDS: usize = 2;

/// How many words a cell of this kind takes.
pub(crate) fn words(kind: Kind, bounds: usize) -> usize {
    match kind {
        Kind::Counter => COUNTER_WORDS,
        Kind::Gauge => GAUGE_WORDS,
        Kind::Histogram => REST + bounds + 1,
    }
}

/// Adds to a counter. `value` is finite and not negative (checked by the caller).
///
/// Whole numbers below 2^64 go into the whole part, an integer, which stays exact where a float would
/// round: past 2^53. All other values, and those that would overflow the whole part, go into the fraction.
pub(crate) fn add(cell: &[AtomicU64], value: f64, now_ns: u64) {
    let stored = cell[MAIN].load(Ordering::Relaxed);
    let summed = whole(value).and_then(|whole| stored.checked_add(whole));
    if let Some(sum) = summed {
        cell[MAIN].store(sum, Ordering::Relaxed);
    } else {
        let fraction = f64::from_bits(cell[REST].load(Ordering::Relaxed));
        cell[REST].store((fraction + value).to_bits(), Ordering::Relaxed);
    }
    cell[STAMP].store(now_ns, Ordering::Relaxed);
}

/// The value as an integer, if it is a whole number below 2^64.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "converting back and comparing proves that nothing was lost"
)]
fn whole(value: f64) -> Option<u64> {
    let whole = value as u64; // saturates
    (whole as f64 == value && value < TWO_POW_64).then_some(whole)
}

/// Sets a gauge: value first, then the stamp, which publishes it.
///
/// A reader loads the stamp (Acquire) and then the value, so the value that it gets belongs to that stamp
/// or to a later one, never to an earlier one. Of several workers' cells the one with the newest stamp is
/// shown; so a stale value is never shown for it.
/// `tests/model_loom.rs` checks this and fails when the two stores are exchanged.
pub fn set(cell: &[AtomicU64], value: f64, now_ns: u64) {
    cell[MAIN].store(value.to_bits(), Ordering::Relaxed);
    cell[STAMP].store(now_ns, Ordering::Release); // pairs with the Acquire in `read_gauge`
}

/// Observes a value into a histogram. Bounds are inclusive, as Prometheus' `le` says.
#[inline]
pub(crate) fn observe(cell: &[AtomicU64], bounds: &[f64], value: f64, now_ns: u64) {
    observe_times(cell, bounds, value, 1, now_ns);
}

/// Observes a value several times.
#[inline]
pub(crate) fn observe_times(
    cell: &[AtomicU64],
    bounds: &[f64],
    value: f64,
    times: u64,
    now_ns: u64,
) {
    let bucket = REST + bounds.partition_point(|&bound| bound < value);
    let count = cell[bucket].load(Ordering::Relaxed);
    cell[bucket].store(count + times, Ordering::Relaxed);
    let sum = f64::from_bits(cell[MAIN].load(Ordering::Relaxed));
    cell[MAIN].store((sum + value * times as f64).to_bits(), Ordering::Relaxed);
    cell[STAMP].store(now_ns, Ordering::Relaxed);
}

/// The time of the cell's last sample; 0 before the first.
pub(crate) fn stamp_ns(cell: &[AtomicU64]) -> u64 {
    cell[STAMP].load(Ordering::Relaxed)
}

/// The stamp of a gauge's cell, for those that add to what was set. They see what that worker has done before.
pub(crate) fn set_stamp_ns(cell: &[AtomicU64]) -> u64 {
    cell[STAMP].load(Ordering::Acquire) // pairs with the Release in `set`
}

/// The numbers in a counter's cell. Their sum is the count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CounterReading {
    pub(crate) whole: u64,
    pub(crate) fraction: f64,
}

/// Reads a counter's cell.
pub(crate) fn read_counter(cell: &[AtomicU64]) -> CounterReading {
    let fraction = f64::from_bits(cell[REST].load(Ordering::Relaxed));
    CounterReading { whole: cell[MAIN].load(Ordering::Relaxed), fraction }
}

/// The value in a gauge's cell, and its stamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaugeReading {
    /// When the value was set; 0 if it never was.
    pub stamp_ns: u64,
    /// The value.
    pub value: f64,
}

/// Reads a gauge's cell in the order that [`set`] asks for.
pub fn read_gauge(cell: &[AtomicU64]) -> GaugeReading {
    let stamp_ns = cell[STAMP].load(Ordering::Acquire); // pairs with the Release in `set`
    GaugeReading { stamp_ns, value: f64::from_bits(cell[MAIN].load(Ordering::Relaxed)) }
}

/// The sum of the observations in a histogram's cell.
pub(crate) fn observed_sum(cell: &[AtomicU64]) -> f64 {
    f64::from_bits(cell[MAIN].load(Ordering::Relaxed))
}

/// The counts in a histogram's cell: one per bound, and one above the last.
pub(crate) fn bucket_counts(cell: &[AtomicU64]) -> impl Iterator<Item = u64> {
    cell[REST..].iter().map(|count| count.load(Ordering::Relaxed))
}
