//! The one table of flags: names, kinds, defaults, ranges and help texts.
//!
//! Parsing, `-h`, error texts and the tables of `docs/flags.md` are all made from it. It is plain data:
//! it must not know how an argument is read nor what a flag means to the server.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// A signed length of time in nanoseconds: Go's durations may be negative.
pub(super) type Nanos = i64;

const MICROSECOND: Nanos = 1_000;
const MILLISECOND: Nanos = 1_000 * MICROSECOND;
const SECOND: Nanos = 1_000 * MILLISECOND;
const HOUR: Nanos = 3_600 * SECOND;

const ANY: RangeInclusive<i64> = i64::MIN..=i64::MAX;
const POSITIVE: RangeInclusive<i64> = 1..=i64::MAX;

const ADDRESS: &str = "an address with a port, such as :9099, 127.0.0.1:9099 or [::1]:9099";
const ADDRESS_OR_NONE: &str = "an address with a port, such as :9999, 127.0.0.1:9999 or [::1]:9999, or nothing to switch it off";
const FILE: &str = "the path of a file";
const URL: &str = "a URL";

/// What a flag takes, with its default.
#[derive(Debug)]
pub(super) enum Kind {
    /// Takes `=V` or stands alone for true.
    Bool(bool),
    /// A whole number; the range holds the values that make sense.
    Int(i64, RangeInclusive<i64>),
    /// Text, and words that say what text is taken.
    Text(&'static str, &'static str),
    /// A duration; the range holds the values that make sense.
    Duration(Nanos, RangeInclusive<Nanos>),
}

/// Where the value of a flag is kept.
#[derive(Debug)]
pub(super) enum Slot<'a> {
    /// Of a [`Kind::Bool`].
    Bool(&'a mut bool),
    /// Of a [`Kind::Int`].
    Int(&'a mut i64),
    /// Of a [`Kind::Text`].
    Text(&'a mut String),
    /// Of a [`Kind::Duration`].
    Duration(&'a mut Nanos),
}

/// One flag.
#[derive(Debug)]
pub(super) struct Flag {
    /// Its name, without a dash.
    pub(super) name: &'static str,
    /// The part of the options table that it stands in.
    pub(super) group: Group,
    /// What it takes.
    pub(super) kind: Kind,
    /// One line for people.
    pub(super) help: &'static str,
    /// Finds its value.
    pub(super) slot: fn(&mut Values) -> Slot<'_>,
}

/// The flag of this name.
pub(super) fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| flag.name == name)
}

macro_rules! value_type {
    (Bool) => {
        bool
    };
    (Int) => {
        i64
    };
    (Text) => {
        String
    };
    (Duration) => {
        Nanos
    };
}

macro_rules! default_value {
    (Text($default:expr, $takes:expr)) => {
        String::from($default)
    };
    ($kind:ident($default:expr $(, $range:expr)?)) => {
        $default
    };
}

macro_rules! flags {
    ($($group:ident $title:literal {
        $($field:ident: $kind:ident($($spec:expr),*), $name:literal, $help:literal;)*
    })*) => {
        /// A part of the options table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Group { $(#[doc = $title] $group,)* }

        impl Group {
            /// Every group, in the order of the options table.
            pub(super) const ALL: &'static [Self] = &[$(Self::$group,)*];

            /// Its heading.
            pub(super) const fn title(self) -> &'static str {
                match self { $(Self::$group => $title,)* }
            }
        }

        /// What was given on the command line, flag by flag; not judged beyond kind and range.
        #[derive(Debug)]
        pub(super) struct Values {
            /// The names of the flags that the command line gave.
            pub(super) given: BTreeSet<&'static str>,
            $($(pub(super) $field: value_type!($kind),)*)*
        }

        impl Default for Values {
            fn default() -> Self {
                Self {
                    given: BTreeSet::new(),
                    $($($field: default_value!($kind($($spec),*)),)*)*
                }
            }
        }

        /// Every flag, by group.
        pub(super) const FLAGS: &[Flag] = &[$($(Flag {
            name: $name,
            group: Group::$group,
            kind: Kind::$kind($($spec),*),
            help: $help,
            slot: |values| Slot::$kind(&mut values.$field),
        },)*)*];
    };
}

