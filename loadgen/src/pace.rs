//! The loop of one sending thread: when the next datagrams are due, how long each call took, when to stop.
//!
//! Runs in a thread of its own per sender. Knows nothing of what it sends to: that is a [`Target`].

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use hdrhistogram::Histogram;

use crate::cpu;
use crate::num::{whole_part, wrapped_index};
use crate::pool::{Pool, SentCounts};
use crate::sys;

/// Something that takes datagrams.
pub(crate) trait Target: Send {
    /// Sends some of `count` adjacent datagrams of the pool; how many went out.
    fn send(&mut self, pool: &Pool, first: usize, count: usize) -> io::Result<usize>;

    /// How many datagrams one call takes at most.
    fn batch_max(&self) -> usize;
}

/// When to send and when to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Stop after this many datagrams.
    pub(crate) limit: u64,
    /// Stop after this time.
    pub(crate) time: Duration,
    /// Nanoseconds between two datagrams; none: as fast as it goes.
    pub(crate) interval: Option<f64>,
    /// Stay on this core.
    pub(crate) core: Option<usize>,
}

/// What one thread has sent, and how long that took.
#[derive(Debug)]
pub(crate) struct SendStats {
    /// What was sent.
    pub(crate) sent: SentCounts,
    /// From the first call to the last one's return.
    pub(crate) time: Duration,
    /// Processor time of the thread, if the kernel tells.
    pub(crate) cpu: Option<Duration>,
    /// Nanoseconds of each call.
    pub(crate) calls: Histogram<u64>,
    /// Nanoseconds from the moment each datagram was due to the return of its call, so that a stall counts for all
    /// that waited behind it (no coordinated omission). Empty without a rate.
    pub(crate) latencies: Histogram<u64>,
    /// Calls that told of a datagram sent before that nobody listened to.
    pub(crate) refused: u64,
}

/// Datagrams due within this time go out together: a system call each would cost too much.
const GROUP_NS: f64 = 100_000.0;

/// Waits shorter than this are spun: waking up takes about as long.
const SPIN: Duration = Duration::from_micros(50);

/// So many refusals mean that nobody is there at all.
const MAX_REFUSED: u64 = 1000;

/// How much longer than planned a paced run may take to send its last batch.
const GRACE: Duration = Duration::from_millis(10);

/// An empty histogram of nanoseconds, up to a minute, three digits.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(60_000_000_000, 3).context("histogram")
}

/// Sends the pool in a circle as planned; `progress` is set to the number of datagrams now and then.
pub(crate) fn run(
    target: &mut dyn Target,
    pool: &mut Pool,
    schedule: &Schedule,
    progress: &AtomicU64,
) -> Result<SendStats> {
    if let Some(core) = schedule.core {
        sys::pin(core).with_context(|| format!("cannot stay on core {core}"))?;
    }
    sys::sleep_exactly();
    let (mut calls, mut latencies) = (histogram()?, histogram()?);
    let (mut sent, mut refused) = (0_u64, 0_u64);
    let cpu_before = cpu::of_this_thread();
    let start = Instant::now();
    let pacer = schedule.interval.map(|interval| Pacer::new(start, interval, target.batch_max()));
    while sent < schedule.limit
        && pacer.as_ref().is_none_or(|pacer| pacer.starts(sent, schedule.time))
    {
        let room =
            usize::try_from(schedule.limit - sent).unwrap_or(usize::MAX).min(target.batch_max());
        let allowed = pacer.as_ref().map_or(room, |pacer| pacer.wait(sent, room));
        let before = Instant::now();
        // A paced run may finish its last batch: it is due exactly when the time is over.
        let last = pacer.is_some() && sent + room as u64 == schedule.limit;
        if before - start >= schedule.time.saturating_add(if last { GRACE } else { Duration::ZERO })
        {
            break;
        }
        let first = wrapped_index(sent, pool.len());
        let count = allowed.min(pool.len() - first);
        pool.write_serials(first, count, sent);
        let gone = match target.send(pool, first, count) {
            Ok(gone) => gone as u64,
            Err(error) => {
                pass_over(error, &mut refused)?;
                continue;
            }
        };
        let after = Instant::now();
        calls.saturating_record(nanoseconds(after - before));
        if let Some(pacer) = &pacer {
            latencies.saturating_record_n(nanoseconds(after - pacer.due(sent)), gone);
        }
        sent += gone;
        progress.store(sent, Ordering::Relaxed);
    }
    let time = start.elapsed();
    let cpu =
        cpu_before.zip(cpu::of_this_thread()).map(|(before, after)| after.saturating_sub(before));
    Ok(SendStats { sent: pool.counts(sent), time, cpu, calls, latencies, refused })
}

/// Refusals of earlier datagrams and full queues pass: the datagram did not go out and is sent again.
fn pass_over(error: io::Error, refused: &mut u64) -> Result<()> {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        *refused += 1;
        ensure!(*refused <= MAX_REFUSED, "refused {MAX_REFUSED} times: nobody listens there");
        return Ok(());
    }
    if error.kind() == io::ErrorKind::Interrupted || error.raw_os_error() == Some(libc::ENOBUFS) {
        return Ok(());
    }
    Err(error).context("cannot send")
}

/// Saturates after five centuries.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Says when each datagram is due: in groups small enough for an even flow and large enough to be cheap.
struct Pacer {
    start: Instant,
    interval: f64,
    group: u64,
}

impl Pacer {
    fn new(start: Instant, interval: f64, most: usize) -> Self {
        let group = whole_part(GROUP_NS / interval).clamp(1, most.max(1) as u64);
        Self { start, interval, group }
    }

    /// When the datagram after `sent` others is due: together with the last of its group.
    fn due(&self, sent: u64) -> Instant {
        let group_end = (sent / self.group + 1) * self.group;
        // Nanoseconds since the start, exact up to three months.
        self.start + Duration::from_nanos(whole_part(group_end as f64 * self.interval))
    }

    /// Whether the datagram after `sent` others is due before a run of this length is over.
    fn starts(&self, sent: u64, time: Duration) -> bool {
        self.due(sent) - self.start <= time.saturating_add(GRACE / 2)
    }

    /// Waits until the next datagram is due, and says how many are by then, at most `room`.
    fn wait(&self, sent: u64, room: usize) -> usize {
        let due = self.due(sent);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match left.checked_sub(SPIN) {
                Some(long) => thread::sleep(long),
                None => std::hint::spin_loop(),
            }
        }
        // Only what is wholly due.
        let passed = whole_part(self.start.elapsed().as_nanos() as f64 / self.interval);
        let group_end = (sent / self.group + 1) * self.group;
        let count = passed.max(group_end) - sent;
        usize::try_from(count).unwrap_or(usize::MAX).min(room)
    }
}

#[cfg(test)]
mod tests;
