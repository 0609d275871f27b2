//! What the original counts of OpenSearch. Written by the sender, read by the exporter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sinks::Trigger;

/// Bulk requests and indices.
#[derive(Debug, Default)]
pub(crate) struct BulkCounters {
    /// Indices that were created or found, each counted once; the original calls them connections.
    pub connections: AtomicU64,
    /// Bulk requests, by the index of their label values in [`Self::STATUSES`] and [`Self::TYPES`].
    pub bulk: [[AtomicU64; 2]; 2],
}

impl BulkCounters {
    /// The `status` label: whether all documents of the request were stored.
    pub(crate) const STATUSES: [&'static str; 2] = ["failed", "success"];
    /// The `type` label: whether the batch was sent because it was full or because its period was over.
    pub(crate) const TYPES: [&'static str; 2] = ["size", "time"];

    /// Counts a bulk request.
    pub(crate) fn count(&self, success: bool, trigger: Trigger) {
        let by = usize::from(trigger == Trigger::Time);
        self.bulk[usize::from(success)][by].fetch_add(1, Relaxed);
    }
}
