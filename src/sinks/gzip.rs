//! Compression of what sinks send. Pure.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses the bytes to one gzip member. Uses level 1, since the higher ones take several times as long and save
/// little on rows.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Rows of one kind are compressed to a quarter.
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("a vector takes all that is written to it")
}
