//! The Loki sink with a real log store behind it: victoria-logs, which takes Loki's pushes, alone and behind nginx
//! with client certificates. `make services` starts both.

#![expect(clippy::print_stdout, reason = "what a test has measured is for people to read")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::server::{BASE, temp_dir};
use crate::common::wait::{until, until_true};
use crate::common::{Page, Server, ports};
use crate::service;

const STORE: &str = "victoria-logs";

/// A word that no other run has.
fn run_name() -> String {
    format!("r{}", metrics_server::testing::clock::unix_ns())
}

/// Where victoria-logs takes Loki's pushes.
fn push_address(port: u16) -> String {
    format!("http://127.0.0.1:{port}/insert/loki/api/v1/push")
}

/// What a query gives, a row each.
fn query(port: u16, query: &str) -> Vec<Value> {
    let url = format!("http://127.0.0.1:{port}/select/logsql/query");
    let mut response = ureq::post(&url).send_form([("query", query), ("limit", "0")]).unwrap();
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The `id` of every entry of a run, in the order of their times.
fn ids(port: u16, run: &str) -> Vec<u32> {
    let rows = query(port, &format!(r#"run:="{run}" | fields _time, id"#));
    let number = |row: &Value| row["id"].as_str().unwrap().parse().unwrap();
    let mut ids: Vec<(String, u32)> =
        rows.iter().map(|row| (row["_time"].as_str().unwrap().to_owned(), number(row))).collect();
    // All have the same zone, and nine digits behind the point but for zeros at the end.
    ids.sort_by_key(|(time, _)| format!("{:0<30}", time.trim_end_matches('Z')));
    ids.into_iter().map(|(_, id)| id).collect()
}

/// Waits for entries of a run.
fn entries(port: u16, run: &str) -> Vec<Value> {
    until("what is stored can be found", || {
        let rows = query(port, &format!(r#"run:="{run}""#));
        if rows.is_empty() { Err("not yet".to_owned()) } else { Ok(rows) }
    })
}

/// Waits until the entries of a run are there to be found.
fn found(port: u16, run: &str, count: usize) -> Vec<u32> {
    until("what is stored can be found", || {
        let ids = ids(port, run);
        if ids.len() >= count { Ok(ids) } else { Err(format!("{} of {count}", ids.len())) }
    })
}

fn event(id: u32) -> String {
    format!(
        r#"{{"name":"visit","labels":{{"id":"{id}","path":"/a\"b<c>"}},"op":"event","value":1.5}}"#
    )
}

fn events(ids: std::ops::Range<u32>) -> String {
    ids.fold(String::new(), |mut text, id| {
        writeln!(text, "{}", event(id)).unwrap();
        text
    })
}

fn loki(page: &Page, series: &str) -> u64 {
    page.own(&format!(r#"{series}{{sink="loki"}}"#))
}

/// Waits until so many rows are delivered, and no more wait; long, since a store may be slow. Returns the page.
fn delivered(server: &Server, rows: u64) -> Page {
    let start = Instant::now();
    loop {
        let page = server.scrape();
        let came =
            loki(&page, "sink_rows_enqueued_total") + loki(&page, "sink_rows_recovered_total");
        if came == rows && loki(&page, "sink_rows_delivered_total") == rows {
            return page;
        }
        assert!(start.elapsed() < Duration::from_mins(2), "{}\n{}", page.text, server.stderr());
        sleep(Duration::from_millis(20));
    }
}

/// A victoria-logs of the test's own, which it may stop.
struct Store {
    child: Child,
    data: PathBuf,
    port: u16,
}

impl Store {
    fn start(data: &Path, port: u16) -> Self {
        let child = Command::new(service::home(STORE).join("victoria-logs"))
            .arg(format!("-httpListenAddr=127.0.0.1:{port}"))
            .arg(format!("-storageDataPath={}", data.display()))
            .args(["-retentionPeriod=1d", "-loki.disableMessageParsing"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`make services` has built victoria-logs");
        until_true("victoria-logs answers", || {
            crate::common::http::get(port, "/health").is_ok_and(|reply| reply.status == 200)
        });
        Self { child, data: data.to_owned(), port }
    }

    /// Stops it as an operator would; what it has taken is on disk then.
    fn stop(mut self) -> (PathBuf, u16) {
        let status = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap();
        (self.data.clone(), self.port)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn labels_lines_and_metadata_arrive() {
    let (port, run) = (service::port(STORE), run_name());
    let server = Server::start(&[
        "-loki-address",
        &push_address(port),
        "-loki-labels",
        "run,source_app",
        "-extra-labels",
        &format!("run:{run}"),
    ]);
    server.send_unix(event(7));
    delivered(&server, 1);
    let rows = entries(port, &run);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["_stream"], format!(r#"{{run="{run}",source_app="ms"}}"#));
    let line = format!(
        r#"{{"name":"visit","labels":{{"data_source":"ms.sock","id":"7","path":"/a\"b\u003cc\u003e","run":"{run}","source_app":"ms"}},"op":"event","value":1.5}}"#
    );
    assert_eq!(rows[0]["_msg"], line);
    let labels = ["data_source", "id", "path", "run", "source_app"].map(|name| &rows[0][name]);
    assert_eq!(labels, ["ms.sock", "7", "/a\"b<c>", run.as_str(), "ms"]);
}

#[test]
fn all_labels_make_the_stream_by_default() {
    let (port, run) = (service::port(STORE), run_name());
    let labels = format!("run:{run}");
    let server = Server::start(&["-loki-address", &push_address(port), "-extra-labels", &labels]);
    server
        .send_unix(r#"{"name":"e","labels":{"a-b":"dash","a_b":"under"},"op":"event","value":1}"#);
    delivered(&server, 1);
    let rows = entries(port, &run);
    let stream = format!(r#"{{a_b="under",data_source="ms.sock",run="{run}",source_app="ms"}}"#);
    assert_eq!((rows.len(), &rows[0]["_stream"]), (1, &Value::from(stream)));
}

/// Rows through both transports; prints what it took.
#[test]
fn a_hundred_thousand_rows_arrive_once_each() {
    const ROWS: u32 = 100_000;
    let (port, run) = (service::port(STORE), run_name());
    let server = Server::start(&[
        "-loki-address",
        &push_address(port),
        "-loki-labels",
        "run,source_app",
        "-extra-labels",
        &format!("run:{run}"),
    ]);
    let texts: Vec<String> = (0..ROWS / 2).step_by(500).map(|id| events(id..id + 500)).collect();
    let datagrams: Vec<String> = (ROWS / 2..ROWS).step_by(8).map(|id| events(id..id + 8)).collect();
    let start = Instant::now();
    let mut client = server.connect("ms.sock");
    for text in &texts {
        client.send(text.as_bytes());
    }
    for some in datagrams.chunks(500) {
        for datagram in some {
            server.send_udp(datagram);
        }
        // UDP has no brakes: the kernel's buffer is to have room for the next.
        until_true("datagrams are read", || {
            let sent = server.sent.datagrams.load(std::sync::atomic::Ordering::Relaxed);
            server.scrape().own("datagrams_received_total") == sent
        });
    }
    let sent = start.elapsed();
    let page = delivered(&server, u64::from(ROWS));
    let took = start.elapsed().as_secs_f64();
    let requests = page.own(r#"sink_requests_total{outcome="done",sink="loki"}"#);
    let in_requests =
        page.get(r#"metrics_server_sink_request_seconds_total{sink="loki"}"#).unwrap();
    println!(
        "{ROWS} rows: sent in {sent:.2?}, stored after {took:.2} s, {:.0} rows/s; {requests} requests took {in_requests:.2} s",
        f64::from(ROWS) / took
    );
    let mut ids = found(port, &run, ROWS as usize);
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(0..ROWS), "{} ids", ids.len());
}

#[test]
fn a_client_certificate_opens_the_door() {
    const DOOR: &str = "victoria-logs-tls";
    let (home, run) = (service::home(DOOR), run_name());
    let path = |name: &str| home.join(name).to_str().unwrap().to_owned();
    let address = format!("https://127.0.0.1:{}/loki/api/v1/push", service::port(DOOR));
    let labels = format!("run:{run}");
    let ca = path("ca.pem");
    let base = [
        "-loki-address",
        &address,
        "-loki-ca-path",
        &ca,
        "-extra-labels",
        &labels,
        "-loki-labels",
        "run",
    ];
    let dir = temp_dir();
    let spill = dir.path().join("spill");
    let spill = spill.to_str().unwrap();
    // Without one nothing is let in, and nothing is lost.
    let base = [&BASE[..], &base, &["-spill-dir", spill, "-sink-flush-timeout", "100ms"]].concat();
    let mut closed = Server::must_start(dir.path(), &base);
    closed.send_unix(events(0..500));
    let told = closed.find_line(|line| line.contains(&address));
    assert!(told.is_some_and(|line| line.contains("SSL certificate")), "{}", closed.stderr());
    closed.signal("TERM");
    assert_eq!(closed.wait_exit().code, Some(0));

    let (cert, key) = (path("client.pem"), path("client.key"));
    let open = [&base[..], &["-loki-cert-path", &cert, "-loki-key-path", &key]].concat();
    let server = Server::must_start(dir.path(), &open);
    server.send_unix(events(500..1_000));
    let page = delivered(&server, 1_000);
    assert_eq!(loki(&page, "sink_rows_recovered_total"), 500);
    let ids = found(service::port(STORE), &run, 1_000);
    assert!(ids.iter().copied().eq(0..1_000), "{} ids", ids.len());
}

/// Flags of a server whose memory holds little, so that rows go to disk soon.
fn spilling<'a>(address: &'a str, labels: &'a str, spill: &'a str) -> Vec<&'a str> {
    let more = [
        "-loki-address",
        address,
        "-extra-labels",
        labels,
        "-loki-labels",
        "run",
        "-spill-dir",
        spill,
        "-sink-queue-bytes",
        "1048576",
    ];
    [&BASE[..], &more].concat()
}

/// The store is away for a while under load. `SERVICES_OUTAGE_SECONDS` makes it longer.
#[test]
fn an_outage_loses_nothing_and_keeps_the_order() {
    const RATE: u32 = 2_000;
    let seconds = std::env::var("SERVICES_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u32 = seconds.unwrap_or(4);
    let (dir, run) = (temp_dir(), run_name());
    let store = Store::start(&dir.path().join("data"), ports::free());
    let (address, labels) = (push_address(store.port), format!("run:{run}"));
    let server = Server::must_start(dir.path(), &spilling(&address, &labels, "spill"));
    let mut client = server.connect("ms.sock");
    let mut next = 0;
    // A tenth of a second's rows at a time, as even as the machine lets it.
    let mut send = |seconds: u32| {
        let start = Instant::now();
        for tenth in 1..=seconds * 10 {
            client.send(events(next..next + RATE / 10).as_bytes());
            next += RATE / 10;
            let due = start + Duration::from_millis(100) * tenth;
            sleep(due.saturating_duration_since(Instant::now()));
        }
        next
    };
    send(1);
    let (data, port) = store.stop();
    let sent = send(seconds);
    let page = server.settled();
    assert!(loki(&page, "sink_rows_spilled_total") > 0, "{}", page.text);
    assert_eq!(page.own_sum("sink_rows_dropped_total"), 0);
    let behind = u64::from(sent) - loki(&page, "sink_rows_delivered_total");
    let store = Store::start(&data, port);
    let start = Instant::now();
    let sent = send(1);
    let page = delivered(&server, u64::from(sent));
    println!(
        "away for {seconds} s: {behind} rows behind, all {sent} there {:.2?} after the store was back, load going on for 1 s of it; {} had been on disk",
        start.elapsed(),
        loki(&page, "sink_rows_spilled_total")
    );
    assert_eq!(
        page.own_sum("sink_rows_dropped_total") + page.own_sum("sink_rows_rejected_total"),
        0
    );
    let ids = found(store.port, &run, sent as usize);
    assert!(ids.iter().copied().eq(0..sent), "{} ids, or not in order", ids.len());
}

#[test]
fn rows_on_disk_survive_a_kill() {
    let (dir, run, port) = (temp_dir(), run_name(), ports::free());
    let (address, labels) = (push_address(port), format!("run:{run}"));
    let flags = spilling(&address, &labels, "spill");
    let killed = Server::must_start(dir.path(), &flags);
    killed.send_unix(events(0..20_000));
    // One connection, so one worker and one order: when the last of them is in a file, all are in memory or on disk.
    until("the last row is on disk", || {
        let files = fs::read_dir(dir.path().join("spill/loki")).expect("the sink's folder");
        let mut bytes = files.flatten().filter_map(|file| fs::read(file.path()).ok());
        // A row's texts stand one behind the other.
        let last = bytes.any(|bytes| String::from_utf8_lossy(&bytes).contains("id19999path"));
        if last { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let told = loki(&killed.scrape(), "sink_spill_rows");
    drop(killed); // with SIGKILL
    let store = Store::start(&dir.path().join("data"), port);
    let server = Server::must_start(dir.path(), &flags);
    let spilled = loki(&server.scrape(), "sink_rows_recovered_total");
    // Memory has room for fewer than 6,000 of these.
    assert!(told <= spilled && spilled > 14_000, "{told} were told, {spilled} were found");
    server.send_unix(events(20_000..20_500));
    delivered(&server, spilled + 500);
    let lost = 20_000 - u32::try_from(spilled).unwrap();
    let ids = found(store.port, &run, (20_500 - lost) as usize);
    assert!(ids.iter().copied().eq(lost..20_500), "{} ids from {:?}", ids.len(), ids.first());
}
