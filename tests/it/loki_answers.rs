//! What Loki answers, and what becomes of the rows: a test for each row of the table in `docs/sinks.md`.
//!
//! The far end is a model of Loki at its defaults, from its documentation of limits and errors: it stores what it
//! takes, a line of one stream and time once, and answers with the statuses and words of a distributor.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::common::peer::{Peer, Reply, Request};
use crate::common::wait::until;
use crate::common::{Page, Server};

/// What no line of the log may hold.
const PASSWORD: &str = "hunter22";

/// Streams and times to lines.
type Stored = BTreeMap<(String, u64), String>;

/// The model: what it has, and what is wrong with it.
#[derive(Debug, Default)]
struct Loki {
    stored: Stored,
    /// Answers that come first, in this order, to pushes that hold lines.
    first: Vec<Reply>,
    /// How many streams it takes; `None` for as many as come.
    streams_max: Option<usize>,
    /// A label's value: nothing is taken now of streams that have it.
    limited: Option<&'static str>,
}

impl Loki {
    fn push(&mut self, request: &Request) -> Reply {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let streams = body["streams"].as_array().unwrap();
        if streams.is_empty() {
            return Reply::status(204, ""); // a push of nothing
        }
        if !self.first.is_empty() {
            return self.first.remove(0);
        }
        let mut refusal = None;
        for stream in streams {
            let name = stream["stream"].to_string();
            let known = self.stored.keys().any(|(stored, _)| *stored == name);
            let all: std::collections::BTreeSet<_> =
                self.stored.keys().map(|(name, _)| name).collect();
            if !known && self.streams_max.is_some_and(|max| all.len() >= max) {
                refusal = Some(Reply::status(
                    429,
                    &format!(
                        "Maximum active stream limit exceeded when trying to create stream {name}, reduce the number of active streams"
                    ),
                ));
                continue;
            }
            if self.limited.is_some_and(|value| name.contains(value)) {
                refusal = Some(Reply::status(
                    429,
                    &format!(
                        "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{name}' totaling 4MB, consider splitting a stream via additional labels"
                    ),
                ));
                continue;
            }
            for entry in stream["values"].as_array().unwrap() {
                let (time, line) = (entry[0].as_str().unwrap(), entry[1].as_str().unwrap());
                if line.len() > 262_144 {
                    let why = format!(
                        "Max entry size '262144' bytes exceeded for stream '{name}' while adding an entry with length '{}' bytes",
                        line.len()
                    );
                    refusal = Some(Reply::status(400, &why));
                } else if line.contains("too old") {
                    let why = format!("entry for stream '{name}' has timestamp too old");
                    refusal = Some(Reply::status(400, &why));
                } else {
                    self.stored.insert((name.clone(), time.parse().unwrap()), line.to_owned());
                }
            }
        }
        refusal.unwrap_or_else(|| Reply::status(204, ""))
    }
}

/// The model behind a port, and a server that pushes to it.
struct Rig {
    loki: Arc<Mutex<Loki>>,
    server: Server,
    _peer: Peer,
}

impl Rig {
    fn start(loki: Loki) -> Self {
        let loki = Arc::new(Mutex::new(loki));
        let model = Arc::clone(&loki);
        let peer = Peer::start(move |request| model.lock().push(request));
        let address = format!("http://user:{PASSWORD}@127.0.0.1:{}/loki/api/v1/push", peer.port);
        let flags = ["-workers", "1", "-loki-address", &address, "-message-max-bytes", "1048576"];
        Self { loki, server: Server::start(&flags), _peer: peer }
    }

    /// With these answers first, to the first 500 rows.
    fn after(first: Vec<Reply>) -> Self {
        let rig = Self::start(Loki { first, ..Loki::default() });
        rig.server.send_unix(events("e", 0..500));
        rig
    }

