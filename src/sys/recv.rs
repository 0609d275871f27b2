//! One batch of datagrams by one `recvmmsg(2)`.
//!
//! ```text
//! slot 0                                        slot 1
//! | datagram (up to 65,536 bytes) | 64 padding | datagram …
//! ```
//!
//! 65,536 bytes hold the largest datagram that there can be (65,527 bytes over IPv6). The JSON parser reads a
//! little past the end of a message; the padding lets it do so where the datagram lies, without a copy.
//! The kernel gives memory only to the parts of the slots that datagrams have filled.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Most datagrams that one call takes. A larger batch costs nothing more when fewer datagrams wait.
pub(crate) const BATCH: usize = BATCH_LEN as usize;
/// The same number as the call takes it.
const BATCH_LEN: libc::c_uint = 64;
/// Most bytes of one datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Bytes behind each datagram that may be read.
pub const PADDING: usize = 64;
const SLOT_BYTES: usize = DATAGRAM_BYTES_MAX + PADDING;

/// A batch of received datagrams, and the memory for the next.
#[derive(Debug)]
pub struct Datagrams {
    /// `BATCH` slots, zeroed once. The vectors point into it, so it is never reallocated.
    slots: Box<[u8]>,
    /// One vector per slot. The headers point at them.
    #[expect(dead_code, reason = "owned for the headers, which hold pointers to them")]
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

// SAFETY: the pointers in `vectors` and `headers` lead to heap blocks that this value owns. The blocks stay where
// they are when the value moves to another thread, and only `&mut self` uses them.
unsafe impl Send for Datagrams {}

/// One datagram of a batch.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// The datagram's bytes and `PADDING` more.
    pub padded: &'a mut [u8],
    /// How many of the bytes are the datagram's.
    pub len: usize,
    /// Whether the datagram was longer than its slot.
    pub truncated: bool,
}

impl Datagrams {
    /// An empty batch: 4 MiB of addresses, of which only what datagrams have filled takes memory.
    pub fn new() -> Self {
        let mut slots = vec![0_u8; BATCH * SLOT_BYTES].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = slots
            .chunks_exact_mut(SLOT_BYTES)
            .map(|slot| libc::iovec {
                iov_base: slot.as_mut_ptr().cast(),
                iov_len: DATAGRAM_BYTES_MAX,
            })
            .collect();
        let headers = vectors
            .iter_mut()
            .map(|vector| {
                // SAFETY: all zeroes are a valid mmsghdr: null pointers with lengths of 0.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_iov = ptr::from_mut(vector);
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self { slots, vectors, headers, received: 0 }
    }

    /// Takes the datagrams that wait in the socket, at most `most` and never more than `BATCH`, without blocking.
    /// Returns how many.
    ///
    /// # Errors
    /// `WouldBlock` when nothing waits; otherwise those of `recvmmsg(2)`.
    pub fn receive(&mut self, socket: BorrowedFd<'_>, most: usize) -> io::Result<usize> {
        self.received = 0;
        let most = libc::c_uint::try_from(most).map_or(BATCH_LEN, |most| most.min(BATCH_LEN));
        // SAFETY: there are BATCH_LEN headers, and `most` is not more. Each has one vector, which leads to DATAGRAM_BYTES_MAX bytes of
        // its own slot. `self` owns them all and is borrowed mutably. Names and control buffers are null with
        // length 0.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                most,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        match usize::try_from(result) {
            Ok(received) => {
                self.received = received;
                Ok(received)
            }
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// The datagrams of the last [`Self::receive`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = Datagram<'_>> {
        let slots = self.slots.chunks_exact_mut(SLOT_BYTES);
        slots.zip(&self.headers[..self.received]).map(|(slot, header)| {
            let len = (header.msg_len as usize).min(DATAGRAM_BYTES_MAX);
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            Datagram { padded: &mut slot[..len + PADDING], len, truncated }
        })
    }
}

impl Default for Datagrams {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn a_batch_yields_what_arrived_and_nothing_else() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        let mut datagrams = Datagrams::new();
        let empty = datagrams.receive(receiver.as_fd(), BATCH).unwrap_err();
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        for round in 0..3_u8 {
            let sent: Vec<Vec<u8>> =
                (0..=round).map(|i| vec![b'a' + i; usize::from(i) * 1000]).collect();
            for datagram in &sent {
                sender.send(datagram).unwrap();
            }
            assert_eq!(datagrams.receive(receiver.as_fd(), BATCH).unwrap(), sent.len());
            let got: Vec<Vec<u8>> = datagrams
                .iter_mut()
                .map(|datagram| datagram.padded[..datagram.len].to_vec())
                .collect();
            assert_eq!(got, sent);
        }
    }

    #[test]
    fn the_largest_datagram_fits_whole() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let largest = vec![7_u8; 65_507];
        sender.send_to(&largest, receiver.local_addr().unwrap()).unwrap();
        let mut datagrams = Datagrams::new();
        datagrams.receive(receiver.as_fd(), BATCH).unwrap();
        let datagram = datagrams.iter_mut().next().unwrap();
        assert!(!datagram.truncated);
        assert_eq!(datagram.len, largest.len());
        assert_eq!(datagram.padded.len(), datagram.len + PADDING);
    }
}
