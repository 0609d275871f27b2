//! OpenSearch, Loki and ScyllaDB as one server's far ends, which do as a row says and note what they store.
//!
//! Rows are numbered by their values. Each far end stores what it has taken, once for each of its own keys.

use std::collections::HashSet;
use std::hash::Hash;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use metrics_server::testing::planted::Fault;
use parking_lot::Mutex;
use serde_json::Value;

use crate::books;
use crate::common::Page;
use crate::common::cql_peer::{CqlPeer, CqlReply, Insert};
use crate::common::peer::{Peer, Reply, Request};
use crate::common::search::{self, URL};
use crate::common::server::{BASE, Server};
use crate::common::wait::until;
use crate::planted;

/// The names of the sinks on the page, in the order of [`FarEnds::stored`].
pub(crate) const SINKS: [&str; 3] = ["opensearch", "loki", "scylladb"];
/// The ops whose rows go there.
pub(crate) const OPS: [&str; 3] = ["index", "event", "raw"];

/// What becomes of a request to OpenSearch or Loki.
pub(crate) enum Verdict {
    /// All of it is stored, and told.
    Store,
    /// All of it is stored, and this is answered.
    StoreBut(Reply),
    /// Nothing of it is stored, and this is answered.
    Refuse(Reply),
    /// Each row has a verdict of its own: its status at OpenSearch; at Loki those below 300 are stored.
    Each(fn(u64) -> u16),
}

/// The values that a far end has stored, each under its key, in the order of their coming.
#[derive(Clone)]
struct Stored<K>(Arc<Mutex<Store<K>>>);

struct Store<K> {
    keys: HashSet<K>,
    rows: Vec<(K, u64)>,
}

impl<K: Hash + Eq + Clone> Stored<K> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Store { keys: HashSet::new(), rows: Vec::new() })))
    }

    /// Stores a value under a key, unless the key is there.
    fn add(&self, key: K, value: u64) {
        let Store { keys, rows } = &mut *self.0.lock();
        if keys.insert(key.clone()) {
            rows.push((key, value));
        }
    }

    fn values(&self) -> Vec<u64> {
        self.0.lock().rows.iter().map(|(_, value)| *value).collect()
    }

    fn keys(&self) -> Vec<K> {
        self.0.lock().rows.iter().map(|(key, _)| key.clone()).collect()
    }
}

/// Three far ends that are well until they are told otherwise.
pub(crate) struct FarEnds {
    search: Peer,
    loki: Peer,
    pub(crate) scylla: CqlPeer,
    documents: Stored<String>,
    lines: Stored<(u64, String)>,
}

impl FarEnds {
    pub(crate) fn start() -> Self {
        let well = |_: &Request| Reply::status(503, "not told yet");
        let far_ends = Self {
            search: Peer::start(well),
            loki: Peer::start(well),
            scylla: CqlPeer::start(None),
            documents: Stored::new(),
            lines: Stored::new(),
        };
        far_ends.recover();
        far_ends
    }

    /// A server that sends to all three: one worker, so that rows come in one order.
    pub(crate) fn server(&self, dir: &Path, more: &[&str]) -> Server {
        self.server_with(dir, more, None)
    }

    /// The same, with something planted beside what is planted for the row.
    pub(crate) fn server_with(&self, dir: &Path, more: &[&str], fault: Option<Fault>) -> Server {
        let scylla = self.scylla.addr.to_string();
        let loki = format!("http://127.0.0.1:{}/loki/api/v1/push", self.loki.port);
        let sinks = ["-workers", "1", "-loki-address", &loki, "-scylladb-hosts", &scylla];
        let args = [&BASE[..], &sinks, &search::SOON, more].concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.args(&args).env(URL, format!("http://127.0.0.1:{}", self.search.port));
        command.envs(fault.map(planted::beside));
        Server::try_command(dir, command, &args).unwrap_or_else(|exit| panic!("it ended: {exit:?}"))
    }

    /// All are well from now on.
    pub(crate) fn recover(&self) {
        self.search(|_| Verdict::Store);
        self.loki(|_| Verdict::Store);
        self.scylla.on_insert(|_| CqlReply::Done);
    }

    /// OpenSearch answers nothing but 503 from now on.
    pub(crate) fn search_is_away(&self) {
        self.search.script(|_| Reply::status(503, ""));
    }

