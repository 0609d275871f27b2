//! What threads are made of: workers, the exporter, the HTTP server, and what they share. Main makes them
//! of open sockets, once.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use anyhow::Context;
use crossbeam::utils::CachePadded;
use mio::{Poll, Waker};

use crate::config::{BoundsConfig, Config, ShutdownFrom};
use crate::control::Control;
use crate::exporter::expiry_timer::ExpiryTimer;
use crate::exporter::scrape::{
    self, Counters, ExporterThread, GzipThread, Readiness, RegistrySource,
};
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::exposition::page_writer::PageWriter;
use crate::http::web_config::{OpenWebConfig, Reread, WebConfigWorker};
use crate::http::{HttpLimits, HttpServer};
use crate::ingest::Settings;
use crate::ingest::barrier;
use crate::ingest::dispatch::{Dispatch, Shared};
use crate::ingest::log_slots::LogSlots;
use crate::ingest::udp::UdpSource;
use crate::ingest::unix::{Balancer, NumberedListener, UnixSources};
use crate::ingest::worker::{Sources, WAKER, Worker};
use crate::registry::expiry::Expiry;
use crate::registry::local::LocalRegistry;
use crate::registry::mailbox::Mailboxes;
use crate::registry::{Registry, SeriesLimits};
use crate::server::listener_labels;
use crate::server::listeners::{BoundUnix, Listeners};
use crate::server::profiling::Profiling;
use crate::server::sinks::Sinks;
use crate::stats::{self, Stats, WorkerStats};
use crate::sys::limits;
use crate::wire::json;

/// Templates save time and must not take the room of series: they get at most this part of all memory.
const TEMPLATES_SHARE: usize = 8;

/// Questions for pages that wait: one of each connection, and those of connections that have just ended.
const QUESTIONS_PER_CONNECTION: usize = 2;

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

/// The HTTP server and what makes its pages.
#[derive(Debug)]
pub(super) struct Serving {
    /// What the thread `http` runs.
    pub(super) http: HttpServer,
    /// What the thread `exporter` runs.
    pub(super) exporter: ExporterThread<RegistrySource>,
    /// What the thread `exporter-gzip` runs.
    pub(super) gzip: GzipThread<PageWriter>,
    /// Whether traffic should be sent here.
    pub(super) readiness: Arc<Readiness>,
    /// What the thread `web-config` runs, where there is a file for it.
    pub(super) web_config_worker: Option<WebConfigWorker>,
    /// Has that file read again.
    pub(super) reread_web_config: Option<Reread>,
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

/// What workers, exporter and main share.
struct Common {
    stats: Stats,
    control: Arc<Control>,
    log: Arc<LogSlots>,
    registry: Arc<Registry>,
    mailboxes: Arc<Mailboxes>,
}

impl Parts {
    /// Makes them of what is open. The unix sockets come back: their files are main's to remove.
    ///
    /// # Errors
    /// Those of `epoll_create(2)`, `dup(2)` and `setsockopt(2)`.
    pub(super) fn make(
        config: &Config,
        opened: Opened,
        main: Arc<Waker>,
    ) -> anyhow::Result<(Self, Vec<BoundUnix>)> {
        let Opened { listeners, web_config, mut sinks, profiling } = opened;
        let polls =
            (0..config.ingest.workers).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
        let common = Common::new(config, &polls, main)?;
        let handlers = handlers(config, &common, &listeners, &sinks);
        let udp_sockets = Arc::new(udp_socket_stats(&listeners.udp)?);
        let counters = Counters {
            workers: Arc::clone(&common.stats),
            udp_sockets: Arc::clone(&udp_sockets),
            http: Arc::default(),
            web_config: Arc::clone(web_config.stats()),
            scrapes: Arc::default(),
            sinks: std::mem::take(&mut sinks.counters),
            log_suppressed: crate::logger::suppressed,
        };
        let serving = serving(config, &common, listeners.http, web_config, counters)?;
        let sources = WorkerSources { udp: listeners.udp, unix: &listeners.unix };
        let workers = workers(config, &common, polls, handlers, sources)?;
        let Common { stats, control, log, .. } = common;
        let parts = Self { workers, serving, udp_sockets, control, log, stats, sinks, profiling };
        Ok((parts, listeners.unix))
    }
}

impl Common {
    fn new(config: &Config, polls: &[Poll], main: Arc<Waker>) -> anyhow::Result<Self> {
        let wakers = polls.iter().map(|poll| Waker::new(poll.registry(), WAKER));
        let wakers = wakers.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            stats: polls.iter().map(|_| CachePadded::new(WorkerStats::default())).collect(),
            control: Arc::new(Control::new(wakers, main)),
            log: Arc::new(LogSlots::new(config.log.debug)),
            registry: Arc::new(Registry::new(series_limits(&config.bounds), stats::is_reserved)),
            mailboxes: Arc::new(Mailboxes::new(polls.len())),
        })
    }
}

fn series_limits(config: &BoundsConfig) -> SeriesLimits {
    SeriesLimits {
        buckets_max: config.buckets_max,
        lines_max: config.lines_max,
        name_lines_max: config.name_lines_max,
        memory_max_bytes: config.memory_max_bytes as u64,
        mixed_label_sets: config.mixed_label_sets,
    }
}

/// The exporter's own hold on the UDP sockets, whose drops the kernel counts.
fn udp_socket_stats(udp: &[UdpSocket]) -> anyhow::Result<UdpSocketStats> {
    Ok(UdpSocketStats::new(udp.iter().map(UdpSocket::try_clone).collect::<Result<Vec<_>, _>>()?))
}

