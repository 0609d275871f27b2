//! Cells: the words in which one worker counts one series, and the sums that readers make of them.
//!
//! A cell has one writer, the worker that owns it, so counting is load, add, store: no locked
//! instruction, no retry. Readers (the exporter) see each word whole; the layouts below are chosen
//! so that words need not be seen together.
//!
//! ```text
//! counter    stamp | whole (u64) | fraction (f64)
//! gauge      stamp | value (f64)
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
/// Integer-valued floats below 2^64 go into the whole part, which stays exact past 2^53; all others,
/// and what would overflow the whole part, go into the fraction.
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

/// The integer that a float is, if it is one below 2^64.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "the way back proves that nothing was lost"
)]
fn whole(value: f64) -> Option<u64> {
    let whole = value as u64; // saturates
    (whole as f64 == value && value < TWO_POW_64).then_some(whole)
}

/// Sets a gauge: value first, then the stamp, which publishes it.
///
/// A reader loads the stamp (Acquire) and then the value: the value it gets is the one of that stamp
/// or a later one, never an earlier one. So a worker with the newest stamp never shows a stale value.
/// `tests/model_loom.rs` checks this and fails when the two stores are exchanged.
pub fn set(cell: &[AtomicU64], value: f64, now_ns: u64) {
    cell[MAIN].store(value.to_bits(), Ordering::Relaxed);
    cell[STAMP].store(now_ns, Ordering::Release); // pairs with the Acquire in `read_gauge`
}

/// Observes a value into a histogram. Bounds are inclusive, as Prometheus' `le` says.
pub(crate) fn observe(cell: &[AtomicU64], bounds: &[f64], value: f64, now_ns: u64) {
    let bucket = REST + bounds.partition_point(|&bound| bound < value);
    let count = cell[bucket].load(Ordering::Relaxed);
    cell[bucket].store(count + 1, Ordering::Relaxed);
    let sum = f64::from_bits(cell[MAIN].load(Ordering::Relaxed));
    cell[MAIN].store((sum + value).to_bits(), Ordering::Relaxed);
    cell[STAMP].store(now_ns, Ordering::Relaxed);
}

/// The time of the cell's last sample; 0 before the first.
pub(crate) fn stamp_ns(cell: &[AtomicU64]) -> u64 {
    cell[STAMP].load(Ordering::Relaxed)
}

/// (whole part, fraction) of a counter.
pub(crate) fn read_counter(cell: &[AtomicU64]) -> (u64, f64) {
    let fraction = f64::from_bits(cell[REST].load(Ordering::Relaxed));
    (cell[MAIN].load(Ordering::Relaxed), fraction)
}

/// (stamp, value) of a gauge; see [`set`].
pub fn read_gauge(cell: &[AtomicU64]) -> (u64, f64) {
    let stamp_ns = cell[STAMP].load(Ordering::Acquire); // pairs with the Release in `set`
    (stamp_ns, f64::from_bits(cell[MAIN].load(Ordering::Relaxed)))
}

/// A sum of floats that keeps what rounding cuts off, so that adding the same numbers in another
/// order (a fold changes the order) does not make a counter fall by a last digit: Prometheus would
/// take that for a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExactSum {
    high: f64,
    low: f64,
}

impl ExactSum {
    /// Adds one number (Knuth's two-sum: `low` collects the exact error of each addition).
    pub fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let shadow = sum - self.high;
        let error = (self.high - (sum - shadow)) + (value - shadow);
        self.high = sum;
        if error.is_finite() {
            self.low += error; // not so once the sum has overflowed
        }
    }

    /// The sum, rounded once.
    pub fn value(self) -> f64 {
        self.high + self.low
    }
}

/// The sum of a series over its cells and what is folded of given-up ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Total {
    /// A counter.
    Counter {
        /// Whole parts; 2^64 cells of 2^64 fit.
        whole: u128,
        /// Fractions.
        fraction: ExactSum,
    },
    /// A gauge: the newest value and its stamp.
    Gauge {
        /// 0 while nothing was set.
        stamp_ns: u64,
        /// The value of that stamp.
        value: f64,
    },
    /// A histogram: counts per bucket (not cumulated) and the sum of all observations.
    Histogram {
        /// One count per bound and one above the last.
        counts: Vec<u64>,
        /// Sum of observations.
        sum: ExactSum,
    },
}

