//! The HTTP side of the whole server: routes, methods, codings, raw requests, and the server's own families.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::http::{self, Response, get, request};
use crate::common::{Page, Server, inc};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

fn started() -> Server {
    let server = Server::start(&[]);
    server.send_unix(inc("ma"));
    server.settled();
    server
}

/// A page of metrics with the one user family.
fn is_page(reply: &Response) {
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("Content-Type"), Some(TEXT));
    let page = Page::parse(&reply.text());
    assert_eq!(
        page.user(),
        "# HELP ma \n# TYPE ma counter\nma{data_source=\"ms.sock\",source_app=\"ms\"} 1\n"
    );
}

#[test]
fn routes() {
    let server = started();
    let status = |path: &str| get(server.http, path).unwrap().status;
    for path in ["/metrics", "/metrics?foo=bar"] {
        is_page(&get(server.http, path).unwrap());
    }
    for path in ["/health", "/health?x=1"] {
        let reply = get(server.http, path).unwrap();
        assert_eq!((reply.status, &reply.body[..]), (200, &b""[..]));
        assert_eq!(reply.header("Content-Length"), Some("0"));
        assert_eq!(reply.header("Content-Type"), None);
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert_eq!(status(path), 200, "{path}");
    }
    let landing = get(server.http, "/").unwrap();
    assert_eq!(landing.status, 200);
    assert!(landing.header("Content-Type").is_some_and(|kind| kind.starts_with("text/html")));
    for word in ["/metrics", env!("CARGO_PKG_VERSION")] {
        assert!(landing.text().contains(word), "{}", landing.text());
    }
    for path in [
        "/health/",
        "/metrics/",
        "/metric",
        "/debug/vars",
        "/debug/pprof/",
        "/METRICS",
        "/favicon.ico",
        "//metrics",
        "/a/../metrics",
    ] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(get(server.http, "/nothing").unwrap().text(), "404 page not found\n");
    server.stop();
}

