//! The way of rows from workers to a far end: order, retries, halves, disk, restarts, and the books.
//!
//! The far end is scripted: the test sees each request and says what becomes of it.

#![expect(clippy::disallowed_methods, reason = "the server's threads are started by hand here")]
#![expect(clippy::cast_possible_truncation, reason = "a test may end; its numbers are small")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, Sender};
use metrics_server::testing::metric::{BucketParams, Hops, Op, Sample};
use metrics_server::testing::sinks::BatchSender;
use metrics_server::testing::sinks::Outbox;
use metrics_server::testing::sinks::SinkCounters;
use metrics_server::testing::sinks::SinkQueue;
use metrics_server::testing::sinks::Spooler;
use metrics_server::testing::sinks::{
    BatchLimits, DropReason, Outcome, RejectReason, Row, RowResult, Sink, Trigger,
};
use metrics_server::testing::sinks::{Block, Stamps};
use metrics_server::testing::sinks::{Recovered, Segment, Spill};

use crate::common::wait;

const LIMITS: BatchLimits = BatchLimits {
    bytes: 4_000,
    rows: 10,
    period: Duration::from_millis(1),
    max_bytes: 4_000,
    max_rows: 10,
};
const LONG: Duration = wait::DEADLINE;

/// Time, number and value of a row that was sent.
type Seen = (u64, u64, u32);

/// Shows each request to the test and does as it says.
#[derive(Debug)]
struct Scripted {
    is_well: bool,
    requests: Sender<Vec<Seen>>,
    answers: Receiver<(Outcome, Vec<RowResult>)>,
}

impl Sink for Scripted {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn deliver(&mut self, rows: &[Row<'_>], _: Trigger, results: &mut Vec<RowResult>) -> Outcome {
        let seen = rows.iter().map(|row| (row.time_ns, row.seq, value(row))).collect();
        if self.requests.send(seen).is_err() {
            return Outcome::Retry { why: "the test is over".to_owned(), after: None };
        }
        let Ok((outcome, told)) = self.answers.recv() else { panic!("a fault") };
        results.extend(told);
        outcome
    }

    fn is_well(&mut self) -> bool {
        self.is_well
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        Box::new(|| ())
    }
}

struct Rig {
    outbox: Option<Outbox>,
    counters: Arc<SinkCounters>,
    queue: Arc<SinkQueue>,
    requests: Receiver<Vec<Seen>>,
    answers: Sender<(Outcome, Vec<RowResult>)>,
    threads: Vec<JoinHandle<()>>,
}

fn rig(max_bytes: usize, spill: Option<(&Path, u64)>) -> Rig {
    rig_that_retries_for(LONG, max_bytes, spill)
}

fn rig_that_retries_for(retry_max: Duration, max_bytes: usize, spill: Option<(&Path, u64)>) -> Rig {
    rig_on(retry_max, max_bytes, spill.map(|(folder, bytes)| Spill::open(folder, bytes).unwrap()))
}

fn rig_on(retry_max: Duration, max_bytes: usize, spill: Option<(Spill, Recovered)>) -> Rig {
    rig_with(true, retry_max, max_bytes, spill)
}

fn rig_with(
    is_well: bool,
    retry_max: Duration,
    max_bytes: usize,
    spill: Option<(Spill, Recovered)>,
) -> Rig {
    let counters = Arc::new(SinkCounters::new("scripted", 1));
    let last_ns = spill.as_ref().map_or(0, |(_, found)| found.last_ns);
    let queue = Arc::new(SinkQueue::new(Arc::clone(&counters), LIMITS, max_bytes, spill));
    let (sender, blocks) = channel::unbounded();
    let outbox = Some(Outbox::new(0, sender, Arc::clone(&counters)));
    let stamps = Stamps::new(last_ns, 7);
    let spooler = Spooler::new(blocks, Arc::clone(&queue), stamps);
    let (requests_in, requests) = channel::unbounded();
    let (answers, answers_out) = channel::unbounded();
    let sink = Box::new(Scripted { is_well, requests: requests_in, answers: answers_out });
    let batch_sender = BatchSender::new(sink, Arc::clone(&queue), Some(retry_max));
    let threads = vec![thread::spawn(|| spooler.run()), thread::spawn(|| batch_sender.run())];
    Rig { outbox, counters, queue, requests, answers, threads }
}

impl Rig {
    /// Sends messages with these values, each in its own block.
    fn send(&mut self, values: impl IntoIterator<Item = u32>) {
        let outbox = self.outbox.as_mut().unwrap();
        for value in values {
            outbox.push(&event(value), &[]);
            outbox.flush();
        }
    }