flags! {
    Receiving "Receiving" {
        udp: Text(":9999", ADDRESS_OR_NONE), "udp", "collector udp socket";
        uds: Text("./metric-server.sock",
            "the path of a unix socket (@name: abstract), or nothing to switch it off"), "uds",
            "path to collector unix domain socket file";
        uds_pool: Text("", "paths of unix sockets, separated by commas"), "uds-pool",
            "comma separated list of unix domain sockets";
        uds_mode: Text("0777", "an octal file mode, such as 0777 or 0660"), "uds-mode",
            "octal file mode of the unix domain sockets";
        uds_connections_max: Int(4096, 1..=1_000_000), "uds-connections-max",
            "most unix connections that are open at once";
        uds_partials_max_bytes: Int(67_108_864, 65_536..=i64::MAX), "uds-partials-max-bytes",
            "most bytes kept of unfinished messages, all unix connections together";
        udp_rcvbuf: Int(8_388_608, 4_096..=1_073_741_823), "udp-rcvbuf",
            "receive buffer of each udp socket in bytes";
        udp_batch_wait: Duration(200 * MICROSECOND, 0..=100 * MILLISECOND), "udp-batch-wait",
            "longest wait for a batch of datagrams to fill while they keep coming (0: no wait)";
        workers: Int(0, 0..=256), "workers",
            "threads that receive and count (0: min(4, available cores))";
        pin: Text("auto", "auto, on or off"), "pin",
            "bind each worker to a core: auto (if there are more cores than workers), on or off";
        shutdown_from: Text("uds", "uds, any or none"), "shutdown-from",
            "from where op shutdown is obeyed: uds (unix sockets), any (udp too) or none";
    }
    Labels "Labels" {
        extra_labels: Text("", "labels as name:value, separated by commas"), "extra-labels",
            "coma separated metrics extra labels (extra-labels=label1:value2,label2:value2)";
        extra_labels_file_path: Text("", FILE), "extra-labels-file-path",
            "read file with key=value labels (same as the java properties format)";
        source_labels: Bool(true), "source-labels",
            "add the labels data_source and source_app to every metric";
        mixed_label_sets: Bool(false), "mixed-label-sets",
            "allow metrics of one name to have different sets of label names";
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
            "enable clean up metric via metric-ttl time after creation";
        metric_ttl: Duration(24 * HOUR, ANY), "metric-ttl",
            "enable metric clean up via specified amount of time from http endpoint";
    }
    Bounds "Bounds" {
        message_max_bytes: Int(131_072, 65_536..=1_073_741_824), "message-max-bytes",
            "longest message in bytes; a longer one is refused";
        labels_max: Int(64, 1..=1_000), "labels-max",
            "most labels of a message; one with more is refused";
        buckets_max: Int(1_024, 1..=100_000), "buckets-max",
            "most buckets of a histogram; one with more is refused";
        lines_max: Int(2_000_000, 1..=4_000_000_000), "lines-max",
            "most lines on /metrics (a histogram has its buckets and 3 more); past it new series are refused";
        name_lines_max: Int(500_000, 1..=4_000_000_000), "name-lines-max",
            "most lines of one metric name on /metrics; past it new series of that name are refused";
        memory_max: Int(2_147_483_648, 1_048_576..=i64::MAX), "memory-max",
            "most bytes for label texts, series and remembered messages; past it new series are refused";
        shapes_max_bytes: Int(268_435_456, 0..=i64::MAX), "shapes-max-bytes",
            "most bytes for messages that are known but for their value, of all workers; the least used go first";
    }
    Sinks "Sinks" {
        remote: Text("", "an address with a port, such as 127.0.0.1:9999"), "remote",
            "send metrics to global metrics-server via UDP (remote=127.0.0.1:9999)";
        remote_datagram_bytes: Int(1_432, 0..=65_507), "remote-datagram-bytes",
            "messages are joined to datagrams of up to so many bytes for -remote (0: each has its own)";
        remote_sockets: Int(4, 1..=64), "remote-sockets",
            "source ports that -remote sends from, so that the receiver's workers share the load";
        loki_address: Text("", URL), "loki-address", "loki https endpoint";
        loki_ca_path: Text("", FILE), "loki-ca-path", "path to loki ca certificate";
        loki_cert_path: Text("", FILE), "loki-cert-path", "path to loki certificate";
        loki_key_path: Text("", FILE), "loki-key-path", "path to loki key";
        loki_labels: Text("", "label names, separated by commas"), "loki-labels",
            "labels that make a stream in loki, the others become structured metadata (empty: all, up to 15)";
        loki_tenant: Text("", "a tenant's name"), "loki-tenant", "tenant for loki (header X-Scope-OrgID)";
        opensearch_bulk_period: Duration(5 * SECOND, POSITIVE), "opensearch-bulk-period",
            "bulk push period";
        opensearch_bulk_size_bytes: Int(20_000, ANY), "opensearch-bulk-size-bytes",
            "bulk buffer size in bytes";
        opensearch_ca_path: Text("", FILE), "opensearch-ca-path",
            "path to opensearch ca certificate (empty: the authorities that the system trusts)";
        opensearch_insecure: Bool(false), "opensearch-insecure",
            "do not verify opensearch's certificate";
        opensearch_shards: Int(9, 1..=1_024), "opensearch-shards", "shards of each new index";
        opensearch_replicas: Int(2, 0..=100), "opensearch-replicas", "replicas of each new index";
        opensearch_indices_max: Int(64, 1..=10_000), "opensearch-indices-max",
            "most indices that documents of one day may go to; past it those for others are rejected";
        scylladb_hosts: Text("", "host names or addresses, separated by commas"), "scylladb-hosts",
            "comma separated scylladb hosts";
        scylladb_table: Text("tracking.metrics", "a table as keyspace.table"), "scylladb-table",
            "scylladb table to write raw data";
        scylladb_user: Text("", "a user's name"), "scylladb-user",
            "scylladb user (its password: METRICS_SERVER_SCYLLADB_PASSWORD)";
        scylladb_tls: Bool(false), "scylladb-tls", "connect to scylladb with tls";
        scylladb_ca_path: Text("", FILE), "scylladb-ca-path",
            "path to scylladb ca certificate (empty: the authorities that the system trusts)";
        scylladb_create_schema: Bool(true), "scylladb-create-schema",
            "create keyspace and table where they are absent";
        pyroscope_url: Text("", URL), "pyroscope-url",
            "pyroscope profiler address, e.g http://localhost:4040";
        sink_queue_bytes: Int(67_108_864, 1_048_576..=i64::MAX), "sink-queue-bytes",
            "most bytes of rows that wait in memory for each sink; past it they go to -spill-dir or are dropped";
        spill_dir: Text("", "a directory"), "spill-dir",
            "keep rows that memory has no room for in this directory (empty: drop them)";
        spill_max_bytes: Int(1_073_741_824, 16_777_216..=i64::MAX), "spill-max-bytes",
            "most bytes on disk for each sink; past it rows are dropped";
        sink_retry_max: Duration(6 * HOUR, 0..=i64::MAX), "sink-retry-max",
            "rows that a sink has not taken for so long are dropped (0: never)";
        sink_flush_timeout: Duration(5 * SECOND, 0..=i64::MAX), "sink-flush-timeout",
            "time for sinks to take what is left when the server stops";
    }
    Program "Program" {
        shutdown_delay: Duration(0, ANY), "shutdown-delay",
            "delay for graceful shutdown in case of kill signal or shutdown metric was received";
        log_interval: Duration(10 * SECOND, 100 * MILLISECOND..=i64::MAX), "log-interval",
            "each kind of complaint about messages is logged at most once in this time";
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
                (Kind::Bool(default), Slot::Bool(value)) => assert_eq!(default, value),
                (Kind::Int(default, range), Slot::Int(value))
                | (Kind::Duration(default, range), Slot::Duration(value)) => {
                    assert_eq!(default, value);
                    assert!(range.contains(value), "{}", flag.name);
                }
                (Kind::Text(default, _), Slot::Text(value)) => assert_eq!(default, value),
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
