//! The HTTP server: hyper on a current-thread tokio runtime, on the thread `http`.
//!
//! The thread does I/O only: it accepts, reads heads and writes bodies. Pages are made by other threads and
//! arrive piece by piece ([`pages`]). Anybody who reaches the port may connect, so everything that a client can
//! take has a bound, and each bound a counter:
//!
//! | bound | past it |
//! |---|---|
//! | connections | the one that is needed least is closed, or the new one refused ([`connections`]) |
//! | bytes, fields and time of a head, time between requests | the connection is closed ([`limits`]) |
//! | body of a request | none is read; the request is answered and the connection closed |
//! | time of a response | the connection is reset |
//! | requests sent ahead | they wait in the socket until those before them are answered |
//! | descriptors | a connection is closed, or accepting pauses ([`accept`]) |
//!
//! Nothing else uses hyper but for its type of bytes.

mod accept;
mod accept_encoding;
mod body;
mod connection;
mod connections;
mod limits;
mod login;
mod memory;
mod network;
pub(crate) mod pages;
mod progress;
mod refusal;
mod router;
mod state;
mod stats;
mod stream;
mod tls;
pub(crate) mod web_config;

use std::cell::RefCell;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{self, LocalSet};

use self::connections::Connections;
pub use self::limits::HttpLimits;
use self::pages::Pages;
use self::refusal::RefusalLog;
pub use self::refusal::{Evicted, Refusal};
use self::state::ServerState;
pub use self::stats::HttpStats;
pub use self::web_config::SharedWebConfig;
use crate::logger::throttle::Throttle;

/// Bytes that wait in a socket's buffer unsent; as many again are in a piece. A reader that takes nothing
/// would otherwise fill a buffer of megabytes in the kernel.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// How long responses may go on once the server is told to stop.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    pages: Arc<dyn Pages>,
    stats: Arc<HttpStats>,
    limits: HttpLimits,
    web_config: Arc<SharedWebConfig>,
    stop: Arc<watch::Sender<bool>>,
}

/// Ends [`HttpServer::run`] from another thread.
#[derive(Clone, Debug)]
pub struct HttpStop(Arc<watch::Sender<bool>>);

impl HttpStop {
    /// Refuses new connections, and ends those that are open after the response at hand.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl HttpServer {
    /// Over a listening socket.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn new(
        listener: TcpListener,
        pages: Arc<dyn Pages>,
        stats: Arc<HttpStats>,
        limits: HttpLimits,
        web_config: Arc<SharedWebConfig>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Connections inherit these.
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let stop = Arc::new(watch::channel(false).0);
        Ok(Self { listener, pages, stats, limits, web_config, stop })
    }

    /// How to end it.
    pub fn stop_handle(&self) -> HttpStop {
        HttpStop(Arc::clone(&self.stop))
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// Those of starting the runtime; none once it serves.
    pub fn run(self) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, self.serve())?;
        // Connections that are still open have had their time; this closes them.
        drop(tasks);
        Ok(())
    }

    async fn serve(self) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let shared = Rc::new(ServerState {
            pages: self.pages,
            stats: self.stats,
            refusal_log: RefusalLog::new(self.limits.log_interval),
            accept_log: RefCell::new(Throttle::new(self.limits.log_interval)),
            limits: self.limits,
            web_config: self.web_config,
            connections: Connections::default(),
            stopping: self.stop.subscribe(),
        });
        let memory = task::spawn_local(memory::give_back(Rc::clone(&shared)));
        connection::unless_stopping(&shared.stopping, accept::accept(&shared, &listener)).await;
        drop(listener);
        memory.abort();
        // A connection that ends drops its share.
        let all_ended = pin!(shared.connections.all_ended());
        drop(tokio::time::timeout(LAST_RESPONSES, all_ended).await);
        Ok(())
    }
}
