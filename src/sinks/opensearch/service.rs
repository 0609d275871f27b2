//! The service: sends it requests with the login, and says what to do if the answer is no good one.
//!
//! Runs on the sender. It must not know rows.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::endpoint::Endpoint;
use super::response::{self, Bulk};
use crate::sinks::gzip::gzip;
use crate::sinks::http::no_answer::NoAnswer;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::{Client, QUESTION_TIMEOUT, RequestHead, Response};
use crate::sinks::{Outcome, RejectReason};

/// The longest time for the creation of an index. It may take long, but all rows wait for it.
const CREATION_TIMEOUT: Duration = Duration::from_secs(10);

/// The characters of a name that are percent-encoded in a path: all but RFC 3986's unreserved ones.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where requests go.
#[derive(Debug)]
pub(super) struct Service {
    /// The URL without a login, and without a slash at its end.
    base: String,
    client: Client,
    /// The body of a request that creates an index.
    settings: String,
}

/// What the service says to the creation of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Creation {
    /// The index exists.
    Made,
    /// No index can have this name.
    NoName,
    /// This user may not create it, or something else is wrong with this index only; the log says what.
    Denied,
    /// The service said nothing, or something before it spoke: it may be this index alone that is to be waited for.
    Unknown,
}

impl Service {
    /// The service at this endpoint; indices are created with these settings.
    ///
    /// # Errors
    /// Certificates cannot be used; names flag and path.
    pub(super) fn new(
        endpoint: Endpoint,
        tls: TlsOptions,
        settings: String,
    ) -> anyhow::Result<Self> {
        let Endpoint { base, login } = endpoint;
        Ok(Self { base, client: Client::new(tls, login)?, settings })
    }

