//! OpenSearch: documents in indices of a day, each there once however often it is sent.
//!
//! Runs on its deliverer. Before documents of a new index are sent the index is created, with the original's
//! mapping; then all go in one `_bulk` request, whose answer tells the fate of each. It must not know how
//! often or when a batch is repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::OpenSearchConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::books::IndexBooks;
use crate::sinks::http::pem::FlagFile;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::{Client, Response};
use crate::sinks::opensearch::answer::{Bulk, Fate};
use crate::sinks::opensearch::indices::{Indices, State};
use crate::sinks::opensearch::service::Service;
use crate::sinks::opensearch::target::Target;
use crate::sinks::{Limits, Outcome, Reason, Row, Sink, Trigger, Verdict};

mod answer;
mod document;
mod indices;
mod service;
mod target;

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
    limits: Limits,
    indices: Indices,
    /// What an index is created with.
    settings: String,
    books: Arc<IndexBooks>,
    /// The lines of a request; kept for the next.
    lines: Vec<u8>,
    /// Of log lines about single documents.
    throttle: Throttle,
}

/// Where a row goes: the number of its index, or nowhere.
type Place = Result<usize, Reason>;

impl OpenSearch {
    /// As flags and environment say.
    ///
    /// # Errors
    /// The URL is none, or certificates cannot be read; names the variable or the flag.
    pub(crate) fn new(config: &OpenSearchConfig, books: Arc<IndexBooks>) -> anyhow::Result<Self> {
        let (url, password) = (config.url.expose(), config.password.expose());
        let bytes = config.bulk_size_bytes.clamp(1, FLAG_MAX_BYTES);
        let tls = TlsOptions {
            ca: FlagFile::new("-opensearch-ca-path", &config.ca_path),
            insecure: config.insecure,
            ..TlsOptions::default()
        };
        Ok(Self {
            service: Service {
                target: Target::new(url, &config.user, password)?,
                client: Client::new(tls)?,
            },
            limits: Limits {
                bytes,
                rows: BATCH_MAX_ROWS,
                period: config.bulk_period,
                max_bytes: bytes.max(BATCH_MAX_BYTES),
                max_rows: BATCH_MAX_ROWS,
            },
            indices: Indices::new(config.indices_max),
            settings: service::settings(config.shards, config.replicas),
            books,
            lines: Vec::new(),
            throttle: Throttle::default(),
        })
    }

    /// Where each row goes.
    fn places(&mut self, rows: &[Row<'_>]) -> Vec<Place> {
        self.indices.forget_old_days();
        rows.iter().map(|row| self.indices.find(row.index, row.time_ns)).collect()
    }

    /// Creates the indices that are needed and not known to be there. What the service refuses is noted:
    /// rows are sent all the same, since an index may be there that we may not create.
    fn create(&mut self, places: &[Place]) -> Result<(), Outcome> {
        let now = Instant::now();
        let numbers: BTreeSet<usize> = places.iter().flatten().copied().collect();
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
            400 if answer::exists_already(&answer.body) => self.made(number),
            400 if answer::is_no_name(&answer.body) => self.indices.set(number, State::NoName),
            300..=399 | 401 | 404 | 408 | 429 | 500.. => return Err(self.service.retry(&answer)),
            // The cluster takes no index at all, as when its disks are full.
            _ if answer::is_block(&answer.body) => return Err(self.service.retry(&answer)),
            status => {
                self.indices.set(number, State::Denied(now));
                log::warn!(
                    "opensearch: index {name} cannot be created: {status} {}",
                    answer::words(&answer.body)
                );
            }
        }
        Ok(())
    }

    fn made(&mut self, number: usize) {
        if self.indices.made(number) {
            self.books.connections.fetch_add(1, Relaxed);
        }
    }

