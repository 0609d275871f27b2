//! Log lines: one thread writes them to stderr, all others leave them in a bounded queue.
//!
//! So a stderr that nobody reads stops no worker, no scrape and no shutdown. Until that thread runs,
//! when no other thread does either, lines are written at once. They look like the original's:
//! `time="…" level=info msg="…"`. With `-log-format json` each is one JSON object (`logger/format.rs`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, Sender};
use log::{Level, LevelFilter, Log, Metadata, Record};

use self::format::Fields;
use crate::planted::{self, Fault};

mod format;
pub(crate) mod throttle;

/// Lines that wait to be written.
const QUEUE: usize = 1024;
/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_millis(500);

/// A line that waits to be written.
struct Line {
    level: Level,
    text: String,
    fields: Fields,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    writer: env_logger::Logger,
    sender: Sender<Line>,
    receiver: Receiver<Line>,
    /// Whether the writing thread runs.
    queued: AtomicBool,
    /// Lines in the queue, and the one that is being written.
    unwritten: AtomicU64,
    /// Lines that found the queue full.
    suppressed: AtomicU64,
}

/// Starts logging; to be called by main, once. `debug` shows what `-debug` adds, `json` makes each line a JSON
/// object.
pub(crate) fn start(debug: bool, json: bool) {
    let level = if debug { LevelFilter::Debug } else { LevelFilter::Info };
    let mut builder = env_logger::Builder::new();
    builder.filter_module("metrics_server", level).filter_level(LevelFilter::Off);
    builder.format(if json { format::json } else { format::text });
    let (sender, receiver) = channel::bounded(QUEUE);
    let logger = LOGGER.get_or_init(|| Logger {
        writer: builder.build(),
        sender,
        receiver,
        queued: AtomicBool::new(false),
        unwritten: AtomicU64::new(0),
        suppressed: AtomicU64::new(0),
    });
    // Fails only if a logger is set already, as in tests.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Writes lines, for as long as the process lives. Run by the thread that is made for it.
pub(crate) fn run() {
    let Some(logger) = LOGGER.get() else { return };
    logger.queued.store(true, Ordering::Relaxed);
    while let Ok(Line { level, text, fields }) = logger.receiver.recv() {
        let arguments = format_args!("{text}");
        let mut record = Record::builder();
        record.level(level).target("metrics_server").args(arguments).key_values(&fields);
        logger.writer.log(&record.build());
        logger.unwritten.fetch_sub(1, Ordering::Release);
    }
}

/// Waits until the lines so far are written, but not for long. Run by main at its end.
pub(crate) fn finish() {
    let Some(logger) = LOGGER.get() else { return };
    let deadline = Instant::now() + LAST_LINES;
    while logger.unwritten.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Counts a line that was not made: a caller has a queue of its own before this one, and it was full.
pub(crate) fn suppress() {
    if let Some(logger) = LOGGER.get() {
        logger.suppressed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lines that found the queue full.
pub(crate) fn suppressed() -> u64 {
    LOGGER.get().map_or(0, |logger| logger.suppressed.load(Ordering::Relaxed))
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.writer.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.writer.matches(record) {
            return;
        }
        if !self.queued.load(Ordering::Relaxed) {
            return self.writer.log(record);
        }
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        let (level, text) = (record.level(), record.args().to_string());
        let line = Line { level, text, fields: Fields::of(record) };
        if planted::is(Fault::LogWaits) {
            drop(self.sender.send(line));
        } else if self.sender.try_send(line).is_err() {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}
