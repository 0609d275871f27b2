//! System calls that neither std nor socket2 offers: sendmmsg, `UDP_SEGMENT`, pinning, exact sleep.
//!
//! The only file with unsafe code. Knows buffers and descriptors, not what they carry.
#![allow(unsafe_code, reason = "these system calls have no safe wrapper in our dependencies")]

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::ptr;

/// The most datagrams that one call may take (`UIO_MAXIOV`).
pub(crate) const MAX_BATCH: usize = 1024;

/// The arrays of sendmmsg, kept so that a call allocates nothing.
pub(crate) struct Batch {
    parts: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers inside are read only within `send`, which sets all that it uses anew; between calls they
// are mere numbers.
unsafe impl Send for Batch {}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("capacity", &self.parts.capacity()).finish_non_exhaustive()
    }
}

impl Batch {
    /// Room for this many datagrams, at most [`MAX_BATCH`].
    pub(crate) fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, MAX_BATCH);
        Self { parts: Vec::with_capacity(capacity), headers: Vec::with_capacity(capacity) }
    }

    /// Sends the datagrams over a connected socket, as many as there is room for; how many went out.
    pub(crate) fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        datagrams: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<usize> {
        self.parts.clear();
        self.headers.clear();
        for datagram in datagrams.take(self.parts.capacity()) {
            self.parts.push(libc::iovec {
                // sendmmsg only reads what it is given; the type is shared with receiving.
                iov_base: datagram.as_ptr().cast_mut().cast(),
                iov_len: datagram.len(),
            });
        }
        for part in &mut self.parts {
            let message = libc::msghdr {
                msg_name: ptr::null_mut(),
                msg_namelen: 0,
                msg_iov: ptr::from_mut(part),
                msg_iovlen: 1,
                msg_control: ptr::null_mut(),
                msg_controllen: 0,
                msg_flags: 0,
            };
            self.headers.push(libc::mmsghdr { msg_hdr: message, msg_len: 0 });
        }
        let count = u32::try_from(self.headers.len()).expect("at most MAX_BATCH headers");
        // SAFETY: `headers` holds `count` initialised headers, each pointing at one element of `parts`, which is
        // not moved before the call returns and points at a slice that lives as long as 'a.
        let sent =
            unsafe { libc::sendmmsg(socket.as_raw_fd(), self.headers.as_mut_ptr(), count, 0) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// From now on the kernel cuts what is sent on this socket into datagrams of `size` bytes.
pub(crate) fn set_segment_size(socket: &UdpSocket, size: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(size).map_err(io::Error::other)?;
    let length = libc::socklen_t::try_from(size_of_val(&value)).map_err(io::Error::other)?;
    let pointer = ptr::from_ref(&value).cast();
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, pointer, length)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps the calling thread on this core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    const BITS: usize = u64::BITS as usize;
    let mut mask = [0_u64; 16];
    let word = mask.get_mut(core / BITS).ok_or(io::ErrorKind::InvalidInput)?;
    *word = 1 << (core % BITS);
    // SAFETY: the kernel reads `size_of_val(&mask)` bytes, all of them initialised; a mask is an array of words.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&mask), mask.as_ptr().cast()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the calling thread sleep exactly instead of 50 µs too long; that is a favour, so a refusal is no error.
pub(crate) fn sleep_exactly() {
    // SAFETY: PR_SET_TIMERSLACK takes one number and touches no memory of ours.
    let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::{Batch, set_segment_size};

    fn pair() -> (UdpSocket, UdpSocket) {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        (sender, receiver)
    }

    #[test]
    fn a_batch_sends_each_datagram_once_and_no_more_than_it_has_room_for() {
        let (sender, receiver) = pair();
        let all: [&[u8]; 4] = [b"one", b"", b"three", b"four"];
        assert_eq!(Batch::new(3).send(&sender, all.into_iter()).unwrap(), 3);
        let mut buffer = [0; 16];
        for expected in &all[..3] {
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], *expected);
        }
        receiver.set_nonblocking(true).unwrap();
        assert!(receiver.recv(&mut buffer).is_err());
    }

    #[test]
    fn segments_arrive_as_datagrams() {
        let (sender, receiver) = pair();
        set_segment_size(&sender, 4).unwrap();
        sender.send(b"aaaabbbbcc").unwrap();
        let mut buffer = [0; 16];
        for expected in [&b"aaaa"[..], b"bbbb", b"cc"] {
            let length = receiver.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], expected);
        }
    }
}