impl Total {
    /// Nothing counted yet.
    pub fn new(kind: Kind, bounds: usize) -> Self {
        match kind {
            Kind::Counter => Self::Counter { whole: 0, fraction: ExactSum::default() },
            Kind::Gauge => Self::Gauge { stamp_ns: 0, value: 0.0 },
            Kind::Histogram => {
                Self::Histogram { counts: vec![0; bounds + 1], sum: ExactSum::default() }
            }
        }
    }

    /// Adds what a cell of the same kind holds. Of gauges the larger stamp wins, on a tie what was
    /// there first: callers add workers in ascending order.
    pub fn add_cell(&mut self, cell: &[AtomicU64]) {
        match self {
            Self::Counter { whole, fraction } => {
                *whole += u128::from(cell[MAIN].load(Ordering::Relaxed));
                fraction.add(f64::from_bits(cell[REST].load(Ordering::Relaxed)));
            }
            Self::Gauge { stamp_ns, value } => {
                let (cell_stamp_ns, cell_value) = read_gauge(cell);
                if cell_stamp_ns > *stamp_ns {
                    (*stamp_ns, *value) = (cell_stamp_ns, cell_value);
                }
            }
            Self::Histogram { counts, sum } => {
                sum.add(f64::from_bits(cell[MAIN].load(Ordering::Relaxed)));
                for (count, word) in counts.iter_mut().zip(&cell[REST..]) {
                    *count += word.load(Ordering::Relaxed);
                }
            }
        }
    }

    /// The number of a counter or gauge; a histogram's sum.
    pub fn value(&self) -> f64 {
        match self {
            // u128 to f64 rounds to nearest, as one conversion of the whole sum.
            Self::Counter { whole, fraction } => *whole as f64 + fraction.value(),
            Self::Gauge { value, .. } => *value,
            Self::Histogram { sum, .. } => sum.value(),
        }
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

    fn cell(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    #[track_caller]
    fn counted(values: &[f64], expected: f64) {
        let cell = cell(3);
        for &value in values {
            add(&cell, value, 1);
        }
        let mut total = Total::new(Kind::Counter, 0);
        total.add_cell(&cell);
        assert_eq!(total.value().to_bits(), expected.to_bits(), "{values:?}: {}", total.value());
    }

    #[test]
    fn counters_keep_integers_and_fractions_exact() {
        counted(&[1e16, 1.0, 1.0], 10_000_000_000_000_002.0);
        counted(&[0.5; 1000], 500.0);
        counted(&[1.8e19, 2e18], 2e19); // past 2^64: no wrap
        counted(&[2e19, 1.0], 2e19);
        counted(&[-0.0], 0.0);
        counted(&[f64::MAX, f64::MAX], f64::INFINITY);
    }

    #[test]
    fn bounds_are_inclusive() {
        let cell = cell(5);
        for value in [0.5, 1.0, 1.5, 2.0, 3.0] {
            observe(&cell, &[1.0, 2.0], value, 7);
        }
        let mut total = Total::new(Kind::Histogram, 2);
        total.add_cell(&cell);
        let Total::Histogram { counts, sum } = &total else { panic!("{total:?}") };
        assert_eq!((counts.as_slice(), sum.value()), ([2, 2, 1].as_slice(), 8.0));
        assert_eq!(stamp_ns(&cell), 7);
    }

    #[test]
    fn the_newest_gauge_wins_and_a_tie_goes_to_the_first() {
        let (first, second) = (cell(2), cell(2));
        set(&first, 1.0, 10);
        set(&second, 2.0, 10);
        let mut total = Total::new(Kind::Gauge, 0);
        total.add_cell(&first);
        total.add_cell(&second);
        assert_eq!(total, Total::Gauge { stamp_ns: 10, value: 1.0 });
        set(&second, 3.0, 11);
        total.add_cell(&second);
        assert_eq!(total, Total::Gauge { stamp_ns: 11, value: 3.0 });
    }

    #[test]
    fn the_order_of_addition_does_not_matter() {
        let values = [0.1, 1e15 + 0.3, 0.7, 1e-9, 123.456];
        let sum = |values: &mut dyn Iterator<Item = f64>| {
            let mut sum = ExactSum::default();
            values.for_each(|value| sum.add(value));
            sum.value().to_bits()
        };
        assert_eq!(sum(&mut values.into_iter()), sum(&mut values.into_iter().rev()));
    }
}
