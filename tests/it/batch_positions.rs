//! One row of a thousand over which the far end falls silent, at each position of a batch and in each way: the others
//! arrive in order, once each, within two minutes at default settings.
//!
//! All cases wait side by side in one test, since each waits for the time-outs of the defaults: 48 s where the far end
//! hangs, and 75 s until a row is taken for poison. By its name the module is among the first to start.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::peer::{Peer, Reply, Request};
use crate::common::search::{self, Books, documents, is_bulk, items, message, rejected, well};
use crate::common::server::temp_dir;
use crate::common::{Server, wait};

const ROWS: u32 = 1_000;
/// The value of a row before them, over which the far end takes its time until all of them wait behind it.
const BEFORE: u32 = ROWS;
/// How long innocent rows may take at default settings.
const INNOCENT: Duration = Duration::from_mins(2);

/// What comes in place of a verdict.
#[derive(Clone, Debug)]
enum Over {
    /// This, for all rows of the request.
    Request(Reply),
    /// This status of the one, while all others are taken.
    Document(u16),
}

/// What the far end does over one row.
struct Case {
    poison: u32,
    over: Over,
    /// The values of each request that holds the row, and of those that were taken, in their order.
    refused: Arc<Mutex<Vec<Vec<u32>>>>,
    taken: Arc<Mutex<Vec<u32>>>,
    began: Instant,
    server: Server,
    _peer: Peer,
    dir: TempDir,
}

fn values(request: &Request) -> Vec<u32> {
    let value = |document: &search::Document| {
        let value = document.get("value").as_u64().unwrap();
        u32::try_from(value).unwrap()
    };
    documents(request).iter().map(value).collect()
}

/// A far end, and the end of its wait over the first row.
fn far_end(
    poison: u32,
    over: &Over,
    refused: &Arc<Mutex<Vec<Vec<u32>>>>,
    taken: &Arc<Mutex<Vec<u32>>>,
) -> (Peer, Sender<()>) {
    let (go_on, waits) = mpsc::channel();
    let (over, refused, taken) = (over.clone(), Arc::clone(refused), Arc::clone(taken));
    let peer = Peer::start(move |request| {
        if !is_bulk(request) {
            return well(request);
        }
        let values = values(request);
        if values.contains(&BEFORE) {
            let _ = waits.recv(); // the test may be over
            return well(request);
        }
        if !values.contains(&poison) {
            taken.lock().extend(values);
            return well(request);
        }
        let reply = match &over {
            Over::Request(reply) => reply.clone(),
            Over::Document(ill) => {
                taken.lock().extend(values.iter().filter(|value| **value != poison));
                let status = |value: &u32| if *value == poison { *ill } else { 201 };
                items(&values.iter().map(status).collect::<Vec<_>>())
            }
        };
        refused.lock().push(values);
        reply
    });
    (peer, go_on)
}

impl Case {
    /// Sends the rows; the far end gets them as one batch.
    fn start(poison: u32, over: Over) -> Self {
        let (refused, taken) = (Arc::default(), Arc::default());
        let (peer, go_on) = far_end(poison, &over, &refused, &taken);
        let dir = temp_dir();
        let url = format!("http://127.0.0.1:{}", peer.port);
        let server = search::spilling(dir.path(), &url, &["-workers", "1"]);
        // More than the bytes of a batch, so that it is sent at once.
        let long = "x".repeat(20_000);
        let first = message("", BEFORE).replace("event", &long);
        server.send_unix(first);
        wait::until_true("it holds up the others", || peer.requests().len() == 1);
        // All are in the queue once it has the bytes of all, which have one length.
        let bytes = || server.scrape().own(r#"sink_queue_bytes{sink="opensearch"}"#);
        let before = bytes();
        server.send_unix(message("", 0));
        wait::until_true("one waits", || bytes() > before);
        let row_bytes = bytes() - before;
        server.send_unix((1..ROWS).map(|value| message("", value)).collect::<String>());
        wait::until_true("all wait", || bytes() == before + u64::from(ROWS) * row_bytes);
        go_on.send(()).unwrap();
        let began = Instant::now();
        Self { poison, over, refused, taken, began, server, _peer: peer, dir }
    }

    fn told(&self) -> String {
        format!("{} {:?}: {}", self.poison, self.over, self.server.stderr())
    }

    /// All but the one arrive.
    fn innocents_arrive(&self) {
        let innocent: Vec<_> = (0..ROWS).filter(|value| *value != self.poison).collect();
        wait::until("innocent rows arrive", || {
            let taken = self.taken.lock();
            if taken.len() >= innocent.len() { Ok(()) } else { Err(self.told()) }
        });
        assert!(self.began.elapsed() < INNOCENT, "{:?}: {}", self.began.elapsed(), self.told());
        assert!(*self.taken.lock() == innocent, "not once each, in order: {}", self.told());
        let refused = self.refused.lock();
        let whole: Vec<_> = (0..ROWS).collect();
        assert!(refused[0] == whole, "not as one batch: {}", self.told());
        if let Over::Request(_) = self.over {
            assert!(refused[1] == whole, "as it was: {}", self.told());
        }
        wait::until("the books close", || {
            let books = Books::of(&self.server.scrape());
            if books.close() { Ok(()) } else { Err(format!("{books:?}")) }
        });
    }

    /// The one is rejected, told of and kept.
    fn poison_is_kept(&self) {
        let line = self.server.find_line(|line| line.contains("rejected as poison"));
        let line = line.unwrap_or_else(|| panic!("{}", self.told()));
        assert!(line.contains("rows.poison") && line.contains(r#"\"op\":\"index\""#), "{line}");
        let page = search::settled(&self.server, u64::from(ROWS) + 1);
        assert_eq!(rejected(&page, "poison"), 1);
        assert_eq!(Books::of(&page).dropped, 0);
        assert_eq!(kept(self.dir.path()), [self.poison]);
    }
}

/// The values of the rows that are kept as poison.
fn kept(dir: &Path) -> Vec<u32> {
    let kept = fs::read_to_string(dir.join("spill/opensearch/rows.poison")).unwrap();
    let value = |line: &str| serde_json::from_str::<Value>(line).unwrap()["value"].as_u64();
    kept.lines().map(|line| u32::try_from(value(line).unwrap()).unwrap()).collect()
}

#[test]
fn one_row_of_a_thousand_holds_up_nobody() {
    let ways = [
        Over::Request(Reply::Stall),
        Over::Request(Reply::Reset),
        Over::Request(Reply::status(200, "{}")),
        Over::Request(Reply::status(502, "<html>502 Bad Gateway</html>")),
        Over::Document(500),
    ];
    let positions = [0, ROWS / 2 + 137, ROWS - 1];
    let cases: Vec<Case> = ways
        .iter()
        .flat_map(|over| positions.map(|poison| Case::start(poison, over.clone())))
        .collect();
    cases.iter().for_each(Case::innocents_arrive);
    // A hang takes as long again for each trial, and says no more.
    let soon = cases.iter().filter(|case| !matches!(case.over, Over::Request(Reply::Stall)));
    soon.for_each(Case::poison_is_kept);
}
