//! Socket options that socket2 does not offer, or only in parts.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel holds and has dropped for one socket (`SO_MEMINFO`, `sock_diag(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketMemory {
    /// Bytes charged for datagrams that wait to be read.
    pub queued_bytes: u32,
    /// Most bytes that the kernel charges before it drops datagrams: the receive buffer that it granted.
    pub buffer_bytes: u32,
    /// Datagrams dropped since the socket was made. After 2^32 the count starts at 0 again.
    pub drops: u32,
}

/// Reads `SO_MEMINFO`; needs no privilege.
///
/// # Errors
/// Those of `getsockopt(2)`: `ENOPROTOOPT` before Linux 4.12.
pub(crate) fn memory(socket: BorrowedFd<'_>) -> io::Result<SocketMemory> {
    // The words in their order, from include/uapi/linux/sock_diag.h: RMEM_ALLOC, RCVBUF, WMEM_ALLOC, SNDBUF,
    // FWD_ALLOC, WMEM_QUEUED, OPTMEM, BACKLOG, DROPS.
    let mut words = [0_u32; 9];
    let mut length = length_of(&words);
    // SAFETY: the pointer is to 36 bytes that may be written, and the length is 36.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(SocketMemory { queued_bytes: words[0], buffer_bytes: words[1], drops: words[8] })
}

/// The user who has connected the other end of a unix stream socket (`SO_PEERCRED`), as the user namespace of this
/// process numbers users. That of rustix is not taken: it reads the process number, which is 0 for a client in
/// another PID namespace, into a type that cannot be 0.
///
/// # Errors
/// Those of `getsockopt(2)`: `ENOPROTOOPT` before Linux 4.12.
pub(crate) fn peer_uid(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut peer = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length: libc::socklen_t = 12;
    const { assert!(size_of::<libc::ucred>() == 12, "three integers") };
    // SAFETY: the pointer is to one ucred of 12 bytes, which is integers alone, and the length says so.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if result == 0 { Ok(peer.uid) } else { Err(io::Error::last_os_error()) }
}

/// Asks for a receive buffer of this size, which may be more than `net.core.rmem_max`. The kernel doubles the
/// number, so that its own overhead has room.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` in the initial user namespace.
///
/// # Panics
/// If the size is no `c_int`; `-udp-rcvbuf` stays below.
pub(crate) fn force_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).expect("-udp-rcvbuf is at most 2^30 - 1");
    // SAFETY: the pointer is to one c_int, and the length is its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const value).cast(),
            length_of(&value),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The size of an option's value, as the system calls take it.
fn length_of<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(size_of_val(value)).expect("options are a few bytes long")
}

/// Attaches a filter that lets no datagram in. The kernel counts what it keeps out as dropped.
///
/// # Errors
/// Those of `setsockopt(2)`.
pub(crate) fn drop_all(socket: BorrowedFd<'_>) -> io::Result<()> {
    // One instruction of classic BPF, `BPF_RET | BPF_K`: return 0, which means to keep no byte.
    let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
    socket2::SockRef::from(&socket).attach_filter(&[nothing])
}
