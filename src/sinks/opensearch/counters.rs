//! What the original counts of OpenSearch, under its names. Written by the thread that sends, read by the
//! exporter.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sinks::Trigger;

/// Bulk requests and indices.
#[derive(Debug, Default)]
pub(crate) struct BulkCounters {
    /// Indices that were created or found, each once.
    pub connections: AtomicU64,
    /// Bulk requests by [`Self::STATUSES`] and [`Self::TYPES`].
    pub bulk: [[AtomicU64; 2]; 2],
}

impl BulkCounters {
    /// The `status` label: a document of the request was not stored, or all were.
    pub(crate) const STATUSES: [&'static str; 2] = ["failed", "success"];
    /// The `type` label: the batch was full, or its time had come.
    pub(crate) const TYPES: [&'static str; 2] = ["size", "time"];

    /// Counts a bulk request.
    pub(crate) fn count(&self, success: bool, trigger: Trigger) {
        let by = usize::from(trigger == Trigger::Time);
        self.bulk[usize::from(success)][by].fetch_add(1, Relaxed);
    }
}
