//! OpenSearch as tests see it: what its bulk requests hold, how it answers, and a server that sends to it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::page::Page;
use super::peer::{Peer, Reply, Request};
use super::server::{BASE, Server};
use super::wait;

/// Where the service is.
pub(crate) const URL: &str = "METRICS_SERVER_SEARCH_URL";
/// Batches soon.
pub(crate) const SOON: [&str; 2] = ["-opensearch-bulk-period", "100ms"];

/// A document in a bulk request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) index: String,
    pub(crate) id: String,
    /// As sent.
    pub(crate) text: String,
}

impl Document {
    /// A member of it.
    pub(crate) fn get(&self, name: &str) -> Value {
        let document: Value = serde_json::from_str(&self.text).expect("a document is JSON");
        document[name].clone()
    }
}

/// Whether it is a bulk request.
pub(crate) fn is_bulk(request: &Request) -> bool {
    request.method == "POST" && request.path.contains("/_bulk?")
}

/// The documents of a bulk request.
///
/// # Panics
/// If a line is not what it must be.
pub(crate) fn documents(request: &Request) -> Vec<Document> {
    assert!(request.body.ends_with('\n'), "the last line has no end: {}", request.body);
    let lines: Vec<&str> = request.body.lines().collect();
    let pairs = lines.chunks(2).map(|pair| {
        let action: Value = serde_json::from_str(pair[0]).expect("an action is JSON");
        let text = |name: &str| action["create"][name].as_str().expect("a text").to_owned();
        Document { index: text("_index"), id: text("_id"), text: pair[1].to_owned() }
    });
    pairs.collect()
}

/// A whole answer with these statuses of documents; an error has its words.
pub(crate) fn items(statuses: &[u16]) -> Reply {
    let items: Vec<Value> = statuses
        .iter()
        .map(|status| match status {
            200..=299 => json!({"create": {"status": status}}),
            _ => json!({"create": {"status": status, "error":
                {"type": format!("type_of_{status}"), "reason": format!("reason of {status}")}}}),
        })
        .collect();
    Reply::status(200, &json!({ "items": items }).to_string())
}

/// As a service that is well.
pub(crate) fn well(request: &Request) -> Reply {
    if is_bulk(request) {
        items(&vec![201; documents(request).len()])
    } else {
        Reply::status(200, r#"{"acknowledged":true}"#)
    }
}

/// An error in the service's own form.
pub(crate) fn error(status: u16, kind: &str) -> Reply {
    let body =
        json!({"error": {"type": kind, "reason": format!("as {kind} says")}, "status": status});
    Reply::status(status, &body.to_string())
}

/// A server that sends to this peer.
pub(crate) fn server(peer: &Peer, more: &[&str]) -> Server {
    Server::start_with_env(more, &[(URL, &format!("http://127.0.0.1:{}", peer.port))])
}

/// The same in a directory of the test's, to which rows spill.
pub(crate) fn spilling(dir: &Path, url: &str, more: &[&str]) -> Server {
    let args = [&BASE[..], &["-spill-dir", "spill"], more].concat();
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
    command.args(&args).env(URL, url);
    Server::try_command(dir, command, &args).unwrap_or_else(|exit| panic!("it ended: {exit:?}"))
}

/// A message for this index, or for the default with an empty text.
pub(crate) fn message(index: &str, value: u32) -> String {
    if index.is_empty() {
        return format!(r#"{{"name":"event","op":"index","value":{value}}}"#);
    }
    format!(r#"{{"name":"event","op":"index","index":"{index}","value":{value}}}"#)
}

/// What the books say of the sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) enqueued: u64,
    pub(crate) recovered: u64,
    pub(crate) delivered: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) queued: u64,
    pub(crate) spilled: u64,
}

impl Books {
    /// Of this page.
    pub(crate) fn of(page: &Page) -> Self {
        let own = |family: &str| page.own(&format!(r#"sink_{family}{{sink="opensearch"}}"#));
        Self {
            enqueued: own("rows_enqueued_total"),
            recovered: own("rows_recovered_total"),
            delivered: own("rows_delivered_total"),
            rejected: page.own_sum("sink_rows_rejected_total"),
            dropped: page.own_sum("sink_rows_dropped_total"),
            queued: own("queue_rows"),
            spilled: own("spill_rows"),
        }
    }

    /// Whether each row is in one place.
    pub(crate) fn close(&self) -> bool {
        self.enqueued + self.recovered
            == self.delivered + self.rejected + self.dropped + self.queued + self.spilled
    }
}

/// Rows rejected for a reason.
pub(crate) fn rejected(page: &Page, reason: &str) -> u64 {
    page.own(&format!(r#"sink_rows_rejected_total{{reason="{reason}",sink="opensearch"}}"#))
}

/// Bulk requests as the original counts them.
pub(crate) fn bulk_inserts(page: &Page, status: &str) -> u64 {
    let of = |by| page.own(&format!(r#"index_bulk_insert_total{{status="{status}",type="{by}"}}"#));
    of("size") + of("time")
}

/// The page once so many rows have come and each was delivered or rejected.
pub(crate) fn settled(server: &Server, rows: u64) -> Page {
    wait::until("all rows are settled", || {
        let page = server.scrape();
        let books = Books::of(&page);
        let ended = books.delivered + books.rejected + books.dropped;
        let whole = books.enqueued + books.recovered == rows && ended == rows && books.close();
        if whole { Ok(page) } else { Err(format!("{books:?}\n{}", server.stderr())) }
    })
}

/// All documents of all bulk requests to a peer so far, request by request.
pub(crate) fn bulks(peer: &Peer) -> Vec<Vec<Document>> {
    peer.requests().iter().filter(|request| is_bulk(request)).map(documents).collect()
}
