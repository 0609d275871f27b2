//! The labels that the messages of each listener get. Main makes them once.

use std::sync::Arc;

use crate::config::{LabelsConfig, RemoteConfig, ServerConfig, source_app};
use crate::ingest::Listener;
use crate::server::host_name::host_name;
use crate::server::listeners::Listeners;
use crate::stats::Transport;
use crate::text::labels::constant_labels;

/// What workers know of each listener, in the order of their numbers: UDP first, then unix sockets: of streams, of
/// datagrams.
pub(super) fn of_all(
    config: &ServerConfig,
    remote: Option<&RemoteConfig>,
    listeners: &Listeners,
) -> Arc<[Listener]> {
    // Tells the routers of one far end apart, unless -remote-instance says that nothing is to.
    let instance = remote.map(|remote| remote.instance.clone().unwrap_or_else(host_name));
    let instance = instance.filter(|name| !name.is_empty());
    let of = |text: &str, transport| listener(&config.labels, text, transport, instance.as_deref());
    let udp = config.ingest.udp.as_ref().filter(|_| !listeners.udp.is_empty());
    let udp = udp.map(|udp| of(&udp.text, Transport::Udp));
    let streams = listeners.unix.streams.iter().map(|unix| of(&unix.path, Transport::Unix));
    let datagrams = listeners.unix.datagrams.iter().map(|unix| of(&unix.path, Transport::Unixgram));
    udp.into_iter().chain(streams).chain(datagrams).collect()
}

fn listener(
    labels: &LabelsConfig,
    data_source: &str,
    transport: Transport,
    instance: Option<&str>,
) -> Listener {
    let app = source_app(data_source);
    let mut pairs: Vec<(&str, &str)> =
        labels.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if labels.source_labels {
        pairs.extend([("data_source", data_source), ("source_app", app.as_str())]);
    }
    let constants = constant_labels(pairs.iter().copied());
    pairs.extend(instance.map(|name| ("instance", name)));
    let row_constants = constant_labels(pairs);
    Listener::new(data_source, transport, constants).with_row_constants(row_constants)
}
