//! The configuration: command line and environment in, one validated [`Config`] out.
//!
//! Runs on `main` before any thread is started. It opens no socket, and the file of extra labels is all it
//! reads. One table of flags (`config/table.rs`) drives parsing, `-h`, error texts and `docs/flags.md`.
//! `args` reads words by Go's rules into plain values; `validate` is the only way from there to a `Config`.
//! Each component takes its own group of it. It must not know how a component uses what it is given.

mod address;
mod args;
mod cql;
mod duration;
mod error;
mod go;
mod labels;
mod listen;
mod source;
mod table;
mod usage;
mod validate;

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

pub(crate) use address::GoAddr;
pub(crate) use cql::CqlTable;
pub(crate) use error::UsageError;
pub(crate) use source::source_app;
pub use usage::markdown_table;
pub(crate) use usage::usage;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Run with this configuration, or only check it ([`Config::check_only`]).
    Run(Box<Config>),
    /// Print the usage on stderr and exit with 0.
    Help,
    /// Print the version and exit with 0.
    Version,
}

/// Reads a command line, without the program's name, by the rules of Go's `flag` package. `env` looks up an
/// environment variable.
///
/// An error is to be printed on stderr, then the usage where [`UsageError::wants_usage`] says so; the exit
/// status is [`UsageError::exit_code`].
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Invocation, UsageError> {
    match args::read(args)? {
        args::Words::Help => Ok(Invocation::Help),
        args::Words::Flags(values) if values.version => Ok(Invocation::Version),
        args::Words::Flags(values) => {
            Ok(Invocation::Run(Box::new(validate::config(&values, env)?)))
        }
    }
}

/// Everything that a command line settles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// Log each message.
    pub debug: bool,
    /// `-check-config`: the configuration is good; open nothing and exit with 0.
    pub check_only: bool,
    /// What the workers receive, and how.
    pub ingest: IngestConfig,
    /// Bounds on what a message may bring.
    pub limits: Limits,
    /// The HTTP server.
    pub http: HttpConfig,
    /// How long a series stands after its last sample; `None`: for ever.
    pub expiry: Option<Duration>,
    /// How long to keep running once asked to stop.
    pub shutdown_delay: Duration,
    /// Whose `op: shutdown` is obeyed.
    pub shutdown_from: ShutdownFrom,
    /// The shortest time between two log lines of one kind.
    pub log_interval: Duration,
    /// Labels added to every metric: name and value, sorted bytewise by name, each name once.
    pub labels: Vec<(String, String)>,
    /// Whether `data_source` and `source_app` are added to every metric.
    pub source_labels: bool,
    /// Where else messages go.
    pub sinks: SinkFlags,
}

/// What the workers receive, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IngestConfig {
    /// How many workers; at least 1.
    pub workers: usize,
    /// Whether each is bound to a core.
    pub pin: Pin,
    /// The UDP address; `None`: UDP is off.
    pub udp: Option<ListenUdp>,
    /// The unix sockets: `-uds` first, then `-uds-pool` in its order.
    pub unix: Vec<ListenUnix>,
    /// Receive buffer to ask for, for each UDP socket.
    pub rcvbuf_bytes: usize,
    /// The longest wait for a batch of datagrams to fill; zero: none.
    pub batch_wait: Duration,
    /// File mode of the unix sockets; permission bits only.
    pub uds_mode: u32,
    /// Most unix connections open at once, all workers together.
    pub connections_max: usize,
    /// Most bytes kept of unfinished messages, all unix connections together; at least one message.
    pub partials_max_bytes: usize,
    /// The longest message; at least 65536, so that a whole datagram fits.
    pub message_max_bytes: usize,
}

/// A UDP address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUdp {
    /// The flag's text, verbatim: the label `data_source`.
    pub text: String,
    /// The same, read.
    pub addr: GoAddr,
}

/// A unix socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenUnix {
    /// The path, verbatim: the label `data_source`. `@x` is an abstract socket.
    pub path: String,
    /// The flag that asked for it: `uds` or `uds-pool`.
    pub flag: &'static str,
    /// Whether nobody asked for it: failing to open the default of `-uds` is only warned about.
    pub is_default: bool,
}

