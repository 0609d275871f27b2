//! Conversions of numbers that the language leaves to a cast, each with what it does to what does not fit.

/// The whole part; 0 for a negative number or NaN, the largest u64 for a larger one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, which is meant"
)]
pub(crate) const fn whole_part(number: f64) -> u64 {
    number as u64
}

/// The nearest integer; 0 for NaN, saturating.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates, which is meant"
)]
pub(crate) fn nearest(number: f64) -> i128 {
    number.round() as i128
}

/// A place in a circle of `length`, which is not 0, after `steps` from its start.
#[expect(clippy::cast_possible_truncation, reason = "a remainder is below the length, a usize")]
pub(crate) const fn wrapped_index(steps: u64, length: usize) -> usize {
    (steps % length as u64) as usize
}

/// A quotient; 0 where there is nothing to divide by.
pub(crate) fn per(amount: f64, of: f64) -> f64 {
    if of > 0.0 { amount / of } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{nearest, whole_part, wrapped_index};

    #[test]
    fn what_does_not_fit_saturates() {
        assert_eq!([whole_part(-1.0), whole_part(f64::NAN), whole_part(1.9)], [0, 0, 1]);
        assert_eq!(whole_part(f64::INFINITY), u64::MAX);
        assert_eq!([nearest(f64::NAN), nearest(-1.5), nearest(1e10)], [0, -2, 10_000_000_000]);
        assert_eq!(
            [wrapped_index(0, 3), wrapped_index(5, 3), wrapped_index(u64::MAX, 1)],
            [0, 2, 0]
        );
    }
}
