//! From the bucket fields of a family's first observation to the bounds of its histogram.
//!
//! Runs in a worker, once per family of histograms. The arithmetic is that of the original Go
//! metrics-server to the last bit, since bounds are label values; where it crashed, we refuse. Knows
//! nothing of series or cells.

mod go_math;
#[cfg(test)]
mod reference;

use crate::metric::{BucketParams, Rejection};

/// The bucket fields of a family's first sample, kept to recognize later ones that ask for other bounds.
#[derive(Debug)]
pub(crate) struct FirstBucketParams {
    custom: Box<[f64]>,
    /// All other fields. Its `custom` is empty.
    others: BucketParams<'static>,
}

impl FirstBucketParams {
    /// A copy of the fields.
    pub(crate) fn new(params: &BucketParams<'_>) -> Self {
        Self { custom: params.custom.into(), others: BucketParams { custom: &[], ..*params } }
    }

    /// Whether the fields are the same.
    pub(crate) fn same_as(&self, params: &BucketParams<'_>) -> bool {
        BucketParams { custom: &self.custom, ..self.others } == *params
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.custom)
    }
}

/// How many bounds where `buckets` is absent or 0.
const COUNT_DEFAULT: i64 = 20;
/// The distance of linear bounds where `bucket_width` is absent or 0.
const WIDTH_DEFAULT: f64 = 10.0;
/// The first bound where `bucket_factor` says the growth; `bucket_start` is for linear bounds alone.
const FACTOR_START: f64 = 0.1;

/// The upper bounds of a new histogram: finite, strictly increasing, at most `buckets_max`; the bucket
/// up to +Inf is implied.
///
/// A range (`min` and `max` above 0) goes before a factor above 0, that before a list of bounds, that
/// before linear ones. `count` means nothing for a list.
///
/// # Errors
/// [`Rejection::BucketParams`] where the fields make no such bounds. One last bound of +Inf is no error:
/// it is dropped.
pub(crate) fn bounds(params: &BucketParams<'_>, buckets_max: usize) -> Result<Vec<f64>, Rejection> {
    let count = || count(params.count, buckets_max);
    let bounds = if params.min > 0.0 && params.max > 0.0 {
        range(params.min, params.max, count()?)
    } else if params.factor > 0.0 {
        exponential(params.factor, count()?)?
    } else if !params.custom.is_empty() {
        list(params.custom, buckets_max)?
    } else {
        linear(params.start, params.width, count()?)
    };
    check(bounds)
}

/// How many bounds to make, judged before anything is allocated.
fn count(asked: i64, buckets_max: usize) -> Result<usize, Rejection> {
    let count = if asked == 0 { COUNT_DEFAULT } else { asked };
    let count = usize::try_from(count).map_err(|_| Rejection::BucketParams)?;
    if count <= buckets_max { Ok(count) } else { Err(Rejection::BucketParams) }
}

/// Bounds from `min` to about `max`, each the same multiple of the one before. Of one bound `max` has no
/// say, not even below `min`.
fn range(min: f64, max: f64, count: usize) -> Vec<f64> {
    if count == 1 {
        return vec![min];
    }
    let ratio = max / min;
    // A ratio of at most 1 never rises, and the roots are not made for it: left flat, `check` refuses it.
    let growth = if ratio > 1.0 { go_math::root(ratio, count - 1) } else { 1.0 };
    (0..count).map(|i| min * go_math::power(growth, i)).collect()
}

/// Bounds from 0.1, each `factor` times the one before, by repeated multiplication.
fn exponential(factor: f64, count: usize) -> Result<Vec<f64>, Rejection> {
    if factor <= 1.0 {
        return Err(Rejection::BucketParams); // also of one bound alone, as in the original
    }
    Ok(repeated(FACTOR_START, count, |bound| bound * factor))
}

/// The bounds as sent.
fn list(custom: &[f64], buckets_max: usize) -> Result<Vec<f64>, Rejection> {
    if custom.len() <= buckets_max { Ok(custom.to_vec()) } else { Err(Rejection::BucketParams) }
}

/// Bounds from `start` at the same distance, by repeated addition.
fn linear(start: f64, width: f64, count: usize) -> Vec<f64> {
    let width = if width == 0.0 { WIDTH_DEFAULT } else { width };
    repeated(start, count, |bound| bound + width)
}

/// `count` bounds, each made from the one before, errors of rounding and all.
fn repeated(first: f64, count: usize, next: impl Fn(f64) -> f64) -> Vec<f64> {
    std::iter::successors(Some(first), |&bound| Some(next(bound))).take(count).collect()
}

