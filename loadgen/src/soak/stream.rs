//! A stream of messages at a steady rate, with fresh names and expiry: whether resident memory is flat, and whether the
//! books close.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::flatness::Flatness;
use crate::messages::MessageStream;
use crate::num::nearest;
use crate::page::MetricsPage;
use crate::served::{SoakedServer, own};
use crate::soak_report::SoakReport;

/// Series are removed after this time.
const TTL: &str = "20s";
/// Memory is looked at from half of the time on, or from here on if that comes first.
const WARM_UP_MAX: Duration = Duration::from_mins(10);
/// Messages go out so often.
const TICK: Duration = Duration::from_millis(10);
const TICKS_PER_SECOND: u32 = 100;
/// UDP sockets, each of which the kernel may give to another worker.
const PORTS: usize = 8;
const PER_DATAGRAM: u64 = 10;
/// Between two looks at resident memory.
const SAMPLE: Duration = Duration::from_secs(1);
/// Between two lines of the table, in samples.
const SAMPLES_PER_LINE: usize = 60;
/// Between two scrapes, in samples, as Prometheus would.
const SAMPLES_PER_SCRAPE: usize = 15;
/// How long the server may take to read what is left in its sockets.
const SETTLE_MAX: Duration = Duration::from_secs(20);

const HEAD: &str = "| second | series | accounted MB | resident MB, least to most of the last minute |\n|--:|--:|--:|--:|";

/// How long to send how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamPlan {
    time: Duration,
    /// Messages per second.
    rate: u32,
}

/// What was sent.
#[derive(Debug, Default)]
struct StreamTally {
    datagrams: u64,
    unix_messages: u64,
    unix_bytes: u64,
    time: Duration,
}

impl StreamPlan {
    /// So many messages per second, for so long.
    pub(crate) fn new(time: Duration, rate: u32) -> Self {
        Self { time, rate }
    }

    /// Starts a server, sends, and looks at its memory meanwhile.
    pub(crate) fn run(self, folder: &Path) -> Result<SoakReport> {
        let server = SoakedServer::start(folder, &["-metric-ttl", TTL])?;
        let ended = AtomicBool::new(false);
        let (sent, (mut report, samples)) = thread::scope(|scope| -> Result<_> {
            let watch = || watch(&server, &ended);
            let watcher = thread::Builder::new().spawn_scoped(scope, watch)?;
            let sent = self.send(&server);
            ended.store(true, Ordering::Relaxed);
            let watched = watcher.join().map_err(|_| anyhow!("the watcher panicked"))?;
            Ok((sent?, watched?))
        })?;
        let from = usize::try_from((self.time / 2).min(WARM_UP_MAX).as_secs())?;
        let late = samples.get(from..).unwrap_or_default();
        let flatness = Flatness::of(late).context("too short for a look at memory")?;
        let verdict = format!(
            "\nResident from second {from} on: {:.1} MB, {:.1} to {:.1} MB, within {:.1} %.",
            megabytes(flatness.middle),
            megabytes(flatness.least),
            megabytes(flatness.most),
            flatness.percent(),
        );
        report.line(&verdict);
        if !flatness.is_flat() {
            report.fault("resident memory is not flat".to_owned());
        }
        self.close_books(&server, &sent, &mut report)?;
        Ok(report)
    }

    /// Sends half of the messages as datagrams and half over a unix connection, for as long as planned.
    fn send(self, server: &SoakedServer) -> Result<StreamTally> {
        let sockets: Vec<UdpSocket> = (0..PORTS).map(|_| udp(server)).collect::<Result<_>>()?;
        let mut unix = UnixStream::connect(server.socket())?;
        let mut messages = MessageStream::new();
        let mut sent = StreamTally::default();
        let datagrams = u64::from(self.rate / TICKS_PER_SECOND / 2) / PER_DATAGRAM;
        let unix_messages = u64::from(self.rate / TICKS_PER_SECOND) - datagrams * PER_DATAGRAM;
        let began = Instant::now();
        let mut tick = 0;
        let mut text = String::new();
        while began.elapsed() < self.time {
            for _ in 0..datagrams {
                text.clear();
                (0..PER_DATAGRAM).for_each(|_| messages.append_next(&mut text));
                let socket = usize::try_from(sent.datagrams)? % PORTS;
                sockets[socket].send(text.as_bytes()).context("a datagram")?;
                sent.datagrams += 1;
            }
            text.clear();
            (0..unix_messages).for_each(|_| messages.append_next(&mut text));
            std::io::Write::write_all(&mut unix, text.as_bytes()).context("the unix socket")?;
            sent.unix_messages += unix_messages;
            sent.unix_bytes += text.len() as u64;
            tick += 1;
            thread::sleep((began + TICK * tick).saturating_duration_since(Instant::now()));
        }
        sent.time = began.elapsed();
        Ok(sent)
    }

