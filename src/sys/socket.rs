//! Socket options that socket2 lacks.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What the kernel holds and has dropped for one socket (`SO_MEMINFO`, `sock_diag(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SocketMemory {
    /// Bytes charged for datagrams that wait to be read.
    pub queued_bytes: u32,
    /// The receive buffer that was granted, in charged bytes.
    pub buffer_bytes: u32,
    /// Datagrams dropped since the socket was made; wraps at 2^32.
    pub drops: u32,
}

/// Reads `SO_MEMINFO`; needs no privilege.
///
/// # Errors
/// Those of `getsockopt(2)`.
pub(crate) fn memory(socket: BorrowedFd<'_>) -> io::Result<SocketMemory> {
    // include/uapi/linux/sock_diag.h: RMEM_ALLOC, RCVBUF, WMEM_ALLOC, SNDBUF, FWD_ALLOC, WMEM_QUEUED,
    // OPTMEM, BACKLOG, DROPS.
    let mut words = [0_u32; 9];
    let mut length = libc::socklen_t::try_from(size_of_val(&words)).unwrap_or(0);
    // SAFETY: the pointer is to 36 bytes, and the length says so.
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
/// Those of `getsockopt(2)`.
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

/// Sets the receive buffer past `net.core.rmem_max`; the kernel doubles the number.
///
/// # Errors
/// `EPERM` without `CAP_NET_ADMIN` in the initial user namespace.
pub(crate) fn force_receive_buffer(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let length = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the pointer is to one c_int, and the length says so.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const value).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Attaches a filter that lets no datagram in; the kernel counts them as dropped.
///
/// # Errors
/// Those of `setsockopt(2)`.
pub(crate) fn drop_all(socket: BorrowedFd<'_>) -> io::Result<()> {
    // One instruction of classic BPF: return 0, keep no byte (`BPF_RET | BPF_K`).
    let nothing = socket2::SockFilter::new(0x06, 0, 0, 0);
    socket2::SockRef::from(&socket).attach_filter(&[nothing])
}