/// What removes series that are idle for too long, where that is asked for.
fn expiry_timer(config: &Config, common: &Common) -> Option<ExpiryTimer> {
    let ttl = config.bounds.series_ttl?;
    let ttl_ns = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
    let expiry = Expiry::new(ttl_ns, Arc::clone(&common.mailboxes));
    Some(ExpiryTimer::new(expiry, ttl, Arc::clone(&common.control)))
}

/// The HTTP server and what makes its pages.
fn serving(
    config: &Config,
    common: &Common,
    listener: TcpListener,
    web_config: OpenWebConfig,
    counters: Counters,
) -> anyhow::Result<Serving> {
    let (http_stats, scrapes) = (Arc::clone(&counters.http), Arc::clone(&counters.scrapes));
    let expiry = expiry_timer(config, common);
    let source = RegistrySource::new(Arc::clone(&common.registry), expiry, counters);
    let readiness = Arc::new(Readiness::default());
    let connections_max = config.http.connections_max;
    let questions = QUESTIONS_PER_CONNECTION * connections_max;
    let (client, exporter, gzip) =
        scrape::threads(source, scrapes, Arc::clone(&readiness), questions);
    let limits = HttpLimits::new(connections_max, config.http.scrape_timeout, config.log.interval);
    let (web_config, web_config_worker) = web_config.into_parts();
    let reread_web_config = web_config.reread();
    let http = HttpServer::new(listener, Arc::new(client), http_stats, limits, web_config)
        .context("cannot set up the HTTP server's socket")?;
    Ok(Serving { http, exporter, gzip, readiness, web_config_worker, reread_web_config })
}

/// What each worker does with messages.
fn handlers(
    config: &Config,
    common: &Common,
    listeners: &Listeners,
    sinks: &Sinks,
) -> Vec<Dispatch> {
    let shared = Shared {
        listeners: listener_labels::of_all(config, listeners),
        stats: Arc::clone(&common.stats),
        log: Arc::clone(&common.log),
        control: Arc::clone(&common.control),
        shutdown_from: config.shutdown.from.clone(),
        message_max_bytes: config.ingest.message_max_bytes,
        labels_max: config.ingest.labels_max,
        templates_max_bytes: templates_max_bytes(config),
    };
    let handler = |number| {
        let local_registry =
            LocalRegistry::new(number, Arc::clone(&common.registry), Arc::clone(&common.mailboxes));
        Dispatch::new(number, local_registry, sinks.outboxes(number), shared.clone())
    };
    (0..config.ingest.workers).map(handler).collect()
}

/// One worker's share. A router has no cells that templates could lead to.
fn templates_max_bytes(config: &Config) -> usize {
    if config.remote.is_some() {
        return 0;
    }
    let bounds = &config.bounds;
    bounds.shapes_max_bytes.min(bounds.memory_max_bytes / TEMPLATES_SHARE) / config.ingest.workers
}

/// What workers read.
struct WorkerSources<'a> {
    udp: Vec<UdpSocket>,
    unix: &'a [BoundUnix],
}

fn workers(
    config: &Config,
    common: &Common,
    polls: Vec<Poll>,
    handlers: Vec<Dispatch>,
    sources: WorkerSources<'_>,
) -> anyhow::Result<Vec<Worker<Dispatch>>> {
    let settings = settings(config)?;
    let balancer = Balancer::new(
        Arc::clone(&common.stats),
        Arc::clone(&common.control),
        Arc::clone(&common.log),
        settings.connections_max,
    );
    let first_unix = usize::from(!sources.udp.is_empty());
    let mut listeners = Vec::new();
    for (index, unix) in sources.unix.iter().enumerate() {
        let listener = mio::net::UnixListener::from_std(unix.bound.listener.try_clone()?);
        listeners.push(NumberedListener::new(listener, first_unix + index));
    }
    let mut sockets = sources.udp.into_iter();
    let barriers = barrier::participants(polls.len());
    let each = polls.into_iter().zip(handlers).zip(barriers).enumerate();
    let workers = each.map(|(number, ((poll, handler), barrier))| {
        let (stats, control) = (Arc::clone(&common.stats), Arc::clone(&common.control));
        let (listeners, balancer) = (listeners.clone(), Arc::clone(&balancer));
        let unix = UnixSources::new(
            number,
            listeners,
            Arc::clone(&stats),
            balancer,
            &settings,
            json::PADDING,
        );
        let source = |socket| UdpSource::new(socket, 0, config.ingest.batch_wait);
        let sources = Sources::new(poll, sockets.next().map(source), unix)?;
        Ok(Worker::new(number, sources, handler, stats, control, barrier))
    });
    workers.collect()
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    Ok(Settings {
        message_max_bytes: config.ingest.message_max_bytes,
        connections_max: config.ingest.connections_max,
        descriptors_room: descriptors_room(config)?,
        partials_max_bytes: config.ingest.partials_max_bytes,
        peer_uids: matches!(config.shutdown.from, ShutdownFrom::UnixUsers(_)),
    })
}

/// Unix connections that the limit of descriptors leaves room for.
fn descriptors_room(config: &Config) -> anyhow::Result<usize> {
    /// Scrapes, and what else opens a file for a moment.
    const RESERVED: usize = 32;
    let limit = limits::raise_descriptors().context("cannot raise the limit of descriptors")?;
    let open = std::fs::read_dir("/proc/self/fd").map_or(RESERVED, Iterator::count);
    let limit_of_all = usize::try_from(limit).unwrap_or(usize::MAX);
    let room = limit_of_all.saturating_sub(open + RESERVED).max(4);
    let wanted = config.ingest.connections_max;
    if room < wanted && !config.ingest.unix.is_empty() {
        log::warn!(
            "-uds-connections-max {wanted}: the limit of {limit} descriptors leaves room for {room}; \
             others wait to be accepted. Raise it with ulimit -n or LimitNOFILE"
        );
    }
    Ok(room)
}