    fn request(&self) -> Vec<Seen> {
        self.requests.recv_timeout(LONG).expect("a request")
    }

    fn values(&self) -> Vec<u32> {
        self.request().iter().map(|(_, _, value)| *value).collect()
    }

    fn answer(&self, outcome: Outcome, results: &[RowResult]) {
        self.answers.send((outcome, results.to_vec())).unwrap();
    }

    fn take_all(&self, rows: usize) {
        self.answer(Outcome::Rows, &vec![RowResult::Delivered; rows]);
    }

    /// Takes whatever comes until so many rows came.
    fn drain(&self, rows: usize) -> Vec<u32> {
        let mut all = Vec::new();
        while all.len() < rows {
            let values = self.values();
            self.take_all(values.len());
            all.extend(values);
        }
        all
    }

    /// Waits until the spooler has taken all that was sent.
    fn wait_taken(&self, rows: u64) {
        wait::until_true("rows are taken", || self.counters.taken.load(Relaxed) >= rows);
    }

    fn end(mut self) -> Arc<SinkCounters> {
        drop(self.outbox.take());
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
        self.check();
        Arc::clone(&self.counters)
    }

    fn check(&self) {
        let counters = &self.counters;
        let rejected: u64 = counters.rejected.iter().map(|count| count.load(Relaxed)).sum();
        let dropped: u64 = DropReason::ALL.iter().map(|reason| counters.dropped(*reason)).sum();
        let settled = counters.delivered.load(Relaxed) + rejected + dropped;
        let here = counters.queued() + counters.spilled_rows.load(Relaxed);
        assert_eq!(
            counters.enqueued() + counters.recovered.load(Relaxed),
            settled + here,
            "{counters:?}"
        );
    }
}

fn value(row: &Row<'_>) -> u32 {
    row.value.to_string().parse().unwrap()
}

fn event(value: u32) -> Sample<'static> {
    Sample {
        op: Op::Event,
        name: "e",
        labels: &[],
        help: "",
        value: f64::from(value),
        buckets: BucketParams::default(),
        timestamp: None,
        hops: Hops::default(),
        index: "",
    }
}

fn retry() -> Outcome {
    Outcome::Retry { why: "down".to_owned(), after: None }
}

