//! What the flags ask for, opened: sockets first, so that what cannot be had is told before any thread
//! starts; then the parts that threads are made of.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use anyhow::Context;
use crossbeam::utils::CachePadded;
use mio::{Poll, Waker};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Config, GoAddr, ListenUnix, source_app};
use crate::control::Control;
use crate::exporter::http::HttpServer;
use crate::exporter::http::stats::HttpStats;
use crate::exporter::kernel::Kernel;
use crate::exporter::retire::Retire;
use crate::exporter::scrape::Scrape;
use crate::ingest::barrier;
use crate::ingest::dispatch::{Dispatch, Shared};
use crate::ingest::log_slots::LogSlots;
use crate::ingest::udp::{self, UdpSource};
use crate::ingest::unix::{HandOver, UnixSources};
use crate::ingest::worker::{WAKER, Worker};
use crate::ingest::{Listener, Settings};
use crate::registry::birth::{Births, Bounds};
use crate::registry::exchange::Exchange;
use crate::registry::expiry::Expiry;
use crate::registry::shard::Shard;
use crate::server::profiling::Profiling;
use crate::server::sinks::Sinks;
use crate::server::unix_path::{self, BoundPath};
use crate::stats::Stats;
use crate::stats::{self, WorkerStats};
use crate::sys::{limits, socket};
use crate::text::labels::constant_labels;
use crate::wire::json;

/// Connections that may wait at the HTTP port.
const HTTP_BACKLOG: i32 = 1024;

/// Open sockets.
#[derive(Debug)]
pub(super) struct Bound {
    main: Arc<Waker>,
    http: Option<TcpListener>,
    udp: Vec<UdpSocket>,
    unix: Vec<(String, BoundPath)>,
    sinks: Option<Sinks>,
    profiling: Option<Profiling>,
    /// All workers' counters.
    pub(super) stats: Stats,
}

/// What threads are made of.
#[derive(Debug)]
pub(super) struct Parts {
    /// One per ingest thread.
    pub(super) workers: Vec<Worker<Dispatch>>,
    /// The page.
    pub(super) scrape: Arc<Scrape>,
    /// The HTTP server, accepting but not answering yet.
    pub(super) http: Arc<HttpServer>,
    /// Main's word to workers.
    pub(super) control: Arc<Control>,
    /// Workers' words to the log.
    pub(super) log: Arc<LogSlots>,
    /// Where rows go.
    pub(super) sinks: Sinks,
    /// What profiles the server, where that is asked for.
    pub(super) profiling: Option<Profiling>,
}

impl Bound {
    /// Opens all sockets.
    ///
    /// # Errors
    /// Names flag, value and cause.
    pub(super) fn open(config: &Config, main: Arc<Waker>) -> anyhow::Result<Self> {
        limits::return_large_blocks();
        let workers = config.ingest.workers;
        let stats = (0..workers).map(|_| CachePadded::new(WorkerStats::default())).collect();
        let http = bind_http(&config.http.addr)
            .with_context(|| format!("-socket {:?}: cannot listen", config.http.text))?;
        let mut bound = Self {
            main,
            http: None,
            udp: Vec::new(),
            unix: Vec::new(),
            sinks: None,
            profiling: None,
            stats,
        };
        if let Some(udp) = &config.ingest.udp {
            bound.udp = first_of(&udp.addr, |address| {
                udp::bind(address, workers, config.ingest.rcvbuf_bytes)
            })
            .with_context(|| format!("-udp {:?}: cannot listen", udp.text))?;
            let port = bound.udp[0].local_addr()?.port();
            log::info!("Listen udp {}:{port} for metric collection", udp.addr.host);
            bound.warn_of_buffer(config.ingest.rcvbuf_bytes)?;
        }
        let own_udp = bound.udp.first().map(UdpSocket::local_addr).transpose()?;
        let sinks = Sinks::open(config, own_udp)?;
        bound.profiling = config
            .pyroscope
            .as_ref()
            .map(|pyroscope| Profiling::open(pyroscope, &sinks.books.pushes))
            .transpose()?;
        bound.sinks = Some(sinks);
        for unix in &config.ingest.unix {
            bound.open_unix(unix, config.ingest.uds_mode)?;
        }
        let port = http.local_addr()?.port();
        let host =
            if config.http.addr.host.is_empty() { "0.0.0.0" } else { &config.http.addr.host };
        log::info!("Expose metrics on http://{host}:{port}/metrics");
        bound.http = Some(http);
        Ok(bound)
    }

