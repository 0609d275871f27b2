//! Rows about what the server holds and survives: memory, rest, overload.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::child::{Receiver, SocketKind};
use crate::http;
use crate::load_test::{LoadTest, words};
use crate::pages::{fill, send_again};
use crate::proc;
use crate::ratios::BenchPlan;
use crate::table::{self, BenchRow};

/// The server's flags where many series are weighed: nothing but series, and room for them.
const MANY_SERIES: [&str; 6] =
    ["-shapes-max-bytes", "0", "-lines-max", "3000000", "-name-lines-max", "3000000"];
/// What makes their label text as long as it is on average.
const LONG_LABELS: &str = "-names 10 -label-bytes 105";

/// Resident bytes for each of many series.
pub(crate) fn memory(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let series = plan.many;
    let mut row = BenchRow {
        name: format!("memory per series, {series} counters in ten names, 105 bytes of label text"),
        base: "–".to_owned(),
        target,
        pairs: 1,
        ..BenchRow::default()
    };
    let server = Receiver::server(&plan.environment, SocketKind::Udp, &MANY_SERIES)?;
    let address = server.http.clone().context("no page")?;
    let accounted = || http::value(&address, "metrics_server_memory_accounted_bytes");
    let before = (proc::resident(server.pid())?.0, accounted()?);
    fill(plan, &server, series, LONG_LABELS, &mut row)?;
    let (resident, most) = proc::resident(server.pid())?;
    let each = |after: f64, before: f64| (after - before) / series as f64;
    row.server = format!("{:.1} MB resident", resident / 1e6);
    row.ratio = format!("**{:.0} B**", each(resident, before.0));
    row.notes.push(format!(
        "after scrapes; {:.0} B by the server's own account, {:.0} B at most while a page was made",
        each(accounted()?, before.1),
        each(most, before.0)
    ));
    Ok(row)
}

/// What a second worker that sees all series adds. The kernel chooses the worker by the source port, so that each
/// round, from other ports, brings half of the series that a worker has not seen.
pub(crate) fn further_worker(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    const ROUNDS: usize = 8;
    let mut row = BenchRow {
        name: format!("memory per series of a further worker that sees all {}", plan.many),
        target,
        pairs: 1,
        ..BenchRow::default()
    };
    let mut weigh = |workers: &str| -> Result<f64> {
        let flags = [&MANY_SERIES[..], &["-workers", workers]].concat();
        let server = Receiver::server(&plan.environment, SocketKind::Udp, &flags)?;
        let more = format!("{LONG_LABELS} -ports 64");
        fill(plan, &server, plan.many, &more, &mut row)?;
        for _ in 1..ROUNDS {
            send_again(plan, &server, plan.many, 1, &more, &mut row)?;
        }
        Ok(proc::resident(server.pid())?.0)
    };
    let (one, two) = (weigh("1")?, weigh("2")?);
    row.base = format!("one worker {:.1} MB", one / 1e6);
    row.server = format!("two workers {:.1} MB", two / 1e6);
    row.ratio = format!("**{:.0} B**", (two - one) / plan.many as f64);
    Ok(row)
}

/// A server that nobody sends to.
pub(crate) fn at_rest(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    const WATCH: Duration = Duration::from_secs(10);
    let path = plan.environment.folder.join("rest.sock");
    let path = path.to_str().context("a path that is no text")?;
    let flags = ["-workers", "0", "-pin", "auto", "-uds", path];
    let server = Receiver::server(&plan.environment, SocketKind::Udp, &flags)?;
    thread::sleep(Duration::from_secs(1));
    let before = proc::wake_ups(server.pid())?;
    thread::sleep(WATCH);
    let woken = (proc::wake_ups(server.pid())? - before) / WATCH.as_secs_f64();
    let resident = proc::resident(server.pid())?.0;
    Ok(BenchRow {
        name: "at rest after start, default settings".to_owned(),
        base: "–".to_owned(),
        server: format!("{:.1} MB resident", resident / 1e6),
        ratio: format!("**{:.1} MB, {woken:.1} wake-ups/s**", resident / 1e6),
        target,
        pairs: 1,
        ..BenchRow::default()
    })
}

/// Messages that each have to be parsed: of lighter ones no sender on one core has twice what a worker takes.
const PARSED: &str = "-unique -per-datagram 10";

/// Twice what the server can take.
pub(crate) fn overload(plan: &BenchPlan, target: &'static str) -> Result<BenchRow> {
    let mut row = BenchRow {
        name: format!(
            "overload, twice what it takes of messages never seen, 10 per datagram, {} s",
            plan.watch.as_secs()
        ),
        base: "–".to_owned(),
        target,
        pairs: 1,
        ..BenchRow::default()
    };
    let mut load_test =
        LoadTest::server(&plan.environment, SocketKind::Udp, &[], &format!("{PARSED} -gso"))?;
    let most = load_test.run(&plan.environment, plan.time)?;
    load_test.send = words(&format!("{PARSED} -gso -rate {:.0}", 2.0 * most.rate));
    let pid = load_test.server.as_ref().context("just started")?.pid();
    let (result, resident) = thread::scope(|scope| -> Result<_> {
        let send = || load_test.run(&plan.environment, plan.watch);
        let sender = thread::Builder::new().spawn_scoped(scope, send)?;
        let (began, mut seen) = (Instant::now(), Vec::new());
        while !sender.is_finished() {
            thread::sleep(Duration::from_millis(100));
            if began.elapsed() >= Duration::from_secs(1) {
                seen.push(proc::resident(pid)?.0);
            }
        }
        Ok((sender.join().map_err(|_| anyhow!("the sender panicked"))??, seen))
    })?;
    thread::sleep(Duration::from_secs(1));
    load_test.send = words(&format!("{PARSED} -rate {:.0}", most.rate / 4.0));
    let after = load_test.run(&plan.environment, plan.time)?;
    let alive = load_test.server.as_mut().is_some_and(Receiver::is_alive);
    let least = resident.iter().copied().fold(f64::INFINITY, f64::min);
    let peak = resident.iter().copied().fold(0.0, f64::max);
    row.lost = result.lost;
    row.server = format!(
        "{:.0} of {:.0} messages/s read at {}",
        result.rate,
        result.sent_rate,
        table::micros(result.micros)
    );
    row.ratio = format!(
        "**{}, memory within {:.1} %, {} lost 1 s after**",
        if alive { "alive" } else { "dead" },
        100.0 * (peak - least) / least,
        after.lost
    );
    let times = result.sent_rate / most.rate;
    row.notes
        .push(format!("{times:.2} times the {:.0} messages/s that it takes were sent", most.rate));
    if times < 1.9 {
        row.problems.push("the sender is too slow for twice what the server takes".to_owned());
    }
    row.problems.extend(most.problems.into_iter().chain(result.problems).chain(after.problems));
    Ok(row)
}
