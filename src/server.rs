//! Binds everything, starts every thread, waits, and stops them in order.
//!
//! The only file that starts threads. Two phases: [`Server::bind`] opens whatever the flags ask for
//! and fails early with the flag's name; [`Server::run`] starts the threads and waits on main.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use crossbeam::channel::{self, Receiver, Sender};
use mio::{Poll, Token, Waker};

use crate::config::{Config, Pin};
use crate::control::Control;
use crate::exporter::http::HttpServer;
use crate::exporter::http::answer::Pages;
use crate::exporter::scrape::Scrape;
use crate::ingest::dispatch::Dispatch;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::worker::Worker;
use crate::server::bound::Bound;
use crate::server::printer::Printer;
use crate::server::signals::Signals;
use crate::server::sinks::RunningSinks;
use crate::sys::cpu;

mod bound;
mod printer;
mod profiling;
mod signals;
mod sinks;
mod unix_path;

/// Main's tokens.
pub(crate) const MAIN_WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);

/// Threads that answer scrapes: one that writes to a slow reader answers nobody else meanwhile.
const HTTP_THREADS: usize = 4;
/// How long the end waits for responses that are being written.
const LAST_RESPONSES: Duration = Duration::from_secs(2);
/// How long the end waits for a sink's last words: a connect and a look-up that nothing can interrupt, 3 s each, and
/// writing a full queue to a busy disk.
const LAST_ROWS: Duration = Duration::from_secs(20);
/// Panics of all workers in a minute past which something is so wrong that a restart is better.
const PANICS_PER_MINUTE_MAX: u64 = 10;

/// The server with everything open and no thread started.
#[derive(Debug)]
pub(crate) struct Server {
    config: Config,
    poll: Poll,
    signals: Signals,
    bound: Bound,
}

/// A thread's name and how it ended.
type Ended = (String, anyhow::Result<()>);

/// What runs.
struct Running {
    scrape: Arc<Scrape>,
    http: Arc<HttpServer>,
    control: Arc<Control>,
    log: Arc<LogSlots>,
    ended: Receiver<Ended>,
    sender: Sender<Ended>,
    workers: Vec<JoinHandle<()>>,
    workers_started: usize,
    /// Threads besides workers and sinks whose end is waited for.
    others: usize,
    /// What rows wait in.
    sinks: RunningSinks,
    /// Their threads.
    sink_threads: usize,
    /// Threads that have ended, and what the first that failed said.
    ends: usize,
    failed: Option<anyhow::Error>,
    /// Ends the profiler.
    profiling: Option<profiling::Stop>,
    /// Dropped to end the exporter's timer.
    exporter_stop: Option<Sender<()>>,
}

impl Server {
    /// Checks what can be checked without opening a socket: addresses and certificates of sinks.
    ///
    /// # Errors
    /// Names flag or variable, and cause.
    pub(crate) fn check(config: &Config) -> anyhow::Result<()> {
        sinks::check(config)
    }

    /// Opens sockets and files.
    ///
    /// # Errors
    /// What a flag asked for and cannot be had; the message names flag, value and cause.
    pub(crate) fn bind(config: Config) -> anyhow::Result<Self> {
        let poll = Poll::new().context("cannot make an epoll")?;
        let signals = Signals::catch(poll.registry(), SIGNALS).context("cannot catch signals")?;
        let main = Arc::new(Waker::new(poll.registry(), MAIN_WAKER)?);
        let bound = Bound::open(&config, main)?;
        Ok(Self { config, poll, signals, bound })
    }

