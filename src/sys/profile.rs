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
pub const FREQUENCY: u16 = 100;

/// Files whose code is never unwound from.
const UNSAFE: [&str; 6] = ["/libc.so", "/libc-", "/libgcc_s", "/libpthread", "/ld-linux", "vdso"];

/// Takes stacks for as long as it lives.
pub struct Profiler(Option<ProfilerGuard<'static>>);

/// Stacks that were taken, as addresses.
pub struct Stacks(UnresolvedReport);

impl Profiler {
    /// Starts; takes some 70 MB of memory, and a temporary file.
    ///
    /// # Errors
    /// There is no place for the file, or another profiler runs.
    pub fn start() -> io::Result<Self> {
        Ok(Self(Some(guard()?)))
    }

    /// What was taken since the start or the last call.
    ///
    /// # Errors
    /// The temporary file cannot be read, or the next one not be made; no stacks are taken then until a
    /// later call works.
    pub fn take(&mut self) -> io::Result<Stacks> {
        let taken = self.0.take().map(|guard| guard.report().build_unresolved());
        self.0 = Some(guard()?);
        match taken {
            Some(stacks) => stacks.map(Stacks).map_err(io::Error::other),
            None => Err(io::Error::other("the profiler did not run")),
        }
    }
}

fn guard() -> io::Result<ProfilerGuard<'static>> {
    let builder = ProfilerGuardBuilder::default().frequency(FREQUENCY.into()).blocklist(&UNSAFE);
    builder.build().map_err(io::Error::other)
}

impl Drop for Profiler {
    fn drop(&mut self) {
        drop(self.0.take());
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
    pub fn encode(self, go_on: &dyn Fn() -> bool) -> io::Result<Option<Vec<u8>>> {
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
        f.debug_tuple("Profiler").field(&self.0.is_some()).finish()
    }
}

impl std::fmt::Debug for Stacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stacks").field(&self.0.data.len()).finish()
    }
}
