//! Limits of the process: how many descriptors it may open, and how much freed memory the allocator keeps.

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

/// Makes the allocator return large blocks to the system when they are freed. By default it would keep them for
/// the thread that allocated them, so a page of a hundred megabytes would stay in memory once for each thread
/// that has made one.
pub(crate) fn return_large_blocks() {
    // The pieces of a page are this large. Unless the threshold is set, the allocator raises it past the size
    // of blocks that were freed.
    const BLOCK_BYTES: libc::c_int = 128 << 10;
    // SAFETY: the call takes two numbers and touches the allocator's own settings.
    let taken = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, BLOCK_BYTES) };
    assert_eq!(taken, 1, "glibc knows this setting");
}

/// Pages of free blocks go back to the system, of all threads' arenas. Each arena is locked meanwhile: a thread
/// that allocates may wait for milliseconds, so nothing that is busy calls this often.
pub(crate) fn return_free_blocks() {
    // SAFETY: the call takes a number and touches free blocks only.
    unsafe { libc::malloc_trim(0) };
}
