//! The threads that make pages: what is shared by whom, and what a fault does.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::Scope;
use std::time::Duration;

use flate2::read::GzDecoder;
use metrics_server::testing::exporter::{PageSource, ScrapeStats, threads};
use metrics_server::testing::http::{Encoding, PageError, Pages, Piece, PieceReceiver};

/// Pages of numbered pieces that begin with the page's number.
struct Numbered {
    pages: u64,
    pieces: u64,
    /// Each begin of a page takes a message; `false` panics.
    may_begin: Receiver<bool>,
    /// A piece with this number panics.
    faulty: u64,
    written: Arc<AtomicU64>,
}

/// Page, next piece, and how many pages had been begun when the page was begun.
type Place = (u64, u64);

fn piece(page: u64, number: u64) -> Vec<u8> {
    format!("page {page} piece {number}: {}\n", "x".repeat(10_000)).into_bytes()
}

impl PageSource for Numbered {
    type Writer = Place;

    fn begin(&mut self) -> Place {
        assert!(self.may_begin.recv().unwrap(), "asked to panic");
        self.pages += 1;
        (self.pages, 0)
    }

    fn write(&mut self, (page, number): &mut Place, text: &mut Vec<u8>) -> bool {
        assert!(*number != self.faulty, "asked to panic");
        self.written.fetch_add(1, SeqCst);
        text.extend_from_slice(&piece(*page, *number));
        *number += 1;
        *number == self.pieces
    }

    fn tick(&mut self) -> Duration {
        Duration::from_mins(10)
    }
}

/// What a test holds of the threads.
struct Running {
    client: Box<dyn Pages>,
    may_begin: Sender<bool>,
    written: Arc<AtomicU64>,
    stats: Arc<ScrapeStats>,
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, pieces: u64, faulty: u64) -> Running {
    let (may_begin, begins) = mpsc::channel();
    let (written, stats) = (Arc::new(AtomicU64::new(0)), Arc::new(ScrapeStats::default()));
    let source =
        Numbered { pages: 0, pieces, may_begin: begins, faulty, written: Arc::clone(&written) };
    let (client, exporter, gzip) = threads(source, Arc::clone(&stats), Arc::default(), 100);
    scope.spawn(|| exporter.run());
    scope.spawn(|| gzip.run());
    Running { client: Box::new(client), may_begin, written, stats }
}

/// The rest of a page, from the answer to a question on.
fn rest(receiver: PieceReceiver) -> Result<Vec<u8>, PageError> {
    let Piece { bytes, mut rest } = receiver.blocking_recv().unwrap()?;
    let mut page = bytes.to_vec();
    while let Some(next) = rest {
        let piece = next.ask().blocking_recv().unwrap()?;
        page.extend_from_slice(&piece.bytes);
        rest = piece.rest;
    }
    Ok(page)
}

fn page(number: u64, pieces: u64) -> Vec<u8> {
    (0..pieces).flat_map(|index| piece(number, index)).collect()
}

/// The number of the page that begins with these bytes.
fn number_of(bytes: &[u8]) -> u64 {
    str::from_utf8(bytes).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(bytes);
    decoder.read_to_end(&mut text).unwrap();
    assert!(decoder.into_inner().is_empty(), "one member and nothing behind it");
    text
}

/// A scrape sees what was counted before it asked, so it does not share a page that was begun before.
#[test]
fn who_asks_while_a_page_is_made_shares_the_next() {
    std::thread::scope(|scope| {
        let running = start(scope, 3, u64::MAX);
        for encoding in Encoding::ALL {
            let before = running.written.load(SeqCst);
            let pages =
                running.stats.begun(Encoding::Gzip) + running.stats.begun(Encoding::Identity);
            let text =
                |bytes: Vec<u8>| if encoding == Encoding::Gzip { unpacked(&bytes) } else { bytes };
            let first = running.client.begin(encoding);
            // It is being begun, and waits for our word.
            while running.stats.begun(encoding) == 0 {
                std::thread::yield_now();
            }
            let others: Vec<_> = (0..50).map(|_| running.client.begin(encoding)).collect();
            running.may_begin.send(true).unwrap();
            assert!(text(rest(first).unwrap()) == page(pages + 1, 3));
            running.may_begin.send(true).unwrap();
            for other in others {
                assert!(text(rest(other).unwrap()) == page(pages + 2, 3));
            }
            assert_eq!(running.stats.begun(encoding), 2);
            assert_eq!(running.written.load(SeqCst) - before, 6, "a piece was made twice");
        }
    });
}

/// One that stops reading holds up neither the others of its page nor those who come later.
#[test]
fn slow_readers_are_not_waited_for() {
    const PIECES: u64 = 100;
    std::thread::scope(|scope| {
        let running = start(scope, PIECES, u64::MAX);
        // On a busy machine hardly any of those who ask come in time to share a page.
        for _ in 0..11 {
            running.may_begin.send(true).unwrap();
        }
        let begin = || running.client.begin(Encoding::Identity);
        let slow: Vec<_> = (0..10).map(|_| begin()).collect();
        let mut slow = slow.into_iter().map(|receiver| receiver.blocking_recv().unwrap().unwrap());
        let first = slow.next().unwrap();
        let whole = rest(begin()).unwrap();
        assert!(whole == page(number_of(&whole), PIECES));
        // What was shown first has been forgotten since: it is made again, and is the same page.
        let mut late = first.bytes.to_vec();
        late.extend(rest(first.rest.unwrap().ask()).unwrap());
        assert!(late == page(number_of(&late), PIECES));
        slow.for_each(drop);
    });
}

#[test]
fn a_fault_is_told_to_all_who_wait_and_the_next_page_is_made() {
    std::thread::scope(|scope| {
        let running = start(scope, 3, u64::MAX);
        for (round, encoding) in Encoding::ALL.into_iter().enumerate() {
            let first = running.client.begin(encoding);
            while running.stats.begun(encoding) == 0 {
                std::thread::yield_now();
            }
            let others: Vec<_> = (0..5).map(|_| running.client.begin(encoding)).collect();
            running.may_begin.send(false).unwrap();
            assert_eq!(rest(first), Err(PageError::Panicked));
            running.may_begin.send(false).unwrap();
            for other in others {
                assert_eq!(rest(other), Err(PageError::Panicked));
            }
            assert_eq!(running.stats.panics(), 2 * (round as u64 + 1));
            running.may_begin.send(true).unwrap();
            assert!(rest(running.client.begin(encoding)).is_ok());
        }
    });
}

#[test]
fn a_fault_within_a_page_is_told_there() {
    std::thread::scope(|scope| {
        let running = start(scope, 3, 1);
        running.may_begin.send(true).unwrap();
        let first = running.client.begin(Encoding::Identity).blocking_recv().unwrap().unwrap();
        assert_eq!(rest(first.rest.unwrap().ask()), Err(PageError::Panicked));
        assert!(running.stats.panics() >= 1);
    });
}

/// The threads end once nobody can ask any more; who still holds a page gets no more than was written ahead.
#[test]
fn the_threads_end_with_the_client() {
    let left = std::thread::scope(|scope| {
        let running = start(scope, 100, u64::MAX);
        running.may_begin.send(true).unwrap();
        running.client.begin(Encoding::Gzip).blocking_recv().unwrap().unwrap().rest.unwrap()
    });
    assert_eq!(rest(left.ask()), Err(PageError::Stopping));
}
