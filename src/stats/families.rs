//! What the server's own families are called and mean: one table, which the page, `docs/metrics.md` and the
//! tests share.

use std::fmt::Write as _;

use crate::metric::Kind;

/// A family of the server's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FamilyDesc {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its label, or two with a comma between them; empty for none. Values come from fixed sets and the
    /// numbers of workers.
    pub label: &'static str,
    /// Its help.
    pub help: &'static str,
}

/// Declares a table of families, and an enum by which code names them: the entry of a variant is the one at
/// its number.
macro_rules! families {
    (
        $(#[$enum_doc:meta])* $enum:ident
        $(#[$table_doc:meta])* $table:ident
        $($id:ident $kind:ident $name:literal $label:literal $help:literal)*
    ) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $enum { $($id,)* }

        $(#[$table_doc])*
        pub(crate) const $table: &[FamilyDesc] = &[
            $(FamilyDesc { name: $name, kind: Kind::$kind, label: $label, help: $help },)*
        ];

        impl $enum {
            /// The family's entry in the table.
            pub(crate) fn family(self) -> &'static FamilyDesc {
                &$table[self as usize]
            }
        }
    };
}

families! {
    /// A family of [`FAMILIES`].
    OwnFamily
    /// Every `metrics_server_*` family on the page. All stand there from the start.
    FAMILIES
    BuildInfo Gauge "metrics_server_build_info" "version" "Always 1; its label tells what is running."
    Datagrams Counter "metrics_server_datagrams_received_total" "" "UDP datagrams read from the kernel."
    Unread Counter "metrics_server_datagrams_unread_total" "" "UDP datagrams that stood unread in the sockets when the server gave itself up after a fault; 0 until then."
    Truncated Counter "metrics_server_datagrams_truncated_total" "" "Datagrams longer than the largest there can be over UDP, read but not parsed."
    Deleted Counter "metrics_server_deleted_metrics_total" "type" "Series deleted after -metric-ttl without a sample, by op that counted into them."
    Evicted Counter "metrics_server_evicted_series_total" "type" "Series with one sample only that -evict-singletons removed to make room for others, by type."
    ExposedLines Gauge "metrics_server_exposed_lines" "" "Lines that user series take on the page; new series are refused past -lines-max."
    ExposedLinesLimit Gauge "metrics_server_exposed_lines_limit" "" "The bound of -lines-max."
    Forwarded Counter "metrics_server_forwarded_metrics_total" "type" "Messages found while -remote is set, whatever became of them, by op; shutdown is not forwarded."
    Garbage Counter "metrics_server_garbage_bytes_total" "" "Bytes received outside messages that are neither blanks nor line ends."
    HttpAcceptErrors Counter "metrics_server_http_accept_errors_total" "" "Times that accepting an HTTP connection failed for want of descriptors or memory."
    HttpConnections Gauge "metrics_server_http_connections" "" "Open HTTP connections."
    HttpConnectionsAccepted Counter "metrics_server_http_connections_accepted_total" "" "HTTP connections accepted."
    HttpEvicted Counter "metrics_server_http_connections_evicted_total" "state" "HTTP connections closed to make room for others, past -http-connections-max or for want of descriptors, by what they waited for: a head, the next request (idle), or the client to read its response."
    HttpIdleTimeouts Counter "metrics_server_http_idle_timeouts_total" "" "HTTP connections closed since 2 min had passed without a further request."
    HttpLoginsForgotten Counter "metrics_server_http_logins_forgotten_total" "table" "Entries that the login forgot to make room for others: clients with failed logins (failures), and logins that were found right or wrong."
    HttpLoginsRefused Counter "metrics_server_http_logins_refused_total" "reason" "HTTP requests without a login that -web-config-file knows, by reason."
    HttpPanics Counter "metrics_server_http_panics_total" "" "Faults of the server while answering a request."
    HttpRefused Counter "metrics_server_http_refused_total" "reason" "HTTP connections and requests that were refused, by reason."
    HttpSlow Counter "metrics_server_http_slow_readers_total" "" "Responses given up since they took longer than -scrape-timeout to be made and read."
    HttpWebConfigSuccess Gauge "metrics_server_http_web_config_last_reload_success_timestamp_seconds" "" "When the file of -web-config-file in use was read; absent without it."
    HttpWebConfigFailures Counter "metrics_server_http_web_config_reload_failures_total" "" "Times that a changed file of -web-config-file could not be used."
    HttpWebConfigTimeouts Counter "metrics_server_http_web_config_reload_timeouts_total" "" "HTTP requests that had waited 2 s for a changed file of -web-config-file to be read, and used the version before."
    IndexBulkInsert Counter "metrics_server_index_bulk_insert_total" "status,type" "Bulk requests to OpenSearch; success if all documents of one were stored."
    IndexConnections Gauge "metrics_server_index_connections" "" "OpenSearch indices that were created or found since the start."
    LogSuppressed Counter "metrics_server_log_suppressed_total" "" "Log lines that were dropped, since stderr did not take them fast enough."
    Memory Gauge "metrics_server_memory_accounted_bytes" "" "Bytes of all that lives because of input: families, series, cells, tables, remembered and unfinished messages, rows that wait for sinks, and fragmented pages."
    MemoryFragmented Gauge "metrics_server_memory_fragmented_bytes" "" "Freed bytes that cannot be given back, since something in their pages of memory is still in use; where these and the rest of the account are 4 MiB short of what is resident."
    MemoryLimit Gauge "metrics_server_memory_limit_bytes" "" "The bound of -memory-max, past which new series are refused."
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
    TemplateBytes Gauge "metrics_server_shape_bytes" "" "Bytes of templates, by which messages are known but for their value; past -shapes-max-bytes the least used are removed."
    Templates Gauge "metrics_server_shapes" "" "Templates, by which messages are known but for their value."
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
    SinkUp Gauge "metrics_server_sink_up" "sink" "1 if the far end took or refused rows of the last request, or takes those of other indices or streams; 0 if not."
    StaledLength Gauge "metrics_server_staled_storage_length" "" "Series watched by -metric-clean-up."
    KernelDrops Counter "metrics_server_udp_kernel_drops_total" "worker" "Datagrams that the kernel dropped for want of room in the worker's socket."
    QueueBytes Gauge "metrics_server_udp_receive_queue_bytes" "worker" "Bytes charged for datagrams that wait in the worker's socket."
    BufferBytes Gauge "metrics_server_udp_receive_buffer_bytes" "worker" "Receive buffer that the kernel granted the worker's socket, as it charges it."
    AcceptErrors Counter "metrics_server_unix_accept_errors_total" "" "Times that accepting a unix connection failed for want of descriptors or memory."
    AcceptPauses Counter "metrics_server_unix_accept_pauses_total" "" "Times that unix clients were left to wait to be accepted, since a worker had as many connections past -uds-connections-max as it may."
    Connections Gauge "metrics_server_unix_connections" "worker" "Open unix connections."
    ConnectionsAccepted Counter "metrics_server_unix_connections_accepted_total" "" "Unix connections accepted."
    ConnectionsClosed Counter "metrics_server_unix_connections_closed_total" "reason" "Unix connections that the server closed of its own accord, by reason."
    ConnectionsHandedOver Counter "metrics_server_unix_connections_handed_over_total" "" "Unix connections handed to a worker that had fewer, or an idle one to evict."
    ConnectionsRefused Counter "metrics_server_unix_connections_refused_total" "" "Unix connections whose messages were rejected as connections_limit, since -uds-connections-max others were open, and none of them idle."
    PartialBytes Gauge "metrics_server_unix_partial_bytes" "" "Bytes of memory that messages take which have not arrived whole."
    UnixDatagrams Counter "metrics_server_unix_datagrams_received_total" "" "Datagrams read from unix datagram sockets, where the kernel drops none."
    LoopLag Histogram "metrics_server_worker_loop_lag_seconds" "worker" "Longest time that a worker left its UDP socket unread, once for each turn of its loop that read datagrams."
    Wakeups Counter "metrics_server_worker_wakeups_total" "worker" "Times that a worker woke up."
}

families! {
    /// A family of [`STANDARD_FAMILIES`].
    StandardFamily
    /// Families that Prometheus' client libraries expose about any process, under their names.
    STANDARD_FAMILIES
    ProcessCpu Counter "process_cpu_seconds_total" "" "Total user and system CPU time spent in seconds."
    ProcessMaxFds Gauge "process_max_fds" "" "Maximum number of open file descriptors."
    ProcessOpenFds Gauge "process_open_fds" "" "Number of open file descriptors."
    ProcessResidentMemory Gauge "process_resident_memory_bytes" "" "Resident memory size in bytes."
    ProcessStartTime Gauge "process_start_time_seconds" "" "Start time of the process since unix epoch in seconds."
    ProcessVirtualMemory Gauge "process_virtual_memory_bytes" "" "Virtual memory size in bytes."
    ProcessVirtualMemoryMax Gauge "process_virtual_memory_max_bytes" "" "Maximum amount of virtual memory available in bytes."
    ScrapesInFlight Gauge "promhttp_metric_handler_requests_in_flight" "" "Current number of scrapes being served."
    Scrapes Counter "promhttp_metric_handler_requests_total" "code" "Total number of scrapes by HTTP status code."
}

/// Whether a user's family may not have this name: all of `metrics_server_*`, and what else the server serves.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("metrics_server_")
        || STANDARD_FAMILIES.iter().any(|family| family.name == name)
}

/// The table of `docs/metrics.md`, in Markdown.
pub fn markdown_table() -> String {
    let mut table = String::from("| family | type | label | meaning |\n|---|---|---|---|\n");
    for FamilyDesc { name, kind, label, help } in FAMILIES {
        let label = if label.is_empty() { String::new() } else { format!("`{label}`") };
        writeln!(table, "| `{name}` | {} | {label} | {help} |", kind.as_str())
            .expect("writing into a string does not fail");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_unique_and_reserved() {
        let tables = FAMILIES.iter().chain(STANDARD_FAMILIES);
        let mut names: Vec<_> = tables.map(|family| family.name).collect();
        assert!(names.iter().all(|name| is_reserved(name)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FAMILIES.len() + STANDARD_FAMILIES.len());
        assert!(!is_reserved("go_goroutines"));
        assert!(!is_reserved("process_foo"));
    }
}
