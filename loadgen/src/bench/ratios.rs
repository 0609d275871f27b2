//! Rows that are ratios of processor time per message: the server's to what it is held against.
//!
//! Both are measured in turn, in pairs whose order alternates, so that a machine that grows slower or faster
//! does so for both.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::child::{Environment, SocketKind};
use crate::http;
use crate::instructions;
use crate::load_test::{LoadTest, RunResult, words};
use crate::median::MedianEstimate;
use crate::table::{self, BenchRow};
use crate::tape;

/// How much is to be measured.
#[derive(Debug)]
pub(crate) struct BenchPlan {
    pub(crate) environment: Environment,
    pub(crate) pairs: usize,
    /// Of one run.
    pub(crate) time: Duration,
    /// Of the load of the rows that are watched, not compared.
    pub(crate) watch: Duration,
    /// Series where there are to be many.
    pub(crate) many: usize,
    /// Messages of the two runs whose instructions are counted.
    pub(crate) counted: [u64; 2],
}

/// Runs the two in turn, at first unmeasured, and compares processor time per message.
pub(crate) fn paired(
    plan: &BenchPlan,
    row: BenchRow,
    base: &mut dyn FnMut() -> Result<RunResult>,
    server: &mut dyn FnMut() -> Result<RunResult>,
) -> Result<BenchRow> {
    let mut row = BenchRow { pairs: plan.pairs, ..row };
    let (mut bases, mut servers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut keep = |result: RunResult, lost: u64| {
        row.lost += lost;
        row.problems.extend(result.problems);
    };
    keep(server()?, 0);
    for pair in 0..plan.pairs {
        let (one, other) = if pair % 2 == 0 {
            let one = base()?;
            (one, server()?)
        } else {
            let other = server()?;
            (base()?, other)
        };
        bases.push(one.micros);
        servers.push(other.micros);
        ratios.push(other.micros / one.micros);
        keep(one, 0);
        let lost = other.lost;
        keep(other, lost);
    }
    row.base = format!("{} {}", row.base, table::micros(MedianEstimate::of(&bases).median));
    row.server = table::micros(MedianEstimate::of(&servers).median);
    row.ratio = table::ratio(MedianEstimate::of(&ratios));
    Ok(row)
}

/// The server against the null loop, on the same load.
fn against_null(
    plan: &BenchPlan,
    row: BenchRow,
    socket: SocketKind,
    null: &[&'static str],
    load: &str,
) -> Result<BenchRow> {
    let null = LoadTest::null(socket, null, load);
    let server = LoadTest::server(&plan.environment, socket, &[], load)?;
    paired(plan, row, &mut || null.run(&plan.environment, plan.time), &mut || {
        server.run(&plan.environment, plan.time)
    })
}

fn row(name: &str, base: &str, target: &'static str) -> BenchRow {
    BenchRow { name: name.to_owned(), base: base.to_owned(), target, ..BenchRow::default() }
}

/// As fast as the sender can: datagrams are cut by the kernel.
pub(crate) fn saturated(
    plan: &BenchPlan,
    per_datagram: usize,
    target: &'static str,
) -> Result<BenchRow> {
    let name = format!("{per_datagram} per datagram, saturated");
    let load = format!("-per-datagram {per_datagram} -gso");
    against_null(plan, row(&name, "null", target), SocketKind::Udp, &[], &load)
}

/// The same in several random orders by turns: a message is hardly ever followed by the one that followed it before.
pub(crate) fn any_order(
    plan: &BenchPlan,
    per_datagram: usize,
    target: &'static str,
) -> Result<BenchRow> {
    let name = format!("{per_datagram} per datagram, saturated, series at random");
    let load = format!("-per-datagram {per_datagram} -gso -order random");
    against_null(plan, row(&name, "null", target), SocketKind::Udp, &[], &load)
}

/// At half of what the null loop can take.
pub(crate) fn half(
    plan: &BenchPlan,
    per_datagram: usize,
    target: &'static str,
    null: &[&'static str],
) -> Result<BenchRow> {
    let load = format!("-per-datagram {per_datagram}");
    let probe =
        |load: &str| LoadTest::null(SocketKind::Udp, &[], load).run(&plan.environment, plan.time);
    let most = probe(&format!("{load} -gso"))?;
    // Each datagram by itself, as programs send them: what the kernel cuts arrives in bursts, of which a loop that
    // never waits profits as much as one that does. Slower where the sender cannot follow.
    let plain = probe(&load)?;
    let rate = (most.rate / 2.0).min(plain.sent_rate * 0.9).floor();
    let load = format!("{load} -rate {rate}");
    let (waits, base) = if null.is_empty() {
        ("", "null")
    } else {
        (", default settings", "null that never waits")
    };
    let name = format!("{per_datagram} per datagram, half of null's maximum{waits}");
    let mut row = against_null(plan, row(&name, base, target), SocketKind::Udp, null, &load)?;
    row.notes.push(format!(
        "null read {:.0} messages/s at most; {rate}/s were to be sent, where the sender reaches {:.0}/s by sendmmsg",
        most.rate, plain.sent_rate
    ));
    Ok(row)
}

/// Connections that write and write.
pub(crate) fn unix(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let row = row("unix streams, 100 clients, 10 messages a write", "null", target);
    against_null(plan, row, SocketKind::Unix, &[], "-clients 100 -per-datagram 10")
}

/// Two loads on two servers.
fn two_servers(
    plan: &BenchPlan,
    row: BenchRow,
    base: (&[&str], &str),
    other: (&[&str], &str),
) -> Result<BenchRow> {
    let base = LoadTest::server(&plan.environment, SocketKind::Udp, base.0, base.1)?;
    let other = LoadTest::server(&plan.environment, SocketKind::Udp, other.0, other.1)?;
    // Long enough that every message was seen twice, and so is known.
    let first = base.run(&plan.environment, plan.time)?;
    let second = other.run(&plan.environment, plan.time.max(Duration::from_secs(1)))?;
    let mut row = paired(plan, row, &mut || base.run(&plan.environment, plan.time), &mut || {
        other.run(&plan.environment, plan.time)
    })?;
    row.problems.extend(first.problems.into_iter().chain(second.problems));
    Ok(row)
}

/// Many series in random order.
pub(crate) fn many_series(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let row = row("10 per datagram, 100,000 series at random", "1,000 series", target);
    let many = "-series 100000 -order random -per-datagram 10 -gso";
    two_servers(plan, row, (&[], "-per-datagram 10 -gso"), (&[], many))
}

/// Histograms with four labels.
pub(crate) fn histogram(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let row = row("4-label histogram, 10 per datagram", "counter", target);
    let load = "-mix histogram:1 -per-datagram 10 -gso";
    two_servers(plan, row, (&[], "-per-datagram 10 -gso"), (&[], load))
}

/// Two workers: instructions per message, and beside them processor time, of which two cores are too few.
pub(crate) fn two_workers(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    const LOAD: &str = "-per-datagram 10 -gso -ports 64";
    let row = row("2 workers, 10 per datagram", "1 worker", target);
    let mut row = two_servers(plan, row, (&[], LOAD), (&["-workers", "2"], LOAD))?;
    if thread::available_parallelism().map_or(1, usize::from) < 3 {
        row.notes
            .push("in processor time the second worker shares its core with the sender".to_owned());
    }
    if !instructions::can_count() {
        row.notes
            .push("no valgrind to count instructions: the ratio is of processor time".to_owned());
        return Ok(row);
    }
    let count = |flags: &[&str]| {
        // Few series, so that each worker knows all of them before the count begins.
        let load = "-per-datagram 10 -ports 64 -series 200";
        instructions::per_message(&plan.environment, flags, load, plan.counted)
    };
    let (one, problems) = count(&[])?;
    let (two, more) = count(&["-workers", "2"])?;
    row.problems.extend(problems.into_iter().chain(more));
    row.notes.push(format!("in processor time {} against {}: {}", row.server, row.base, row.ratio));
    (row.base, row.server) = (format!("1 worker {one:.0} instructions"), format!("{two:.0}"));
    row.ratio = format!("**{:.3}**", two / one);
    Ok(row)
}

/// No message comes twice: each is parsed. Held against simd-json's tape of the same bytes.
pub(crate) fn unique(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let row = row("every message parsed (-unique), 10 per datagram", "simd-json's tape", target);
    let load = "-unique -per-datagram 10 -gso";
    let server = LoadTest::server(&plan.environment, SocketKind::Udp, &[], load)?;
    let null = LoadTest::null(SocketKind::Udp, &[], load).run(&plan.environment, plan.time)?;
    let tape = || on_core(plan.environment.ingest, || tape::micros(plan.time / 4));
    let mut base = || Ok(RunResult { micros: tape()?, ..RunResult::default() });
    let mut row = paired(plan, row, &mut base, &mut || server.run(&plan.environment, plan.time))?;
    row.notes.push(format!(
        "of the server's time, {} are the kernel's to hand over the bytes (null)",
        table::micros(null.micros)
    ));
    row.problems.extend(null.problems);
    hot_set(plan, server, &mut row)?;
    Ok(row)
}

/// Whether messages that come again are still known after a flood of others.
fn hot_set(plan: &BenchPlan, mut server: LoadTest, row: &mut BenchRow) -> Result<()> {
    let flood = std::mem::replace(&mut server.send, words("-per-datagram 10"));
    let page = server.server.as_ref().and_then(|server| server.http.clone()).context("no page")?;
    let parsed = || http::value(&page, "metrics_server_messages_parsed_total");
    let hot = |server: &LoadTest| server.run(&plan.environment, plan.time);
    row.problems.extend(hot(&server)?.problems);
    let hot_flags = std::mem::replace(&mut server.send, flood);
    row.problems.extend(hot(&server)?.problems);
    server.send = hot_flags;
    let before = parsed()?;
    let after_flood = hot(&server)?;
    let anew = parsed()? - before;
    row.notes.push(format!(
        "of {:.0} messages that were known before a flood of such, {anew} had to be parsed anew",
        after_flood.rate * plan.time.as_secs_f64()
    ));
    row.problems.extend(after_flood.problems);
    Ok(())
}

/// Runs in a thread that stays on one core.
fn on_core<T: Send>(core: usize, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let pinned = move || {
            metrics_server::testing::sys::cpu::pin(core)?;
            body()
        };
        let thread = thread::Builder::new().spawn_scoped(scope, pinned)?;
        thread.join().map_err(|_| anyhow!("a measuring thread panicked"))?
    })
}
