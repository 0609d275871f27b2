//! From the bucket fields of a family's first observation to the bounds of its histogram.
//!
//! Runs in a worker, once per family of histograms. The arithmetic is that of the original Go
//! metrics-server to the last bit, since bounds are label values: another bit would make another series.
//! Fields with which the original crashed are refused. Knows nothing of series or cells.

mod go_math;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

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

    /// Whether the fields are the same, but for those that bounds do not depend on.
    pub(crate) fn same_as(&self, params: &BucketParams<'_>) -> bool {
        let own = BucketParams { custom: &self.custom, ..self.others };
        own == *params || relevant(&own) == relevant(params)
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
/// The first bound of exponential bounds that `bucket_factor` asks for; `bucket_start` is for linear ones only.
const FACTOR_START: f64 = 0.1;

/// The fields without those that [`bounds`] does not look at.
#[cold]
fn relevant<'a>(params: &BucketParams<'a>) -> BucketParams<'a> {
    let &BucketParams { count, custom, width, factor, min, max, start } = params;
    let none = BucketParams::default();
    if min > 0.0 && max > 0.0 {
        BucketParams { count, min, max, ..none }
    } else if factor > 0.0 {
        BucketParams { count, factor, ..none }
    } else if !custom.is_empty() {
        BucketParams { custom, ..none }
    } else {
        BucketParams { count, width, start, ..none }
    }
}

/// The upper bounds of a new histogram: finite, strictly increasing, at most `buckets_max`. The bucket
/// up to +Inf is not among them.
///
/// The first of these that the fields ask for is made: a range (`min` and `max` above 0), exponential bounds
/// (`factor` above 0), the list `custom`, linear bounds. `count` is ignored for a list.
///
/// # Errors
/// [`Rejection::BucketParams`] where the fields make no such bounds. If only the last bound is +Inf, that is
/// no error: it is left out.
pub(crate) fn bounds(params: &BucketParams<'_>, buckets_max: usize) -> Result<Vec<f64>, Rejection> {
    let count = || count(params.count, buckets_max);
    let bounds = if params.min > 0.0 && params.max > 0.0 {
        range(params.min, params.max, count()?)?
    } else if params.factor > 0.0 {
        exponential(params.factor, count()?)?
    } else if !params.custom.is_empty() {
        list(params.custom, buckets_max)?
    } else {
        linear(params.start, params.width, count()?)
    };
    check(bounds)
}

/// How many bounds [`bounds`] makes, where that is certain without making them: they are far apart and far from the
/// ends of the range of floats. A flood of histograms for which there is no room is refused by this number alone.
pub(crate) fn certain_count(params: &BucketParams<'_>, buckets_max: usize) -> Option<usize> {
    /// Bounds this far apart, relative to their size, increase: the errors of rounding are below 1e-14.
    const APART: f64 = 1e-9;
    /// Numbers between this and its reciprocal are neither rounded to 0 nor to infinity.
    const LARGE: f64 = 1e300;
    let &BucketParams { min, max, factor, start, .. } = params;
    let count = count(params.count, buckets_max).ok()?;
    let steps = count as f64;
    let is_certain = if min > 0.0 && max > 0.0 {
        let ratio = max / min;
        min > 1.0 / LARGE && max < LARGE && ratio > 1.0 + steps * APART && ratio < LARGE
    } else if factor > 0.0 {
        factor > 1.0 + APART && steps * factor.log2() < LARGE.log2()
    } else if !params.custom.is_empty() {
        false // making these costs no more than reading them
    } else {
        let width = if params.width == 0.0 { WIDTH_DEFAULT } else { params.width };
        let farthest = start.abs() + steps * width;
        width > farthest * APART && farthest < LARGE
    };
    is_certain.then_some(count)
}

/// How many bounds to make. Checked before memory for them is allocated.
fn count(asked: i64, buckets_max: usize) -> Result<usize, Rejection> {
    let count = if asked == 0 { COUNT_DEFAULT } else { asked };
    let count = usize::try_from(count).map_err(|_| Rejection::BucketParams)?;
    if count <= buckets_max { Ok(count) } else { Err(Rejection::BucketParams) }
}

/// Bounds from `min` to about `max`, each the same multiple of the one before. A single bound is `min`,
/// whatever `max` is, even if it is smaller.
fn range(min: f64, max: f64, count: usize) -> Result<Vec<f64>, Rejection> {
    if count == 1 {
        return Ok(vec![min]);
    }
    let ratio = max / min;
    // `root` is not defined for a ratio of at most 1, and bounds would not increase.
    if ratio <= 1.0 {
        return Err(Rejection::BucketParams);
    }
    let growth = go_math::root(ratio, count - 1);
    if growth <= 1.0 {
        return Err(Rejection::BucketParams);
    }
    let mut bounds = go_math::powers(growth, count);
    for bound in &mut bounds {
        *bound *= min;
    }
    Ok(bounds)
}

/// Bounds from 0.1, each `factor` times the one before, by repeated multiplication.
fn exponential(factor: f64, count: usize) -> Result<Vec<f64>, Rejection> {
    if factor <= 1.0 {
        return Err(Rejection::BucketParams); // also for a single bound, as in the original
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

/// `count` bounds, each computed from the one before. Rounding errors add up, as they do in the original.
fn repeated(first: f64, count: usize, next: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut following = first;
    let bounds = (0..count).map(|_| {
        let bound = following;
        following = next(bound);
        bound
    });
    bounds.collect()
}

/// The bounds without a last +Inf, if the others are finite and strictly increasing.
fn check(mut bounds: Vec<f64>) -> Result<Vec<f64>, Rejection> {
    bounds.pop_if(|last| *last == f64::INFINITY);
    // All pairs are compared, even behind one that does not increase: so the compiler compares several at once. A
    // bound that is no number is not above the one before.
    let pairs = bounds.iter().zip(bounds.get(1..).unwrap_or_default());
    let increases: usize = pairs.map(|(low, high)| usize::from(low < high)).sum();
    let ends = [bounds.first(), bounds.last()];
    let ends_finite = ends.into_iter().flatten().all(|end| end.is_finite());
    if increases + 1 >= bounds.len() && ends_finite {
        Ok(bounds)
    } else {
        Err(Rejection::BucketParams)
    }
}
