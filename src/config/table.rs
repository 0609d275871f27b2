//! The one table of flags: names, kinds, defaults, ranges, help texts and what each needs.
//!
//! Parsing, `-h`, error texts, warnings and the tables of `docs/flags.md` are all made from it. It is plain
//! data: it must not know how an argument is read nor what a flag means to the server.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::flag::{FlagKind, Nanos, Need, ValueSlot, flags};
use super::needs::{
    LOKI, LOKI_TLS, NO_ROUTER, QUEUES, REMOTE, SCYLLA, SCYLLA_TLS, SEARCH, SEARCH_CA, SEARCH_TLS,
    SHUTDOWN_UID, SPILL, SPILL_SIZE, TTL, UDP, UNIX, UNIX_FILES,
};

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name, without a dash.
    pub(super) name: &'static str,
    /// The part of the options table that it stands in.
    pub(super) group: Group,
    /// What it takes.
    pub(super) kind: FlagKind,
    /// One line for people.
    pub(super) help: &'static str,
    /// What must hold so that it has an effect: all of these.
    pub(super) needs: &'static [Need],
    /// Finds its value.
    pub(super) slot: fn(&mut Values) -> ValueSlot<'_>,
}

const MICROSECOND: Nanos = 1_000;
const MILLISECOND: Nanos = 1_000 * MICROSECOND;
const SECOND: Nanos = 1_000 * MILLISECOND;
const MINUTE: Nanos = 60 * SECOND;
const HOUR: Nanos = 60 * MINUTE;

const ANY: RangeInclusive<i64> = i64::MIN..=i64::MAX;
const POSITIVE: RangeInclusive<i64> = 1..=i64::MAX;

const ADDRESS: &str = "an address with a port, such as :9099, 127.0.0.1:9099 or [::1]:9099";
const ADDRESS_OR_NONE: &str = "an address with a port, such as :9999, 127.0.0.1:9999 or [::1]:9999, or nothing to switch it off";
/// What a flag takes that names a file to read; `-check-config` reads it.
pub(super) const FILE: &str = "the path of a file";
/// What a flag takes that names a directory to write to; `-check-config` tries that.
pub(super) const DIRECTORY: &str = "a directory";
const URL: &str = "a URL";

/// The flag of this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

