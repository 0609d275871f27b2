//! The thread `exporter-gzip`: compresses pieces of text that the thread `exporter` has written.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crossbeam::channel::Receiver;
use hyper::body::Bytes;

use super::gzip::Deflate;
use super::position::Position;
use super::stats::ScrapeStats;
use crate::http::pages::PageError;

/// A piece of text at its place.
#[derive(Debug)]
pub(super) struct Text<W> {
    pub(super) position: Arc<Position<W>>,
    pub(super) bytes: Vec<u8>,
    /// Behind the piece; `None` at the end of the page.
    pub(super) next: Option<W>,
}

/// What the thread runs.
#[derive(Debug)]
pub struct GzipThread<W> {
    texts: Receiver<Text<W>>,
    stats: Arc<ScrapeStats>,
}

impl<W: Debug + Send + Sync + 'static> GzipThread<W> {
    pub(super) fn new(texts: Receiver<Text<W>>, stats: Arc<ScrapeStats>) -> Self {
        Self { texts, stats }
    }

    /// Runs until the thread `exporter` has ended.
    pub fn run(self) {
        let mut deflate = Deflate::new();
        for text in &self.texts {
            let position = Arc::clone(&text.position);
            let compress = AssertUnwindSafe(|| self.compress(&mut deflate, text));
            if catch_unwind(compress).is_err() {
                self.stats.count_panic();
                position.piece.finish(Err(PageError::Panicked));
                deflate = Deflate::new();
            }
        }
    }

    fn compress(&self, deflate: &mut Deflate, text: Text<W>) {
        let began = Instant::now();
        let Text { position, bytes: text, next } = text;
        let is_last = next.is_none();
        let (bytes, checksum) =
            deflate.piece(position.checksum, position.is_begin(), &text, is_last);
        let bytes = Bytes::copy_from_slice(bytes);
        position.finish(bytes, next.map(|writer| (writer, checksum)), began, &self.stats);
        if is_last {
            position.tell_finished();
        }
    }
}
