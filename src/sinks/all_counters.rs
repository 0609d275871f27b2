//! The counters of all sinks together, for the exporter.

use std::sync::Arc;

use crate::sinks::counters::SinkCounters;
use crate::sinks::opensearch::BulkCounters;
use crate::sinks::pyroscope::PushCounters;
use crate::sinks::remote::errors::SendErrors;
use crate::sinks::scylla::TimestampCounters;

/// The counters of all sinks. Those that are one sink's own stand at 0 where it is not configured.
#[derive(Debug, Default)]
pub(crate) struct AllSinkCounters {
    /// Of each sink that is configured.
    pub sinks: Vec<Arc<SinkCounters>>,
    /// Whether messages are forwarded to another server.
    pub forwards: bool,
    /// Of OpenSearch.
    pub bulk: Arc<BulkCounters>,
    /// Of `-remote`.
    pub send_errors: Arc<SendErrors>,
    /// Of Pyroscope.
    pub pushes: Arc<PushCounters>,
    /// Of ScyllaDB.
    pub timestamps: Arc<TimestampCounters>,
}
