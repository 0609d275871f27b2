//! Events on their way to Loki: what is sent, what each answer does, and what is kept when there is none.
//!
//! Loki is scripted here: these are its answers and faults that a real one does not give on demand.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

use crate::common::authority::Authority;
use crate::common::peer::{Peer, Reply, Request};
use crate::common::server::temp_dir;
use crate::common::wait::{until, until_true};
use crate::common::{Page, Server, inc};

/// A line as Loki keeps it.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    stream: Value,
    time_ns: u64,
    line: String,
    metadata: Value,
}

/// The entries of a push.
fn entries(request: &Request) -> Vec<Entry> {
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/loki/api/v1/push"));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let mut entries = Vec::new();
    for stream in body["streams"].as_array().unwrap() {
        for value in stream["values"].as_array().unwrap() {
            entries.push(Entry {
                stream: stream["stream"].clone(),
                time_ns: value[0].as_str().unwrap().parse().unwrap(),
                line: value[1].as_str().unwrap().to_owned(),
                metadata: value[2].clone(),
            });
        }
    }
    entries
}

/// All that came, in the order of its times.
fn all(peer: &Peer) -> Vec<Entry> {
    let mut all: Vec<_> = peer.requests().iter().flat_map(entries).collect();
    all.sort_by_key(|entry| entry.time_ns);
    all
}

fn address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/loki/api/v1/push")
}

fn start(peer: &Peer, more: &[&str]) -> Server {
    // One worker: rows of two come in no order.
    Server::start(&[&["-workers", "1", "-loki-address", &address(peer.port)], more].concat())
}

