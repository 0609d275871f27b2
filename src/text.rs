//! The text format's letters: Go's numbers, escapes, and the order of label values.
//!
//! Pure functions over bytes.

pub mod escape;
pub mod number;
