//! `op: index` against a real OpenSearch, which `make services` has started, alone and behind nginx.
//!
//! `OUTAGE_SECONDS` makes the outage longer than its 20 seconds.

#![expect(clippy::print_stdout, reason = "rates are told, not judged")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

use crate::common::search::{self, Books, SOON, URL, rejected};
use crate::common::server::{BASE, temp_dir};
use crate::common::{Page, Server, http, inc, wait};
use crate::service;

/// One test at a time: some of them stop the service for all.
static TURN: Mutex<()> = Mutex::new(());
const LONG: Duration = Duration::from_mins(5);
/// One shard: the machine of tests is small.
const SMALL: [&str; 4] = ["-opensearch-shards", "1", "-opensearch-replicas", "0"];

/// The service, and the indices of one test in it.
struct Search {
    _turn: MutexGuard<'static, ()>,
    port: u16,
    /// Differs from every other test's and run's.
    index: String,
}

impl Search {
    fn of(test: &str) -> Self {
        let turn = TURN.lock();
        let index = format!("{test}-{}", std::process::id());
        let search = Self { _turn: turn, port: service::port("opensearch"), index };
        search.ask("DELETE", &format!("/{}-*", search.index), None);
        search
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One request to the service.
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = http::raw(self.port, request.as_bytes()).expect("OpenSearch answers");
        let reply = http::parse(&reply).expect("an answer");
        serde_json::from_str(&reply.text()).expect("the answer is JSON")
    }

    /// Asks something of this test's indices, once all that was written can be found.
    fn of_indices(&self, what: &str, body: Option<Value>) -> Value {
        self.ask("POST", &format!("/{}-*/_refresh", self.index), None);
        let method = if body.is_some() { "POST" } else { "GET" };
        self.ask(method, &format!("/{}-*/{what}", self.index), body)
    }

    fn count(&self) -> u64 {
        self.of_indices("_count", None)["count"].as_u64().expect("a count")
    }

    fn sources(&self) -> Vec<Value> {
        let found = self.of_indices("_search?size=100&sort=value", None);
        let hits = found["hits"]["hits"].as_array().expect("hits");
        hits.iter().map(|hit| hit["_source"].clone()).collect()
    }

    /// The values of all documents, each once.
    ///
    /// # Panics
    /// If two documents have the same.
    fn values(&self) -> BTreeSet<u64> {
        let mut values = BTreeSet::new();
        loop {
            let mut query = json!({"size": 10_000, "sort": ["value"], "_source": ["value"]});
            if let Some(last) = values.last() {
                query["search_after"] = json!([last]);
            }
            let found = self.of_indices("_search", Some(query));
            let hits = found["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{found}"));
            if hits.is_empty() {
                break;
            }
            for hit in hits {
                let value = hit["_source"]["value"].as_u64().expect("a count");
                assert!(values.insert(value), "two documents have the value {value}");
            }
        }
        assert_eq!(values.len() as u64, self.count(), "two documents have the same value");
        values
    }

    fn message(&self, value: u32) -> String {
        search::message(&self.index, value)
    }

    fn server(&self, more: &[&str]) -> Server {
        let url = self.url();
        Server::start_with_env(&[&SMALL[..], more].concat(), &[(URL, url.as_str())])
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.ask("DELETE", &format!("/{}-*", self.index), None);
        }
    }
}

/// The time that the service has had of a core so far, in the kernel's ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let pid = std::fs::read_to_string(service::home("opensearch").join("pid")).expect("a pid");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks =
        fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().expect("ticks"));
    ticks.sum::<f64>() / 100.0
}

/// The service, stopped as by a machine that hangs.
struct Stopped(String);

impl Stopped {
    fn now() -> Self {
        let pid = std::fs::read_to_string(service::home("opensearch").join("pid")).expect("a pid");
        let stopped = Self(pid.trim().to_owned());
        stopped.signal("STOP");
        stopped
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.0]).status();
        assert!(status.expect("the kill program").success());
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

