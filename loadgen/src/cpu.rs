//! Processor time in nanoseconds, from the scheduler's own account in /proc.
//!
//! Finer than `process_cpu_seconds_total`, whose grain is a clock tick of 10 ms.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// The calling thread's time so far; none if the kernel does not tell.
pub(crate) fn of_this_thread() -> Option<Duration> {
    read(Path::new("/proc/thread-self"))
}

/// What a process' threads used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    /// Of all threads.
    pub(crate) all: Duration,
    /// Of those that ingest: their names begin with `ingest`.
    pub(crate) ingest: Duration,
}

/// The time of a process' living threads; none if there is no such process.
pub(crate) fn of_process(pid: u32) -> Option<CpuTimes> {
    let mut sum = CpuTimes::default();
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let path = task.ok()?.path();
        // A thread may end while we look.
        let Some(time) = read(&path) else { continue };
        sum.all += time;
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("ingest")) {
            sum.ingest += time;
        }
    }
    Some(sum)
}

/// The first number of schedstat is the time spent on a core.
fn read(task: &Path) -> Option<Duration> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{of_process, of_this_thread};

    #[test]
    fn a_process_holds_at_least_its_calling_thread() {
        let Some(own) = of_this_thread() else { return };
        assert!(of_process(std::process::id()).unwrap().all >= own);
        assert!(of_process(u32::MAX).is_none());
    }
}
