//! Rows about scrapes: of 100,000 series, against what cannot be saved, and of a million while ingesting.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use metrics_server::exporter::http::HttpServer;
use metrics_server::exporter::http::stats::HttpStats;

use crate::child::{Receiver, Socket};
use crate::figure::Figure;
use crate::http::{self, Memory, get};
use crate::ratios::Plan;
use crate::run::{self, Subject};
use crate::table::{self, Row};

/// Series of the two rows that compare.
const SERIES: usize = 100_000;

/// Fills a server with series until it has them all: slower each time that a datagram was lost.
pub(crate) fn fill(
    plan: &Plan,
    server: &Receiver,
    series: usize,
    more: &str,
    row: &mut Row,
) -> Result<()> {
    for rate in [200_000, 100_000, 50_000, 25_000] {
        let mut flags = server.flags();
        flags.extend(run::words(&format!(
            "-per-datagram 10 -series {series} -count {series} -rate {rate} -settle-timeout 60s {more}"
        )));
        let (_, lost, amiss) = run::judge(&plan.place.send(&flags)?);
        row.amiss.extend(amiss);
        if lost == 0 {
            return Ok(());
        }
    }
    bail!("the server loses datagrams of new series even at 25,000 messages/s")
}

/// Both rows of 100,000 series: as it is, and compressed.
pub(crate) fn scrapes(plan: &Plan, targets: [&'static str; 2]) -> Result<Vec<Row>> {
    let server = Receiver::server(&plan.place, Socket::Udp, &[])?;
    let address = server.http.clone().context("no page")?;
    let mut plain = Row { target: targets[0], ..Row::default() };
    fill(plan, &server, SERIES, "", &mut plain)?;
    let mut bytes = Vec::new();
    get(&address, false, &mut bytes)?;
    let memory = HttpServer::start(
        TcpListener::bind("127.0.0.1:0")?,
        Arc::new(Memory::new(&bytes)),
        Arc::new(HttpStats::default()),
        Duration::from_mins(1),
    )?;
    let from_memory = memory.local_addr().to_string();
    thread::scope(|scope| {
        let serve = thread::Builder::new().spawn_scoped(scope, || memory.run())?;
        let mut page = Vec::new();
        let mut other = Vec::new();
        let result =
            timed(plan, &mut plain, &mut || get(&from_memory, false, &mut page), &mut || {
                get(&address, false, &mut other)
            });
        memory.shutdown();
        serve.join().map_err(|_| anyhow!("the HTTP server panicked"))?;
        result
    })?;
    plain.name = format!("scrape of {SERIES} series, {:.1} MB", bytes.len() as f64 / 1e6);
    plain.base.insert_str(0, "the same bytes from memory ");

    let mut gzip = Row { target: targets[1], ..Row::default() };
    let mut packed = Vec::new();
    timed(plan, &mut gzip, &mut || compress(&bytes), &mut || get(&address, true, &mut packed))?;
    gzip.name = format!("the same, gzip, {:.2} MB", packed.len() as f64 / 1e6);
    gzip.base.insert_str(0, "flate2 level 1 on the bytes alone ");
    Ok(vec![plain, gzip])
}

/// Compares times in alternated pairs.
fn timed(
    plan: &Plan,
    row: &mut Row,
    base: &mut dyn FnMut() -> Result<Duration>,
    server: &mut dyn FnMut() -> Result<Duration>,
) -> Result<()> {
    let (mut bases, mut servers, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    base()?;
    server()?;
    for pair in 0..plan.pairs {
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
    let median = Figure::of(&servers).median;
    row.pairs = plan.pairs;
    row.base = table::millis(Figure::of(&bases).median);
    row.server = format!(
        "{}, {} a series",
        table::millis(median),
        table::micros(median * 1e6 / SERIES as f64)
    );
    row.ratio = table::ratio(Figure::of(&ratios));
    Ok(())
}

/// What compressing costs at least: the same encoder, level and pieces.
fn compress(bytes: &[u8]) -> Result<Duration> {
    let began = Instant::now();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in bytes.chunks(128 << 10) {
        encoder.write_all(piece)?;
    }
    std::hint::black_box(encoder.finish()?);
    Ok(began.elapsed())
}

/// Scrapes one after the other while messages come in at half of what the server can take.
pub(crate) fn while_ingesting(plan: &Plan, target: &'static str) -> Result<Row> {
    let series = plan.many;
    let load = format!("-names 10 -series {series} -per-datagram 10 -order random");
    let mut row = Row {
        name: format!("scrapes of {series} series in ten names at half load"),
        base: "–".to_owned(),
        target,
        ..Row::default()
    };
    let mut subject = Subject::server(&plan.place, Socket::Udp, &[], &format!("{load} -gso"))?;
    let server = subject.server.as_ref().context("just started")?;
    fill(plan, server, series, "-names 10", &mut row)?;
    let address = server.http.clone().context("no page")?;
    let unread = || http::value(&address, "metrics_server_worker_unread_seconds_max");
    let most = subject.run(&plan.place, plan.time)?;
    let before = unread()?;
    let rate = most.rate / 2.0;
    subject.send = run::words(&format!("{load} -rate {rate:.0}"));
    let (outcome, times) = thread::scope(|scope| -> Result<_> {
        let send = || subject.run(&plan.place, plan.watch);
        let sender = thread::Builder::new().spawn_scoped(scope, send)?;
        let (mut times, mut page) = (Vec::new(), Vec::new());
        while !sender.is_finished() {
            times.push(get(&address, times.len() % 2 == 0, &mut page)?.as_secs_f64());
        }
        Ok((sender.join().map_err(|_| anyhow!("the sender panicked"))??, times))
    })?;
    row.lost += outcome.lost;
    row.amiss.extend(most.amiss.into_iter().chain(outcome.amiss));
    row.pairs = times.len();
    let time = Figure::of(&times);
    row.server = format!(
        "scrape {} (at most {}), {} a message",
        table::millis(time.median),
        table::millis(times.iter().copied().fold(0.0, f64::max)),
        table::micros(outcome.micros)
    );
    row.ratio = format!("**{} lost**, unread {} at most", outcome.lost, table::millis(unread()?));
    row.notes.push(format!(
        "{:.0} messages/s were sent, half of {:.0}; the longest time unread stood at {} before (births and saturation)",
        outcome.sent_rate,
        most.rate,
        table::millis(before)
    ));
    Ok(row)
}
