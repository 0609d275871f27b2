//! The service: sends it requests with the login, and says what to do if the answer is no good one.
//!
//! Runs on the sender. It must not know rows.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::endpoint::Endpoint;
use super::response::{self, Bulk};
use crate::sinks::gzip::gzip;
use crate::sinks::http::{Client, RequestHead, Response};
use crate::sinks::{Outcome, RejectReason};

/// The path of a bulk request. The service gives up on documents after 20 s and says on which, since our client
/// gives up on the whole request after 30 s. The filter leaves out all of the answer that is not read.
const BULK: &str =
    "/_bulk?timeout=20s&filter_path=items.*.status,items.*.error.type,items.*.error.reason";

/// The characters of a name that are percent-encoded in a path: all but RFC 3986's unreserved ones.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where requests go.
#[derive(Debug)]
pub(super) struct Service {
    endpoint: Endpoint,
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
}

impl Service {
    /// The service at this endpoint; indices are created with these settings.
    pub(super) fn new(endpoint: Endpoint, client: Client, settings: String) -> Self {
        Self { endpoint, client, settings }
    }

    /// What ends a request that is under way and makes later ones fail at once; for another thread.
    pub(super) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }

    /// Creates an index.
    ///
    /// # Errors
    /// There is no answer, or the service takes no index now: the outcome is to try again.
    pub(super) fn create_index(&mut self, name: &str) -> Result<Creation, Outcome> {
        let path = format!("/{}", utf8_percent_encode(name, PATH));
        let headers = [("content-type", "application/json")];
        let body = self.settings.clone().into_bytes();
        let answer = self.send("PUT", &path, &headers, &body);
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        match answer.status {
            200..=299 => Ok(Creation::Made),
            400 if response::exists_already(&answer.body) => Ok(Creation::Made),
            400 if response::is_no_name(&answer.body) => Ok(Creation::NoName),
            300..=399 | 401 | 404 | 408 | 429 | 500.. => Err(self.retry(&answer)),
            _ if response::is_block(&answer.body) => Err(self.retry(&answer)),
            status => {
                let words = response::words(&answer.body);
                log::warn!("opensearch: index {name} cannot be created: {status} {words}");
                Ok(Creation::Denied)
            }
        }
    }

    /// Posts the lines of a bulk request, compressed.
    ///
    /// # Errors
    /// There is no answer: the outcome is to try again.
    pub(super) fn post_bulk(&mut self, lines: &[u8]) -> Result<Response, Outcome> {
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
        let body = gzip(lines).map_err(anyhow::Error::from);
        let response = body.and_then(|body| self.send("POST", BULK, &headers, &body));
        response.map_err(|error| self.no_answer(&error))
    }

    fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Response> {
        let url = [&self.endpoint.base, path].concat();
        let mut headers = headers.to_vec();
        let authorization = self.endpoint.authorization.as_deref();
        headers.extend(authorization.map(|value| ("authorization", value)));
        self.client.send(RequestHead { method, url: &url, headers: &headers }, body)
    }

    fn no_answer(&self, error: &anyhow::Error) -> Outcome {
        let cause = format!("{error:#}");
        let hint = if cause.contains("certificate") {
            "; -opensearch-ca-path names the authority that vouches for it"
        } else {
            ""
        };
        let why = format!("{} does not answer: {cause}{hint}", self.endpoint.base);
        Outcome::Retry { why, after: None }
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
        let base = &self.endpoint.base;
        match answer.status {
            200..=299 => {}
            413 => {
                let why = format!("{base} takes no requests of this size (413)");
                return Err(Outcome::Split { why, reason: RejectReason::TooLong });
            }
            400 if response::is_its_own(&answer.body) => {
                let words = response::words(&answer.body);
                let why = format!("{base} cannot read a request: 400 {words}");
                return Err(Outcome::Split { why, reason: RejectReason::Refused });
            }
            _ => return Err(self.retry(answer)),
        }
        let bulk: Option<Bulk<'_>> = serde_json::from_str(&answer.body).ok();
        bulk.filter(|bulk| bulk.items.len() == documents).ok_or_else(|| {
            let why = format!("{base} answers {}, but not for each document", answer.status);
            Outcome::Retry { why, after: None }
        })
    }

    /// Tries again after an answer that says nothing about single rows; the reason says what the operator can do.
    pub(super) fn retry(&self, answer: &Response) -> Outcome {
        let hint = match answer.status {
            401 => {
                "; METRICS_SERVER_SEARCH_USER and METRICS_SERVER_SEARCH_PASSWORD are not right there"
            }
            403 if !response::is_block(&answer.body) => "; this user may not do that",
            300..=399 | 404 => {
                "; METRICS_SERVER_SEARCH_URL, or what stands before it, is not right"
            }
            _ => "",
        };
        let words = response::words(&answer.body);
        let why = format!("{} answers {}: {words}{hint}", self.endpoint.base, answer.status);
        Outcome::Retry { why, after: answer.retry_after }
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