#[test]
fn rows_arrive_in_order_and_are_repeated_as_they_were() {
    let mut rig = rig(1 << 20, None);
    rig.send(0..3);
    let first = rig.request();
    rig.answer(retry(), &[]);
    let again = rig.request();
    assert_eq!(again, first);
    let times: Vec<u64> = first.iter().map(|row| row.0).collect();
    assert!(times.is_sorted() && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    // Of three (or fewer, if the sender was quick) the first is asked for again, alone.
    let mut results = vec![RowResult::Delivered; first.len()];
    results[0] = RowResult::Retry;
    rig.answer(Outcome::Rows, &results);
    assert_eq!(rig.request(), first[..1]);
    rig.take_all(1);
    let rest = 3 - first.len();
    assert_eq!(rig.drain(rest).len(), rest);
    let counters = rig.end();
    assert_eq!(counters.delivered.load(Relaxed), 3);
    assert_eq!(counters.queued_bytes.load(Relaxed), 0);
}

#[test]
fn one_row_that_spoils_a_batch_is_found_and_the_others_arrive() {
    let mut rig = rig(1 << 20, None);
    rig.send([100]);
    assert_eq!(rig.values(), [100]); // the others wait together meanwhile
    rig.send(0..10);
    rig.wait_taken(11);
    rig.take_all(1);
    let mut arrived = Vec::new();
    while arrived.len() < 9
        || rig.counters.rejected[RejectReason::Refused as usize].load(Relaxed) == 0
    {
        let values = rig.values();
        if values.contains(&6) {
            let why = "cannot read".to_owned();
            rig.answer(Outcome::Split { why, reason: RejectReason::Refused }, &[]);
            if values.len() == 1 {
                arrived.extend(rig.drain(9 - arrived.len()));
                break;
            }
        } else {
            rig.take_all(values.len());
            arrived.extend(values);
        }
    }
    assert_eq!(arrived, [0, 1, 2, 3, 4, 5, 7, 8, 9]);
    let counters = rig.end();
    assert_eq!(counters.rejected[RejectReason::Refused as usize].load(Relaxed), 1);
}

fn no_verdict() -> Outcome {
    Outcome::NoVerdict { why: "silent".to_owned(), after: None }
}

/// Wherever in a batch it stands, in memory or on disk.
#[test]
fn a_row_without_a_verdict_holds_up_nobody() {
    for (position, on_disk) in (0..10).map(|position| (position, position % 3 == 0)) {
        let dir = tempfile::tempdir().unwrap();
        let mut rig = if on_disk {
            rig(1, Some((dir.path(), 1 << 20)))
        } else {
            rig(1 << 20, Some((dir.path(), 1 << 20)))
        };
        rig.send([100]);
        assert_eq!(rig.values(), [100]); // the others wait together meanwhile
        rig.send(0..20);
        rig.wait_taken(21);
        rig.take_all(1);
        let mut arrived = Vec::new();
        while arrived.len() < 19 {
            let values = rig.values();
            if values.contains(&position) {
                rig.answer(no_verdict(), &[]);
            } else {
                rig.take_all(values.len());
                arrived.extend(values);
            }
        }
        let expected: Vec<_> = (0..20).filter(|value| *value != position).collect();
        assert_eq!(arrived, expected, "{position}");
        wait::until_true("the row waits alone", || {
            rig.counters.queued_rows.load(Relaxed) == 1
                && rig.counters.spilled_rows.load(Relaxed) == 0
        });
        rig.check();
        wait::until_true("a crash would not lose it", || rows_after_a_crash(dir.path()) == 1);
        // At the end it is tried once more, three times at once, and then kept.
        rig.queue.stop_by(Instant::now() + LONG);
        drop(rig.outbox.take());
        for _ in 0..3 {
            assert_eq!(rig.values(), [position]);
            rig.answer(no_verdict(), &[]);
        }
        let counters = rig.end();
        assert_eq!(counters.spilled_rows.load(Relaxed), 1);
        let next = self::rig(1 << 20, Some((dir.path(), 1 << 20)));
        assert_eq!(next.drain(1), [position]);
        next.end();
    }
}

#[test]
fn while_the_far_end_as_a_whole_is_away_a_batch_stays_whole() {
    let mut rig = rig_with(false, LONG, 1 << 20, None);
    rig.send(0..5);
    let first = rig.values();
    for _ in 0..4 {
        rig.answer(no_verdict(), &[]);
        assert_eq!(rig.values(), first);
    }
    rig.take_all(first.len());
    let rest = rig.drain(5 - first.len());
    assert_eq!([first, rest].concat(), [0, 1, 2, 3, 4]);
    rig.end();
}

#[test]
fn rows_that_are_not_taken_while_others_are_hold_up_nobody() {
    let mut rig = rig(1 << 20, None);
    rig.send([100]);
    assert_eq!(rig.values(), [100]);
    rig.send(0..20);
    rig.wait_taken(21);
    rig.take_all(1);
    let mut arrived = Vec::new();
    while arrived.len() < 18 {
        let values = rig.values();
        let results: Vec<_> = values
            .iter()
            .map(
                |value| {
                    if [3, 4].contains(value) { RowResult::Retry } else { RowResult::Delivered }
                },
            )
            .collect();
        rig.answer(Outcome::Rows, &results);
        arrived.extend(values.into_iter().filter(|value| ![3, 4].contains(value)));
    }
    assert_eq!(arrived, (0..20).filter(|value| ![3, 4].contains(value)).collect::<Vec<_>>());
    // Both are tried again together.
    assert_eq!(rig.values(), [3, 4]);
    rig.take_all(2);
    let counters = rig.end();
    assert_eq!(counters.delivered.load(Relaxed), 21);
}

#[test]
fn a_fault_of_a_sink_costs_only_the_row_that_causes_it() {
    let mut rig = rig(1 << 20, None);
    rig.send([5]);
    assert_eq!(rig.values(), [5]);
    // An answer channel that is gone makes the scripted sink panic.
    let (answers, _) = channel::unbounded();
    drop(std::mem::replace(&mut rig.answers, answers));
    let counters = rig.end();
    assert_eq!(counters.rejected[RejectReason::Unreadable as usize].load(Relaxed), 1);
}

#[test]
fn rows_that_are_asked_for_again_and_again_grow_too_old() {
    let mut rig = rig_that_retries_for(Duration::from_nanos(1), 1 << 20, None);
    rig.send([1]);
    assert_eq!(rig.values(), [1]);
    rig.answer(Outcome::Rows, &[RowResult::Retry]);
    rig.send([2]);
    assert_eq!(rig.values(), [2]);
    rig.answer(retry(), &[]);
    let counters = rig.end();
    assert_eq!(counters.dropped(DropReason::TooOld), 2);
    assert_eq!(counters.queued_bytes.load(Relaxed), 0);
}

#[test]
fn past_the_bound_rows_are_dropped_and_counted() {
    let mut rig = rig(1, None);
    rig.send([1]);
    assert_eq!(rig.values(), [1]);
    rig.send(2..5);
    rig.wait_taken(4);
    rig.take_all(1);
    let counters = rig.end();
    assert_eq!(counters.delivered.load(Relaxed), 1);
    assert_eq!(counters.dropped(DropReason::QueueFull), 3);
}

#[test]
fn what_memory_has_no_room_for_goes_through_the_disk_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(300, Some((dir.path(), 1 << 20)));
    rig.send(0..50);
    rig.wait_taken(50);
    assert!(rig.counters.spilled_rows.load(Relaxed) > 30);
    assert_eq!(rig.drain(50), (0..50).collect::<Vec<_>>());
    // The disk is empty again, so memory takes rows.
    rig.send([50]);
    assert_eq!(rig.drain(1), [50]);
    let counters = rig.end();
    assert_eq!((counters.delivered.load(Relaxed), counters.spilled_rows.load(Relaxed)), (51, 0));
    assert_eq!(counters.spilled_bytes.load(Relaxed), 0);
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn a_full_disk_drops_rows_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(1, Some((dir.path(), 1_000)));
    rig.send(0..100);
    rig.wait_taken(100);
    let dropped = rig.counters.dropped(DropReason::QueueFull);
    assert!(dropped > 80, "{dropped}");
    let kept = 100 - dropped as usize;
    assert_eq!(rig.drain(kept), (0..kept as u32).collect::<Vec<_>>());
    rig.end();
}

