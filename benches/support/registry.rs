//! A registry whose bounds are out of reach, and the local registry of its one worker.

use std::sync::Arc;

use metrics_server::testing::registry::LocalRegistry;
use metrics_server::testing::registry::Mailboxes;
use metrics_server::testing::registry::{Registry, SeriesLimits};

/// An empty registry.
pub(crate) fn registry() -> Arc<Registry> {
    let bounds = SeriesLimits {
        workers: 1,
        buckets_max: 1024,
        lines_max: 10_000_000,
        name_lines_max: 10_000_000,
        memory_max_bytes: 1 << 34,
        mixed_label_sets: false,
    };
    Arc::new(Registry::new(bounds, |_| false))
}

/// The local registry of its only worker.
pub(crate) fn local_registry(registry: &Arc<Registry>) -> LocalRegistry {
    LocalRegistry::new(0, Arc::clone(registry), Arc::new(Mailboxes::new(1)))
}
