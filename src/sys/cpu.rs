//! Pinning the calling thread to one core.

use std::io;
use std::mem::MaybeUninit;

/// The cores that this process may run on, ascending: its affinity mask, which container quotas of
/// whole cores set too.
///
/// # Errors
/// Those of `sched_getaffinity(2)`; more than 1,024 cores give `EINVAL`.
pub fn allowed() -> io::Result<Vec<usize>> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the pointer is to a whole cpu_set_t of the size that is told.
    let result =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeroes are a valid cpu_set_t, and the call has filled it.
    let set = unsafe { set.assume_init() };
    // SAFETY: CPU_ISSET reads within the set for numbers below CPU_SETSIZE.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    let size = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    Ok((0..size).filter(is_set).collect())
}

/// Pins the calling thread to one core.
///
/// # Errors
/// Those of `sched_setaffinity(2)`: the core is not in the allowed set.
pub fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= usize::try_from(libc::CPU_SETSIZE).unwrap_or(0) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all zeroes are a valid, empty cpu_set_t.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is below CPU_SETSIZE, checked above.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer is to a whole cpu_set_t of the size that is told; 0 is the calling thread.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets other threads go first (nice 10): what the calling thread does can wait for a moment, what they
/// do cannot. Where the kernel refuses, nothing changes.
pub fn stand_back() {
    // SAFETY: the call takes three numbers; with 0 it is about the calling thread, as Linux has it.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}
