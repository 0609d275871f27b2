//! From the plain values of the table to what components take: no signs, Rust's durations, lists.
//!
//! Pure functions; they must not know any flag.

use std::time::Duration;

use super::flag::Nanos;

const _: () = assert!(size_of::<usize>() == 8, "every flag's number of things fits a usize");

/// A length of time; a negative one is zero.
pub(super) fn duration(nanos: Nanos) -> Duration {
    Duration::from_nanos(nanos.max(0).unsigned_abs())
}

/// A number of things in memory; a negative one is zero.
pub(super) fn size(value: i64) -> usize {
    usize::try_from(value.max(0)).expect("a usize has 64 bits")
}

/// A number of things that may be more than memory holds; a negative one is zero.
pub(super) fn count(value: i64) -> u64 {
    value.max(0).unsigned_abs()
}

/// The items between commas, without the blanks around them and without empty ones.
pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