    /// Runs until a signal, `op: shutdown`, or a fault.
    ///
    /// # Errors
    /// A thread ended that must not, or more panics were caught than can be an accident.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        start_logger()?;
        let mut running = self.start()?;
        let watched = self.watch(&running);
        // In order, whatever the reason: no new data, drain, then the page's last word.
        self.bound.unlink();
        if watched.is_ok() {
            running.control.drain();
            running.workers.drain(..).for_each(|worker| drop(worker.join()));
        }
        // After a fault workers may still run: what is queued now goes to disk.
        let flush = if watched.is_ok() { self.config.queue.flush_timeout } else { Duration::ZERO };
        running.flush_sinks(flush);
        running.http.shutdown();
        drop(running.exporter_stop.take());
        running.profiling.take().into_iter().for_each(profiling::Stop::stop);
        let ended = if watched.is_ok() { running.wait_for_others() } else { Ok(()) };
        running.scrape.log_books();
        watched.and(ended)
    }

    fn start(&mut self) -> anyhow::Result<Running> {
        let (sender, ended) = channel::unbounded(); // one message per thread
        let parts = self.bound.take_parts(&self.config)?;
        let (exporter_stop, exporter_stopped) = channel::bounded(0);
        log_panics();
        let mut running = Running {
            scrape: Arc::clone(&parts.scrape),
            http: parts.http,
            control: parts.control,
            log: parts.log,
            ended,
            sender,
            workers: Vec::new(),
            workers_started: 0,
            others: 0,
            sinks: RunningSinks::default(),
            sink_threads: 0,
            ends: 0,
            failed: None,
            profiling: None,
            exporter_stop: Some(exporter_stop),
        };
        let (threads, sinks) = parts.sinks.into_threads();
        (running.sinks, running.sink_threads) = (sinks, threads.len());
        let counts = self.config.remote.is_none();
        for (name, body) in threads {
            running.spawn(&name, move || {
                if counts {
                    cpu::stand_back(); // rows can wait, samples cannot; a router has nothing else
                }
                body();
                Ok(())
            })?;
        }
        let cores = self.pinning(parts.workers.len())?;
        for worker in parts.workers {
            let core = cores.get(worker.number).copied();
            let name = format!("ingest-{}", worker.number);
            let handle = running.spawn(&name, move || ingest(worker, core))?;
            running.workers.push(handle);
        }
        running.workers_started = running.workers.len();
        let scrape = Arc::clone(&running.scrape);
        running.spawn("exporter", move || keep_time(&scrape, &exporter_stopped))?;
        for number in 0..HTTP_THREADS {
            let http = Arc::clone(&running.http);
            let serve = move || {
                cpu::stand_back(); // a page must not keep a worker from its queue
                http.run();
                Ok(())
            };
            running.spawn(&format!("http-{number}"), serve)?;
        }
        running.others = 1 + HTTP_THREADS;
        if let Some(mut profiling) = parts.profiling {
            running.profiling = Some(profiling.stopper());
            running.spawn("pyroscope", move || {
                profiling.run();
                Ok(())
            })?;
            running.others += 1;
        }
        Ok(running)
    }

    /// A core for each worker, or none.
    fn pinning(&self, workers: usize) -> anyhow::Result<Vec<usize>> {
        let allowed = cpu::allowed().context("cannot read the affinity mask")?;
        let pins = match self.config.ingest.pin {
            Pin::Auto => allowed.len() > workers,
            Pin::On => true,
            Pin::Off => false,
        };
        Ok(if pins {
            (0..workers).map(|worker| allowed[worker % allowed.len()]).collect()
        } else {
            Vec::new()
        })
    }

    /// Waits for the reason to stop, and through the shutdown delay.
    fn watch(&mut self, running: &Running) -> anyhow::Result<()> {
        let mut events = mio::Events::with_capacity(16);
        let mut printer = Printer::new(self.config.log.interval);
        let mut panics = PanicRate::new();
        let mut deadline: Option<Instant> = None;
        loop {
            let next = [printer.next_due(), deadline].into_iter().flatten().min();
            let timeout = next.map(|due| due.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => other.context("cannot wait for events")?,
            }
            self.signals.look();
            printer.print(&running.log, &self.bound.stats);
            if let Ok((name, result)) = running.ended.try_recv() {
                result.with_context(|| format!("thread {name} failed"))?;
                bail!("thread {name} ended by itself");
            }
            if panics.too_many(self.bound.stats.iter().map(|worker| worker.panics.get()).sum()) {
                bail!("more than {PANICS_PER_MINUTE_MAX} faults in a minute; the log has them");
            }
            let asked = self.signals.stops > 0 || running.control.shutdown_asked();
            if deadline.is_none() && asked {
                running.scrape.set_unready();
                let delay = self.config.shutdown.delay;
                log::info!("Shut down in {delay:?}");
                deadline = Some(Instant::now() + delay);
            }
            let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if passed || self.signals.stops > 1 {
                return Ok(());
            }
        }
    }
}