#[test]
fn rows_that_reached_the_disk_survive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(1, Some((dir.path(), 1 << 20)));
    rig.send(0..30);
    rig.wait_taken(30);
    assert_eq!(rig.values(), [0]); // in memory, lost by the kill
    // A copy of the directory is what a kill -9 leaves behind.
    let copy = tempfile::tempdir().unwrap();
    copy_files(dir.path(), copy.path());
    let next = self::rig(1, Some((copy.path(), 1 << 20)));
    assert_eq!(next.counters.recovered.load(Relaxed), 29);
    let first = next.request();
    next.take_all(first.len());
    assert_eq!(next.drain(29 - first.len()).len(), 29 - first.len());
    assert_eq!(first[0].2, 1);
    next.end();
    rig.take_all(1);
    assert_eq!(rig.drain(29).len(), 29);
    rig.end();
}

#[test]
fn a_torn_tail_is_cut_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(1, Some((dir.path(), 1 << 20)));
    rig.send(0..10);
    rig.wait_taken(10);
    let copy = tempfile::tempdir().unwrap();
    copy_files(dir.path(), copy.path());
    let segment = std::fs::read_dir(copy.path()).unwrap();
    let segment = segment.map(|file| file.unwrap().path()).find(|path| path.extension().is_some());
    let file = std::fs::OpenOptions::new().write(true).open(segment.unwrap()).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let next = self::rig(1, Some((copy.path(), 1 << 20)));
    assert_eq!(next.counters.recovered.load(Relaxed), 8);
    assert!(next.counters.torn_bytes.load(Relaxed) > 0);
    assert_eq!(next.drain(8), (1..9).collect::<Vec<_>>());
    next.end();
    rig.values();
    rig.take_all(1);
    rig.drain(9);
    rig.end();
}

