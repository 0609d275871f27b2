//! The sink of `-remote`: rows go on to another metrics-server, several in a datagram.
//!
//! ```text
//!  rows ─ hash of the name ─▶ lane 0 ─ joined by newlines, up to -remote-datagram-bytes ─▶ socket 0 ─▶
//!                         └─▶ lane N ─────────────────────────────────────────────────────▶ socket N ─▶
//! ```
//!
//! The receiver's kernel gives all datagrams of one sender to the same worker, so there are several sockets to
//! spread the load. All rows of one name take the same socket, so that they arrive in their order, as far as UDP
//! keeps it: the first one decides over type, help and buckets there as it would here, and a gauge ends with its
//! last value.
//!
//! A datagram that our kernel took counts as delivered, since UDP says no more; one that our kernel refused is sent
//! again. `ECONNREFUSED` says two things: the far end refused an earlier datagram, which is lost, and the one at
//! hand was not sent. So after an error an empty datagram is sent first, and rows only if it is not refused.
//!
//! Runs on its sender.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use crate::logger::throttle::Throttle;
use crate::metric::Hops;
use crate::planted::{self, Fault};
use crate::sinks::{BatchLimits, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

pub(crate) mod errors;
pub(crate) mod link;

use errors::{SendErrors, is_too_long};
use link::{FarEnd, Link};

/// The longest payload of a datagram over IPv4. Over IPv6 it could have 20 bytes more.
const DATAGRAM_MAX_BYTES: usize = 65_507;

/// At low load a row waits for a few milliseconds; at high load batches are full before that.
const LIMITS: BatchLimits = BatchLimits {
    bytes: 32 * 1024,
    rows: 1024,
    period: Duration::from_millis(5),
    max_bytes: 256 * 1024,
    max_rows: 8 * 1024,
};

/// A try costs the far end one empty datagram, so it may come often. At 20,000 rows of 200 bytes a second the 64 MiB of
/// memory that rows have by default are full after 16 s: a wait of 30 s would lose rows although the far end is back.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Rows on their way to one socket.
#[derive(Debug, Default)]
struct Lane {
    /// The rows as JSON, joined by newlines.
    datagram: Vec<u8>,
    /// The index of each of these rows in the batch.
    rows: Vec<usize>,
}

/// Sends rows to another server.
#[derive(Debug)]
pub(crate) struct Remote {
    far_end: FarEnd,
    /// `None` at first and after an error; opened before rows are sent.
    link: Option<Link>,
    datagram_bytes: usize,
    lanes: Vec<Lane>,
    hasher: ahash::RandomState,
    /// The row at hand as JSON; kept so that its memory is used again.
    json: Vec<u8>,
    errors: Arc<SendErrors>,
    /// Rows rejected with [`RejectReason::HopsLimit`] that no line in the log tells of.
    past_hops_limit: u64,
    throttle: Throttle,
    stopped: Arc<AtomicBool>,
}

impl Remote {
    /// Sends to this far end from so many sockets. Rows are joined in datagrams of up to `datagram_bytes`; with 0
    /// each row has its own.
    pub(crate) fn new(
        far_end: FarEnd,
        sockets: usize,
        datagram_bytes: usize,
        errors: Arc<SendErrors>,
    ) -> Self {
        Self {
            far_end,
            link: None,
            datagram_bytes: datagram_bytes.min(DATAGRAM_MAX_BYTES),
            lanes: (0..sockets.max(1)).map(|_| Lane::default()).collect(),
            hasher: ahash::RandomState::new(),
            json: Vec::new(),
            errors,
            past_hops_limit: 0,
            throttle: Throttle::default(),
            stopped: Arc::default(),
        }
    }

    /// Sends all rows, up to the first that cannot be sent now; the error says why not.
    fn send(&mut self, rows: &[Row<'_>], results: &mut [RowResult]) -> Result<(), String> {
        let Self { far_end, link, lanes, past_hops_limit, .. } = self;
        if link.as_mut().is_some_and(|link| link.has_moved(far_end)) {
            *link = None;
        }
        let link = match link {
            Some(link) => link,
            None => link.insert(Link::open(far_end, lanes.len(), &self.errors)?),
        };
        for (index, row) in rows.iter().enumerate() {
            self.json.clear();
            let Some(hops) = row.hops.next() else {
                results[index] = RowResult::Rejected(RejectReason::HopsLimit);
                *past_hops_limit += 1;
                continue;
            };
            row.write_json_passed_on(&mut self.json, hops);
            if self.json.len() > DATAGRAM_MAX_BYTES {
                results[index] = RowResult::Rejected(RejectReason::TooLong);
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
            let number = self.hasher.hash_one(row.name) as usize % lanes.len();
            let lane = &mut lanes[number];
            if lane.datagram.len() + 1 + self.json.len() > self.datagram_bytes {
                lane.flush(number, rows, link, &self.errors, results)?;
            }
            if !lane.rows.is_empty() {
                lane.datagram.push(b'\n');
            }
            lane.datagram.extend_from_slice(&self.json);
            lane.rows.push(index);
        }
        for (number, lane) in lanes.iter_mut().enumerate() {
            lane.flush(number, rows, link, &self.errors, results)?;
        }
        Ok(())
    }

    /// Tells of rows that have gone round in a ring.
    fn complain_of_rings(&mut self) {
        if self.past_hops_limit > 0 && self.throttle.allows() {
            let rows = std::mem::take(&mut self.past_hops_limit);
            log::warn!(
                "-remote: {rows} messages that {} routers have passed on are rejected: does this server get what it sends?",
                Hops::MAX
            );
        }
    }
}

impl Lane {
    /// Sends the datagram if it holds rows; sets the result of each.
    fn flush(
        &mut self,
        number: usize,
        rows: &[Row<'_>],
        link: &Link,
        errors: &SendErrors,
        results: &mut [RowResult],
    ) -> Result<(), String> {
        if self.rows.is_empty() {
            return Ok(());
        }
        match link.send(number, &self.datagram, errors) {
            Ok(()) => self.rows.iter().for_each(|&row| results[row] = RowResult::Delivered),
            // The network takes only shorter datagrams than `-remote-datagram-bytes`: each row is sent alone.
            Err(error) if is_too_long(&error) && self.rows.len() > 1 => {
                for &row in &self.rows {
                    let hops = rows[row].hops.next().expect("no lane takes a row past the limit");
                    self.datagram.clear();
                    rows[row].write_json_passed_on(&mut self.datagram, hops);
                    let sent = link.send(number, &self.datagram, errors);
                    results[row] = judge(sent, link)?;
                }
            }
            Err(_) if planted::is(Fault::RefusedIsDelivered) => {
                self.rows.iter().for_each(|&row| results[row] = RowResult::Delivered);
            }
            Err(error) => results[self.rows[0]] = judge(Err(error), link)?,
        }
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.datagram.clear();
        self.rows.clear();
    }
}

/// The result of a row that was sent alone. The error says why it, and all rows behind it, must be sent later.
fn judge(sent: std::io::Result<()>, link: &Link) -> Result<RowResult, String> {
    match sent {
        Ok(()) => Ok(RowResult::Delivered),
        Err(error) if is_too_long(&error) => Ok(RowResult::Rejected(RejectReason::TooLong)),
        Err(error) => Err(link.complaint(&error)),
    }
}

impl Sink for Remote {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn longest_wait(&self) -> Duration {
        LONGEST_WAIT
    }

    fn deliver(&mut self, rows: &[Row<'_>], _: Trigger, results: &mut Vec<RowResult>) -> Outcome {
        if self.stopped.load(Relaxed) {
            return Outcome::Retry { why: "the server stops".to_owned(), after: None };
        }
        // A batch that an error or a panic has ended may have left rows here.
        self.lanes.iter_mut().for_each(Lane::clear);
        results.resize(rows.len(), RowResult::Retry);
        let sent = self.send(rows, results);
        self.complain_of_rings();
        let Err(why) = sent else { return Outcome::Rows };
        self.link = None;
        if results.iter().all(|result| *result == RowResult::Retry) {
            results.clear();
            return Outcome::Retry { why, after: None };
        }
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let stopped = Arc::clone(&self.stopped);
        Box::new(move || stopped.store(true, Relaxed))
    }
}
