//! `EPOLLEXCLUSIVE`, which mio does not offer: a listener is in the epoll of every worker, and a connect wakes
//! one worker instead of all.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Adds a listener to a poll's epoll, edge-triggered and exclusive. The poll reports it under this token.
///
/// # Errors
/// Those of `epoll_ctl(2)`.
pub(crate) fn add_exclusive(
    poll: &mio::Poll,
    listener: BorrowedFd<'_>,
    token: usize,
) -> io::Result<()> {
    #[expect(clippy::cast_sign_loss, reason = "a mask of bits")]
    let events = (libc::EPOLLIN | libc::EPOLLET | libc::EPOLLEXCLUSIVE) as u32;
    let mut event = libc::epoll_event { events, u64: token as u64 };
    let (epoll, listener) = (poll.as_raw_fd(), listener.as_raw_fd());
    // SAFETY: both owners are borrowed, so their descriptors are open, and the event lives during the call.
    let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, listener, &raw mut event) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
