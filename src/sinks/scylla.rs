//! ScyllaDB, and Cassandra: `op: raw` becomes rows of a table, over CQL.
//!
//! ```text
//!  deliverer ─ batch ─▶ session (made when rows come) ─▶ up to 256 inserts at once ─▶ a verdict each
//! ```
//!
//! Runs on the deliverer, whose current-thread runtime the driver lives on: nothing of it moves between two
//! deliveries. A row's time is that of its coming, so is its write's, and its number keeps it apart from
//! others: a row that is sent twice is one row. Only this module names the driver and its runtime.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::config::ScyllaConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::{Limits, Outcome, Row, Sink, Trigger, Verdict};

mod connect;
mod insert;
mod places;
mod schema;
mod session;
mod wait;

use insert::Round;
pub(crate) use places::Moves;
use places::Places;
use session::Ready;
use wait::either;

/// A batch is at most so many requests: far fewer than the 32,767 numbers by which a connection tells
/// requests apart, so that none is given again while an answer is awaited.
const LIMITS: Limits = Limits {
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
    open: Option<Open>,
    places: Places,
    moves: Arc<Moves>,
    stopped: Arc<watch::Sender<bool>>,
    /// Of log lines about refused rows.
    throttle: Throttle,
}

/// A session and what it lives on.
struct Open {
    // Dropped in this order.
    ready: Option<Arc<Ready>>,
    runtime: Option<Runtime>,
    used: Instant,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Scylla {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// Flags that do not go together, or a file that cannot be read; names the flag.
    pub(crate) fn new(config: &ScyllaConfig, moves: Arc<Moves>) -> anyhow::Result<Self> {
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
            places: Places::default(),
            moves,
            stopped: Arc::new(watch::channel(false).0),
            throttle: Throttle::default(),
        })
    }

    /// The session, made if there is none; an error is for the log.
    fn ready(&mut self) -> Result<&mut Open, String> {
        if self.open.as_ref().is_some_and(|open| open.used.elapsed() > IDLE_MAX) {
            self.open = None;
        }
        if self.open.is_none() {
            let runtime = Builder::new_current_thread().enable_io().enable_time().build();
            let runtime = runtime.context("cannot start").map_err(|error| format!("{error:#}"))?;
            let mut open = Open { ready: None, runtime: Some(runtime), used: Instant::now() };
            // As a task, which keeps faults of the driver apart from rows.
            let config = self.config.clone();
            let opened = open.run(&self.stopped, async move {
                tokio::spawn(async move { session::open(&config).await }).await
            });
            let opened = opened.ok_or_else(|| "the server stops".to_owned())?;
            let opened = opened.map_err(|error| format!("a fault of the driver: {error}"))?;
            open.ready = Some(Arc::new(opened.map_err(|trouble| trouble.to_string())?));
            self.open = Some(open);
        }
        self.open.as_mut().ok_or_else(String::new)
    }

    fn tell(&mut self, refused: &str) {
        if self.throttle.allows() {
            log::warn!("scylladb: rows are refused: {refused}");
        }
    }

    fn count(&self, place: places::Place) {
        self.moves.moved.fetch_add(u64::from(place.moved), Relaxed);
        self.moves.overwritten.fetch_add(u64::from(place.overwrites), Relaxed);
    }
}

impl Open {
    /// Runs until it is made, or until the server stops.
    fn run<T>(&self, stopped: &watch::Sender<bool>, work: impl Future<Output = T>) -> Option<T> {
        let mut told = stopped.subscribe();
        let stop = async move { drop(told.wait_for(|stopped| *stopped).await) };
        self.runtime.as_ref()?.block_on(either(stop, work)).ok()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.ready = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background(); // it may be resolving a name
        }
    }
}

impl Sink for Scylla {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn deliver(&mut self, rows: &[Row<'_>], _: Trigger, verdicts: &mut Vec<Verdict>) -> Outcome {
        let mut places = std::mem::take(&mut self.places);
        let stopped = Arc::clone(&self.stopped);
        let mut round = Round::default();
        let opened = self.ready().map(|open| {
            if let Some(ready) = open.ready.clone() {
                open.run(&stopped, insert::all(&ready, rows, &mut places, &mut round));
            }
            open.used = Instant::now();
        });
        self.places = places;
        if let Some(refused) = round.refused.take() {
            self.tell(&refused);
        }
        if let Err(why) = opened {
            return Outcome::Retry { why, after: None };
        }
        if round.broken || *self.stopped.borrow() {
            self.open = None;
        }
        if round.verdicts.iter().all(Option::is_none) {
            let why = round.why.unwrap_or_else(|| "the server stops".to_owned());
            return Outcome::Retry { why, after: None };
        }
        for (verdict, place) in round.verdicts.iter().zip(&round.places) {
            if let (Some(Verdict::Delivered), Some(place)) = (verdict, place) {
                self.count(*place);
            }
        }
        verdicts.extend(round.verdicts.iter().map(|told| told.unwrap_or(Verdict::Retry)));
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || {
            stopped.send_replace(true);
        })
    }
}