#[test]
fn what_is_left_at_the_end_is_kept_before_what_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(500, Some((dir.path(), 1 << 20)));
    rig.send(0..40);
    rig.wait_taken(40);
    assert!(
        rig.counters.queued_rows.load(Relaxed) > 1 && rig.counters.spilled_rows.load(Relaxed) > 1
    );
    rig.values();
    rig.queue.stop_by(Instant::now());
    rig.answer(retry(), &[]);
    let counters = rig.end();
    assert_eq!(counters.spilled_rows.load(Relaxed), 40);
    let next = self::rig(500, Some((dir.path(), 1 << 20)));
    assert_eq!(next.drain(40), (0..40).collect::<Vec<_>>());
    next.end();
}

#[test]
fn without_a_disk_what_is_left_at_the_end_is_counted_as_dropped() {
    let mut rig = rig(1 << 20, None);
    rig.send(0..5);
    rig.wait_taken(5);
    rig.values();
    rig.queue.stop_by(Instant::now());
    rig.answer(retry(), &[]);
    let counters = rig.end();
    assert_eq!(counters.dropped(DropReason::Shutdown), 5);
}

#[test]
fn what_comes_before_the_end_is_still_delivered() {
    let mut rig = rig(1 << 20, None);
    rig.send(0..5);
    rig.wait_taken(5);
    rig.queue.stop_by(Instant::now() + LONG);
    drop(rig.outbox.take());
    assert_eq!(rig.drain(5), [0, 1, 2, 3, 4]);
    rig.threads.drain(..).for_each(|thread| thread.join().unwrap());
    rig.check();
}

#[test]
fn two_servers_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let _held = Spill::open(dir.path(), 1 << 20).unwrap();
    let error = format!("{:#}", Spill::open(dir.path(), 1 << 20).unwrap_err());
    assert!(error.contains("another server uses this directory"), "{error}");
}

#[test]
fn rows_that_cannot_be_read_back_are_set_aside_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut block = Block::default();
    block.push(1, &event(3), &[]);
    let segment = segment_of(dir.path(), &[block]);
    let found = Spill::open(dir.path(), 1 << 20).unwrap();
    // After it was found whole, the disk fails.
    let mut bytes = std::fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let rig = rig_on(LONG, 1, Some(found));
    let counters = rig.end();
    assert_eq!(counters.dropped(DropReason::Damaged), 1);
    assert!(segment.with_extension("damaged").exists());
}

