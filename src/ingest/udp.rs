//! A worker's UDP socket.
//!
//! All workers' sockets share one port by `SO_REUSEPORT`; the kernel hashes each sender to one of them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::sys::recv::{BATCH, Datagrams};
use crate::sys::socket;

/// Receive buffers below this do not last for the batch wait: 4 MiB hold 3,000 datagrams of 200 bytes,
/// as the kernel charges them, and the wait lets 200 arrive at a million a second.
const BUFFER_BYTES_FOR_WAIT: u32 = 4 << 20;

/// What one look at the socket gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing waits.
    Empty,
    /// Some datagrams, and none was left behind them.
    Some,
    /// A whole batch; more may wait.
    Full,
}

/// A bound socket and its batch.
#[derive(Debug)]
pub struct UdpSource {
    /// The socket.
    pub socket: UdpSocket,
    /// The listener's number.
    pub listener: usize,
    /// What the last look took.
    pub batch: Datagrams,
    /// Whether the buffer holds what arrives during a batch wait.
    pub may_wait: bool,
}

impl UdpSource {
    /// Over a bound socket.
    pub fn new(socket: UdpSocket, listener: usize) -> Self {
        let granted = socket::memory(socket.as_fd()).map_or(0, |memory| memory.buffer_bytes);
        let may_wait = granted >= BUFFER_BYTES_FOR_WAIT;
        Self { socket, listener, batch: Datagrams::new(), may_wait }
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// Those of `recvmmsg(2)` but for `WouldBlock` and `Interrupted`.
    pub fn look(&mut self) -> io::Result<Look> {
        match self.batch.receive(self.socket.as_fd()) {
            Ok(BATCH) => Ok(Look::Full),
            // The call took fewer than it could: it has seen the queue empty.
            Ok(_) => Ok(Look::Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Look::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Look::Full),
            Err(error) => Err(error),
        }
    }

    /// Lets nothing more in: what comes from now on is counted by the kernel as dropped.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub fn seal(&self) -> io::Result<()> {
        socket::drop_all(self.socket.as_fd())
    }
}

/// Binds one socket per worker to the address. The first is bound without `SO_REUSEPORT`, so that a
/// port in use is refused instead of joined; then the option is set on it, and the others join.
///
/// # Errors
/// Those of `socket(2)` and `bind(2)`.
pub fn bind(
    address: SocketAddr,
    workers: usize,
    buffer_bytes: usize,
) -> io::Result<Vec<UdpSocket>> {
    let first = open(address, false, buffer_bytes)?;
    let taken = first.local_addr()?;
    SockRef::from(&first).set_reuse_port(true)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(open(taken, true, buffer_bytes)?);
    }
    Ok(sockets)
}

fn open(address: SocketAddr, join: bool, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // As Go: `[::]` takes IPv4 as well.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(join)?;
    // Past net.core.rmem_max if we may, up to it otherwise; what was granted is exported.
    if socket::force_receive_buffer(socket.as_fd(), buffer_bytes).is_err() {
        socket.set_recv_buffer_size(buffer_bytes)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_takes_everything_and_a_stranger_is_refused() {
        let sockets = bind(([127, 0, 0, 1], 0).into(), 4, 1 << 20).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert_eq!(bind(address, 4, 1 << 20).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mut sources: Vec<_> =
            sockets.into_iter().map(|socket| UdpSource::new(socket, 0)).collect();
        for _ in 0..64 {
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.send_to(b"{}", address).unwrap();
        }
        let taken: Vec<usize> = sources
            .iter_mut()
            .map(|source| {
                if source.look().unwrap() == Look::Empty {
                    0
                } else {
                    source.batch.iter_mut().count()
                }
            })
            .collect();
        assert_eq!(taken.iter().sum::<usize>(), 64, "{taken:?}");
        assert!(taken.iter().filter(|&&n| n > 0).count() > 1, "one socket took all: {taken:?}");
    }

    #[test]
    fn a_sealed_socket_counts_what_it_drops() {
        let mut source =
            UdpSource::new(bind(([127, 0, 0, 1], 0).into(), 1, 1 << 20).unwrap().remove(0), 0);
        let address = source.socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"before", address).unwrap();
        source.seal().unwrap();
        sender.send_to(b"after", address).unwrap();
        assert_eq!(source.look().unwrap(), Look::Some);
        assert_eq!(source.batch.iter_mut().count(), 1);
        assert_eq!(source.look().unwrap(), Look::Empty);
        assert_eq!(socket::memory(source.socket.as_fd()).unwrap().drops, 1);
    }
}
