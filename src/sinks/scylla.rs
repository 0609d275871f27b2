//! ScyllaDB and Cassandra: messages with `op` `raw` become rows of a table, over CQL.
//!
//! ```text
//!  sender ─ batch ─▶ session (opened when rows come) ─▶ up to 256 inserts at once ─▶ a result for each
//! ```
//!
//! Runs on the sender. The driver's tasks have a runtime on the sender's own thread, so they stand still between
//! two deliveries. The key of a row holds the time at which it was received and its number, and the time of the
//! write is the same as well: a row that is sent twice is stored once. Only this module names the driver and its
//! runtime.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::config::ScyllaConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::{BatchLimits, Outcome, Row, RowResult, Sink, Trigger};

mod cluster;
mod connect;
mod error;
mod failures;
mod insert;
mod insert_result;
mod schema;
mod session;
mod timestamps;
mod transport;
mod values;

use insert::BatchInserts;
use session::PreparedSession;
use timestamps::TimestampAllocator;
pub(crate) use timestamps::TimestampCounters;

/// A row is a request of its own. A batch has far fewer than the 32,767 numbers by which a connection tells its
/// requests apart, so no number is used again while its first answer may still come.
const LIMITS: BatchLimits = BatchLimits {
    bytes: 128 * 1024,
    rows: 500,
    period: Duration::from_millis(100),
    max_bytes: 1024 * 1024,
    max_rows: 2_000,
};
/// A session that was idle for longer is not used again: a firewall on the way may have forgotten its connections.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The sink.
#[derive(Debug)]
pub(crate) struct Scylla {
    config: ScyllaConfig,
    open: Option<OpenSession>,
    timestamps: TimestampAllocator,
    counters: Arc<TimestampCounters>,
    stopped: Arc<watch::Sender<bool>>,
    /// For log lines about refused rows.
    throttle: Throttle,
}

/// A session and the runtime of its tasks.
#[derive(Debug)]
struct OpenSession {
    /// Stands before `runtime`, since fields are dropped in their order and a session needs its runtime.
    session: Arc<PreparedSession>,
    runtime: DriverRuntime,
    /// When rows were last sent.
    used: Instant,
}

/// The driver's runtime; `None` only while it is dropped.
#[derive(Debug)]
struct DriverRuntime(Option<Runtime>);

impl Scylla {
    /// Takes the flags; a session is opened when rows come.
    ///
    /// # Errors
    /// Flags that do not go together, or a file that cannot be read; names the flag.
    pub(crate) fn new(
        config: &ScyllaConfig,
        counters: Arc<TimestampCounters>,
    ) -> anyhow::Result<Self> {
        if config.tls {
            connect::tls(&config.ca_path)?;
        } else if !config.ca_path.is_empty() {
            bail!(
                "-scylladb-ca-path {:?} is for TLS, which is off: add -scylladb-tls, or leave the path out",
                config.ca_path
            );
        }
        if config.user.is_empty() != config.password.expose().is_empty() {
            bail!(
                "-scylladb-user and METRICS_SERVER_SCYLLADB_PASSWORD belong together: one is given, the other is missing"
            );
        }
        Ok(Self {
            config: config.clone(),
            open: None,
            timestamps: TimestampAllocator::default(),
            counters,
            stopped: Arc::new(watch::channel(false).0),
            throttle: Throttle::default(),
        })
    }

    /// Returns the session, and opens one first if there is none or it was idle for long. The error is for the log.
    fn session(&mut self) -> Result<&mut OpenSession, String> {
        // The old session is closed before a new one is opened.
        let open = self.open.take().filter(|open| open.used.elapsed() <= IDLE_MAX);
        let open = match open {
            Some(open) => open,
            None => OpenSession::open(&self.config, &self.stopped)?,
        };
        Ok(self.open.insert(open))
    }

    fn log_refused(&mut self, refused: &str) {
        if self.throttle.allows() {
            log::warn!("scylladb: rows are refused: {refused}");
        }
    }
}

impl OpenSession {
    /// Opens a session; the error is for the log.
    fn open(config: &ScyllaConfig, stopped: &watch::Sender<bool>) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
        let runtime = DriverRuntime(Some(runtime));
        // In a task of its own, so that a panic of the driver is an error here and no fault of a row.
        let config = config.clone();
        let opened = runtime.run(stopped, async move {
            tokio::spawn(async move { PreparedSession::open(&config).await }).await
        });
        let opened = opened.ok_or_else(|| "the server stops".to_owned())?;
        let opened = opened.map_err(|error| format!("a fault of the driver: {error}"))?;
        let session = Arc::new(opened.map_err(|error| error.to_string())?);
        Ok(Self { session, runtime, used: Instant::now() })
    }
}

impl DriverRuntime {
    /// Runs until the work is done; `None` if the server stops before that.
    fn run<T>(&self, stopped: &watch::Sender<bool>, work: impl Future<Output = T>) -> Option<T> {
        let mut stopped = stopped.subscribe();
        let runtime = self.0.as_ref().expect("the runtime is taken out in drop only");
        runtime.block_on(async {
            tokio::select! {
                biased;
                done = work => Some(done),
                _ = stopped.wait_for(|stopped| *stopped) => None,
            }
        })
    }
}

impl Drop for DriverRuntime {
    fn drop(&mut self) {
        // In the background, since a thread of it may be looking up a name, which cannot be interrupted.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Sink for Scylla {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn deliver(&mut self, rows: &[Row<'_>], _: Trigger, results: &mut Vec<RowResult>) -> Outcome {
        let mut timestamps = std::mem::take(&mut self.timestamps);
        let stopped = Arc::clone(&self.stopped);
        let mut inserts = BatchInserts::default();
        let opened = self.session().map(|open| {
            let sent = insert::all(&open.session, rows, &mut timestamps, &mut inserts);
            open.runtime.run(&stopped, sent);
            open.used = Instant::now();
        });
        for (row, result) in rows.iter().zip(&inserts.results) {
            if result.is_some() {
                timestamps.settled(row.time_ns);
            }
        }
        self.timestamps = timestamps;
        if let Some(refused) = inserts.refused.take() {
            self.log_refused(&refused);
        }
        if let Err(why) = opened {
            return Outcome::Retry { why, after: None };
        }
        if inserts.broken || *self.stopped.borrow() {
            self.open = None;
        }
        if inserts.results.iter().all(Option::is_none) {
            let why = inserts.why.unwrap_or_else(|| "the server stops".to_owned());
            return if inserts.silent {
                Outcome::NoVerdict { why, after: None }
            } else {
                Outcome::Retry { why, after: None }
            };
        }
        for (result, timestamp) in inserts.results.iter().zip(&inserts.timestamps) {
            if let (Some(RowResult::Delivered), Some(timestamp)) = (result, timestamp) {
                self.counters.count(*timestamp);
            }
        }
        results.extend(inserts.results.iter().map(|result| result.unwrap_or(RowResult::Retry)));
        Outcome::Rows
    }

    fn is_well(&mut self) -> bool {
        let stopped = Arc::clone(&self.stopped);
        let asked = self.session().map(|open| {
            let session = Arc::clone(&open.session);
            open.runtime.run(&stopped, async move { session.is_well().await }) == Some(true)
        });
        let is_well = asked.unwrap_or(false);
        if !is_well {
            self.open = None;
        }
        is_well
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || {
            stopped.send_replace(true);
        })
    }
}