    fn open_unix(&mut self, unix: &ListenUnix, mode: u32) -> anyhow::Result<()> {
        match unix_path::bind(&unix.path, mode) {
            Ok(listener) => {
                log::info!("Listen uds {} for metric collection", unix.path);
                self.unix.push((unix.path.clone(), listener));
                Ok(())
            }
            // Nobody asked for the default path by name: a read-only directory is no reason to fail.
            Err(error) if unix.is_default => {
                log::warn!("-{} {:?} (default): {error:#}; no unix socket", unix.flag, unix.path);
                Ok(())
            }
            Err(error) => {
                Err(error.context(format!("-{} {:?}: cannot listen", unix.flag, unix.path)))
            }
        }
    }

    fn warn_of_buffer(&self, wanted_bytes: usize) -> anyhow::Result<()> {
        // The kernel doubles what is asked for, to make room for its own data.
        let granted = socket::memory(self.udp[0].as_fd())?.buffer_bytes as usize / 2;
        if granted < wanted_bytes {
            log::warn!(
                "-udp-rcvbuf {wanted_bytes}: the kernel granted {granted}; bursts may be dropped. \
                 To allow it: sysctl -w net.core.rmem_max={wanted_bytes}"
            );
        }
        Ok(())
    }

    /// Removes unix socket files that are ours.
    pub(super) fn unlink(&mut self) {
        self.unix.iter_mut().for_each(|(_, bound)| bound.unlink());
    }

    /// Makes workers and exporter over what is open. To be called once.
    ///
    /// # Errors
    /// Those of `epoll_create(2)`, `dup(2)` and of starting the HTTP library.
    pub(super) fn take_parts(&mut self, config: &Config) -> anyhow::Result<Parts> {
        let workers = config.ingest.workers;
        let mut sinks = self.sinks.take().context("sinks are taken already")?;
        let polls = (0..workers).map(|_| Poll::new()).collect::<Result<Vec<_>, _>>()?;
        let wakers = polls
            .iter()
            .map(|poll| Waker::new(poll.registry(), WAKER))
            .collect::<Result<Vec<_>, _>>()?;
        let control = Arc::new(Control::new(wakers, Arc::clone(&self.main)));
        let log = Arc::new(LogSlots::new(config.log.debug));
        let births = Arc::new(Births::new(bounds(config), stats::is_reserved));
        let exchange = Arc::new(Exchange::new(workers));
        let kernel =
            Kernel::new(self.udp.iter().map(UdpSocket::try_clone).collect::<Result<Vec<_>, _>>()?);
        let retire = config.bounds.series_ttl.map(|ttl| {
            let ttl_ns = u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX);
            Retire::new(Expiry::new(ttl_ns, Arc::clone(&exchange)), ttl, Arc::clone(&control))
        });
        let http_stats = Arc::new(HttpStats::default());
        let scrape = Arc::new(Scrape::new(
            Arc::clone(&births),
            Arc::clone(&self.stats),
            kernel,
            retire,
            (Arc::clone(&http_stats), std::mem::take(&mut sinks.books)),
            crate::logger::suppressed,
        ));
        let listener = self.http.take().context("sockets are taken already")?;
        let limit = config.http.scrape_timeout;
        let http = HttpServer::start(listener, super::pages(&scrape), http_stats, limit)
            .context("cannot start the HTTP server")?;
        let shared = Shared {
            listeners: self.listeners(config),
            stats: Arc::clone(&self.stats),
            log: Arc::clone(&log),
            control: Arc::clone(&control),
            shutdown_from: config.shutdown.from,
            message_max_bytes: config.ingest.message_max_bytes,
            labels_max: config.ingest.labels_max,
            // Shapes save time; they must not take the room of series. A router has no cells for them.
            shapes_max_bytes: if config.remote.is_some() {
                0
            } else {
                config.bounds.shapes_max_bytes.min(config.bounds.memory_max_bytes / 8) / workers
            },
        };
        let shard = |number| {
            let (births, exchange) = (Arc::clone(&births), Arc::clone(&exchange));
            Shard::new(number, births, exchange)
        };
        let handler =
            |number| Dispatch::new(number, shard(number), sinks.outboxes(number), shared.clone());
        let handlers = (0..workers).map(handler).collect();
        let workers = self.workers(config, polls, &control, handlers)?;
        let profiling = self.profiling.take();
        Ok(Parts { workers, scrape, http: Arc::new(http), control, log, sinks, profiling })
    }

    fn workers(
        &mut self,
        config: &Config,
        polls: Vec<Poll>,
        control: &Arc<Control>,
        handlers: Vec<Dispatch>,
    ) -> anyhow::Result<Vec<Worker<Dispatch>>> {
        let settings = Settings {
            batch_wait: config.ingest.batch_wait,
            message_max_bytes: config.ingest.message_max_bytes,
            connections_max: config.ingest.connections_max,
            descriptors_room: descriptors_room(config)?,
            partials_max_bytes: config.ingest.partials_max_bytes,
        };
        let hand_over = HandOver::new(polls.len());
        let first_unix = usize::from(!self.udp.is_empty());
        let mut listeners = Vec::new();
        for (index, (_, bound)) in self.unix.iter().enumerate() {
            let listener = mio::net::UnixListener::from_std(bound.listener.try_clone()?);
            listeners.push((Arc::new(listener), first_unix + index));
        }
        let mut sockets = std::mem::take(&mut self.udp).into_iter();
        let barriers = barrier::participants(polls.len());
        let parts = polls.into_iter().zip(handlers).zip(barriers).enumerate();
        let workers = parts.map(|(number, ((poll, handler), barrier))| {
            let shared = (Arc::clone(&self.stats), Arc::clone(control), Arc::clone(&hand_over));
            let padding = json::PADDING;
            Worker {
                number,
                poll,
                udp: sockets.next().map(|socket| UdpSource::new(socket, 0)),
                unix: UnixSources::new(number, listeners.clone(), shared, &settings, padding),
                handler,
                stats: Arc::clone(&self.stats),
                control: Arc::clone(control),
                barrier,
                settings,
            }
        });
        Ok(workers.collect())
    }

    /// UDP first, then the unix sockets that could be bound.
    fn listeners(&self, config: &Config) -> Arc<[Listener]> {
        let udp = config.ingest.udp.as_ref().filter(|_| !self.udp.is_empty());
        let udp = udp.map(|udp| listener(config, &udp.text, false));
        let unix = self.unix.iter().map(|(path, _)| listener(config, path, true));
        udp.into_iter().chain(unix).collect()
    }
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

