//! What OpenSearch answers to a bulk request and to the creation of an index.
//!
//! Pure. Statuses decide, since the names of exceptions differ between products and versions. Names are read for the
//! log, and where a status alone has two meanings.

use std::borrow::Cow;

use serde::Deserialize;

use crate::sinks::http::Response;

/// The answer to a bulk request, as far as the request's `filter_path` asks for it.
#[derive(Deserialize)]
pub(super) struct Bulk<'a> {
    /// One for each document, in the order of the request.
    #[serde(borrow)]
    pub(super) items: Vec<Item<'a>>,
}

/// What became of a document, under the name of the action that was asked for.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    /// The only action that is ever asked for.
    #[serde(borrow)]
    pub(super) create: Created<'a>,
}

/// What became of a document.
#[derive(Deserialize)]
pub(super) struct Created<'a> {
    /// As in HTTP.
    pub(super) status: u16,
    /// Why it was not created.
    #[serde(borrow, default)]
    pub(super) error: Option<Cause<'a>>,
}

/// An error, as OpenSearch tells it.
#[derive(Deserialize)]
pub(super) struct Cause<'a> {
    /// The name of an exception.
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

/// What a document's status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentResult {
    /// It is stored, by this request or by an earlier one whose answer did not arrive.
    Stored,
    /// It has to be sent again.
    Again,
    /// There is no such index.
    NoIndex,
    /// This user may not write to the index, or nobody may.
    Denied,
    /// It will never be stored, since it is too long.
    TooLong,
    /// It will never be stored, since it does not fit the index.
    Refused,
}

impl Created<'_> {
    /// Whether the service failed over the document itself. With 503 a shard is away, and with 429 there is too much to do,
    /// whatever the document is.
    pub(super) fn has_failed(&self) -> bool {
        self.status == 500
    }

    /// What this means for the document.
    pub(super) fn result(&self) -> DocumentResult {
        let kind = self.error.as_ref().and_then(|cause| cause.kind.as_deref());
        match self.status {
            // The document's index is absent, and the cluster has no room for one more.
            400 if kind == Some("validation_exception") => DocumentResult::Denied,
            status => DocumentResult::of(status),
        }
    }
}

impl DocumentResult {
    /// What the status of a document means.
    fn of(status: u16) -> Self {
        match status {
            200..=299 | 409 => Self::Stored,
            404 => Self::NoIndex,
            401 | 403 => Self::Denied,
            413 => Self::TooLong,
            400..=407 | 410..=428 | 430..=499 => Self::Refused,
            _ => Self::Again,
        }
    }
}

impl Cause<'_> {
    /// Name and reason, which stand in this answer, for the log.
    pub(super) fn words(&self, answer: &Response) -> String {
        let (kind, reason) = (self.kind.as_deref(), self.reason.as_deref());
        answer.shown(&[kind.unwrap_or("no type"), reason.unwrap_or("no reason")].join(": "))
    }
}

/// An answer of OpenSearch that is an error.
#[derive(Deserialize)]
struct Failed<'a> {
    #[serde(borrow)]
    error: Cause<'a>,
}

/// What an answer that is an error says, for the log.
pub(super) fn words(answer: &Response) -> String {
    let body = &answer.body;
    cause(body).map_or_else(|| answer.shown(body), |cause| cause.words(answer))
}

/// Whether an answer can be OpenSearch's: it answers all that it is asked in JSON.
pub(super) fn is_json(body: &str) -> bool {
    body.trim_start().starts_with('{')
}

/// Whether an answer is a page for people, which a proxy makes.
pub(super) fn is_page(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

/// Whether an error comes from OpenSearch, and not from a proxy in front of it.
pub(super) fn is_its_own(body: &str) -> bool {
    cause(body).is_some()
}

/// Whether the answer to the creation of an index is that it exists already.
pub(super) fn exists_already(body: &str) -> bool {
    is(body, "resource_already_exists_exception")
}

/// Whether the answer to the creation of an index is that no index can have its name.
pub(super) fn is_no_name(body: &str) -> bool {
    is(body, "invalid_index_name_exception") && !body.contains("already exists as alias")
}

/// Whether an answer is that the cluster takes nothing from anybody, as when its disks are full.
pub(super) fn is_block(body: &str) -> bool {
    is(body, "cluster_block_exception")
}

fn cause(body: &str) -> Option<Cause<'_>> {
    serde_json::from_str::<Failed<'_>>(body).ok().map(|failed| failed.error)
}

/// Whether the answer is an error with this name. The other texts are not searched, since they may hold names of
/// indices, which anybody can send.
fn is(body: &str, kind: &str) -> bool {
    cause(body).is_some_and(|cause| cause.kind.as_deref() == Some(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_with_and_without_errors() {
        let body = r#"{"errors":true,"items":[{"create":{"status":201}},
            {"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"a \"b\"\nc"}}},
            {"create":{"status":429,"error":{"type":null}}}]}"#;
        let bulk: Bulk<'_> = serde_json::from_str(body).unwrap();
        let statuses: Vec<_> = bulk.items.iter().map(|item| item.create.status).collect();
        assert_eq!(statuses, [201, 400, 429]);
        let errors: Vec<_> =
            bulk.items.iter().filter_map(|item| item.create.error.as_ref()).collect();
        let answer = Response::made(200, None, body);
        assert_eq!(errors[0].words(&answer), "mapper_parsing_exception: a \"b\" c");
        assert_eq!(errors[1].words(&answer), "no type: no reason");
    }

    #[test]
    fn statuses_decide() {
        let cases = [
            (200, DocumentResult::Stored),
            (201, DocumentResult::Stored),
            (409, DocumentResult::Stored),
            (400, DocumentResult::Refused),
            (401, DocumentResult::Denied),
            (403, DocumentResult::Denied),
            (404, DocumentResult::NoIndex),
            (408, DocumentResult::Again),
            (413, DocumentResult::TooLong),
            (429, DocumentResult::Again),
            (500, DocumentResult::Again),
            (503, DocumentResult::Again),
            (0, DocumentResult::Again),
        ];
        for (status, result) in cases {
            assert_eq!(DocumentResult::of(status), result, "{status}");
        }
    }

    #[test]
    fn an_error_is_told_in_its_own_words_where_it_has_any() {
        let body = r#"{"error":{"root_cause":[],"type":"security_exception","reason":"no permissions"},"status":403}"#;
        let of = |body| words(&Response::made(403, None, body));
        assert_eq!(of(body), "security_exception: no permissions");
        assert!(is_its_own(body) && !is_its_own("<html>400</html>"));
        assert!(!is_block(body) && is_block(r#"{"error":{"type":"cluster_block_exception"}}"#));
        assert!(!exists_already(
            r#"{"error":{"type":"x","reason":"resource_already_exists_exception"}}"#
        ));
        assert_eq!(of("<html>\n502</html>"), "<html> 502</html>");
    }
}
