//! One worker, UDP and many unix connections: what each leaves the other.
//!
//! Unix connections are kept full all the while. Beside them datagrams come at a moderate rate, of which none
//! should be lost; or as many as the sender has, which should leave unix its share of the worker's time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::child::{Receiver, SocketKind};
use crate::http;
use crate::lag::LoopLagReading;
use crate::load_test::words;
use crate::median::MedianEstimate;
use crate::num::whole_part;
use crate::ratios::BenchPlan;
use crate::table::{self, BenchRow};
use crate::writers::{self, Content};

/// Datagrams a second beside the connections: a tenth of what a worker takes.
const RATE: &str = "20000";
/// For how long: longer than the largest receive buffer lasts, which holds some 20,000 datagrams.
const SENDING: Duration = Duration::from_secs(4);
/// How many connections.
const CONNECTIONS: [usize; 3] = [1, 100, 1000];
/// Measurements of unix alone and beside a flood of datagrams, by turns.
const PAIRS: usize = 5;

/// Longer than any wait takes.
const WAIT_MAX: Duration = Duration::from_mins(1);

const DROPS: &str = "metrics_server_udp_kernel_drops_total";
const DATAGRAMS: &str = "metrics_server_datagrams_received_total";
const UNIX_BYTES: &str = r#"metrics_server_received_bytes_total{transport="unix"}"#;

/// A row for each content of the connections, and for each flood of datagrams.
pub(crate) fn rows(plan: &BenchPlan) -> Result<Vec<BenchRow>> {
    let mut rows = Vec::new();
    for content in [Content::Known, Content::Parsed, Content::Garbage] {
        rows.push(udp_beside(plan, content, "0 lost, loop lag ≤ 20 ms")?);
    }
    for (name, load) in
        [("known", "-per-datagram 1 -gso"), ("parsed", "-per-datagram 100 -unique -gso")]
    {
        rows.push(unix_beside(plan, name, load, "≥ 0.30")?);
    }
    Ok(rows)
}

/// A server with one worker that listens to both.
struct UdpAndUnixServer {
    server: Receiver,
    page: String,
}

impl UdpAndUnixServer {
    /// Has the connections written to and read, and does the work meanwhile.
    fn beside<T>(
        plan: &BenchPlan,
        content: Content,
        connections: usize,
        work: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let path = plan.environment.folder.join("fair.sock");
        let uds = path.to_str().context("a path that is no text")?;
        let server = Receiver::server(&plan.environment, SocketKind::Udp, &["-uds", uds])?;
        let page = server.http.clone().context("a server has a page")?;
        let setting = Self { server, page };
        wait_until("the unix socket is there", || Ok(path.exists()))?;
        writers::beside(&path, connections, content, plan.environment.send, || {
            // Long enough for the messages to be known, and for every connection to be full.
            wait_until("all connections are read", || {
                let open = http::value(&setting.page, "metrics_server_unix_connections")?;
                let read = http::value(&setting.page, UNIX_BYTES)?;
                Ok(open >= connections as f64 && read >= (connections.max(100) << 16) as f64)
            })?;
            work(&setting)
        })
    }

    /// Sends datagrams for this time; the sender's report.
    fn send(&self, plan: &BenchPlan, load: &str, time: Duration) -> Result<Value> {
        let [to, address, ..] = &self.server.flags()[..] else { bail!("no address") };
        let mut flags = vec![to.clone(), address.clone()];
        flags.extend(words(load));
        flags.extend(["-seconds".to_owned(), time.as_secs_f64().to_string()]);
        plan.environment.send(&flags)
    }
}

