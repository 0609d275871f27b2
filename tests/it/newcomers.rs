//! `-evict-singletons`: while a flood of series that never come again holds a limit, series that are sent again and
//! again get in.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::common::wait::{until, until_true};
use crate::common::{Page, Server, inc};

/// What is asked for: so many of so many newcomers are on the page after so many of their samples, one a second.
const NEWCOMERS: usize = 100;
const GET_IN: usize = 95;
const SAMPLES: usize = 10;
/// Series of the flood in one write, and the time between two writes: some thousands of series a second.
const FLOOD: usize = 50;
const FLOOD_PERIOD: Duration = Duration::from_millis(5);

const FLAGS: [&str; 5] =
    ["-source-labels=false", "-metric-clean-up", "-workers", "4", "-log-interval=1h"];

/// A counter with one label.
fn labelled(name: &str, label: &str) -> String {
    format!(r#"{{"name":"{name}","op":"inc","value":1,"labels":{{"l":"{label}"}}}}"#)
}

/// The next part of the flood: a hundred bytes of label make memory the scarcest where that is limited.
fn flood(name: &str, write: usize) -> String {
    let long = "x".repeat(100);
    (0..FLOOD).map(|number| labelled(name, &format!("{write}-{number}-{long}"))).collect()
}

/// How many newcomers are on the page.
fn inside(page: &Page, name: &str) -> usize {
    let series = |number| format!(r#"{name}{{l="new{number}"}}"#);
    (0..NEWCOMERS).filter(|&number| page.get(&series(number)).is_some()).count()
}

/// How a flood of this name is sent until it is told to stop.
type Flood = fn(&Server, &str, &AtomicBool);

/// Some thousands of series a second.
fn steady(server: &Server, name: &str, stop: &AtomicBool) {
    let mut connection = server.connect("ms.sock");
    for write in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        connection.send(flood(name, write).as_bytes());
        sleep(FLOOD_PERIOD);
    }
}

/// As many as one sender can send.
fn at_full_speed(server: &Server, name: &str, stop: &AtomicBool) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", server.udp)).unwrap();
    for number in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let message = labelled(name, &number.to_string());
        socket.send(message.as_bytes()).unwrap();
        server.sent.note_udp(1, message.len() as u64);
    }
}

