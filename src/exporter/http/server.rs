//! The receiving threads: they answer requests and keep the library's server accepting.
//!
//! Several threads run [`HttpServer::run`]; whichever comes by when it is time looks after the server.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

use super::answer::{Answer, Pages, is_metrics};
use super::encoding::asks_for_gzip;
use super::listener::{Reserve, prepare};
use super::respond::Ending;
use super::stats::HttpStats;
use super::{Generation, Incoming};
use crate::sys::tcp;

/// How often the accepting thread is looked after: the longest wait for a request of the one receiving
/// thread that keeps watch. At rest that is all that wakes up here.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The longest wait of the others, which come by as well in case the first is busy with a slow reader.
const WAIT: Duration = Duration::from_secs(10);
/// The longest wait while clients of a replaced server may still send requests to it.
const WAIT_WITH_RETIRED: Duration = Duration::from_millis(20);
/// A rebuilt server that accepts for so long has descriptors enough: the reserve is filled again.
const SETTLED: Duration = Duration::from_secs(5);
/// A replaced server whose clients have been silent for so long is given up.
const RETIRED_FOR: Duration = Duration::from_mins(10);
/// More replaced servers than this are not kept.
const RETIRED_MAX: usize = 32;
/// Restarts in a row are logged this often.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Serves [`Pages`]; receiving threads call [`HttpServer::run`].
pub struct HttpServer {
    pages: Arc<dyn Pages>,
    stats: Arc<HttpStats>,
    response_limit: Duration,
    listener: TcpListener,
    addr: SocketAddr,
    generations: RwLock<Generations>,
    watch: Mutex<Watch>,
    stopping: AtomicBool,
    /// Whether a receiving thread keeps watch.
    watched: AtomicBool,
    /// Receiving threads.
    receivers: AtomicUsize,
}

/// The server that accepts, and those before it that may still have clients.
#[derive(Clone)]
struct Generations {
    current: Arc<Generation>,
    retired: Vec<Arc<Generation>>,
}

/// What the watch remembers; one thread at a time has it.
struct Watch {
    checked: Instant,
    built: Instant,
    logged: Option<Instant>,
    reserve: Reserve,
}

impl HttpServer {
    /// Starts to accept on a bound listener; nothing is answered before [`HttpServer::run`] is called.
    /// A response may take `response_limit` in all.
    ///
    /// # Errors
    /// Those of the socket options, of cloning the listener and of starting the library's threads.
    pub fn start(
        listener: TcpListener,
        pages: Arc<dyn Pages>,
        stats: Arc<HttpStats>,
        response_limit: Duration,
    ) -> io::Result<Self> {
        prepare(&listener)?;
        let addr = listener.local_addr()?;
        let current = Arc::new(Generation::start(&listener)?);
        let now = Instant::now();
        let mut reserve = Reserve::default();
        reserve.refill();
        Ok(Self {
            pages,
            stats,
            response_limit,
            listener,
            addr,
            generations: RwLock::new(Generations { current, retired: Vec::new() }),
            watch: Mutex::new(Watch { checked: now, built: now, logged: None, reserve }),
            stopping: AtomicBool::new(false),
            watched: AtomicBool::new(false),
            receivers: AtomicUsize::new(0),
        })
    }

    /// The address that is listened on.
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// What was counted so far.
    pub const fn stats(&self) -> &Arc<HttpStats> {
        &self.stats
    }

    /// Answers requests until [`HttpServer::shutdown`]; to be run by several threads at once, since one that
    /// writes to a slow reader answers nobody else.
    pub fn run(&self) {
        self.receivers.fetch_add(1, Relaxed);
        let wait_idle = if self.watched.swap(true, Relaxed) { WAIT } else { WATCH_EVERY };
        while !self.stopping.load(Relaxed) {
            let generations = self.generations.read().clone();
            let wait = if generations.retired.is_empty() { wait_idle } else { WAIT_WITH_RETIRED };
            if let Some(request) = generations.current.wait(wait) {
                self.serve(request);
            }
            for retired in &generations.retired {
                while let Some(request) = retired.poll() {
                    self.serve(request);
                }
            }
            self.tend();
        }
        // Each thread that leaves wakes the next.
        self.generations.read().current.wake();
    }

