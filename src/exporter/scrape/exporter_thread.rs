//! The thread `exporter`: begins pages, writes their pieces, and keeps the timer of expiry.
//!
//! It owns the source of pages, so that nothing about it is locked, and takes one question after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};

use super::buffers::Buffers;
use super::gzip::Checksum;
use super::gzip_thread::UncompressedPiece;
use super::page::Page;
use super::page_source::PageSource;
use super::position::{Position, Question, READ_AHEAD_PIECES, Reply};
use super::stats::ScrapeStats;
use crate::http::pages::{Bytes, Encoding, PageError};

/// Pieces that are remembered for readers that come later: 2 MiB of text, the whole of most pages.
const REMEMBERED_PIECES: usize = 16;
/// How long buffers that nobody uses are kept after a question: less than the time between two scrapes, far
/// more than that between two pieces.
const BUFFERS_KEPT: Duration = Duration::from_millis(500);

/// What the thread runs.
#[derive(Debug)]
pub struct ExporterThread<S: PageSource> {
    source: S,
    questions: Receiver<Question<S::Writer>>,
    /// With this the places of a page ask for the pieces that follow them. It is weak, so that places do not keep
    /// the channel of questions open once no client can ask any more.
    asking: Weak<Sender<Question<S::Writer>>>,
    gzip: Sender<UncompressedPiece<S::Writer>>,
    stats: Arc<ScrapeStats>,
    queues: [PageQueue<S::Writer>; Encoding::ALL.len()],
    buffers: Buffers,
    /// When the memory of buffers that nobody uses is given back; `None` once all of it is.
    release_due: Option<Instant>,
    remembered: VecDeque<Weak<Position<S::Writer>>>,
    tick_due: Instant,
}

/// The page of one encoding that was begun last, and those who wait for the next.
#[derive(Debug)]
struct PageQueue<W> {
    last: Weak<Page>,
    /// The place up to which that page is written.
    end: Weak<Position<W>>,
    waiting: Vec<Reply>,
}

impl<W> PageQueue<W> {
    fn new() -> Self {
        Self { last: Weak::new(), end: Weak::new(), waiting: Vec::new() }
    }

    /// When the next page is to be begun; `None` if nobody waits for it.
    fn due(&self, now: Instant) -> Option<Instant> {
        let of_last = || self.last.upgrade()?.gives_way_at();
        (!self.waiting.is_empty()).then(|| of_last().unwrap_or(now))
    }
}

impl<S: PageSource> ExporterThread<S> {
    pub(super) fn new(
        source: S,
        asking: Weak<Sender<Question<S::Writer>>>,
        questions: Receiver<Question<S::Writer>>,
        gzip: Sender<UncompressedPiece<S::Writer>>,
        stats: Arc<ScrapeStats>,
    ) -> Self {
        Self {
            source,
            questions,
            asking,
            gzip,
            stats,
            queues: Encoding::ALL.map(|_| PageQueue::new()),
            buffers: Buffers::new(REMEMBERED_PIECES),
            release_due: None,
            remembered: VecDeque::with_capacity(REMEMBERED_PIECES),
            tick_due: Instant::now(),
        }
    }

