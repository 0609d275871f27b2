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
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::url::HttpUrl;
use crate::sinks::http::{Client, RequestHead, Response};
use crate::sinks::{BatchLimits, Outcome, RejectReason, Row, RowResult, Sink, Trigger};

use labels::StreamLabels;
use response::PushResult;
use streams::Streams;

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
    url: Secret,
    /// The address without a user and password, for the log.
    address: String,
    tenant: String,
    stream_labels: StreamLabels,
    /// For log lines that say that rows are thrown away.
    throttle: Throttle,
}

impl Loki {
    /// Takes the flags; connects to nothing yet.
    ///
    /// # Errors
    /// The address is no URL, a file cannot be used, or there are too many labels; names the flag and its value.
    pub(crate) fn new(config: &LokiConfig) -> anyhow::Result<Self> {
        let address = address_without_user(config.address.expose())?;
        HeaderValue::from_str(&config.tenant).with_context(|| {
            format!("-loki-tenant {:?}: cannot be sent in a header", config.tenant)
        })?;
        let client = Client::new(TlsOptions {
            ca: FlagFile::new("-loki-ca-path", &config.ca_path),
            cert: FlagFile::new("-loki-cert-path", &config.cert_path),
            key: FlagFile::new("-loki-key-path", &config.key_path),
            insecure: false,
        })?;
        Ok(Self {
            client,
            url: config.address.clone(),
            address,
            tenant: config.tenant.clone(),
            stream_labels: StreamLabels::new(&config.labels)?,
            throttle: Throttle::default(),
        })
    }

    /// Sends a body and reads the answer. `longest` are the bytes of the body's longest line.
    fn push(&mut self, body: &[u8], longest: usize) -> PushResult {
        match self.send(body) {
            Ok(response) => response::result(&self.address, &response, longest),
            Err(error) => PushResult::Batch(response::no_answer(&self.address, &error)),
        }
    }

    fn send(&mut self, body: &[u8]) -> anyhow::Result<Response> {
        let mut headers = vec![("content-type", "application/json"), ("content-encoding", "gzip")];
        if !self.tenant.is_empty() {
            headers.push(("x-scope-orgid", &self.tenant));
        }
        let head = RequestHead { method: "POST", url: self.url.expose(), headers: &headers };
        self.client.send(head, &gzip(body)?)
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
            PushResult::NoMetadata => {
                return response::refused(&self.address, "metadata that it was not sent");
            }
            PushResult::Batch(outcome) => return outcome,
        };
        results.resize(rows.len(), result);
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

/// The address without its user and password, for the log.
fn address_without_user(address: &str) -> anyhow::Result<String> {
    match HttpUrl::parse(address) {
        Ok(url) => Ok(url.without_user()),
        Err(cause) => {
            Err(anyhow!("-loki-address: {cause}; it looks like http://loki:3100/loki/api/v1/push"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_shows_no_password() {
        let shown =
            address_without_user("https://user:secret@loki:3100/loki/api/v1/push?x=1").unwrap();
        assert_eq!(shown, "https://loki:3100/loki/api/v1/push");
        for address in
            ["", "loki:3100", "/push", "ftp://user:secret@loki/x", "http://", "http://a b/"]
        {
            let error = format!("{:#}", address_without_user(address).unwrap_err());
            assert!(
                error.starts_with("-loki-address: it ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
