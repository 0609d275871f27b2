//! Letters: the page's numbers, escapes and order of label values, JSON in Go's spelling, merged labels,
//! and excerpts for the log.
//!
//! Pure functions over bytes.

pub(crate) mod escape;
pub(crate) mod excerpt;
pub(crate) mod json;
pub(crate) mod labels;
pub(crate) mod number;
