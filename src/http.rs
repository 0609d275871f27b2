//! The HTTP server: hyper on a current-thread tokio runtime, on the thread `http`.
//!
//! The thread does I/O only: it accepts connections, reads the heads of requests and writes responses. Other threads
//! make the pages, which arrive piece by piece ([`pages`]). Anybody who reaches the port may connect. So everything
//! that a client can take has a bound, and a counter tells how often the bound was reached:
//!
//! | bound | what happens past it | counted in `metrics_server_http_*` |
//! |---|---|---|
//! | connections | the one that is needed least is closed ([`connections`]), or the new one is refused | `connections_evicted_total`, or `refused_total`, reason `connections` |
//! | bytes and fields of a head | the connection is closed ([`limits`]) | `refused_total`, reason `head_size` |
//! | time of a head | the connection is closed | `refused_total`, reason `head_time` |
//! | time between two requests | the connection is closed | `idle_timeouts_total` |
//! | body of a request: none | the request is answered, then the connection is closed | `refused_total`, reason `body` |
//! | time of a response | the connection is reset | `slow_readers_total` |
//! | passwords that wait to be checked | the request is answered with 503 ([`login`]) | `logins_refused_total`, reason `queue_full` |
//! | logins and clients with failed logins that are remembered | the oldest is forgotten ([`login`]) | `logins_forgotten_total` |
//! | time for reading a changed web configuration | the request uses the version before ([`web_config`]) | `web_config_reload_timeouts_total` |
//! | descriptors | a connection is closed, or accepting pauses ([`accept`]) | `accept_errors_total`, `connections_evicted_total` |
//!
//! Requests that a client sends ahead wait in its socket until those before them are answered, so they need no bound
//! here. No other module uses hyper, except for its type [`pages::Bytes`].

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
mod yaml_bool;

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

/// The kernel takes no more bytes of a response while so many wait unsent in the socket's buffer: as many as a piece
/// of a page has. Without this bound a client that reads nothing would fill a buffer of megabytes.
const UNSENT_BYTES_MAX: u32 = 128 << 10;
/// How long the responses under way may still take once the server is told to stop.
const LAST_RESPONSES: Duration = Duration::from_secs(2);

/// A server whose socket listens already, but which answers nobody before [`Self::run`].
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    pages: Arc<dyn Pages>,
    stats: Arc<HttpStats>,
    limits: HttpLimits,
    web_config: Arc<SharedWebConfig>,
    stop: Arc<watch::Sender<bool>>,
}

/// A handle with which another thread ends [`HttpServer::run`].
#[derive(Clone, Debug)]
pub struct HttpStop(Arc<watch::Sender<bool>>);

impl HttpStop {
    /// From now on no connection is accepted, and each open one is closed after the response that is under way.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl HttpServer {
    /// Makes a server of a listening socket.
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
        // Each accepted connection inherits these options.
        let socket = SockRef::from(&listener);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_notsent_lowat(UNSENT_BYTES_MAX)?;
        let stop = Arc::new(watch::channel(false).0);
        Ok(Self { listener, pages, stats, limits, web_config, stop })
    }

    /// A handle that ends this server.
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
        // The tasks own the connections. Those that are still open have had their time, so they are closed here.
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
            slow_reader_log: RefCell::new(Throttle::new(self.limits.log_interval)),
            limits: self.limits,
            web_config: self.web_config,
            connections: Connections::default(),
            stopping: self.stop.subscribe(),
        });
        let memory = task::spawn_local(memory::give_back(Rc::clone(&shared)));
        connection::unless_stopping(&shared.stopping, accept::accept(&shared, &listener)).await;
        drop(listener);
        memory.abort();
        let all_ended = pin!(shared.connections.all_ended());
        drop(tokio::time::timeout(LAST_RESPONSES, all_ended).await);
        Ok(())
    }
}