#[test]
fn a_block_that_is_not_all_rows_is_rejected_whole_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut block = Block::default();
    block.push(1, &event(3), &[]);
    block.push(2, &event(4), &[]);
    // The last byte of the second row is missing; the checksum is that of what was written.
    let cut = Block::from_encoded(block.bytes()[..block.bytes().len() - 1].to_vec(), 2);
    segment_of(dir.path(), &[cut]);
    let counters = rig(1, Some((dir.path(), 1 << 20))).end();
    assert_eq!(counters.rejected[RejectReason::Unreadable as usize].load(Relaxed), 2);
    assert_eq!((counters.delivered.load(Relaxed), counters.spilled_rows.load(Relaxed)), (0, 0));
}

#[test]
fn a_block_longer_than_a_batch_that_is_not_all_rows_is_rejected_behind_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    // Fewer readable rows than a batch takes, and more unreadable ones.
    let mut block = Block::default();
    (0..3).for_each(|value| block.push(1 + u64::from(value), &event(value), &[]));
    block.push_encoded(&[0xff; 50], 12);
    segment_of(dir.path(), &[block]);
    let rig = rig(1, Some((dir.path(), 1 << 20)));
    assert_eq!(rig.drain(3), [0, 1, 2]);
    let counters = rig.end();
    assert_eq!(counters.rejected[RejectReason::Unreadable as usize].load(Relaxed), 12);
    assert_eq!((counters.delivered.load(Relaxed), counters.spilled_rows.load(Relaxed)), (3, 0));
}

#[test]
fn damage_in_the_middle_costs_what_is_behind_it_and_is_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = Vec::new();
    for value in 0..5 {
        let mut block = Block::default();
        block.push(u64::from(value) + 1, &event(value), &[]);
        blocks.push(block);
    }
    let segment = segment_of(dir.path(), &blocks);
    let found = Spill::open(dir.path(), 1 << 20).unwrap();
    // After it was found whole the disk fails in the third frame: head of 16 bytes, five frames of one length.
    let mut bytes = std::fs::read(&segment).unwrap();
    let frame = (bytes.len() - 16) / 5;
    bytes[16 + 3 * frame - 1] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let rig = rig_on(LONG, 1, Some(found));
    assert_eq!(rig.drain(2), [0, 1]);
    let counters = rig.end();
    assert_eq!((counters.delivered.load(Relaxed), counters.dropped(DropReason::Damaged)), (2, 3));
    assert_eq!(counters.spilled_rows.load(Relaxed), 0);
}

#[test]
fn damage_found_at_the_start_is_set_aside_and_ends_no_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut block = Block::default();
    block.push(1, &event(3), &[]);
    let segment = segment_of(dir.path(), &[block.clone(), block]);
    let whole = std::fs::read(&segment).unwrap();
    for (at, rows) in [(3, 0), (whole.len() - 1, 1)] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&segment, &bytes).unwrap();
        let (_, found) = Spill::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(found.segments.iter().map(Segment::undelivered_rows).sum::<u64>(), rows);
        assert!(found.torn_bytes > 0);
        assert_eq!(std::fs::read(segment.with_extension("damaged")).unwrap(), bytes);
        let _ = std::fs::remove_file(&segment); // it is gone where nothing in it was whole
    }
}

#[test]
fn a_directory_that_is_removed_is_made_again_and_what_was_in_it_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("spill");
    let mut rig = rig(1, Some((&folder, 1 << 20)));
    rig.send([0]);
    assert_eq!(rig.values(), [0]);
    rig.send(1..4);
    rig.wait_taken(4);
    std::fs::remove_dir_all(&folder).unwrap();
    rig.send(4..7);
    rig.wait_taken(7);
    rig.take_all(1);
    // The first of those that were removed may have been opened before.
    let mut values = rig.drain(3);
    while values.last() != Some(&6) {
        values.extend(rig.drain(1));
    }
    assert_eq!(values[values.len() - 3..], [4, 5, 6]);
    assert!(folder.join("lock").exists());
    let counters = rig.end();
    assert_eq!(counters.dropped(DropReason::QueueFull), 0);
    assert_eq!(counters.spilled_rows.load(Relaxed), 0);
    assert_eq!(counters.spilled_bytes.load(Relaxed), 0);
    assert_eq!(counters.delivered.load(Relaxed) + counters.dropped(DropReason::Damaged), 7);
}

