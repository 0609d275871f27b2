//! Rows about scrapes: of 100,000 series, compared with the least that they can cost, and of a million while
//! messages come in.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics_server::testing::http::{HttpLimits, HttpServer};
use metrics_server::testing::sys::cpu;

use crate::child::{Receiver, SocketKind};
use crate::http::{MemoryPage, get};
use crate::lag::LoopLagReading;
use crate::load_test::{self, LoadTest, RunResult};
use crate::median::MedianEstimate;
use crate::ratios::BenchPlan;
use crate::table::{self, BenchRow};

/// Series on the page of the two rows that compare.
const SERIES: usize = 100_000;
/// What the original Go metrics-server takes at least for a page of so many series.
const ORIGINAL_SECONDS: f64 = 1.2;
/// How many times as many pairs as in other rows there are: a scrape takes only milliseconds.
const PAIRS_FACTOR: usize = 4;
/// Phases of the load in which a million series are scraped, and as many in which they are not.
const PHASES: u32 = 5;

/// Messages per second with which a server is filled.
const FILL_RATE: usize = 200_000;

/// Sends messages of new series to a server until it has them all, at half the rate each time that a datagram was
/// lost.
pub(crate) fn fill(
    plan: &BenchPlan,
    server: &Receiver,
    series: usize,
    more: &str,
    row: &mut BenchRow,
) -> Result<()> {
    for slower in [1, 2, 4, 8] {
        let rate = FILL_RATE / slower;
        let load = format!("-series {series} -count {series} -rate {rate} {more}");
        if send_all(plan, server, &load, row)? == 0 {
            return Ok(());
        }
    }
    bail!("the server loses datagrams of new series even at {} messages/s", FILL_RATE / 8)
}

/// Sends messages of all series in so many rounds more. A few may be lost, since the server has every series
/// already.
pub(crate) fn send_again(
    plan: &BenchPlan,
    server: &Receiver,
    series: usize,
    rounds: usize,
    more: &str,
    row: &mut BenchRow,
) -> Result<()> {
    let count = series * rounds;
    let load = format!("-series {series} -count {count} -rate {FILL_RATE} {more}");
    send_all(plan, server, &load, row).map(drop)
}

/// Runs the sender with these flags. Returns how many datagrams were lost.
fn send_all(plan: &BenchPlan, server: &Receiver, load: &str, row: &mut BenchRow) -> Result<u64> {
    let mut flags = server.flags();
    flags.extend(load_test::words(&format!("-per-datagram 10 -settle-timeout 60s {load}")));
    let received = load_test::received(&plan.environment.send(&flags)?)?;
    row.problems.extend(received.problems);
    Ok(received.lost)
}

