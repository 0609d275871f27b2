//! What workers, the exporter and main share. Main makes it once.

use std::sync::Arc;

use crossbeam::utils::CachePadded;
use mio::{Poll, Waker};

use crate::config::{LimitsConfig, LogConfig};
use crate::control::Control;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::worker::WAKER;
use crate::registry::mailbox::Mailboxes;
use crate::registry::{Registry, SeriesLimits};
use crate::stats::{self, Stats, WorkerStats};

/// What workers, exporter and main share.
#[derive(Debug)]
pub(super) struct Common {
    /// All workers' counters.
    pub(super) stats: Stats,
    /// Main's word to workers.
    pub(super) control: Arc<Control>,
    /// Workers' words to the log.
    pub(super) log: Arc<LogSlots>,
    /// All series.
    pub(super) registry: Arc<Registry>,
    /// The exporter's requests to workers.
    pub(super) mailboxes: Arc<Mailboxes>,
}

impl Common {
    /// For the workers with these polls. Of all memory, so many bytes are for what is not in the registry.
    ///
    /// # Errors
    /// Those of `eventfd(2)`.
    pub(super) fn new(
        limits: &LimitsConfig,
        beside_series_bytes: usize,
        log: LogConfig,
        polls: &[Poll],
        main: Arc<Waker>,
    ) -> anyhow::Result<Self> {
        let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKER));
        let wakers = wakers.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            stats: polls.iter().map(|_| CachePadded::new(WorkerStats::default())).collect(),
            control: Arc::new(Control::new(wakers, main)),
            log: Arc::new(LogSlots::new(log.debug)),
            registry: Arc::new(Registry::new(
                series_limits(limits, beside_series_bytes, polls.len()),
                stats::is_reserved,
            )),
            mailboxes: Arc::new(Mailboxes::new(polls.len())),
        })
    }
}

fn series_limits(
    config: &LimitsConfig,
    beside_series_bytes: usize,
    workers: usize,
) -> SeriesLimits {
    let memory_max_bytes = config.memory_max_bytes.saturating_sub(beside_series_bytes);
    SeriesLimits::unlimited(workers)
        .with_buckets_max(config.buckets_max)
        .with_lines_max(config.lines_max)
        .with_name_lines_max(config.name_lines_max)
        .with_memory_max_bytes(memory_max_bytes as u64)
        .with_mixed_label_sets(config.mixed_label_sets)
        .with_evict_singletons(config.evict_singletons)
}
