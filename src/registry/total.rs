//! The sums that readers make of a series' cells.
//!
//! Runs on the exporter's threads, while workers go on counting. It knows nothing of how a cell is laid out.

use crate::metric::Kind;
use crate::registry::adds::{self, ADDS_WORDS, AddsReading};
use crate::registry::cell::{self, GAUGE_WORDS};
use crate::registry::exact_sum::ExactSum;
use crate::sync::AtomicU64;

/// The sum of a series over its cells. Given-up cells are in it as well, once they are folded.
#[derive(Clone, Debug, PartialEq)]
pub enum Total {
    /// A counter.
    Counter {
        /// Whole parts. 2^64 cells, each below 2^64, cannot overflow it.
        whole: u128,
        /// Fractions.
        fraction: ExactSum,
    },
    /// A gauge: the newest value and its stamp, and what was added in the newest epoch.
    Gauge {
        /// 0 while nothing was set.
        stamp_ns: u64,
        /// The value of that stamp.
        value: f64,
        /// It counts if its epoch is the stamp.
        adds: AddsReading,
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
            Kind::Gauge => {
                let adds = AddsReading { epoch_ns: 0, sum: ExactSum::default() };
                Self::Gauge { stamp_ns: 0, value: 0.0, adds }
            }
            Kind::Histogram => {
                Self::Histogram { counts: vec![0; bounds + 1], sum: ExactSum::default() }
            }
        }
    }

    /// Adds what a cell of the same kind holds. Of gauges the one with the larger stamp is kept; of two with
    /// the same stamp the one that was added first. Callers add workers in ascending order, and the cells of adds
    /// before those of sets: so the set that an epoch was begun for is seen if the epoch is.
    ///
    /// # Panics
    /// If it is the cell of another kind.
    pub fn add_cell(&mut self, cell: &[AtomicU64]) {
        match self {
            Self::Counter { whole, fraction } => {
                let read = cell::read_counter(cell);
                *whole += u128::from(read.whole);
                fraction.add(read.fraction);
            }
            Self::Gauge { adds, .. } if cell.len() == ADDS_WORDS => {
                let Some(read) = adds::read(cell) else { return };
                if read.epoch_ns > adds.epoch_ns {
                    *adds = read;
                } else if read.epoch_ns == adds.epoch_ns {
                    adds.sum.add_sum(read.sum);
                    adds.sum = adds.sum.bounded();
                }
            }
            Self::Gauge { stamp_ns, value, .. } => {
                assert_eq!(cell.len(), GAUGE_WORDS, "a gauge has no other cells");
                let read = cell::read_gauge(cell);
                if read.stamp_ns > *stamp_ns {
                    (*stamp_ns, *value) = (read.stamp_ns, read.value);
                }
            }
            Self::Histogram { counts, sum } => {
                sum.add(cell::observed_sum(cell));
                for (count, more) in counts.iter_mut().zip(cell::bucket_counts(cell)) {
                    *count += more;
                }
            }
        }
    }

    /// Whether adds count from a set that is in none of the cells so far.
    pub(super) fn lacks_a_set(&self) -> bool {
        matches!(self, Self::Gauge { stamp_ns, adds, .. } if adds.epoch_ns > *stamp_ns)
    }

    /// The number of a counter or gauge; a histogram's sum.
    pub fn value(&self) -> f64 {
        match self {
            // The integers are summed exactly and rounded once, to the nearest float.
            Self::Counter { whole, fraction } => *whole as f64 + fraction.value(),
            Self::Gauge { stamp_ns, value, adds } if adds.epoch_ns == *stamp_ns => {
                let mut sum = adds.sum;
                sum.add(*value);
                sum.bounded().value()
            }
            Self::Gauge { value, .. } => *value,
            Self::Histogram { sum, .. } => sum.value(),
        }
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
#[expect(clippy::float_cmp, reason = "sums are exact")]
mod tests {
    use super::*;
    use crate::registry::cell::{observe, set, stamp_ns};
    use crate::sync::Ordering;

    fn cell(words: usize) -> Vec<AtomicU64> {
        (0..words).map(|_| AtomicU64::new(0)).collect()
    }

    #[track_caller]
    fn counted(values: &[f64], expected: f64) {
        let cell = cell(3);
        for &value in values {
            cell::add(&cell, value, 1);
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
        assert!(matches!(total, Total::Gauge { stamp_ns: 10, value: 1.0, .. }), "{total:?}");
        set(&second, 3.0, 11);
        total.add_cell(&second);
        assert!(matches!(total, Total::Gauge { stamp_ns: 11, value: 3.0, .. }), "{total:?}");
    }

    #[test]
    fn adds_count_from_the_set_that_they_came_behind() {
        let (adds, others, sets) = (cell(4), cell(4), cell(2));
        let value = |folded: &Total| {
            let mut total = folded.clone();
            for cell in [&adds, &others, &sets] {
                total.add_cell(cell);
            }
            total.value()
        };
        let none = Total::new(Kind::Gauge, 0);
        adds::add(&adds, 2.0, 0, 1);
        adds::add(&others, -0.5, 0, 2);
        assert_eq!(value(&none), 1.5, "a gauge that was never set begins at 0");
        set(&sets, 10.0, 3);
        assert_eq!(value(&none), 10.0, "a set wins over what was added before");
        adds::add(&adds, 1.0, 3, 4);
        assert_eq!(value(&none), 11.0, "one worker's older sum does not count");
        adds::add(&others, 1.0, 3, 4);
        assert_eq!(value(&none), 12.0);
        let mut folded = none;
        for cell in [&adds, &others, &sets] {
            folded.add_cell(cell);
        }
        for word in adds.iter().chain(&others).chain(&sets) {
            word.store(0, Ordering::Relaxed); // the places are used again
        }
        assert_eq!(value(&folded), 12.0, "folded cells count as they did");
        adds::add(&adds, 1.0, 3, 5);
        assert_eq!(value(&folded), 13.0);
        set(&sets, 4.0, 6);
        assert_eq!(value(&folded), 4.0);
    }

    #[test]
    fn a_gauge_stays_a_number() {
        let (adds, others, sets) = (cell(4), cell(4), cell(2));
        let value = || {
            let mut total = Total::new(Kind::Gauge, 0);
            for cell in [&adds, &others, &sets] {
                total.add_cell(cell);
            }
            total.value()
        };
        for _ in 0..3 {
            adds::add(&adds, f64::MAX, 0, 1);
            adds::add(&others, f64::MIN, 0, 1);
        }
        assert_eq!(value(), 0.0);
        adds::add(&others, f64::MAX, 0, 1);
        assert_eq!(value(), f64::MAX);
        set(&sets, 1e308, 2);
        adds::add(&adds, f64::MAX, 2, 3);
        adds::add(&others, f64::MAX, 2, 3);
        assert_eq!(value(), f64::MAX);
    }

    #[test]
    fn what_is_added_and_subtracted_equally_often_is_nothing() {
        let cell = cell(4);
        for n in 0..80_000 {
            adds::add(&cell, if n % 3 == 0 { 0.2 } else { -0.1 }, 0, 1);
        }
        // 26,667 times 0.2 and 53,333 times -0.1.
        let mut total = Total::new(Kind::Gauge, 0);
        total.add_cell(&cell);
        assert_eq!(total.value(), 0.1);
    }
}
