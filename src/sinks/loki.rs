//! Loki: `event` messages as lines of its streams.
//!
//! Runs on its deliverer. A push is a gzipped JSON body with the entries of a batch, each with the time at
//! which it was received, which rises from row to row. It must not know queues or retries.

use std::time::Duration;

use anyhow::{Context, anyhow};
use ureq::http::HeaderValue;

use crate::config::LokiConfig;
use crate::logger::throttle::Throttle;
use crate::sinks::gzip::gzip;
use crate::sinks::http::pem::FlagFile;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::url::HttpUrl;
use crate::sinks::http::{Client, RequestHead, Response};
use crate::sinks::{Limits, Outcome, Reason, Row, Sink, Trigger, Verdict};

use answer::Fate;
use labels::Pick;
use streams::Streams;

mod answer;
mod labels;
mod streams;

/// The original's: a push at once at 500 events, and every 5 s.
const LIMITS: Limits = Limits {
    bytes: 1_000_000,
    rows: 500,
    period: Duration::from_secs(5),
    max_bytes: 1_000_000,
    max_rows: 5_000,
};
/// Loki's own messages hold 4 MiB at most, and carry labels beside the lines. Rows make so many bytes of
/// lines only if nearly all of their characters are escaped in JSON.
const LINES_MAX_BYTES: usize = 3_000_000;

/// The sink.
#[derive(Debug)]
pub(crate) struct Loki {
    client: Client,
    url: String,
    /// The address without a user and password, for the log.
    place: String,
    tenant: String,
    pick: Pick,
    /// Of log lines that say that rows are thrown away.
    throttle: Throttle,
}

impl Loki {
    /// Makes it as the flags say; connects to nothing yet.
    ///
    /// # Errors
    /// Names flag, value and what is wrong: an address that is none, a file that cannot be used, too many labels.
    pub(crate) fn new(config: &LokiConfig) -> anyhow::Result<Self> {
        let place = place(&config.address)?;
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
            place,
            tenant: config.tenant.clone(),
            pick: Pick::new(&config.labels)?,
            throttle: Throttle::default(),
        })
    }

    /// Sends a body and reads the answer. `longest` are the bytes of its longest line.
    fn push(&mut self, body: &[u8], longest: usize) -> Fate {
        match self.send(body) {
            Ok(response) => answer::fate(&self.place, &response, longest),
            Err(error) => Fate::Told(answer::none(&self.place, &error)),
        }
    }

    fn send(&mut self, body: &[u8]) -> anyhow::Result<Response> {
        let mut headers = vec![("content-type", "application/json"), ("content-encoding", "gzip")];
        if !self.tenant.is_empty() {
            headers.push(("x-scope-orgid", &self.tenant));
        }
        let head = RequestHead { method: "POST", url: &self.url, headers: &headers };
        self.client.send(head, &gzip(body)?)
    }

    /// One push of the rows.
    fn attempt(&mut self, rows: &[Row<'_>]) -> Fate {
        let mut streams = Streams::default();
        for row in rows {
            streams.add(row, &self.pick);
        }
        let lines = streams.lines();
        if lines.bytes > LINES_MAX_BYTES && rows.len() > 1 {
            return Fate::Told(answer::too_much(&self.place, lines.bytes));
        }
        self.push(&streams.into_body(), lines.longest)
    }

    fn complain_blocked(&mut self) {
        if self.throttle.allows() {
            log::warn!(
                "loki: {} answers 260: an operator has blocked the tenant, and rows are thrown away until that ends",
                self.place
            );
        }
    }
}

impl Sink for Loki {
    fn limits(&self) -> Limits {
        LIMITS
    }

    fn deliver(
        &mut self,
        rows: &[Row<'_>],
        _trigger: Trigger,
        verdicts: &mut Vec<Verdict>,
    ) -> Outcome {
        let mut fate = self.attempt(rows);
        if fate == Fate::Bare && !self.pick.bare {
            log::warn!(
                "loki: {} seems to take no structured metadata (allow_structured_metadata, schema v13): labels beside the stream are in the line alone",
                self.place
            );
            self.pick.bare = true;
            fate = self.attempt(rows);
            // Loki quotes labels: its words prove something only where the lines alone are taken.
            self.pick.bare = fate == Fate::Delivered;
        }
        let verdict = match fate {
            Fate::Delivered => Verdict::Delivered,
            Fate::Blocked => {
                self.complain_blocked();
                Verdict::Rejected(Reason::Blocked)
            }
            Fate::Bare => return answer::refused(&self.place, "metadata that it was not sent"),
            Fate::Told(outcome) => return outcome,
        };
        verdicts.resize(rows.len(), verdict);
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

/// Where an address leads, without what may be a password in it.
fn place(address: &str) -> anyhow::Result<String> {
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
        let shown = place("https://user:secret@loki:3100/loki/api/v1/push?x=1").unwrap();
        assert_eq!(shown, "https://loki:3100/loki/api/v1/push");
        for address in
            ["", "loki:3100", "/push", "ftp://user:secret@loki/x", "http://", "http://a b/"]
        {
            let error = format!("{:#}", place(address).unwrap_err());
            assert!(
                error.starts_with("-loki-address: it ") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
