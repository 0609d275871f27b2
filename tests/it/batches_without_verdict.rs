//! A row over which the far end falls silent: it is found, the others arrive in order and once each, and a far end that
//! is only ill costs no row.
//!
//! These tests wait for time-outs at default settings, up to two minutes. By its name the module is among the first to
//! start, so that they wait beside all others and not behind them.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use crate::common::peer::{Peer, Reply, Request};
use crate::common::search::{self, Books, SOON, documents, is_bulk, message, rejected, well};
use crate::common::server::temp_dir;
use crate::common::{Page, Server, wait};

/// Rows of two workers come in no order.
const ONE: [&str; 2] = ["-workers", "1"];
/// How long innocent rows may take at default settings.
const INNOCENT: Duration = Duration::from_mins(2);

/// The values of rows that were taken, in their order.
type Taken = Arc<Mutex<Vec<u64>>>;

/// Documents with these values get this in place of an answer; all others are taken.
fn silent_over(
    poison: &[u64],
    reply: Reply,
    taken: &Taken,
) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let (poison, taken) = (poison.to_vec(), Arc::clone(taken));
    move |request| {
        if !is_bulk(request) {
            return well(request);
        }
        let values = values(request);
        if values.iter().any(|value| poison.contains(value)) {
            return reply.clone();
        }
        taken.lock().extend(values);
        well(request)
    }
}

fn values(request: &Request) -> Vec<u64> {
    documents(request).iter().map(|document| document.get("value").as_u64().unwrap()).collect()
}

fn send(server: &Server, values: std::ops::Range<u32>) {
    for first in values.clone().step_by(500) {
        let chunk = first..(first + 500).min(values.end);
        server.send_udp(chunk.map(|value| message("", value)).collect::<String>());
    }
}

fn all_but(rows: u64, poison: &[u64]) -> Vec<u64> {
    (0..rows).filter(|value| !poison.contains(value)).collect()
}

/// Innocent rows arrive soon, in order and once each, and the others wait.
fn innocents_arrive(rows: u32, poison: &[u64], reply: Reply) {
    let taken = Taken::default();
    let peer = Peer::start(silent_over(poison, reply, &taken));
    let server = search::server(&peer, &ONE);
    arrive(&server, &taken, rows, poison);
}

fn arrive(server: &Server, taken: &Taken, rows: u32, poison: &[u64]) {
    let began = Instant::now();
    send(server, 0..rows);
    let innocent = u64::from(rows) - poison.len() as u64;
    let page = wait::until("innocent rows arrive", || {
        let page = server.scrape();
        let books = Books::of(&page);
        if books.delivered == innocent {
            Ok(page)
        } else {
            Err(format!("{books:?}\n{}", server.stderr()))
        }
    });
    assert!(began.elapsed() < INNOCENT, "{:?}", began.elapsed());
    let books = Books::of(&page);
    assert!(books.close(), "{books:?}");
    assert!(*taken.lock() == all_but(u64::from(rows), poison), "not once each, in order");
}

#[test]
fn a_document_over_which_the_far_end_hangs_is_found_and_kept() {
    let (rows, poison) = (1_000, [637]);
    let taken = Taken::default();
    let peer = Peer::start(silent_over(&poison, Reply::Stall, &taken));
    let dir = temp_dir();
    let server = search::spilling(dir.path(), &format!("http://127.0.0.1:{}", peer.port), &ONE);
    arrive(&server, &taken, rows, &poison);
    let page = search::settled(&server, u64::from(rows));
    assert_eq!(rejected(&page, "poison"), poison.len() as u64);
    assert_eq!(Books::of(&page).dropped, 0);
    let line = server.find_line(|line| line.contains("rejected as poison")).expect("a line");
    assert!(line.contains("rows.poison") && line.contains(r#"\"op\":\"index\""#), "{line}");
    let kept = fs::read_to_string(dir.path().join("spill/opensearch/rows.poison")).unwrap();
    let mut kept: Vec<u64> = kept
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].as_u64().unwrap())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, poison);
}

#[test]
fn documents_over_which_connections_are_reset_hold_up_nobody() {
    innocents_arrive(3_000, &[0, 1_500, 2_999], Reply::Reset);
}

#[test]
fn documents_over_which_a_proxy_fails_hold_up_nobody() {
    let reply = Reply::status(502, "<html>502 Bad Gateway</html>");
    innocents_arrive(2_000, &[999, 1_000], reply);
}

#[test]
fn a_document_over_which_the_answer_is_empty_holds_up_nobody() {
    innocents_arrive(500, &[3], Reply::status(200, "{}"));
}

