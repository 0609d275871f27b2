//! The counters of all sinks together, for the exporter.

use std::sync::Arc;

use crate::sinks::counters::SinkCounters;
use crate::sinks::opensearch::BulkCounters;
use crate::sinks::pyroscope::PushCounters;
use crate::sinks::remote::errors::SendErrors;
use crate::sinks::scylla::TimestampCounters;

/// The counters of all sinks. Those that only one sink has stay at 0 if it is not configured.
#[derive(Debug, Default)]
pub(crate) struct AllSinkCounters {
    /// Those of each sink that is configured.
    pub sinks: Vec<Arc<SinkCounters>>,
    /// Whether messages are forwarded to another server.
    pub forwards: bool,
    /// Those that only OpenSearch has.
    pub bulk: Arc<BulkCounters>,
    /// Those that only `-remote` has.
    pub send_errors: Arc<SendErrors>,
    /// Those of Pyroscope.
    pub pushes: Arc<PushCounters>,
    /// Those that only ScyllaDB has.
    pub timestamps: Arc<TimestampCounters>,
}
