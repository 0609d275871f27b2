//! What Loki's answer says about the rows of a push.
//!
//! Pure. A 400 does not say which entries were refused: it names a few, or the last stream, while all
//! others are stored. So a batch with a 400 is sent again in halves until the refused ones are alone. That
//! doubles nothing, since Loki takes an entry of the same stream, time and line for the one that it holds.

use std::time::Duration;

use crate::sinks::http::Response;
use crate::sinks::{Outcome, Reason};
use crate::text::excerpt::excerpt;

/// Loki's default bound for a line.
const LINE_MAX_BYTES: usize = 256 * 1024;

/// Loki's own setting, which it names when it refuses metadata.
const NO_METADATA: &str = "allow_structured_metadata";

/// What becomes of the rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Loki has all of them.
    Delivered,
    /// It takes nothing now, and has thrown them away on purpose.
    Blocked,
    /// It takes no structured metadata, as its operator or its older schema has it.
    Bare,
    /// None of these: for the deliverer.
    Told(Outcome),
}

/// Reads the answer to a push to `place`, whose longest line has so many bytes.
pub(super) fn fate(place: &str, answer: &Response, longest: usize) -> Fate {
    let said = shown(&answer.body);
    let retry = |why: String| Fate::Told(Outcome::Retry { why, after: answer.retry_after });
    let split = |why: String, reason| Fate::Told(Outcome::Split { why, reason });
    match answer.status {
        200 | 204 => Fate::Delivered,
        260 => Fate::Blocked,
        // As nginx says that it wants another certificate: no word of Loki's on these rows.
        400 if answer.body.trim_start().starts_with('<') => {
            retry(format!("{place}: something before Loki answers 400: {said}"))
        }
        400 if answer.body.contains(NO_METADATA) => Fate::Bare,
        400 if longest > LINE_MAX_BYTES => {
            split(format!("{place} refuses a line of {longest} bytes: {said}"), Reason::TooLong)
        }
        400 => Fate::Told(refused(place, &said)),
        413 => split(format!("{place} says that it is too much: {said}"), Reason::TooLong),
        401 | 403 => retry(format!(
            "{place} answers {}: {said}; see -loki-cert-path, -loki-tenant and the user in -loki-address",
            answer.status
        )),
        404 | 405 => retry(format!(
            "{place} answers {}: -loki-address must name all of the path, as in http://host:3100/loki/api/v1/push",
            answer.status
        )),
        429 => retry(format!("{place} asks for less: {said}")),
        status => retry(format!("{place} answers {status}: {said}")),
    }
}

/// Of a push with lines that Loki will never take.
pub(super) fn refused(place: &str, said: &str) -> Outcome {
    Outcome::Split { why: format!("{place} refuses a line: {said}"), reason: Reason::Refused }
}

/// Of rows whose lines are more than Loki takes at once.
pub(super) fn too_much(place: &str, bytes: usize) -> Outcome {
    let why = format!("{place} would not take {bytes} bytes of lines at once");
    Outcome::Split { why, reason: Reason::TooLong }
}

/// Of a push without an answer.
pub(super) fn none(place: &str, error: &anyhow::Error) -> Outcome {
    Outcome::Retry { why: format!("{place}: {error:#}"), after: None::<Duration> }
}

/// The start of a text, on one line.
fn shown(text: &str) -> String {
    let shown = excerpt(text);
    if shown.is_empty() { "no more is said".to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, longest: usize) -> Fate {
        let retry_after = Some(Duration::from_secs(7));
        fate("loki", &Response { status, retry_after, body: "no\n such".to_owned() }, longest)
    }

    #[test]
    fn only_200_and_204_are_success() {
        assert_eq!(
            (told(200, 1), told(204, 1), told(260, 1)),
            (Fate::Delivered, Fate::Delivered, Fate::Blocked)
        );
        for status in [100, 201, 202, 206, 301, 401, 403, 404, 405, 408, 418, 429, 500, 503] {
            let Fate::Told(Outcome::Retry { why, after }) = told(status, 1) else {
                panic!("{status}")
            };
            assert!(why.starts_with("loki "), "{why}");
            assert_eq!(after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn refusals_are_halved() {
        let reason = |status, longest| match told(status, longest) {
            Fate::Told(Outcome::Split { reason, .. }) => Some(reason),
            _ => None,
        };
        assert_eq!(reason(400, 1), Some(Reason::Refused));
        assert_eq!(reason(400, 262_145), Some(Reason::TooLong));
        assert_eq!(reason(413, 1), Some(Reason::TooLong));
    }

    #[test]
    fn a_page_is_no_answer_of_loki() {
        let body = "<html>\n<head><title>400 No required SSL certificate was sent".to_owned();
        let fate = fate("loki", &Response { status: 400, retry_after: None, body }, 1);
        assert!(matches!(fate, Fate::Told(Outcome::Retry { .. })), "{fate:?}");
    }

    #[test]
    fn an_empty_answer_is_called_so() {
        assert_eq!(shown(" a\n b\t"), "a b");
        assert_eq!(shown(" \n"), "no more is said");
    }
}