    /// What becomes of bulk requests to OpenSearch. Indices can always be created.
    pub(crate) fn search(&self, mut judge: impl FnMut(usize) -> Verdict + Send + 'static) {
        let stored = self.documents.clone();
        self.search.script(move |request| {
            if !search::is_bulk(request) {
                return search::well(request);
            }
            let documents = search::documents(request);
            let value = |document: &search::Document| document.get("value").as_u64().unwrap();
            let store_all = || {
                for one in &documents {
                    stored.add(one.id.clone(), value(one));
                }
                search::items(&vec![201; documents.len()])
            };
            match judge(documents.len()) {
                Verdict::Store => store_all(),
                Verdict::StoreBut(reply) => {
                    store_all();
                    reply
                }
                Verdict::Refuse(reply) => reply,
                Verdict::Each(status) => {
                    let statuses = documents.iter().map(|document| {
                        let status = status(value(document));
                        if status < 300 {
                            stored.add(document.id.clone(), value(document));
                        }
                        status
                    });
                    search::items(&statuses.collect::<Vec<_>>())
                }
            }
        });
    }

    /// What becomes of pushes to Loki.
    pub(crate) fn loki(&self, mut judge: impl FnMut(usize) -> Verdict + Send + 'static) {
        let stored = self.lines.clone();
        self.loki.script(move |request| {
            let entries = entries(&request.body);
            let store =
                |entry: &Entry| stored.add((entry.time_ns, entry.line.clone()), entry.value);
            let well = Reply::status(204, "");
            match judge(entries.len()) {
                Verdict::Store => {
                    entries.iter().for_each(store);
                    well
                }
                Verdict::StoreBut(reply) => {
                    entries.iter().for_each(store);
                    reply
                }
                Verdict::Refuse(reply) => reply,
                Verdict::Each(status) => {
                    let (good, bad): (Vec<_>, Vec<_>) =
                        entries.iter().partition(|entry| status(entry.value) < 300);
                    good.into_iter().for_each(store);
                    if bad.is_empty() { well } else { Reply::status(400, "some lines are refused") }
                }
            }
        });
    }

    /// The times of the lines that Loki has stored, in the order of their coming.
    pub(crate) fn line_times_ns(&self) -> Vec<u64> {
        self.lines.keys().into_iter().map(|(time_ns, _)| time_ns).collect()
    }

    /// The values that each has stored, in the order of their coming and of [`SINKS`].
    pub(crate) fn stored(&self) -> [Vec<u64>; 3] {
        let mut keys = HashSet::new();
        let first = |insert: &Insert| keys.insert((insert.ms, insert.seq));
        let inserts = self.scylla.stored().into_iter().filter(first);
        let scylla = inserts.map(|insert| format!("{}", insert.value).parse().unwrap());
        [self.documents.values(), self.lines.values(), scylla.collect()]
    }
}

/// A row's message for each of the three: numbers 0, 1 and 2 are the first rows of each, and so on.
pub(crate) fn message(number: u64) -> String {
    let op = OPS[usize::try_from(number % 3).unwrap()];
    // Long enough for memory to be full in an outage.
    let (value, text) = (number / 3, "x".repeat(300));
    format!(r#"{{"name":"row","labels":{{"text":"{text}"}},"op":"{op}","value":{value}}}"#)
}

/// How many rows of `messages` messages go to each.
pub(crate) fn rows(messages: u64) -> [u64; 3] {
    [0, 1, 2].map(|sink| (messages + 2 - sink) / 3)
}

/// The number of a sink on the page.
pub(crate) fn of(page: &Page, family: &str, sink: &str) -> u64 {
    page.own(&format!(r#"sink_{family}{{sink="{sink}"}}"#))
}

/// The page of a server once nothing of its sinks waits, with books that close.
pub(crate) fn drained(server: &Server) -> Page {
    until("no row waits", || {
        let page = server.scrape();
        let waiting = page.own_sum("sink_queue_rows") + page.own_sum("sink_spill_rows");
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} rows\n{}", server.stderr())) }
    });
    books::closed(server)
}

/// A line as Loki keeps it.
struct Entry {
    time_ns: u64,
    line: String,
    value: u64,
}

fn entries(body: &str) -> Vec<Entry> {
    let body: Value = serde_json::from_str(body).unwrap();
    let streams = body["streams"].as_array().unwrap().iter();
    let values = streams.flat_map(|stream| stream["values"].as_array().unwrap());
    let entry = |entry: &Value| {
        let line = entry[1].as_str().unwrap().to_owned();
        let row: Value = serde_json::from_str(&line).unwrap();
        let time_ns = entry[0].as_str().unwrap().parse().unwrap();
        Entry { time_ns, line, value: row["value"].as_u64().unwrap() }
    };
    values.map(entry).collect()
}