    /// Waits until all is read, and compares what was sent with what the server has counted.
    fn close_books(
        self,
        server: &SoakedServer,
        sent: &StreamTally,
        report: &mut SoakReport,
    ) -> Result<()> {
        let began = Instant::now();
        let mut page = server.page()?;
        while !is_read(&page, sent) && began.elapsed() < SETTLE_MAX {
            thread::sleep(TICK);
            page = server.page()?;
        }
        let [framed, accepted, rejected] = ["framed", "accepted", "rejected"]
            .map(|word| own(&page, &format!("messages_{word}_total")));
        let (read, dropped) =
            (own(&page, "datagrams_received_total"), own(&page, "udp_kernel_drops_total"));
        let checks = [
            ("datagrams sent, read + dropped by the kernel", sent.datagrams, read + dropped),
            ("bytes written to the unix socket, read", sent.unix_bytes, unix_bytes(&page)),
            ("messages in what was read, framed", sent.unix_messages + read * PER_DATAGRAM, framed),
            ("messages framed, accepted + rejected", framed, accepted + rejected),
            ("messages rejected, expected", rejected, 0),
        ];
        let sent_messages = sent.unix_messages + sent.datagrams * PER_DATAGRAM;
        let rate = sent_messages as f64 / sent.time.as_secs_f64();
        let deleted = own(&page, "deleted_metrics_total");
        let mut line = format!("{rate:.0} messages/s, {deleted} series expired");
        let _ = write!(line, ", {dropped} datagrams dropped by the kernel.");
        report.line(&line);
        for (what, left, right) in checks {
            if left != right {
                report.fault(format!("{what}: {left}, {right}"));
            }
        }
        if rate < 0.95 * f64::from(self.rate) {
            report.fault("this machine cannot send so many".to_owned());
        }
        if deleted == 0 {
            report.fault("no series has expired".to_owned());
        }
        Ok(())
    }
}

fn udp(server: &SoakedServer) -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, server.udp()))?;
    Ok(socket)
}

/// Looks at the server's memory once a second until the end; the table, and resident bytes at each look.
fn watch(server: &SoakedServer, ended: &AtomicBool) -> Result<(SoakReport, Vec<u64>)> {
    let mut report = SoakReport::new(HEAD);
    report.line("");
    let mut samples: Vec<u64> = Vec::new();
    let began = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        samples.push(server.resident()?);
        let count = samples.len();
        if count.is_multiple_of(SAMPLES_PER_SCRAPE) {
            let page = server.page()?;
            if count.is_multiple_of(SAMPLES_PER_LINE) {
                let minute =
                    Flatness::of(&samples[count - SAMPLES_PER_LINE..]).context("no sample")?;
                let accounted = own(&page, "memory_accounted_bytes");
                report.line(&format!(
                    "| {count} | {} | {:.1} | {:.1} to {:.1} |",
                    own(&page, "series"),
                    megabytes(accounted),
                    megabytes(minute.least),
                    megabytes(minute.most),
                ));
            }
        }
        let due = began + SAMPLE * u32::try_from(count)?;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok((report, samples))
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn unix_bytes(page: &MetricsPage) -> u64 {
    let bytes = page.labelled("metrics_server_received_bytes_total", "transport", "unix");
    u64::try_from(nearest(bytes)).unwrap_or(0)
}

/// Whether the server has read all that was sent, and judged it.
fn is_read(page: &MetricsPage, sent: &StreamTally) -> bool {
    let datagrams = own(page, "datagrams_received_total") + own(page, "udp_kernel_drops_total");
    let judged = own(page, "messages_accepted_total") + own(page, "messages_rejected_total");
    datagrams == sent.datagrams
        && unix_bytes(page) == sent.unix_bytes
        && judged == own(page, "messages_framed_total")
}
