//! What the server holds: threads, descriptors and resident memory, read from `/proc`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Looks without a change after which a process counts as being at rest.
const POLLS_AT_REST: u32 = 10;
/// A process that is not at rest after this time is measured as it is.
const REST_MAX: Duration = Duration::from_secs(5);

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceUsage {
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
    pub(crate) resident_bytes: u64,
}

impl ResourceUsage {
    /// Reads it now. Resident memory is that of `smaps_rollup`, which is exact where `status` lags behind.
    ///
    /// # Errors
    /// Those of reading `/proc`: the process is gone, or belongs to another user.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let folder = format!("/proc/{pid}");
        let descriptors = fs::read_dir(format!("{folder}/fd")).context("descriptors")?.count();
        Ok(Self {
            threads: field(&format!("{folder}/status"), "Threads:")?,
            descriptors: descriptors as u64,
            resident_bytes: field(&format!("{folder}/smaps_rollup"), "Rss:")? * 1024,
        })
    }

    /// Waits until threads and descriptors have not changed for a while.
    pub(crate) fn at_rest(pid: u32) -> Result<Self> {
        let began = Instant::now();
        let mut last = Self::of(pid)?;
        let mut unchanged = 0;
        while unchanged < POLLS_AT_REST && began.elapsed() < REST_MAX {
            thread::sleep(POLL_INTERVAL);
            let now = Self::of(pid)?;
            let same = (now.threads, now.descriptors) == (last.threads, last.descriptors);
            unchanged = if same { unchanged + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    /// Waits until the process holds what it held `before`, at most for `time`; what it holds then.
    pub(crate) fn back_to(pid: u32, before: Self, time: Duration) -> Result<Self> {
        let began = Instant::now();
        loop {
            let now = Self::of(pid)?;
            if now.growth(before).is_none() || began.elapsed() >= time {
                return Ok(now);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// What is more than it was, in words: any thread, any descriptor, more than 1 MB.
    pub(crate) fn growth(self, before: Self) -> Option<String> {
        const RESIDENT_SLACK_BYTES: u64 = 1_000_000;
        let mut grown = Vec::new();
        if self.threads > before.threads {
            grown.push(format!("{} threads", self.threads - before.threads));
        }
        if self.descriptors > before.descriptors {
            grown.push(format!("{} descriptors", self.descriptors - before.descriptors));
        }
        if self.resident_bytes > before.resident_bytes + RESIDENT_SLACK_BYTES {
            let bytes = self.resident_bytes - before.resident_bytes;
            grown.push(format!("{:.1} MB", bytes as f64 / 1e6));
        }
        (!grown.is_empty()).then(|| format!("left behind: {}", grown.join(", ")))
    }
}

/// The number behind a field's name.
fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| path.to_owned())?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("no such field")?.parse().with_context(|| format!("{path}: {name}"))
}

#[cfg(test)]
mod tests {
    use super::ResourceUsage;

    #[test]
    fn growth_names_what_has_grown_and_nothing_else() {
        let before = ResourceUsage { threads: 5, descriptors: 20, resident_bytes: 10_000_000 };
        assert_eq!(before.growth(before), None);
        let less = ResourceUsage { threads: 4, descriptors: 19, resident_bytes: 5_000_000 };
        assert_eq!(less.growth(before), None);
        let more = ResourceUsage { threads: 6, descriptors: 22, resident_bytes: 11_000_000 };
        assert_eq!(more.growth(before).unwrap(), "left behind: 1 threads, 2 descriptors");
        let much = ResourceUsage { resident_bytes: 11_500_000, ..before };
        assert_eq!(much.growth(before).unwrap(), "left behind: 1.5 MB");
    }

    #[test]
    fn this_process_can_be_read() {
        let usage = ResourceUsage::of(std::process::id()).unwrap();
        assert!(usage.threads > 0 && usage.descriptors > 2 && usage.resident_bytes > 1 << 16);
    }
}
