//! Log lines: main alone writes to stderr; other threads leave their lines in a bounded queue.
//!
//! So a blocked stderr stops no worker and no scrape. Lines have the shape of the original's:
//! `time="…" level=info msg="…"`.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use crossbeam::queue::ArrayQueue;
use log::{Level, LevelFilter, Log, Metadata, Record};

/// Lines that wait for main.
const QUEUE: usize = 1024;

static LOGGER: OnceLock<Logger> = OnceLock::new();

struct Logger {
    writer: env_logger::Logger,
    main: ThreadId,
    queue: ArrayQueue<(Level, String)>,
    suppressed: AtomicU64,
}

/// Starts logging; to be called by main, once. `debug` shows what `-debug` adds.
pub fn start(debug: bool) {
    let level = if debug { LevelFilter::Debug } else { LevelFilter::Info };
    let mut builder = env_logger::Builder::new();
    builder.filter_module("metrics_server", level).filter_level(LevelFilter::Off);
    builder.format(|out, record| {
        let level = match record.level() {
            Level::Warn => "warning".to_owned(),
            other => other.as_str().to_ascii_lowercase(),
        };
        let time = out.timestamp_seconds();
        writeln!(out, "time=\"{time}\" level={level} msg={:?}", record.args().to_string())
    });
    let logger = LOGGER.get_or_init(|| Logger {
        writer: builder.build(),
        main: thread::current().id(),
        queue: ArrayQueue::new(QUEUE),
        suppressed: AtomicU64::new(0),
    });
    // Fails only if a logger is set already, as in tests.
    if log::set_logger(logger).is_ok() {
        log::set_max_level(level);
    }
}

/// Prints what other threads have left. Run by main.
pub fn flush() {
    let Some(logger) = LOGGER.get() else { return };
    while let Some((level, text)) = logger.queue.pop() {
        log::log!(target: "metrics_server", level, "{text}");
    }
}

/// Lines that found the queue full.
pub fn suppressed() -> u64 {
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
        if thread::current().id() == self.main {
            self.writer.log(record);
        } else if self.queue.push((record.level(), record.args().to_string())).is_err() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}
