//! Limits of the process: open descriptors, and what the allocator keeps.

use std::io;

/// Raises the soft limit of descriptors to the hard one and returns it.
///
/// # Errors
/// Those of `getrlimit(2)` and `setrlimit(2)`.
pub fn raise_descriptors() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a whole rlimit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to a whole rlimit.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(limit.rlim_cur)
}

/// Large blocks go back to the system when they are freed, instead of staying with the thread that made
/// them: a page of a hundred megabytes would stay once for each thread that has served one.
pub(crate) fn return_large_blocks() {
    // The pieces of a page are this large; the allocator would raise its threshold past them by itself.
    const BLOCK_BYTES: libc::c_int = 128 << 10;
    // SAFETY: the call takes two numbers and touches the allocator's own settings.
    let taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, BLOCK_BYTES) };
    debug_assert_eq!(taken, 1, "glibc knows this setting");
}
