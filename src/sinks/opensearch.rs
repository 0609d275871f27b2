//! OpenSearch: messages with `op` `index` become documents, in indices of one day each. A document that is sent
//! twice is stored once.
//!
//! Runs on its sender. An index that is not known to exist is created, with the original's mapping, before its
//! first documents are sent. Then all documents of a batch go in one `_bulk` request, whose answer has a result
//! for each. The sink must not know how often or when a batch is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::config::OpenSearchConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::http::flag_file::FlagFile;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::{REQUEST_TIMEOUT, Response};
pub(crate) use crate::sinks::opensearch::counters::BulkCounters;
use crate::sinks::opensearch::endpoint::Endpoint;
use crate::sinks::opensearch::index::IndexState;
use crate::sinks::opensearch::indices::Indices;
use crate::sinks::opensearch::response::{Bulk, DocumentResult};
use crate::sinks::opensearch::service::{Creation, Service};
use crate::sinks::{BatchLimits, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

mod counters;
mod document;
mod endpoint;
mod index;
mod index_name;
mod indices;
mod response;
mod service;

/// The bounds of a bulk request. OpenSearch's makers advise 5 to 15 MB and 1,000 to 5,000 documents.
const BATCH_MAX_BYTES: usize = 5_000_000;
const BATCH_MAX_ROWS: usize = 5_000;
/// The highest that `-opensearch-bulk-size-bytes` can set: half of what a server takes by default
/// (`http.max_content_length`, 100 MB), since documents can be longer than the rows that
/// they are made of.
const FLAG_MAX_BYTES: usize = 50_000_000;

/// So many documents over which the service fails are looked at one by one.
const FEW_DOCUMENTS: usize = 8;

/// The sink.
#[derive(Debug)]
pub(crate) struct OpenSearch {
    service: Service,
    limits: BatchLimits,
    indices: Indices,
    counters: Arc<BulkCounters>,
    /// The lines of a request; kept so that its memory is used again.
    lines: Vec<u8>,
    /// How long a request may take.
    time_limit: Duration,
    label_depth_max: usize,
    /// Makes one number of the name of an index.
    kin: ahash::RandomState,
    /// For log lines about single documents.
    throttle: Throttle,
}

/// The number of the index that a row is sent to, or what becomes of a row that is not sent.
type Target = Result<usize, RowResult>;

impl OpenSearch {
    /// Takes flags and variables; connects to nothing yet.
    ///
    /// # Errors
    /// The URL cannot be used, or certificates cannot be read; names the variable or the flag.
    pub(crate) fn new(
        config: &OpenSearchConfig,
        counters: Arc<BulkCounters>,
    ) -> anyhow::Result<Self> {
        let (url, password) = (config.url.expose(), config.password.expose());
        let bytes = config.bulk_size_bytes.clamp(1, FLAG_MAX_BYTES);
        let tls = TlsOptions {
            ca: FlagFile::new("-opensearch-ca-path", &config.ca_path),
            insecure: config.insecure,
            ..TlsOptions::default()
        };
        Ok(Self {
            service: Service::new(
                Endpoint::new(url, &config.user, password)?,
                tls,
                service::settings(config.shards, config.replicas),
            )?,
            limits: BatchLimits {
                bytes,
                rows: BATCH_MAX_ROWS,
                period: config.bulk_period,
                max_bytes: bytes.max(BATCH_MAX_BYTES),
                max_rows: BATCH_MAX_ROWS,
            },
            indices: Indices::new(config.indices_max),
            counters,
            lines: Vec::new(),
            time_limit: REQUEST_TIMEOUT,
            label_depth_max: config.label_depth_max,
            kin: ahash::RandomState::new(),
            throttle: Throttle::default(),
        })
    }

    /// Finds the index of each row.
    fn targets(&mut self, rows: &[Row<'_>]) -> Vec<Target> {
        self.indices.forget_old_days();
        let mut target = |row: &Row<'_>| {
            if row.labels().any(|label| document::depth(label.name) > self.label_depth_max) {
                return Err(RejectReason::LabelDepth);
            }
            self.indices.find(row.index, row.time_ns)
        };
        rows.iter().map(|row| target(row).map_err(RowResult::Rejected)).collect()
    }

    /// Creates the indices that are needed and not known to exist. If the service refuses to create one, that is
    /// noted and its rows are sent all the same, since somebody else may have created it.
    ///
    /// # Errors
    /// The service takes no index now: what is to be done with the batch.
    fn create(&mut self, targets: &[Target]) -> Result<(), Outcome> {
        let now = Instant::now();
        let numbers: BTreeSet<usize> = targets.iter().flatten().copied().collect();
        for number in self.indices.due(numbers.into_iter().collect(), now) {
            let index = self.indices.get_mut(number);
            match self.service.create_index(index.name(), self.time_limit)? {
                Creation::Made => self.made(number),
                Creation::NoName => index.set(IndexState::NoName),
                Creation::Denied => index.set(IndexState::Denied(now)),
                Creation::Unknown => {
                    self.indices.no_verdict(number, Instant::now());
                    // That may have cost much time: rows for others that are to be created wait for the next try.
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Notes that an index exists.
    fn made(&mut self, number: usize) {
        if self.indices.get_mut(number).made() {
            self.counters.connections.fetch_add(1, Relaxed);
        }
    }

    /// Sends the documents of all rows that have an index.
    fn bulk(&mut self, rows: &[Row<'_>], targets: &[Target]) -> Result<Response, Outcome> {
        self.lines.clear();
        for (row, target) in rows.iter().zip(targets) {
            if let Ok(number) = target {
                document::write(&mut self.lines, row, self.indices.get(*number).name());
            }
        }
        self.service.post_bulk(&self.lines, self.time_limit)
    }

    /// Reads the answer: the result of each row, and what it says of the request.
    fn judge(
        &mut self,
        answer: &Response,
        targets: &[Target],
        results: &mut Vec<RowResult>,
    ) -> Outcome {
        let sent = || targets.iter().flatten();
        let bulk = match self.service.bulk_results(answer, sent().count()) {
            Ok(bulk) => bulk,
            Err(outcome) => return outcome,
        };
        // First, since the result of a row depends on which indices have stored documents.
        let now = Instant::now();
        let mut silent: BTreeSet<usize> = sent().copied().collect();
        let all = silent.len();
        for (number, item) in sent().zip(&bulk.items) {
            if item.create.result() == DocumentResult::Stored {
                self.made(*number);
                self.indices.stored(*number, now);
            }
            if item.create.result() != DocumentResult::Again {
                silent.remove(number);
            }
        }
        if silent.len() < all {
            // Each request with rows for an index whose shards are away takes as long as the service waits for them.
            for number in silent {
                self.indices.get_mut(number).rest(now);
            }
        }
        let mut items = bulk.items.iter();
        for target in targets {
            results.push(match target {
                Err(result) => *result,
                Ok(number) => {
                    let item = items.next().expect("there are as many items as rows were sent");
                    self.indices.row_result(*number, item.create.result())
                }
            });
        }
        self.log_not_stored(targets, &bulk, answer);
        if self.fails_over(targets, &bulk, now) {
            results.clear();
            return self.service.failed(&bulk, answer);
        }
        Outcome::Rows
    }

    /// Whether the service failed over each of these few documents, whose indices work. If there are many, or their index
    /// stores no others, then not each of them is to be looked at.
    fn fails_over(&self, targets: &[Target], bulk: &Bulk<'_>, now: Instant) -> bool {
        let works = |target: &Target| {
            target.is_ok_and(|number| self.indices.get(number).has_stored_lately(now))
        };
        targets.len() <= FEW_DOCUMENTS
            && targets.iter().all(works)
            && bulk.items.iter().all(|item| item.create.has_failed())
    }

    /// Logs that documents were not stored, as often as the throttle allows.
    fn log_not_stored(&mut self, targets: &[Target], bulk: &Bulk<'_>, answer: &Response) {
        let of_index = targets.iter().flatten().zip(&bulk.items);
        let mut bad = of_index.filter(|(_, item)| item.create.result() != DocumentResult::Stored);
        let Some((number, first)) = bad.next() else { return };
        if !self.throttle.allows() {
            return;
        }
        let words = first.create.error.as_ref().map(|cause| cause.words(answer));
        log::warn!(
            "opensearch: {} of {} documents were not stored; the first, for {}: {} {}{}",
            1 + bad.count(),
            bulk.items.len(),
            self.indices.get(*number).name(),
            first.create.status,
            words.unwrap_or_default(),
            self.throttle.left_out(),
        );
    }
}

impl Sink for OpenSearch {
    fn limits(&self) -> BatchLimits {
        self.limits
    }

    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        trigger: Trigger,
        results: &mut Vec<RowResult>,
    ) -> Outcome {
        let mut targets = self.targets(rows);
        if let Err(outcome) = self.create(&targets) {
            self.counters.count(false, trigger);
            return outcome;
        }
        let now = Instant::now();
        for target in &mut targets {
            if let Ok(number) = *target
                && !self.indices.get(number).takes_rows(now)
            {
                *target = Err(self.indices.unsent_result(number));
            }
        }
        if targets.iter().all(Result::is_err) {
            results.extend(targets.iter().filter_map(|target| target.err()));
            return Outcome::Rows;
        }
        let outcome = match self.bulk(rows, &targets) {
            Ok(answer) => self.judge(&answer, &targets, results),
            Err(outcome) => outcome,
        };
        let stored = targets
            .iter()
            .zip(&*results)
            .all(|(target, result)| target.is_err() || *result == RowResult::Delivered);
        self.counters.count(outcome == Outcome::Rows && stored, trigger);
        outcome
    }

    fn limit_time(&mut self, limit: Duration) {
        self.time_limit = limit;
    }

    fn is_well(&mut self) -> bool {
        self.service.is_well()
    }

    fn kin(&self, row: &Row<'_>) -> u64 {
        self.kin.hash_one(row.index)
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.service.cancel()
    }
}
