//! What the flags and variables of the table need so that they have an effect.
//!
//! Plain data, by the names of flags and variables.

use super::flag::Need;
use Need::{Any, Https, NoLogin, Not, SocketFile, Without};

// A router counts nothing and keeps nothing: it sends all on.
pub(super) const NO_ROUTER: &[Need] = &[Without("remote")];
pub(super) const UDP: &[Need] = &[Any(&["udp"])];
pub(super) const UNIX: &[Need] = &[Any(&["uds", "uds-pool"])];
pub(super) const UNIX_FILES: &[Need] =
    &[Any(&["uds", "uds-pool", "unixgram"]), SocketFile(&["uds", "uds-pool", "unixgram"])];
pub(super) const SHUTDOWN_UID: &[Need] = &[Any(&["uds", "uds-pool"]), Not("shutdown-from", "none")];
pub(super) const TTL: &[Need] = &[Any(&["metric-clean-up"])];
pub(super) const REMOTE: &[Need] = &[Any(&["remote"])];
pub(super) const LOKI: &[Need] = &[Any(&["loki-address"])];
pub(super) const LOKI_TLS: &[Need] = &[Any(&["loki-address"]), Https("loki-address")];
pub(super) const SEARCH: &[Need] = &[Any(&["METRICS_SERVER_SEARCH_URL"])];
pub(super) const SEARCH_LOGIN: &[Need] =
    &[Any(&["METRICS_SERVER_SEARCH_URL"]), NoLogin("METRICS_SERVER_SEARCH_URL")];
pub(super) const SEARCH_TLS: &[Need] =
    &[Any(&["METRICS_SERVER_SEARCH_URL"]), Https("METRICS_SERVER_SEARCH_URL")];
pub(super) const SEARCH_CA: &[Need] = &[
    Any(&["METRICS_SERVER_SEARCH_URL"]),
    Https("METRICS_SERVER_SEARCH_URL"),
    Without("opensearch-insecure"),
];
pub(super) const SCYLLA: &[Need] = &[Any(&["scylladb-hosts"])];
pub(super) const SCYLLA_TLS: &[Need] = &[Any(&["scylladb-hosts"]), Any(&["scylladb-tls"])];
pub(super) const QUEUES: &[Need] =
    &[Any(&["remote", "loki-address", "METRICS_SERVER_SEARCH_URL", "scylladb-hosts"])];
// Datagrams leave no trace of their arrival, so those of a router are not kept on disk.
pub(super) const SPILL: &[Need] =
    &[Any(&["loki-address", "METRICS_SERVER_SEARCH_URL", "scylladb-hosts"]), Without("remote")];
pub(super) const SPILL_SIZE: &[Need] = &[Any(&["spill-dir"])];
