//! OpenSearch: documents in indices of a day, each there once however often it is sent.
//!
//! Runs on its sender. Before documents of a new index are sent the index is created, with the original's
//! mapping; then all go in one `_bulk` request, whose response has a result for each. It must not know how
//! often or when a batch is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::OpenSearchConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::http::pem::FlagFile;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::{Client, Response};
pub(crate) use crate::sinks::opensearch::counters::BulkCounters;
use crate::sinks::opensearch::endpoint::Endpoint;
use crate::sinks::opensearch::indices::{IndexState, Indices};
use crate::sinks::opensearch::response::{Bulk, DocumentResult};
use crate::sinks::opensearch::service::Service;
use crate::sinks::{BatchLimits, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

mod counters;
mod document;
mod endpoint;
mod indices;
mod response;
mod service;

/// What a bulk request may hold: OpenSearch's makers advise 5 to 15 MB and 1,000 to 5,000 documents.
const BATCH_MAX_BYTES: usize = 5_000_000;
const BATCH_MAX_ROWS: usize = 5_000;
/// Past this no server takes a request as it comes (`http.max_content_length` is 100 MB).
const FLAG_MAX_BYTES: usize = 50_000_000;
/// The service gives up on documents before our client does, and says on which; and it says no more.
const BULK: &str =
    "/_bulk?timeout=20s&filter_path=items.*.status,items.*.error.type,items.*.error.reason";
/// What stands for itself in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The sink.
#[derive(Debug)]
pub(crate) struct OpenSearch {
    service: Service,
    limits: BatchLimits,
    indices: Indices,
    /// What an index is created with.
    settings: String,
    counters: Arc<BulkCounters>,
    /// The lines of a request; kept for the next.
    lines: Vec<u8>,
    /// Of log lines about single documents.
    throttle: Throttle,
}

/// Where a row goes: the number of its index, or nowhere.
type RowIndex = Result<usize, RejectReason>;

impl OpenSearch {
    /// As flags and environment say.
    ///
    /// # Errors
    /// The URL is none, or certificates cannot be read; names the variable or the flag.
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
            service: Service {
                endpoint: Endpoint::new(url, &config.user, password)?,
                client: Client::new(tls)?,
            },
            limits: BatchLimits {
                bytes,
                rows: BATCH_MAX_ROWS,
                period: config.bulk_period,
                max_bytes: bytes.max(BATCH_MAX_BYTES),
                max_rows: BATCH_MAX_ROWS,
            },
            indices: Indices::new(config.indices_max),
            settings: service::settings(config.shards, config.replicas),
            counters,
            lines: Vec::new(),
            throttle: Throttle::default(),
        })
    }

    /// Where each row goes.
    fn indices(&mut self, rows: &[Row<'_>]) -> Vec<RowIndex> {
        self.indices.forget_old_days();
        rows.iter().map(|row| self.indices.find(row.index, row.time_ns)).collect()
    }

    /// Creates the indices that are needed and not known to be there. What the service refuses is noted:
    /// rows are sent all the same, since an index may be there that we may not create.
    fn create(&mut self, indices: &[RowIndex]) -> Result<(), Outcome> {
        let now = Instant::now();
        let numbers: BTreeSet<usize> = indices.iter().flatten().copied().collect();
        for number in numbers {
            if self.indices.is_due(number, now) {
                self.create_one(number, now)?;
            }
        }
        Ok(())
    }

    fn create_one(&mut self, number: usize, now: Instant) -> Result<(), Outcome> {
        let name = self.indices.get(number).name.clone();
        let path = format!("/{}", utf8_percent_encode(&name, PATH));
        let answer = self.service.put(&path, &self.settings)?;
        match answer.status {
            200..=299 => self.made(number),
            400 if response::exists_already(&answer.body) => self.made(number),
            400 if response::is_no_name(&answer.body) => {
                self.indices.set(number, IndexState::NoName);
            }
            300..=399 | 401 | 404 | 408 | 429 | 500.. => return Err(self.service.retry(&answer)),
            // The cluster takes no index at all, as when its disks are full.
            _ if response::is_block(&answer.body) => return Err(self.service.retry(&answer)),
            status => {
                self.indices.set(number, IndexState::Denied(now));
                log::warn!(
                    "opensearch: index {name} cannot be created: {status} {}",
                    response::words(&answer.body)
                );
            }
        }
        Ok(())
    }

    fn made(&mut self, number: usize) {
        if self.indices.made(number) {
            self.counters.connections.fetch_add(1, Relaxed);
        }
    }

    /// The documents of all rows that have a index.
    fn bulk(&mut self, rows: &[Row<'_>], indices: &[RowIndex]) -> Result<Response, Outcome> {
        self.lines.clear();
        for (row, index) in rows.iter().zip(indices) {
            if let Ok(number) = index {
                document::write(&mut self.lines, row, &self.indices.get(*number).name);
            }
        }
        self.service.post_lines(BULK, &self.lines)
    }

    /// What the answer says of each row, and of the request.
    fn judge(
        &mut self,
        answer: &Response,
        indices: &[RowIndex],
        results: &mut Vec<RowResult>,
    ) -> Outcome {
        match answer.status {
            200..=299 => {}
            413 => {
                let why =
                    format!("{} takes no requests of this size (413)", self.service.endpoint.base);
                return Outcome::Split { why, reason: RejectReason::TooLong };
            }
            400 if response::is_its_own(&answer.body) => {
                let words = response::words(&answer.body);
                let why =
                    format!("{} cannot read a request: 400 {words}", self.service.endpoint.base);
                return Outcome::Split { why, reason: RejectReason::Refused };
            }
            _ => return self.service.retry(answer),
        }
        let sent = indices.iter().flatten().count();
        let bulk: Option<Bulk<'_>> = serde_json::from_str(&answer.body).ok();
        let Some(bulk) = bulk.filter(|bulk| bulk.items.len() == sent) else {
            let why = format!(
                "{} answers {}, but not for each document",
                self.service.endpoint.base, answer.status
            );
            return Outcome::Retry { why, after: None };
        };
        for (number, item) in indices.iter().flatten().zip(&bulk.items) {
            if item.create.result() == DocumentResult::Stored {
                self.made(*number);
                self.indices.served(*number);
            }
        }
        let mut items = bulk.items.iter();
        for index in indices {
            results.push(match index {
                Err(reason) => RowResult::Rejected(*reason),
                Ok(number) => match items.next() {
                    Some(item) => self.row_result(*number, item.create.result()),
                    None => RowResult::Retry,
                },
            });
        }
        self.tell(indices, &bulk);
        Outcome::Rows
    }

    /// What becomes of a row of this index.
    fn row_result(&mut self, number: usize, result: DocumentResult) -> RowResult {
        match result {
            DocumentResult::Stored => RowResult::Delivered,
            DocumentResult::Refused => RowResult::Rejected(RejectReason::Refused),
            DocumentResult::TooLong => RowResult::Rejected(RejectReason::TooLong),
            // It was there and is gone: to be created again.
            DocumentResult::NoIndex if self.indices.get(number).state == IndexState::Made => {
                self.indices.set(number, IndexState::Unknown);
                RowResult::Retry
            }
            // Whoever sends names of indices that this user may not write to must not hold up the others.
            DocumentResult::NoIndex | DocumentResult::Denied
                if self.indices.get(number).state != IndexState::Unknown
                    && self.indices.is_hopeless(number) =>
            {
                RowResult::Rejected(RejectReason::Refused)
            }
            DocumentResult::Again | DocumentResult::NoIndex | DocumentResult::Denied => {
                RowResult::Retry
            }
        }
    }

    /// Logs documents that were not stored, now and then.
    fn tell(&mut self, indices: &[RowIndex], bulk: &Bulk<'_>) {
        let of_index = indices.iter().flatten().zip(&bulk.items);
        let mut bad = of_index.filter(|(_, item)| item.create.result() != DocumentResult::Stored);
        let Some((number, first)) = bad.next() else { return };
        if !self.throttle.allows() {
            return;
        }
        let words = first.create.error.as_ref().map(response::Cause::words);
        log::warn!(
            "opensearch: {} of {} documents were not stored; the first, for {}: {} {}",
            1 + bad.count(),
            bulk.items.len(),
            self.indices.get(*number).name,
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
            if index.is_ok_and(|number| self.indices.get(number).state == IndexState::NoName) {
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
        self.service.client.cancel()
    }
}
