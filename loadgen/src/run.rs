//! One run: prepare senders, scrape, send in threads, wait until the server has caught up, report.
//!
//! The only file that starts threads: one per sender.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::bar::Bar;
use crate::books::{Books, ServerCounters, Transport};
use crate::cpu::{self, CpuTimes};
use crate::flags::{Destination, Options};
use crate::num::whole_part;
use crate::pace::{self, Schedule, SendStats, Target};
use crate::pool::{Pool, PoolSpec};
use crate::report::Report;
use crate::scrape::scrape;
use crate::udp::UdpTarget;
use crate::unix::UnixTarget;

/// How often the server is asked whether it has caught up, at most.
const POLL: Duration = Duration::from_millis(50);

/// One thread's equipment.
struct Sender {
    target: Box<dyn Target>,
    pool: Pool,
    schedule: Schedule,
    progress: Progress,
}

/// Datagrams sent so far; on a line of its own, since its thread writes it all the time.
#[derive(Default)]
#[repr(align(128))]
struct Progress(AtomicU64);

/// Sends what the options ask for and compares it with what the server counted, if its page is known.
pub(crate) fn run(options: &Options) -> Result<Report> {
    let mut senders = prepare(options)?;
    let page = options.http.as_deref().map(|address| (address, books(options)));
    let before = page.map(|(address, books)| server_counters(&books, address)).transpose()?;
    let cpu_before = options.pid.map(process).transpose()?;
    let mut report = Report::of(&send(options, &mut senders)?)?;
    drop(senders);
    if let (Some((address, books)), Some(before)) = (page, before) {
        let (grown, differences) = settle(&books, address, &before, &report, options.settle)?;
        report.server(grown, differences);
    }
    let cpu_after = options.pid.map(process).transpose()?;
    report.process(cpu_before.zip(cpu_after).map(|(before, after)| CpuTimes {
        all: after.all.saturating_sub(before.all),
        ingest: after.ingest.saturating_sub(before.ingest),
    }));
    Ok(report)
}

/// What the books are about.
fn books(options: &Options) -> Books {
    Books {
        transport: match options.to {
            Destination::Udp(_) => Transport::Udp,
            Destination::Unix(_) => Transport::Unix,
        },
        families: options.style.families,
        per_datagram: options.per_datagram as u64,
        allow_rejected: options.allow_rejected,
    }
}

fn server_counters(books: &Books, address: &str) -> Result<ServerCounters> {
    Ok(books.read(&scrape(address)?))
}

fn process(pid: u32) -> Result<CpuTimes> {
    cpu::of_process(pid).with_context(|| format!("-pid: no processor time of process {pid}"))
}

/// Renders the pools and opens the sockets of all threads; each has its own part of the series.
fn prepare(options: &Options) -> Result<Vec<Sender>> {
    let threads = options.threads;
    let address = match &options.to {
        Destination::Udp(address) => Some(resolve(address)?),
        Destination::Unix(_) => None,
    };
    let limit = limit(options);
    let mut senders = Vec::new();
    for thread in 0..threads {
        let pool = Pool::render(&pool_spec(options, thread))?;
        let target = target(options, address, thread, &pool)?;
        let rate = options.rate.map(|rate| rate / options.per_datagram as f64 / threads as f64);
        let schedule = Schedule {
            limit: limit.map_or(u64::MAX, |all| share(all, threads as u64, thread as u64)),
            time: options.time,
            interval: rate.map(|datagrams| 1e9 / datagrams),
            core: options.pin.get(thread % options.pin.len().max(1)).copied(),
        };
        senders.push(Sender { target, pool, schedule, progress: Progress::default() });
    }
    Ok(senders)
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let mut found = address.to_socket_addrs().with_context(|| format!("-udp {address}"))?;
    found.next().with_context(|| format!("-udp {address}: no such address"))
}

/// One thread's messages.
fn pool_spec(options: &Options, thread: usize) -> PoolSpec {
    let first = options.series * thread / options.threads;
    PoolSpec {
        style: options.style,
        weights: options.weights,
        first,
        series: options.series * (thread + 1) / options.threads - first,
        random: options.random,
        per_datagram: options.per_datagram,
        equal: options.gso,
        stream: matches!(options.to, Destination::Unix(_)),
        seed: options.seed.wrapping_add(thread as u64),
    }
}

