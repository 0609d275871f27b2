//! Which bounds come of which fields, and which fields are refused.

use super::{FirstBucketParams, bounds, certain_count, reference};
use crate::metric::{BucketParams, Rejection};

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
        assert_eq!(bounds.last().map(|bound| bound.to_bits()), Some(last), "{min} {max} {count}");
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
    let mut fields =
        BucketParams { count: 2, min: 1.0, max: 4.0, factor: 3.0, custom, width: 9.0, ..none() };
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
    assert_eq!(bounds(&BucketParams { count: 1024, ..none() }, MAX).map(|all| all.len()), Ok(MAX));
}

#[test]
#[cfg_attr(miri, ignore = "many bounds, in which nothing is shared")]
fn a_certain_count_is_that_of_the_bounds() {
    // Numbers around every border: of the rounding to equal bounds, to 0 and to infinity.
    let numbers = [
        0.0,
        -1.0,
        5e-324,
        1e-301,
        1e-300,
        1e-16,
        1e-9,
        0.1,
        0.5,
        1.0,
        1.0 + 1e-15,
        1.0 + 1e-9,
        1.1,
        2.0,
        10.0,
        1e9,
        1e16,
        1e17,
        1e299,
        1e300,
        1e308,
        f64::MAX,
    ];
    let mut certain = 0;
    for count in [-1, 0, 1, 2, 3, 20, 300, 1024, 1025] {
        for a in numbers {
            for b in numbers {
                let range = BucketParams { min: a, max: b, count, ..none() };
                let factor = BucketParams { factor: a, start: b, count, ..none() };
                let linear = BucketParams { width: a, start: b, count, ..none() };
                let falling = BucketParams { width: a, start: -b, count, ..none() };
                for fields in [range, factor, linear, falling] {
                    if let Some(known) = certain_count(&fields, MAX) {
                        certain += 1;
                        assert_eq!(
                            bounds(&fields, MAX).map(|all| all.len()),
                            Ok(known),
                            "{fields:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(certain > 1_000, "{certain}");
    for fields in [none(), BucketParams { min: 1.0, max: 9.0, count: 1024, ..none() }] {
        assert!(certain_count(&fields, MAX).is_some(), "{fields:?}");
    }
}

#[test]
fn fields_without_a_say_make_no_difference() {
    let range = BucketParams { min: 1.0, max: 9.0, count: 10, ..none() };
    let first = FirstBucketParams::new(&range);
    assert!(first.same_as(&BucketParams { width: 3.0, factor: 2.0, start: 1.0, ..range }));
    assert!(!first.same_as(&BucketParams { max: 8.0, ..range }));
    let list = FirstBucketParams::new(&BucketParams { custom: &[1.0, 2.0], ..none() });
    assert!(list.same_as(&BucketParams { custom: &[1.0, 2.0], count: 7, ..none() }));
    assert!(!list.same_as(&BucketParams { custom: &[1.0, 3.0], ..none() }));
    assert!(!list.same_as(&none()));
}
