//! ScyllaDB's side of `op: raw`, with a node that does as the test says: what is sent, and what becomes of
//! rows when it refuses, stalls, answers late or goes away. The real thing: `tests/services/cassandra.rs`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::common::cql_peer::{CqlPeer, CqlReply, OLD_TABLE};
use crate::common::page::Page;
use crate::common::server::BASE;
use crate::common::wait::{until, until_true};
use crate::common::{Server, inc};

const SERVER_ERROR: i32 = 0x0000;
const INVALID: i32 = 0x2200;
const UNAUTHORIZED: i32 = 0x2100;
const OVERLOADED: i32 = 0x1001;

fn start(peer: &CqlPeer, more: &[&str]) -> Server {
    Server::start(&[&["-scylladb-hosts", &peer.addr.to_string()], more].concat())
}

fn raw(value: u32) -> String {
    format!(r#"{{"name":"r","labels":{{"x":"1"}},"op":"raw","value":{value}}}"#)
}

fn sink(page: &Page, family: &str) -> u64 {
    page.own(&format!(r#"sink_{family}{{sink="scylladb"}}"#))
}

fn rejected(page: &Page, reason: &str) -> u64 {
    page.own(&format!(r#"sink_rows_rejected_total{{reason="{reason}",sink="scylladb"}}"#))
}

/// The page once so many rows are delivered.
fn delivered(server: &Server, rows: u64) -> Page {
    until("rows are delivered", || {
        let page = server.scrape();
        let delivered = sink(&page, "rows_delivered_total");
        if delivered == rows { Ok(page) } else { Err(format!("{delivered} of {rows}")) }
    })
}

fn values(peer: &CqlPeer) -> Vec<u32> {
    let mut values: Vec<_> = peer.stored().iter().map(|insert| insert.value.to_string()).collect();
    values.sort();
    values.dedup();
    let mut values: Vec<u32> = values.iter().map(|value| value.parse().unwrap()).collect();
    values.sort_unstable();
    values
}

/// What the original sent for a table: the statements up to their options, and the rows.
fn original(more: &[&str], hosts: &str, peer: &CqlPeer, expected: [&str; 3]) {
    let server = Server::start(&[&["-scylladb-hosts", hosts], more].concat());
    server.send_unix(concat!(
        r#"{"name":"metric_raw","labels":{"status":"success","a":"1"},"op":"raw","value":1.5}"#,
        "\n",
        r#"{"name":"r2","labels":{"x":"1"},"op":"raw","value":-2,"timestamp":"2020-01-01T00:00:00Z"}"#,
    ));
    let page = delivered(&server, 2);
    assert_eq!(page.own(r#"processed_metrics_total{type="raw"}"#), 2);
    let asked = peer.statements();
    for (statement, expected) in asked.iter().zip(expected) {
        assert!(statement.starts_with(expected), "{statement} is not {expected}");
    }
    assert!(asked[2].starts_with("CREATE INDEX IF NOT EXISTS ON "), "{}", asked[2]);
    assert!(asked[2].ends_with(" (FULL(labels))"), "{}", asked[2]);
    let source = [("data_source", "ms.sock"), ("source_app", "ms")];
    let labels = |own: &[(&str, &str)]| {
        let all = own.iter().chain(&source);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let stored = peer.stored();
    let find = |name: &str| stored.iter().find(|insert| insert.name == name).unwrap();
    let (first, second) = (find("metric_raw"), find("r2"));
    assert_eq!(first.labels, labels(&[("status", "success"), ("a", "1")]));
    assert_eq!((first.value, second.value), (1.5, -2.0));
    assert_eq!(second.labels, labels(&[("x", "1")]));
    assert!(second.ms > 1_700_000_000_000, "the time of its coming, not the message's");
    assert_eq!((first.consistency, second.written_us / 1_000), (1, second.ms));
    assert_eq!(second.seq, first.seq.map(|seq| seq + 1));
    server.stop();
}

#[test]
fn statements_and_rows_are_the_originals() {
    let peer = CqlPeer::start("127.0.0.93:9042".parse::<SocketAddr>().unwrap());
    original(
        &[],
        "127.0.0.93",
        &peer,
        [
            "CREATE KEYSPACE IF NOT EXISTS tracking WITH REPLICATION = { 'class' : 'SimpleStrategy','replication_factor' : 1}",
            "CREATE TABLE IF NOT EXISTS tracking.metrics (",
            "CREATE INDEX",
        ],
    );
}

#[test]
fn a_zero_below_zero_keeps_its_sign() {
    let peer = CqlPeer::start(None);
    let server = start(&peer, &[]);
    let zeros = ["-0", "-0.0", "0", "0.0"];
    let raw = |zero: &str| format!(r#"{{"name":"z","op":"raw","value":{zero}}}"#);
    server.send_unix(zeros.map(raw).join("\n"));
    delivered(&server, 4);
    let mut signs: Vec<_> = peer.stored().iter().map(|row| row.value.is_sign_negative()).collect();
    signs.sort_unstable();
    assert_eq!(signs, [false, false, true, true]);
    server.stop();
}

#[test]
fn a_table_without_a_keyspace_has_one_of_its_name() {
    let peer = CqlPeer::start("127.0.0.94:9042".parse::<SocketAddr>().unwrap());
    original(
        &["-scylladb-table", "plain"],
        "127.0.0.95,127.0.0.94",
        &peer,
        [
            "CREATE KEYSPACE IF NOT EXISTS plain WITH REPLICATION = ",
            "CREATE TABLE IF NOT EXISTS plain.plain (",
            "CREATE INDEX",
        ],
    );
}

#[test]
fn flags_that_cannot_be_followed_are_errors_at_start() {
    let dir = crate::common::server::temp_dir();
    for (args, code, words) in [
        (&["-scylladb-table", "a b"][..], 2, &["for flag -scylladb-table: ", "no name"][..]),
        (&["-scylladb-hosts", "a:b"], 2, &["for flag -scylladb-hosts: ", "the port is no number"]),
        (
            &["-scylladb-tls", "-scylladb-ca-path", "none.pem"],
            1,
            &["-scylladb-ca-path \\\"none.pem\\\"", "cannot read it"],
        ),
        (&["-scylladb-ca-path", "none.pem"], 1, &["-scylladb-ca-path", "-scylladb-tls"]),
        (&["-scylladb-user", "joe"], 1, &["-scylladb-user", "METRICS_SERVER_SCYLLADB_PASSWORD"]),
    ] {
        let args = [&BASE[..], &["-scylladb-hosts", "127.0.0.1"], args].concat();
        let exit = Server::try_start(dir.path(), &args).expect_err("it starts");
        assert_eq!(exit.code, Some(code), "{args:?}");
        assert!(words.iter().all(|word| exit.stderr.contains(word)), "{}", exit.stderr);
    }
}

#[test]
fn without_hosts_rows_are_refused_with_a_reason() {
    let mut server = Server::start(&[]);
    server.send_unix(format!("{}\n{}\n", inc("ok"), raw(1)));
    let page = server.settled();
    assert_eq!((page.accepted(), page.rejected("no_sink")), (1, 1));
    assert!(server.is_alive());
    server.stop();
}

#[test]
fn nobody_there_is_a_line_in_the_log_and_rows_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener); // refused from now on
    let server = Server::start(&["-scylladb-hosts", &addr.to_string()]);
    server.send_unix(raw(1));
    let line = server.find_line(|line| line.contains("no node can be connected to")).unwrap();
    assert!(line.contains(&addr.to_string()) && line.contains("refused"), "{line}");
    let page = server.scrape();
    assert_eq!((sink(&page, "up"), sink(&page, "queue_rows")), (0, 1));
    let peer = CqlPeer::start(addr);
    delivered(&server, 1);
    assert_eq!(values(&peer), [1]);
    server.stop();
}

#[test]
fn what_may_not_be_created_is_a_line_in_the_log_and_rows_wait() {
    let peer = CqlPeer::start(None);
    peer.on_statement(|_| CqlReply::Error(UNAUTHORIZED, "User joe has no CREATE permission"));
    let mut server = start(&peer, &[]);
    server.send_unix(raw(1));
    server.find_line(|line| line.contains("User joe has no CREATE permission")).unwrap();
    assert!(server.is_alive());
    peer.on_statement(|_| CqlReply::Done);
    delivered(&server, 1);
    server.stop();
}

#[test]
fn an_index_that_is_refused_leaves_the_table_in_use() {
    let peer = CqlPeer::start(None);
    peer.on_statement(|statement| {
        if statement.starts_with("CREATE INDEX") {
            CqlReply::Error(INVALID, "Secondary indexes are not supported here")
        } else {
            CqlReply::Done
        }
    });
    let server = start(&peer, &[]);
    server.send_unix(raw(1));
    delivered(&server, 1);
    server.find_line(|line| line.contains("has no index on labels")).expect("a line");
    server.stop();
}

#[test]
fn warnings_do_no_harm() {
    let peer = CqlPeer::start(None);
    peer.on_statement(|statement| {
        if statement.starts_with("CREATE KEYSPACE") {
            CqlReply::Warn("Using SimpleStrategy is not recommended") // ScyllaDB says so
        } else {
            CqlReply::Done
        }
    });
    peer.on_insert(|_| CqlReply::Warn("large"));
    let server = start(&peer, &[]);
    server.send_unix((0..10).map(raw).collect::<Vec<_>>().join("\n"));
    delivered(&server, 10);
    assert_eq!(values(&peer).len(), peer.stored().len());
    server.stop();
}

#[test]
fn without_leave_nothing_is_created() {
    let peer = CqlPeer::start(None);
    let server = start(&peer, &["-scylladb-create-schema=false"]);
    server.send_unix(raw(1));
    server.find_line(|line| line.contains("table tracking.metrics does not exist")).unwrap();
    assert_eq!(peer.statements(), [""; 0]);
    let peer = peer.table(OLD_TABLE);
    delivered(&server, 1);
    assert_eq!(
        peer.statements(),
        ["INSERT INTO tracking.metrics (name, labels, timestamp, value) VALUES (?,?,?,?)"]
    );
    server.stop();
}

#[test]
fn a_node_that_never_answers_delays_rows_and_nothing_else() {
    let stalled = TcpListener::bind("127.0.0.1:0").unwrap(); // takes connections, reads nothing
    let server = Server::start(&["-scylladb-hosts", &stalled.local_addr().unwrap().to_string()]);
    server.send_unix(raw(1));
    server.send_unix(inc("a"));
    assert!(server.settled().user().contains("\na{"));
    server.find_line(|line| line.contains("no answer within 3s")).unwrap();
    let peer = CqlPeer::start_on(stalled);
    delivered(&server, 1);
    assert_eq!(values(&peer), [1]);
    server.stop();
}

#[test]
fn a_hung_node_does_not_hold_up_the_end() {
    let peer = CqlPeer::start(None);
    peer.on_insert(|_| CqlReply::Never);
    let server = start(&peer, &["-sink-flush-timeout", "200ms"]);
    server.send_unix(raw(1));
    until_true("the insert is under way", || peer.statements().len() == 4);
    let exit = server.stop();
    let told = |words| exit.stderr.contains(words);
    assert!(told("scylladb: the server stops") && !told("no answer"), "{exit:?}");
}

#[test]
fn only_rows_that_are_not_taken_come_again() {
    let peer = CqlPeer::start(None);
    let mut tries = 0;
    peer.on_insert(move |insert| match insert.value.to_string().as_str() {
        "3" => {
            tries += 1;
            if tries < 3 { CqlReply::Error(OVERLOADED, "later") } else { CqlReply::Done }
        }
        "5" => CqlReply::Error(INVALID, "Expected 8 or 0 byte long for date"),
        "6" => CqlReply::Error(INVALID, "Key length of 65536 is longer than maximum of 65535"),
        _ => CqlReply::Done,
    });
    let server = start(&peer, &[]);
    server.send_unix((0..10).map(raw).collect::<Vec<_>>().join("\n"));
    let page = delivered(&server, 8);
    assert_eq!((rejected(&page, "refused"), rejected(&page, "too_long")), (1, 1));
    assert_eq!(values(&peer), [0, 1, 2, 3, 4, 7, 8, 9]);
    assert_eq!(peer.stored().len(), 8, "what was taken did not come again");
    server.stop();
}

#[test]
fn a_row_that_comes_again_has_the_same_key_and_time() {
    for table in [None, Some(OLD_TABLE)] {
        let peer = CqlPeer::start(None);
        let peer = if let Some(table) = table { peer.table(table) } else { peer };
        let (seen_in, seen) = std::sync::mpsc::channel();
        let mut count = 0;
        peer.on_insert(move |insert| {
            seen_in.send(insert.clone()).unwrap();
            count += 1;
            match count {
                1..=10 => CqlReply::Error(OVERLOADED, "later"),
                11..=15 => CqlReply::Close,
                _ => CqlReply::Done,
            }
        });
        let server = start(&peer, &[]);
        server.send_unix((0..10).map(raw).collect::<Vec<_>>().join("\n"));
        delivered(&server, 10);
        let mut keys: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for insert in seen.try_iter() {
            let key = (insert.ms, insert.seq, insert.written_us);
            keys.entry(insert.value.to_string()).or_default().push(key);
        }
        assert_eq!(keys.len(), 10);
        for (value, keys) in &keys {
            assert!(keys.len() >= 2 && keys.iter().all(|key| *key == keys[0]), "{value}: {keys:?}");
        }
        server.stop();
    }
}

/// Whether the database says nothing of it or that it failed; also where the key has no `seq`, so that only the same
/// millisecond makes it the same row.
#[test]
fn a_row_over_which_the_database_fails_holds_up_nobody() {
    let replies = [CqlReply::Never, CqlReply::Error(SERVER_ERROR, "a fault")];
    let cases = replies.map(|reply| {
        let peer = CqlPeer::start(None).table(OLD_TABLE);
        let (seen_in, seen) = std::sync::mpsc::channel();
        peer.on_insert(move |insert| {
            let is_it = insert.value.to_string() == "3";
            if is_it {
                seen_in.send(insert.ms).unwrap();
            }
            if is_it { reply.clone() } else { CqlReply::Done }
        });
        let server = start(&peer, &["-workers", "1"]);
        server.send_unix((0..10).map(raw).collect::<Vec<_>>().join("\n"));
        (peer, server, seen)
    });
    for (peer, server, seen) in cases {
        server.find_line(|line| line.contains("gets no verdict even alone")).expect("a line");
        server.send_unix((10..20).map(raw).collect::<Vec<_>>().join("\n"));
        until_true("the others arrive", || peer.stored().len() == 19);
        until_true("that row alone waits", || {
            server.scrape().own(r#"sink_queue_rows{sink="scylladb"}"#) == 1
        });
        assert_eq!(server.scrape().own_sum("sink_rows_rejected_total"), 0);
        peer.on_insert(|_| CqlReply::Done);
        delivered(&server, 20);
        let stored = peer.stored();
        let last = stored.last().unwrap();
        assert_eq!(last.value.to_string(), "3");
        let times: Vec<_> = seen.try_iter().collect();
        assert!(times.len() >= 2 && times.iter().all(|ms| *ms == last.ms), "{times:?} {last:?}");
        server.stop();
    }
}

#[test]
fn late_answers_are_nobodys() {
    let peer = CqlPeer::start(None);
    let mut count = 0;
    peer.on_insert(move |_| {
        count += 1;
        match count {
            50 => CqlReply::Never,
            60 => CqlReply::After(Duration::from_secs(4)), // in time
            70 => CqlReply::After(Duration::from_secs(7)), // not any more
            _ => CqlReply::Done,
        }
    });
    let server = start(&peer, &[]);
    server.send_unix((0..2_000).map(raw).collect::<Vec<_>>().join("\n"));
    server.send_unix((2_000..6_000).map(raw).collect::<Vec<_>>().join("\n"));
    delivered(&server, 6_000);
    assert_eq!(values(&peer), (0..6_000).collect::<Vec<_>>());
    assert_eq!(peer.faults().first(), None);
    server.stop();
}

#[test]
fn a_table_that_is_gone_is_made_again() {
    let peer = CqlPeer::start(None);
    let server = start(&peer, &[]);
    server.send_unix(raw(1));
    delivered(&server, 1);
    let mut gone = true;
    peer.on_insert(move |_| {
        if std::mem::take(&mut gone) {
            CqlReply::Error(INVALID, "unconfigured table metrics")
        } else {
            CqlReply::Done
        }
    });
    server.send_unix(raw(2));
    delivered(&server, 2);
    assert_eq!(peer.statements().iter().filter(|text| text.starts_with("INSERT")).count(), 2);
    server.stop();
}

#[test]
fn in_an_old_table_rows_are_moved_apart_and_overwrites_are_counted() {
    let peer = CqlPeer::start(None).table(OLD_TABLE);
    let server = start(&peer, &[]);
    let rows = 3_000_u32;
    server.send_unix((0..rows).map(raw).collect::<Vec<_>>().join("\n"));
    let page = delivered(&server, rows.into());
    let mut times: Vec<_> = peer.stored().iter().map(|insert| insert.ms).collect();
    assert!(peer.stored().iter().all(|insert| insert.ms - insert.written_us / 1_000 <= 1_000));
    times.sort_unstable();
    times.dedup();
    let overwritten = page.own("scylladb_rows_overwritten_total");
    assert_eq!(times.len() as u64, u64::from(rows) - overwritten);
    assert!(
        page.own("scylladb_rows_moved_total") >= 1_000,
        "one burst is far shorter than a second"
    );
    server.stop();
}
