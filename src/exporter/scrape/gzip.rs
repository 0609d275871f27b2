//! A compressed page in the making: compressed as its pieces come, kept in pieces.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::exporter::http::body::Body;

/// Takes pieces of text.
#[derive(Debug)]
pub(super) struct Gzip(GzEncoder<Pieces>);

impl Gzip {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        // Level 1: the others cost a multiple and save a few percent of what travels once per scrape.
        Self(GzEncoder::new(Pieces::default(), Compression::fast()))
    }

    /// Compresses a piece.
    pub(super) fn add(&mut self, piece: &[u8]) {
        drop(self.0.write_all(piece)); // writing into memory does not fail
    }

    /// The whole page.
    pub(super) fn finish(self) -> Body {
        Body::new(self.0.finish().unwrap_or_default().0)
    }
}

/// Compressed bytes in pieces of a bounded size.
#[derive(Debug, Default)]
struct Pieces(Vec<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        const PIECE_BYTES: usize = 128 << 10;
        match self.0.last_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_BYTES.max(bytes.len()));
                piece.extend_from_slice(bytes);
                self.0.push(piece);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
