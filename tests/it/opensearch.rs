//! `op: index` against a recorder in OpenSearch's place: what is sent, for which messages, and what is not.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::common::authority::Authority;
use crate::common::peer::{Peer, Reply};
use crate::common::search::{
    self, SOON, URL, bulk_inserts, bulks, error, is_bulk, items, message, rejected, settled, well,
};
use crate::common::server::temp_dir;
use crate::common::{Server, inc, wait};

/// What an index is created with, as the original sends it.
const SETTINGS: &str = r#"{
  "settings": {
    "index": {
      "number_of_shards": 9,
      "number_of_replicas": 2
    }
  },
  "mappings": {
    "properties": {
      "timestamp": {
        "type": "date",
        "format": "yyyy-MM-dd HH:mm:ss||yyyy-MM-dd||epoch_millis||strict_date_optional_time_nanos"
      },
      "value": {
        "type": "double"
      }
    }
  }
}"#;
/// `admin:se:cret`
const ADMIN: &str = "Basic YWRtaW46c2U6Y3JldA==";

/// The message of the original's README, with a timestamp, which the original could not do without.
const EVENT: &str = r#"{"name":"event","labels":{"label1":"v"},"op":"index","index":"preemptible","value":1.0,"timestamp":"2024-01-02T03:04:05Z"}"#;

#[expect(clippy::disallowed_methods, reason = "the clock of the test's own world")]
fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Today's date in UTC, by the `date` program.
fn date(at: u64) -> String {
    let day =
        std::process::Command::new("date").args(["-u", "-d", &format!("@{at}"), "+%F"]).output();
    String::from_utf8(day.expect("the date program").stdout).expect("a date").trim().to_owned()
}

/// Runs what depends on the day, again if midnight came in between.
fn within_a_day(test: impl Fn(&str)) {
    loop {
        let before = date(seconds());
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&before)));
        match ended {
            Err(panic) if date(seconds()) == before => std::panic::resume_unwind(panic),
            Err(_) => {}
            Ok(()) => return,
        }
    }
}

/// A document's text with another timestamp, after the one that it has was seen to be now.
fn without_now(text: &str) -> String {
    let (message, time) = text.split_once(",\"timestamp\":\"").expect("a timestamp");
    let time = time.strip_suffix("\"}").expect("the timestamp is last");
    let at = humantime(time);
    assert!(at.abs_diff(seconds()) <= 60, "{time} is not now");
    format!("{message},\"timestamp\":\"NOW\"}}")
}

/// Seconds since 1970 of a time in RFC 3339, by the `date` program.
fn humantime(time: &str) -> u64 {
    let out = std::process::Command::new("date").args(["-u", "-d", time, "+%s"]).output();
    let text = String::from_utf8(out.expect("the date program").stdout).expect("a number");
    text.trim().parse().unwrap_or_else(|_| panic!("{time} is no time"))
}

