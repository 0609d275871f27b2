//! Letters: the page's numbers, escapes and order of label values, and JSON, all in Go's spelling.
//!
//! Pure functions over bytes.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod number;
