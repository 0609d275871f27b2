//! A registry without bounds of its size, and the local registry of its one worker.

use std::sync::Arc;

use metrics_server::testing::registry::LocalRegistry;
use metrics_server::testing::registry::Mailboxes;
use metrics_server::testing::registry::{Registry, SeriesLimits};

/// An empty registry.
pub(crate) fn registry() -> Arc<Registry> {
    Arc::new(Registry::new(SeriesLimits::unlimited(1).with_buckets_max(1024), |_| false))
}

/// The local registry of its only worker.
pub(crate) fn local_registry(registry: &Arc<Registry>) -> LocalRegistry {
    LocalRegistry::new(0, Arc::clone(registry), Arc::new(Mailboxes::new(1)))
}
