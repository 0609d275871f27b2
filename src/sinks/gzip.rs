//! Compression of what sinks send. Pure.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses the bytes to one gzip member. Uses level 1, since the higher ones take several times as long and save
/// little on rows.
///
/// # Errors
/// Those of the encoder.
pub(crate) fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // Rows of one kind are compressed to a quarter.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}
