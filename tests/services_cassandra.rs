//! Rows of `op: raw` in a real Cassandra, which speaks ScyllaDB's language: `make services` starts it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may end; it tells what it measured; its numbers are small"
)]

#[path = "common/harness.rs"]
mod common;
#[path = "common/cql.rs"]
mod cql;

use std::fmt::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::page::Page;
use common::{Server, service};
use cql::{Cql, USER};
use parking_lot::Mutex;

/// There is one service, and some tests make it stand still.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const ENV: [(&str, &str); 1] = [("METRICS_SERVER_SCYLLADB_PASSWORD", USER)];

/// The flags for a table, and more.
fn flags<'a>(host: &'a str, table: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let ours = ["-scylladb-hosts", host, "-scylladb-table", table, "-scylladb-user", USER];
    [&ours[..], more].concat()
}

fn host() -> String {
    format!("127.0.0.1:{}", service::port("cassandra"))
}

fn start(table: &str, more: &[&str]) -> Server {
    Server::start_with_env(&flags(&host(), table, more), &ENV)
}

/// Rows of one name and one set of labels, with these values.
fn rows(values: std::ops::Range<u32>) -> String {
    let mut text = String::new();
    for value in values {
        writeln!(text, r#"{{"name":"r","labels":{{"b":"2","a":"1"}},"op":"raw","value":{value}}}"#)
            .unwrap();
    }
    text
}

/// The labels of those rows, as a query has them.
const LABELS: &str = "{'a': '1', 'b': '2', 'data_source': 'ms.sock', 'source_app': 'ms'}";

/// Sends rows at a steady rate over one connection.
fn send_paced(server: &Server, rows_per_second: u32, seconds: u32) -> u32 {
    let mut client = server.connect("ms.sock");
    let began = Instant::now();
    let each = rows_per_second / 50;
    for tick in 0..seconds * 50 {
        client.send(rows(tick * each..(tick + 1) * each).as_bytes());
        let due = began + Duration::from_millis(u64::from(tick + 1) * 20);
        sleep(due.saturating_duration_since(Instant::now()));
    }
    seconds * 50 * each
}

fn sink(page: &Page, family: &str) -> u64 {
    page.own(&format!(r#"sink_{family}{{sink="scylladb"}}"#))
}

fn settled_rows(page: &Page) -> u64 {
    sink(page, "rows_delivered_total")
        + page.own_sum("sink_rows_rejected_total")
        + page.own_sum("sink_rows_dropped_total")
}

/// Waits until so many rows are delivered, rejected or dropped.
fn wait_settled(server: &Server, rows: u64) -> Page {
    let began = Instant::now();
    loop {
        let page = server.scrape();
        let settled = settled_rows(&page);
        if settled >= rows {
            assert_eq!(settled, rows, "{}", page.user());
            return page;
        }
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{settled} of {rows} settled: {}",
            server.stderr()
        );
        sleep(Duration::from_millis(20));
    }
}

fn deliver_all(server: &Server, rows: u64) -> Page {
    let page = wait_settled(server, rows);
    assert_eq!(sink(&page, "rows_delivered_total"), rows, "{}", server.stderr());
    page
}

fn sum_of(rows: u64) -> f64 {
    (rows * (rows - 1) / 2) as f64
}

#[test]
fn a_hundred_thousand_rows_of_one_series_arrive_once_each() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS many"]);
    let server = start("many.rows", &[]);
    let began = Instant::now();
    let sent = u64::from(send_paced(&server, 10_000, 10));
    let took = began.elapsed();
    let page = deliver_all(&server, sent);
    println!(
        "{sent} rows sent in {took:.2?}, all stored {:.2?} after the first, {:.0} rows/s; {} ms of requests for {} batches",
        began.elapsed(),
        sent as f64 / began.elapsed().as_secs_f64(),
        page.get(r#"metrics_server_sink_request_seconds_total{sink="scylladb"}"#).unwrap() * 1e3,
        page.own_sum("sink_requests_total"),
    );
    let one = format!("FROM many.rows WHERE name = 'r' AND labels = {LABELS}");
    assert_eq!(cql.number(&format!("SELECT count(*) {one}")), sent as i64);
    assert!((cql.float(&format!("SELECT sum(value) {one}")) - sum_of(sent)).abs() < 0.5);
    assert_eq!(cql.number("SELECT count(*) FROM many.rows"), sent as i64);
    assert_eq!(page.own("scylladb_rows_moved_total"), 0);
    server.stop();
}
