//! Whether a row of numbers is flat.

/// A number may differ by so many per cent from the one in the middle.
const PERCENT_MAX: f64 = 5.0;

/// The middle of a row of numbers and those that are farthest from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Flatness {
    pub(crate) middle: u64,
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Flatness {
    /// Of these numbers; none without a number.
    pub(crate) fn of(numbers: &[u64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable();
        let middle = *sorted.get(sorted.len() / 2)?;
        Some(Self { middle, least: *sorted.first()?, most: *sorted.last()? })
    }

    /// By how many per cent of the middle one the farthest number differs from it.
    pub(crate) fn percent(self) -> f64 {
        let farthest = (self.middle - self.least).max(self.most - self.middle);
        100.0 * farthest as f64 / self.middle as f64
    }

    /// Whether they are flat.
    pub(crate) fn is_flat(self) -> bool {
        self.percent() <= PERCENT_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::Flatness;

    #[test]
    fn five_per_cent_are_flat_and_six_are_not() {
        let of = |numbers: &[u64]| Flatness::of(numbers).is_some_and(Flatness::is_flat);
        assert!(of(&[100, 105, 95, 100]) && of(&[7]));
        assert!(!of(&[100, 106, 100]) && !of(&[100, 94, 100]) && !of(&[]));
    }
}