#[test]
fn lines_over_which_loki_fails_are_found() {
    let taken = Taken::default();
    let store = Arc::clone(&taken);
    let peer = Peer::start(move |request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let streams = body["streams"].as_array().unwrap().iter();
        let lines = streams.flat_map(|stream| stream["values"].as_array().unwrap());
        let values: Vec<u64> = lines
            .map(|line| {
                let line: Value = serde_json::from_str(line[1].as_str().unwrap()).unwrap();
                line["value"].as_u64().unwrap()
            })
            .collect();
        if values.contains(&77) {
            return Reply::status(500, "a fault");
        }
        store.lock().extend(values);
        Reply::status(204, "")
    });
    let address = format!("http://127.0.0.1:{}/loki/api/v1/push", peer.port);
    let server = Server::start(&["-loki-address", &address]);
    let event = |value: u32| format!(r#"{{"name":"e","op":"event","value":{value}}}"#);
    server.send_udp((0..500).map(event).collect::<String>());
    let of_loki = |page: &Page, series: &str| page.own(series);
    wait::until("the row is rejected", || {
        let page = server.scrape();
        let now = (
            of_loki(&page, r#"sink_rows_delivered_total{sink="loki"}"#),
            of_loki(&page, r#"sink_rows_rejected_total{reason="poison",sink="loki"}"#),
            of_loki(&page, r#"sink_queue_rows{sink="loki"}"#),
        );
        if now == (499, 1, 0) { Ok(()) } else { Err(format!("{now:?}\n{}", server.stderr())) }
    });
    assert_eq!(*taken.lock(), all_but(500, &[77]));
}

/// Answers so many bulk requests like this, and takes all later ones.
fn ill(
    requests: usize,
    reply: Reply,
    taken: &Taken,
) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let (mut left, taken) = (requests, Arc::clone(taken));
    move |request| {
        if !is_bulk(request) {
            return well(request);
        }
        if left > 0 {
            left -= 1;
            return reply.clone();
        }
        taken.lock().extend(values(request));
        well(request)
    }
}

#[test]
fn a_far_end_that_takes_nothing_and_says_that_it_is_well_costs_no_row() {
    let taken = Taken::default();
    let peer = Peer::start(ill(60, Reply::status(500, r#"{"error":{"type":"x"}}"#), &taken));
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..100);
    let page = search::settled(&server, 100);
    assert_eq!(Books::of(&page).delivered, 100);
    // Those that were looked at when it came back may come behind others.
    let mut taken = taken.lock().clone();
    taken.sort_unstable();
    assert_eq!(taken, all_but(100, &[]));
}

#[test]
fn a_far_end_of_which_every_second_request_fails_costs_no_row() {
    let taken = Taken::default();
    let store = Arc::clone(&taken);
    let mut number = 0_u32;
    let peer = Peer::start(move |request| {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if number >> 31 == 0 {
            return Reply::status(502, "");
        }
        if is_bulk(request) {
            store.lock().extend(values(request));
        }
        well(request)
    });
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..1_000);
    let page = search::settled(&server, 1_000);
    assert_eq!(Books::of(&page).delivered, 1_000);
    let mut taken = taken.lock().clone();
    taken.sort_unstable();
    assert_eq!(taken, all_but(1_000, &[]));
}

#[test]
fn a_far_end_that_is_away_as_a_whole_convicts_nobody() {
    let taken = Taken::default();
    let peer = Peer::start(|_| Reply::Reset);
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..50);
    wait::until_true("it was tried some times", || peer.requests().len() > 8);
    peer.script(silent_over(&[], Reply::Reset, &taken));
    let page = search::settled(&server, 50);
    assert_eq!(Books::of(&page).delivered, 50);
    assert_eq!(*taken.lock(), all_but(50, &[]));
}

#[test]
fn a_row_alone_waits_for_others_and_is_kept_at_the_end() {
    let taken = Taken::default();
    let peer = Peer::start(silent_over(&[0], Reply::Reset, &taken));
    let dir = temp_dir();
    let url = format!("http://127.0.0.1:{}", peer.port);
    let server = search::spilling(dir.path(), &url, &SOON);
    send(&server, 0..1);
    server.find_line(|line| line.contains("no verdict even alone")).expect("a line");
    // Those behind it go on.
    send(&server, 1..5);
    wait::until("the others arrive", || {
        let books = Books::of(&server.scrape());
        let all = books.delivered == 4 && books.queued == 1 && books.close();
        if all { Ok(()) } else { Err(format!("{books:?}")) }
    });
    server.stop();
    peer.script(silent_over(&[], Reply::Reset, &taken));
    let server = search::spilling(dir.path(), &url, &SOON);
    let page = search::settled(&server, 1);
    assert_eq!(Books::of(&page).delivered, 1);
    assert_eq!(*taken.lock(), [1, 2, 3, 4, 0]);
}
