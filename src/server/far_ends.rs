//! The far ends that the flags ask for: a sink of each, with the name and the ops under which it gets its rows.
//!
//! Runs on main, once. It connects to nothing; it must not know queues nor threads.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::bail;

use crate::config::{IngestConfig, ListenUdp, RemoteConfig, SinksConfig};
use crate::metric::Op;
use crate::sinks::Sink;
use crate::sinks::all_counters::AllSinkCounters;
use crate::sinks::loki::Loki;
use crate::sinks::opensearch::OpenSearch;
use crate::sinks::remote::Remote;
use crate::sinks::remote::link::FarEnd;
use crate::sinks::scylla::Scylla;

/// A sink that the flags ask for.
pub(super) struct ConfiguredSink {
    /// The `sink` label, and the name of its directory.
    pub(super) name: &'static str,
    /// The ops of the messages that it takes.
    pub(super) ops: &'static [Op],
    pub(super) sink: Box<dyn Sink>,
}

impl ConfiguredSink {
    fn new(name: &'static str, ops: &'static [Op], sink: impl Sink + 'static) -> Self {
        Self { name, ops, sink: Box::new(sink) }
    }
}

/// The sinks that the flags ask for, in the order of their names, which is the page's. `own_udp` is where this server
/// receives datagrams.
///
/// # Errors
/// Names flag or variable, value and cause.
pub(super) fn of(
    config: &SinksConfig,
    ingest: &IngestConfig,
    own_udp: Option<SocketAddr>,
    counters: &AllSinkCounters,
) -> anyhow::Result<Vec<ConfiguredSink>> {
    let mut sinks = match &config.remote {
        Some(remote) => vec![router(remote, ingest, own_udp, counters)?],
        None => receivers_of_rows(config, counters)?,
    };
    sinks.sort_by_key(|configured| configured.name);
    Ok(sinks)
}

/// Whether all far ends can be made.
///
/// # Errors
/// Names flag or variable, and cause.
pub(super) fn check(config: &SinksConfig, ingest: &IngestConfig) -> anyhow::Result<()> {
    let counters = AllSinkCounters::default();
    receivers_of_rows(config, &counters)?;
    if let Some(remote) = &config.remote {
        router(remote, ingest, ingest.udp.as_ref().and_then(asked), &counters)?;
    }
    Ok(())
}

/// The ops of messages that are forwarded: all but `shutdown`, which is meant for the server that gets it.
const FORWARDED: &[Op] = &[Op::Inc, Op::Set, Op::Add, Op::Obs, Op::Event, Op::Index, Op::Raw];

/// The one far end of a router: all that is sent there stays with it.
fn router(
    remote: &RemoteConfig,
    ingest: &IngestConfig,
    own_udp: Option<SocketAddr>,
    counters: &AllSinkCounters,
) -> anyhow::Result<ConfiguredSink> {
    let far_end = FarEnd::new(&remote.addr.host, remote.addr.port, own_udp);
    if far_end.is_here() {
        let own = ingest.udp.as_ref().map_or("", |udp| &udp.text);
        bail!(
            "-remote {:?}: that is this server's own -udp {own:?}, and messages would go round for ever; \
             give the address of another server, or another -udp",
            remote.addr.to_string()
        );
    }
    let errors = Arc::clone(&counters.send_errors);
    let sink = Remote::new(far_end, remote.sockets, remote.datagram_bytes, errors);
    Ok(ConfiguredSink::new("remote", FORWARDED, sink))
}

/// Where UDP is to be received, if that needs no look-up.
fn asked(udp: &ListenUdp) -> Option<SocketAddr> {
    let ip = if udp.addr.host.is_empty() {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        udp.addr.host.parse().ok()?
    };
    Some(SocketAddr::new(ip, udp.addr.port))
}

/// All far ends but that of a router.
fn receivers_of_rows(
    config: &SinksConfig,
    counters: &AllSinkCounters,
) -> anyhow::Result<Vec<ConfiguredSink>> {
    let mut made = Vec::new();
    if let Some(opensearch) = &config.opensearch {
        let sink = OpenSearch::new(opensearch, Arc::clone(&counters.bulk))?;
        made.push(ConfiguredSink::new("opensearch", &[Op::Index], sink));
    }
    if let Some(loki) = &config.loki {
        made.push(ConfiguredSink::new("loki", &[Op::Event], Loki::new(loki)?));
    }
    if let Some(scylla) = &config.scylla {
        let sink = Scylla::new(scylla, Arc::clone(&counters.timestamps))?;
        made.push(ConfiguredSink::new("scylladb", &[Op::Raw], sink));
    }
    Ok(made)
}
