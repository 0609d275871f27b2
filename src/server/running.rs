//! A running server: every thread, started in order and stopped in order. Main holds it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use crossbeam::channel::{self, Receiver, Sender};

use crate::config::{Config, Pin};
use crate::control::Control;
use crate::exporter::http::HttpServer;
use crate::exporter::scrape::Scrape;
use crate::ingest::dispatch::Dispatch;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::worker::Worker;
use crate::server::parts::Parts;
use crate::server::profiling::{self, Profiling};
use crate::server::sinks::{RunningSinks, Sinks};
use crate::server::threads::Threads;
use crate::stats::Stats;
use crate::sys::cpu;

/// Threads that answer scrapes: one that writes to a slow reader answers nobody else meanwhile.
const HTTP_THREADS: usize = 4;
/// How long the end waits for responses that are being written.
const LAST_RESPONSES: Duration = Duration::from_secs(2);
/// How long the end waits for a sink's last words: a connect and a look-up that nothing can interrupt, 3 s each, and
/// writing a full queue to a busy disk.
const LAST_ROWS: Duration = Duration::from_secs(20);

/// What runs.
pub(super) struct Running {
    threads: Threads,
    control: Arc<Control>,
    log: Arc<LogSlots>,
    stats: Stats,
    workers: Vec<JoinHandle<()>>,
    sinks: RunningSinks,
    scrape: Arc<Scrape>,
    http: Arc<HttpServer>,
    /// Dropped to end the exporter's timer.
    exporter_stop: Sender<()>,
    profiling: Option<profiling::Stop>,
}

impl Running {
    /// Starts all threads: first those that empty queues, then those that fill them.
    ///
    /// # Errors
    /// Those of `clone(2)` and `sched_getaffinity(2)`.
    pub(super) fn start(parts: Parts, config: &Config) -> anyhow::Result<Self> {
        log_panics();
        let mut threads = Threads::new(Arc::clone(&parts.control));
        let sinks = start_sinks(&mut threads, parts.sinks, config.remote.is_none())?;
        let workers = start_workers(&mut threads, parts.workers, config.ingest.pin)?;
        let exporter_stop = start_exporter(&mut threads, &parts.scrape)?;
        start_http(&mut threads, &parts.http)?;
        let profiling = parts.profiling.map(|it| start_profiling(&mut threads, it)).transpose()?;
        Ok(Self {
            threads,
            control: parts.control,
            log: parts.log,
            stats: parts.stats,
            workers,
            sinks,
            scrape: parts.scrape,
            http: parts.http,
            exporter_stop,
            profiling,
        })
    }

    /// What workers have left for the log.
    pub(super) fn log(&self) -> &LogSlots {
        &self.log
    }

    /// All workers' counters.
    pub(super) fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Panics that workers have caught so far.
    pub(super) fn panics(&self) -> u64 {
        self.stats.iter().map(|worker| worker.panics.get()).sum()
    }

    /// Whether all threads still run.
    ///
    /// # Errors
    /// One has ended; says which, and why.
    pub(super) fn threads_run(&self) -> anyhow::Result<()> {
        self.threads.all_run()
    }

    /// Whether a message has asked for the shutdown.
    pub(super) fn shutdown_asked(&self) -> bool {
        self.control.shutdown_asked()
    }

    /// From now on the server tells that it is about to stop.
    pub(super) fn set_unready(&self) {
        self.scrape.set_unready();
    }

    /// Stops in order: workers drain, sinks flush for at most `flush`, then the page's last word.
    ///
    /// # Errors
    /// What the first thread that failed says.
    pub(super) fn stop(mut self, flush: Duration) -> anyhow::Result<()> {
        self.control.drain();
        self.workers.drain(..).for_each(|worker| drop(worker.join()));
        let scrape = Arc::clone(&self.scrape);
        let ended = self.stop_serving(flush).wait_all(Instant::now() + LAST_RESPONSES);
        scrape.log_books();
        ended
    }

