//! Rows of `op: raw` in a real Cassandra, which speaks ScyllaDB's language: `make services` starts it.

#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a test may end; it tells what it measured; its numbers are small"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::thread::sleep;
use std::time::{Duration, Instant};

use cdrs_tokio::types::ByIndex;
use cdrs_tokio::types::rows::Row;
use parking_lot::Mutex;

use crate::common::Server;
use crate::common::cql_peer::{CqlPeer, OLD_TABLE};
use crate::common::page::Page;
use crate::common::wait::until;
use crate::cql::{Cql, Stopped, USER, restart};
use crate::service;

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
            began.elapsed() < Duration::from_mins(2),
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
    assert_eq!(cql.number(&format!("SELECT count(*) {one}")), i64::try_from(sent).unwrap());
    assert!((cql.float(&format!("SELECT sum(value) {one}")) - sum_of(sent)).abs() < 0.5);
    assert_eq!(cql.number("SELECT count(*) FROM many.rows"), i64::try_from(sent).unwrap());
    assert_eq!(page.own("scylladb_rows_moved_total"), 0);
    server.stop();
}

#[test]
fn queries_of_the_originals_readme_work_in_our_table() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS tracking"]);
    // The default table; no labels but the message's, as in that README.
    let host = host();
    let hosts = ["-scylladb-hosts", host.as_str(), "-scylladb-user", USER, "-source-labels=false"];
    let server = Server::start_with_env(&hosts, &ENV);
    server.send_unix(concat!(
        r#"{"name":"metric_raw","labels":{"status":"success"},"op":"raw","value":1.5}"#,
        r#"{"name":"metric_raw","labels":{"status":"failed"},"op":"raw","value":1e21}"#,
        r#"{"name":"metric_raw","labels":{"status":"skipped","job":"k8s"},"op":"raw","value":0.1}"#,
    ));
    deliver_all(&server, 3);
    let found = |condition: &str| {
        let rows = cql.rows(&format!("SELECT value FROM tracking.metrics where {condition}"));
        let value = |row: &Row| row.r_by_index::<f64>(0).unwrap();
        rows.iter().map(value).collect::<Vec<f64>>()
    };
    let before = "timestamp<'2100-10-14 08:07:00'";
    assert_eq!(
        found(&format!("name = 'metric_raw' and labels = {{'status': 'success'}} and {before}")),
        [1.5]
    );
    // Labels in another order than that in which they are stored.
    let skipped = "{'status': 'skipped', 'job': 'k8s'}";
    assert_eq!(found(&format!("name = 'metric_raw' and labels = {skipped} and {before}")), [0.1]);
    assert_eq!(found(&format!("labels = {skipped}")), [0.1], "by the index");
    assert_eq!(found("labels = {'status': 'failed'}"), [1e21]);
    server.stop();
}

/// An old table's rows: as many as were sent but for those that the page says were overwritten.
fn old_table(name: &str, key: &str) {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    let table = format!("old_{name}.metrics");
    cql.keyspace(&format!("old_{name}"));
    cql.run(&[
        &format!(
            "CREATE TABLE {table} (name text, labels frozen<map<text, text>>, timestamp timestamp, value double, primary key({key}, timestamp))"
        ),
        &format!("CREATE INDEX ON {table} (FULL(labels))"),
    ]);
    let server = start(&table, &[]);
    server.send_unix(rows(0..500));
    deliver_all(&server, 500);
    let count = format!("SELECT count(*) FROM {table} WHERE labels = {LABELS}");
    assert_eq!(cql.number(&count), 500, "moved apart");
    server.send_unix(rows(500..5_000));
    let page = deliver_all(&server, 5_000);
    let overwritten = page.own("scylladb_rows_overwritten_total");
    println!("{table}: {} moved, {overwritten} overwritten", page.own("scylladb_rows_moved_total"));
    assert_eq!(cql.number(&count), 5_000 - i64::try_from(overwritten).unwrap());
    assert!(page.own("scylladb_rows_moved_total") > 400 && overwritten < 4_500);
    server.stop();
}

#[test]
fn the_table_of_the_originals_code_keeps_working() {
    old_table("code", "(name, labels)");
}

#[test]
fn the_table_of_the_originals_readme_keeps_working() {
    old_table("readme", "(name)");
}

/// How long Cassandra is out of reach; `SERVICES_DOWN_SECONDS` asks for longer.
fn down_seconds() -> u32 {
    std::env::var("SERVICES_DOWN_SECONDS").map_or(12, |text| text.parse().unwrap())
}

