//! The books: what was sent against what the server says it read, counted, refused and lost.
//!
//! Arithmetic on two pages and a tally; no sockets, no time. Every difference is a sentence.

use crate::mix::Kind;
use crate::num::nearest;
use crate::page::MetricsPage;
use crate::pool::SentCounts;

/// Where the messages went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams, which the kernel may drop.
    Udp,
    /// Streams, which lose nothing.
    Unix,
}

impl Transport {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Unix => "unix",
        }
    }
}

/// What books are kept about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Books {
    /// The transport used.
    pub(crate) transport: Transport,
    /// How many families each kind has.
    pub(crate) families: usize,
    /// Messages in a datagram.
    pub(crate) per_datagram: u64,
    /// Refused messages are no difference, as when the server is driven past its bounds on purpose.
    pub(crate) allow_rejected: bool,
}

/// What the server has counted at one moment, or by how much they grew between two.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ServerCounters {
    /// Whether the server keeps books at all; without, only values are compared.
    pub(crate) kept: bool,
    /// Datagrams read.
    pub(crate) datagrams: i128,
    /// Bytes read over the transport.
    pub(crate) bytes: i128,
    /// Messages framed.
    pub(crate) framed: i128,
    /// Messages accepted, of all ops.
    pub(crate) accepted: i128,
    /// Messages accepted per kind.
    pub(crate) kinds: [i128; 3],
    /// Messages refused, for all reasons.
    pub(crate) rejected: i128,
    /// Messages refused for each reason that occurs.
    pub(crate) reasons: Vec<(String, i128)>,
    /// Bytes outside of messages.
    pub(crate) garbage: i128,
    /// Datagrams that the kernel dropped.
    pub(crate) dropped: i128,
    /// The sum of our counters on the page.
    pub(crate) counted: i128,
    /// The sum of our histograms' `_count`.
    pub(crate) observed: i128,
    /// Processor seconds of the server.
    pub(crate) cpu: f64,
    /// Resident bytes of the server: always of the later moment.
    pub(crate) resident: f64,
}

impl Books {
    /// Reads the counters from a page.
    pub(crate) fn read(&self, page: &MetricsPage) -> ServerCounters {
        let whole = |name: &str| exact(page, name);
        let op = |kind: Kind| {
            nearest(page.labelled("metrics_server_messages_accepted_total", "op", kind.op()))
        };
        let ours = |kind: Kind, end: &str| {
            (0..self.families).map(|i| exact(page, &format!("{}{end}", kind.family(i)))).sum()
        };
        let reasons = page.own("metrics_server_messages_rejected_total");
        ServerCounters {
            kept: page.has("metrics_server_messages_framed_total"),
            datagrams: whole("metrics_server_datagrams_received_total"),
            bytes: nearest(page.labelled(
                "metrics_server_received_bytes_total",
                "transport",
                self.transport.as_str(),
            )),
            framed: whole("metrics_server_messages_framed_total"),
            accepted: whole("metrics_server_messages_accepted_total"),
            kinds: Kind::ALL.map(op),
            rejected: whole("metrics_server_messages_rejected_total"),
            reasons: reasons.map(|(labels, value)| (labels.to_owned(), nearest(value))).collect(),
            garbage: whole("metrics_server_garbage_bytes_total"),
            dropped: whole("metrics_server_udp_kernel_drops_total"),
            counted: ours(Kind::Counter, ""),
            observed: ours(Kind::Histogram, "_count"),
            cpu: page.total("process_cpu_seconds_total").value(),
            resident: page.total("process_resident_memory_bytes").value(),
        }
    }

    /// What does not add up, as sentences; none: the books are closed.
    pub(crate) fn differences(&self, sent: &SentCounts, grown: &ServerCounters) -> Vec<String> {
        let mut differences = Differences(Vec::new());
        let mut complete = true;
        if grown.kept {
            let messages = match self.transport {
                Transport::Udp => {
                    let all = grown.datagrams + grown.dropped;
                    differences.equal(
                        "datagrams sent",
                        sent.datagrams,
                        "read + dropped by the kernel",
                        all,
                    );
                    grown.datagrams * i128::from(self.per_datagram)
                }
                Transport::Unix => i128::from(sent.messages),
            };
            differences.equal("messages in what was read", messages, "framed", grown.framed);
            let judged = grown.accepted + grown.rejected;
            differences.equal("messages framed", grown.framed, "accepted + rejected", judged);
            differences.equal("bytes of garbage sent", 0, "found", grown.garbage);
            if !self.allow_rejected {
                differences.equal("messages expected to be refused", 0, "rejected", grown.rejected);
            }
            complete = grown.dropped == 0 && grown.rejected == 0;
        }
        if complete {
            values(sent, grown, &mut differences);
        }
        differences.0
    }
}

impl ServerCounters {
    /// By how much the counters grew since `before`.
    pub(crate) fn since(self, before: &Self) -> Self {
        let old =
            |reason: &str| before.reasons.iter().find(|one| one.0 == reason).map_or(0, |one| one.1);
        let reasons = self.reasons.into_iter().map(|(reason, now)| {
            let grown = now - old(&reason);
            (reason, grown)
        });
        Self {
            kept: self.kept,
            datagrams: self.datagrams - before.datagrams,
            bytes: self.bytes - before.bytes,
            framed: self.framed - before.framed,
            accepted: self.accepted - before.accepted,
            kinds: [0, 1, 2].map(|i| self.kinds[i] - before.kinds[i]),
            rejected: self.rejected - before.rejected,
            reasons: reasons.filter(|reason| reason.1 != 0).collect(),
            garbage: self.garbage - before.garbage,
            dropped: self.dropped - before.dropped,
            counted: self.counted - before.counted,
            observed: self.observed - before.observed,
            cpu: self.cpu - before.cpu,
            resident: self.resident,
        }
    }
}

/// With nothing lost and nothing refused, the page must have grown by exactly what was sent.
fn values(sent: &SentCounts, grown: &ServerCounters, differences: &mut Differences) {
    if grown.kept {
        differences.equal("bytes sent", sent.bytes, "received", grown.bytes);
        for kind in Kind::ALL {
            let name = format!("messages of op {} sent", kind.op());
            differences.equal(&name, sent.of(kind), "accepted", grown.kinds[kind as usize]);
        }
    }
    differences.equal(
        "sum of increments sent",
        sent.increments,
        "growth of the counters",
        grown.counted,
    );
    let observations = sent.of(Kind::Histogram);
    differences.equal("observations sent", observations, "growth of all _count", grown.observed);
}

/// The differences that were found, as sentences.
struct Differences(Vec<String>);

impl Differences {
    fn equal(&mut self, left: &str, a: impl Into<i128>, right: &str, b: i128) {
        let a = a.into();
        if a != b {
            self.0.push(format!("{left}: {a}, {right}: {b}, difference {}", a - b));
        }
    }
}

/// The sum of a name's series where all are whole, as our counters are; otherwise the nearest integer.
fn exact(page: &MetricsPage, name: &str) -> i128 {
    let total = page.total(name);
    i128::try_from(total.integers).unwrap_or(i128::MAX).saturating_add(nearest(total.others))
}

#[cfg(test)]
mod tests;
