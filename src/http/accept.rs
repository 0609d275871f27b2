//! Accepting connections: never for long at a time, and never at an end for want of descriptors.
//!
//! Runs on the thread `http`, as its main task.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task;
use tokio::time::sleep;

use super::connection;
use super::progress::Progress;
use super::refusal::Refusal;
use super::state::ServerState;

/// How long accepting pauses when the process, or the system, has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections accepted in a row, before those that are open get their turn.
const BURST: u64 = 32;

/// Accepts until it is dropped.
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

/// Starts the task of a new connection, if need be in the place of another.
async fn admit(shared: &Rc<ServerState>, number: u64, stream: TcpStream, peer: SocketAddr) {
    shared.stats.count_accepted();
    if shared.connections.len() >= shared.limits.connections_max {
        match shared.connections.evict(peer.ip()) {
            Some(waiting_for) => {
                shared.stats.count_evicted(waiting_for);
                task::yield_now().await; // the evicted one is closed meanwhile
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

/// Takes a connection from the table when its task ends, however that comes.
struct OpenConnection {
    shared: Rc<ServerState>,
    number: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.stats.count_panic(); // the runtime has caught it
        }
        self.shared.connections.remove(self.number);
        self.shared.stats.set_connections(self.shared.connections.len());
    }
}

/// Whether the error is about the connection that would have been accepted, as `accept(2)` has it.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}

/// Out of descriptors or memory: a connection that is not needed makes room, or accepting pauses.
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
