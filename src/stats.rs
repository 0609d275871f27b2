//! What the server counts about itself: the books.
//!
//! Each worker has a block of counters of its own, written by it alone with a plain load and store,
//! and read by the exporter. What the families are called and mean stands in one table,
//! [`FAMILIES`], that the page, `docs/metrics.md` and the tests share.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

use crate::metric::{Coercion, Coercions, Kind, Op, OpType, Rejection};

/// A counter that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the one writer may call it: two would overwrite each other's additions.
    #[inline]
    pub fn add(&self, n: u64) {
        // Release pairs with the Acquire in `get`: who reads a message here also finds it in its cell.
        self.0.store(self.0.load(Ordering::Relaxed) + n, Ordering::Release);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A number that goes up and down, which one thread writes and any thread reads.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the number. Only the one writer may call it.
    #[inline]
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The largest number of late: since the reader has looked the last but one time, so that two who look by
/// turns both see every number.
#[derive(Debug, Default)]
pub struct RecentMax {
    /// How often the reader has looked; the writer only reads it.
    looks: CachePadded<AtomicU64>,
    /// By the last bit of `looks`: its last bits in the upper ones, the largest number meanwhile in the lower.
    largest: [AtomicU64; 2],
}

impl RecentMax {
    /// Bits of a number: of nanoseconds, five hours.
    const BITS: u32 = 44;
    const NUMBER: u64 = (1 << Self::BITS) - 1;

    fn slot(&self, looks: u64) -> &AtomicU64 {
        &self.largest[usize::from(looks % 2 == 1)]
    }

    /// Raises to `n` if it is lower; to be called by the one writer only.
    #[inline]
    pub fn raise(&self, n: u64) {
        let looks = self.looks.load(Ordering::Relaxed);
        let slot = self.slot(looks);
        let now = looks << Self::BITS | n.min(Self::NUMBER);
        let stored = slot.load(Ordering::Relaxed);
        if stored >> Self::BITS != now >> Self::BITS || stored < now {
            slot.store(now, Ordering::Relaxed);
        }
    }

    /// The largest since the last look but one.
    pub fn look(&self) -> u64 {
        let looks = self.looks.fetch_add(1, Ordering::Relaxed);
        let of = |looks: u64| {
            let stored = self.slot(looks).load(Ordering::Relaxed);
            let is_of_then = stored >> Self::BITS == (looks << Self::BITS) >> Self::BITS;
            if is_of_then { stored & Self::NUMBER } else { 0 }
        };
        of(looks).max(of(looks.wrapping_sub(1)))
    }
}

/// All workers' counters, each on lines of its own.
pub type Stats = Arc<[CachePadded<WorkerStats>]>;

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams over UDP.
    Udp,
    /// Streams over unix sockets.
    Unix,
}

impl Transport {
    /// Label values, in the order of their index.
    pub const NAMES: [&'static str; 2] = ["udp", "unix"];
}

/// One worker's counters. Pad it to lines of its own (`CachePadded`).
#[derive(Debug, Default)]
pub struct WorkerStats {
    /// Datagrams read whole or cut.
    pub datagrams: Counter,
    /// Bytes read, by [`Transport`].
    pub bytes: [Counter; Transport::NAMES.len()],
    /// Objects framed: accepted and rejected.
    pub framed: Counter,
    /// Framed objects by how they named their op.
    pub op_types: [Counter; OpType::COUNT],
    /// Samples that counted, by op.
    pub accepted: [Counter; Op::ALL.len()],
    /// Objects that did not, by reason.
    pub rejected: [Counter; Rejection::COUNT],
    /// Accepted samples that were put right, by what.
    pub coerced: [Counter; Coercion::COUNT],
    /// Bytes outside objects that are no blanks or line ends.
    pub garbage_bytes: Counter,
    /// Datagrams longer than their slot: read, not parsed.
    pub truncated: Counter,
    /// Unix connections that this worker holds.
    pub connections: Gauge,
    /// Unix connections accepted.
    pub connections_accepted: Counter,
    /// Unix connections handed over to a worker with fewer.
    pub connections_handed_over: Counter,
    /// Unix connections closed at once: the bound of connections was reached.
    pub connections_refused: Counter,
    /// Times that accept failed for lack of descriptors or memory.
    pub accept_errors: Counter,
    /// Bytes of partial messages that this worker keeps.
    pub partial_bytes: Gauge,
    /// Longest time of late in ns between taking queued data and looking at the queue again.
    pub unread_ns_max: RecentMax,
    /// Times the worker woke up.
    pub wakeups: Counter,
    /// Messages that were parsed, since their shape was not known.
    pub parsed: Counter,
    /// Shapes that are known.
    pub shapes: Gauge,
    /// Bytes of known shapes.
    pub shape_bytes: Gauge,
    /// Panics caught.
    pub panics: Counter,
}

impl WorkerStats {
    /// Books a framed object that counted.
    #[inline]
    pub fn accept(&self, op: Op, coercions: Coercions) {
        self.framed.add(1);
        self.op_types[OpType::Known(op).index()].add(1);
        self.accepted[op as usize].add(1);
        if coercions != Coercions::default() {
            coercions.iter().for_each(|coercion| self.coerced[coercion as usize].add(1));
        }
    }

