//! What Loki's answer to a push says about the rows.
//!
//! Pure. With a 400 Loki has refused some entries and stored all others, but it does not say which: it names a few
//! entries, or the last stream. So the batch is sent again in halves, until each refused entry is alone. Entries
//! that were stored are not stored twice, since Loki drops an entry whose stream, time and line it has already.

use serde_json::{Map, Value};

use crate::sinks::http::Response;
use crate::sinks::http::no_answer::NoAnswer;
use crate::sinks::{Outcome, RejectReason};

/// The longest line that Loki takes by default.
const LINE_MAX_BYTES: usize = 256 * 1024;

/// The setting of Loki that its answer names when it refuses structured metadata.
const NO_METADATA: &str = "allow_structured_metadata";

/// What Loki says, in some case of letters, of a stream that it takes nothing of now: the tenant has all the streams that
/// it may have, or the stream has had more bytes a second than one may. It stores what belongs to others.
const STREAM_LIMITS: [&str; 2] = ["active stream limit exceeded", "per stream rate limit exceeded"];

/// What becomes of the rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PushResult {
    /// Loki has all rows.
    Delivered,
    /// Loki's operator has blocked the tenant: Loki says that it threw the rows away.
    Blocked,
    /// Loki takes no structured metadata, because its operator or its schema does not allow it. The rows may be
    /// pushed again without.
    NoMetadata,
    /// Loki takes nothing of one stream, or of some, at the moment; the text says why.
    SomeStreams(String),
    /// Anything else, and what the sender is to do with the batch.
    Batch(Outcome),
}

/// Reads the answer to a push. `address` is Loki's, for the log, and `longest` are the bytes of the longest line
/// that was pushed.
pub(super) fn result(address: &str, answer: &Response, longest: usize) -> PushResult {
    let said = shown(answer);
    let retry = |why: String| PushResult::Batch(Outcome::Retry { why, after: answer.retry_after });
    let split = |why: String, reason| PushResult::Batch(Outcome::Split { why, reason });
    match answer.status {
        204 => PushResult::Delivered,
        200 if is_success(&answer.body) => PushResult::Delivered,
        260 => PushResult::Blocked,
        // A page comes from a proxy, as for a login, or when nginx wants another certificate. Loki has not seen the
        // rows.
        200 => retry(format!("{address}: something before Loki answers 200: {said}")),
        400 if is_page(&answer.body) => {
            retry(format!("{address}: something before Loki answers 400: {said}"))
        }
        413 if is_page(&answer.body) => {
            let why = format!("{address}: something before Loki says that it is too much: {said}");
            PushResult::Batch(Outcome::NoVerdict { why, after: None })
        }
        400 if answer.body.contains(NO_METADATA) => PushResult::NoMetadata,
        400 if longest > LINE_MAX_BYTES => split(
            format!("{address} refuses a line of {longest} bytes: {said}"),
            RejectReason::TooLong,
        ),
        400 => PushResult::Batch(refused(address, &said)),
        413 => split(format!("{address} says that it is too much: {said}"), RejectReason::TooLong),
        401 | 403 => retry(format!(
            "{address} answers {}: {said}; see -loki-cert-path, -loki-tenant and the user in -loki-address",
            answer.status
        )),
        404 | 405 => retry(format!(
            "{address} answers {}: -loki-address must name all of the path, as in http://host:3100/loki/api/v1/push",
            answer.status
        )),
        429 if is_of_streams(&answer.body) => {
            PushResult::SomeStreams(format!("{address} takes nothing of a stream: {said}"))
        }
        429 => retry(format!("{address} asks for less: {said}")),
        status @ (408 | 500..) if answer.retry_after.is_none() => {
            let why = format!("{address} answers {status}: {said}");
            PushResult::Batch(Outcome::NoVerdict { why, after: None })
        }
        status => retry(format!("{address} answers {status}: {said}")),
    }
}

/// What to do with a push that has a line which Loki will never take.
pub(super) fn refused(address: &str, said: &str) -> Outcome {
    Outcome::Split {
        why: format!("{address} refuses a line: {said}"),
        reason: RejectReason::Refused,
    }
}

/// What to do with rows whose lines together are more than Loki takes in one push.
pub(super) fn too_much(address: &str, bytes: usize) -> Outcome {
    let why = format!("{address} would not take {bytes} bytes of lines at once");
    Outcome::Split { why, reason: RejectReason::TooLong }
}