fn wait_until(what: &str, is_it: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_it()? {
        ensure!(began.elapsed() < WAIT_MAX, "in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Datagrams at a moderate rate beside connections that are always full.
fn udp_beside(plan: &BenchPlan, content: Content, target: &'static str) -> Result<BenchRow> {
    let mut row = BenchRow {
        name: format!("{RATE} datagrams/s beside 1, 100, 1,000 unix connections of {content}"),
        base: "–".to_owned(),
        target,
        pairs: CONNECTIONS.len(),
        ..BenchRow::default()
    };
    let (mut lost, mut lags) = (Vec::new(), Vec::new());
    for connections in CONNECTIONS {
        let seen =
            UdpAndUnixServer::beside(plan, content, connections, |setting| watch(plan, setting))?;
        row.lost += whole_part(seen.dropped);
        lost.push(format!("{:.1} %", 100.0 * seen.dropped / seen.sent));
        lags.push(format!(
            "≤ {} (99 of 100 ≤ {})",
            table::millis(seen.lag_seconds),
            table::millis(seen.lag_99_seconds)
        ));
        row.notes.push(format!("{connections} connections: {:.0} datagrams were sent", seen.sent));
    }
    row.server = format!("loop lag {}", lags.join(", "));
    row.ratio = format!("**{} lost**", lost.join(", "));
    Ok(row)
}

/// What became of datagrams, and bounds of the loop's lag meanwhile.
struct LossAndLag {
    sent: f64,
    dropped: f64,
    lag_seconds: f64,
    lag_99_seconds: f64,
}

/// Sends datagrams at the moderate rate.
fn watch(plan: &BenchPlan, setting: &UdpAndUnixServer) -> Result<LossAndLag> {
    let count = |name: &str| http::value(&setting.page, name);
    let (drops, datagrams) = (count(DROPS)?, count(DATAGRAMS)?);
    let before = LoopLagReading::scrape(&setting.page)?;
    let report = setting.send(plan, &format!("-rate {RATE} -ports 4"), SENDING)?;
    let sent = report["datagrams"].as_f64().context("no count of datagrams")?;
    wait_until("all datagrams are read or dropped", || {
        Ok(count(DATAGRAMS)? - datagrams + count(DROPS)? - drops >= sent)
    })?;
    let after = LoopLagReading::scrape(&setting.page)?;
    Ok(LossAndLag {
        sent,
        dropped: count(DROPS)? - drops,
        lag_seconds: after.bound_since(&before, 1.0)?,
        lag_99_seconds: after.bound_since(&before, 0.99)?,
    })
}

/// What a hundred connections get through beside as many datagrams as the sender has, held against what they get
/// through alone.
fn unix_beside(plan: &BenchPlan, name: &str, load: &str, target: &'static str) -> Result<BenchRow> {
    let (mut alone, mut beside, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let dropped = UdpAndUnixServer::beside(plan, Content::Parsed, 100, |setting| {
        let unix_bytes = || http::value(&setting.page, UNIX_BYTES);
        let drops = http::value(&setting.page, DROPS)?;
        for _ in 0..PAIRS {
            let (began, before) = (Instant::now(), unix_bytes()?);
            thread::sleep(2 * plan.time);
            let one = (unix_bytes()? - before) / began.elapsed().as_secs_f64();
            let (began, before) = (Instant::now(), unix_bytes()?);
            setting.send(plan, load, 2 * plan.time)?;
            let other = (unix_bytes()? - before) / began.elapsed().as_secs_f64();
            alone.push(one / 1e6);
            beside.push(other / 1e6);
            ratios.push(other / one);
        }
        Ok(http::value(&setting.page, DROPS)? - drops)
    })?;
    Ok(BenchRow {
        name: format!(
            "100 unix connections of messages that are parsed beside a flood of {name} datagrams"
        ),
        base: format!("alone {:.1} MB/s", MedianEstimate::of(&alone).median),
        server: format!("{:.1} MB/s", MedianEstimate::of(&beside).median),
        ratio: table::ratio(MedianEstimate::of(&ratios)),
        target,
        pairs: PAIRS,
        lost: whole_part(dropped),
        ..BenchRow::default()
    })
}
