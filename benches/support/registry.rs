//! A registry without bounds in the way, and one worker's half of it.

use std::sync::Arc;

use metrics_server::testing::registry::Exchange;
use metrics_server::testing::registry::Shard;
use metrics_server::testing::registry::{Births, Bounds};

/// An empty registry.
pub(crate) fn births() -> Arc<Births> {
    let bounds = Bounds {
        buckets_max: 1024,
        lines_max: 10_000_000,
        name_lines_max: 10_000_000,
        memory_max_bytes: 1 << 34,
        mixed_label_sets: false,
    };
    Arc::new(Births::new(bounds, |_| false))
}

/// The half of its only worker.
pub(crate) fn shard(births: &Arc<Births>) -> Shard {
    Shard::new(0, Arc::clone(births), Arc::new(Exchange::new(1)))
}