#[test]
fn documents_and_indices_are_those_of_the_original() {
    within_a_day(|today| {
        let peer = Peer::start_tls(Authority::new("any").server("elsewhere", None), well);
        let env = [
            (URL, format!("https://127.0.0.1:{}", peer.port)),
            ("METRICS_SERVER_SEARCH_USER", "admin".to_owned()),
            ("METRICS_SERVER_SEARCH_PASSWORD", "se:cret".to_owned()),
        ];
        let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
        let server = Server::start_with_env(&[&SOON[..], &["-opensearch-insecure"]].concat(), &env);
        server.send_unix(EVENT);
        server.send_unix(
            r#"{"name":"e2","help":"h <b>","labels":{"k":"é \"q\""},"op":"index","value":2.5,"buckets":3,"timestamp":"2020-05-05T00:00:00+03:00"}"#,
        );
        server.send_unix(EVENT);
        let page = settled(&server, 3);

        let requests = peer.requests();
        assert!(requests.iter().all(|request| request.header("authorization") == Some(ADMIN)));
        let mut puts: Vec<_> = requests.iter().filter(|request| request.method == "PUT").collect();
        puts.sort_by(|a, b| a.path.cmp(&b.path));
        let paths: Vec<_> = puts.iter().map(|put| put.path.as_str()).collect();
        assert_eq!(paths, [format!("/metric-events-{today}"), format!("/preemptible-{today}")]);
        for put in puts {
            assert_eq!(put.body, SETTINGS);
            assert_eq!(put.header("content-type"), Some("application/json"));
        }
        for bulk in requests.iter().filter(|request| is_bulk(request)) {
            assert_eq!(bulk.header("content-type"), Some("application/x-ndjson"));
            assert_eq!(bulk.header("content-encoding"), Some("gzip"));
        }
        let documents = bulks(&peer).concat();
        let got: Vec<_> = documents
            .iter()
            .map(|document| (document.index.clone(), without_now(&document.text)))
            .collect();
        let event = r#"{"name":"event","labels":{"data_source":"ms.sock","label1":"v","source_app":"ms"},"op":"index","index":"preemptible","value":1,"timestamp":"NOW"}"#;
        let e2 = r#"{"name":"e2","labels":{"data_source":"ms.sock","k":"é \"q\"","source_app":"ms"},"op":"index","help":"h \u003cb\u003e","buckets":3,"value":2.5,"timestamp":"NOW"}"#;
        let (own, default) = (format!("preemptible-{today}"), format!("metric-events-{today}"));
        let want = [(own.clone(), event), (default, e2), (own, event)];
        let mut want = want.map(|(index, text)| (index, text.to_owned())).to_vec();
        // Workers may overtake each other.
        want.sort();
        let mut sorted = got;
        sorted.sort();
        assert_eq!(sorted, want);
        let mut ids: Vec<_> = documents.iter().map(|document| &document.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3);

        assert_eq!(page.own("index_connections"), 2);
        assert_eq!(page.own(r#"processed_metrics_total{type="index"}"#), 3);
        assert_eq!(bulk_inserts(&page, "failed"), 0);
        assert!(
            (1..=3).contains(&page.own(r#"index_bulk_insert_total{status="success",type="time"}"#))
        );
    });
}

#[test]
fn a_full_batch_does_not_wait_for_its_time() {
    let peer = Peer::start(well);
    let flags = ["-opensearch-bulk-period", "1h", "-opensearch-bulk-size-bytes", "500"];
    let server = search::server(&peer, &flags);
    server.send_unix([EVENT; 7].join("\n"));
    let page = settled(&server, 7);
    assert!(page.own(r#"index_bulk_insert_total{status="success",type="size"}"#) > 0);
    assert_eq!(page.own(r#"index_bulk_insert_total{status="success",type="time"}"#), 0);
    assert_eq!(bulks(&peer).concat().len(), 7);
}

#[test]
fn a_size_of_zero_sends_at_once() {
    let peer = Peer::start(well);
    let flags = ["-opensearch-bulk-period", "1h", "-opensearch-bulk-size-bytes", "0"];
    let server = search::server(&peer, &flags);
    server.send_unix(EVENT);
    settled(&server, 1);
}

#[test]
fn a_prefix_is_kept_and_without_a_login_none_is_sent() {
    let peer = Peer::start(well);
    let url = format!("http://127.0.0.1:{}/prefix/", peer.port);
    let server = Server::start_with_env(&SOON, &[(URL, url.as_str())]);
    server.send_unix(EVENT);
    settled(&server, 1);
    let requests = peer.requests();
    assert!(requests[0].path.starts_with("/prefix/preemptible-"), "{requests:?}");
    assert!(requests[1].path.starts_with("/prefix/_bulk?"), "{requests:?}");
    assert!(requests.iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_user_in_the_url_wins() {
    let peer = Peer::start(well);
    let url = format!("http://admin:se%3Acret@127.0.0.1:{}", peer.port);
    let env = [
        (URL, url.as_str()),
        ("METRICS_SERVER_SEARCH_USER", "other"),
        ("METRICS_SERVER_SEARCH_PASSWORD", "word"),
    ];
    let server = Server::start_with_env(&SOON, &env);
    server.send_unix(EVENT);
    settled(&server, 1);
    assert!(peer.requests().iter().all(|request| request.header("authorization") == Some(ADMIN)));
}

#[test]
fn the_timestamp_is_now_whatever_the_message_has() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    let messages = [
        // The message of the original's own client.
        r#"{"name":"event","labels":{"label1":"v"},"op":"index","index":"preemptible","value":1.0}"#,
        r#"{"name":"a","op":"index","value":1,"timestamp":"not a date"}"#,
        r#"{"name":"b","op":"index","value":1,"timestamp":1700000000}"#,
        r#"{"name":"c","op":"index","value":1,"timestamp":""}"#,
        r#"{"name":"d","op":"index","value":1,"timestamp":"2024-01-02 03:04:05"}"#,
        r#"{"name":"e","op":"index","value":1,"timestamp":"2024-01-02T03:04:05.5+03:00"}"#,
        r#"{"name":"z","op":"index","value":1,"timestamp":null}"#,
    ];
    server.send_unix(messages.concat());
    settled(&server, 7);
    let documents = bulks(&peer).concat();
    let texts: Vec<_> = documents.iter().map(|document| without_now(&document.text)).collect();
    for (text, name) in texts[1..].iter().zip(["a", "b", "c", "d", "e", "z"]) {
        let want = format!(
            r#"{{"name":"{name}","labels":{{"data_source":"ms.sock","source_app":"ms"}},"op":"index","value":1,"timestamp":"NOW"}}"#
        );
        assert_eq!(*text, want);
    }
    // Later messages have later times.
    let times: Vec<_> = documents.iter().map(|document| document.get("timestamp")).collect();
    assert!(times.windows(2).all(|pair| pair[0] != pair[1]), "{times:?}");
}

#[test]
fn without_a_url_there_is_no_such_sink() {
    let server = Server::start(&SOON);
    server.send_unix([EVENT, EVENT].concat());
    let page = server.settled();
    assert_eq!(page.rejected("no_sink"), 2);
    assert_eq!(page.own(r#"processed_metrics_total{type="index"}"#), 2);
    assert_eq!((bulk_inserts(&page, "failed"), bulk_inserts(&page, "success")), (0, 0));
}

#[test]
fn names_that_would_reach_elsewhere_reach_nothing() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    let injection = r#"{"name":"{{","op":"index","index":"x\"}}\n{\"delete\":{\"_index\":\"victim\",\"_id\":\"1\"}}\n{\"index\":{\"_index\":\"y","value":1,"timestamp":"2024-01-02T03:04:05Z","help":"}}"}"#;
    server.send_unix(injection);
    server.send_unix(injection);
    server
        .send_unix(r#"{"name":"b","op":"index","index":"../_cluster/settings?pretty#","value":1}"#);
    server.send_unix(r#"{"name":"c","op":"index","index":"UPPER case","value":1}"#);
    let page = settled(&server, 4);
    assert_eq!(rejected(&page, "index_name"), 4);
    assert_eq!(page.own("index_connections"), 0);
    assert!(peer.requests().is_empty(), "{:?}", peer.requests());
}

#[test]
fn odd_names_that_an_index_can_have_are_escaped() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    server.send_unix(message("größe%2f&x=1", 1));
    settled(&server, 1);
    let put = &peer.requests()[0];
    assert!(put.path.starts_with("/gr%C3%B6%C3%9Fe%252f%26x%3D1-2"), "{}", put.path);
    assert!(bulks(&peer)[0][0].index.starts_with("größe%2f&x=1-2"));
}

#[test]
fn a_day_has_no_more_indices_than_allowed() {
    within_a_day(|_| {
        let peer = Peer::start(well);
        let flags = [&SOON[..], &["-opensearch-indices-max", "2"]].concat();
        let server = search::server(&peer, &flags);
        for index in ["a", "b", "c", "a", "d", "b"] {
            server.send_unix(message(index, 1));
            server.settled(); // in this order
        }
        let page = settled(&server, 6);
        assert_eq!(rejected(&page, "indices_limit"), 2);
        assert_eq!(page.own("index_connections"), 2);
    });
}

#[test]
fn shards_and_replicas_are_those_of_the_flags() {
    let peer = Peer::start(well);
    let flags = [&SOON[..], &["-opensearch-shards", "1", "-opensearch-replicas", "0"]].concat();
    let server = search::server(&peer, &flags);
    server.send_unix(EVENT);
    settled(&server, 1);
    let want =
        SETTINGS.replace("shards\": 9", "shards\": 1").replace("replicas\": 2", "replicas\": 0");
    assert_eq!(peer.requests()[0].body, want);
}

#[test]
fn an_index_that_exists_already_is_fine() {
    let peer = Peer::start(|request| {
        if is_bulk(request) {
            well(request)
        } else {
            error(400, "resource_already_exists_exception")
        }
    });
    let server = search::server(&peer, &SOON);
    server.send_unix(EVENT);
    let page = settled(&server, 1);
    assert_eq!(search::Books::of(&page).delivered, 1);
    assert_eq!(page.own("index_connections"), 1);
}

#[test]
fn an_index_that_vanished_is_created_again() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    server.send_unix(message("gone", 1));
    settled(&server, 1);
    let mut answers = vec![items(&[404])];
    peer.script(move |request| match answers.pop() {
        Some(answer) if is_bulk(request) => answer,
        _ => well(request),
    });
    server.send_unix(message("gone", 2));
    let page = settled(&server, 2);
    assert_eq!(search::Books::of(&page).delivered, 2);
    let methods: Vec<_> = peer.requests().iter().map(|request| request.method.clone()).collect();
    assert_eq!(methods, ["PUT", "POST", "POST", "PUT", "POST"]);
    let bulks = bulks(&peer);
    assert_eq!(bulks[1], bulks[2]);
    assert_eq!(page.own("index_connections"), 1);
}

#[test]
fn a_name_that_the_service_refuses_is_rejected() {
    let peer = Peer::start(|request| {
        if is_bulk(request) { well(request) } else { error(400, "invalid_index_name_exception") }
    });
    let server = search::server(&peer, &SOON);
    server.send_unix(message("odd", 1));
    assert_eq!(rejected(&settled(&server, 1), "index_name"), 1);
    assert!(bulks(&peer).is_empty());
}

#[test]
fn an_index_that_we_may_not_write_to_does_not_hold_up_the_others() {
    let peer = Peer::start(|request| {
        if !is_bulk(request) {
            let forbidden = request.path.contains("secret");
            return if forbidden { error(403, "security_exception") } else { well(request) };
        }
        let documents = search::documents(request);
        let status = |document: &search::Document| {
            if document.index.starts_with("secret") { 403 } else { 201 }
        };
        items(&documents.iter().map(status).collect::<Vec<_>>())
    });
    let server = search::server(&peer, &SOON);
    // Alone it waits: what is wrong may be the user's rights to all.
    server.send_unix(message("secret", 1));
    wait::until_true("it is tried again", || bulks(&peer).len() > 2);
    assert_eq!(search::Books::of(&server.scrape()).queued, 1);
    drop(server);
    let server = search::server(&peer, &SOON);
    server.send_unix(message("open", 1));
    settled(&server, 1);
    server.send_unix(message("secret", 2));
    server.send_unix(message("open", 3));
    let page = settled(&server, 3);
    assert_eq!(rejected(&page, "refused"), 1);
    server.find_line(|line| line.contains("security_exception")).expect("a line");
}

#[test]
fn what_is_queued_at_the_end_is_sent() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &["-opensearch-bulk-period", "1h"]);
    server.send_unix(EVENT);
    server.settled();
    assert!(peer.requests().is_empty());
    server.stop();
    assert_eq!(bulks(&peer).concat().len(), 1);
}

#[test]
fn flags_and_variables_that_cannot_be_meant_are_start_up_errors() {
    let dir = temp_dir();
    let start = |args: &[&str], url: &str| {
        let args = [&crate::common::server::BASE[..], args].concat();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.args(&args).env(URL, url);
        Server::try_command(dir.path(), command, &args).expect_err("it must not start")
    };
    let exit = start(&["-opensearch-bulk-period", "0"], "");
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("-opensearch-bulk-period"), "{}", exit.stderr);
    let exit = start(&[], "user:pa55word@host");
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains(URL) && !exit.stderr.contains("pa55word"), "{}", exit.stderr);
    let exit = start(&["-check-config"], "user:pa55word@host");
    assert_eq!((exit.code, exit.stderr.contains(URL)), (Some(1), true), "{}", exit.stderr);
    assert_eq!(exit.stderr.lines().last(), Some("metrics-server -h lists all flags"));
    for half in ["METRICS_SERVER_SEARCH_USER", "METRICS_SERVER_SEARCH_PASSWORD"] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.arg("-check-config").env(URL, "http://h").env(half, "pa55word");
        let output = command.output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("belong together") && !stderr.contains("pa55word"), "{stderr}");
    }
    let exit = start(&["-opensearch-ca-path", "none.pem"], "https://h");
    assert_eq!(exit.code, Some(1));
    let named = ["-opensearch-ca-path", "none.pem"];
    assert!(named.iter().all(|name| exit.stderr.contains(name)), "{}", exit.stderr);
    fs::write(dir.path().join("empty.pem"), "").expect("a file");
    let exit = start(&["-opensearch-ca-path", "empty.pem"], "https://h");
    assert!(exit.stderr.contains("no certificate"), "{}", exit.stderr);
}

#[test]
fn passwords_are_never_logged() {
    // As a proxy that repeats what it was sent.
    let peer = Peer::start(|request| {
        let login = request.header("authorization").unwrap_or_default();
        Reply::status(401, &format!("no pa55word for Authorization: {login}"))
    });
    let url = format!("http://admin:pa55word@127.0.0.1:{}", peer.port);
    let server = Server::start_with_env(&[&SOON[..], &["-debug"]].concat(), &[(URL, &url)]);
    server.send_unix(EVENT);
    let line = server.find_line(|line| line.contains("answers 401")).expect("a line");
    assert!(line.contains("METRICS_SERVER_SEARCH_PASSWORD"), "{line}");
    server.send_udp(inc("still_counts"));
    let page = server.settled();
    assert!(page.user().contains("still_counts"));
    let books = search::Books::of(&page);
    assert_eq!((books.queued, books.close()), (1, true), "{books:?}");
    let exit = server.stop();
    assert!(!exit.stderr.contains("pa55word"), "{}", exit.stderr);
    assert!(!exit.stderr.contains("YWRtaW46"), "{}", exit.stderr);
}

#[test]
fn only_servers_with_the_right_certificate_get_documents() {
    let (right, wrong) = (Authority::new("right"), Authority::new("wrong"));
    let dir = temp_dir();
    fs::write(dir.path().join("ca.pem"), &right.pem).unwrap();
    let wrong = Peer::start_tls(wrong.server("127.0.0.1", None), well);
    let url = format!("https://127.0.0.1:{}", wrong.port);
    let flags = [&SOON[..], &["-opensearch-ca-path", "ca.pem"]].concat();
    let server = search::spilling(dir.path(), &url, &flags);
    server.send_unix(EVENT);
    let line = server.find_line(|line| line.contains("does not answer")).expect("a line");
    assert!(line.contains("certificate") && line.contains("-opensearch-ca-path"), "{line}");
    let page = server.settled();
    assert_eq!(page.own(r#"sink_up{sink="opensearch"}"#), 0);
    assert_eq!(search::Books::of(&page).queued, 1);
    server.stop();
    assert!(wrong.requests().is_empty());
    // What was kept arrives where the certificate is right, and the name in it too.
    let named = Peer::start_tls(right.server("elsewhere", None), well);
    let url = format!("https://127.0.0.1:{}", named.port);
    let server = search::spilling(dir.path(), &url, &flags);
    server.find_line(|line| line.contains("does not answer")).expect("a line");
    server.stop();
    assert!(named.requests().is_empty());
    let peer = Peer::start_tls(right.server("127.0.0.1", None), well);
    let server = search::spilling(dir.path(), &format!("https://127.0.0.1:{}", peer.port), &flags);
    settled(&server, 1);
    assert_eq!(bulks(&peer).concat().len(), 1);
}

#[test]
fn certificates_are_read_again_on_sighup() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let dir = temp_dir();
    fs::write(dir.path().join("ca.pem"), &old.pem).unwrap();
    let peer = Peer::start_tls(new.server("127.0.0.1", None), well);
    let url = format!("https://127.0.0.1:{}", peer.port);
    let flags = [&SOON[..], &["-opensearch-ca-path", "ca.pem"]].concat();
    let server = search::spilling(dir.path(), &url, &flags);
    server.send_unix(EVENT);
    server.find_line(|line| line.contains("does not answer")).expect("a line");
    fs::write(dir.path().join("ca.pem"), &new.pem).unwrap();
    server.signal("HUP");
    settled(&server, 1);
    assert_eq!(bulks(&peer).concat().len(), 1);
}

#[test]
fn retry_after_is_a_time_that_is_waited_for() {
    let peer = Peer::start(well);
    let server = search::server(&peer, &SOON);
    let mut answers = vec![Reply::Answer(429, "Retry-After: 1\r\n".to_owned(), String::new())];
    let (times_in, times) = std::sync::mpsc::channel();
    peer.script(move |request| {
        if !is_bulk(request) {
            return well(request);
        }
        let _ = times_in.send(std::time::Instant::now()); // the test may be over
        answers.pop().unwrap_or_else(|| well(request))
    });
    server.send_unix(EVENT);
    settled(&server, 1);
    let (first, second) = (times.recv().expect("one"), times.recv().expect("another"));
    assert!(second - first >= Duration::from_secs(1), "{:?}", second - first);
    let bulks = bulks(&peer);
    assert_eq!(bulks[0], bulks[1]);
}
