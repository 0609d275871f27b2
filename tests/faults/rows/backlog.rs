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
        let (away, lines) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(0)));
        let loki = {
            let (away, lines) = (Arc::clone(&away), Arc::clone(&lines));
            let mut streams = Streams::default();
            Peer::start(move |request| {
                if request.body.contains(r#""instance":"cut_off""#) && away.load(Ordering::Relaxed)
                {
                    return Reply::status(503, "");
                }
                let pushed = streams.push(request);
                *lines.lock() += pushed.taken;
                match pushed.refused {
                    0 => Reply::status(204, ""),
                    _ => Reply::status(400, "entry too far behind"),
                }
            })
        };
        let servers = ["cut_off", "other"].map(|instance| start(&loki, instance));
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
        assert_eq!(*lines.lock(), sent);
        for server in servers {
            server.stop();
        }
        format!("{sent} lines, 0 refused")
    },
};

fn start(loki: &Peer, instance: &str) -> Server {
    let url = format!("http://127.0.0.1:{}/loki/api/v1/push", loki.port);
    let label = format!("instance:{instance}");
    let flags = ["-workers", "1", "-extra-labels", &label, "-loki-labels", "instance"];
    Server::start(&[&["-loki-address", &url][..], &flags].concat())
}

/// The newest time of each stream.
#[derive(Default)]
struct Streams(HashMap<String, u64>);

/// What became of the lines of a push.
#[derive(Default)]
struct Pushed {
    taken: u64,
    refused: u64,
}

impl Streams {
    fn push(&mut self, request: &Request) -> Pushed {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let mut pushed = Pushed::default();
        for stream in body["streams"].as_array().unwrap() {
            let newest = self.0.entry(stream["stream"].to_string()).or_default();
            for value in stream["values"].as_array().unwrap() {
                let time_ns: u64 = value[0].as_str().unwrap().parse().unwrap();
                let behind = Duration::from_nanos(newest.saturating_sub(time_ns));
                if behind > BEHIND_MAX {
                    pushed.refused += 1;
                } else {
                    pushed.taken += 1;
                    *newest = time_ns.max(*newest);
                }
            }
        }
        pushed
    }
}
