//! Accepts connections: in bursts, between which the open connections are served, and also after descriptors
//! have run out.
//!
//! Runs on the thread `http`, as its main task.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::task;
use tokio::time::sleep;

use super::connection;
use super::progress::Progress;
use super::refusal::Refusal;
use super::state::ServerState;

/// How long accepting pauses when the process, or the system, has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// How many connections are accepted in a row before those that are open get their turn.
const BURST: u64 = 32;

/// Accepts connections until the future is dropped.
pub(super) async fn accept(shared: &Rc<ServerState>, listener: &TcpListener) {
    for number in 0.. {
        match listener.accept().await {
            Ok((stream, peer)) => admit(shared, number, stream, peer).await,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => make_descriptors(shared, &error).await,
        }
        if number % BURST == 0 {
            task::yield_now().await;
        }
    }
}

/// Starts the task that serves a new connection. Where there are too many already, one of them is closed for it, or
/// the new one is refused.
async fn admit(shared: &Rc<ServerState>, number: u64, stream: TcpStream, peer: SocketAddr) {
    shared.stats.count_accepted();
    if shared.connections.len() >= shared.limits.connections_max {
        match shared.connections.evict(peer.ip()) {
            Some(waiting_for) => {
                shared.stats.count_evicted(waiting_for);
                task::yield_now().await; // the runtime closes the evicted one meanwhile
            }
            None => return shared.refuse(Refusal::Connections, peer),
        }
    }
    let progress = Progress::new();
    let serve = connection::serve(Rc::clone(shared), stream, peer, Rc::clone(&progress));
    let open = OpenConnection { shared: Rc::clone(shared), number };
    let task = task::spawn_local(async {
        let _open = open;
        serve.await;
    });
    shared.connections.add(number, peer.ip(), progress, task.abort_handle());
    shared.stats.set_connections(shared.connections.len());
}

/// Removes a connection from the table when its task ends: by itself, by an eviction, or by a panic.
struct OpenConnection {
    shared: Rc<ServerState>,
    number: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.stats.count_panic(); // the runtime catches it
        }
        self.shared.connections.remove(self.number);
        self.shared.stats.set_connections(self.shared.connections.len());
    }
}

/// Whether `accept(2)` reports an error of the one connection that it would have returned. Linux hands over network
/// errors that the connection has met while it waited, and the manual names those to expect of TCP. The next
/// connection may be accepted at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::INTR
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::NONET
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::PROTO
        )
    )
}

/// Closes the connection that is needed least, since descriptors or memory have run out. Where none can be closed,
/// accepting pauses.
async fn make_descriptors(shared: &Rc<ServerState>, error: &io::Error) {
    shared.stats.count_accept_error();
    log_accept_error(shared, error);
    match shared.connections.evict(Ipv4Addr::UNSPECIFIED.into()) {
        Some(waiting_for) => {
            shared.stats.count_evicted(waiting_for);
            task::yield_now().await;
        }
        None => sleep(PAUSE).await,
    }
}

fn log_accept_error(shared: &ServerState, error: &io::Error) {
    let mut throttle = shared.accept_log.borrow_mut();
    if throttle.allows() {
        let left_out = throttle.left_out();
        log::warn!("http: cannot accept connections for now: {error}{left_out}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_connection_are_those_that_the_manual_of_accept_names() {
        let manual = [
            Errno::NETDOWN,
            Errno::PROTO,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::NONET,
            Errno::HOSTUNREACH,
            Errno::OPNOTSUPP,
            Errno::NETUNREACH,
            Errno::CONNABORTED,
            Errno::INTR,
        ];
        for errno in manual {
            assert!(is_of_one_connection(&errno.into()), "{errno:?}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(!is_of_one_connection(&errno.into()), "{errno:?}");
        }
    }
}
