//! What a byte of an input costs: instructions, counted over two runs with different numbers of reads.

use crate::callgrind;

/// A byte of any input may cost so many times what a byte of good messages never seen before costs.
pub(crate) const RATIO_MAX: f64 = 5.0;
/// The same for StatsD lines, which say more in a byte. It is what they cost today, and should become [`RATIO_MAX`].
pub(crate) const LINES_RATIO_MAX: f64 = 8.0;
/// Bytes of one read.
pub(crate) const READ_BYTES: usize = 16 << 10;
/// Reads in the two runs of an input.
pub(crate) const READS: [usize; 2] = [4, 24];

/// Instructions per byte of what the program is told to send by these two words.
pub(crate) fn per_byte(how: &str, what: &str) -> f64 {
    let [few, many] = READS.map(|reads| callgrind::instructions(&[how, what, &reads.to_string()]));
    many.saturating_sub(few) as f64 / ((READS[1] - READS[0]) * READ_BYTES) as f64
}

/// The first reads of numbered pieces. Each run makes all that any makes, so that making them cancels out.
pub(crate) fn reads_of(piece: impl Fn(usize) -> Vec<u8>, reads: usize) -> Vec<Vec<u8>> {
    let mut number = 0;
    let mut bytes = Vec::new();
    while bytes.len() < reads * READ_BYTES {
        bytes.extend_from_slice(&piece(number));
        number += 1;
    }
    bytes.chunks_exact(READ_BYTES).take(reads).map(<[u8]>::to_vec).collect()
}
