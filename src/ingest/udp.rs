//! A worker's UDP socket.
//!
//! All workers' sockets share one port by `SO_REUSEPORT`. The kernel chooses one of them by a hash of the
//! sender's address, so all datagrams of one sender come to one worker.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::ingest::Handler;
use crate::planted::{self, Fault};
use crate::sys::recv::{BATCH, Datagrams};
use crate::sys::socket;

/// A smaller receive buffer might overflow during a batch wait. 4 MiB hold 3,000 datagrams of 200 bytes, as
/// the kernel charges them; at a million a second 200 arrive in a wait of 200 µs.
const BUFFER_BYTES_FOR_WAIT: u32 = 4 << 20;

/// Bytes of a batch, about: long messages that are parsed take three milliseconds for them, a full batch of the
/// longest datagrams would take fifty. Datagrams of up to 4 KiB come in full batches.
const BATCH_BYTES: usize = 256 << 10;

/// What one look at the socket found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// No datagram.
    Empty,
    /// Some datagrams, and no more behind them.
    Some,
    /// As many datagrams as were asked for; more may wait.
    Full,
}

/// A bound socket and its batch.
#[derive(Debug)]
pub struct UdpSource {
    socket: UdpSocket,
    /// The listener's number.
    listener: usize,
    /// What the last look took.
    batch: Datagrams,
    /// How many datagrams the next look takes at most: fewer while they are long.
    batch_max: usize,
    /// How long a batch may be left to fill; zero if the socket's buffer is too small for that.
    batch_wait: Duration,
}

impl UdpSource {
    /// Over a bound socket of the listener with this number. After a batch that was neither empty nor full
    /// the next may be left to fill for `batch_wait`; zero for no wait.
    pub fn new(socket: UdpSocket, listener: usize, batch_wait: Duration) -> Self {
        // Where the kernel does not tell the size of the buffer, it counts as too small.
        let granted = socket::memory(socket.as_fd()).map_or(0, |memory| memory.buffer_bytes);
        let batch_wait = if granted >= BUFFER_BYTES_FOR_WAIT { batch_wait } else { Duration::ZERO };
        Self { socket, listener, batch: Datagrams::new(), batch_max: BATCH, batch_wait }
    }

    /// How long the next batch may be left to fill; zero for no wait.
    pub(crate) fn batch_wait(&self) -> Duration {
        self.batch_wait
    }

    /// Takes a batch of datagrams.
    ///
    /// # Errors
    /// Those of `recvmmsg(2)` but for `WouldBlock` and `Interrupted`.
    pub(crate) fn look(&mut self) -> io::Result<Look> {
        let most = self.batch_max;
        match self.batch.receive(self.socket.as_fd(), most) {
            Ok(received) => {
                let bytes: usize = self.batch.iter_mut().map(|datagram| datagram.len).sum();
                let each = bytes.div_ceil(received).max(1);
                self.batch_max = (BATCH_BYTES / each).clamp(1, BATCH);
                // With fewer datagrams than it could take, the call has seen the socket empty.
                Ok(if received == most { Look::Full } else { Look::Some })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Look::Empty),
            // A signal came before the first datagram: the batch is empty, and more may wait.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Look::Full),
            Err(error) => Err(error),
        }
    }

    /// Has the handler process the batch that the last look took.
    pub(crate) fn pass_batch_to<H: Handler>(&mut self, handler: &mut H, now_ns: u64) {
        handler.datagrams(self.listener, &mut self.batch, now_ns);
    }

    /// Lets nothing more in: the kernel counts what comes from now on as dropped.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    pub(crate) fn seal(&self) -> io::Result<()> {
        socket::drop_all(self.socket.as_fd())
    }
}

impl AsFd for UdpSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds one socket per worker to the address. The first is bound without `SO_REUSEPORT`, so that a port that
/// another program uses is refused instead of shared with it. Then the option is set, and the others join.
///
/// # Errors
/// Those of `socket(2)` and `bind(2)`.
pub fn bind(
    address: SocketAddr,
    workers: usize,
    buffer_bytes: usize,
) -> io::Result<Vec<UdpSocket>> {
    let first = open(address, planted::is(Fault::JoinsPort), buffer_bytes)?;
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
        // As in Go programs, `[::]` takes IPv4 as well.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_port(join)?;
    // With the privilege for it the buffer may be larger than net.core.rmem_max, otherwise it is cut to that.
    // metrics_server_udp_receive_buffer_bytes tells what was granted.
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
    fn the_sockets_share_all_datagrams_and_nobody_else_can_join() {
        let sockets = bind(([127, 0, 0, 1], 0).into(), 4, 1 << 20).unwrap();
        let address = sockets[0].local_addr().unwrap();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert_eq!(bind(address, 4, 1 << 20).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let mut sources: Vec<_> =
            sockets.into_iter().map(|socket| UdpSource::new(socket, 0, Duration::ZERO)).collect();
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
    fn long_datagrams_come_in_small_batches() {
        let socket = bind(([127, 0, 0, 1], 0).into(), 1, 1 << 20).unwrap().remove(0);
        let mut source = UdpSource::new(socket, 0, Duration::ZERO);
        let address = source.socket.local_addr().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut look = |lengths: &[usize]| {
            for &length in lengths {
                sender.send_to(&vec![b' '; length], address).unwrap();
            }
            let look = source.look().unwrap();
            (look, source.batch.iter_mut().count())
        };
        assert_eq!(look(&[60_000]), (Look::Some, 1));
        assert_eq!(look(&[1, 1, 1, 1, 1]), (Look::Full, 4));
        assert_eq!(look(&[1; 9]), (Look::Some, 10), "short ones come in full batches again");
        assert_eq!(look(&[0]), (Look::Some, 1), "empty ones as well");
    }

    #[test]
    fn a_sealed_socket_counts_what_it_drops() {
        let mut source = UdpSource::new(
            bind(([127, 0, 0, 1], 0).into(), 1, 1 << 20).unwrap().remove(0),
            0,
            Duration::ZERO,
        );
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