    /// What ends a request that is under way and makes later ones fail at once; for another thread.
    pub(super) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }

    /// Creates an index.
    ///
    /// # Errors
    /// The service cannot be reached, or takes no index now: the outcome is to try again.
    pub(super) fn create_index(
        &mut self,
        name: &str,
        limit: Duration,
    ) -> Result<Creation, Outcome> {
        let path = format!("/{}", utf8_percent_encode(name, PATH));
        let head = RequestHead {
            method: "PUT",
            url: &(self.base.clone() + &path),
            headers: &[("content-type", "application/json")],
            limit: limit.min(CREATION_TIMEOUT),
        };
        let answer = match self.client.send(head, self.settings.as_bytes()) {
            Ok(answer) => answer,
            Err(error) if error.may_have_arrived() => {
                log::warn!("opensearch: index {name} cannot be created: {error}");
                return Ok(Creation::Unknown);
            }
            Err(error) => return Err(self.no_answer(&error)),
        };
        let is_own = response::is_json(&answer.body);
        match answer.status {
            200..=299 if is_own => Ok(Creation::Made),
            400 if response::exists_already(&answer.body) => Ok(Creation::Made),
            400 if response::is_no_name(&answer.body) => Ok(Creation::NoName),
            401 | 429 => Err(self.retry(&answer)),
            _ if response::is_block(&answer.body) => Err(self.retry(&answer)),
            status => {
                let words = response::words(&answer);
                log::warn!("opensearch: index {name} cannot be created: {status} {words}");
                let is_judged = is_own && matches!(status, 400 | 402..=407 | 409..=499);
                Ok(if is_judged { Creation::Denied } else { Creation::Unknown })
            }
        }
    }

    /// Whether the service answers a request that has nothing to do with documents.
    pub(super) fn is_well(&mut self) -> bool {
        let url = self.base.clone() + "/";
        let head = RequestHead { method: "GET", url: &url, headers: &[], limit: QUESTION_TIMEOUT };
        self.client.send(head, &[]).is_ok_and(|answer| answer.status < 500)
    }

    /// Posts the lines of a bulk request, compressed.
    ///
    /// # Errors
    /// There is no answer: the outcome is to try again.
    pub(super) fn post_bulk(&mut self, lines: &[u8], limit: Duration) -> Result<Response, Outcome> {
        // The service gives up on documents sooner than our client gives up on the whole request, and says on which.
        // The filter leaves out all of the answer that is not read.
        let url = format!(
            "{}/_bulk?timeout={}ms&filter_path=items.*.status,items.*.error.type,items.*.error.reason",
            self.base,
            (limit * 2 / 3).as_millis()
        );
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
        let head = RequestHead { method: "POST", url: &url, headers: &headers, limit };
        self.client.send(head, &gzip(lines)).map_err(|error| self.no_answer(&error))
    }

    fn no_answer(&self, error: &NoAnswer) -> Outcome {
        let cause = error.to_string();
        let hint = if cause.contains("certificate") {
            "; -opensearch-ca-path names the authority that vouches for it"
        } else {
            ""
        };
        let why = format!("{} does not answer: {cause}{hint}", self.base);
        if error.may_have_arrived() {
            Outcome::NoVerdict { why, after: None }
        } else {
            Outcome::Retry { why, after: None }
        }
    }

    /// Reads the answer to a bulk request with so many documents.
    ///
    /// # Errors
    /// It does not say for each document what became of it: what is to be done with all of them.
    pub(super) fn bulk_results<'a>(
        &self,
        answer: &'a Response,
        documents: usize,
    ) -> Result<Bulk<'a>, Outcome> {
        let base = &self.base;
        match answer.status {
            200..=299 if response::is_json(&answer.body) => {}
            413 if response::is_page(&answer.body) => {
                let why = format!("something before {base} takes no requests of this size (413)");
                return Err(Outcome::NoVerdict { why, after: None });
            }
            413 => {
                let why = format!("{base} takes no requests of this size (413)");
                return Err(Outcome::Split { why, reason: RejectReason::TooLong });
            }
            400 if response::is_its_own(&answer.body) => {
                let words = response::words(answer);
                let why = format!("{base} cannot read a request: 400 {words}");
                return Err(Outcome::Split { why, reason: RejectReason::Refused });
            }
            _ => return Err(self.retry(answer)),
        }
        let bulk: Option<Bulk<'_>> = serde_json::from_str(&answer.body).ok();
        bulk.filter(|bulk| bulk.items.len() == documents).ok_or_else(|| {
            let why = format!("{base} answers {}, but not for each document", answer.status);
            Outcome::NoVerdict { why, after: None }
        })
    }

    /// What to do with documents over each of which the service failed.
    pub(super) fn failed(&self, bulk: &Bulk<'_>, answer: &Response) -> Outcome {
        let mut causes = bulk.items.iter().filter_map(|item| item.create.error.as_ref());
        let words = causes.next().map(|cause| cause.words(answer)).unwrap_or_default();
        let why = format!("{} fails over each document: 500 {words}", self.base);
        Outcome::NoVerdict { why, after: None }
    }

    /// Tries again after an answer that says nothing about single rows; the reason says what the operator can do.
    fn retry(&self, answer: &Response) -> Outcome {
        let hint = match answer.status {
            401 => {
                "; METRICS_SERVER_SEARCH_USER and METRICS_SERVER_SEARCH_PASSWORD are not right there"
            }
            403 if !response::is_block(&answer.body) => "; this user may not do that",
            200..=399 | 404 => {
                "; METRICS_SERVER_SEARCH_URL, or what stands before it, is not right"
            }
            _ => "",
        };
        let words = response::words(answer);
        let why = format!("{} answers {}: {words}{hint}", self.base, answer.status);
        let after = answer.retry_after;
        // One that names a time knows what is wrong with it.
        let has_failed = matches!(answer.status, 408 | 500..) && after.is_none();
        if has_failed { Outcome::NoVerdict { why, after } } else { Outcome::Retry { why, after } }
    }
}

/// The settings and the mapping that an index is created with. With the original's numbers they are the original's
/// to the byte.
pub(super) fn settings(shards: usize, replicas: usize) -> String {
    format!(
        r#"{{
  "settings": {{
    "index": {{
      "number_of_shards": {shards},
      "number_of_replicas": {replicas}
    }}
  }},
  "mappings": {{
    "properties": {{
      "timestamp": {{
        "type": "date",
        "format": "yyyy-MM-dd HH:mm:ss||yyyy-MM-dd||epoch_millis||strict_date_optional_time_nanos"
      }},
      "value": {{
        "type": "double"
      }}
    }}
  }}
}}"#
    )
}
