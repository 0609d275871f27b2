//! What a run amounted to, as text for people and as one JSON object for programs.
//!
//! No sockets, no time.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::books::ServerCounters;
use crate::cpu::CpuTimes;
use crate::mix::Kind;
use crate::num::per;
use crate::pace::{SendStats, histogram};
use crate::pool::SentCounts;

mod server;

use server::ServerReport;

/// All of a run.
#[derive(Debug)]
pub(crate) struct Report {
    sent: SentCounts,
    /// Of the slowest thread.
    time: Duration,
    /// Of all sending threads together.
    cpu: Option<Duration>,
    calls: Histogram<u64>,
    latencies: Histogram<u64>,
    refused: u64,
    /// Threads that sent.
    threads: usize,
    server: Option<ServerReport>,
    /// The server's processor time until it had caught up.
    process: Option<CpuTimes>,
}

impl Report {
    /// Adds up what the threads did.
    pub(crate) fn of(threads: &[SendStats]) -> Result<Self> {
        let mut report = Self {
            sent: SentCounts::default(),
            time: Duration::ZERO,
            cpu: Some(Duration::ZERO),
            calls: histogram()?,
            latencies: histogram()?,
            refused: 0,
            threads: threads.len(),
            server: None,
            process: None,
        };
        for thread in threads {
            report.sent += thread.sent;
            report.time = report.time.max(thread.time);
            report.cpu = report.cpu.zip(thread.cpu).map(|(sum, own)| sum + own);
            report.calls.add(&thread.calls)?;
            report.latencies.add(&thread.latencies)?;
            report.refused += thread.refused;
        }
        Ok(report)
    }

    /// What was sent in all.
    pub(crate) const fn sent(&self) -> &SentCounts {
        &self.sent
    }

    /// Adds the server's side.
    pub(crate) fn server(&mut self, grown: ServerCounters, differences: Vec<String>) {
        self.server = Some(ServerReport { grown, differences });
    }

    /// Adds the processor time that the server used.
    pub(crate) const fn process(&mut self, used: Option<CpuTimes>) {
        self.process = used;
    }

    /// Whether nothing is known to be amiss: nobody refused a datagram, and the books close if they were kept.
    pub(crate) fn is_ok(&self) -> bool {
        self.refused == 0 && self.server.as_ref().is_none_or(|server| server.differences.is_empty())
    }

    /// Messages per second.
    fn rate(&self) -> f64 {
        per(self.sent.messages as f64, self.time.as_secs_f64())
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let (mut text, sent, seconds) = (String::new(), &self.sent, self.time.as_secs_f64());
        let mut line = |head: &str, rest: String| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{head:<10} {rest}");
        };
        let megabytes = sent.bytes as f64 / 1e6;
        line(
            "sent",
            format!("{} messages, {} datagrams, {megabytes:.1} MB", sent.messages, sent.datagrams),
        );
        let datagrams = per(sent.datagrams as f64, seconds);
        let flow = per(megabytes, seconds);
        line(
            "rate",
            format!(
                "{:.0} messages/s, {datagrams:.0} datagrams/s, {flow:.1} MB/s for {seconds:.3} s",
                self.rate()
            ),
        );
        if let Some(cpu) = self.cpu {
            let busy = 100.0 * per(cpu.as_secs_f64(), seconds * self.threads as f64);
            let each = per(cpu.as_secs_f64() * 1e6, sent.messages as f64);
            line("sender", format!("{busy:.0} % busy, {each:.3} µs a message"));
        }
        line("calls", micros(&self.calls));
        if !self.latencies.is_empty() {
            line("due..gone", micros(&self.latencies));
        }
        if self.refused > 0 {
            line("refused", format!("{} calls: nobody listened", self.refused));
        }
        if let Some(threads) = self.process {
            let [all, ingest] =
                [threads.all, threads.ingest].map(|time| self.micros_per_message(time));
            line("process", format!("{all:.3} µs a message, ingest threads {ingest:.3} µs"));
        }
        if let Some(server) = &self.server {
            server.lines(&mut line);
        }
        text
    }

    /// Microseconds of the server per message that it read.
    fn micros_per_message(&self, time: Duration) -> f64 {
        let read = self.server.as_ref().filter(|server| server.grown.kept);
        let messages = read.map_or(self.sent.messages as f64, |server| server.grown.framed as f64);
        per(time.as_secs_f64() * 1e6, messages)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let sent = &self.sent;
        json!({
            "messages": sent.messages,
            "datagrams": sent.datagrams,
            "bytes": sent.bytes,
            "counter_messages": sent.of(Kind::Counter),
            "gauge_messages": sent.of(Kind::Gauge),
            "histogram_messages": sent.of(Kind::Histogram),
            "increments": sent.increments,
            "seconds": self.time.as_secs_f64(),
            "messages_per_second": self.rate(),
            "datagrams_per_second": per(sent.datagrams as f64, self.time.as_secs_f64()),
            "sender_cpu_seconds": self.cpu.map(|cpu| cpu.as_secs_f64()),
            "call_ns": percentiles(&self.calls),
            "due_to_gone_ns": percentiles(&self.latencies),
            "refused_calls": self.refused,
            "process_cpu_seconds": self.process.map(|threads| threads.all.as_secs_f64()),
            "process_cpu_us_per_message": self.process.map(|threads| self.micros_per_message(threads.all)),
            "ingest_cpu_seconds": self.process.map(|threads| threads.ingest.as_secs_f64()),
            "ingest_cpu_us_per_message": self.process.map(|threads| self.micros_per_message(threads.ingest)),
            "server": self.server.as_ref().map(ServerReport::json),
            "ok": self.is_ok(),
        })
    }
}

fn micros(histogram: &Histogram<u64>) -> String {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    let [middle, high, higher] = [at(0.5), at(0.99), at(0.999)];
    let max = histogram.max() as f64 / 1e3;
    format!("p50 {middle:.1} µs, p99 {high:.1} µs, p99.9 {higher:.1} µs, max {max:.1} µs")
}

/// Null without any value.
fn percentiles(histogram: &Histogram<u64>) -> Value {
    if histogram.is_empty() {
        return Value::Null;
    }
    json!({
        "count": histogram.len(),
        "p50": histogram.value_at_quantile(0.5),
        "p99": histogram.value_at_quantile(0.99),
        "p99.9": histogram.value_at_quantile(0.999),
        "max": histogram.max(),
    })
}

#[cfg(test)]
mod tests;