    /// Books a framed object that was refused.
    pub fn reject(&self, op_type: OpType, reason: Rejection) {
        self.framed.add(1);
        self.op_types[op_type.index()].add(1);
        self.rejected[reason as usize].add(1);
    }
}

/// A family of the server's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyDesc {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its label; empty for none. Values come from fixed sets and the numbers of workers.
    pub label: &'static str,
    /// Its help.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident $kind:ident $name:literal $label:literal $help:literal)*) => {
        /// Each family of [`FAMILIES`] by a name for code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum OwnFamily { $($id,)* }

        /// Every `metrics_server_*` family on the page, with its meaning. All stand from the start.
        pub(crate) const FAMILIES: &[FamilyDesc] = &[
            $(FamilyDesc { name: $name, kind: Kind::$kind, label: $label, help: $help },)*
        ];
    };
}

families! {
    BuildInfo Gauge "metrics_server_build_info" "version" "Always 1; its label tells what is running."
    Datagrams Counter "metrics_server_datagrams_received_total" "" "UDP datagrams read from the kernel."
    Truncated Counter "metrics_server_datagrams_truncated_total" "" "UDP datagrams longer than the largest there can be, read but not parsed."
    Deleted Counter "metrics_server_deleted_metrics_total" "type" "Series deleted after -metric-ttl without a sample, by op that counted into them."
    ExposedLines Gauge "metrics_server_exposed_lines" "" "Lines that user series take on the page; new series are refused past -lines-max."
    ExposedLinesLimit Gauge "metrics_server_exposed_lines_limit" "" "The bound of -lines-max."
    Forwarded Counter "metrics_server_forwarded_metrics_total" "type" "Messages found while -remote is set, whatever became of them, by op; shutdown is not forwarded."
    Garbage Counter "metrics_server_garbage_bytes_total" "" "Bytes received outside messages that are neither blanks nor line ends."
    HttpAcceptErrors Counter "metrics_server_http_accept_errors_total" "" "Times that accepting an HTTP connection failed for want of descriptors or memory."
    HttpConnections Gauge "metrics_server_http_connections" "" "Open HTTP connections."
    HttpConnectionsAccepted Counter "metrics_server_http_connections_accepted_total" "" "HTTP connections accepted."
    HttpEvicted Counter "metrics_server_http_connections_evicted_total" "state" "HTTP connections closed to make room for others, past -http-connections-max or for want of descriptors, by what they waited for: a head, the next request (idle), or the client to read its response."
    HttpLoginsRefused Counter "metrics_server_http_logins_refused_total" "reason" "HTTP requests without a login that -web-config-file knows, by reason."
    HttpPanics Counter "metrics_server_http_panics_total" "" "Faults of the server while answering a request."
    HttpRefused Counter "metrics_server_http_refused_total" "reason" "HTTP connections and requests that were refused, by reason."
    HttpSlow Counter "metrics_server_http_slow_readers_total" "" "Responses given up since their reader took longer than -scrape-timeout."
    HttpWebConfigSuccess Gauge "metrics_server_http_web_config_last_reload_success_timestamp_seconds" "" "When the file of -web-config-file in use was read; absent without it."
    HttpWebConfigFailures Counter "metrics_server_http_web_config_reload_failures_total" "" "Times that a changed file of -web-config-file could not be used."
    IndexBulkInsert Counter "metrics_server_index_bulk_insert_total" "status,type" "Bulk requests to OpenSearch; success if all documents of one were stored."
    IndexConnections Gauge "metrics_server_index_connections" "" "OpenSearch indices that were created or found since the start."
    LogSuppressed Counter "metrics_server_log_suppressed_total" "" "Log lines that were dropped, since stderr did not take them fast enough."
    Memory Gauge "metrics_server_memory_accounted_bytes" "" "Bytes of label text, cells and tables; new series are refused past -memory-max."
    MemoryLimit Gauge "metrics_server_memory_limit_bytes" "" "The bound of -memory-max."
    Accepted Counter "metrics_server_messages_accepted_total" "op" "Messages that counted, by op."
    Coerced Counter "metrics_server_messages_coerced_total" "reason" "Accepted messages in which something was put right, by what."
    Framed Counter "metrics_server_messages_framed_total" "" "Messages found in what was received; accepted and rejected add up to it."
    Rejected Counter "metrics_server_messages_rejected_total" "reason" "Messages that did not count, by reason."
    Panics Counter "metrics_server_panics_total" "" "Faults of the server that were caught; the message at hand was rejected."
    Parsed Counter "metrics_server_messages_parsed_total" "" "Messages that were parsed, since no message like them but for the number was known."
    Processed Counter "metrics_server_processed_metrics_total" "type" "Messages found, whatever became of them, by op."
    ReceivedBytes Counter "metrics_server_received_bytes_total" "transport" "Bytes read from the kernel."
    ProfilePushes Counter "metrics_server_profile_pushes_total" "outcome" "Profiles of the server for Pyroscope, one in 10 s; those that failed are dropped."
    RemoteSendErrors Counter "metrics_server_remote_send_errors_total" "errno" "Datagrams for -remote that could not be sent, or were refused, by what the kernel said."
    ScrapeDuration Gauge "metrics_server_scrape_duration_seconds" "" "Time that the last page before this one took to make."
    ScrapePages Counter "metrics_server_scrape_pages_total" "encoding" "Pages that were begun; scrapes that ask while one is made share the next."
    ScrapeSize Gauge "metrics_server_scrape_size_bytes" "" "Size of the last page before this one, as sent."
    ScyllaMoved Counter "metrics_server_scylladb_rows_moved_total" "" "Rows stored under a later millisecond than that of their coming, in a table whose key has no seq."
    ScyllaOverwritten Counter "metrics_server_scylladb_rows_overwritten_total" "" "Rows that took the place of another, in a table whose key has no seq."
    Series Gauge "metrics_server_series" "type" "User series on the page, by type."
    ShapeBytes Gauge "metrics_server_shape_bytes" "" "Bytes of known message shapes; the least used go past -shapes-max-bytes."
    Shapes Gauge "metrics_server_shapes" "" "Known message shapes."
    CleanUpDuration Histogram "metrics_server_staled_clean_up_duration_seconds" "" "Time that one pass over idle series took."
    SinkDelivered Counter "metrics_server_sink_rows_delivered_total" "sink" "Rows that the sink's far end has."
    SinkDropped Counter "metrics_server_sink_rows_dropped_total" "sink,reason" "Rows given up before the far end judged them, by reason."
    SinkEnqueued Counter "metrics_server_sink_rows_enqueued_total" "sink" "Rows that messages became; with those recovered: delivered, rejected, dropped, queued and spilled add up to it."
    SinkQueueBytes Gauge "metrics_server_sink_queue_bytes" "sink" "Bytes of rows in the sink's queue in memory."
    SinkQueueRows Gauge "metrics_server_sink_queue_rows" "sink" "Rows in memory that are not delivered."
    SinkOldest Gauge "metrics_server_sink_oldest_row_age_seconds" "sink" "Age of the oldest row of the batch that is being delivered; 0 when there is none."
    SinkRecovered Counter "metrics_server_sink_rows_recovered_total" "sink" "Rows found in -spill-dir at start."
    SinkRejected Counter "metrics_server_sink_rows_rejected_total" "sink,reason" "Rows that the far end will never take, by reason."
    SinkRequestRows Counter "metrics_server_sink_request_rows_total" "sink" "Rows in requests to the far end, again in each that repeats them."
    SinkRequestSeconds Counter "metrics_server_sink_request_seconds_total" "sink" "Time spent in requests to the far end."
    SinkRequests Counter "metrics_server_sink_requests_total" "sink,outcome" "Requests to the far end: done, to be repeated, or to be split."
    SinkSpillBytes Gauge "metrics_server_sink_spill_bytes" "sink" "Bytes on disk in -spill-dir."
    SinkSpillErrors Counter "metrics_server_sink_spill_errors_total" "sink" "Times that writing to -spill-dir failed."
    SinkSpillRows Gauge "metrics_server_sink_spill_rows" "sink" "Rows on disk that are not delivered."
    SinkSpilled Counter "metrics_server_sink_rows_spilled_total" "sink" "Rows written to disk."
    SinkTorn Counter "metrics_server_sink_spill_torn_bytes_total" "sink" "Bytes in -spill-dir that a crash had left unfinished or that were damaged, found and cut off at start."
    SinkUp Gauge "metrics_server_sink_up" "sink" "1 if the far end answered the last request, 0 if not."
    StaledLength Gauge "metrics_server_staled_storage_length" "" "Series watched by -metric-clean-up."
    KernelDrops Counter "metrics_server_udp_kernel_drops_total" "worker" "Datagrams that the kernel dropped for want of room in the worker's socket."
    QueueBytes Gauge "metrics_server_udp_receive_queue_bytes" "worker" "Bytes charged for datagrams that wait in the worker's socket."
    BufferBytes Gauge "metrics_server_udp_receive_buffer_bytes" "worker" "Receive buffer that the kernel granted the worker's socket, as it charges it."
    AcceptErrors Counter "metrics_server_unix_accept_errors_total" "" "Times that accepting a unix connection failed for want of descriptors or memory."
    Connections Gauge "metrics_server_unix_connections" "worker" "Open unix connections."
    ConnectionsAccepted Counter "metrics_server_unix_connections_accepted_total" "" "Unix connections accepted."
    ConnectionsHandedOver Counter "metrics_server_unix_connections_handed_over_total" "" "Unix connections handed to a worker that had fewer."
    ConnectionsRefused Counter "metrics_server_unix_connections_refused_total" "" "Unix connections closed at once, past -uds-connections-max."
    PartialBytes Gauge "metrics_server_unix_partial_bytes" "" "Bytes kept of messages that have not arrived whole."
    UnreadMax Gauge "metrics_server_worker_unread_seconds_max" "worker" "Longest time that a worker left queued data unread since the page before the last one."
    Wakeups Counter "metrics_server_worker_wakeups_total" "worker" "Times that a worker woke up."
}

