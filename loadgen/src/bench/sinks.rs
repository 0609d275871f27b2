//! What a sink whose far end does not answer costs ingest: nothing, since a worker only hands rows over.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::child::SocketKind;
use crate::http;
use crate::load_test::LoadTest;
use crate::ratios::{BenchPlan, paired};
use crate::table::BenchRow;

/// Rows that wait for the far end all the while, and are tried again and again.
const ROWS: usize = 10_000;
/// Events in a datagram, and its pause: no receive buffer is too small for that.
const PER_DATAGRAM: usize = 100;
const PAUSE: Duration = Duration::from_millis(2);
const LOAD: &str = "-per-datagram 10 -gso";

/// A far end that refuses connections, and one that takes them and says nothing.
pub(crate) fn beside(plan: &BenchPlan, target: &'static str) -> Result<Vec<BenchRow>> {
    let hung = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?; // the kernel connects, nobody accepts
    let dead = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let (hung_port, dead_port) = (hung.local_addr()?.port(), dead.local_addr()?.port());
    drop(dead);
    [("that is not there", dead_port), ("that hangs", hung_port)]
        .into_iter()
        .map(|(what, port)| beside_one(plan, target, what, port))
        .collect()
}

fn beside_one(plan: &BenchPlan, target: &'static str, what: &str, port: u16) -> Result<BenchRow> {
    let url = format!("http://127.0.0.1:{port}/loki/api/v1/push");
    let without = LoadTest::server(&plan.environment, SocketKind::Udp, &[], LOAD)?;
    let with =
        LoadTest::server(&plan.environment, SocketKind::Udp, &["-loki-address", &url], LOAD)?;
    let mut problems = without.run(&plan.environment, plan.time)?.problems;
    problems.extend(with.run(&plan.environment, plan.time)?.problems);
    let receiver = with.server.as_ref().context("a server was started")?;
    let page = receiver.http.clone().context("a server has a page")?;
    let queued = || http::value(&page, "metrics_server_sink_queue_rows");
    send_events(&receiver.flags()[1])?;
    let began = Instant::now();
    while queued()? < ROWS as f64 {
        ensure!(began.elapsed() < Duration::from_secs(10), "events do not become rows");
        thread::sleep(Duration::from_millis(10));
    }
    let row = BenchRow {
        name: format!("10 per datagram, {ROWS} rows waiting for a Loki {what}"),
        base: "without".to_owned(),
        target,
        ..BenchRow::default()
    };
    let mut row =
        paired(plan, row, &mut || without.run(&plan.environment, plan.time), &mut || {
            with.run(&plan.environment, plan.time)
        })?;
    if (queued()? - ROWS as f64).abs() > 0.5 {
        problems.push(format!("{} of {ROWS} rows wait", queued()?));
    }
    row.problems.extend(problems);
    Ok(row)
}

/// Events for the sink, which the books of the load do not know.
fn send_events(to: &str) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let event = br#"{"name":"job_failed","labels":{"job":"import"},"op":"event","value":1}"#;
    let datagram = event.repeat(PER_DATAGRAM);
    for _ in 0..ROWS / PER_DATAGRAM {
        socket.send_to(&datagram, to)?;
        thread::sleep(PAUSE);
    }
    Ok(())
}
