//! The thread `exporter`: begins pages, writes their pieces, and keeps the timer of expiry.
//!
//! It owns the source of pages, so that nothing about it is locked, and takes one question after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Instant;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use hyper::body::Bytes;
use tokio::sync::oneshot;

use super::PageSource;
use super::gzip::Checksum;
use super::gzip_thread::Text;
use super::page::Page;
use super::position::Position;
use super::stats::ScrapeStats;
use crate::http::pages::{Encoding, PageError, Piece};

/// Pieces that are remembered for readers that come later: 2 MiB of text, the whole of most pages.
const REMEMBERED_PIECES: usize = 16;

/// Where a piece goes.
pub(super) type Reply = oneshot::Sender<Result<Piece, PageError>>;

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Question<W> {
    /// For a page that is begun after this moment.
    Page { encoding: Encoding, reply: Reply },
    /// For the piece that follows a place.
    Piece { position: Arc<Position<W>>, reply: Reply },
    /// To look whether another page is to be begun, now that one is made.
    PageFinished,
}

impl<W> Question<W> {
    /// Asks without waiting; a queue that is full answers at once.
    pub(super) fn ask(self, questions: &Sender<Self>) {
        let Err(TrySendError::Full(unasked)) = questions.try_send(self) else { return };
        if let Self::Page { reply, .. } | Self::Piece { reply, .. } = unasked {
            drop(reply.send(Err(PageError::Busy))); // who asked may have gone
        }
    }
}

/// What the thread runs.
#[derive(Debug)]
pub struct ExporterThread<S: PageSource> {
    source: S,
    questions: Receiver<Question<S::Writer>>,
    /// For the places of a page to ask what follows them. Weak, so that the questions end with who asks.
    asking: Weak<Sender<Question<S::Writer>>>,
    gzip: Sender<Text<S::Writer>>,
    stats: Arc<ScrapeStats>,
    queues: [PageQueue; Encoding::ALL.len()],
    remembered: VecDeque<Weak<Position<S::Writer>>>,
    tick_due: Instant,
}

/// Of one encoding: the page that was begun last, and those who wait for the next.
#[derive(Debug, Default)]
struct PageQueue {
    last: Weak<Page>,
    waiting: Vec<Reply>,
}

impl PageQueue {
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
        gzip: Sender<Text<S::Writer>>,
        stats: Arc<ScrapeStats>,
    ) -> Self {
        Self {
            source,
            questions,
            asking,
            gzip,
            stats,
            queues: Default::default(),
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
            let due =
                self.queues.iter().filter_map(|queue| queue.due(now)).chain([self.tick_due]).min();
            match self.questions.recv_deadline(due.unwrap_or(now)) {
                Ok(question) => self.take(question),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // All that have asked by now share what is begun now.
            for _ in 0..self.questions.len() {
                self.questions.try_recv().into_iter().for_each(|question| self.take(question));
            }
            for encoding in Encoding::ALL {
                self.begin_if_due(encoding);
            }
        }
    }

    fn take(&mut self, question: Question<S::Writer>) {
        match question {
            Question::Page { encoding, reply } => {
                self.queues[encoding as usize].waiting.push(reply);
            }
            Question::Piece { position, reply } => {
                if !reply.is_closed() && position.piece.ask(reply) {
                    self.write(&position, Instant::now());
                }
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
    }

    /// Writes the piece that follows a place, for all who have asked for it.
    fn write(&mut self, position: &Arc<Position<S::Writer>>, began: Instant) {
        let (mut writer, mut text) = (position.writer.clone(), Vec::new());
        let write = AssertUnwindSafe(|| self.source.write(&mut writer, &mut text));
        let Ok(is_last) = catch_unwind(write) else {
            self.stats.count_panic();
            return position.piece.finish(Err(PageError::Panicked));
        };
        self.remember(position);
        let next = (!is_last).then_some(writer);
        match position.page.encoding {
            Encoding::Identity => {
                let next = next.map(|writer| (writer, Checksum::default()));
                position.finish(Bytes::from(text), next, began, &self.stats);
            }
            Encoding::Gzip => {
                position.page.took_since(began);
                let text = Text { position: Arc::clone(position), bytes: text, next };
                if self.gzip.send(text).is_err() {
                    position.piece.finish(Err(PageError::Stopping));
                }
            }
        }
    }

    /// Forgets another piece for this one.
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