impl OwnFamily {
    /// The family's entry in the table.
    pub(crate) fn family(self) -> &'static FamilyDesc {
        &FAMILIES[self as usize]
    }
}

/// Families that are ours without our prefix.
const FOREIGN: [&str; 9] = [
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
    "process_virtual_memory_max_bytes",
    "promhttp_metric_handler_requests_in_flight",
    "promhttp_metric_handler_requests_total",
];

/// Whether a user's family may not have this name: all of `metrics_server_*` and whatever else we serve.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("metrics_server_") || FOREIGN.contains(&name)
}

/// The table of `docs/metrics.md`, in Markdown.
pub fn markdown_table() -> String {
    let mut table = String::from("| family | type | label | meaning |\n|---|---|---|---|\n");
    for FamilyDesc { name, kind, label, help } in FAMILIES {
        let label = if label.is_empty() { String::new() } else { format!("`{label}`") };
        // Into a string it does not fail.
        _ = writeln!(table, "| `{name}` | {} | {label} | {help} |", kind.as_str());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_unique_and_reserved() {
        let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
        assert!(names.iter().all(|name| is_reserved(name)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAMILIES.len());
        assert!(!is_reserved("go_goroutines"));
        assert!(!is_reserved("process_foo"));
    }

    #[test]
    fn a_recent_maximum_is_seen_twice_and_forgotten() {
        let max = RecentMax::default();
        max.raise(7);
        max.raise(5);
        assert_eq!([max.look(), max.look(), max.look()], [7, 7, 0]);
        max.raise(3);
        assert_eq!(max.look(), 3);
        max.raise(2);
        assert_eq!([max.look(), max.look(), max.look()], [3, 2, 0]);
        max.raise(u64::MAX);
        assert_eq!(max.look(), RecentMax::NUMBER);
    }

    #[test]
    fn the_books_of_one_block_close() {
        let stats = WorkerStats::default();
        stats.accept(Op::Inc, Coercions::default());
        stats.reject(OpType::Other, Rejection::Op);
        let rejected: u64 = stats.rejected.iter().map(Counter::get).sum();
        let accepted: u64 = stats.accepted.iter().map(Counter::get).sum();
        assert_eq!(stats.framed.get(), accepted + rejected);
        assert_eq!(stats.op_types.iter().map(Counter::get).sum::<u64>(), 2);
    }
}