/// Starts the thread that writes log lines. It ends with the process: nobody waits for it, since stderr
/// may be blocked.
#[expect(
    clippy::disallowed_methods,
    reason = "with `Running::spawn` the place where threads start"
)]
fn start_logger() -> anyhow::Result<()> {
    let builder = thread::Builder::new().name("logger".to_owned());
    builder.spawn(crate::logger::run).context("cannot start thread logger")?;
    Ok(())
}

impl Running {
    /// Gives sinks their time to take what is left; the page is served meanwhile.
    fn flush_sinks(&mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        self.sinks.stop_by(deadline);
        self.sinks.wait_ended(deadline);
        self.sinks.cancel(); // what is under way ends now and is kept or counted as dropped
        self.sinks.wait_ended(deadline + LAST_ROWS);
        self.sinks.complain();
    }

    /// Waits for the exporter and the HTTP threads, but not for a client that reads slowly.
    fn wait_for_others(&mut self) -> anyhow::Result<()> {
        let all = self.workers_started + self.sink_threads + self.others;
        self.wait_for_ends(all, Instant::now() + LAST_RESPONSES);
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Waits until so many threads have ended in all.
    fn wait_for_ends(&mut self, ends: usize, deadline: Instant) {
        while self.ends < ends {
            let Ok((name, result)) = self.ended.recv_deadline(deadline) else { return };
            self.ends += 1;
            if let Err(error) = result {
                self.failed.get_or_insert(error.context(format!("thread {name} failed")));
            }
        }
    }

    /// Starts a thread whose end main hears of, with a panic as an error.
    #[expect(clippy::disallowed_methods, reason = "the one place where threads are started")]
    fn spawn(
        &self,
        name: &str,
        run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<JoinHandle<()>> {
        let (sender, control) = (self.sender.clone(), Arc::clone(&self.control));
        let own_name = name.to_owned();
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
                Err(anyhow::anyhow!("panic: {text}"))
            });
            // Main may be gone already, at the end.
            drop(sender.send((own_name, result)));
            control.wake_main();
        };
        let builder = thread::Builder::new().name(name.to_owned());
        builder.spawn(body).with_context(|| format!("cannot start thread {name}"))
    }
}

fn ingest(worker: Worker<Dispatch>, core: Option<usize>) -> anyhow::Result<()> {
    if let Some(core) = core
        && let Err(error) = cpu::pin(core)
    {
        log::warn!("cannot pin a worker to core {core}: {error}; it runs unpinned");
    }
    worker.run().map_err(Into::into)
}

/// Panics are log lines like others: the standard library's would be written by the thread itself.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!("fault: {panic}")));
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

/// How many panics were caught within the current minute.
struct PanicRate {
    since: Instant,
    before: u64,
}

impl PanicRate {
    fn new() -> Self {
        Self { since: Instant::now(), before: 0 }
    }

    fn too_many(&mut self, total: u64) -> bool {
        if self.since.elapsed() > Duration::from_mins(1) {
            (self.since, self.before) = (Instant::now(), total);
        }
        total - self.before > PANICS_PER_MINUTE_MAX
    }
}

/// The pages of a running server, for whoever serves them.
pub(crate) fn pages(scrape: &Arc<Scrape>) -> Arc<dyn Pages> {
    Arc::clone(scrape) as Arc<dyn Pages>
}
