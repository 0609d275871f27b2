//! A place on a page, shared by the readers that have come so far.
//!
//! The piece that follows is made for the first reader that asks for it, and leads to the next place. Two
//! readers at one place have read the same bytes. A piece that was forgotten is made again, perhaps with
//! newer numbers; it leads to another place than before, so what a reader gets is always one page.

use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam::channel::Sender;
use hyper::body::Bytes;
use tokio::sync::oneshot;

use super::exporter_thread::Question;
use super::gzip::Checksum;
use super::page::Page;
use super::singleflight::Singleflight;
use super::stats::ScrapeStats;
use crate::http::pages::{PageError, PageRest, Piece, PieceReceiver};

/// A place on a page.
#[derive(Debug)]
pub(super) struct Position<W> {
    pub(super) page: Arc<Page>,
    pub(super) writer: W,
    /// Of the text before it, for the end of a gzip page.
    pub(super) checksum: Checksum,
    /// Bytes of the page before it, as sent.
    sent_bytes: u64,
    /// The piece that follows.
    pub(super) piece: Singleflight<Piece, PageError>,
    questions: Weak<Sender<Question<W>>>,
}

impl<W: std::fmt::Debug + Send + Sync + 'static> Position<W> {
    /// The begin of a page.
    pub(super) fn begin(page: Page, writer: W, questions: Weak<Sender<Question<W>>>) -> Arc<Self> {
        Arc::new(Self {
            page: Arc::new(page),
            writer,
            checksum: Checksum::default(),
            sent_bytes: 0,
            piece: Singleflight::new(),
            questions,
        })
    }

    /// The piece that follows is made: this many bytes, then what is written by `next`, if it is not the last.
    pub(super) fn finish(
        &self,
        bytes: Bytes,
        next: Option<(W, Checksum)>,
        began: Instant,
        stats: &ScrapeStats,
    ) {
        let ns = self.page.took_since(began);
        let sent_bytes = self.sent_bytes + bytes.len() as u64;
        let rest = next.map(|(writer, checksum)| {
            Arc::new(Self {
                page: Arc::clone(&self.page),
                writer,
                checksum,
                sent_bytes,
                piece: Singleflight::new(),
                questions: self.questions.clone(),
            }) as Arc<dyn PageRest>
        });
        if rest.is_none() {
            self.page.finish();
            stats.set_last_page(ns, sent_bytes);
        }
        self.piece.finish(Ok(Piece { bytes, rest }));
    }

    /// Whether it is the begin of the page.
    pub(super) fn is_begin(&self) -> bool {
        self.sent_bytes == 0
    }

    /// Has the thread `exporter` look whether another page is to be begun.
    pub(super) fn tell_finished(&self) {
        if let Some(questions) = self.questions.upgrade() {
            Question::PageFinished.ask(&questions);
        }
    }
}

impl<W: std::fmt::Debug + Send + Sync + 'static> PageRest for Position<W> {
    fn ask(self: Arc<Self>) -> PieceReceiver {
        let (reply, receiver) = oneshot::channel();
        if let Some(questions) = self.questions.upgrade() {
            Question::Piece { position: self, reply }.ask(&questions);
        }
        receiver
    }
}
