//! The HTTP server: `tiny_http` and the guards around it; no other file names that library.
//!
//! The library accepts and reads on threads of its own. Our receiving threads ([`HttpServer::run`]) take
//! requests from its queue, answer them ([`answer`]) and watch over it. What the library lacks, and what is done about it:
//!
//! | it | here |
//! |---|---|
//! | ends its accepting thread for good when descriptors run out | noticed by that thread's listener being closed; rebuilt on a clone, with descriptors from a reserve |
//! | writes to a reader that does not read for ever | writes time out, a response has a total deadline, and then the connection is shut down |
//! | reads the rest of a request's body before the connection goes on, into a buffer of the announced size | the connection's reading side is shut down first; requests that announce too much are never dropped |
//! | takes a thread for each silent connection | the kernel defers them |
//!
//! It cannot be kept from endless or drip-fed request heads: the port belongs on a private address.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod encoding;
mod listener;
mod paced;
mod respond;
mod server;
pub(crate) mod stats;

use std::io;
use std::mem::ManuallyDrop;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tiny_http::{Header, Request, Server};

use self::listener::is_same_socket;
pub use self::server::HttpServer;
use crate::clock;

/// The library reads bodies up to this size itself, before we see the request.
const BODY_READ_AHEAD: usize = 1024;
/// Dropping a request allocates the announced rest of its body, and a failed allocation ends the process.
const BODY_MAX: usize = 64 << 20;

/// One server of the library's: it accepts as long as its thread lives; its queue may live longer.
struct Generation {
    server: Server,
    descriptor: RawFd,
    failed: AtomicBool,
    last_request_ns: AtomicU64,
}

impl Generation {
    /// Starts to accept on a clone of the listener.
    fn start(listener: &TcpListener) -> io::Result<Self> {
        let listener = listener.try_clone()?;
        let descriptor = listener.as_raw_fd();
        // The library panics where no thread is to be had.
        let server = catch_unwind(AssertUnwindSafe(|| Server::from_listener(listener, None)))
            .map_err(|_| io::Error::other("no thread could be started"))?
            .map_err(io::Error::other)?;
        let last_request_ns = AtomicU64::new(clock::now_ns());
        Ok(Self { server, descriptor, failed: AtomicBool::new(false), last_request_ns })
    }

    /// Whether its thread still accepts connections on this listener.
    fn accepts(&self, listener: &TcpListener) -> bool {
        !self.failed.load(Relaxed) && is_same_socket(self.descriptor, listener)
    }

    /// The next request; `None` after `timeout`, after [`Generation::wake`] and after a failed accept.
    fn wait(&self, timeout: Duration) -> Option<Incoming> {
        self.received(self.server.recv_timeout(timeout))
    }

    /// A request that is there already.
    fn poll(&self) -> Option<Incoming> {
        self.received(self.server.try_recv())
    }

    /// Ends one thread's [`Generation::wait`], or the next one.
    fn wake(&self) {
        self.server.unblock();
    }

    fn received(&self, result: io::Result<Option<Request>>) -> Option<Incoming> {
        match result {
            Ok(Some(request)) => {
                self.touch();
                Some(Incoming(request))
            }
            Ok(None) => None,
            Err(_) => {
                self.failed.store(true, Relaxed);
                None
            }
        }
    }

    fn touch(&self) {
        self.last_request_ns.store(clock::now_ns(), Relaxed);
    }

    fn silent_for(&self) -> Duration {
        Duration::from_nanos(clock::now_ns().saturating_sub(self.last_request_ns.load(Relaxed)))
    }
}

impl Drop for Generation {
    /// Requests that nobody took go as carefully as others; a wake-up looks like an empty queue, once.
    fn drop(&mut self) {
        let mut empty = 0;
        while empty < 2 {
            match self.poll() {
                Some(request) if request.announces_too_much() => request.never_drop(),
                Some(_) => {}
                None => empty += 1,
            }
        }
    }
}

/// A request that waits for its answer.
struct Incoming(Request);

impl Incoming {
    fn peer(&self) -> Option<SocketAddr> {
        self.0.remote_addr().copied()
    }

    fn method(&self) -> &str {
        self.0.method().as_str()
    }

    fn target(&self) -> &str {
        self.0.url()
    }

    fn header_values(&self, name: &'static str) -> impl Iterator<Item = &str> {
        let named = move |header: &&Header| header.field.equiv(name);
        self.0.headers().iter().filter(named).map(|header| header.value.as_str())
    }

    /// Whether dropping it would allocate more than can be had.
    fn announces_too_much(&self) -> bool {
        self.0.body_length().is_some_and(|length| length > BODY_MAX)
    }

    /// Whether dropping it would wait for the client to send the rest of a body.
    fn has_unread_body(&self) -> bool {
        let has = |name| self.header_values(name).next().is_some();
        let length = self.0.body_length().unwrap_or(0);
        has("Transfer-Encoding") || length > BODY_READ_AHEAD || (length > 0 && has("Expect"))
    }

    /// Leaks it with its connection's two descriptors and the library's thread that waits for it: less than
    /// what dropping it does.
    fn never_drop(self) {
        let _leaked = ManuallyDrop::new(self);
    }
}
