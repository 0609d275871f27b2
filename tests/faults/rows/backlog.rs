//! Loki refuses lines that are too far behind the newest of their stream, and a server has a backlog.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_server::testing::planted::Fault;
use parking_lot::Mutex;
use serde_json::Value;

use crate::common::Server;
use crate::common::peer::{Peer, Reply, Request};
use crate::far_ends;
use crate::flood::Flood;
use crate::row::Row;

/// In place of Loki's hour.
const BEHIND_MAX: Duration = Duration::from_secs(2);
const OUTAGE: Duration = Duration::from_secs(10);

pub(crate) const FAR_BEHIND: Row = Row {
    name: "F7",
    what: "of two servers, each with a stream of its own, one cannot reach Loki for 10 s; Loki refuses lines that are \
           2 s behind the newest of their stream, as a real one does with an hour",
    holds: "the backlog goes out in its order, and no line is refused",
    planted: Fault::NewestFirst,
    run: || {
        let away = Arc::new(AtomicBool::new(false));
        let loki = Arc::new(Mutex::new(Loki::default()));
        let ways = [way_to(&loki, &away), way_to(&loki, &Arc::default())];
        let servers = [start(&ways[0], "cut_off"), start(&ways[1], "other")];
        let senders = servers.each_ref().map(|server| {
            Flood::one_stream(server, Duration::from_millis(1), |number| {
                format!(r#"{{"name":"row","op":"event","value":{number}}}"#)
            })
        });
        std::thread::sleep(Duration::from_secs(6)); // some lines get through, so that the stream is there
        away.store(true, Ordering::Relaxed);
        std::thread::sleep(OUTAGE);
        away.store(false, Ordering::Relaxed);
        let sent: u64 = senders.into_iter().map(Flood::stop).sum();
        for server in &servers {
            let page = far_ends::drained(server);
            assert_eq!(page.own_sum("sink_rows_rejected_total"), 0, "lines too far behind");
        }
        assert_eq!(loki.lock().taken, sent);
        for server in servers {
            server.stop();
        }
        format!("{sent} lines, 0 refused")
    },
};

/// Where a server reaches Loki, while its way there is not cut.
fn way_to(loki: &Arc<Mutex<Loki>>, cut: &Arc<AtomicBool>) -> Peer {
    let (loki, cut) = (Arc::clone(loki), Arc::clone(cut));
    Peer::start(move |request| {
        if cut.load(Ordering::Relaxed) {
            Reply::Reset
        } else if loki.lock().push(request) {
            Reply::status(204, "")
        } else {
            Reply::status(400, "entry too far behind")
        }
    })
}

fn start(way: &Peer, instance: &str) -> Server {
    let url = format!("http://127.0.0.1:{}/loki/api/v1/push", way.port);
    let label = format!("instance:{instance}");
    let flags = ["-workers", "1", "-extra-labels", &label, "-loki-labels", "instance"];
    Server::start(&[&["-loki-address", &url][..], &flags].concat())
}

/// What both servers send to.
#[derive(Default)]
struct Loki {
    /// The newest time of each stream.
    newest_ns: HashMap<String, u64>,
    /// How many lines were taken.
    taken: u64,
}

impl Loki {
    /// Takes the lines of a push that are not too far behind; whether those were all.
    fn push(&mut self, request: &Request) -> bool {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let mut all = true;
        for stream in body["streams"].as_array().unwrap() {
            let newest = self.newest_ns.entry(stream["stream"].to_string()).or_default();
            for value in stream["values"].as_array().unwrap() {
                let time_ns: u64 = value[0].as_str().unwrap().parse().unwrap();
                if Duration::from_nanos(newest.saturating_sub(time_ns)) > BEHIND_MAX {
                    all = false;
                } else {
                    self.taken += 1;
                    *newest = time_ns.max(*newest);
                }
            }
        }
        all
    }
}