    /// Runs until nobody can ask any more.
    pub fn run(mut self) {
        loop {
            let now = Instant::now();
            if now >= self.tick_due {
                self.tick_due = now + self.source.tick();
            }
            if self.release_due.is_some_and(|due| now >= due) {
                self.buffers.release();
                // A slow reader gives its buffers back later.
                self.release_due = self.buffers.are_in_use().then(|| now + BUFFERS_KEPT);
            }
            let pages = self.queues.iter().filter_map(|queue| queue.due(now));
            let due = pages.chain(self.release_due).fold(self.tick_due, Instant::min);
            match self.questions.recv_deadline(due) {
                Ok(question) => self.take(question),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // All questions that have come by now are taken first, so that they share the page that is begun.
            for _ in 0..self.questions.len() {
                self.questions.try_recv().into_iter().for_each(|question| self.take(question));
            }
            for encoding in Encoding::ALL {
                self.begin_if_due(encoding);
            }
        }
    }

    fn take(&mut self, question: Question<S::Writer>) {
        self.release_due = Some(Instant::now() + BUFFERS_KEPT);
        match question {
            Question::Page { encoding, reply } => {
                self.queues[encoding as usize].waiting.push(reply);
            }
            Question::Piece { position, unmade } => {
                if unmade {
                    self.write(&position, Instant::now());
                }
                self.read_ahead(position.page.encoding, position.index);
            }
            Question::PageFinished => {}
        }
    }

    /// Begins a page for all who wait for one, unless one is being made.
    fn begin_if_due(&mut self, encoding: Encoding) {
        let now = Instant::now();
        let queue = &mut self.queues[encoding as usize];
        queue.waiting.retain(|reply| !reply.is_closed());
        if queue.due(now).is_none_or(|due| due > now) {
            return;
        }
        let waiting = std::mem::take(&mut queue.waiting);
        self.stats.count_begun(encoding);
        let Ok(writer) = catch_unwind(AssertUnwindSafe(|| self.source.begin())) else {
            self.stats.count_panic();
            // Who asked may have gone.
            return waiting
                .into_iter()
                .for_each(|reply| drop(reply.send(Err(PageError::Panicked))));
        };
        let position = Position::begin(Page::new(encoding, now), writer, self.asking.clone());
        self.queues[encoding as usize].last = Arc::downgrade(&position.page);
        for reply in waiting {
            position.piece.ask(reply);
        }
        self.write(&position, now);
        self.read_ahead(encoding, 0);
    }

    /// Writes what follows a piece of the last page that was begun, until somebody asks for something.
    fn read_ahead(&mut self, encoding: Encoding, index: u64) {
        while self.questions.is_empty() {
            let Some(end) = self.queues[encoding as usize].end.upgrade() else { return };
            if end.index > index + READ_AHEAD_PIECES || !end.piece.claim() {
                return;
            }
            self.write(&end, Instant::now());
        }
    }

    /// Writes the piece that follows a place, for all who have asked for it or will.
    fn write(&mut self, position: &Arc<Position<S::Writer>>, began: Instant) {
        let (mut writer, mut text) = (position.writer.clone(), self.buffers.take());
        let write = AssertUnwindSafe(|| self.source.write(&mut writer, &mut text.bytes));
        let Ok(is_last) = catch_unwind(write) else {
            self.stats.count_panic();
            // It is not written ahead again: only if somebody asks for it.
            self.queues[position.page.encoding as usize].end = Weak::new();
            return position.piece.finish(Err(PageError::Panicked));
        };
        self.remember(position);
        let next = (!is_last).then(|| position.next(writer));
        let queue = &mut self.queues[position.page.encoding as usize];
        if std::ptr::eq(queue.last.as_ptr(), &raw const *position.page) {
            queue.end = next.as_ref().map_or_else(Weak::new, Arc::downgrade);
        }
        match position.page.encoding {
            Encoding::Identity => {
                let bytes = Bytes::from_owner(text);
                position.finish(bytes, Checksum::default(), next, began, &self.stats);
            }
            Encoding::Gzip => {
                position.page.took_since(began);
                let piece = UncompressedPiece { position: Arc::clone(position), text, next };
                if self.gzip.send(piece).is_err() {
                    position.piece.finish(Err(PageError::Stopping));
                }
            }
        }
    }

    /// Remembers the piece that follows a place, and forgets the oldest one where there are too many.
    fn remember(&mut self, position: &Arc<Position<S::Writer>>) {
        if self.remembered.len() == REMEMBERED_PIECES
            && let Some(oldest) = self.remembered.pop_front()
            && let Some(oldest) = oldest.upgrade()
        {
            oldest.piece.forget();
        }
        self.remembered.push_back(Arc::downgrade(position));
    }
}