/// One thread's sockets.
fn target(
    options: &Options,
    address: Option<SocketAddr>,
    thread: usize,
    pool: &Pool,
) -> Result<Box<dyn Target>> {
    let part =
        |all: usize| ((thread + 1) * all / options.threads - thread * all / options.threads).max(1);
    if let Destination::Unix(path) = &options.to {
        return Ok(Box::new(UnixTarget::connect(
            path,
            part(options.clients),
            options.connect_each,
        )?));
    }
    let address = address.context("no address")?;
    let udp = UdpTarget::connect(address, part(options.ports), options.batch)?;
    Ok(Box::new(if options.gso { udp.segmented(pool.span(0, 1).len())? } else { udp }))
}

/// How many datagrams to send in all; none: as many as fit the time.
fn limit(options: &Options) -> Option<u64> {
    let per_datagram = options.per_datagram as u64;
    let counted = options.count.map(|count| count.div_ceil(per_datagram));
    let timed = options.rate.filter(|_| options.time < Duration::MAX);
    let timed = timed.map(|rate| whole_part(rate * options.time.as_secs_f64()) / per_datagram);
    counted.into_iter().chain(timed).min()
}

/// This thread's part of a whole.
const fn share(all: u64, threads: u64, thread: u64) -> u64 {
    all / threads + (thread < all % threads) as u64
}

/// Starts all threads at once and waits for them. The first error ends the run when all have ended.
fn send(options: &Options, senders: &mut [Sender]) -> Result<Vec<SendStats>> {
    let limits = senders.iter().map(|sender| sender.schedule.limit);
    let limit = limits.fold(0, u64::saturating_add);
    let bar = Bar::new(options.quiet, limit, options.per_datagram as u64);
    thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut counts = Vec::new();
        for (number, sender) in senders.iter_mut().enumerate() {
            let Sender { target, pool, schedule, progress } = sender;
            let count = &progress.0;
            counts.push(count);
            handles.push(
                thread::Builder::new()
                    .name(format!("send-{number}"))
                    .spawn_scoped(scope, move || pace::run(target.as_mut(), pool, schedule, count))
                    .context("cannot start a thread")?,
            );
        }
        bar.follow(|| {
            let running = handles.iter().any(|handle| !handle.is_finished());
            running.then(|| counts.iter().map(|count| count.load(Ordering::Relaxed)).sum())
        });
        let join = |handle: thread::ScopedJoinHandle<'_, Result<SendStats>>| {
            handle.join().map_err(|_| anyhow!("a sending thread panicked"))?
        };
        handles.into_iter().map(join).collect()
    })
}

/// Scrapes until the books close or the time is over; how much the counters grew, and what does not add up.
fn settle(
    books: &Books,
    address: &str,
    before: &ServerCounters,
    report: &Report,
    timeout: Duration,
) -> Result<(ServerCounters, Vec<String>)> {
    let start = Instant::now();
    loop {
        let asked = Instant::now();
        let grown = server_counters(books, address)?.since(before);
        let differences = books.differences(report.sent(), &grown);
        if differences.is_empty() || start.elapsed() >= timeout {
            return Ok((grown, differences));
        }
        // A large page is asked for less often, so that the server is not kept from catching up.
        thread::sleep(POLL.max(asked.elapsed()).min(timeout.saturating_sub(start.elapsed())));
    }
}

#[cfg(test)]
mod tests {
    use super::{limit, pool_spec, share};
    use crate::flags::{Command, Options, parse};

    fn options(line: &str) -> Options {
        match parse(line.split_whitespace().map(Into::into)) {
            Ok(Command::Run(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn threads_share_series_and_datagrams_without_a_gap() {
        let options = options("-udp :9 -series 1001 -threads 3");
        let mut next = 0;
        for thread in 0..3 {
            let pool_spec = pool_spec(&options, thread);
            assert_eq!(pool_spec.first, next);
            next += pool_spec.series;
        }
        assert_eq!(next, 1001);
        assert_eq!((0..3).map(|thread| share(11, 3, thread)).sum::<u64>(), 11);
    }

    #[test]
    fn a_limit_is_in_whole_datagrams() {
        assert_eq!(limit(&options("-udp :9")), None);
        assert_eq!(limit(&options("-udp :9 -count 11 -per-datagram 5")), Some(3));
        assert_eq!(limit(&options("-udp :9 -rate 100 -seconds 2 -per-datagram 10")), Some(20));
        assert_eq!(limit(&options("-udp :9 -rate 100 -seconds 2 -count 50")), Some(50));
    }
}
