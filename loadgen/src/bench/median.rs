//! Medians of paired ratios and their intervals. Pure arithmetic.

/// The middle of some figures, and an interval that holds the true median.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct MedianEstimate {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl MedianEstimate {
    /// Of at least one figure, in any order. The interval's ends are order statistics: each figure falls above
    /// or below the true median with equal chance, whatever the distribution, so that counting coins tells how
    /// far from the ends they may be taken. Below six figures no such pair covers 95 %: it is the whole range.
    pub(crate) fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        let median = f64::midpoint(sorted[(count - 1) / 2], sorted[count / 2]);
        let cut = cut(count);
        Self { median, low: sorted[cut], high: sorted[count - 1 - cut] }
    }
}

/// How many figures may be cut off at either end, so that what is between still covers 95 %.
fn cut(count: usize) -> usize {
    // The chance that no more than `cut` of `count` coins show heads, summed up term by term.
    let mut term = 0.5_f64.powf(count as f64);
    let mut below = term;
    let mut cut = 0;
    while below <= 0.025 && cut < count / 2 {
        term *= (count - cut) as f64 / (cut + 1) as f64;
        below += term;
        cut += 1;
    }
    cut.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::{MedianEstimate, cut};

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Ranks of the sign test's interval: the cut is one less than the lower rank.
        let expected = [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (15, 3), (20, 5), (100, 39)];
        for (count, expected) in expected {
            assert_eq!(cut(count), expected, "{count}");
        }
    }

    #[test]
    fn order_does_not_matter() {
        let figure = MedianEstimate::of(&[3.0, 1.0, 2.0]);
        assert_eq!(figure, MedianEstimate { median: 2.0, low: 1.0, high: 3.0 });
        assert!((MedianEstimate::of(&[4.0, 2.0]).median - 3.0).abs() < 1e-12);
        let many: Vec<f64> = (1..=15).rev().map(f64::from).collect();
        assert_eq!(MedianEstimate::of(&many), MedianEstimate { median: 8.0, low: 4.0, high: 12.0 });
    }
}