/// Both rows of 100,000 series: the plain page, and the compressed one.
pub(crate) fn scrapes(plan: &BenchPlan, targets: [&'static str; 2]) -> Result<Vec<BenchRow>> {
    let server = Receiver::server(&plan.environment, SocketKind::Udp, &[])?;
    let address = server.http.clone().context("no page")?;
    let mut plain = BenchRow { target: targets[0], ..BenchRow::default() };
    fill(plan, &server, SERIES, "", &mut plain)?;
    let mut bytes = Vec::new();
    get(&address, false, &mut bytes)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let from_memory = listener.local_addr()?.to_string();
    let memory = HttpServer::new(
        listener,
        Arc::new(MemoryPage::new(&bytes)),
        Arc::default(),
        HttpLimits::new(16, Duration::from_mins(1), Duration::from_mins(1)),
        Arc::default(),
    )?;
    let stop = memory.stop_handle();
    let seconds = thread::scope(|scope| {
        let run = || {
            cpu::stand_back(); // as the server's own threads that serve pages do
            memory.run()
        };
        let serve = thread::Builder::new().spawn_scoped(scope, run)?;
        let mut page = Vec::new();
        let mut other = Vec::new();
        let result =
            timed(plan, &mut plain, &mut || get(&from_memory, false, &mut page), &mut || {
                get(&address, false, &mut other)
            });
        stop.stop();
        serve.join().map_err(|_| anyhow!("the HTTP server panicked"))??;
        result
    })?;
    plain.name = format!("scrape of {SERIES} series, {:.1} MB", bytes.len() as f64 / 1e6);
    plain.base.insert_str(0, "the same bytes from memory ");
    plain.notes.push(format!(
        "a scrape took {}, {:.1} % of the {ORIGINAL_SECONDS} s that the original Go metrics-server takes at least",
        table::millis(seconds),
        100.0 * seconds / ORIGINAL_SECONDS
    ));

    let mut gzip = BenchRow { target: targets[1], ..BenchRow::default() };
    let mut packed = Vec::new();
    timed(plan, &mut gzip, &mut || compress(&bytes), &mut || get(&address, true, &mut packed))?;
    gzip.name = format!("the same, gzip, {:.2} MB", packed.len() as f64 / 1e6);
    gzip.base.insert_str(0, "flate2 level 1 on the bytes alone ");
    Ok(vec![plain, gzip])
}

/// Compares times in pairs whose order alternates. Returns the median of the server's times in seconds.
fn timed(
    plan: &BenchPlan,
    row: &mut BenchRow,
    base: &mut dyn FnMut() -> Result<Duration>,
    server: &mut dyn FnMut() -> Result<Duration>,
) -> Result<f64> {
    let (mut bases, mut servers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    base()?;
    server()?;
    let pairs = plan.pairs * PAIRS_FACTOR;
    for pair in 0..pairs {
        let (one, other) = if pair % 2 == 0 {
            let one = base()?;
            (one, server()?)
        } else {
            let other = server()?;
            (base()?, other)
        };
        bases.push(one.as_secs_f64());
        servers.push(other.as_secs_f64());
        ratios.push(other.as_secs_f64() / one.as_secs_f64());
    }
    let median = MedianEstimate::of(&servers).median;
    row.pairs = pairs;
    row.base = table::millis(MedianEstimate::of(&bases).median);
    row.server = format!(
        "{}, {} a series",
        table::millis(median),
        table::micros(median * 1e6 / SERIES as f64)
    );
    row.ratio = table::ratio(MedianEstimate::of(&ratios));
    Ok(median)
}

/// What compressing costs at least: the same encoder, level and pieces, in a thread of the same rank.
fn compress(bytes: &[u8]) -> Result<Duration> {
    thread::scope(|scope| {
        let compress = || -> Result<Duration> {
            cpu::stand_back();
            let began = Instant::now();
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            for piece in bytes.chunks(128 << 10) {
                encoder.write_all(piece)?;
            }
            std::hint::black_box(encoder.finish()?);
            Ok(began.elapsed())
        };
        let thread = thread::Builder::new().spawn_scoped(scope, compress)?;
        thread.join().map_err(|_| anyhow!("a measuring thread panicked"))?
    })
}

/// Scrapes one after the other while messages come in at half of what the server can take, and the same load
/// without them: what is lost then is lost for another reason.
pub(crate) fn while_ingesting(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let series = plan.many;
    let load = format!("-names 10 -series {series} -per-datagram 10 -order random");
    let mut row = BenchRow {
        name: format!("scrapes of {series} series in ten names at half load"),
        target,
        ..BenchRow::default()
    };
    let mut load_test =
        LoadTest::server(&plan.environment, SocketKind::Udp, &[], &format!("{load} -gso"))?;
    let server = load_test.server.as_ref().context("just started")?;
    let address = server.http.clone().context("no page")?;
    // The first time creates the series, two more make a template of each message.
    fill(plan, server, series, "-names 10", &mut row)?;
    send_again(plan, server, series, 2, "-names 10", &mut row)?;
    let most = load_test.run(&plan.environment, plan.time.max(Duration::from_secs(1)))?;
    row.problems.extend(most.problems);
    load_test.send = load_test::words(&format!("{load} -rate {:.0}", most.rate / 2.0));
    let phase = plan.watch / (2 * PHASES);
    let (mut lost_without, mut micros, mut seen) = (0, Vec::new(), ScrapeObservations::default());
    for _ in 0..PHASES {
        let without = load_test.run(&plan.environment, phase)?;
        let with = scraped(plan, &load_test, &address, phase, &mut seen)?;
        lost_without += without.lost;
        row.lost += with.lost;
        micros.push([without.micros, with.micros]);
        row.problems.extend(without.problems.into_iter().chain(with.problems));
    }
    row.pairs = seen.times.len();
    let cost = |which: usize| {
        let costs: Vec<f64> = micros.iter().map(|pair| pair[which]).collect();
        table::micros(MedianEstimate::of(&costs).median)
    };
    row.base = format!("without scrapes {lost_without} lost, {} a message", cost(0));
    row.server = format!(
        "scrape {} (at most {}), {} a message",
        table::millis(MedianEstimate::of(&seen.times).median),
        table::millis(seen.times.iter().copied().fold(0.0, f64::max)),
        cost(1)
    );
    row.ratio = format!("**{} lost**, loop lag ≤ {}", row.lost, table::millis(seen.lag_seconds));
    row.notes.push(format!(
        "{:.0} messages/s were sent, half of {:.0}, in {PHASES} phases of {phase:?} with scrapes and as many without",
        most.rate / 2.0,
        most.rate
    ));
    Ok(row)
}

/// What was seen of scrapes and on their pages.
#[derive(Debug, Default)]
struct ScrapeObservations {
    times: Vec<f64>,
    /// The bound of the bucket in which the longest loop lag fell.
    lag_seconds: f64,
}

/// One phase of the load, and scrapes all the while, plain and compressed by turns. Two more, before and after
/// it, tell the loop lag meanwhile.
fn scraped(
    plan: &BenchPlan,
    load_test: &LoadTest,
    address: &str,
    phase: Duration,
    seen: &mut ScrapeObservations,
) -> Result<RunResult> {
    let before = LoopLagReading::scrape(address)?;
    let ended = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        let send = || {
            let result = load_test.run(&plan.environment, phase);
            ended.store(true, Ordering::Relaxed);
            result
        };
        let scrape = || -> Result<Vec<f64>> {
            cpu::stand_back(); // Prometheus has a machine of its own: what reads here must not take the worker's core
            let (mut times, mut page) = (Vec::new(), Vec::new());
            while !ended.load(Ordering::Relaxed) {
                let gzip = times.len() % 2 == 1;
                times.push(get(address, gzip, &mut page)?.as_secs_f64());
            }
            Ok(times)
        };
        let sender = thread::Builder::new().spawn_scoped(scope, send)?;
        let scraper = thread::Builder::new().spawn_scoped(scope, scrape)?;
        seen.times.extend(scraper.join().map_err(|_| anyhow!("the scraper panicked"))??);
        sender.join().map_err(|_| anyhow!("the sender panicked"))?
    })?;
    seen.lag_seconds =
        seen.lag_seconds.max(LoopLagReading::scrape(address)?.bound_since(&before, 1.0)?);
    Ok(result)
}
