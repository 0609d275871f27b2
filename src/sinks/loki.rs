//! Loki: `event` messages as lines of its streams.
//!
//! Runs on its deliverer. A push is a gzipped JSON body with the entries of a batch, each with the time at
//! which it was received, which rises from row to row. It must not know queues or retries.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http::{HeaderValue, Uri};

use crate::config::LokiConfig;
use crate::sinks::http::{Client, Head, Tls};
use crate::sinks::{Limits, Outcome, Reason, Row, Sink, Trigger, Verdict};

use answer::Fate;
use labels::Pick;
use streams::Streams;

mod answer;
mod labels;
mod streams;

/// The original's: a push at once at 500 events, and every 5 s. Loki's own messages hold 4 MiB at most;
/// 1 MB of rows stays far below in any encoding.
const LIMITS: Limits = Limits {
    bytes: 1_000_000,
    rows: 500,
    period: Duration::from_secs(5),
    max_bytes: 1_000_000,
    max_rows: 5_000,
};
/// The shortest time between two log lines that say that rows are thrown away.
const LOG_PERIOD: Duration = Duration::from_secs(10);

/// The sink.
#[derive(Debug)]
pub(crate) struct Loki {
    client: Client,
    url: String,
    /// The address without a user and password, for the log.
    place: String,
    tenant: String,
    pick: Pick,
    complained: Option<Instant>,
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
        let client = Client::new(Tls {
            ca: ("-loki-ca-path", config.ca_path.clone()),
            cert: ("-loki-cert-path", config.cert_path.clone()),
            key: ("-loki-key-path", config.key_path.clone()),
            insecure: false,
        })?;
        Ok(Self {
            client,
            url: config.address.clone(),
            place,
            tenant: config.tenant.clone(),
            pick: Pick::new(&config.labels)?,
            complained: None,
        })
    }

    /// Sends a body and reads the answer. `longest` are the bytes of its longest line.
    fn push(&mut self, body: &[u8], longest: usize) -> Fate {
        let packed = match gzip(body) {
            Ok(packed) => packed,
            Err(error) => return Fate::Told(answer::none(&self.place, &error.into())),
        };
        let mut headers = vec![("content-type", "application/json"), ("content-encoding", "gzip")];
        if !self.tenant.is_empty() {
            headers.push(("x-scope-orgid", &self.tenant));
        }
        let head = Head { method: "POST", url: &self.url, headers: &headers };
        match self.client.send(head, &packed) {
            Ok(answer) => answer::fate(&self.place, &answer, longest),
            Err(error) => Fate::Told(answer::none(&self.place, &error)),
        }
    }

    /// One push of the rows; tells of each whether its text is a message.
    fn attempt(&mut self, rows: &[Row<'_>], known: &mut Vec<bool>) -> Fate {
        let mut streams = Streams::default();
        known.clear();
        known.extend(rows.iter().map(|row| streams.add(row, &self.pick)));
        let body = streams.into_body();
        let longest = rows.iter().map(|row| row.text.len()).max().unwrap_or(0);
        if body.is_empty() { Fate::Delivered } else { self.push(&body, longest) }
    }

    fn complain_blocked(&mut self) {
        if self.complained.is_none_or(|last| last.elapsed() >= LOG_PERIOD) {
            self.complained = Some(Instant::now());
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
        let mut known = Vec::with_capacity(rows.len());
        let mut fate = self.attempt(rows, &mut known);
        if fate == Fate::Bare && !self.pick.bare {
            log::warn!(
                "loki: {} seems to take no structured metadata (allow_structured_metadata, schema v13): labels beside the stream are in the line alone",
                self.place
            );
            self.pick.bare = true;
            fate = self.attempt(rows, &mut known);
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
        let of_row = |known| if known { verdict } else { Verdict::Rejected(Reason::Unreadable) };
        verdicts.extend(known.into_iter().map(of_row));
        Outcome::Rows
    }

    fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

/// Where an address leads, without what may be a password in it.
fn place(address: &str) -> anyhow::Result<String> {
    // The address itself is not repeated: it may hold a password.
    let uri: Uri = address.parse().context("-loki-address: it is no address")?;
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
    ensure!(
        matches!(scheme, "http" | "https") && !host.is_empty(),
        "-loki-address: it must begin with http:// or https:// and a host, as in http://loki:3100/loki/api/v1/push"
    );
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{host}{port}{}", uri.path()))
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    packer.write_all(body)?;
    packer.finish()
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
