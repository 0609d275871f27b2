//! Batches over which the far end falls silent: rows that are the cause are found wherever they stand, and a far end
//! that is only ill costs no row. By its name the module is among the first to start, since some of it waits for long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::common::peer::{Peer, Reply, Request};
use crate::common::search::{self, Books, SOON, documents, is_bulk, message, well};
use crate::common::server::temp_dir;
use crate::common::{Server, wait};

/// Rows of two workers come in no order.
const ONE: [&str; 2] = ["-workers", "1"];

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

/// The first, one in the middle and the last of several batches, of which two stand together.
#[test]
fn several_rows_without_a_verdict_hold_up_nobody() {
    let (rows, poison) = (3_000, [0, 1_500, 1_501, 2_999]);
    let taken = Taken::default();
    let peer = Peer::start(silent_over(&poison, Reply::Reset, &taken));
    let server = search::server(&peer, &ONE);
    send(&server, 0..rows);
    let innocent = all_but(rows.into(), &poison);
    wait::until_true("innocent rows arrive", || taken.lock().len() >= innocent.len());
    assert!(*taken.lock() == innocent, "not once each, in order");
    wait::until("the books close", || {
        let books = Books::of(&server.scrape());
        let all = books.delivered == innocent.len() as u64 && books.close();
        if all { Ok(()) } else { Err(format!("{books:?}")) }
    });
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

/// The wait before each request is a random one of 0.1 s on average before the second, and of half a second before most:
/// 16 come within a second and a half hardly ever, and did so when there was no wait between pieces.
#[test]
fn a_far_end_that_fails_at_once_and_says_that_it_is_well_costs_no_row_and_is_not_flooded() {
    let taken = Taken::default();
    let peer = Peer::start(ill(16, Reply::status(503, r#"{"error":{"type":"x"}}"#), &taken));
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..100);
    wait::until_true("it is asked", || peer.requests().iter().any(is_bulk));
    let began = Instant::now();
    let page = search::settled(&server, 100);
    assert!(began.elapsed() > Duration::from_millis(1_500), "{:?}", began.elapsed());
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
    send(&server, 0..200);
    let page = search::settled(&server, 200);
    assert_eq!(Books::of(&page).delivered, 200);
    let mut taken = taken.lock().clone();
    taken.sort_unstable();
    assert_eq!(taken, all_but(200, &[]));
}

#[test]
fn a_far_end_that_is_away_as_a_whole_convicts_nobody() {
    let taken = Taken::default();
    let peer = Peer::start(silent_over(&[], Reply::Reset, &taken));
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..1);
    search::settled(&server, 1);
    peer.script(|_| Reply::Reset);
    send(&server, 1..50);
    let before = peer.requests().len();
    wait::until_true("it was tried some times", || peer.requests().len() > before + 5);
    peer.script(silent_over(&[], Reply::Reset, &taken));
    let page = search::settled(&server, 50);
    assert_eq!(Books::of(&page).delivered, 50);
    assert_eq!(*taken.lock(), all_but(50, &[]));
}

/// After one request that broke it is still given the time that it always needs.
#[test]
fn a_far_end_that_needs_long_for_each_request_gets_whole_batches() {
    let pace = Duration::from_secs(11);
    let taken = Taken::default();
    let mut store = silent_over(&[], Reply::Reset, &taken);
    let mut bulks = 0;
    let peer = Peer::start(move |request| {
        if is_bulk(request) {
            bulks += 1;
            if bulks == 2 {
                return Reply::Reset;
            }
            std::thread::sleep(pace);
        }
        store(request)
    });
    let server = search::server(&peer, &[&SOON[..], &ONE].concat());
    send(&server, 0..1);
    wait::until_true("the first is under way", || peer.requests().len() == 1);
    send(&server, 1..500);
    let page = search::settled(&server, 500);
    assert_eq!(Books::of(&page).delivered, 500);
    let sizes: Vec<_> = search::bulks(&peer).iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 499, 499]);
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

#[test]
fn a_row_that_waits_aside_survives_a_kill() {
    let taken = Taken::default();
    let peer = Peer::start(silent_over(&[1], Reply::Reset, &taken));
    let dir = temp_dir();
    let url = format!("http://127.0.0.1:{}", peer.port);
    let mut server = search::spilling(dir.path(), &url, &[&SOON[..], &ONE].concat());
    send(&server, 0..3);
    server.find_line(|line| line.contains("no verdict even alone")).expect("a line");
    server.signal("KILL");
    server.wait_exit();
    peer.script(silent_over(&[], Reply::Reset, &taken));
    let server = search::spilling(dir.path(), &url, &SOON);
    let page = search::settled(&server, 1);
    assert_eq!(Books::of(&page).delivered, 1);
    assert_eq!(*taken.lock(), [0, 2, 1]);
    // What was copied is gone with it.
    server.stop();
    let server = search::spilling(dir.path(), &url, &SOON);
    assert_eq!(Books::of(&server.scrape()), Books::default());
}
