//! What a byte of an input costs: instructions, counted over two runs with different numbers of reads.

use crate::callgrind;

/// A byte of any input may cost so many times what a byte of good messages never seen before costs.
pub(crate) const RATIO_MAX: f64 = 5.0;
/// Bytes of one read.
pub(crate) const READ_BYTES: usize = 16 << 10;
/// Reads in the two runs of an input.
pub(crate) const READS: [usize; 2] = [4, 24];

/// Instructions per byte of what the program is told to send by these two words.
pub(crate) fn per_byte(how: &str, what: &str) -> f64 {
    let [few, many] = READS.map(|reads| callgrind::instructions(&[how, what, &reads.to_string()]));
    many.saturating_sub(few) as f64 / ((READS[1] - READS[0]) * READ_BYTES) as f64
}
