//! Loki: messages with `op` `event` become lines of its streams.
//!
//! Runs on its sender. A push is a gzipped JSON body with one entry for each row of a batch. The time of an entry is
//! that at which the row was received, and rises from row to row. The sink must not know queues or retries.

use std::time::Duration;

use anyhow::{Context, anyhow};
use ureq::http::HeaderValue;

use crate::config::{LokiConfig, Secret};
use crate::logger::throttle::Throttle;
use crate::sinks::gzip::gzip;
use crate::sinks::http::flag_file::FlagFile;
use crate::sinks::http::no_answer::NoAnswer;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::url::HttpUrl;
use crate::sinks::http::{Client, QUESTION_TIMEOUT, REQUEST_TIMEOUT, RequestHead, Response};
use crate::sinks::{BatchLimits, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

use by_stream::ByStream;
use labels::{EntryLabels, StreamLabels};
use response::PushResult;
use streams::Streams;

mod by_stream;
mod labels;
mod response;
mod streams;

/// As in the original, 500 events are pushed at once, and fewer after 5 s.
const LIMITS: BatchLimits = BatchLimits {
    bytes: 1_000_000,
    rows: 500,
    period: Duration::from_secs(5),
    max_bytes: 1_000_000,
    max_rows: 5_000,
};
/// Bytes of lines in one push. Inside Loki a push becomes a message, which may have 4 MiB with its labels. The rows
/// of a batch, 1 MB, make lines of 3 MB only if nearly all of their characters are escaped in JSON.
const LINES_MAX_BYTES: usize = 3_000_000;

/// The sink.
#[derive(Debug)]
pub(crate) struct Loki {
    client: Client,
    /// Without a user and password, but with a query.
    url: Secret,
    /// Without a query as well, for the log.
    address: String,
    tenant: String,
    stream_labels: StreamLabels,
    /// How long a request may take.
    time_limit: Duration,
    /// Makes one number of a stream.
    kin: ahash::RandomState,
    /// For log lines that say that rows are thrown away.
    throttle: Throttle,
}

impl Loki {
    /// Takes the flags; connects to nothing yet.
    ///
    /// # Errors
    /// The address is no URL, a file cannot be used, or there are too many labels; names the flag and its value.
    pub(crate) fn new(config: &LokiConfig) -> anyhow::Result<Self> {
        let url = url(config.address.expose())?;
        let login = url.login().map_err(|cause| anyhow!("-loki-address: {cause}"))?;
        HeaderValue::from_str(&config.tenant).with_context(|| {
            format!("-loki-tenant {:?}: cannot be sent in a header", config.tenant)
        })?;
        let tls = TlsOptions {
            ca: FlagFile::new("-loki-ca-path", &config.ca_path),
            cert: FlagFile::new("-loki-cert-path", &config.cert_path),
            key: FlagFile::new("-loki-key-path", &config.key_path),
            insecure: false,
        };
        Ok(Self {
            client: Client::new(tls, login)?,
            url: Secret::new(url.with_query()),
            address: url.without_user(),
            tenant: config.tenant.clone(),
            stream_labels: StreamLabels::new(&config.labels)?,
            time_limit: REQUEST_TIMEOUT,
            kin: ahash::RandomState::new(),
            throttle: Throttle::default(),
        })
    }

    /// Sends a body and reads the answer. `longest` are the bytes of the body's longest line.
    fn push(&mut self, body: &[u8], longest: usize) -> PushResult {
        match self.send(body, self.time_limit) {
            Ok(response) => response::result(&self.address, &response, longest),
            Err(error) => PushResult::Batch(response::no_answer(&self.address, &error)),
        }
    }

    fn send(&mut self, body: &[u8], limit: Duration) -> Result<Response, NoAnswer> {
        let mut headers = vec![("content-type", "application/json"), ("content-encoding", "gzip")];
        if !self.tenant.is_empty() {
            headers.push(("x-scope-orgid", &self.tenant));
        }
        let url = self.url.expose();
        let head = RequestHead { method: "POST", url, headers: &headers, limit };
        self.client.send(head, &gzip(body))
    }

    /// Pushes the rows once.
    fn attempt(&mut self, rows: &[Row<'_>]) -> PushResult {
        let mut streams = Streams::default();
        for row in rows {
            streams.add(row, &self.stream_labels);
        }
        let lines = streams.lines();
        if lines.bytes > LINES_MAX_BYTES && rows.len() > 1 {
            return PushResult::Batch(response::too_much(&self.address, lines.bytes));
        }
        self.push(&streams.into_body(), lines.longest)
    }

    /// Pushes the rows of fewer streams at once, since Loki does not take those of all. The rows of a stream that it does
    /// not take are to come later.
    fn push_by_stream(&mut self, rows: &[Row<'_>], results: &mut Vec<RowResult>) {
        results.resize(rows.len(), RowResult::Retry);
        let mut search = ByStream::new(rows.iter().map(|row| self.kin(row)));
        while let Some(some) = search.next() {
            let pushed: Vec<_> = some.places.iter().map(|place| rows[*place].clone()).collect();
            match self.attempt(&pushed) {
                PushResult::Delivered => {
                    some.places.iter().for_each(|place| results[*place] = RowResult::Delivered);
                }
                PushResult::SomeStreams(_) => search.not_all(&some),
                // That comes again with the rows that are left.
                PushResult::Blocked | PushResult::NoMetadata | PushResult::Batch(_) => return,
            }
        }
    }

    fn complain_of_streams(&mut self, why: &str) {
        if self.throttle.allows() {
            log::warn!(
                "loki: {why}; its rows wait, those of others do not{}",
                self.throttle.left_out()
            );
        }
    }

    fn complain_blocked(&mut self) {
        if self.throttle.allows() {
            log::warn!(
                "loki: {} answers 260: an operator has blocked the tenant, and rows are thrown away until that ends",
                self.address
            );
        }
    }
}

impl Sink for Loki {
    fn limits(&self) -> BatchLimits {
        LIMITS
    }

    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        _trigger: Trigger,
        results: &mut Vec<RowResult>,
    ) -> Outcome {
        let mut result = self.attempt(rows);
        if result == PushResult::NoMetadata && self.stream_labels.with_metadata {
            log::warn!(
                "loki: {} seems to take no structured metadata (allow_structured_metadata, schema v13): labels beside the stream are in the line alone",
                self.address
            );
            self.stream_labels.with_metadata = false;
            result = self.attempt(rows);
            // Loki quotes labels in its answers, and a label may hold the words that were looked for. Only if the
            // lines are taken without metadata was the metadata the cause.
            self.stream_labels.with_metadata = result != PushResult::Delivered;
        }
        let result = match result {
            PushResult::Delivered => RowResult::Delivered,
            PushResult::Blocked => {
                self.complain_blocked();
                RowResult::Rejected(RejectReason::Blocked)
            }
            PushResult::SomeStreams(why) => {
                self.complain_of_streams(&why);
                self.push_by_stream(rows, results);
                return Outcome::Rows;
            }
            PushResult::NoMetadata => {
                return response::refused(&self.address, "metadata that it was not sent");
            }
            PushResult::Batch(outcome) => return outcome,
        };
        results.resize(rows.len(), result);
        Outcome::Rows
    }

    fn limit_time(&mut self, limit: Duration) {
        self.time_limit = limit;
    }

    fn is_well(&mut self) -> bool {
        // Only the path of pushes is known to lead to Loki.
        let answer = self.send(&Streams::default().into_body(), QUESTION_TIMEOUT);
        answer.is_ok_and(|answer| answer.status < 500)
    }

    fn kin(&self, row: &Row<'_>) -> u64 {
        let mut labels = EntryLabels::default();
        self.stream_labels.write(row.labels(), &mut labels);
        self.kin.hash_one(labels.stream)
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

fn url(address: &str) -> anyhow::Result<HttpUrl<'_>> {
    HttpUrl::parse(address).map_err(|cause| {
        anyhow!("-loki-address: {cause}; it looks like http://loki:3100/loki/api/v1/push")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_no_url_is_not_shown() {
        for address in
            ["", "loki:3100", "/push", "ftp://user:secret@loki/x", "http://", "http://a b/"]
        {
            let error = format!("{:#}", url(address).err().unwrap());
            assert!(
                error.starts_with("-loki-address: it ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