#[test]
fn nothing_is_lost_while_it_hangs() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS down"]);
    let dir = tempfile::tempdir().unwrap();
    let spill = dir.path().to_str().unwrap();
    let server = start("down.rows", &["-spill-dir", spill, "-sink-queue-bytes", "1048576"]);
    server.send_unix(rows(0..1));
    deliver_all(&server, 1);
    let stopped = Stopped::new();
    let sent = u64::from(send_paced(&server, 2_000, down_seconds())) + 1;
    let page = server.scrape();
    assert!(sink(&page, "spill_rows") > 0, "{}", server.stderr());
    drop(stopped);
    let began = Instant::now();
    let left = sent - sink(&page, "rows_delivered_total");
    deliver_all(&server, sent);
    println!(
        "{left} rows waited, {} of them on disk; stored in {:.1?}, {:.0} rows/s",
        sink(&page, "spill_rows"),
        began.elapsed(),
        left as f64 / began.elapsed().as_secs_f64(),
    );
    assert_eq!(cql.number("SELECT count(*) FROM down.rows"), i64::try_from(sent).unwrap());
    server.stop();
}

#[test]
fn rows_on_disk_survive_a_kill_of_the_server() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS killed"]);
    let dir = tempfile::tempdir().unwrap();
    let spill = dir.path().to_str().unwrap();
    let more = ["-spill-dir", spill, "-sink-queue-bytes", "1048576"];
    let server = start("killed.rows", &more);
    let stopped = Stopped::new();
    let mut client = server.connect("ms.sock");
    (0..40).for_each(|part| client.send(rows(part * 500..(part + 1) * 500).as_bytes()));
    drop(client);
    server.settled();
    let page = until("the spooler has taken all", || {
        let page = server.scrape();
        let kept = sink(&page, "spill_rows") + sink(&page, "queue_rows");
        if kept == 20_000 && sink(&page, "spill_rows") > 0 {
            Ok(page)
        } else {
            Err(kept.to_string())
        }
    });
    let spilled = sink(&page, "spill_rows");
    server.signal("KILL");
    drop(server);
    drop(stopped);
    let server = start("killed.rows", &more);
    let page = deliver_all(&server, sink(&server.scrape(), "rows_recovered_total"));
    let recovered = sink(&page, "rows_recovered_total");
    println!("{spilled} rows on disk at the kill, {recovered} recovered");
    assert!(recovered >= spilled && spilled > 1_000);
    // The newest are on disk: each of them is there.
    let newest = "SELECT value FROM killed.rows";
    let values: Vec<f64> = cql.rows(newest).iter().map(|row| row.r_by_index(0).unwrap()).collect();
    assert_eq!(values.len() as u64, recovered);
    server.stop();
}

#[test]
fn a_restart_of_cassandra_costs_nothing() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS again"]);
    let server = start("again.rows", &[]);
    server.send_unix(rows(0..1_000));
    deliver_all(&server, 1_000);
    drop(cql);
    restart();
    server.send_unix(rows(1_000..3_000));
    deliver_all(&server, 3_000);
    assert_eq!(Cql::connect().number("SELECT count(*) FROM again.rows"), 3_000);
    server.stop();
}

#[test]
fn users_and_rights_are_told_of_and_waited_for() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.keyspace("rights");
    cql.run(&[
        "DROP ROLE IF EXISTS joe",
        "CREATE ROLE joe WITH PASSWORD = 'secret' AND LOGIN = true",
    ]);
    let host = host();
    let args = [
        "-scylladb-hosts",
        host.as_str(),
        "-scylladb-table",
        "rights.rows",
        "-scylladb-user",
        "joe",
    ];
    let wrong = Server::start_with_env(&args, &[("METRICS_SERVER_SCYLLADB_PASSWORD", "not it")]);
    wrong.send_unix(rows(0..1));
    let line = wrong.find_line(|line| line.contains("no node can be connected to")).unwrap();
    assert!(line.contains("incorrect") && !line.contains("not it"), "{line}");
    wrong.stop();
    let nobody = Server::start(&args[..4]);
    nobody.send_unix(rows(0..1));
    nobody.find_line(|line| line.contains("No authenticator was provided")).unwrap();
    nobody.stop();
    let server = Server::start_with_env(&args, &[("METRICS_SERVER_SCYLLADB_PASSWORD", "secret")]);
    server.send_unix(rows(0..10));
    let line = server.find_line(|line| line.contains("User joe has no")).unwrap();
    assert!(line.contains("level=warn"), "{line}");
    cql.run(&["GRANT CREATE ON KEYSPACE rights TO joe", "GRANT ALTER ON KEYSPACE rights TO joe"]);
    cql.run(&["GRANT MODIFY ON KEYSPACE rights TO joe"]);
    deliver_all(&server, 10);
    assert_eq!(cql.number("SELECT count(*) FROM rights.rows"), 10);
    server.stop();
}