/// Fills a limit with a flood that goes on, then sends newcomers, each once a second in a datagram of its own. Returns
/// the page once enough of them are on it, or that after their last sample. The names are those of the flood and of
/// the newcomers.
fn flooded(server: &Server, send: Flood, reason: &str, names: [&str; 2]) -> Page {
    let [of_flood, of_newcomers] = names;
    let stop = AtomicBool::new(false);
    scope(|threads| {
        threads.spawn(|| send(server, of_flood, &stop));
        until_true("the limit is reached", || server.scrape().rejected(reason) > 0);
        let mut page = server.scrape();
        for _ in 0..SAMPLES {
            for number in 0..NEWCOMERS {
                server.send_udp(labelled(of_newcomers, &format!("new{number}")));
            }
            // Part of what is tested: the newcomers come once a second.
            sleep(Duration::from_secs(1));
            page = server.scrape();
            if inside(&page, of_newcomers) >= GET_IN {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        page
    })
}

/// Series evicted so far, of all types.
fn evicted(page: &Page) -> u64 {
    page.own_sum("evicted_series_total")
}

/// Newcomers get in, and what comes again and again stays, with all that it has counted.
#[track_caller]
fn newcomers_get_in(limit: &[&str], reason: &str, names: [&str; 2]) {
    let server = Server::start(&[&FLAGS, limit].concat());
    // Two samples at different times.
    for _ in 0..2 {
        server.send_udp(inc("old"));
        server.settled();
    }
    let page = flooded(&server, steady, reason, names);
    let inside = inside(&page, names[1]);
    assert!(inside >= GET_IN, "{inside} of {NEWCOMERS} newcomers got in");
    assert_eq!(page.get("old"), Some(2.0), "what had two samples stays");
    let evicted = evicted(&page);
    assert!(evicted > 0);
    // Not each series of the flood takes the place of another.
    assert!(evicted < page.rejected(reason), "{evicted} evicted");
    let line = server.find_line(|line| line.contains("to make room for new ones")).unwrap();
    assert!(line.contains(&format!("such as {}{{l=", names[0])), "{line}");
    server.stop();
}

#[test]
fn past_lines_max() {
    newcomers_get_in(&["-lines-max", "2000"], "lines_limit", ["flood", "new"]);
}

#[test]
fn past_name_lines_max() {
    newcomers_get_in(&["-name-lines-max", "2000"], "name_lines_limit", ["shared", "shared"]);
}

#[test]
fn past_memory_max() {
    newcomers_get_in(&["-memory-max", "2097152"], "memory_limit", ["flood", "new"]);
}

#[test]
fn past_lines_max_at_full_speed() {
    let server = Server::start(&[&FLAGS[..], &["-lines-max", "10000"]].concat());
    let page = flooded(&server, at_full_speed, "lines_limit", ["flood", "new"]);
    let inside = inside(&page, "new");
    assert!(inside >= GET_IN, "{inside} of {NEWCOMERS} newcomers got in");
    server.stop();
}

/// A flood of one name is no matter of the others, near the limit of all lines too: what is there stays, and what comes
/// gets in at once.
#[test]
fn past_name_lines_max_at_full_speed() {
    let limits = ["-name-lines-max", "10000", "-lines-max", "11100"];
    let server = Server::start(&[&FLAGS[..], &limits].concat());
    let others: String = (0..1000).map(|number| labelled("other", &number.to_string())).collect();
    server.send_unix(&others);
    let page = flooded(&server, at_full_speed, "name_lines_limit", ["shared", "shared"]);
    let inside = inside(&page, "shared");
    assert!(inside >= GET_IN, "{inside} of {NEWCOMERS} newcomers got in");
    let is_there = |number: &usize| page.get(&format!(r#"other{{l="{number}"}}"#)) == Some(1.0);
    assert_eq!((0..1000).filter(is_there).count(), 1000);
    let late: Vec<String> = (0..20).map(|number| format!("late_{number}")).collect();
    server.send_unix(late.iter().map(|name| inc(name)).collect::<String>());
    until_true("all others get in with their first sample", || {
        let page = server.scrape();
        late.iter().all(|name| page.get(name) == Some(1.0))
    });
    assert_eq!(server.scrape().rejected("lines_limit"), 0);
    server.stop();
}

#[test]
fn nothing_is_evicted_where_that_is_switched_off() {
    let server =
        Server::start(&[&FLAGS[..], &["-lines-max", "2000", "-evict-singletons=false"]].concat());
    let page = flooded(&server, steady, "lines_limit", ["flood", "new"]);
    assert_eq!((inside(&page, "new"), evicted(&page)), (0, 0));
    assert_eq!(page.own("exposed_lines"), 2000);
    server.stop();
}

/// Without a flood too: the place of the oldest singleton goes to what comes again, and what was evicted begins again
/// when it does so itself.
#[test]
fn an_evicted_series_begins_again() {
    let server = Server::start(&[&FLAGS[..], &["-lines-max", "2"]].concat());
    server.send_udp(r#"{"name":"a","op":"inc","value":5}"#);
    server.settled();
    server.send_udp(inc("b"));
    assert_eq!(server.settled().get("a"), Some(5.0));
    for (comes, goes) in [("c", "a"), ("a", "b")] {
        until("one takes the place of the other", || {
            server.send_udp(inc(comes));
            let page = server.settled();
            let values = (page.get(comes), page.get(goes));
            if values == (Some(1.0), None) { Ok(()) } else { Err(format!("{values:?}")) }
        });
    }
    let page = server.scrape();
    assert_eq!((page.get("c"), evicted(&page)), (Some(1.0), 2));
    server.stop();
}