/// The page once so many rows are in the books and none is on its way.
fn settled(server: &Server, rows: u64) -> Page {
    let until = Instant::now() + LONG;
    loop {
        let page = server.scrape();
        let books = Books::of(&page);
        let ended = books.delivered + books.rejected + books.dropped;
        if books.close() && ended == rows {
            return page;
        }
        assert!(Instant::now() < until, "{rows} rows: {books:?}\n{}", server.stderr());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn documents_arrive_with_the_fields_and_the_mapping_of_the_original() {
    let search = Search::of("fields");
    let server = Server::start_with_env(&SOON, &[(URL, search.url().as_str())]);
    let index = &search.index;
    server.send_unix(format!(
        r#"{{"name":"event","labels":{{"label1":"v"}},"op":"index","index":"{index}","value":1.0,"timestamp":"2024-01-02T03:04:05Z"}}"#
    ));
    server.send_unix(format!(
        r#"{{"name":"e2","help":"h <b>","labels":{{"k":"é \"q\""}},"op":"index","index":"{index}","value":2.5,"buckets":3}}"#
    ));
    settled(&server, 2);
    let mut sources = search.sources();
    for source in &mut sources {
        let time = source["timestamp"].take();
        assert!(time.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')));
    }
    assert_eq!(
        sources,
        [
            json!({"name": "event", "labels": {"data_source": "ms.sock", "label1": "v", "source_app": "ms"},
                "op": "index", "index": index, "value": 1, "timestamp": null}),
            json!({"name": "e2", "labels": {"data_source": "ms.sock", "k": "é \"q\"", "source_app": "ms"},
                "op": "index", "help": "h <b>", "index": index, "buckets": 3, "value": 2.5, "timestamp": null}),
        ]
    );
    let recent = json!({"query": {"range": {"timestamp": {"gte": "now-10m", "lte": "now+1m"}}}});
    assert_eq!(search.of_indices("_count", Some(recent))["count"], 2);
    let of_one = |answer: Value| {
        answer.as_object().and_then(|all| all.values().next().cloned()).expect("one")
    };
    let mapping = of_one(search.of_indices("_mapping", None));
    let properties = &mapping["mappings"]["properties"];
    assert_eq!(properties["value"]["type"], "double");
    assert_eq!(
        properties["timestamp"],
        json!({"type": "date", "format": "yyyy-MM-dd HH:mm:ss||yyyy-MM-dd||epoch_millis||strict_date_optional_time_nanos"})
    );
    let settings = of_one(search.of_indices("_settings", None));
    let settings = &settings["settings"]["index"];
    assert_eq!(
        (&settings["number_of_shards"], &settings["number_of_replicas"]),
        (&json!("9"), &json!("2"))
    );
}

#[test]
fn a_hundred_thousand_documents_arrive_once_each() {
    const ROWS: u32 = 100_000;
    let search = Search::of("many");
    let server = search.server(&["-opensearch-bulk-size-bytes", "1000000"]);
    // The index is there, and the service awake.
    server.send_unix(search.message(ROWS));
    settled(&server, 1);
    let (began, before) = (Instant::now(), cpu_seconds());
    let mut client = server.connect("ms.sock");
    for from in (0..ROWS).step_by(500) {
        let messages: String = (from..from + 500).map(|value| search.message(value)).collect();
        client.send(messages.as_bytes());
    }
    drop(client);
    let page = settled(&server, u64::from(ROWS) + 1);
    let seconds = began.elapsed().as_secs_f64();
    let of_page = |name: &str| page.get(name).expect("it is on the page");
    println!(
        "{ROWS} documents in {seconds:.2} s: {:.0} a second; {:.2} s waiting for the service, which had {:.1} s \
         of a core; the server had {:.1} s",
        f64::from(ROWS) / seconds,
        of_page(r#"metrics_server_sink_request_seconds_total{sink="opensearch"}"#),
        cpu_seconds() - before,
        of_page("process_cpu_seconds_total"),
    );
    assert_eq!(Books::of(&page).delivered, u64::from(ROWS) + 1);
    assert_eq!(search.values().len(), ROWS as usize + 1);
}

#[test]
fn a_document_that_does_not_fit_is_rejected_and_the_others_arrive() {
    let search = Search::of("unfit");
    let server = search.server(&SOON);
    let index = &search.index;
    let with = |label: &str, value: u32| {
        format!(
            r#"{{"name":"e","op":"index","index":"{index}","labels":{{"{label}":"x"}},"value":{value}}}"#
        )
    };
    server.send_unix(with("a.b", 1));
    settled(&server, 1);
    server.send_unix([with("a", 2), with("c", 3)].concat()); // a is an object by now
    let page = settled(&server, 3);
    assert_eq!(rejected(&page, "refused"), 1);
    assert!(server.stderr().contains("mapper_parsing_exception"), "{}", server.stderr());
    assert_eq!(search.values(), BTreeSet::from([1, 3]));
}

/// Over a label's name of some thousand parts OpenSearch 2.19 overflows its stack and answers nothing, neither for this
/// document nor for those beside it.
#[test]
fn a_document_over_which_the_service_falls_silent_holds_up_nobody() {
    let search = Search::of("silent");
    let dir = temp_dir();
    let flags = [&SMALL[..], &["-workers", "1", "-opensearch-label-depth-max", "10000"]].concat();
    let server = search::spilling(dir.path(), &search.url(), &flags);
    let index = &search.index;
    let deep = format!(
        r#"{{"name":"e","op":"index","index":"{index}","labels":{{"{}":"x"}},"value":505}}"#,
        vec!["a"; 4_000].join(".")
    );
    let messages =
        (0..1_010).map(|value| if value == 505 { deep.clone() } else { search.message(value) });
    let began = Instant::now();
    server.send_unix(messages.collect::<String>());
    wait::until("the others arrive", || {
        let books = Books::of(&server.scrape());
        if books.delivered == 1_009 { Ok(()) } else { Err(format!("{books:?}")) }
    });
    println!("the others arrived after {:.1} s", began.elapsed().as_secs_f64());
    assert!(began.elapsed() < Duration::from_mins(2));
    let page = settled(&server, 1_010);
    let innocent: BTreeSet<u64> = (0..1_010).filter(|value| *value != 505).collect();
    assert_eq!(search.values(), innocent);
    assert_eq!((Books::of(&page).delivered, rejected(&page, "poison")), (1_009, 1));
}

#[test]
fn an_index_that_is_deleted_comes_back_with_its_mapping() {
    let search = Search::of("deleted");
    let server = search.server(&SOON);
    server.send_unix(search.message(1));
    settled(&server, 1);
    search.ask("DELETE", &format!("/{}-*", search.index), None);
    server.send_unix(search.message(2));
    settled(&server, 2);
    assert_eq!(search.values(), BTreeSet::from([2]));
    let mapping = search.of_indices("_mapping", None).to_string();
    assert!(mapping.contains("strict_date_optional_time_nanos"), "{mapping}");
}

#[test]
fn documents_wait_for_a_cluster_that_takes_no_more_indices() {
    let search = Search::of("full");
    let limit = |limit: Value| {
        let settings = json!({"persistent": {"cluster.max_shards_per_node": limit}});
        let answer = search.ask("PUT", "/_cluster/settings", Some(settings));
        assert_eq!(answer["acknowledged"], true, "{answer}");
    };
    // There is one shard at least.
    let other =
        Search { _turn: lend(), port: search.port, index: format!("{}-other", search.index) };
    let name = format!("/{}-1", other.index);
    other.ask(
        "PUT",
        &name,
        Some(json!({"settings": {"index": {"number_of_shards": 1, "number_of_replicas": 0}}})),
    );
    limit(json!(1));
    let server = search.server(&SOON);
    server.send_unix(search.message(1));
    let line = server.find_line(|line| line.contains("cannot be created"));
    limit(Value::Null);
    let line = line.expect("a line");
    assert!(line.contains("validation_exception"), "{line}");
    let page = settled(&server, 1);
    assert_eq!(Books::of(&page).delivered, 1);
    assert_eq!(search.values(), BTreeSet::from([1]));
}

#[test]
fn behind_tls_and_a_password_documents_arrive_and_without_them_they_are_kept() {
    let search = Search::of("tls");
    let nginx = service::home("nginx");
    let port = std::fs::read_to_string(nginx.join("opensearch.port"))
        .expect("`make services` starts nginx");
    let url = format!("https://127.0.0.1:{}", port.trim());
    let dir = temp_dir();
    let start = |ca: &str, password: &str| {
        let ca = nginx.join(ca);
        let ca = ca.to_str().expect("a path in UTF-8");
        let args = [&BASE[..], &SMALL, &SOON, &["-spill-dir", "spill", "-opensearch-ca-path", ca]]
            .concat();
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.args(&args).env(URL, &url);
        command
            .env("METRICS_SERVER_SEARCH_USER", "writer")
            .env("METRICS_SERVER_SEARCH_PASSWORD", password);
        Server::try_command(dir.path(), command, &args).expect("it starts")
    };
    let server = start("other-ca.pem", "pass:word");
    server.send_unix(search.message(1));
    let line = server.find_line(|line| line.contains("does not answer")).expect("a line");
    assert!(line.contains("certificate"), "{line}");
    server.stop();
    let server = start("ca.pem", "wrong");
    server.send_unix(search.message(2));
    let line = server.find_line(|line| line.contains("answers 401")).expect("a line");
    assert!(line.contains("METRICS_SERVER_SEARCH_PASSWORD"), "{line}");
    server.stop();
    let server = start("ca.pem", "pass:word");
    server.send_unix(search.message(3));
    settled(&server, 3);
    assert_eq!(search.values(), BTreeSet::from([1, 2, 3]));
}

/// Sends rows at 2,000 a second, ten at a time, until it is told to stop or for so long; returns how many.
fn load(server: &Server, search: &Search, from: u32, time: Duration) -> u32 {
    let mut client = server.connect("ms.sock");
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < time {
        let due = began + Duration::from_micros(500) * sent;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let messages: String = (sent..sent + 10).map(|n| search.message(from + n)).collect();
        client.send(messages.as_bytes());
        sent += 10;
    }
    sent
}

fn spilling(search: &Search, dir: &Path) -> Server {
    let flags =
        [&SMALL[..], &["-sink-queue-bytes", "1048576", "-opensearch-bulk-period", "1s"]].concat();
    search::spilling(dir, &search.url(), &flags)
}

#[test]
fn an_outage_costs_nothing() {
    let seconds = std::env::var("OUTAGE_SECONDS").map_or(20, |text| text.parse().expect("seconds"));
    let search = Search::of("outage");
    let dir = temp_dir();
    let server = spilling(&search, dir.path());
    let mut sent = load(&server, &search, 0, Duration::from_secs(2));
    let stopped = Stopped::now();
    sent += load(&server, &search, sent, Duration::from_secs(seconds));
    server.send_udp(inc("beside"));
    let page = server.settled();
    assert!(page.user().contains("beside{"), "{}", page.user());
    let books = Books::of(&page);
    assert!(books.close() && books.spilled > 0, "{books:?}");
    drop(stopped);
    let (back, behind) = (Instant::now(), books.queued + books.spilled);
    sent += load(&server, &search, sent, Duration::from_secs(2));
    let page = settled(&server, u64::from(sent));
    println!(
        "{behind} rows behind after {seconds} s: all there {:.1} s later",
        back.elapsed().as_secs_f64()
    );
    assert_eq!(Books::of(&page).delivered, u64::from(sent));
    assert_eq!(page.own(r#"sink_spill_bytes{sink="opensearch"}"#), 0);
    assert_eq!(search.values(), (0..u64::from(sent)).collect());
}

#[test]
fn what_was_on_disk_when_the_server_was_killed_arrives_once() {
    let search = Search::of("killed");
    let dir = temp_dir();
    let server = spilling(&search, dir.path());
    let stopped = Stopped::now();
    let mut client = server.connect("ms.sock");
    let sent: u32 = 60_000;
    for from in (0..sent).step_by(100) {
        let messages: String = (from..from + 100).map(|value| search.message(value)).collect();
        client.send(messages.as_bytes());
    }
    drop(client);
    let kept = wait::until("all rows are in memory or on disk", || {
        let books = Books::of(&server.scrape());
        let here = books.queued + books.spilled == u64::from(sent) && books.spilled > 30_000;
        if here { Ok(books.spilled) } else { Err(format!("{books:?}")) }
    });
    drop(server); // kill -9
    drop(stopped);
    let server = spilling(&search, dir.path());
    // Some may have been on their way to the disk.
    let recovered = Books::of(&server.scrape()).recovered;
    assert!(recovered >= kept, "{recovered} {kept}");
    let kept = recovered;
    wait::until_true("some have arrived", || {
        let books = Books::of(&server.scrape());
        books.delivered > 0 && books.spilled > 0
    });
    drop(server); // once more, in the middle
    let server = spilling(&search, dir.path());
    let recovered = Books::of(&server.scrape()).recovered;
    assert!(recovered > 0);
    settled(&server, recovered);
    // What was in memory, before them, is gone, but for what an unanswered request held.
    let values = search.values();
    let last = *values.last().expect("there are some");
    let missing: Vec<_> = (last + 1 - kept..last).filter(|value| !values.contains(value)).collect();
    assert!(missing.is_empty(), "{} rows are missing, as {:?}", missing.len(), missing.first());
}

/// For what is made within another test's turn.
fn lend() -> MutexGuard<'static, ()> {
    static LENT: Mutex<()> = Mutex::new(());
    LENT.lock()
}