#[test]
fn methods() {
    let server = started();
    for path in ["/metrics", "/health"] {
        let reply = request(server.http, "HEAD", path, &[]).unwrap();
        assert_eq!((reply.status, reply.body.len()), (200, 0), "HEAD {path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "NONSENSE"] {
            let reply = request(server.http, method, path, &[]).unwrap();
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("Allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    assert_eq!(
        request(server.http, "HEAD", "/metrics", &[]).unwrap().header("Content-Type"),
        Some(TEXT)
    );
    server.stop();
}

#[test]
fn one_format_whatever_is_accepted() {
    let server = started();
    let protobuf =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=";
    for accept in [
        "*/*",
        "text/plain",
        "text/plain;version=0.0.4",
        "text/plain; version=1.0.0",
        "application/openmetrics-text",
        "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/json",
        "text/html",
        &format!("{protobuf}delimited"),
        &format!("{protobuf}text"),
        "garbage;;;",
    ] {
        is_page(&request(server.http, "GET", "/metrics", &[("Accept", accept)]).unwrap());
    }
    server.stop();
}

#[test]
fn gzip_as_asked() {
    let server = started();
    for (accept, gzip) in [
        ("gzip", true),
        ("deflate, gzip;q=1.0", true),
        ("gzip, deflate, br", true),
        ("identity", false),
        ("gzip;q=0", false),
        ("*", false),
        ("br, zstd", false),
    ] {
        for path in ["/metrics", "/health"] {
            let reply = request(server.http, "GET", path, &[("Accept-Encoding", accept)]).unwrap();
            let expected = (gzip && path == "/metrics").then_some("gzip");
            assert_eq!(reply.header("Content-Encoding"), expected, "{accept} {path}");
            if path == "/metrics" {
                is_page(&reply);
            }
        }
    }
    let head = request(server.http, "HEAD", "/metrics", &[("Accept-Encoding", "gzip")]).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    server.stop();
}

/// Requests that no browser makes: answered or hung up on, and the next client is served.
#[test]
fn raw_requests() {
    let server = started();
    let status = |bytes: &[u8]| {
        http::raw(server.http, bytes).ok().and_then(|a| http::parse(&a).ok()).map(|r| r.status)
    };
    assert_eq!(status(b"GET /metrics HTTP/1.0\r\n\r\n"), Some(200));
    assert_eq!(
        status(b"GET http://localhost/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        Some(200)
    );
    let long = format!(
        "GET /metrics HTTP/1.1\r\nX: {}\r\nConnection: close\r\n\r\n",
        "a".repeat(1_000_000)
    );
    let requests: [&[u8]; 8] = [
        b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nno colon\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        long.as_bytes(),
    ];
    for bytes in requests {
        let mut stream = TcpStream::connect(("127.0.0.1", server.http)).unwrap();
        // The server may hang up before it has read all of it.
        let _ = stream.write_all(bytes);
        drop(stream);
        is_page(&get(server.http, "/metrics").unwrap());
    }
    server.stop();
}

#[test]
fn several_requests_on_one_connection() {
    let server = started();
    let mut stream = TcpStream::connect(("127.0.0.1", server.http)).unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", head.escape_ascii());
    }
    server.stop();
}

/// Clients that connect and say nothing, or never finish, do not keep others from the page.
#[test]
fn silent_clients_block_nobody() {
    let server = started();
    let silent: Vec<TcpStream> =
        (0..30).map(|_| TcpStream::connect(("127.0.0.1", server.http)).unwrap()).collect();
    for _ in 0..5 {
        is_page(&get(server.http, "/metrics").unwrap());
    }
    drop(silent);
    server.stop();
}

/// The server's own families stand from the start, each with help.
#[test]
fn fresh_server() {
    let server = Server::start(&["-workers", "2"]);
    let page = server.scrape();
    assert_eq!(page.user(), "");
    for family in [
        "messages_accepted_total",
        "messages_rejected_total",
        "messages_coerced_total",
        "processed_metrics_total",
        "deleted_metrics_total",
        "received_bytes_total",
        "udp_kernel_drops_total",
        "unix_connections",
        "index_bulk_insert_total",
        "forwarded_metrics_total",
    ] {
        let all = page.own_family(family);
        assert!(!all.is_empty() && all.values().all(|value| *value == 0), "{family}: {all:?}");
    }
    for family in [
        "messages_framed_total",
        "datagrams_received_total",
        "garbage_bytes_total",
        "datagrams_truncated_total",
        "staled_storage_length",
        "index_connections",
    ] {
        assert_eq!(page.own(family), 0, "{family}");
    }
    let types: Vec<String> = page.own_family("processed_metrics_total").into_keys().collect();
    let expected = ["", "add", "event", "inc", "index", "obs", "other", "raw", "set", "shutdown"];
    assert_eq!(types, expected.map(|name| format!(r#"{{type="{name}"}}"#)));
    for reason in REASONS {
        assert_eq!(page.rejected(reason), 0);
    }
    for reason in ["labels", "label_value", "number", "key_case", "unicode"] {
        assert_eq!(page.coerced(reason), 0);
    }
    for name in [
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "process_virtual_memory_max_bytes",
        "promhttp_metric_handler_requests_in_flight",
        r#"promhttp_metric_handler_requests_total{code="200"}"#,
        r#"promhttp_metric_handler_requests_total{code="500"}"#,
        r#"promhttp_metric_handler_requests_total{code="503"}"#,
    ] {
        assert!(page.get(name).is_some(), "{name} is not on:\n{}", page.text);
    }
    assert!(page.text.contains(&format!("version=\"{}\"", env!("CARGO_PKG_VERSION"))));
    let helpless = page
        .text
        .lines()
        .find(|line| line.starts_with("# HELP ") && line.split_ascii_whitespace().nth(3).is_none());
    assert_eq!(helpless, None);
    server.stop();
}

/// Every value of the label `reason` of `metrics_server_messages_rejected_total`.
const REASONS: [&str; 25] = [
    "unterminated",
    "too_long",
    "timed_out",
    "partials_limit",
    "syntax",
    "depth",
    "op",
    "name",
    "label_name",
    "label_value",
    "reserved_label",
    "too_many_labels",
    "value",
    "negative_increment",
    "bucket_params",
    "type_conflict",
    "label_set_conflict",
    "name_conflict",
    "reserved_name",
    "lines_limit",
    "name_lines_limit",
    "memory_limit",
    "no_sink",
    "shutdown_refused",
    "panic",
];

/// Families and series come in the original's order, whatever order they were born in.
#[test]
fn order() {
    let server = Server::start(&["-source-labels=false"]);
    for name in ["b", "a_b", "aB", "a", "B", "_z", "a:b", "ab"] {
        server.send_udp(inc(name));
    }
    for value in ["b", "a b", "a\\\\", "a\\\"", "", "a", "é", "a\\n", "Z"] {
        // Each is born into a page that was rendered before.
        server
            .send_udp(format!(r#"{{"name":"s","op":"inc","value":1,"labels":{{"l":"{value}"}}}}"#));
        server.settled();
    }
    let user = server.settled().user();
    let series: Vec<&str> = user.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        "B 1",
        "_z 1",
        "a 1",
        "a:b 1",
        "aB 1",
        "a_b 1",
        "ab 1",
        "b 1",
        "s{l=\"\"} 1",
        "s{l=\"Z\"} 1",
        "s{l=\"a\"} 1",
        "s{l=\"a\\n\"} 1",
        "s{l=\"a b\"} 1",
        "s{l=\"a\\\"\"} 1",
        "s{l=\"a\\\\\"} 1",
        "s{l=\"b\"} 1",
        "s{l=\"é\"} 1",
    ];
    assert_eq!(series, expected);
    server.stop();
}

/// How many pages were begun, in each encoding.
fn pages_begun(page: &Page) -> [u64; 2] {
    ["gzip", "identity"]
        .map(|coding| page.own(&format!(r#"scrape_pages_total{{encoding="{coding}"}}"#)))
}

/// A page of more than a megabyte, plain and compressed: scrapers that ask at once share what is made.
///
/// The server takes the first scraper's request, and the first page is begun for it and for all whose requests have
/// been taken by then. It is not finished before the others' requests are taken, since only 8 of its pieces are made
/// ahead of the first scraper, and so all others wait for the end of the first page and share the second. A third page
/// is begun only if the thread `http` is kept from running for 20 ms between two requests, as on a busy machine: after
/// that time a page no longer makes others wait.
#[test]
fn big_page() {
    const SCRAPERS: usize = 16;
    const PAGES_MAX: u64 = 3;
    let server = Server::start(&["-source-labels=false"]);
    let mut client = server.connect("ms.sock");
    for number in 0..20_000 {
        let message =
            format!(r#"{{"name":"c","op":"inc","value":1,"labels":{{"number":"{number:060}"}}}}"#);
        client.send(message.as_bytes());
    }
    drop(client);
    let want = server.settled().user();
    assert_eq!(want.lines().count(), 20_002);
    for (index, coding) in ["gzip", "identity"].into_iter().enumerate() {
        let before = pages_begun(&server.scrape())[index];
        scrape_at_once(&server, SCRAPERS, coding, &want);
        // The last page, which tells the number, is plain: it is among those that are counted as identity.
        let own = u64::from(coding == "identity");
        let begun = pages_begun(&server.scrape())[index] - before - own;
        assert!(
            (1..=PAGES_MAX).contains(&begun),
            "{begun} pages in {coding} for {SCRAPERS} scrapers"
        );
    }
    server.stop();
}

/// Scrapes so often at the same time: all have asked before the server reads what the first one asks.
fn scrape_at_once(server: &Server, scrapers: usize, coding: &str, want: &str) {
    let head = http::head("GET", "/metrics", &[("Accept-Encoding", coding)]);
    server.suspend();
    std::thread::scope(|scope| {
        for _ in 0..scrapers {
            let mut stream = TcpStream::connect(("127.0.0.1", server.http)).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            scope.spawn(move || {
                let reply = http::parse(&http::exchange(stream, b"").unwrap()).unwrap();
                assert!(Page::parse(&reply.text()).user() == want, "{coding}");
            });
        }
        server.signal("CONT");
    });
}

/// Numbers read as Go writes them: the shortest digits, and an exponent from a million on.
#[test]
fn numbers() {
    let table = [
        ("0", "0"),
        ("-0.0", "0"),
        ("3.0", "3"),
        ("0.1", "0.1"),
        ("-21.5", "-21.5"),
        ("999999", "999999"),
        ("999999.5", "999999.5"),
        ("1000000", "1e+06"),
        ("1000001", "1.000001e+06"),
        ("123456789", "1.23456789e+08"),
        ("1234567.5", "1.2345675e+06"),
        ("-1234567.5", "-1.2345675e+06"),
        ("0.0001", "0.0001"),
        ("0.00012345", "0.00012345"),
        ("0.0000999", "9.99e-05"),
        ("0.00001", "1e-05"),
        ("1e-7", "1e-07"),
        ("1e20", "1e+20"),
        ("1e21", "1e+21"),
        ("123456789012345678901234567890", "1.2345678901234568e+29"),
        ("5e-324", "5e-324"),
        ("1e-400", "0"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993", "9.007199254740992e+15"),
        ("1e100", "1e+100"),
    ];
    let server = Server::start(&["-source-labels=false"]);
    let message = |(number, (value, _)): (usize, &(&str, &str))| {
        format!(r#"{{"name":"n","op":"set","value":{value},"labels":{{"l":"{number:02}"}}}}"#)
    };
    let messages: String = table.iter().enumerate().map(message).collect();
    server.send_udp(messages);
    let user = server.settled().user();
    let got: Vec<&str> =
        user.lines().filter_map(|line| line.strip_prefix("n{")?.split(' ').nth(1)).collect();
    assert_eq!(got, table.map(|(_, text)| text));
    server.stop();
}
