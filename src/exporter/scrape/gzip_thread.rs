//! The thread `exporter-gzip`: compresses pieces of text that the thread `exporter` has written.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Receiver;

use super::buffers::Buffer;
use super::gzip::Deflate;
use super::position::Position;
use super::stats::ScrapeStats;
use crate::http::pages::{Bytes, PageError};

/// The text of a piece, and where on its page it is.
#[derive(Debug)]
pub(super) struct UncompressedPiece<W> {
    pub(super) position: Arc<Position<W>>,
    pub(super) text: Buffer,
    /// The place behind it; `None` at the end of the page.
    pub(super) next: Option<Arc<Position<W>>>,
}

/// What the thread runs.
#[derive(Debug)]
pub struct GzipThread<W> {
    pieces: Receiver<UncompressedPiece<W>>,
    stats: Arc<ScrapeStats>,
}

impl<W: Debug + Send + Sync + 'static> GzipThread<W> {
    pub(super) fn new(pieces: Receiver<UncompressedPiece<W>>, stats: Arc<ScrapeStats>) -> Self {
        Self { pieces, stats }
    }

    /// Runs until the thread `exporter` has ended.
    pub fn run(self) {
        let mut deflate = Deflate::new();
        for piece in &self.pieces {
            let position = Arc::clone(&piece.position);
            let compress = AssertUnwindSafe(|| self.compress(&mut deflate, piece));
            if catch_unwind(compress).is_err() {
                self.stats.count_panic();
                position.piece.finish(Err(PageError::Panicked));
                deflate = Deflate::new();
            }
        }
    }

    fn compress(&self, deflate: &mut Deflate, piece: UncompressedPiece<W>) {
        let began = Instant::now();
        let UncompressedPiece { position, text, next } = piece;
        let is_last = next.is_none();
        let (is_first, before) = (position.index == 0, position.checksum());
        let compressed = deflate.piece(before, is_first, text.as_ref(), is_last);
        let bytes = Bytes::copy_from_slice(compressed.bytes);
        position.finish(bytes, compressed.checksum, next, began, &self.stats);
        if is_last {
            position.tell_finished();
        }
    }
}