#[test]
fn tls_is_verified() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS tls"]);
    let host = format!("localhost:{}", service::port("cassandra"));
    let ca = service::home("cassandra").join("tls/ca.pem");
    let unknown = Server::start_with_env(&flags(&host, "tls.rows", &["-scylladb-tls"]), &ENV);
    unknown.send_unix(rows(0..1));
    let line = unknown.find_line(|line| line.contains("no node can be connected to")).unwrap();
    assert!(line.contains("UnknownIssuer"), "{line}");
    unknown.stop();
    let more = ["-scylladb-tls", "-scylladb-ca-path", ca.to_str().unwrap()];
    for host in [&host, &self::host()] {
        let server = Server::start_with_env(&flags(host, "tls.rows", &more), &ENV);
        server.send_unix(rows(0..10));
        deliver_all(&server, 10);
        server.stop();
    }
    assert_eq!(cql.number("SELECT count(*) FROM tls.rows"), 20);
}

#[test]
fn rows_with_too_long_a_key_are_rejected_and_the_others_stored() {
    let _one = ONE_AT_A_TIME.lock();
    let cql = Cql::connect();
    cql.keyspace("long");
    // Without labels in its key it is Cassandra that refuses: the index takes no more either.
    cql.run(&[
        "CREATE TABLE long.readme (name text, labels frozen<map<text, text>>, timestamp timestamp, value double, primary key((name), timestamp))",
        "CREATE INDEX ON long.readme (FULL(labels))",
    ]);
    for table in ["long.ours", "long.readme"] {
        let server = start(table, &[]);
        let long = "x".repeat(66_000);
        server
            .send_unix(format!(r#"{{"name":"l","labels":{{"a":"{long}"}},"op":"raw","value":1}}"#));
        server.send_unix(rows(0..5));
        let page = wait_settled(&server, 6);
        assert_eq!(sink(&page, "rows_delivered_total"), 5);
        let rejected = r#"sink_rows_rejected_total{reason="too_long",sink="scylladb"}"#;
        assert_eq!(page.own(rejected), 1, "{table}: {}", server.stderr());
        assert_eq!(cql.number(&format!("SELECT count(*) FROM {table}")), 5);
        server.stop();
    }
}

/// Two nodes with one port, on addresses of the loopback.
fn two_nodes() -> [CqlPeer; 2] {
    until("two addresses have a free port in common", || {
        let first = TcpListener::bind("127.0.0.2:0").map_err(|error| error.to_string())?;
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(("127.0.0.3", port)).map_err(|error| error.to_string())?;
        Ok([first, second].map(|listener| CqlPeer::start_on(listener).table(OLD_TABLE)))
    })
}

#[test]
fn rows_go_to_the_node_that_owns_them() {
    let _one = ONE_AT_A_TIME.lock();
    // The real Cassandra says who owns a key.
    let cql = Cql::connect();
    cql.run(&["DROP KEYSPACE IF EXISTS owners"]);
    let mut many = String::new();
    for n in 0..100 {
        write!(many, r#"{{"name":"r{n}","labels":{{"b":"2","a":"{n}"}},"op":"raw","value":1}}"#)
            .unwrap();
    }
    let server = start("owners.rows", &[]);
    server.send_unix(&many);
    deliver_all(&server, 100);
    server.stop();
    let rows = cql.rows("SELECT name, token(name, labels) FROM owners.rows");
    let token =
        |row: &Row| (row.r_by_index::<String>(0).unwrap(), row.r_by_index::<i64>(1).unwrap());
    let tokens: BTreeMap<String, i64> = rows.iter().map(token).collect();
    let [low, high] = two_nodes();
    low.ring(0, vec![(high.addr, i64::MAX)]);
    high.ring(i64::MAX, vec![(low.addr, 0)]);
    let server = Server::start(&["-scylladb-hosts", &low.addr.to_string()]);
    server.send_unix(r#"{"name":"first","op":"raw","value":1}"#);
    deliver_all(&server, 1); // the second batch finds the driver knowing the keyspace
    server.send_unix(&many);
    deliver_all(&server, 101);
    for (node, owns) in [(&low, true), (&high, false)] {
        let stored = node.stored();
        let named: Vec<_> = stored.iter().filter(|insert| insert.name != "first").collect();
        assert!(named.len() > 20, "{}", named.len());
        for insert in named {
            assert_eq!(tokens[&insert.name] <= 0, owns, "{}", insert.name);
        }
    }
    server.stop();
}
