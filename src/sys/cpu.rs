//! Which cores threads run on, and how the kernel ranks them.

use std::io;
use std::mem::MaybeUninit;

/// The cores that fit into one affinity mask.
fn cores_max() -> usize {
    usize::try_from(libc::CPU_SETSIZE).expect("1,024 is not negative")
}

/// The cores that the affinity mask of this process allows, in ascending order. Container runtimes set the
/// mask as well, where a container is given whole cores.
///
/// # Errors
/// Those of `sched_getaffinity(2)`: `EINVAL` on a machine with more than 1,024 cores.
pub fn allowed() -> io::Result<Vec<usize>> {
    let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: the pointer is to a whole cpu_set_t, and the size that is passed is its size.
    let result =
        unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeroes are a valid cpu_set_t, and the call has filled it.
    let set = unsafe { set.assume_init() };
    // SAFETY: CPU_ISSET reads within the set for numbers below CPU_SETSIZE.
    let is_set = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    Ok((0..cores_max()).filter(is_set).collect())
}

/// Pins the calling thread to one core.
///
/// # Errors
/// Those of `sched_setaffinity(2)`: the core is not in the allowed set.
pub fn pin(cpu: usize) -> io::Result<()> {
    if cpu >= cores_max() {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: all zeroes are a valid, empty cpu_set_t.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the number is below CPU_SETSIZE, checked above.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer is to a whole cpu_set_t, and the size that is passed is its size. 0 stands for the
    // calling thread.
    let result =
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lowers the priority of the calling thread (nice 10), so that threads whose work cannot wait run first.
/// Where the kernel refuses, nothing changes.
pub fn stand_back() {
    set_nice(10);
}

/// The same by half (nice 5): where other programs keep all cores busy, this thread gets three times as much of one.
pub(crate) fn stand_back_by_half() {
    set_nice(5);
}

fn set_nice(nice: libc::c_int) {
    // SAFETY: the call takes three numbers and no pointer. On Linux 0 stands for the calling thread.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
}
