//! The server's side of a report: what its page told, and whether the books close.

use serde_json::{Value, json};

use crate::books::ServerCounters;
use crate::num::per;

/// What the server's page told.
#[derive(Debug)]
pub(super) struct ServerReport {
    /// By how much its counters grew.
    pub(super) grown: ServerCounters,
    /// What does not add up.
    pub(super) differences: Vec<String>,
}

impl ServerReport {
    /// Microseconds per message by the server's own account, its grain a clock tick.
    fn cpu_per_message(&self) -> f64 {
        per(self.grown.cpu * 1e6, self.grown.framed as f64)
    }

    /// For people.
    pub(super) fn lines(&self, line: &mut impl FnMut(&str, String)) {
        let grown = &self.grown;
        if grown.kept {
            line(
                "server",
                format!(
                    "{} accepted, {} rejected, {} datagrams lost in the kernel",
                    grown.accepted, grown.rejected, grown.dropped
                ),
            );
            let (cpu, resident) = (self.cpu_per_message(), grown.resident / 1e6);
            line(
                "cost",
                format!("{cpu:.3} µs processor time a message, {resident:.1} MB resident"),
            );
            for (reason, count) in &grown.reasons {
                line("rejected", format!("{count} for {reason}"));
            }
        } else {
            line("server", "keeps no books; only values are compared".to_owned());
        }
        if self.differences.is_empty() {
            line("books", "closed".to_owned());
        }
        for difference in &self.differences {
            line("DIFFERS", difference.clone());
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let grown = &self.grown;
        let reasons: Vec<Value> = grown
            .reasons
            .iter()
            .map(|(reason, count)| json!({ "label": reason, "count": whole(*count) }))
            .collect();
        json!({
            "keeps_books": grown.kept,
            "datagrams": whole(grown.datagrams),
            "bytes": whole(grown.bytes),
            "framed": whole(grown.framed),
            "accepted": whole(grown.accepted),
            "rejected": whole(grown.rejected),
            "rejected_reasons": reasons,
            "lost_datagrams": whole(grown.dropped),
            "counter_growth": whole(grown.counted),
            "observations": whole(grown.observed),
            "cpu_seconds": grown.cpu,
            "cpu_us_per_message": self.cpu_per_message(),
            "resident_bytes": grown.resident,
            "differences": self.differences,
        })
    }
}

/// JSON numbers have 64 bits; no counter of a run comes near.
fn whole(number: i128) -> i64 {
    i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
}