    /// Ends every [`HttpServer::run`] after the response that it is writing, and refuses new connections.
    pub fn shutdown(&self) {
        self.stopping.store(true, Relaxed);
        // Wakes the accepting thread; where it is gone already, there is nothing to wake.
        let _ = socket2::SockRef::from(&self.listener).shutdown(Shutdown::Both);
        self.generations.read().current.wake();
    }

    /// Answers one request; faults of the pages are caught nearer, this is for those of the library.
    fn serve(&self, request: Incoming) {
        if catch_unwind(AssertUnwindSafe(|| self.answer(request))).is_err() {
            self.stats.count_panic();
        }
    }

    fn answer(&self, request: Incoming) {
        let peer = request.peer();
        if request.announces_too_much() {
            self.stats.count_refused_body();
            self.shut_down(peer, Shutdown::Both);
            request.never_drop();
            return;
        }
        if request.has_unread_body() {
            self.shut_down(peer, Shutdown::Read);
        }
        let is_metrics = is_metrics(request.target());
        let _in_flight = is_metrics.then(|| self.stats.begin());
        let gzip = asks_for_gzip(request.header_values("Accept-Encoding"));
        let answer =
            Answer::to(&*self.pages, &self.stats, request.method(), request.target(), gzip);
        request.respond(answer, self.response_limit, |ending| match ending {
            Ending::Whole(bytes) if is_metrics => self.stats.tell_bytes(bytes),
            Ending::Whole(_) => {}
            Ending::ByClosing => self.shut_down(peer, Shutdown::Write),
            Ending::Failed(kind) => {
                if kind == ErrorKind::TimedOut {
                    self.stats.count_slow_reader();
                }
                // The client could not tell where a later response begins.
                self.shut_down(peer, Shutdown::Both);
            }
        });
    }

    fn shut_down(&self, peer: Option<SocketAddr>, how: Shutdown) {
        if let Some(peer) = peer {
            tcp::shutdown_accepted(self.addr.port(), peer, how);
        }
    }

    /// Rebuilds the library's server where it has stopped to accept; at most once per [`WATCH_EVERY`].
    fn tend(&self) {
        let Some(mut watch) = self.watch.try_lock() else { return };
        if watch.checked.elapsed() < WATCH_EVERY || self.stopping.load(Relaxed) {
            return;
        }
        watch.checked = Instant::now();
        let accepts = self.generations.read().current.accepts(&self.listener);
        if !accepts {
            self.rebuild(&mut watch);
        } else if watch.built.elapsed() >= SETTLED {
            watch.reserve.refill();
        }
        drop(watch);
        // Dropped here, outside of the lock: a server connects to itself as it goes.
        let _given_up = self.give_up_retired();
    }

    fn rebuild(&self, watch: &mut Watch) {
        watch.reserve.release();
        let started = Generation::start(&self.listener);
        if watch.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY) {
            watch.logged = Some(Instant::now());
            match &started {
                Ok(_) => log::warn!(
                    "the HTTP server stopped accepting connections and was started again"
                ),
                Err(error) => log::warn!(
                    "the HTTP server stopped accepting connections: {error}; will try again"
                ),
            }
        }
        if let Ok(generation) = started {
            watch.built = Instant::now();
            self.stats.count_restart();
            let mut generations = self.generations.write();
            let retired = std::mem::replace(&mut generations.current, Arc::new(generation));
            retired.touch();
            // Those that wait on it come over to the new one.
            (0..self.receivers.load(Relaxed)).for_each(|_| retired.wake());
            generations.retired.push(retired);
        }
    }

    fn give_up_retired(&self) -> Vec<Arc<Generation>> {
        if self.generations.read().retired.is_empty() {
            return Vec::new();
        }
        let mut generations = self.generations.write();
        let surplus = generations.retired.len().saturating_sub(RETIRED_MAX);
        let mut given_up: Vec<_> = generations.retired.drain(..surplus).collect();
        given_up.extend(
            generations.retired.extract_if(.., |retired| retired.silent_for() > RETIRED_FOR),
        );
        given_up
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer")
            .field("addr", &self.addr)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
