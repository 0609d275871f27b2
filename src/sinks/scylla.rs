//! ScyllaDB, and Cassandra: `op: raw` becomes rows of a table, over CQL.
//!
//! ```text
//!  sender ─ batch ─▶ session (made when rows come) ─▶ up to 256 inserts at once ─▶ a result each
//! ```
//!
//! Runs on the sender, whose current-thread runtime the driver lives on: nothing of it moves between two
//! deliveries. A row's time is that of its coming, so is its write's, and its number keeps it apart from
//! others: a row that is sent twice is one row. Only this module names the driver and its runtime.

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
mod insert;
mod schema;
mod session;
mod timestamps;

use insert::BatchInserts;
use session::PreparedSession;
use timestamps::TimestampAllocator;
pub(crate) use timestamps::TimestampCounters;

/// A batch is at most so many requests: far fewer than the 32,767 numbers by which a connection tells
/// requests apart, so that none is given again while an answer is awaited.
const LIMITS: BatchLimits = BatchLimits {
    bytes: 128 * 1024,
    rows: 500,
    period: Duration::from_millis(100),
    max_bytes: 1024 * 1024,
    max_rows: 2_000,
};
/// A session that was idle for longer is not used again: what stands between may have forgotten it.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The far end.
#[derive(Debug)]
pub(crate) struct Scylla {
    config: ScyllaConfig,
    open: Option<OpenSession>,
    timestamps: TimestampAllocator,
    counters: Arc<TimestampCounters>,
    stopped: Arc<watch::Sender<bool>>,
    /// Of log lines about refused rows.
    throttle: Throttle,
}

/// A session and the runtime that its tasks run on.
#[derive(Debug)]
struct OpenSession {
    session: Arc<PreparedSession>, // dropped before its runtime
    runtime: DriverRuntime,
    used: Instant,
}

/// The driver's runtime.
#[derive(Debug)]
struct DriverRuntime(Option<Runtime>);

impl Scylla {
    /// Opens nothing yet.
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
            bail!("-scylladb-ca-path: it takes effect with -scylladb-tls only");
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

    /// The session, opened if there is none; an error is for the log.
    fn session(&mut self) -> Result<&mut OpenSession, String> {
        let idle = self.open.as_ref().is_some_and(|open| open.used.elapsed() > IDLE_MAX);
        match &mut self.open {
            Some(_) if !idle => {}
            open => {
                *open = None; // the old session goes before the new one comes
                *open = Some(OpenSession::open(&self.config, &self.stopped)?);
            }
        }
        self.open.as_mut().ok_or_else(|| "no session is open".to_owned())
    }

    fn tell(&mut self, refused: &str) {
        if self.throttle.allows() {
            log::warn!("scylladb: rows are refused: {refused}");
        }
    }
}

impl OpenSession {
    /// Opens a session; an error is for the log.
    fn open(config: &ScyllaConfig, stopped: &watch::Sender<bool>) -> Result<Self, String> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| format!("cannot start: {error}"))?;
        let runtime = DriverRuntime(Some(runtime));
        // As a task, which keeps faults of the driver apart from rows.
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
    /// Runs until the work is done; `None` if the server stops before.
    fn run<T>(&self, stopped: &watch::Sender<bool>, work: impl Future<Output = T>) -> Option<T> {
        let mut stopped = stopped.subscribe();
        self.0.as_ref()?.block_on(async {
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
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background(); // it may be resolving a name
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
        self.timestamps = timestamps;
        if let Some(refused) = inserts.refused.take() {
            self.tell(&refused);
        }
        if let Err(why) = opened {
            return Outcome::Retry { why, after: None };
        }
        if inserts.broken || *self.stopped.borrow() {
            self.open = None;
        }
        if inserts.results.iter().all(Option::is_none) {
            let why = inserts.why.unwrap_or_else(|| "the server stops".to_owned());
            return Outcome::Retry { why, after: None };
        }
        for (result, timestamp) in inserts.results.iter().zip(&inserts.timestamps) {
            if let (Some(RowResult::Delivered), Some(timestamp)) = (result, timestamp) {
                self.counters.count(*timestamp);
            }
        }
        results.extend(inserts.results.iter().map(|result| result.unwrap_or(RowResult::Retry)));
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || {
            stopped.send_replace(true);
        })
    }
}
