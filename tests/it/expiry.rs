//! `-metric-clean-up`: which series go, when, and that nothing that was counted is lost before.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::wait::until;
use crate::common::{Server, inc};

const TTL: Duration = Duration::from_secs(1);
const FLAGS: [&str; 4] = ["-metric-clean-up", "-metric-ttl", "1s", "-source-labels=false"];

fn start(workers: &str) -> Server {
    Server::start(&[&FLAGS[..], &["-workers", workers]].concat())
}

/// Scrapes until a series is gone.
fn gone(server: &Server, series: &str) {
    until("the series is gone", || match server.scrape().get(series) {
        Some(value) => Err(format!("{series} {value}")),
        None => Ok(()),
    });
}

/// Waits until so many series of each kind were deleted: a series is gone a moment before it is booked.
fn deleted(server: &Server, want: [u64; 3]) {
    until("deleted series are booked", || {
        let page = server.scrape();
        let of = |op| page.own(&format!(r#"deleted_metrics_total{{type="{op}"}}"#));
        let got = ["inc", "set", "obs"].map(of);
        if got == want { Ok(()) } else { Err(format!("{got:?}")) }
    });
}

/// Waits until a pass has told that so many series are watched.
fn watched(server: &Server, want: u64) {
    until("the number of watched series is told", || {
        let got = server.scrape().own("staled_storage_length");
        if got == want { Ok(()) } else { Err(got.to_string()) }
    });
}

#[test]
fn each_kind_goes_without_traffic_and_not_early() {
    let server = start("4");
    let before = Instant::now();
    server.send_udp(
        inc("c")
            + r#"{"name":"g","op":"set","value":1}{"name":"h","op":"obs","buckets":2,"value":1}"#,
    );
    let page = server.settled();
    assert_eq!(
        (page.get("c"), page.get("g"), page.get("h_count")),
        (Some(1.0), Some(1.0), Some(1.0))
    );
    watched(&server, 3);
    // That a pass is never far away is tested where passes are timed (`src/exporter/expiry_timer.rs`).
    for series in ["c", "g", "h_count"] {
        gone(&server, series);
        assert!(before.elapsed() >= TTL, "{series} went early");
    }
    let page = server.scrape();
    assert_eq!(page.user(), "");
    watched(&server, 0);
    deleted(&server, [1, 1, 1]);
    server.stop();
}

/// Samples that come to different workers keep one series alive together, and its sum never falls.
#[test]
fn each_sample_puts_the_deadline_off() {
    let server = start("4");
    server.send_udp(inc("short"));
    let start = Instant::now();
    let mut sent = 0;
    let mut last = 0.0;
    // Every socket has a port of its own, so the samples go to any worker; each alone is idle for longer than the
    // time to live now and then.
    while start.elapsed() < TTL * 4 {
        server.send_udp(inc("c") + r#"{"name":"h","op":"obs","buckets":1,"value":0.5}"#);
        sent += 1;
        let page = server.settled();
        let value = page.get("c").unwrap_or_else(|| panic!("gone after {:?}", start.elapsed()));
        assert!(value >= last, "{last} fell to {value}");
        assert_eq!(page.get("h_count"), Some(value));
        last = value;
        // Part of what is tested: samples that come well within the time to live.
        sleep(TTL / 4);
    }
    let page = server.settled();
    assert_eq!(page.get("c"), Some(f64::from(sent)));
    assert_eq!(page.get("h_sum"), Some(f64::from(sent) / 2.0));
    assert_eq!(page.get("short"), None);
    gone(&server, "c");
    gone(&server, "h_count");
    deleted(&server, [2, 0, 1]);
    server.stop();
}

/// A gauge that idle workers gave up shows the value that was set last.
#[test]
fn gauge_keeps_its_last_value() {
    let server = start("4");
    let start = Instant::now();
    let mut value = 0;
    while start.elapsed() < TTL * 3 {
        value += 1;
        server.send_udp(format!(r#"{{"name":"g","op":"set","value":{value}}}"#));
        assert_eq!(server.settled().get("g"), Some(f64::from(value)));
        sleep(TTL / 4);
    }
    gone(&server, "g");
    server.stop();
}

/// A family that lost its last series is a new one the next time.
#[test]
fn a_name_may_come_back_as_something_else() {
    let server = start("2");
    server.send_udp(r#"{"name":"m","op":"inc","value":5,"help":"old"}"#);
    server.send_udp(r#"{"name":"h","op":"obs","buckets":1,"value":1}"#);
    server.settled();
    gone(&server, "m");
    gone(&server, "h_count");
    server.send_udp(r#"{"name":"m","op":"set","value":7,"help":"new","labels":{"a":"b"}}"#);
    server.send_udp(inc("h_count"));
    let page = server.settled();
    assert_eq!(page.refused(), 0);
    assert!(
        page.user().contains("# HELP m new\n# TYPE m gauge\nm{a=\"b\"} 7\n"),
        "{}",
        page.user()
    );
    assert_eq!(page.get("h_count"), Some(1.0));
    server.stop();
}

/// With some of its series gone a family stands with the others, and conflicts are refused as before.
#[test]
fn a_family_stands_as_long_as_one_of_its_series() {
    let more = ["-workers", "2", "-mixed-label-sets=false"];
    let server = Server::start(&[&FLAGS[..], &more].concat());
    let with =
        |label: &str| format!(r#"{{"name":"m","op":"inc","value":1,"labels":{{"a":"{label}"}}}}"#);
    server.send_udp(with("1") + &with("2"));
    server.settled();
    let start = Instant::now();
    let mut sent = 1.0;
    while start.elapsed() < TTL * 2 {
        sleep(TTL / 4);
        server.send_udp(with("2"));
        sent += 1.0;
    }
    server.send_udp(inc("m"));
    let page = server.settled();
    assert_eq!((page.get(r#"m{a="1"}"#), page.get(r#"m{a="2"}"#)), (None, Some(sent)));
    assert_eq!(page.rejected("label_set_conflict"), 1);
    server.stop();
}

/// Bounds are freed with the series that filled them.
#[test]
fn room_is_given_back() {
    let server = Server::start(&[&FLAGS[..], &["-lines-max", "2"]].concat());
    server.send_udp(inc("a") + &inc("b") + &inc("c"));
    assert_eq!(server.settled().rejected("lines_limit"), 1);
    gone(&server, "a");
    gone(&server, "b");
    server.send_udp(inc("c"));
    let page = server.settled();
    assert_eq!((page.get("c"), page.rejected("lines_limit")), (Some(1.0), 1));
    server.stop();
}
