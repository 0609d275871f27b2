//! Sending over UDP: connected sockets taken in turn, by sendmmsg or cut by the kernel (`UDP_SEGMENT`).

use std::io;
use std::net::{SocketAddr, UdpSocket};

use anyhow::{Context as _, Result};
use socket2::SockRef;

use crate::pace::Target;
use crate::pool::{MAX_DATAGRAM, Pool};
use crate::sys::{self, Batch};

/// The kernel cuts at most this many datagrams out of one buffer.
const MAX_SEGMENTS: usize = 64;

/// How one call hands datagrams to the kernel.
#[derive(Debug)]
enum SendMethod {
    /// Up to a batch of datagrams.
    Batch(Batch, usize),
    /// One buffer of up to this many datagrams of the same size.
    Segments(usize),
}

/// Source sockets to one address.
#[derive(Debug)]
pub(crate) struct UdpTarget {
    sockets: Vec<UdpSocket>,
    next: usize,
    method: SendMethod,
}

impl UdpTarget {
    /// Opens `ports` sockets, each with a source port of its own, which call with up to `batch` datagrams.
    pub(crate) fn connect(to: SocketAddr, ports: usize, batch: usize) -> Result<Self> {
        let sockets = (0..ports.max(1))
            .map(|_| open(to).with_context(|| format!("no UDP socket to {to}")))
            .collect::<Result<_>>()?;
        let batch = batch.clamp(1, sys::MAX_BATCH);
        Ok(Self { sockets, next: 0, method: SendMethod::Batch(Batch::new(batch), batch) })
    }

    /// Lets the kernel cut buffers into datagrams of this size: the cheapest way to send.
    pub(crate) fn segmented(mut self, size: usize) -> Result<Self> {
        for socket in &self.sockets {
            sys::set_segment_size(socket, size)
                .with_context(|| format!("-gso: no segments of {size} bytes"))?;
        }
        self.method = SendMethod::Segments((MAX_DATAGRAM / size.max(1)).clamp(1, MAX_SEGMENTS));
        Ok(self)
    }

    /// The socket of the next call. One more step at the pool's start, so that a batch of the pool does not meet
    /// the same socket in every round.
    fn turn(&mut self, first: usize) -> usize {
        self.next += if first == 0 { 2 } else { 1 };
        self.next % self.sockets.len()
    }
}

impl Target for UdpTarget {
    fn send(&mut self, pool: &Pool, first: usize, count: usize) -> io::Result<usize> {
        let socket = self.turn(first);
        let socket = &self.sockets[socket];
        match &mut self.method {
            SendMethod::Batch(_, _) if count == 1 => socket.send(pool.span(first, 1)).map(|_| 1),
            SendMethod::Batch(batch, _) => {
                batch.send(socket, (first..first + count).map(|datagram| pool.span(datagram, 1)))
            }
            // All or nothing: a datagram socket never takes a part of a buffer.
            SendMethod::Segments(_) => socket.send(pool.span(first, count)).map(|_| count),
        }
    }

    fn batch_max(&self) -> usize {
        match self.method {
            SendMethod::Batch(_, most) | SendMethod::Segments(most) => most,
        }
    }
}

/// A connected socket with a free source port. A large send buffer lets a batch go out without waiting.
fn open(to: SocketAddr) -> io::Result<UdpSocket> {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    SockRef::from(&socket).set_send_buffer_size(4 << 20)?;
    socket.connect(to)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::UdpSocket;
    use std::sync::atomic::AtomicU64;
    use std::time::Duration;

    use super::{Pool, SockRef, UdpTarget};
    use crate::mix::{LineStyle, Weights};
    use crate::pace::{Schedule, run};
    use crate::pool::PoolSpec;

    fn pool(equal: bool) -> Pool {
        Pool::render(&PoolSpec {
            style: LineStyle { short: false, families: 1, label_bytes: 0, unique: true },
            weights: Weights::parse("counter:2,histogram:1").unwrap(),
            first: 0,
            series: 30,
            random: true,
            per_datagram: 2,
            equal,
            stream: false,
            seed: 1,
        })
        .unwrap()
    }

    /// Sends a bounded count to a plain socket that can hold all of it; every byte must arrive, once.
    fn all_arrives(segments: bool, batch: usize) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        SockRef::from(&receiver).set_recv_buffer_size(4 << 20).unwrap();
        let mut pool = pool(segments);
        let mut target = UdpTarget::connect(receiver.local_addr().unwrap(), 3, batch).unwrap();
        if segments {
            target = target.segmented(pool.span(0, 1).len()).unwrap();
        }
        let plan = Schedule { limit: 100, time: Duration::MAX, interval: None, core: None };
        let outcome = run(&mut target, &mut pool, &plan, &AtomicU64::new(0)).unwrap();
        assert_eq!((outcome.sent.datagrams, outcome.sent.messages), (100, 200));

        receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut bytes, mut lines, mut ports) = (0, BTreeSet::new(), BTreeSet::new());
        let mut buffer = vec![0; 65_536];
        for _ in 0..100 {
            let (length, from) = receiver.recv_from(&mut buffer).unwrap();
            bytes += length as u64;
            ports.insert(from.port());
            let text = std::str::from_utf8(&buffer[..length]).unwrap();
            lines.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
        }
        assert_eq!(bytes, outcome.sent.bytes);
        assert_eq!(lines.len(), 200, "unique lines, so none came twice");
        assert!(ports.len() > 1);
        receiver.set_nonblocking(true).unwrap();
        assert!(receiver.recv(&mut buffer).is_err(), "nothing more than was counted");
    }

    #[test]
    fn all_bytes_arrive_one_by_one() {
        all_arrives(false, 1);
    }

    #[test]
    fn all_bytes_arrive_in_batches() {
        all_arrives(false, 16);
    }

    #[test]
    fn all_bytes_arrive_in_segments() {
        all_arrives(true, 1);
    }
}