    /// The page once so many rows are stored, once each, and so many rejected for a reason.
    fn settled(&self, stored: u64, reason: &str, rejected: u64) -> Page {
        until("all rows are settled", || {
            let page = self.server.scrape();
            let rejected_total =
                format!(r#"sink_rows_rejected_total{{reason="{reason}",sink="loki"}}"#);
            let now = (
                page.own(r#"sink_rows_delivered_total{sink="loki"}"#),
                page.own(&rejected_total),
                page.own(r#"sink_queue_rows{sink="loki"}"#),
            );
            let kept = self.loki.lock().stored.len() as u64;
            if now == (stored, rejected, 0) && kept == stored {
                Ok(page)
            } else {
                Err(format!("{now:?}, {kept} stored\n{}", self.server.stderr()))
            }
        })
    }
}

fn events(name: &str, values: std::ops::Range<u32>) -> String {
    values.fold(String::new(), |mut text, value| {
        writeln!(text, r#"{{"name":"{name}","op":"event","value":{value}}}"#).unwrap();
        text
    })
}

#[test]
fn delivered_with_204_or_a_200_of_its_own() {
    let rig = Rig::start(Loki::default());
    rig.server.send_unix(events("e", 0..500));
    rig.settled(500, "refused", 0);
    for body in ["", "{}", r#"{"status":"success"}"#] {
        let rig = Rig::start(Loki { first: vec![Reply::status(200, body)], ..Loki::default() });
        rig.server.send_unix(events("e", 0..500));
        until("they count as delivered", || {
            let delivered = rig.server.scrape().own(r#"sink_rows_delivered_total{sink="loki"}"#);
            if delivered == 500 { Ok(()) } else { Err(delivered.to_string()) }
        });
    }
}

#[test]
fn kept_with_a_200_of_somebody_else() {
    let token = "dXNlcjpodW50ZXIyMg=="; // the login, as the header has it
    let message =
        format!(r#"{{"code":401,"message":"{PASSWORD} and Basic {token} are not right"}}"#);
    let pages =
        [&message, "<!doctype html><title>Log in</title>", "OK", r#"{"error":"unauthorized"}"#];
    let rig = Rig::after(pages.map(|page| Reply::status(200, page)).to_vec());
    rig.settled(500, "refused", 0);
    let told = |line: &str| line.contains("something before Loki answers 200");
    let line = rig.server.find_line(told).expect("a line");
    assert!(line.contains("(hidden) and Basic (hidden) are not right"), "{line}");
}

#[test]
fn of_a_400_the_refused_lines_are_rejected_and_the_others_stored_once() {
    let rig = Rig::start(Loki::default());
    let long = "x".repeat(300_000);
    rig.server.send_unix(events("e", 0..250) + &events("too old", 0..3) + &events("e", 250..500));
    rig.settled(500, "refused", 3);
    rig.server.send_unix(events(&long, 0..1) + &events("e", 500..1_000));
    rig.settled(1_000, "too_long", 1);
}

#[test]
fn a_413_is_halved_and_a_single_one_rejected() {
    let first = vec![Reply::status(413, "http: request body too large"); 2];
    let rig = Rig::after(first);
    rig.settled(500, "too_long", 0);
    let rig = Rig::start(Loki {
        first: vec![Reply::status(413, "http: request body too large")],
        ..Loki::default()
    });
    rig.server.send_unix(events("e", 0..1));
    rig.settled(0, "too_long", 1);
}

#[test]
fn a_260_means_that_loki_threw_them_away() {
    let rig = Rig::after(vec![Reply::status(260, "ingestion blocked for user fake")]);
    rig.settled(0, "blocked", 500);
}

#[test]
fn a_5xx_is_sent_again_in_pieces_while_a_push_of_nothing_is_answered() {
    let why = "at least 2 live replicas required, could only find 1";
    let rig = Rig::after(vec![Reply::status(500, why); 3]);
    let page = rig.settled(500, "refused", 0);
    // Two of the whole batch, one of its first piece; then eight pieces of that, and seven more.
    let requests = page.own(r#"sink_requests_total{outcome="done",sink="loki"}"#);
    assert!(requests >= 15, "{requests}");
}

#[test]
fn a_429_waits_for_all() {
    let why = "Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec)";
    let rig = Rig::after(vec![Reply::status(429, why); 3]);
    let page = rig.settled(500, "refused", 0);
    assert_eq!(page.own(r#"sink_requests_total{outcome="done",sink="loki"}"#), 1);
}

#[test]
fn a_stream_for_which_loki_has_no_room_holds_up_no_other() {
    let rig = Rig::start(Loki { streams_max: Some(1), ..Loki::default() });
    rig.server.send_unix(events("e", 0..500));
    rig.settled(500, "refused", 0);
    let other = r#"{"name":"e","labels":{"stream":"other"},"op":"event","value":1}"#;
    rig.server.send_unix(events("e", 500..750) + other + &events("e", 750..1_000));
    until("the others are stored", || {
        let stored = rig.loki.lock().stored.len();
        if stored == 1_000 { Ok(()) } else { Err(format!("{stored}\n{}", rig.server.stderr())) }
    });
    rig.loki.lock().streams_max = None;
    rig.settled(1_001, "refused", 0);
}

#[test]
fn a_stream_that_has_too_much_a_second_holds_up_no_other() {
    let rig = Rig::start(Loki { limited: Some("hot"), ..Loki::default() });
    let of = |stream: &str, values: std::ops::Range<u32>| {
        values.fold(String::new(), |text, value| {
            text + &format!(
                r#"{{"name":"e","labels":{{"s":"{stream}"}},"op":"event","value":{value}}}"#
            )
        })
    };
    for round in 0..3 {
        let first = round * 500;
        let mixed = of("a", first..first + 200) + &of("hot", first..first + 100);
        rig.server.send_unix(mixed + &of("b", first..first + 200));
        until("those of the others are stored", || {
            let stored = rig.loki.lock().stored.len();
            let all = stored == 400 * (round as usize + 1);
            if all { Ok(()) } else { Err(format!("{stored}\n{}", rig.server.stderr())) }
        });
    }
    until("its rows alone wait", || {
        let left = rig.server.scrape().own(r#"sink_queue_rows{sink="loki"}"#);
        if left == 300 { Ok(()) } else { Err(left.to_string()) }
    });
    assert_eq!(rig.server.scrape().own(r#"sink_up{sink="loki"}"#), 1);
    rig.loki.lock().limited = None;
    rig.settled(1_500, "refused", 0);
}
