//! The sums that readers make of a series' cells.
//!
//! Runs on the exporter's threads, while workers go on counting. It knows nothing of how a cell is laid out.

use crate::metric::Kind;
use crate::registry::cell;
use crate::sync::AtomicU64;

/// A sum of floats that keeps what rounding cuts off. Otherwise the same numbers, added in another order,
/// could give a sum that is smaller in its last digit, and folding a cell changes the order. Prometheus takes
/// a counter that falls, by however little, for one that began again at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExactSum {
    high: f64,
    low: f64,
}

impl ExactSum {
    /// Adds one number by Knuth's two-sum: `low` collects the exact rounding error of each addition.
    pub fn add(&mut self, value: f64) {
        let sum = self.high + value;
        let shadow = sum - self.high;
        let error = (self.high - (sum - shadow)) + (value - shadow);
        self.high = sum;
        if error.is_finite() {
            self.low += error; // once the sum is infinite there is no error to collect
        }
    }

    /// The sum, rounded once.
    pub fn value(self) -> f64 {
        self.high + self.low
    }
}

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

    /// Adds what a cell of the same kind holds. Of gauges the one with the larger stamp is kept; of two with
    /// the same stamp the one that was added first. Callers add workers in ascending order.
    pub fn add_cell(&mut self, cell: &[AtomicU64]) {
        match self {
            Self::Counter { whole, fraction } => {
                let read = cell::read_counter(cell);
                *whole += u128::from(read.whole);
                fraction.add(read.fraction);
            }
            Self::Gauge { stamp_ns, value } => {
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

    /// The number of a counter or gauge; a histogram's sum.
    pub fn value(&self) -> f64 {
        match self {
            // The integers are summed exactly and rounded once, to the nearest float.
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
    use crate::registry::cell::{add, observe, set, stamp_ns};

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
