//! CPU profiles of this process: stacks, taken by a signal (`SIGPROF`) at each 10 ms of CPU time.
//!
//! The signal comes to whatever thread runs, in the middle of anything, so a stack is only taken where it can
//! be taken safely: not within the C library or the unwinder, which may hold what unwinding needs. Time in
//! them, and with it time in the kernel, is therefore missing from profiles. Each call that waits may be
//! interrupted (`EINTR`), whoever makes it.
//!
//! One profiler per process; its signal handler and what it collects are pprof's.

use std::collections::HashMap;
use std::io;

use pprof::protos::Message;
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, Report, UnresolvedReport};

/// Stacks per second of CPU time.
pub(crate) const FREQUENCY: u16 = 100;

/// Files whose code is never unwound from.
const UNSAFE: [&str; 6] = ["/libc.so", "/libc-", "/libgcc_s", "/libpthread", "/ld-linux", "vdso"];

/// Stacks that differ past which the profiler starts anew: so few find room in its table, and none has to go
/// to its file.
const STACKS_MAX: usize = 512;

/// Takes stacks for as long as it lives.
pub(crate) struct Profiler {
    guard: Option<ProfilerGuard<'static>>,
    /// All that was taken up to the last call. pprof counts on from there, since to make its table of 70 MB
    /// anew each time would cost more than all stacks.
    before: Option<UnresolvedReport>,
}

/// Stacks that were taken, as addresses.
pub(crate) struct Stacks(UnresolvedReport);

impl Profiler {
    /// Starts; takes some 70 MB of memory, and a temporary file.
    ///
    /// # Errors
    /// There is no place for the file, or another profiler runs.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { guard: Some(guard()?), before: None })
    }

    /// What was taken since the start or the last call.
    ///
    /// # Errors
    /// The temporary file cannot be read, or the next one not be made; no stacks are taken then until a
    /// later call works.
    pub(crate) fn take(&mut self) -> io::Result<Stacks> {
        let Some(running) = &self.guard else {
            self.guard = Some(guard()?);
            return Err(io::Error::other("the profiler did not run"));
        };
        let all = running.report().build_unresolved().map_err(io::Error::other)?;
        let stacks = Stacks(since(&all, self.before.take().as_ref()));
        if all.data.len() > STACKS_MAX {
            self.guard = None; // one at a time
            self.guard = Some(guard()?);
        } else {
            self.before = Some(all);
        }
        Ok(stacks)
    }
}

/// What came after `before`.
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
        // What pprof keeps for the next profile lives in a static, and with it the file in which stacks go
        // that its table has no room for: nobody else would remove it.
        let Ok(folder) = std::fs::canonicalize(std::env::temp_dir()) else { return };
        let own = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
        for open in own.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()) {
            let name = open.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with(".tmp") && open.parent() == Some(&folder) {
                // It stays where it cannot be removed, and is empty as a rule.
                let _ = std::fs::remove_file(&open);
            }
        }
    }
}

impl Stacks {
    /// As a profile in pprof's protobuf form, with functions' names and the thread of each stack; `None` if
    /// `go_on` has said no meanwhile. Takes a moment, the first time a long one.
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
