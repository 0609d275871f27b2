//! A sum of floats that keeps what rounding cuts off.

/// A sum of floats that keeps what rounding cuts off. Otherwise the same numbers, added in another order,
/// could give a sum that is smaller in its last digit, and folding a cell changes the order. Prometheus takes
/// a counter that falls, by however little, for one that began again at 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExactSum {
    high: f64,
    low: f64,
}

impl ExactSum {
    /// The sum that [`Self::parts`] has told.
    pub(super) fn from_parts(high: f64, low: f64) -> Self {
        Self { high, low }
    }

    /// The rounded sum, and what rounding has cut off from it.
    pub(super) fn parts(self) -> (f64, f64) {
        (self.high, self.low)
    }

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

    /// Adds another sum.
    pub(super) fn add_sum(&mut self, other: Self) {
        self.add(other.high);
        self.add(other.low);
    }

    /// The same, or the largest number of its sign if it is larger. A gauge is always a number: what is added to it later
    /// could not be added to one that is infinite.
    pub(super) fn bounded(self) -> Self {
        if self.value().is_finite() {
            self
        } else {
            Self { high: f64::MAX.copysign(self.high), low: 0.0 }
        }
    }

    /// The sum, rounded once.
    pub fn value(self) -> f64 {
        self.high + self.low
    }
}

#[cfg(test)]
#[cfg(not(any(model_loom, shuttle)))]
mod tests {
    use super::*;

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
