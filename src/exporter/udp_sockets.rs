//! What the kernel knows of our UDP sockets: drops, queues, buffers.
//!
//! Runs on the exporter, over duplicates of the workers' descriptors, so that the numbers can be read
//! until the very end of the process.

use std::net::UdpSocket;
use std::os::fd::AsFd;

use parking_lot::Mutex;

use crate::sys::socket::{self, SocketMemory};

/// Drops of one socket, past the 32 bits that the kernel has for them.
#[derive(Clone, Copy, Debug, Default)]
struct Drops {
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
    /// Bytes charged for what waits.
    pub queued_bytes: u32,
    /// Bytes that the buffer may be charged.
    pub buffer_bytes: u32,
}

impl UdpSocketStats {
    /// Over duplicates of the workers' sockets, in their order.
    pub fn new(sockets: Vec<UdpSocket>) -> Self {
        let drops = Mutex::new(vec![Drops::default(); sockets.len()]);
        Self { sockets, drops }
    }

    /// Reads all sockets. To be called before 2^32 drops have come together: every few seconds.
    pub fn read(&self) -> Vec<UdpSocketReading> {
        let mut drops = self.drops.lock();
        let read = |(socket, drops): (&UdpSocket, &mut Drops)| {
            // UdpSocketReading a socket of ours does not fail; if it did, the last number would stand.
            let now = socket::memory(socket.as_fd())
                .unwrap_or(SocketMemory { drops: drops.last, ..SocketMemory::default() });
            drops.total += u64::from(now.drops.wrapping_sub(drops.last));
            drops.last = now.drops;
            UdpSocketReading {
                drops: drops.total,
                queued_bytes: now.queued_bytes,
                buffer_bytes: now.buffer_bytes,
            }
        };
        self.sockets.iter().zip(drops.iter_mut()).map(read).collect()
    }
}
