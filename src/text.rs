//! Letters: the page's numbers, escapes and order of label values, and JSON, all in Go's spelling.
//!
//! Pure functions over bytes.

pub mod escape;
pub mod json;
pub mod number;
