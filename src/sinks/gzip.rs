//! gzip for what sinks send. Pure.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// The bytes as one gzip member. Level 1: the others cost a multiple and save little on rows.
///
/// # Errors
/// Those of the encoder; writing to memory itself does not fail.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // A quarter is what rows of one kind compress to.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
