//! Text: numbers, escapes and the order of label values on the page, JSON in Go's spelling, merged labels,
//! and excerpts for the log.
//!
//! Pure functions over bytes.

mod decimal;
pub(crate) mod escape;
pub(crate) mod excerpt;
pub(crate) mod json;
pub(crate) mod labels;
pub(crate) mod number;
pub(crate) mod sort_key;
