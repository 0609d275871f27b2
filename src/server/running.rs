//! A running server: every thread, started in order and stopped in order. Main holds it.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::config::Pin;
use crate::control::Control;
use crate::exporter::scrape::Readiness;
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::http::HttpStop;
use crate::http::web_config::Reread;
use crate::ingest::log_slots::LogSlots;
use crate::server::parts::Parts;
use crate::server::profiling;
use crate::server::sinks::RunningSinks;
use crate::server::start;
use crate::server::threads::Threads;
use crate::stats::{Counter, Stats, WorkerStats};

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
    readiness: Arc<Readiness>,
    udp_sockets: Arc<UdpSocketStats>,
    /// Ends the HTTP server, and with it the threads that make its pages.
    http: HttpStop,
    /// Has the file of `-web-config-file` read again, where there is one.
    reread_web_config: Option<Reread>,
    profiling: Option<profiling::ProfilingStop>,
}

impl Running {
    /// Starts all threads: first those that empty queues, then those that fill them.
    ///
    /// # Errors
    /// Those of `clone(2)` and `sched_getaffinity(2)`.
    pub(super) fn start(parts: Parts, pin: Pin, is_router: bool) -> anyhow::Result<Self> {
        log_panics();
        let mut threads = Threads::new(Arc::clone(&parts.control));
        let sinks = start::sinks(&mut threads, parts.sinks, is_router)?;
        let workers = start::workers(&mut threads, parts.workers, pin)?;
        let (http, readiness) =
            (parts.serving.http.stop_handle(), Arc::clone(&parts.serving.readiness));
        let reread_web_config = parts.serving.reread_web_config.clone();
        start::serving(&mut threads, parts.serving)?;
        let profiling = parts.profiling.map(|it| start::profiling(&mut threads, it)).transpose()?;
        Ok(Self {
            threads,
            control: parts.control,
            log: parts.log,
            stats: parts.stats,
            workers,
            sinks,
            readiness,
            udp_sockets: parts.udp_sockets,
            http,
            reread_web_config,
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

    /// Has the file of `-web-config-file` read again, if there is one.
    pub(super) fn reread_web_config(&self) {
        self.reread_web_config.iter().for_each(Reread::ask);
    }

    /// Whether a message has asked for the shutdown.
    pub(super) fn shutdown_asked(&self) -> bool {
        self.control.shutdown_asked()
    }

    /// From now on the server tells that it is about to stop.
    pub(super) fn set_unready(&self) {
        self.readiness.end();
    }

    /// Stops in order: workers drain, sinks flush for at most `flush`, then the page's last word.
    ///
    /// # Errors
    /// What the first thread that failed says.
    pub(super) fn stop(mut self, flush: Duration) -> anyhow::Result<()> {
        self.control.drain();
        self.workers.drain(..).for_each(|worker| drop(worker.join()));
        let (stats, udp_sockets) = (Arc::clone(&self.stats), Arc::clone(&self.udp_sockets));
        let ended = self.stop_serving(flush).wait_all(Instant::now() + LAST_RESPONSES);
        log_totals(&stats, &udp_sockets);
        ended
    }

    /// Stops after a fault: workers may still run, and nobody waits for them. Rows that are queued go to disk;
    /// datagrams that wait are counted, on the last pages as well.
    pub(super) fn give_up(self) {
        let (stats, udp_sockets) = (Arc::clone(&self.stats), Arc::clone(&self.udp_sockets));
        udp_sockets.discard();
        drop(self.stop_serving(Duration::ZERO));
        log_totals(&stats, &udp_sockets);
    }

    /// All but the workers. The page is served until sinks have flushed.
    fn stop_serving(self, flush: Duration) -> Threads {
        flush_sinks(&self.sinks, flush);
        self.http.stop();
        self.profiling.into_iter().for_each(profiling::ProfilingStop::stop);
        self.threads
    }
}

/// Panics are log lines like others: the standard library's would be written by the thread itself.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!("fault: {panic}")));
}

/// Says what was received and what became of it.
fn log_totals(stats: &Stats, udp_sockets: &UdpSocketStats) {
    let sum =
        |count: fn(&WorkerStats) -> u64| stats.iter().map(|worker| count(worker)).sum::<u64>();
    log::info!(
        "Received {} datagrams, {} messages: {} accepted, {} rejected; the kernel dropped {} datagrams, and \
         {} were left unread",
        sum(|worker| worker.datagrams.get()),
        sum(|worker| worker.framed.get()),
        sum(|worker| worker.accepted.iter().map(Counter::get).sum()),
        sum(|worker| worker.rejected.iter().map(Counter::get).sum()),
        udp_sockets.read().iter().map(|socket| socket.drops).sum::<u64>(),
        udp_sockets.unread(),
    );
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