/// What an earlier version left, whose position had no checksum, is sent as well.
#[test]
fn rows_behind_the_position_of_an_earlier_version_are_sent() {
    let dir = tempfile::tempdir().unwrap();
    let mut block = Block::default();
    block.push(1, &event(3), &[]);
    let segment = segment_of(dir.path(), &[block.clone(), block]);
    let mut bytes = std::fs::read(&segment).unwrap();
    let second = 16 + (bytes.len() as u64 - 16) / 2;
    for (position, rows) in [(second, 1), (second + 3, 2), (u64::MAX, 2)] {
        bytes[..8].copy_from_slice(b"MSROWS02");
        bytes[8..16].copy_from_slice(&position.to_le_bytes());
        std::fs::write(&segment, &bytes).unwrap();
        let (_, found) = Spill::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(found.segments.iter().map(Segment::undelivered_rows).sum::<u64>(), rows);
        assert_eq!(std::fs::read(&segment).unwrap()[..8], *b"MSROWS03");
    }
}

#[test]
fn rows_in_an_earlier_versions_format_are_set_aside_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut block = Block::default();
    block.push(1, &event(3), &[]);
    block.push(2, &event(4), &[]);
    let segment = segment_of(dir.path(), &[block.clone(), block]);
    let mut bytes = std::fs::read(&segment).unwrap();
    assert_eq!(&bytes[..8], b"MSROWS03");
    bytes[7] = b'1';
    std::fs::write(&segment, &bytes).unwrap();
    let mut rig = rig(1 << 20, Some((dir.path(), 1 << 20)));
    assert_eq!(std::fs::read(segment.with_extension("damaged")).unwrap(), bytes);
    rig.send([5]);
    assert_eq!(rig.drain(1), [5]);
    let counters = rig.end();
    assert_eq!((counters.recovered.load(Relaxed), counters.dropped(DropReason::Damaged)), (4, 4));
}

#[test]
fn at_the_end_as_much_is_kept_as_there_is_room_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig(1 << 20, Some((dir.path(), 1_000)));
    rig.send(0..40);
    rig.wait_taken(40);
    rig.values();
    rig.queue.stop_by(Instant::now());
    rig.answer(retry(), &[]);
    let counters = rig.end();
    let (kept, dropped) =
        (counters.spilled_rows.load(Relaxed), counters.dropped(DropReason::Shutdown));
    assert!(kept > 1 && dropped > 1 && kept + dropped == 40, "{kept} {dropped}");
    assert_eq!(counters.queued_bytes.load(Relaxed), 0);
    let next = self::rig(1 << 20, Some((dir.path(), 1 << 20)));
    assert_eq!(next.drain(kept as usize), (0..kept as u32).collect::<Vec<_>>());
    next.end();
}

/// How many rows a server would find that starts after a crash.
fn rows_after_a_crash(folder: &Path) -> u64 {
    let copy = tempfile::tempdir().unwrap();
    copy_files(folder, copy.path());
    let (_, found) = Spill::open(copy.path(), 1 << 20).unwrap();
    found.segments.iter().map(Segment::undelivered_rows).sum()
}

/// A segment with these blocks, as a server leaves it.
fn segment_of(folder: &Path, blocks: &[Block]) -> PathBuf {
    let (spill, found) = Spill::open(folder, 1 << 20).unwrap();
    assert_eq!(spill.write_before(&found.segments, blocks).blocks, blocks.len());
    let mut paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    paths.find(|path| path.extension().is_some()).unwrap()
}

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count()
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