    /// The documents of all rows that have a place.
    fn bulk(&mut self, rows: &[Row<'_>], places: &[Place]) -> Result<Response, Outcome> {
        self.lines.clear();
        for (row, place) in rows.iter().zip(places) {
            if let Ok(number) = place {
                document::write(&mut self.lines, row, &self.indices.get(*number).name);
            }
        }
        self.service.post_lines(BULK, &self.lines)
    }

    /// What the answer says of each row, and of the request.
    fn judge(
        &mut self,
        answer: &Response,
        places: &[Place],
        verdicts: &mut Vec<Verdict>,
    ) -> Outcome {
        match answer.status {
            200..=299 => {}
            413 => {
                let why =
                    format!("{} takes no requests of this size (413)", self.service.target.base);
                return Outcome::Split { why, reason: Reason::TooLong };
            }
            400 if answer::is_its_own(&answer.body) => {
                let words = answer::words(&answer.body);
                let why =
                    format!("{} cannot read a request: 400 {words}", self.service.target.base);
                return Outcome::Split { why, reason: Reason::Refused };
            }
            _ => return self.service.retry(answer),
        }
        let sent = places.iter().flatten().count();
        let bulk: Option<Bulk<'_>> = serde_json::from_str(&answer.body).ok();
        let Some(bulk) = bulk.filter(|bulk| bulk.items.len() == sent) else {
            let why = format!(
                "{} answers {}, but not for each document",
                self.service.target.base, answer.status
            );
            return Outcome::Retry { why, after: None };
        };
        for (number, item) in places.iter().flatten().zip(&bulk.items) {
            if item.create.fate() == Fate::Stored {
                self.made(*number);
                self.indices.served(*number);
            }
        }
        let mut items = bulk.items.iter();
        for place in places {
            verdicts.push(match place {
                Err(reason) => Verdict::Rejected(*reason),
                Ok(number) => match items.next() {
                    Some(item) => self.verdict(*number, item.create.fate()),
                    None => Verdict::Retry,
                },
            });
        }
        self.tell(places, &bulk);
        Outcome::Rows
    }

    /// What becomes of a row of this index.
    fn verdict(&mut self, number: usize, fate: Fate) -> Verdict {
        match fate {
            Fate::Stored => Verdict::Delivered,
            Fate::Refused => Verdict::Rejected(Reason::Refused),
            Fate::TooLong => Verdict::Rejected(Reason::TooLong),
            // It was there and is gone: to be created again.
            Fate::NoIndex if self.indices.get(number).state == State::Made => {
                self.indices.set(number, State::Unknown);
                Verdict::Retry
            }
            // Whoever sends names of indices that this user may not write to must not hold up the others.
            Fate::NoIndex | Fate::Denied
                if self.indices.get(number).state != State::Unknown
                    && self.indices.is_hopeless(number) =>
            {
                Verdict::Rejected(Reason::Refused)
            }
            Fate::Again | Fate::NoIndex | Fate::Denied => Verdict::Retry,
        }
    }

    /// Logs documents that were not stored, now and then.
    fn tell(&mut self, places: &[Place], bulk: &Bulk<'_>) {
        let of_index = places.iter().flatten().zip(&bulk.items);
        let mut bad = of_index.filter(|(_, item)| item.create.fate() != Fate::Stored);
        let Some((number, first)) = bad.next() else { return };
        if !self.throttle.allows() {
            return;
        }
        let words = first.create.error.as_ref().map(answer::Cause::words);
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
    fn limits(&self) -> Limits {
        self.limits
    }

    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        trigger: Trigger,
        verdicts: &mut Vec<Verdict>,
    ) -> Outcome {
        let mut places = self.places(rows);
        if let Err(outcome) = self.create(&places) {
            self.books.book(false, trigger);
            return outcome;
        }
        for place in &mut places {
            if place.is_ok_and(|number| self.indices.get(number).state == State::NoName) {
                *place = Err(Reason::IndexName);
            }
        }
        if places.iter().all(Result::is_err) {
            let rejected = places.iter().filter_map(|place| place.err());
            verdicts.extend(rejected.map(Verdict::Rejected));
            return Outcome::Rows;
        }
        let outcome = match self.bulk(rows, &places) {
            Ok(answer) => self.judge(&answer, &places, verdicts),
            Err(outcome) => outcome,
        };
        let stored = places
            .iter()
            .zip(&*verdicts)
            .all(|(place, verdict)| place.is_err() || *verdict == Verdict::Delivered);
        self.books.book(outcome == Outcome::Rows && stored, trigger);
        outcome
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.service.client.cancel()
    }
}
