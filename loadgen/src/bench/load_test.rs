//! One measured run: some seconds of sending to one receiver, the processor time that a message costs it, and
//! whether all that was sent was received or counted as lost.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::child::{Environment, Receiver, SocketKind};
use crate::proc;

/// A receiver, and what it is sent.
#[derive(Debug)]
pub(crate) struct LoadTest {
    socket: SocketKind,
    /// The server. Without one, a null loop is started for each run.
    pub(crate) server: Option<Receiver>,
    /// Flags of the null loop.
    null: Vec<&'static str>,
    /// Flags of the sender.
    pub(crate) send: Vec<String>,
}

/// The result of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunResult {
    /// Processor time of the ingest threads, in µs per message that was read.
    pub(crate) micros: f64,
    /// Messages that were read, per second of sending.
    pub(crate) rate: f64,
    /// Messages sent per second.
    pub(crate) sent_rate: f64,
    /// Datagrams that the kernel dropped.
    pub(crate) lost: u64,
    /// What does not add up.
    pub(crate) problems: Vec<String>,
}

impl LoadTest {
    /// A server with these flags, and what it is sent.
    pub(crate) fn server(
        environment: &Environment,
        socket: SocketKind,
        flags: &[&str],
        send: &str,
    ) -> Result<Self> {
        let server = Some(Receiver::server(environment, socket, flags)?);
        Ok(Self { socket, server, null: Vec::new(), send: words(send) })
    }

    /// A null loop with these flags, and what it is sent.
    pub(crate) fn null(socket: SocketKind, flags: &[&'static str], send: &str) -> Self {
        Self { socket, server: None, null: flags.to_vec(), send: words(send) }
    }

    /// Sends for this time and measures the receiver.
    pub(crate) fn run(&self, environment: &Environment, time: Duration) -> Result<RunResult> {
        let null;
        let receiver = if let Some(server) = &self.server {
            null = None;
            server
        } else {
            null = Some(Receiver::null(environment, self.socket, &self.null)?);
            null.as_ref().context("just started")?
        };
        let mut flags = receiver.flags();
        flags.extend(self.send.iter().cloned());
        flags.extend(["-seconds".to_owned(), time.as_secs_f64().to_string()]);
        let before = proc::ingest_at_rest(receiver.pid())?;
        let report = environment.send(&flags)?;
        let used = proc::ingest_at_rest(receiver.pid())?.saturating_sub(before);
        let sent = Sent {
            messages: count(&report, "messages")?,
            datagrams: count(&report, "datagrams")?,
            bytes: count(&report, "bytes")?,
        };
        let Received { messages, lost, problems } = match null {
            Some(null) => sent.received_by_null(&null.finish()?, self.socket)?,
            None => received(&report)?,
        };
        let seconds = report["seconds"].as_f64().context("a report without seconds")?;
        Ok(RunResult {
            micros: used.as_secs_f64() * 1e6 / messages as f64,
            rate: messages as f64 / seconds,
            sent_rate: sent.messages as f64 / seconds,
            lost,
            problems,
        })
    }
}

/// What the receiver made of it.
#[derive(Debug)]
pub(crate) struct Received {
    /// Messages that it read.
    pub(crate) messages: u64,
    /// Datagrams that the kernel dropped.
    pub(crate) lost: u64,
    /// What does not add up.
    pub(crate) problems: Vec<String>,
}

/// What the sender has sent.
struct Sent {
    messages: u64,
    datagrams: u64,
    bytes: u64,
}

impl Sent {
    /// What a null loop has received of it, by its report. The loop does not know messages, but each datagram has
    /// the same number of them; and a stream loses nothing.
    fn received_by_null(&self, report: &Value, socket: SocketKind) -> Result<Received> {
        let mut problems = Vec::new();
        if socket == SocketKind::Unix {
            if count(report, "unix_bytes")? != self.bytes {
                problems.push(format!("null: sent {} bytes, read {report}", self.bytes));
            }
            return Ok(Received { messages: self.messages, lost: 0, problems });
        }
        let (read, lost) = (count(report, "datagrams")?, count(report, "kernel_drops")?);
        if read + lost != self.datagrams {
            problems.push(format!("null: sent {} datagrams, read {report}", self.datagrams));
        }
        let per_datagram = self.messages / self.datagrams.max(1);
        Ok(Received { messages: read * per_datagram, lost, problems })
    }
}

/// What the server has received, by the sender's report, which compares two of the server's pages.
pub(crate) fn received(report: &Value) -> Result<Received> {
    let server = &report["server"];
    let mut problems = Vec::new();
    if report["ok"] != true {
        problems.push(format!("books: {}", server["differences"]));
    }
    let (messages, lost) = (count(server, "framed")?, count(server, "lost_datagrams")?);
    Ok(Received { messages, lost, problems })
}

fn count(report: &Value, field: &str) -> Result<u64> {
    report[field].as_u64().with_context(|| format!("no count of {field} in {report}"))
}

/// Splits flags that are written in a line.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