/// Whether workers are bound to cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// Where the process may use more cores than it has workers.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Bounds on what messages may bring; past one, a message or a new series is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest message; the same as [`IngestConfig::message_max_bytes`].
    pub message_max_bytes: usize,
    /// Most labels of a message.
    pub labels_max: usize,
    /// Most buckets of a histogram.
    pub buckets_max: usize,
    /// Most exposed lines; a histogram has its buckets and 3 more.
    pub lines_max: usize,
    /// Most exposed lines of one name.
    pub name_lines_max: usize,
    /// Most bytes of label texts, cells and shapes.
    pub memory_max_bytes: usize,
    /// `-shapes-max-bytes`: known message shapes of all workers.
    pub shapes_max_bytes: usize,
    /// Whether series of one name may have different sets of label names.
    pub mixed_label_sets: bool,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpConfig {
    /// The flag's text, verbatim.
    pub text: String,
    /// The same, read.
    pub addr: GoAddr,
    /// How long a response may take to be written, in all.
    pub scrape_timeout: Duration,
}

/// Whose `op: shutdown` is obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownFrom {
    /// Clients of unix sockets.
    Unix,
    /// Whoever sends one, over UDP too.
    Any,
    /// Nobody.
    None,
}

/// The flags and variables of the places that messages are passed on to, as given; empty where absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinkFlags {
    /// `-remote`: the server to pass every metric on to; an empty host is the local one.
    pub remote: Option<GoAddr>,
    /// `-remote-datagram-bytes`; 0: one message each.
    pub remote_datagram_bytes: usize,
    /// `-remote-sockets`
    pub remote_sockets: usize,
    /// `-loki-address`
    pub loki_address: String,
    /// `-loki-ca-path`
    pub loki_ca_path: String,
    /// `-loki-cert-path`
    pub loki_cert_path: String,
    /// `-loki-key-path`
    pub loki_key_path: String,
    /// `-loki-labels`, one item each.
    pub loki_labels: Vec<String>,
    /// `-loki-tenant`
    pub loki_tenant: String,
    /// `-opensearch-bulk-period`; above zero.
    pub opensearch_bulk_period: Duration,
    /// `-opensearch-bulk-size-bytes`; zero where negative.
    pub opensearch_bulk_size_bytes: usize,
    /// `-opensearch-ca-path`
    pub opensearch_ca_path: String,
    /// `-opensearch-insecure`
    pub opensearch_insecure: bool,
    /// `-opensearch-shards`
    pub opensearch_shards: usize,
    /// `-opensearch-replicas`
    pub opensearch_replicas: usize,
    /// `-opensearch-indices-max`
    pub opensearch_indices_max: usize,
    /// `METRICS_SERVER_SEARCH_URL`, which may hold `user:password@`.
    pub search_url: Secret,
    /// `METRICS_SERVER_SEARCH_USER`
    pub search_user: String,
    /// `METRICS_SERVER_SEARCH_PASSWORD`
    pub search_password: Secret,
    /// `-scylladb-hosts`, one item each.
    pub scylladb_hosts: Vec<GoAddr>,
    /// `-scylladb-table`
    pub scylladb_table: CqlTable,
    /// `-scylladb-user`
    pub scylladb_user: String,
    /// `METRICS_SERVER_SCYLLADB_PASSWORD`
    pub scylladb_password: Secret,
    /// `-scylladb-tls`
    pub scylladb_tls: bool,
    /// `-scylladb-ca-path`
    pub scylladb_ca_path: String,
    /// `-scylladb-create-schema`
    pub scylladb_create_schema: bool,
    /// `-pyroscope-url`
    pub pyroscope_url: String,
    /// `-sink-queue-bytes`, each sink's.
    pub queue_bytes: usize,
    /// `-spill-dir`; empty: no rows on disk.
    pub spill_dir: String,
    /// `-spill-max-bytes`, each sink's.
    pub spill_max_bytes: u64,
    /// `-sink-retry-max`; `None`: rows are kept however old.
    pub retry_max: Option<Duration>,
    /// `-sink-flush-timeout`
    pub flush_timeout: Duration,
    /// `HOSTNAME`
    pub hostname: String,
}

/// Text that is not to be logged: `{:?}` shows only whether there is any.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(redacted)" })
    }
}

#[cfg(test)]
mod tests;
