//! The configuration: command line and environment in, one validated [`Config`] out.
//!
//! Runs on `main` before any thread is started. It opens no socket, and the file of extra labels is all it
//! reads, but for `-check-config`, which reads each file that a flag names and tries the directories. One table of
//! flags (`config/table.rs`) drives parsing, `-h`, error texts and `docs/flags.md`.
//! `args` reads words by Go's rules into plain values. Each component has a file here that makes its own group
//! of those values: a new flag is a row of the table and a field there. Logins are in the groups of sinks and of the
//! profiler alone, and only those who open these are handed them. It must not know how a component uses its group.

mod address;
mod args;
mod convert;
mod cql;
mod duration;
mod environment;
mod error;
mod files;
mod flag;
mod go;
mod http;
mod ingest;
mod labels;
mod limits;
mod listen;
mod log;
mod loki;
mod needs;
mod opensearch;
mod pyroscope;
mod queue;
mod remote;
mod scylla;
mod secret;
mod shutdown;
mod source;
mod statsd;
mod table;
mod usage;
mod variables;
mod warnings;

use std::ffi::OsString;

pub(crate) use address::GoAddr;
pub(crate) use cql::CqlTable;
pub(crate) use error::{HINT, UsageError};
pub(crate) use http::HttpConfig;
pub(crate) use ingest::{IngestConfig, Pin};
pub(crate) use labels::LabelsConfig;
pub(crate) use limits::LimitsConfig;
pub(crate) use listen::{ListenUdp, ListenUnix};
pub(crate) use log::LogConfig;
pub(crate) use loki::LokiConfig;
pub(crate) use opensearch::OpenSearchConfig;
pub(crate) use pyroscope::PyroscopeConfig;
pub(crate) use queue::QueueConfig;
pub(crate) use remote::RemoteConfig;
pub(crate) use scylla::ScyllaConfig;
pub(crate) use secret::Secret;
pub(crate) use shutdown::ShutdownConfig;
pub use shutdown::ShutdownFrom;
pub(crate) use source::source_app;
pub(crate) use statsd::TagStyle;
pub use statsd::TagStyles;
pub use usage::markdown_table;
pub(crate) use usage::usage;

use environment::Environment;
use table::Values;

/// What a command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Run with this configuration, or only check it ([`Config::check_only`]).
    Run(Box<Config>),
    /// Print the usage on stdout and exit with 0.
    Help,
    /// Print the version and exit with 0.
    Version,
}

/// Reads a command line, without the program's name, by the rules of Go's `flag` package. `env` looks up an
/// environment variable.
///
/// An error is all that is to be printed, on stderr; the exit status is [`UsageError::exit_code`].
pub(crate) fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: &Environment<'_>,
) -> Result<Invocation, UsageError> {
    match args::read(args)? {
        args::Words::Help => Ok(Invocation::Help),
        args::Words::Flags(values) if values.version => Ok(Invocation::Version),
        args::Words::Flags(mut values) => {
            let warnings = warnings::of(&mut values, env);
            let config = Config::read(&values, env, warnings)?;
            if config.check_only {
                files::check(&mut values)?;
                files::check_sockets(&config.server.ingest.unix)?;
                files::check_sockets(&config.server.ingest.unixgram)?;
            }
            Ok(Invocation::Run(Box::new(config)))
        }
    }
}

/// Everything that a command line settles, by component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    /// `-check-config`: the configuration is good; open no socket and exit with 0.
    pub check_only: bool,
    /// Flags and variables without effect, one line each, for the log.
    pub warnings: Vec<String>,
    /// What the server does by itself.
    pub server: ServerConfig,
    /// What it hands on.
    pub sinks: SinksConfig,
    /// Where profiles of this server go.
    pub pyroscope: Option<PyroscopeConfig>,
}

/// What the server does by itself. There is no secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// What the workers receive, and how.
    pub ingest: IngestConfig,
    /// The labels that every metric gets.
    pub labels: LabelsConfig,
    /// Limits of what stands on the page.
    pub limits: LimitsConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// When the server stops, and at whose word.
    pub shutdown: ShutdownConfig,
    /// What is logged.
    pub log: LogConfig,
}

/// What the server hands on, and to whom. It holds the logins there, so only who opens sinks is given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SinksConfig {
    /// The server that a router passes every metric on to.
    pub remote: Option<RemoteConfig>,
    /// Where events go.
    pub loki: Option<LokiConfig>,
    /// Where documents go.
    pub opensearch: Option<OpenSearchConfig>,
    /// Where raw rows go.
    pub scylla: Option<ScyllaConfig>,
    /// What rows wait in, for each of them.
    pub queue: QueueConfig,
}

impl Config {
    fn read(
        values: &Values,
        env: &Environment<'_>,
        warnings: Vec<String>,
    ) -> Result<Self, UsageError> {
        Ok(Self {
            check_only: values.check_config,
            warnings,
            server: ServerConfig::read(values)?,
            sinks: SinksConfig::read(values, env)?,
            pyroscope: PyroscopeConfig::read(values, env),
        })
    }
}

impl ServerConfig {
    fn read(values: &Values) -> Result<Self, UsageError> {
        Ok(Self {
            ingest: IngestConfig::read(values)?,
            labels: LabelsConfig::read(values)?,
            limits: LimitsConfig::read(values)?,
            http: HttpConfig::read(values)?,
            shutdown: ShutdownConfig::read(values)?,
            log: LogConfig::read(values)?,
        })
    }
}

impl SinksConfig {
    fn read(values: &Values, env: &Environment<'_>) -> Result<Self, UsageError> {
        Ok(Self {
            remote: RemoteConfig::read(values)?,
            loki: LokiConfig::read(values),
            opensearch: OpenSearchConfig::read(values, env),
            scylla: ScyllaConfig::read(values, env)?,
            queue: QueueConfig::read(values),
        })
    }
}

#[cfg(test)]
mod tests;