/// What to do with a push that got no answer.
pub(super) fn no_answer(address: &str, error: &NoAnswer) -> Outcome {
    let why = format!("{address}: {error}");
    if error.may_have_arrived() {
        Outcome::NoVerdict { why, after: None }
    } else {
        Outcome::Retry { why, after: None }
    }
}

/// Whether the body of a 200 is that of a success: there is none, or an object of JSON that says so and nothing else.
/// Whatever a gateway says besides may be an error, under a name that nobody can know.
fn is_success(body: &str) -> bool {
    if body.trim().is_empty() {
        return true;
    }
    let Ok(told) = serde_json::from_str::<Map<String, Value>>(body) else { return false };
    told.iter().all(|(name, value)| name == "status" && (value == "success" || value == "ok"))
}

/// Whether a 429 speaks of single streams, and not of all that the tenant sends.
fn is_of_streams(body: &str) -> bool {
    let said = body.to_ascii_lowercase();
    STREAM_LIMITS.iter().any(|limit| said.contains(limit))
}

/// Whether an answer is a page for people.
fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// The beginning of an answer's text on one line, for the log.
fn shown(answer: &Response) -> String {
    let shown = answer.shown(&answer.body);
    if shown.is_empty() { "no more is said".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of_status(status: u16, longest: usize) -> PushResult {
        let retry_after = Some(Duration::from_secs(7));
        result("loki", &Response::made(status, retry_after, "no\n such"), longest)
    }

    #[test]
    fn only_lokis_own_word_is_success() {
        let of_body = |status, body: &str| result("loki", &Response::made(status, None, body), 1);
        for body in ["", "\n", "{}", r#"{"status":"ok"}"#, r#"{"status": "success"}"#] {
            assert_eq!(of_body(200, body), PushResult::Delivered, "{body}");
        }
        assert_eq!(of_body(204, ""), PushResult::Delivered);
        assert_eq!(of_body(260, ""), PushResult::Blocked);
        let others = [
            "<html>log in</html>",
            "OK",
            "[]",
            r#"{"error":"no"}"#,
            r#"{"message":"no"}"#,
            r#"{"code":401,"status":"ok"}"#,
            r#"{"status":"error"}"#,
            r#"{"status":401}"#,
            "{",
            "true",
        ];
        for body in others {
            let told = of_body(200, body);
            assert!(matches!(told, PushResult::Batch(Outcome::Retry { .. })), "{body}: {told:?}");
        }
        for status in [408, 500, 502, 503, 504] {
            let told = of_body(status, "no");
            assert!(matches!(told, PushResult::Batch(Outcome::NoVerdict { .. })), "{told:?}");
        }
        for status in [100, 201, 202, 206, 301, 401, 403, 404, 405, 408, 418, 429, 500, 503] {
            let PushResult::Batch(Outcome::Retry { why, after }) = of_status(status, 1) else {
                panic!("{status}")
            };
            assert!(why.starts_with("loki "), "{why}");
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn refusals_are_halved() {
        let reason = |status, longest| match of_status(status, longest) {
            PushResult::Batch(Outcome::Split { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(reason(400, 1), Some(RejectReason::Refused));
        assert_eq!(reason(400, 262_145), Some(RejectReason::TooLong));
        assert_eq!(reason(413, 1), Some(RejectReason::TooLong));
    }

    #[test]
    fn a_page_is_no_answer_of_loki() {
        for status in [200, 400] {
            let body = "<html>\n<head><title>400 No required SSL certificate was sent";
            let result = result("loki", &Response::made(status, None, body), 1);
            assert!(matches!(result, PushResult::Batch(Outcome::Retry { .. })), "{result:?}");
        }
    }

    #[test]
    fn limits_of_a_stream_are_told_apart_from_those_of_a_tenant() {
        let of = |body| result("loki", &Response::made(429, None, body), 1);
        for body in [
            "Maximum active stream limit exceeded when trying to create stream {a=\"1\"}",
            "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{}'",
        ] {
            assert!(matches!(of(body), PushResult::SomeStreams(_)), "{body}");
        }
        let tenant = of("Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)");
        assert!(matches!(tenant, PushResult::Batch(Outcome::Retry { .. })), "{tenant:?}");
    }

    #[test]
    fn an_empty_answer_is_called_so() {
        assert_eq!(shown(&Response::made(400, None, " a\n b\t")), "a b");
        assert_eq!(shown(&Response::made(400, None, " \n")), "no more is said");
    }
}