fn event(value: u32) -> String {
    format!(r#"{{"name":"preemption","labels":{{"label":"value"}},"op":"event","value":{value}}}"#)
}

fn events(values: std::ops::Range<u32>) -> String {
    values.fold(String::new(), |mut text, value| {
        writeln!(text, "{}", event(value)).unwrap();
        text
    })
}

/// The line of [`event`] that came through the unix socket.
fn line(value: u32) -> String {
    let labels = r#"{"data_source":"ms.sock","label":"value","source_app":"ms"}"#;
    format!(r#"{{"name":"preemption","labels":{labels},"op":"event","value":{value}}}"#)
}

fn lines(values: std::ops::Range<u32>) -> Vec<String> {
    values.map(line).collect()
}

fn of_loki(page: &Page, series: &str) -> u64 {
    page.own(&format!(r#"{series}{{sink="loki"}}"#))
}

fn rejected(page: &Page, reason: &str) -> u64 {
    page.own(&format!(r#"sink_rows_rejected_total{{reason="{reason}",sink="loki"}}"#))
}

/// The page once so many rows are delivered and so many rejected, with books that close.
fn settled(server: &Server, delivered: u64, rejected: u64) -> Page {
    until("rows are settled", || {
        let page = server.scrape();
        let now =
            (of_loki(&page, "sink_rows_delivered_total"), page.own_sum("sink_rows_rejected_total"));
        // A row is booked as settled a moment before it is none of the queue's.
        let queued = of_loki(&page, "sink_queue_rows");
        if now != (delivered, rejected) || queued != 0 {
            let stderr = server.stderr();
            return Err(format!("delivered and rejected: {now:?}, queued: {queued}\n{stderr}"));
        }
        assert_eq!(of_loki(&page, "sink_rows_enqueued_total"), delivered + rejected);
        assert_eq!(page.own_sum("sink_rows_dropped_total"), 0);
        Ok(page)
    })
}

#[test]
fn without_an_address_events_are_refused() {
    // A certificate alone asks for nothing, as in the original.
    let dir = temp_dir();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, Authority::new("a").pem).unwrap();
    let server = Server::start(&["-loki-ca-path", ca.to_str().unwrap()]);
    server.send_unix(events(0..2));
    let page = server.settled();
    assert_eq!(page.rejected("no_sink"), 2);
    assert_eq!(page.own(r#"processed_metrics_total{type="event"}"#), 2);
}

#[test]
fn what_is_sent_is_what_the_original_sent() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let peer =
        Peer::start_tls(authority.server("127.0.0.1", Some(&clients)), |_| Reply::status(204, ""));
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("ca.pem"), &authority.pem).unwrap();
    clients.sign().write(path("cli.pem").as_ref(), path("cli.key").as_ref());
    let https = address(peer.port).replace("http:", "https:");
    let (ca, cert, key) = (path("ca.pem"), path("cli.pem"), path("cli.key"));
    let server = Server::start(&[
        "-loki-address",
        &https,
        "-loki-ca-path",
        &ca,
        "-loki-cert-path",
        &cert,
        "-loki-key-path",
        &key,
    ]);
    let mut client = server.connect("ms.sock");
    client.send(
        concat!(
            r#"{"name":"preemption","help":"h","labels":{"label-one":"value","a_b":"1","q":"\"<é>"},"op":"event","value":1.0,"extra":"dropped","timestamp":"2024-01-02T03:04:05Z"}"#,
            "\n",
            r#"{"name":"preemption","labels":{"label":"value"},"op":"event","value":1.0}"#,
        )
        .as_bytes(),
    );
    server.settled();
    server.send_udp(r#"{"name":"ev2","op":"event","value":2.5}"#);
    let page = settled(&server, 3, 0);
    assert_eq!(page.own(r#"processed_metrics_total{type="event"}"#), 3);
    assert_eq!(page.own(r#"messages_accepted_total{op="event"}"#), 3);

    let request = &peer.requests()[0];
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("x-scope-orgid"), None);
    let came = all(&peer);
    let streams: Vec<String> = came.iter().map(|entry| entry.stream.to_string()).collect();
    let udp = "127.0.0.1:0"; // the flag's text
    let expected = [
        r#"{"a_b":"1","data_source":"ms.sock","label_one":"value","q":"\"<é>","source_app":"ms"}"#
            .to_owned(),
        r#"{"data_source":"ms.sock","label":"value","source_app":"ms"}"#.to_owned(),
        format!(r#"{{"data_source":"{udp}","source_app":"{udp}"}}"#),
    ];
    assert_eq!(streams, expected);
    let expected = [
        concat!(
            r#"{"name":"preemption","labels":{"a_b":"1","data_source":"ms.sock","label-one":"value","q":"\"\u003cé\u003e","source_app":"ms"},"#,
            r#""op":"event","help":"h","value":1,"timestamp":"2024-01-02T03:04:05Z"}"#
        )
        .to_owned(),
        line(1),
        format!(
            r#"{{"name":"ev2","labels":{{"data_source":"{udp}","source_app":"{udp}"}},"op":"event","value":2.5}}"#
        ),
    ];
    assert_eq!(came.iter().map(|entry| entry.line.clone()).collect::<Vec<_>>(), expected);
    assert!(came.iter().all(|entry| entry.metadata.is_null()));
    assert!(came.windows(2).all(|pair| pair[0].time_ns < pair[1].time_ns));
    server.stop();
}

#[test]
fn five_hundred_are_sent_at_once_and_one_label_set_is_one_stream() {
    let peer = Peer::start(|_| Reply::status(204, ""));
    let server = start(&peer, &[]);
    server.send_unix(events(0..510));
    let page = settled(&server, 510, 0);
    assert_eq!(page.own(r#"processed_metrics_total{type="event"}"#), 510);
    let requests = peer.requests();
    assert!(entries(&requests[0]).len() >= 500, "{}", entries(&requests[0]).len());
    for request in &requests {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["streams"].as_array().unwrap().len(), 1);
    }
    let came: Vec<Entry> = requests.iter().flat_map(entries).collect();
    assert_eq!(came.iter().map(|entry| entry.line.clone()).collect::<Vec<_>>(), lines(0..510));
    assert!(came.windows(2).all(|pair| pair[0].time_ns < pair[1].time_ns));
}

#[test]
fn extra_labels_and_the_last_of_two_that_fall_together() {
    let peer = Peer::start(|_| Reply::status(200, "{}"));
    let server = start(&peer, &["-extra-labels", "app_name:x", "-loki-tenant", "team"]);
    server.send_unix(event(1));
    server
        .send_unix(r#"{"name":"e","labels":{"a-b":"dash","a_b":"under"},"op":"event","value":1}"#);
    settled(&server, 2, 0);
    let mut streams: Vec<_> = all(&peer).iter().map(|e| e.stream.to_string()).collect();
    streams.sort();
    assert_eq!(
        streams,
        [
            r#"{"a_b":"under","app_name":"x","data_source":"ms.sock","source_app":"ms"}"#,
            r#"{"app_name":"x","data_source":"ms.sock","label":"value","source_app":"ms"}"#
        ]
    );
    assert!(all(&peer).iter().any(|entry| entry.line.contains(r#""a-b":"dash","a_b":"under""#)));
    assert_eq!(peer.requests()[0].header("x-scope-orgid"), Some("team"));
}

#[test]
fn the_labels_that_are_picked_make_the_stream() {
    let peer = Peer::start(|_| Reply::status(204, ""));
    let server = start(&peer, &["-loki-labels", "source_app, env", "-source-labels=false"]);
    server.send_unix(r#"{"name":"e","labels":{"env":"prod","id":"17"},"op":"event","value":1}"#);
    server.send_unix(r#"{"name":"e","labels":{"id":"18"},"op":"event","value":1}"#);
    settled(&server, 2, 0);
    let mut came: Vec<_> =
        all(&peer).iter().map(|e| format!("{} {}", e.stream, e.metadata)).collect();
    came.sort();
    let expected =
        [r#"{"env":"prod"} {"id":"17"}"#, r#"{"service_name":"metrics-server"} {"id":"18"}"#];
    assert_eq!(came, expected);
}

/// As a Loki with an old schema answers: the lines are worth more than what stands beside them.
#[test]
fn where_metadata_is_not_taken_lines_go_without() {
    let peer = Peer::start(|request| {
        let bare = entries(request).iter().all(|entry| entry.metadata.is_null());
        let why = "includes structured metadata, see `limits_config.allow_structured_metadata`";
        Reply::status(if bare { 204 } else { 400 }, why)
    });
    let server = start(&peer, &["-loki-labels", "source_app"]);
    let mut client = server.connect("ms.sock");
    client.send(events(0..500).as_bytes());
    client.send(events(500..1_000).as_bytes());
    settled(&server, 1_000, 0);
    assert!(server.find_line(|line| line.contains("take no structured metadata")).is_some());
    let requests = peer.requests();
    let refused = requests.iter().filter(|r| entries(r).iter().any(|e| !e.metadata.is_null()));
    assert_eq!(refused.count(), 1, "it has to be told once");
    let taken = requests.iter().flat_map(entries).filter(|entry| entry.metadata.is_null());
    assert_eq!(taken.map(|entry| entry.line).collect::<Vec<_>>(), lines(0..1_000));
}

#[test]
fn a_refused_event_is_told_and_a_failed_one_is_sent_again() {
    let mut failed = false;
    let peer = Peer::start(move |request| {
        if request.body.contains(r#"\"value\":1}"#) {
            return Reply::status(400, "entry for stream has timestamp too old");
        }
        let status = if failed { 204 } else { 500 };
        failed = true;
        Reply::status(status, "later")
    });
    let server = start(&peer, &[]);
    server.send_unix(event(1));
    let page = settled(&server, 0, 1);
    assert_eq!(rejected(&page, "refused"), 1);
    assert!(server.find_line(|line| line.contains("timestamp too old")).is_some());
    server.send_unix(event(2));
    let page = settled(&server, 1, 1);
    assert_eq!(page.own(r#"sink_requests_total{outcome="retried",sink="loki"}"#), 1);
}

/// As Loki: what is in order is stored, also of a request that is answered with 400, and nothing twice.
#[test]
fn of_a_batch_with_refused_lines_the_others_are_stored_once() {
    let refused: HashSet<String> = [3, 4, 250, 499].map(line).into();
    let stored: Arc<Mutex<Vec<Entry>>> = Arc::default();
    let (store, poison) = (Arc::clone(&stored), refused.clone());
    let peer = Peer::start(move |request| {
        let (bad, good): (Vec<_>, Vec<_>) =
            entries(request).into_iter().partition(|entry| poison.contains(&entry.line));
        let mut store = store.lock();
        for entry in good {
            if !store.contains(&entry) {
                store.push(entry);
            }
        }
        let status = if bad.is_empty() { 204 } else { 400 };
        Reply::status(status, "total ignored: some out of many")
    });
    let server = start(&peer, &[]);
    server.send_unix(events(0..500));
    let page = settled(&server, 496, 4);
    assert_eq!(rejected(&page, "refused"), 4);
    let kept: Vec<String> = stored.lock().iter().map(|entry| entry.line.clone()).collect();
    let expected: Vec<String> =
        lines(0..500).into_iter().filter(|line| !refused.contains(line)).collect();
    assert_eq!(kept, expected);
}

#[test]
fn too_much_is_halved() {
    let peer = Peer::start(|request| {
        let status = if entries(request).len() > 100 { 413 } else { 204 };
        Reply::status(status, "")
    });
    let server = start(&peer, &[]);
    server.send_unix(events(0..500));
    settled(&server, 500, 0);
    let taken = peer.requests().into_iter().filter(|r| entries(r).len() <= 100);
    let came: Vec<String> = taken.flat_map(|r| entries(&r)).map(|entry| entry.line).collect();
    assert_eq!(came, lines(0..500));
}

#[test]
fn a_line_that_is_too_long_is_told() {
    let peer = Peer::start(|request| {
        let long = entries(request).iter().any(|entry| entry.line.len() > 262_144);
        Reply::status(if long { 400 } else { 204 }, "Max entry size exceeded")
    });
    let server = start(&peer, &["-message-max-bytes", "1048576"]);
    let long = "x".repeat(300_000);
    server.send_unix(event(1));
    server.send_unix(format!(r#"{{"name":"{long}","op":"event","value":1}}"#));
    server.send_unix(events(0..500));
    let page = settled(&server, 501, 1);
    assert_eq!(rejected(&page, "too_long"), 1);
}

/// Waits for nothing but what Loki asked for, and in the end everything is there once.
fn taken_after(answers: &[Reply]) {
    let mut left = answers.to_vec();
    left.reverse();
    let peer = Peer::start(move |_| left.pop().unwrap_or_else(|| Reply::status(204, "")));
    let server = start(&peer, &[]);
    server.send_unix(events(0..500));
    let page = settled(&server, 500, 0);
    let retried = page.own(r#"sink_requests_total{outcome="retried",sink="loki"}"#);
    assert_eq!(retried, answers.len() as u64);
    let requests = peer.requests();
    assert_eq!(requests.len(), answers.len() + 1);
    // A repeated push is the same to the byte.
    assert!(requests.windows(2).all(|pair| pair[0].body == pair[1].body));
    assert_eq!(of_loki(&page, "sink_up"), 1);
}

#[test]
fn asked_for_less_it_waits() {
    let wait = Reply::Answer(429, "Retry-After: 1\r\n".to_owned(), "rate limited".to_owned());
    taken_after(&[wait, Reply::status(429, "rate limited")]);
}

#[test]
fn failures_are_repeated() {
    taken_after(&[
        Reply::status(503, "not ready"),
        Reply::status(401, "who are you"),
        Reply::Reset,
        Reply::status(404, "404 page not found"),
        Reply::status(502, ""),
    ]);
}

#[test]
fn what_an_operator_has_blocked_is_thrown_away_and_counted() {
    let peer = Peer::start(|_| Reply::status(260, "ingestion blocked"));
    let server = start(&peer, &[]);
    server.send_unix(events(0..500));
    let page = settled(&server, 0, 500);
    assert_eq!(rejected(&page, "blocked"), 500);
    assert!(server.find_line(|line| line.contains("answers 260")).is_some());
}

#[test]
fn at_rest_no_row_has_an_age() {
    let peer = Peer::start(|_| Reply::status(204, ""));
    let server = start(&peer, &[]);
    server.send_unix(event(1));
    settled(&server, 1, 0);
    let age = |page: &Page| page.get(r#"metrics_server_sink_oldest_row_age_seconds{sink="loki"}"#);
    until("no row has an age", || {
        let age = age(&server.scrape());
        if age == Some(0.0) { Ok(()) } else { Err(format!("{age:?}")) }
    });
}

#[test]
fn events_wait_while_loki_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let server = Server::start(&["-loki-address", &address(port)]);
    server.send_unix(events(0..1_000));
    server.send_unix(inc("beside"));
    until_true("the sink is seen down", || of_loki(&server.scrape(), "sink_up") == 0);
    let page = server.settled();
    assert_eq!(page.accepted(), 1_001);
    assert_eq!(of_loki(&page, "sink_queue_rows"), 1_000);
    let named = format!("http://127.0.0.1:{port}/loki/api/v1/push");
    assert!(server.find_line(|line| line.contains("loki: ") && line.contains(&named)).is_some());
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let peer = Peer::start_on(listener, None, |_| Reply::status(204, ""));
    settled(&server, 1_000, 0);
    let came: Vec<String> =
        peer.requests().iter().flat_map(entries).map(|entry| entry.line).collect();
    assert_eq!(came, lines(0..1_000));
}

#[test]
fn a_loki_that_hangs_stops_nothing_else() {
    for stall in [Reply::Stall, Reply::StallInBody("{}".to_owned())] {
        let peer = Peer::start(move |_| stall.clone());
        let mut server = start(&peer, &["-sink-flush-timeout", "300ms"]);
        server.send_unix(events(0..500));
        until_true("it hangs", || peer.requests().len() == 1);
        server.send_unix(events(500..11_000));
        server.send_unix(inc("beside"));
        let page = server.settled();
        assert_eq!(page.own(r#"messages_accepted_total{op="event"}"#), 11_000);
        assert!(page.user().contains("beside{"));
        assert_eq!(of_loki(&page, "sink_queue_rows"), 11_000);
        assert_eq!(server.health(), Some(200));
        // Even the end waits no longer than it was told to.
        server.signal("TERM");
        assert_eq!(server.wait_exit().code, Some(0));
        assert_eq!(peer.requests().len(), 1);
    }
}

#[test]
fn a_hang_that_ends_costs_nothing() {
    let peer = Peer::start(|_| Reply::StallInBody("{}".to_owned()));
    let port = peer.port;
    let server = start(&peer, &[]);
    server.send_unix(events(0..500));
    until_true("it hangs", || peer.requests().len() == 1);
    drop(peer);
    let listener = until("the port is free", || {
        TcpListener::bind(("127.0.0.1", port)).map_err(|error| error.to_string())
    });
    let peer = Peer::start_on(listener, None, |_| Reply::status(204, ""));
    settled(&server, 500, 0);
    assert_eq!(all(&peer).len(), 500);
}

#[test]
fn what_waits_at_the_end_is_sent() {
    let peer = Peer::start(|_| Reply::status(204, ""));
    let mut server = start(&peer, &[]);
    server.send_unix(event(1));
    server.settled();
    server.signal("TERM");
    assert_eq!(server.wait_exit().code, Some(0));
    assert_eq!(all(&peer).iter().map(|entry| entry.line.clone()).collect::<Vec<_>>(), lines(1..2));
}

/// A server that is trusted by the flags' files only after these have changed.
#[test]
fn an_unknown_authority_is_no_reason_to_lose_events() {
    let authority = Authority::new("right");
    let peer = Peer::start_tls(authority.server("127.0.0.1", None), |_| Reply::status(204, ""));
    let dir = temp_dir();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, Authority::new("wrong").pem).unwrap();
    let https = address(peer.port).replace("http:", "https:");
    let server = Server::start(&["-loki-address", &https, "-loki-ca-path", ca.to_str().unwrap()]);
    server.send_unix(events(0..500));
    let told = |line: &str| line.contains(&https) && line.contains("certificate");
    assert!(server.find_line(told).is_some(), "{}", server.stderr());
    let page = server.settled();
    assert_eq!((of_loki(&page, "sink_up"), of_loki(&page, "sink_queue_rows")), (0, 500));
    assert!(peer.requests().is_empty());
    // Without a certificate of its own it is let in by a server that asks for none.
    fs::write(&ca, &authority.pem).unwrap();
    server.signal("HUP");
    settled(&server, 500, 0);
    assert_eq!(all(&peer).len(), 500);
}

#[test]
fn a_wrong_certificate_of_ours_is_no_reason_to_lose_events() {
    let authority = Authority::new("both");
    let server_side = authority.server("127.0.0.1", Some(&authority));
    let peer = Peer::start_tls(server_side, |_| Reply::status(204, ""));
    let dir = temp_dir();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (path("ca.pem"), path("cli.pem"), path("cli.key"));
    fs::write(&ca, &authority.pem).unwrap();
    Authority::new("other").sign().write(cert.as_ref(), key.as_ref());
    let https = address(peer.port).replace("http:", "https:");
    let server = Server::start(&[
        "-loki-address",
        &https,
        "-loki-ca-path",
        &ca,
        "-loki-cert-path",
        &cert,
        "-loki-key-path",
        &key,
    ]);
    server.send_unix(events(0..500));
    assert!(server.find_line(|line| line.contains("loki: ") && line.contains(&https)).is_some());
    assert!(peer.requests().is_empty());
    authority.sign().write(cert.as_ref(), key.as_ref());
    server.signal("HUP");
    settled(&server, 500, 0);
    assert_eq!(all(&peer).len(), 500);
}

/// As a proxy answers that wants a login: not Loki's word, so nothing is delivered.
#[test]
fn the_page_of_a_login_is_no_delivery() {
    taken_after(&[
        Reply::status(200, "<html><form>log in</form></html>"),
        Reply::status(302, ""),
        Reply::status(200, r#"{"error":"log in"}"#),
    ]);
}

#[test]
fn a_login_in_the_address_is_decoded() {
    let peer = Peer::start(|_| Reply::status(204, ""));
    let url = format!("http://us%40er:p%3Aa%2Fs%25@127.0.0.1:{}/loki/api/v1/push", peer.port);
    let server = Server::start(&["-loki-address", &url]);
    server.send_unix(events(0..500));
    settled(&server, 500, 0);
    // us@er:p:a/s%
    let login = "Basic dXNAZXI6cDphL3Ml";
    assert!(peer.requests().iter().all(|request| request.header("authorization") == Some(login)));
}

/// As nginx answers that wants a certificate: not Loki's word, so nothing is given up.
#[test]
fn a_page_of_a_proxy_is_no_refusal() {
    taken_after(&[Reply::status(
        400,
        "<html><head><title>400 No required SSL certificate was sent",
    )]);
}

#[test]
fn what_cannot_work_is_an_error_at_the_start() {
    let dir = temp_dir();
    let identity = Authority::new("a").sign();
    identity.write(&dir.path().join("cli.pem"), &dir.path().join("cli.key"));
    fs::write(dir.path().join("empty"), "").unwrap();
    let many: Vec<String> = (0..16).map(|number| format!("l{number}")).collect();
    let many = many.join(",");
    let url = "https://127.0.0.1:1/loki/api/v1/push";
    let cases: &[(&[&str], &str)] = &[
        (&["-loki-ca-path", "none.pem"], r#"-loki-ca-path "none.pem": cannot read it"#),
        (&["-loki-ca-path", "."], r#"-loki-ca-path ".": cannot read it"#),
        (&["-loki-ca-path", "empty"], r#"-loki-ca-path "empty": there is no certificate"#),
        (&["-loki-cert-path", "cli.pem"], "-loki-cert-path and -loki-key-path belong together"),
        (&["-loki-key-path", "cli.key"], "-loki-cert-path and -loki-key-path belong together"),
        (
            &["-loki-cert-path", "cli.pem", "-loki-key-path", "empty"],
            r#"-loki-key-path "empty": there is no private key"#,
        ),
        (&["-loki-address", "http://u:p@loki:99999/push"], "-loki-address: it has no valid host"),
        (&["-loki-address", "loki:3100"], "-loki-address: it must begin with http"),
        (&["-loki-tenant", "a\nb"], r#"-loki-tenant "a\nb""#),
        (&["-loki-labels", &many], "-loki-labels names 16 labels"),
    ];
    for (flags, error) in cases {
        let args = [&crate::common::server::BASE[..], &["-loki-address", url], *flags].concat();
        let exit = Server::try_start(dir.path(), &args).unwrap_err();
        assert_eq!(exit.code, Some(1), "{flags:?}: {exit:?}");
        // The log's own quotes and escapes.
        let error = error.replace('\\', r"\\").replace('"', r#"\""#);
        assert!(exit.stderr.contains(&error), "{flags:?}: {} without {error}", exit.stderr);
    }
}
