//! A place on a page, shared by the readers that have come so far.
//!
//! The piece that follows is made once for all of them, and leads to the next place. Two readers at one
//! place have read the same bytes. A piece that was forgotten is made again, perhaps with newer numbers; it
//! leads to another place than before, so what a reader gets is always one page.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use crossbeam::channel::Sender;
use tokio::sync::oneshot;

use super::gzip::Checksum;
use super::page::Page;
use super::singleflight::Singleflight;
use super::stats::ScrapeStats;
use crate::http::pages::{Bytes, Encoding, PageError, PageRest, Piece, PieceReceiver};

/// Pieces that are written before they are asked for, so that a reader need not wait for each of them.
pub(super) const READ_AHEAD_PIECES: u64 = 8;

/// Where a piece goes.
pub(super) type Reply = oneshot::Sender<Result<Piece, PageError>>;

/// What the thread `exporter` is asked.
#[derive(Debug)]
pub(super) enum Question<W> {
    /// For a page that is begun after this moment.
    Page { encoding: Encoding, reply: Reply },
    /// For the piece that follows a place, if it is `unmade`; and to write pieces ahead of the reader there.
    Piece { position: Arc<Position<W>>, unmade: bool },
    /// To look whether another page is to be begun, now that one is made.
    PageFinished,
}

/// A place on a page.
#[derive(Debug)]
pub(super) struct Position<W> {
    pub(super) page: Arc<Page>,
    /// How many pieces are before it.
    pub(super) index: u64,
    pub(super) writer: W,
    /// What is before it; known once the piece before it is made.
    before: OnceLock<Before>,
    /// The piece that follows.
    pub(super) piece: Singleflight<Piece, PageError>,
    questions: Weak<Sender<Question<W>>>,
}

/// What is before a place.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    /// Checksum of the text, which the end of a gzip page needs.
    checksum: Checksum,
    /// Bytes of the page, as sent.
    sent_bytes: u64,
}

impl<W: Debug + Send + Sync + 'static> Position<W> {
    /// The begin of a page.
    pub(super) fn begin(page: Page, writer: W, questions: Weak<Sender<Question<W>>>) -> Arc<Self> {
        Arc::new(Self {
            page: Arc::new(page),
            index: 0,
            writer,
            before: OnceLock::from(Before::default()),
            piece: Singleflight::new(),
            questions,
        })
    }

    /// The place behind the piece that follows, from where `writer` writes.
    pub(super) fn next(&self, writer: W) -> Arc<Self> {
        Arc::new(Self {
            page: Arc::clone(&self.page),
            index: self.index + 1,
            writer,
            before: OnceLock::new(),
            piece: Singleflight::new(),
            questions: self.questions.clone(),
        })
    }

    /// The checksum of the text before it.
    pub(super) fn checksum(&self) -> Checksum {
        self.before().checksum
    }

    /// The piece that follows is made of text with this checksum; without a `next` place it is the last.
    pub(super) fn finish(
        &self,
        bytes: Bytes,
        checksum: Checksum,
        next: Option<Arc<Self>>,
        began: Instant,
        stats: &ScrapeStats,
    ) {
        let ns = self.page.took_since(began);
        let sent_bytes = self.before().sent_bytes + bytes.len() as u64;
        if let Some(next) = &next {
            let is_first = next.before.set(Before { checksum, sent_bytes }).is_ok();
            assert!(is_first, "a place is made for one piece before it");
        } else {
            self.page.finish();
            stats.set_last_page(ns, sent_bytes);
        }
        let rest = next.map(|next| next as Arc<dyn PageRest>);
        self.piece.finish(Ok(Piece { bytes, rest }));
    }

    /// Lets the thread `exporter` look whether another page is to be begun.
    pub(super) fn tell_finished(&self) {
        if let Some(questions) = self.questions.upgrade() {
            drop(questions.try_send(Question::PageFinished)); // a full queue wakes it as well
        }
    }

    fn before(&self) -> Before {
        // Pieces are made in their order. So this is unknown only if compressing the piece before has panicked,
        // and behind such a piece nobody reads.
        self.before.get().copied().unwrap_or_default()
    }

    /// Asks the thread `exporter` for the piece that follows, or for those behind it.
    fn question(self: Arc<Self>, unmade: bool) {
        let position = Arc::clone(&self);
        let asked = self.questions.upgrade().map(|questions| {
            questions.try_send(Question::Piece { position: self, unmade }).is_ok()
        });
        let error = if asked.is_some() { PageError::Busy } else { PageError::Stopping };
        if unmade && asked != Some(true) {
            position.piece.finish(Err(error));
        }
    }
}

impl<W: Debug + Send + Sync + 'static> PageRest for Position<W> {
    /// A piece that is made already is taken without asking the thread `exporter`. But every few pieces the
    /// thread is asked all the same, so that it goes on making pieces ahead of the reader.
    fn ask(self: Arc<Self>) -> PieceReceiver {
        let (reply, receiver) = oneshot::channel();
        let unmade = self.piece.ask(reply);
        if unmade || self.index.is_multiple_of(READ_AHEAD_PIECES / 2) {
            self.question(unmade);
        }
        receiver
    }
}
