//! What OpenSearch answers: to a bulk request, and when it does not do as asked.
//!
//! Pure. It judges by status and not by the names of exceptions, which differ between products and versions;
//! names are for the log and for answers that have no status of their own.

use std::borrow::Cow;

use serde::Deserialize;

use crate::text::excerpt::excerpt;

/// The answer to a bulk request, as far as `filter_path` lets it come.
#[derive(Deserialize)]
pub(super) struct Bulk<'a> {
    /// One for each document, in order.
    #[serde(borrow)]
    pub(super) items: Vec<Item<'a>>,
}

/// What became of a document.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    /// Under the name of what was asked for.
    #[serde(borrow)]
    pub(super) create: Created<'a>,
}

/// See [`Item`].
#[derive(Deserialize)]
pub(super) struct Created<'a> {
    /// HTTP's.
    pub(super) status: u16,
    /// Why not.
    #[serde(borrow, default)]
    pub(super) error: Option<Cause<'a>>,
}

/// An error in words.
#[derive(Deserialize)]
pub(super) struct Cause<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

/// What a document's status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentResult {
    /// It is there, by this request or by one before it whose answer did not arrive.
    Stored,
    /// To be sent again.
    Again,
    /// There is no such index.
    NoIndex,
    /// This user may not write to the index, or nobody may.
    Denied,
    /// Never to be stored: longer than allowed.
    TooLong,
    /// Never to be stored: it does not fit.
    Refused,
}

impl Created<'_> {
    /// What this means for the document.
    pub(super) fn result(&self) -> DocumentResult {
        let kind = self.error.as_ref().and_then(|cause| cause.kind.as_deref());
        match self.status {
            // The index was to be created for the document, and the cluster has no room for one more.
            400 if kind == Some("validation_exception") => DocumentResult::Denied,
            status => DocumentResult::of(status),
        }
    }
}

impl DocumentResult {
    /// Of a status.
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
    /// For the log.
    pub(super) fn words(&self) -> String {
        let (kind, reason) = (self.kind.as_deref(), self.reason.as_deref());
        excerpt(&[kind.unwrap_or("no type"), reason.unwrap_or("no reason")].join(": "))
    }
}

/// An answer that is an error.
#[derive(Deserialize)]
struct Failed<'a> {
    #[serde(borrow)]
    error: Cause<'a>,
}

/// Of an answer that is an error: its words for the log.
pub(super) fn words(body: &str) -> String {
    cause(body).map_or_else(|| excerpt(body), |cause| cause.words())
}

/// Whether an error is OpenSearch's, and not that of something before it.
pub(super) fn is_its_own(body: &str) -> bool {
    cause(body).is_some()
}

/// Whether the answer to the creation of an index is that it exists.
pub(super) fn exists_already(body: &str) -> bool {
    is(body, "resource_already_exists_exception")
}

/// Whether it is that no index can have such a name.
pub(super) fn is_no_name(body: &str) -> bool {
    is(body, "invalid_index_name_exception") && !body.contains("already exists as alias")
}

/// Whether an answer is that the cluster is closed to all, and not to us.
pub(super) fn is_block(body: &str) -> bool {
    is(body, "cluster_block_exception")
}

fn cause(body: &str) -> Option<Cause<'_>> {
    serde_json::from_str::<Failed<'_>>(body).ok().map(|failed| failed.error)
}

/// By type alone: names of indices, which anybody sends, stand in the other texts.
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
        assert_eq!(errors[0].words(), "mapper_parsing_exception: a \"b\" c");
        assert_eq!(errors[1].words(), "no type: no reason");
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
        assert_eq!(words(body), "security_exception: no permissions");
        assert!(is_its_own(body) && !is_its_own("<html>400</html>"));
        assert!(!is_block(body) && is_block(r#"{"error":{"type":"cluster_block_exception"}}"#));
        assert!(!exists_already(
            r#"{"error":{"type":"x","reason":"resource_already_exists_exception"}}"#
        ));
        assert_eq!(words("<html>\n502</html>"), "<html> 502</html>");
    }
}
