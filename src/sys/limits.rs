//! Limits of the process: how many descriptors it may open, and how much freed memory the allocator keeps.

use std::hint::black_box;
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
    renew_thread_cache();
    // SAFETY: the call takes a number and touches free blocks only.
    unsafe { libc::malloc_trim(0) };
}

/// The allocator keeps some blocks of each size up to this one for the thread that freed them, and takes them for in
/// use: each holds the page that it lies in.
const CACHED_BYTES_MAX: usize = 1032;
/// The smallest of these sizes, and the step to the next.
const CACHED_BYTES_MIN: usize = 24;
const CACHED_BYTES_STEP: usize = 16;
/// How many of each size it keeps.
const CACHED_BLOCKS: usize = 7;

/// Puts blocks that lie together into the calling thread's cache, in place of those that it has freed: a thread that
/// has freed a million series would hold some hundreds of pages, far apart.
fn renew_thread_cache() {
    let blocks = || {
        let sizes = (CACHED_BYTES_MIN..=CACHED_BYTES_MAX).step_by(CACHED_BYTES_STEP);
        let of_each = sizes.flat_map(|bytes| [bytes; CACHED_BLOCKS]);
        black_box(of_each.map(Vec::<u8>::with_capacity).collect::<Vec<_>>())
    };
    let scattered = blocks(); // all that the cache has
    let together = blocks();
    drop(together);
    drop(scattered); // the cache is full, so these are free
}