fn listener(config: &Config, data_source: &str, unix: bool) -> Listener {
    let app = source_app(data_source);
    let mut pairs: Vec<(&str, &str)> =
        config.labels.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if config.labels.source_labels {
        pairs.extend([("data_source", data_source), ("source_app", app.as_str())]);
    }
    let constants = constant_labels(pairs.iter().copied());
    let instance = host_name();
    if config.remote.is_some() {
        pairs.push(("instance", &instance)); // tells routers of one far end apart
    }
    let row_constants = constant_labels(pairs);
    Listener { data_source: data_source.to_owned(), unix, constants, row_constants }
}

/// The machine's name, as `uname -n` shows it.
pub(super) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn bounds(config: &Config) -> Bounds {
    Bounds {
        buckets_max: config.bounds.buckets_max,
        lines_max: config.bounds.lines_max,
        name_lines_max: config.bounds.name_lines_max,
        memory_max_bytes: config.bounds.memory_max_bytes as u64,
        mixed_label_sets: config.bounds.mixed_label_sets,
    }
}

/// Binds to the first address that works: all of them, IPv6 and IPv4, for an empty host.
fn first_of<T>(
    address: &GoAddr,
    mut bind: impl FnMut(SocketAddr) -> std::io::Result<T>,
) -> anyhow::Result<T> {
    let host = if address.host.is_empty() { "::" } else { &address.host };
    let mut addresses: Vec<SocketAddr> =
        (host, address.port).to_socket_addrs().context("no such host")?.collect();
    // As Go: of a name's addresses that of IPv4 is taken.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    if address.host.is_empty() {
        addresses.push(([0, 0, 0, 0], address.port).into());
    }
    let mut last = None;
    for address in addresses {
        match bind(address) {
            Ok(bound) => return Ok(bound),
            // A taken port is no reason to try the other family beside it.
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(error.into()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| anyhow::anyhow!("the host has no address"), Into::into))
}

fn bind_http(address: &GoAddr) -> anyhow::Result<TcpListener> {
    first_of(address, |address| {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!address.ip().is_unspecified())?;
        }
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(HTTP_BACKLOG)?;
        Ok(socket.into())
    })
}
