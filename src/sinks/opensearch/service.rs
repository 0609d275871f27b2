//! The service behind its URL: a request with who we are, and what it means that there is no good answer.
//!
//! Runs on the sender. It must not know rows.

use super::endpoint::Endpoint;
use super::response;
use crate::sinks::Outcome;
use crate::sinks::gzip::gzip;
use crate::sinks::http::{Client, RequestHead, Response};

/// Where requests go.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) endpoint: Endpoint,
    pub(super) client: Client,
}

impl Service {
    /// Puts a JSON document at this path. Without an answer the outcome is to try again.
    pub(super) fn put(&mut self, path: &str, json: &str) -> Result<Response, Outcome> {
        let headers = [("content-type", "application/json")];
        self.send("PUT", path, &headers, json.as_bytes()).map_err(|error| self.no_answer(&error))
    }

    /// Posts lines of JSON, compressed. Without an answer the outcome is to try again.
    pub(super) fn post_lines(&mut self, path: &str, lines: &[u8]) -> Result<Response, Outcome> {
        let headers = [("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];
        let body = gzip(lines).map_err(anyhow::Error::from);
        let response = body.and_then(|body| self.send("POST", path, &headers, &body));
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

    /// Of an answer that says nothing about single rows: to try again, with what the operator can do.
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

/// What an index is created with: the original's, to the byte where the numbers are its own.
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
