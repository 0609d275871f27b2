//! CPU profiles of this process: a signal (`SIGPROF`) takes a stack at each 10 ms of CPU time.
//!
//! The signal interrupts whatever thread runs, at any place. Unwinding is not safe everywhere: the C library and the
//! unwinder may hold locks that it needs. So no stack is taken in them, and the time spent there, and with it that
//! spent in the kernel, is missing from profiles. While a profiler runs, a system call that waits may fail with
//! `EINTR`, on any thread.
//!
//! There can be one profiler in a process. The signal handler and the table of stacks are those of the crate pprof.

use std::collections::HashMap;
use std::io;

use pprof::protos::Message;
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, Report, UnresolvedReport};

/// Stacks taken in a second of CPU time.
pub(crate) const FREQUENCY: u16 = 100;

/// Parts of the names of files in whose code no stack is taken.
const UNSAFE: [&str; 6] = ["/libc.so", "/libc-", "/libgcc_s", "/libpthread", "/ld-linux", "vdso"];

/// With more different stacks than this the profiler starts anew. So few have room in pprof's table, and none has to
/// go to its temporary file.
const STACKS_MAX: usize = 512;

/// Takes stacks until it is dropped.
pub(crate) struct Profiler {
    guard: Option<ProfilerGuard<'static>>,
    /// All stacks up to the last call. pprof goes on adding to them: a new table, of 70 MB, for each call would
    /// cost more than taking all the stacks.
    before: Option<UnresolvedReport>,
}

/// Stacks that were taken, as addresses without names.
pub(crate) struct Stacks(UnresolvedReport);

impl Profiler {
    /// Starts to take stacks. That needs some 70 MB of memory and a temporary file.
    ///
    /// # Errors
    /// The file cannot be made, or another profiler runs.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { guard: Some(guard()?), before: None })
    }

    /// The stacks that were taken since the last call, or since the start.
    ///
    /// # Errors
    /// The temporary file cannot be read, or a new one cannot be made. In the second case no stacks are taken
    /// until a later call has made one.
    pub(crate) fn take(&mut self) -> io::Result<Stacks> {
        let Some(running) = &self.guard else {
            self.guard = Some(guard()?);
            return Err(io::Error::other("the profiler did not run"));
        };
        let all = running.report().build_unresolved().map_err(io::Error::other)?;
        let stacks = Stacks(since(&all, self.before.take().as_ref()));
        if all.data.len() > STACKS_MAX {
            self.guard = None; // before the new one: there can be one profiler in a process
            self.guard = Some(guard()?);
        } else {
            self.before = Some(all);
        }
        Ok(stacks)
    }
}

/// The stacks of `all` that were taken after those of `before`.
fn since(all: &UnresolvedReport, before: Option<&UnresolvedReport>) -> UnresolvedReport {
    let mut timing = all.timing.clone();
    if let Some(before) = before {
        timing.start_time += before.timing.duration;
        timing.duration = timing.duration.saturating_sub(before.timing.duration);
    }
    let data = all.data.iter().filter_map(|(stack, count)| {
        let counted = before.and_then(|before| before.data.get(stack)).copied();
        let new = count - counted.unwrap_or_default();
        (new > 0).then(|| (stack.clone(), new))
    });
    UnresolvedReport { data: data.collect(), timing }
}

fn guard() -> io::Result<ProfilerGuard<'static>> {
    let builder = ProfilerGuardBuilder::default().frequency(FREQUENCY.into()).blocklist(&UNSAFE);
    builder.build().map_err(io::Error::other)
}

impl Drop for Profiler {
    fn drop(&mut self) {
        drop(self.guard.take());
        remove_file();
    }
}

/// Removes the temporary file. After that no profile can be taken.
///
/// pprof keeps its table for the next profile in a static, which is never dropped. With the table it keeps the
/// temporary file for stacks that the table has no room for, so the file has to be removed here.
pub(crate) fn remove_file() {
    let Ok(folder) = std::fs::canonicalize(std::env::temp_dir()) else { return };
    let own = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    for open in own.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()) {
        let name = open.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(".tmp") && open.parent() == Some(&folder) {
            // If that fails the file is left behind; as a rule it is empty.
            let _ = std::fs::remove_file(&open);
        }
    }
}

impl Stacks {
    /// Encodes the stacks as a profile in pprof's protobuf format, with the names of functions and of threads.
    /// Gives up with `None` as soon as `go_on` returns false: finding the names takes a while, most of all the
    /// first time.
    ///
    /// # Errors
    /// The profile cannot be encoded.
    pub(crate) fn encode(self, go_on: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
        let mut data: HashMap<Frames, isize> = HashMap::new();
        for (stack, count) in self.0.data {
            if !go_on() {
                return Ok(None);
            }
            *data.entry(Frames::from(stack)).or_default() += count;
        }
        let report = Report { data, timing: self.0.timing };
        let profile = report.pprof().map_err(io::Error::other)?;
        profile.write_to_bytes().map(Some).map_err(io::Error::other)
    }
}

impl std::fmt::Debug for Profiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Profiler").field(&self.guard.is_some()).finish()
    }
}

impl std::fmt::Debug for Stacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stacks").field(&self.0.data.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of this test's thread.
    fn own(stacks: &Stacks) -> isize {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let of_own = stacks.0.data.iter().filter(|(stack, _)| {
            let seen = &stack.thread_name[..stack.thread_name_length];
            !seen.is_empty() && name.as_bytes().starts_with(seen)
        });
        of_own.map(|(_, count)| count).sum()
    }

    #[test]
    fn each_profile_has_what_came_after_the_one_before() {
        let mut profiler = Profiler::start().unwrap();
        let mut sum = 0_u64;
        let mut first = 0;
        for round in 0.. {
            (0..10_000_000_u64).for_each(|n| sum = std::hint::black_box(sum ^ n));
            first = own(&profiler.take().unwrap());
            if first >= 5 {
                break;
            }
            assert!(round < 1_000, "no stacks are taken");
        }
        let second = profiler.take().unwrap();
        assert!(own(&second) * 2 < first, "{second:?} after {first}");
        assert!(second.encode(&|| true).unwrap().is_some());
        let stopped = profiler.take().unwrap();
        assert!(stopped.0.data.is_empty() || stopped.encode(&|| false).unwrap().is_none());
    }
}