flags! {
    Receiving "Receiving" {
        udp: Text(":9999", ADDRESS_OR_NONE), "udp", "collector udp socket";
        uds: Text("./metric-server.sock",
            "the path of a unix socket (@name: abstract), or nothing to switch it off"), "uds",
            "path to collector unix domain socket file";
        uds_pool: Text("", "paths of unix sockets, separated by commas"), "uds-pool",
            "comma separated list of unix domain sockets";
        unixgram: Text("", "paths of unix datagram sockets (@name: abstract), separated by commas"), "unixgram",
            "unix datagram sockets to listen on";
        uds_mode: Text("0777", "an octal file mode, such as 0777 or 0660"), "uds-mode",
            "octal file mode of the unix domain sockets", needs UNIX_FILES;
        uds_connections_max: Int(4096, 1..=1_000_000), "uds-connections-max",
            "most unix connections that are open at once; past it the one that is idle longest is closed", needs UNIX;
        uds_idle_timeout: Duration(5 * MINUTE, 0..=168 * HOUR), "uds-idle-timeout",
            "a unix connection without a byte for so long is closed (0: never)", needs UNIX;
        uds_partials_max_bytes: Int(67_108_864, 65_536..=i64::MAX), "uds-partials-max-bytes",
            "most bytes kept of unfinished messages, all unix connections together; at most an eighth of -memory-max", needs UNIX;
        udp_rcvbuf: Int(8_388_608, 4_096..=1_073_741_823), "udp-rcvbuf",
            "receive buffer of each udp socket in bytes", needs UDP;
        udp_batch_wait: Duration(200 * MICROSECOND, 0..=100 * MILLISECOND), "udp-batch-wait",
            "longest wait for a batch of datagrams to fill while they keep coming (0: no wait)", needs UDP;
        statsd_tags: Text("dogstatsd,influxdb,librato,signalfx",
            "dogstatsd, influxdb, librato and signalfx, separated by commas, or nothing"), "statsd-tags",
            "how tags may stand in statsd lines";
        workers: Int(0, 0..=256), "workers",
            "threads that receive and count (0: min(4, available cores))";
        pin: Text("auto", "auto, on or off"), "pin",
            "bind each worker to a core: auto (if there are more cores than workers), on or off";
        shutdown_from: Text("uds", "uds, any or none"), "shutdown-from",
            "from where op shutdown is obeyed: uds (unix sockets), any (udp too) or none";
        shutdown_uid: Text("", "numbers of users, separated by commas, such as 0,33"), "shutdown-uid",
            "obey op shutdown only from clients of unix sockets that run as one of these user ids (not given: from all)", needs SHUTDOWN_UID;
    }
    Labels "Labels" {
        extra_labels: Text("", "labels as name:value, separated by commas"), "extra-labels",
            "coma separated metrics extra labels (extra-labels=label1:value2,label2:value2)";
        extra_labels_file_path: Text("", FILE), "extra-labels-file-path",
            "read file with key=value labels (same as the java properties format)";
        source_labels: Bool(true), "source-labels",
            "add the labels data_source and source_app to every metric";
        mixed_label_sets: Bool(true), "mixed-label-sets",
            "allow metrics of one name to have different sets of label names (false: refuse others than the first)", needs NO_ROUTER;
    }
    Serving "Serving" {
        socket: Text(":9099", ADDRESS), "socket", "prometheus exporter tcp socket";
        scrape_timeout: Duration(30 * SECOND, POSITIVE), "scrape-timeout",
            "total time that writing one http response may take";
        http_connections_max: Int(512, 1..=100_000), "http-connections-max",
            "most http connections at once; past it the one that is needed least is closed";
        web_config_file: Text("", FILE), "web-config-file",
            "read tls, users and headers of the http port from this file (the format of prometheus' exporter-toolkit)";
        metric_clean_up: Bool(false), "metric-clean-up",
            "remove a series from /metrics once -metric-ttl has passed since its last sample", needs NO_ROUTER;
        metric_ttl: Duration(24 * HOUR, ANY), "metric-ttl",
            "how long a series stays on /metrics after its last sample, with -metric-clean-up", needs TTL;
    }
    Limits "Limits" {
        message_max_bytes: Int(131_072, 65_536..=1_073_741_824), "message-max-bytes",
            "longest message in bytes; a longer one is refused";
        labels_max: Int(64, 1..=1_000), "labels-max",
            "most labels of a message; one with more is refused";
        buckets_max: Int(1_024, 1..=100_000), "buckets-max",
            "most buckets of a histogram; one with more is refused", needs NO_ROUTER;
        lines_max: Int(2_000_000, 1..=4_000_000_000), "lines-max",
            "most lines on /metrics (a histogram has its buckets and 3 more); past it new series are refused", needs NO_ROUTER;
        name_lines_max: Int(500_000, 1..=4_000_000_000), "name-lines-max",
            "most lines of one metric name on /metrics; past it new series of that name are refused", needs NO_ROUTER;
        memory_max: Int(2_147_483_648, 1_048_576..=i64::MAX), "memory-max",
            "most bytes of all that lives because of input, such as series, remembered messages and rows for sinks; past it new series are refused", needs NO_ROUTER;
        evict_singletons: Bool(true), "evict-singletons",
            "with -metric-clean-up: once one of these three is reached, remove series that had one sample only for new ones that come again", needs TTL;
        shapes_max_bytes: Int(268_435_456, 0..=i64::MAX), "shapes-max-bytes",
            "most bytes for messages that are known but for their value, of all workers; the least used go first", needs NO_ROUTER;
    }
    Router "Router" {
        remote: Text("", "an address with a port, such as 127.0.0.1:9999"), "remote",
            "send metrics to global metrics-server via UDP (remote=127.0.0.1:9999)";
        remote_datagram_bytes: Int(1_432, 0..=65_507), "remote-datagram-bytes",
            "messages are joined to datagrams of up to so many bytes for -remote (0: each has its own)", needs REMOTE;
        remote_instance: Text("", "the text of a label, or nothing to leave it out"), "remote-instance",
            "label instance of what -remote sends (not given: the host's name; empty: no such label)", needs REMOTE;
        remote_sockets: Int(4, 1..=64), "remote-sockets",
            "source ports that -remote sends from, so that the receiver's workers share the load", needs REMOTE;
    }
    Loki "Loki" {
        loki_address: Text("", URL), "loki-address",
            "address to push to loki, http or https, e.g http://localhost:3100/loki/api/v1/push", needs NO_ROUTER;
        loki_ca_path: Text("", FILE), "loki-ca-path", "path to loki ca certificate", needs LOKI_TLS;
        loki_cert_path: Text("", FILE), "loki-cert-path", "path to loki certificate", needs LOKI_TLS;
        loki_key_path: Text("", FILE), "loki-key-path", "path to loki key", needs LOKI_TLS;
        loki_labels: Text("", "label names, separated by commas"), "loki-labels",
            "labels that make a stream in loki, the others become structured metadata (empty: all, up to 15)", needs LOKI;
        loki_tenant: Text("", "a tenant's name"), "loki-tenant", "tenant for loki (header X-Scope-OrgID)", needs LOKI;
    }
    OpenSearch "OpenSearch" {
        opensearch_bulk_period: Duration(5 * SECOND, POSITIVE), "opensearch-bulk-period",
            "bulk push period", needs SEARCH;
        opensearch_bulk_size_bytes: Int(20_000, ANY), "opensearch-bulk-size-bytes",
            "bulk buffer size in bytes", needs SEARCH;
        opensearch_ca_path: Text("", FILE), "opensearch-ca-path",
            "path to opensearch ca certificate (empty: the authorities that the system trusts)", needs SEARCH_CA;
        opensearch_insecure: Bool(false), "opensearch-insecure",
            "do not verify opensearch's certificate", needs SEARCH_TLS;
        opensearch_shards: Int(9, 1..=1_024), "opensearch-shards", "shards of each new index", needs SEARCH;
        opensearch_replicas: Int(2, 0..=100), "opensearch-replicas", "replicas of each new index", needs SEARCH;
        opensearch_label_depth_max: Int(20, 1..=10_000), "opensearch-label-depth-max",
            "most parts between dots in a label's name, of which opensearch makes objects in objects; past it documents are rejected",
            needs SEARCH;
        opensearch_indices_max: Int(64, 1..=10_000), "opensearch-indices-max",
            "most indices that documents of one day may go to; past it those for others are rejected", needs SEARCH;
    }
    ScyllaDb "ScyllaDB" {
        scylladb_hosts: Text("", "host names or addresses, separated by commas"), "scylladb-hosts",
            "comma separated scylladb hosts", needs NO_ROUTER;
        scylladb_table: Text("tracking.metrics", "a table as keyspace.table"), "scylladb-table",
            "scylladb table to write raw data", needs SCYLLA;
        scylladb_user: Text("", "a user's name"), "scylladb-user",
            "scylladb user (its password: METRICS_SERVER_SCYLLADB_PASSWORD)", needs SCYLLA;
        scylladb_tls: Bool(false), "scylladb-tls", "connect to scylladb with tls", needs SCYLLA;
        scylladb_ca_path: Text("", FILE), "scylladb-ca-path",
            "path to scylladb ca certificate (empty: the authorities that the system trusts)", needs SCYLLA_TLS;
        scylladb_create_schema: Bool(true), "scylladb-create-schema",
            "create keyspace and table where they are absent", needs SCYLLA;
    }
    Pyroscope "Pyroscope" {
        pyroscope_url: Text("", URL), "pyroscope-url",
            "pyroscope profiler address, e.g http://localhost:4040";
    }
    Queues "Queues of sinks" {
        sink_queue_bytes: Int(67_108_864, 1_048_576..=i64::MAX), "sink-queue-bytes",
            "most bytes of rows that wait in memory for each sink, at most an eighth of -memory-max; past it they go to -spill-dir or are dropped", needs QUEUES;
        spill_dir: Text("", DIRECTORY), "spill-dir",
            "keep rows that memory has no room for in this directory (empty: drop them)", needs SPILL;
        spill_max_bytes: Int(1_073_741_824, 16_777_216..=i64::MAX), "spill-max-bytes",
            "most bytes on disk for each sink; past it rows are dropped", needs SPILL_SIZE;
        sink_retry_max: Duration(6 * HOUR, 0..=i64::MAX), "sink-retry-max",
            "rows that a sink has not taken for so long are dropped (0: never)", needs QUEUES;
        sink_flush_timeout: Duration(5 * SECOND, 0..=i64::MAX), "sink-flush-timeout",
            "time for sinks to take what is left when the server stops", needs QUEUES;
    }
    Program "Program" {
        shutdown_delay: Duration(0, ANY), "shutdown-delay",
            "delay for graceful shutdown in case of kill signal or shutdown metric was received";
        log_format: Text("text", "text or json"), "log-format",
            "format of log lines: text (as the original's) or json (one object a line)";
        log_interval: Duration(10 * SECOND, 100 * MILLISECOND..=i64::MAX), "log-interval",
            "each kind of complaint about messages or connections is logged at most once in this time";
        debug: Bool(false), "debug", "enable debug log level";
        check_config: Bool(false), "check-config",
            "check flags and the files they name, open no socket, and exit";
        version: Bool(false), "version", "print the version and exit";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_flag_finds_its_own_slot_and_default() {
        let mut names = BTreeSet::new();
        let mut values = Values::default();
        for flag in FLAGS {
            assert!(names.insert(flag.name), "{} twice", flag.name);
            match (&flag.kind, (flag.slot)(&mut values)) {
                (FlagKind::Bool(default), ValueSlot::Bool(value)) => assert_eq!(default, value),
                (FlagKind::Int(default, range), ValueSlot::Int(value))
                | (FlagKind::Duration(default, range), ValueSlot::Duration(value)) => {
                    assert_eq!(default, value);
                    assert!(range.contains(value), "{}", flag.name);
                }
                (FlagKind::Text(default, _), ValueSlot::Text(value)) => assert_eq!(default, value),
                (kind, slot) => panic!("{}: {kind:?} is kept in {slot:?}", flag.name),
            }
        }
    }

    #[test]
    fn help_texts_are_one_line_without_marks_that_help_or_tables_would_read() {
        for flag in FLAGS {
            assert!(!flag.help.is_empty(), "{}", flag.name);
            assert!(!flag.help.contains(['\n', '\t', '`', '|']), "{}", flag.name);
        }
    }
}
