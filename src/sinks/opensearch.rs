//! OpenSearch: messages with `op` `index` become documents, in indices of one day each. A document that is sent
//! twice is stored once.
//!
//! Runs on its sender. An index that is not known to exist is created, with the original's mapping, before its
//! first documents are sent. Then all documents of a batch go in one `_bulk` request, whose answer has a result
//! for each. The sink must not know how often or when a batch is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use crate::config::OpenSearchConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::http::flag_file::FlagFile;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::{Client, Response};
pub(crate) use crate::sinks::opensearch::counters::BulkCounters;
use crate::sinks::opensearch::endpoint::Endpoint;
use crate::sinks::opensearch::index::IndexState;
use crate::sinks::opensearch::indices::Indices;
use crate::sinks::opensearch::response::{Bulk, Cause, DocumentResult};
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

/// The sink.
#[derive(Debug)]
pub(crate) struct OpenSearch {
    service: Service,
    limits: BatchLimits,
    indices: Indices,
    counters: Arc<BulkCounters>,
    /// The lines of a request; kept so that its memory is used again.
    lines: Vec<u8>,
    /// For log lines about single documents.
    throttle: Throttle,
}

/// The number of the index that a row goes to, or why it goes nowhere.
type RowIndex = Result<usize, RejectReason>;

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
                Client::new(tls)?,
                service::settings(config.shards, config.replicas),
            ),
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
            throttle: Throttle::default(),
        })
    }

    /// Finds the index of each row.
    fn indices(&mut self, rows: &[Row<'_>]) -> Vec<RowIndex> {
        self.indices.forget_old_days();
        rows.iter().map(|row| self.indices.find(row.index, row.time_ns)).collect()
    }

    /// Creates the indices that are needed and not known to exist. If the service refuses to create one, that is
    /// noted and its rows are sent all the same, since somebody else may have created it.
    ///
    /// # Errors
    /// The service cannot say so now: what is to be done with the batch.
    fn create(&mut self, indices: &[RowIndex]) -> Result<(), Outcome> {
        let now = Instant::now();
        let numbers: BTreeSet<usize> = indices.iter().flatten().copied().collect();
        for number in numbers {
            if self.indices.get(number).is_due(now) {
                match self.service.create_index(self.indices.get(number).name())? {
                    Creation::Made => self.made(number),
                    Creation::NoName => self.indices.get_mut(number).set(IndexState::NoName),
                    Creation::Denied => self.indices.get_mut(number).set(IndexState::Denied(now)),
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
    fn bulk(&mut self, rows: &[Row<'_>], indices: &[RowIndex]) -> Result<Response, Outcome> {
        self.lines.clear();
        for (row, index) in rows.iter().zip(indices) {
            if let Ok(number) = index {
                document::write(&mut self.lines, row, self.indices.get(*number).name());
            }
        }
        self.service.post_bulk(&self.lines)
    }

    /// Reads the answer: the result of each row, and what it says of the request.
    fn judge(
        &mut self,
        answer: &Response,
        indices: &[RowIndex],
        results: &mut Vec<RowResult>,
    ) -> Outcome {
        let sent = || indices.iter().flatten();
        let bulk = match self.service.bulk_results(answer, sent().count()) {
            Ok(bulk) => bulk,
            Err(outcome) => return outcome,
        };
        // First, since the result of a row depends on which indices have stored documents.
        for (number, item) in sent().zip(&bulk.items) {
            if item.create.result() == DocumentResult::Stored {
                self.made(*number);
                self.indices.stored(*number);
            }
        }
        let mut items = bulk.items.iter();
        for index in indices {
            results.push(match index {
                Err(reason) => RowResult::Rejected(*reason),
                Ok(number) => {
                    let item = items.next().expect("there are as many items as rows were sent");
                    self.indices.row_result(*number, item.create.result())
                }
            });
        }
        self.log_not_stored(indices, &bulk);
        Outcome::Rows
    }

    /// Logs that documents were not stored, as often as the throttle allows.
    fn log_not_stored(&mut self, indices: &[RowIndex], bulk: &Bulk<'_>) {
        let of_index = indices.iter().flatten().zip(&bulk.items);
        let mut bad = of_index.filter(|(_, item)| item.create.result() != DocumentResult::Stored);
        let Some((number, first)) = bad.next() else { return };
        if !self.throttle.allows() {
            return;
        }
        let words = first.create.error.as_ref().map(Cause::words);
        log::warn!(
            "opensearch: {} of {} documents were not stored; the first, for {}: {} {}",
            1 + bad.count(),
            bulk.items.len(),
            self.indices.get(*number).name(),
            first.create.status,
            words.unwrap_or_default()
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
        let mut indices = self.indices(rows);
        if let Err(outcome) = self.create(&indices) {
            self.counters.count(false, trigger);
            return outcome;
        }
        for index in &mut indices {
            if index.is_ok_and(|number| self.indices.get(number).state() == IndexState::NoName) {
                *index = Err(RejectReason::IndexName);
            }
        }
        if indices.iter().all(Result::is_err) {
            let rejected = indices.iter().filter_map(|index| index.err());
            results.extend(rejected.map(RowResult::Rejected));
            return Outcome::Rows;
        }
        let outcome = match self.bulk(rows, &indices) {
            Ok(answer) => self.judge(&answer, &indices, results),
            Err(outcome) => outcome,
        };
        let stored = indices
            .iter()
            .zip(&*results)
            .all(|(index, result)| index.is_err() || *result == RowResult::Delivered);
        self.counters.count(outcome == Outcome::Rows && stored, trigger);
        outcome
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.service.cancel()
    }
}