/// The bounds without a last +Inf, if the others are finite and strictly increasing.
fn check(mut bounds: Vec<f64>) -> Result<Vec<f64>, Rejection> {
    bounds.pop_if(|last| *last == f64::INFINITY);
    let finite = bounds.iter().all(|bound| bound.is_finite());
    if finite && bounds.is_sorted_by(|a, b| a < b) {
        Ok(bounds)
    } else {
        Err(Rejection::BucketParams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1024;
    const REFUSED: Result<Vec<f64>, Rejection> = Err(Rejection::BucketParams);

    fn none() -> BucketParams<'static> {
        BucketParams::default()
    }

    #[test]
    fn ranges_are_those_of_go_to_the_last_bit() {
        for (min, max, count, last, fold) in reference::ROWS {
            let (min, max) = (f64::from_bits(min), f64::from_bits(max));
            let bounds = bounds(&BucketParams { count, min, max, ..none() }, MAX).unwrap();
            assert_eq!(
                bounds.last().map(|bound| bound.to_bits()),
                Some(last),
                "{min} {max} {count}"
            );
            assert_eq!(reference::fold(&bounds), fold, "{min} {max} {count}");
        }
    }

    #[test]
    fn the_range_of_the_readme_ends_just_above_its_max() {
        let range = BucketParams { min: 1.0, max: 70.0, count: 10, ..none() };
        let bounds = bounds(&range, MAX).unwrap();
        assert_eq!((bounds[0], bounds[9], bounds.len()), (1.0, 70.000_000_000_000_03, 10));
    }

    #[test]
    fn a_range_of_one_bound_is_its_min() {
        for max in [70.0, 1.5, 1.0, f64::MAX] {
            let one = BucketParams { min: 1.5, max, count: 1, ..none() };
            assert_eq!(bounds(&one, MAX), Ok(vec![1.5]));
        }
    }

    #[test]
    fn defaults_are_twenty_bounds_ten_apart() {
        let expected: Vec<f64> = (0..20).map(|i| f64::from(i) * 10.0).collect();
        assert_eq!(bounds(&none(), MAX), Ok(expected));
    }

    #[test]
    fn linear_bounds_gather_the_errors_of_addition() {
        let tenths = BucketParams { width: 0.1, count: 9, ..none() };
        let bounds = bounds(&tenths, MAX).unwrap();
        assert_eq!((bounds[3], bounds[8]), (0.300_000_000_000_000_04, 0.799_999_999_999_999_9));
    }

    #[test]
    fn a_factor_grows_from_a_tenth_whatever_the_start() {
        let factor = BucketParams { factor: 10.1, start: 5.0, count: 8, ..none() };
        let bounds = bounds(&factor, MAX).unwrap();
        assert_eq!((bounds[0], bounds[7]), (0.1, 1.072_135_352_107_009_9e6));
    }

    #[test]
    fn range_goes_before_factor_before_list_before_linear() {
        let custom = &[7.0][..];
        let mut fields = BucketParams {
            count: 2,
            min: 1.0,
            max: 4.0,
            factor: 3.0,
            custom,
            width: 9.0,
            ..none()
        };
        assert_eq!(bounds(&fields, MAX), Ok(vec![1.0, 4.0]));
        fields.min = 0.0;
        assert_eq!(bounds(&fields, MAX), Ok(vec![0.1, 0.300_000_000_000_000_04]));
        fields.factor = -3.0;
        assert_eq!(bounds(&fields, MAX), Ok(vec![7.0]));
        fields.custom = &[];
        assert_eq!(bounds(&fields, MAX), Ok(vec![0.0, 9.0]));
    }

    #[test]
    fn a_list_needs_no_count() {
        let list = BucketParams { custom: &[-1.0, 0.0, 2.5], count: -1, ..none() };
        assert_eq!(bounds(&list, 3), Ok(vec![-1.0, 0.0, 2.5]));
        assert_eq!(bounds(&list, 2), REFUSED);
    }

    #[test]
    fn one_last_infinite_bound_is_dropped() {
        let mut steep = BucketParams { factor: 1e308, count: 3, ..none() };
        assert_eq!(bounds(&steep, MAX).map(|bounds| bounds.len()), Ok(2));
        steep.count = 4;
        assert_eq!(bounds(&steep, MAX), REFUSED);
        let wide = BucketParams { min: 1e-300, max: 1e300, count: 2, ..none() };
        assert_eq!(bounds(&wide, MAX), Ok(vec![1e-300]));
        assert_eq!(bounds(&BucketParams { count: 3, ..wide }, MAX), REFUSED);
    }

    #[test]
    fn what_makes_no_rising_bounds_is_refused() {
        let refused = [
            BucketParams { factor: 1.0, ..none() },
            BucketParams { factor: 0.5, count: 1, ..none() },
            BucketParams { min: 1.0, max: 1.0 + f64::EPSILON, count: 4, ..none() },
            BucketParams { min: 10.0, max: 1.0, ..none() },
            BucketParams { min: 5.0, max: 5.0, ..none() },
            BucketParams { width: -1.0, ..none() },
            BucketParams { start: 1e17, width: 1.0, ..none() },
            BucketParams { custom: &[5.0, 1.0, 2.0], ..none() },
            BucketParams { custom: &[1.0, 1.0], ..none() },
            BucketParams { custom: &[f64::NAN], ..none() },
            BucketParams { custom: &[1.0, f64::NAN, 3.0], ..none() },
            BucketParams { custom: &[f64::NEG_INFINITY, 1.0], ..none() },
            BucketParams { custom: &[f64::INFINITY, f64::INFINITY], ..none() },
            BucketParams { count: -1, ..none() },
            BucketParams { count: i64::MAX, ..none() },
            BucketParams { count: 1025, ..none() },
        ];
        for fields in refused {
            assert_eq!(bounds(&fields, MAX), REFUSED, "{fields:?}");
        }
    }

    #[test]
    fn the_default_count_obeys_the_limit_as_well() {
        assert_eq!(bounds(&none(), 19), REFUSED);
        assert_eq!(
            bounds(&BucketParams { count: 1024, ..none() }, MAX).map(|all| all.len()),
            Ok(MAX)
        );
    }
}