    /// Stops after a fault: workers may still run, and nobody waits for them. What is queued goes to disk.
    pub(super) fn give_up(self) {
        let scrape = Arc::clone(&self.scrape);
        drop(self.stop_serving(Duration::ZERO));
        scrape.log_books();
    }

    /// All but the workers. The page is served until sinks have flushed.
    fn stop_serving(self, flush: Duration) -> Threads {
        flush_sinks(&self.sinks, flush);
        self.http.shutdown();
        drop(self.exporter_stop);
        self.profiling.into_iter().for_each(profiling::Stop::stop);
        self.threads
    }
}

fn start_sinks(threads: &mut Threads, sinks: Sinks, low: bool) -> anyhow::Result<RunningSinks> {
    let (bodies, running) = sinks.into_threads();
    for (name, body) in bodies {
        threads.start(&name, move || {
            if low {
                cpu::stand_back(); // rows can wait, samples cannot; a router has nothing else
            }
            body();
            Ok(())
        })?;
    }
    Ok(running)
}

fn start_workers(
    threads: &mut Threads,
    workers: Vec<Worker<Dispatch>>,
    pin: Pin,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    let cores = cores(workers.len(), pin)?;
    let start = |worker: Worker<Dispatch>| {
        let core = cores.get(worker.number).copied();
        let name = format!("ingest-{}", worker.number);
        threads.start(&name, move || ingest(worker, core))
    };
    workers.into_iter().map(start).collect()
}

/// A core for each worker, or none.
fn cores(workers: usize, pin: Pin) -> anyhow::Result<Vec<usize>> {
    let allowed = cpu::allowed().context("cannot read the affinity mask")?;
    let pins = match pin {
        Pin::Auto => allowed.len() > workers,
        Pin::On => true,
        Pin::Off => false,
    };
    let pinned = if pins { workers } else { 0 };
    Ok((0..pinned).map(|worker| allowed[worker % allowed.len()]).collect())
}

fn ingest(worker: Worker<Dispatch>, core: Option<usize>) -> anyhow::Result<()> {
    if let Some(core) = core
        && let Err(error) = cpu::pin(core)
    {
        log::warn!("cannot pin a worker to core {core}: {error}; it runs unpinned");
    }
    worker.run().map_err(Into::into)
}

fn start_exporter(threads: &mut Threads, scrape: &Arc<Scrape>) -> anyhow::Result<Sender<()>> {
    let (stop, stopped) = channel::bounded(0);
    let scrape = Arc::clone(scrape);
    threads.start("exporter", move || keep_time(&scrape, &stopped))?;
    Ok(stop)
}

/// The exporter's thread: its timer, until told to stop.
fn keep_time(scrape: &Scrape, stopped: &Receiver<()>) -> anyhow::Result<()> {
    cpu::stand_back();
    loop {
        let wait = scrape.tick();
        if !matches!(stopped.recv_timeout(wait), Err(channel::RecvTimeoutError::Timeout)) {
            return Ok(());
        }
    }
}

fn start_http(threads: &mut Threads, http: &Arc<HttpServer>) -> anyhow::Result<()> {
    for number in 0..HTTP_THREADS {
        let http = Arc::clone(http);
        let serve = move || {
            cpu::stand_back(); // a page must not keep a worker from its queue
            http.run();
            Ok(())
        };
        threads.start(&format!("http-{number}"), serve)?;
    }
    Ok(())
}

fn start_profiling(
    threads: &mut Threads,
    mut profiling: Profiling,
) -> anyhow::Result<profiling::Stop> {
    let stop = profiling.stopper();
    threads.start("pyroscope", move || {
        profiling.run();
        Ok(())
    })?;
    Ok(stop)
}

/// Panics are log lines like others: the standard library's would be written by the thread itself.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!("fault: {panic}")));
}

/// Gives sinks their time to take what is left.
fn flush_sinks(sinks: &RunningSinks, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    sinks.stop_by(deadline);
    sinks.wait_ended(deadline);
    sinks.cancel(); // what is under way ends now and is kept or counted as dropped
    sinks.wait_ended(deadline + LAST_ROWS);
    sinks.complain();
}
