//! What the kernel knows of the workers' UDP sockets: drops, queues, buffers.
//!
//! Runs on the thread `exporter`, and on `main` at the end. It reads duplicates of the workers' descriptors, so
//! that the numbers are there when the workers have closed theirs.

use std::net::UdpSocket;
use std::os::fd::AsFd;

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
        Self { sockets, drops }
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
    fn drops_are_those_since_the_socket_was_bound() {
        let stats = UdpSocketStats::new(vec![socket_with_drops(2)]);
        assert_eq!(drops(&stats), [2]);
    }
}
