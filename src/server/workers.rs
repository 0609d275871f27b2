//! The workers: what each reads, what it does with messages, and the limits that hold for all. Main makes them
//! of open sockets, once.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use anyhow::Context;
use mio::Poll;

use crate::config::{IngestConfig, RemoteConfig, ServerConfig, ShutdownFrom};
use crate::ingest::barrier;
use crate::ingest::dispatch::{Dispatch, MessageLimits, Shared};
use crate::ingest::udp::UdpSource;
use crate::ingest::unix::{Balancer, NumberedListener, UnixSources};
use crate::ingest::unixgram::UnixgramSource;
use crate::ingest::worker::{Sources, Worker};
use crate::ingest::{ConnectionLimits, Settings};
use crate::registry::local::LocalRegistry;
use crate::server::common::Common;
use crate::server::listener_labels;
use crate::server::listeners::{Listeners, UnixSockets};
use crate::server::sinks::Sinks;
use crate::sys::limits;
use crate::wire::json;

/// Templates save time and must not take the room of series: they get at most this part of all memory.
const TEMPLATES_SHARE: usize = 8;

/// What each worker does with messages.
pub(super) fn handlers(
    config: &ServerConfig,
    remote: Option<&RemoteConfig>,
    common: &Common,
    listeners: &Listeners,
    sinks: &Sinks,
) -> Vec<Dispatch> {
    let limits = message_limits(config, remote.is_some());
    let shared = Shared::new(
        listener_labels::of_all(config, remote, listeners),
        config.shutdown.from.clone(),
        Arc::clone(&common.stats),
        Arc::clone(&common.control),
        Arc::clone(&common.log),
    );
    let handler = |number| {
        let local_registry =
            LocalRegistry::new(number, Arc::clone(&common.registry), Arc::clone(&common.mailboxes));
        Dispatch::new(number, local_registry, sinks.outboxes(number), limits, shared.clone())
    };
    (0..config.ingest.workers).map(handler).collect()
}

/// Those of one worker. A router has no cells that templates could lead to.
fn message_limits(config: &ServerConfig, is_router: bool) -> MessageLimits {
    let ServerConfig { ingest, limits, .. } = config;
    let of_all = limits.templates_max_bytes.min(limits.memory_max_bytes / TEMPLATES_SHARE);
    let templates_max_bytes = if is_router { 0 } else { of_all / ingest.workers };
    MessageLimits::new(ingest.message_max_bytes, ingest.labels_max, templates_max_bytes)
        .with_tag_styles(ingest.tag_styles)
}

/// What workers read.
#[derive(Debug)]
pub(super) struct WorkerSources<'a> {
    /// One per worker, or none.
    pub(super) udp: Vec<UdpSocket>,
    /// Listeners of streams are shared by all workers; each socket of datagrams is one worker's.
    pub(super) unix: &'a UnixSockets,
}

/// Makes the workers.
///
/// # Errors
/// Those of `dup(2)`, `epoll_ctl(2)` and `setrlimit(2)`.
pub(super) fn make(
    config: &ServerConfig,
    common: &Common,
    polls: Vec<Poll>,
    handlers: Vec<Dispatch>,
    sources: WorkerSources<'_>,
) -> anyhow::Result<Vec<Worker<Dispatch>>> {
    let connections = connection_limits(&config.ingest)?;
    let settings = settings(config, connections);
    let balancer = Balancer::new(
        Arc::clone(&common.stats),
        Arc::clone(&common.control),
        Arc::clone(&common.log),
        connections.connections_max(),
    );
    let first_unix = usize::from(!sources.udp.is_empty());
    let mut listeners = Vec::new();
    for (index, unix) in sources.unix.streams.iter().enumerate() {
        let listener = mio::net::UnixListener::from_std(unix.bound.socket().try_clone()?);
        listeners.push(NumberedListener::new(listener, first_unix + index));
    }
    let first_unixgram = first_unix + listeners.len();
    let mut sockets = sources.udp.into_iter();
    let workers_count = polls.len();
    let barriers = barrier::participants(workers_count);
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
        let unixgram = unixgram_of(number, workers_count, sources.unix, first_unixgram)?;
        let sources =
            Sources::new(poll, sockets.next().map(source), unix)?.with_unixgram(unixgram)?;
        Ok(Worker::new(number, sources, handler, stats, control, barrier))
    });
    workers.collect()
}

/// The unix datagram sockets of the worker with this number, of so many workers; the listeners' numbers begin at `first`.
fn unixgram_of(
    worker: usize,
    workers: usize,
    unix: &UnixSockets,
    first: usize,
) -> io::Result<Vec<UnixgramSource>> {
    let own = unix.datagrams.iter().enumerate().skip(worker).step_by(workers);
    own.map(|(index, unix)| {
        Ok(UnixgramSource::new(unix.bound.socket().try_clone()?, first + index))
    })
    .collect()
}

fn settings(config: &ServerConfig, connections: ConnectionLimits) -> Settings {
    let ingest = &config.ingest;
    let peer_uids = matches!(config.shutdown.from, ShutdownFrom::UnixUsers(_));
    Settings::new(ingest.message_max_bytes, ingest.partials_max_bytes, connections, peer_uids)
}

fn connection_limits(ingest: &IngestConfig) -> anyhow::Result<ConnectionLimits> {
    let descriptors_room = descriptors_room(ingest)?;
    Ok(ConnectionLimits::new(ingest.connections_max, descriptors_room, ingest.idle_timeout))
}

/// Unix connections that the limit of descriptors leaves room for.
fn descriptors_room(ingest: &IngestConfig) -> anyhow::Result<usize> {
    /// Scrapes, and what else opens a file for a moment.
    const RESERVED: usize = 32;
    let limit = limits::raise_descriptors().context("cannot raise the limit of descriptors")?;
    let open = std::fs::read_dir("/proc/self/fd").map_or(RESERVED, Iterator::count);
    let limit = usize::try_from(limit).expect("a usize has 64 bits");
    let room = limit.saturating_sub(open + RESERVED).max(4);
    let wanted = ingest.connections_max;
    if room < wanted && !ingest.unix.is_empty() {
        log::warn!(
            "-uds-connections-max {wanted}: the limit of {limit} descriptors leaves room for {room}; \
             others wait to be accepted. Raise it with ulimit -n or LimitNOFILE"
        );
    }
    Ok(room)
}
