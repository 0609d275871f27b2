//! One measured run: so many seconds of sending at one receiver, its processor time per message, its books.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::child::{Place, Receiver, Socket};
use crate::proc;

/// What is sent to whom.
#[derive(Debug)]
pub(crate) struct Subject {
    socket: Socket,
    /// The server; a null loop is started for each run.
    pub(crate) server: Option<Receiver>,
    /// Flags of the null loop.
    null: Vec<&'static str>,
    /// Flags of the sender.
    pub(crate) send: Vec<String>,
}

/// What a run amounted to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Processor time of the ingest threads, in µs per message that was read.
    pub(crate) micros: f64,
    /// Messages that were read, per second of sending.
    pub(crate) rate: f64,
    /// Messages sent per second.
    pub(crate) sent_rate: f64,
    /// Datagrams that the kernel dropped.
    pub(crate) lost: u64,
    /// What does not add up.
    pub(crate) amiss: Vec<String>,
}

impl Subject {
    /// A server with these flags, and what it is sent.
    pub(crate) fn server(
        place: &Place,
        socket: Socket,
        flags: &[&str],
        send: &str,
    ) -> Result<Self> {
        let server = Some(Receiver::server(place, socket, flags)?);
        Ok(Self { socket, server, null: Vec::new(), send: words(send) })
    }

    /// A null loop with these flags, and what it is sent.
    pub(crate) fn null(socket: Socket, flags: &[&'static str], send: &str) -> Self {
        Self { socket, server: None, null: flags.to_vec(), send: words(send) }
    }

    /// Sends for so long and takes the account.
    pub(crate) fn run(&self, place: &Place, time: Duration) -> Result<Outcome> {
        let null;
        let receiver = if let Some(server) = &self.server {
            null = None;
            server
        } else {
            null = Some(Receiver::null(place, self.socket, &self.null)?);
            null.as_ref().context("just started")?
        };
        let mut flags = receiver.flags();
        flags.extend(self.send.iter().cloned());
        flags.extend(["-seconds".to_owned(), time.as_secs_f64().to_string()]);
        let before = proc::ingest_at_rest(receiver.pid())?;
        let report = place.send(&flags)?;
        let used = proc::ingest_at_rest(receiver.pid())?.saturating_sub(before);
        let sent = Sent {
            messages: count(&report["messages"]),
            datagrams: count(&report["datagrams"]),
            bytes: count(&report["bytes"]),
        };
        let (read, lost, amiss) = match null {
            Some(null) => sent.judge_null(&null.finish()?, self.socket),
            None => judge(&report),
        };
        let seconds = report["seconds"].as_f64().unwrap_or(0.0);
        Ok(Outcome {
            micros: used.as_secs_f64() * 1e6 / read as f64,
            rate: read as f64 / seconds,
            sent_rate: sent.messages as f64 / seconds,
            lost,
            amiss,
        })
    }
}

/// The sender's side.
struct Sent {
    messages: u64,
    datagrams: u64,
    bytes: u64,
}

impl Sent {
    /// Messages read, datagrams lost, and what does not add up. The null loop knows no messages: all datagrams
    /// have the same number of them, and a stream loses nothing.
    fn judge_null(&self, report: &Value, socket: Socket) -> (u64, u64, Vec<String>) {
        let (read, lost) = (count(&report["datagrams"]), count(&report["kernel_drops"]));
        let mut amiss = Vec::new();
        if socket == Socket::Unix {
            if count(&report["unix_bytes"]) != self.bytes {
                amiss.push(format!("null: sent {} bytes, read {report}", self.bytes));
            }
            return (self.messages, 0, amiss);
        }
        if read + lost != self.datagrams {
            amiss.push(format!("null: sent {} datagrams, read {report}", self.datagrams));
        }
        let per_datagram = self.messages / self.datagrams.max(1);
        (read * per_datagram, lost, amiss)
    }
}

/// The same for the server, from the sender's books.
pub(crate) fn judge(report: &Value) -> (u64, u64, Vec<String>) {
    let server = &report["server"];
    let mut amiss = Vec::new();
    if report["ok"] != true {
        amiss.push(format!("books: {}", server["differences"]));
    }
    (count(&server["framed"]), count(&server["lost_datagrams"]), amiss)
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Flags as one writes them.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
