//! What the kernel knows of the workers' UDP sockets: drops, queues, buffers.
//!
//! Runs on the thread `exporter`, and on `main` at the end. It reads duplicates of the workers' descriptors, so
//! that the numbers are there when the workers have closed theirs.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::sys::socket;

/// Drops of one socket. The kernel counts them in 32 bits, which start at 0 again after 2^32 drops.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
    /// The kernel's count when it was read last.
    last: u32,
    total: u64,
}

/// All workers' sockets.
#[derive(Debug)]
pub struct UdpSocketStats {
    sockets: Vec<UdpSocket>,
    drops: Mutex<Vec<Drops>>,
    /// Datagrams that nobody will read any more.
    unread: AtomicU64,
}

/// One socket's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpSocketReading {
    /// Datagrams dropped since the socket was bound.
    pub drops: u64,
    /// Bytes that the kernel charges for datagrams that wait.
    pub queued_bytes: u32,
    /// The most bytes that it charges before it drops datagrams.
    pub buffer_bytes: u32,
}

impl UdpSocketStats {
    /// Over duplicates of the workers' sockets, in the order of the workers.
    pub fn new(sockets: Vec<UdpSocket>) -> Self {
        let drops = Mutex::new(vec![Drops::default(); sockets.len()]);
        Self { sockets, drops, unread: AtomicU64::new(0) }
    }

    /// Lets no more datagrams in, which the kernel counts from now on as dropped, and takes out those that wait. The
    /// kernel does not tell how many there are, and counts none of them when a socket closes. Called at an end that
    /// does not wait for workers; what one of them takes meanwhile is its own.
    pub(crate) fn discard(&self) {
        for socket in &self.sockets {
            // Without the seal a flood would never end; what is not counted then was not before either.
            if socket::drop_all(socket.as_fd()).is_ok() {
                // Of each datagram the rest is cut off. The sockets do not block.
                let waiting =
                    std::iter::repeat_with(|| socket.recv(&mut [0])).take_while(Result::is_ok);
                self.unread.fetch_add(waiting.count() as u64, Ordering::Relaxed);
            }
        }
    }

    /// Datagrams that [`Self::discard`] has taken out.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// Reads all sockets. To be called again before 2^32 datagrams more are dropped: at ten million a second
    /// that are seven minutes.
    pub fn read(&self) -> Vec<UdpSocketReading> {
        let mut drops = self.drops.lock();
        let read = |(socket, drops): (&UdpSocket, &mut Drops)| {
            let Ok(memory) = socket::memory(socket.as_fd()) else {
                // Linux before 4.12 and some sandboxes do not tell: the drops stay what they were.
                return UdpSocketReading { drops: drops.total, ..UdpSocketReading::default() };
            };
            drops.total += u64::from(memory.drops.wrapping_sub(drops.last));
            drops.last = memory.drops;
            UdpSocketReading {
                drops: drops.total,
                queued_bytes: memory.queued_bytes,
                buffer_bytes: memory.buffer_bytes,
            }
        };
        self.sockets.iter().zip(drops.iter_mut()).map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that has dropped so many datagrams.
    fn socket_with_drops(drops: u32) -> UdpSocket {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket::drop_all(receiver.as_fd()).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..drops {
            sender.send_to(b"{}", receiver.local_addr().unwrap()).unwrap();
        }
        assert_eq!(socket::memory(receiver.as_fd()).unwrap().drops, drops);
        receiver
    }

    fn drops(stats: &UdpSocketStats) -> Vec<u64> {
        stats.read().iter().map(|socket| socket.drops).collect()
    }

    /// The kernel's count was read just before 2^32, and is 3 now: it has gone through 0 meanwhile.
    #[test]
    fn drops_go_on_past_the_kernels_32_bits() {
        let stats = UdpSocketStats::new(vec![socket_with_drops(3), socket_with_drops(0)]);
        let before = u32::MAX - 1;
        stats.drops.lock()[0] = Drops { last: before, total: u64::from(before) };
        assert_eq!(drops(&stats), [(1 << 32) + 3, 0], "2 up to 2^32, and 3 after it");
        assert_eq!(drops(&stats), [(1 << 32) + 3, 0], "nothing was dropped since");
    }

    #[test]
    fn what_waits_is_counted_and_what_comes_later_is_dropped() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        receiver.set_nonblocking(true).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = |bytes: &[u8]| sender.send_to(bytes, receiver.local_addr().unwrap()).unwrap();
        for text in ["", "{}", "long enough to be cut off"] {
            send(text.as_bytes());
        }
        let stats = UdpSocketStats::new(vec![receiver.try_clone().unwrap()]);
        stats.discard();
        send(b"late");
        assert_eq!((stats.unread(), drops(&stats)), (3, vec![1]));
    }

    #[test]
    fn drops_are_those_since_the_socket_was_bound() {
        let stats = UdpSocketStats::new(vec![socket_with_drops(2)]);
        assert_eq!(drops(&stats), [2]);
    }
}
