//! What is read of a server, and how a shape's row is judged.

use crate::common::{Server, resident};
use crate::served;

const MIB: u64 = 1 << 20;
/// What buffers of sockets and pages take beside the account.
pub(crate) const SLACK_BYTES: u64 = 8 * MIB;

/// The head of the table.
pub(crate) const HEAD: &str = "| shape | accounted | of it fragmented | allocated | resident | highest | |\n|---|--:|--:|--:|--:|--:|---|\n";

/// Bytes at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    accounted: u64,
    /// Of the accounted bytes those that are freed, in pages that the allocator cannot give back.
    fragmented: u64,
    allocated: u64,
    resident: u64,
}

impl Reading {
    /// Now, after a page.
    pub(crate) fn of(server: &Server) -> Self {
        let page = server.own_families();
        Self {
            accounted: page.own("memory_accounted_bytes"),
            fragmented: page.own("memory_fragmented_bytes"),
            allocated: served::allocated(server),
            resident: resident::bytes(server),
        }
    }

    /// What it holds more than before.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            accounted: self.accounted.saturating_sub(before.accounted),
            fragmented: self.fragmented,
            allocated: self.allocated.saturating_sub(before.allocated),
            resident: self.resident.saturating_sub(before.resident),
        }
    }

    /// Resident bytes more than then.
    pub(crate) fn resident_since(self, resident: u64) -> u64 {
        resident.saturating_sub(self.resident)
    }

    /// What is wrong with the account, if anything is.
    pub(crate) fn amiss(self) -> Option<&'static str> {
        let most = |accounted: u64| accounted + accounted / 10 + SLACK_BYTES;
        if self.allocated > most(self.accounted - self.fragmented) {
            Some("more is allocated than accounted for")
        } else if self.resident > most(self.accounted) {
            Some("more is resident than accounted for")
        } else {
            None
        }
    }
}

/// A shape's row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    text: String,
    is_amiss: bool,
}

impl Row {
    /// Of a shape at rest; `highest` are resident bytes at most, while it was loaded as well.
    pub(crate) fn new(name: &str, at_rest: Reading, highest: u64, amiss: Option<&str>) -> Self {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let Reading { accounted, fragmented, allocated, resident } = at_rest;
        let numbers = [accounted, fragmented, allocated, resident, highest].map(mb).join(" | ");
        let text = format!("| {name} | {numbers} | {} |\n", amiss.unwrap_or_default());
        Self { text, is_amiss: amiss.is_some() }
    }

    /// Of a shape that could not be weighed; why is on stderr.
    pub(crate) fn failed(name: &str) -> Self {
        Self { text: format!("| {name} | | | | | | not weighed |\n"), is_amiss: true }
    }

    /// Its line of the table.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the server failed.
    pub(crate) fn is_amiss(&self) -> bool {
        self.is_amiss
    }
}
