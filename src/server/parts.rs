//! What threads are made of: workers, the exporter, the HTTP server, and what they share. Main makes them
//! of open sockets, once.

use std::net::UdpSocket;
use std::sync::Arc;

use mio::{Poll, Waker};

use crate::config::{RemoteConfig, ServerConfig};
use crate::control::Control;
use crate::exporter::own::OwnCounters;
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::http::web_config::OpenWebConfig;
use crate::ingest::dispatch::Dispatch;
use crate::ingest::log_slots::LogSlots;
use crate::ingest::worker::Worker;
use crate::server::common::Common;
use crate::server::listeners::{Listeners, UnixSockets};
use crate::server::profiling::Profiling;
use crate::server::serving::Serving;
use crate::server::sinks::Sinks;
use crate::server::workers::{self, WorkerSources};
use crate::stats::Stats;

/// What threads are made of.
#[derive(Debug)]
pub(super) struct Parts {
    /// One per ingest thread.
    pub(super) workers: Vec<Worker<Dispatch>>,
    /// What serves pages.
    pub(super) serving: Serving,
    /// What the kernel counts of the UDP sockets.
    pub(super) udp_sockets: Arc<UdpSocketStats>,
    /// Main's word to workers.
    pub(super) control: Arc<Control>,
    /// Workers' words to the log.
    pub(super) log: Arc<LogSlots>,
    /// All workers' counters.
    pub(super) stats: Stats,
    /// Where rows go.
    pub(super) sinks: Sinks,
    /// What profiles the server, where that is asked for.
    pub(super) profiling: Option<Profiling>,
}

/// What is open before anything is made of it.
#[derive(Debug)]
pub(super) struct Opened {
    /// Sockets.
    pub(super) listeners: Listeners,
    /// TLS, users and headers of the HTTP port.
    pub(super) web_config: OpenWebConfig,
    /// Far ends and their directories.
    pub(super) sinks: Sinks,
    /// The profiler.
    pub(super) profiling: Option<Profiling>,
}

impl Parts {
    /// Makes them of what is open. The unix sockets come back: their files are main's to remove.
    ///
    /// # Errors
    /// Those of `epoll_create(2)`, `dup(2)` and `setsockopt(2)`.
    pub(super) fn make(
        config: &ServerConfig,
        remote: Option<&RemoteConfig>,
        opened: Opened,
        main: Arc<Waker>,
    ) -> anyhow::Result<(Self, UnixSockets)> {
        let Opened { listeners, web_config, mut sinks, profiling } = opened;
        let polls =
            (0..config.ingest.workers).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
        let beside_series = config.ingest.partials_max_bytes + sinks.queues_max_bytes();
        let common = Common::new(&config.limits, beside_series, config.log, &polls, main)?;
        let handlers = workers::handlers(config, remote, &common, &listeners, &sinks);
        let udp_sockets = Arc::new(udp_socket_stats(&listeners.udp)?);
        let counters = OwnCounters::new(
            Arc::clone(&common.stats),
            Arc::clone(&udp_sockets),
            Arc::clone(web_config.stats()),
            std::mem::take(&mut sinks.counters),
            config.limits.memory_max_bytes as u64,
        );
        let serving = Serving::make(config, &common, listeners.http, web_config, counters)?;
        let sources = WorkerSources { udp: listeners.udp, unix: &listeners.unix };
        let workers = workers::make(config, &common, polls, handlers, sources)?;
        let Common { stats, control, log, .. } = common;
        let parts = Self { workers, serving, udp_sockets, control, log, stats, sinks, profiling };
        Ok((parts, listeners.unix))
    }
}

/// The exporter's own hold on the UDP sockets, whose drops the kernel counts.
fn udp_socket_stats(udp: &[UdpSocket]) -> anyhow::Result<UdpSocketStats> {
    Ok(UdpSocketStats::new(udp.iter().map(UdpSocket::try_clone).collect::<Result<Vec<_>, _>>()?))
}
