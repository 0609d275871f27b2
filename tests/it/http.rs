//! The HTTP server from outside: every route, method and coding, and clients that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use metrics_server::testing::exporter::HttpServer;
use metrics_server::testing::exporter::HttpStats;
use metrics_server::testing::exporter::Pages;
use metrics_server::testing::exporter::{Body, Content, Made};

use crate::common::wait;

const PAGE: &str = "# HELP a \n# TYPE a counter\na 1\n";
const GZIPPED: &str = "stands for a gzipped page";

struct TestPages {
    page: Arc<Body>,
    ready: AtomicBool,
    panics: AtomicBool,
    rendered: AtomicU64,
    /// Pieces of pages that are made while they are sent; 0 for pages that are whole.
    made: AtomicU64,
}

/// What follows the last piece of a page that fails.
const FAULT: u64 = 1_000_000;

/// A page of numbered pieces; from [`FAULT`] pieces on it fails at the third.
#[derive(Debug)]
struct Counted {
    next: u64,
    pieces: u64,
}

impl Counted {
    fn piece(number: u64) -> String {
        format!("a{{piece=\"{number:060000}\"}} 1\n")
    }
}

impl Made for Counted {
    fn next(&mut self, piece: &mut Vec<u8>) {
        assert!(self.pieces < FAULT || self.next < 2, "asked to panic");
        if self.next < self.pieces {
            piece.extend_from_slice(Self::piece(self.next).as_bytes());
            self.next += 1;
        }
    }
}

impl TestPages {
    fn new(pieces: Vec<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self {
            page: Arc::new(Body::new(pieces)),
            ready: AtomicBool::new(true),
            panics: AtomicBool::new(false),
            rendered: AtomicU64::new(0),
            made: AtomicU64::new(0),
        })
    }
}

impl Pages for TestPages {
    fn metrics(&self, gzip: bool) -> Content<'_> {
        assert!(!self.panics.load(SeqCst), "asked to panic");
        self.rendered.fetch_add(1, SeqCst);
        let pieces = self.made.load(SeqCst);
        if pieces > 0 && !gzip {
            return Content::Made(Box::new(Counted { next: 0, pieces }));
        }
        Content::Whole(if gzip { Arc::new(GZIPPED.into()) } else { self.page.clone() })
    }

    fn live(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        self.ready.load(SeqCst)
    }

    fn landing(&self) -> String {
        "<html><a href=\"/metrics\">Metrics</a></html>".to_owned()
    }
}

/// Longer than any response takes.
const UNLIMITED: Duration = Duration::from_mins(10);

/// Runs `check` against a server with these pages and four receiving threads.
fn with_server(pages: &Arc<TestPages>, check: impl FnOnce(SocketAddr, &HttpStats)) {
    with_limit(UNLIMITED, pages, check);
}

fn with_limit(limit: Duration, pages: &Arc<TestPages>, check: impl FnOnce(SocketAddr, &HttpStats)) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stats = Arc::new(HttpStats::default());
    let server = HttpServer::start(listener, pages.clone(), stats.clone(), limit).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| server.run());
        }
        // Ends the threads also where a check fails.
        let _stop = OnDrop(|| server.shutdown());
        check(server.local_addr(), &stats);
    });
    assert_eq!(stats.in_flight(), 0);
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn small_page() -> Arc<TestPages> {
    let (first, second) = PAGE.split_at(10);
    TestPages::new(vec![first.into(), second.into()])
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Sends bytes on a connection of their own and reads to its end.
fn exchange(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(addr);
    stream.write_all(request).unwrap();
    read_to_end(stream)
}

fn read_to_end(mut stream: TcpStream) -> String {
    let mut reply = Vec::new();
    match stream.read_to_end(&mut reply) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8(reply).unwrap()
}

fn parse(reply: &str) -> Reply {
    let (head, body) =
        reply.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {reply:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_owned(), body: body.to_owned() }
}

fn ask(addr: SocketAddr, method: &str, target: &str, headers: &str) -> Reply {
    let request =
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n");
    parse(&exchange(addr, request.as_bytes()))
}

fn assert_serves(addr: SocketAddr) {
    let reply = ask(addr, "GET", "/metrics", "");
    assert_eq!((reply.status, reply.body.as_str()), (200, PAGE));
}

#[test]
fn metrics_come_as_text_whatever_is_accepted() {
    with_server(&small_page(), |addr, stats| {
        let accepts = [
            "",
            "Accept: */*\r\n",
            "Accept: application/openmetrics-text;version=1.0.0;q=0.75,*/*;q=0.1\r\n",
            "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n",
            "Accept: garbage;;;\r\n",
        ];
        for accept in accepts {
            let reply = ask(addr, "GET", "/metrics?foo=bar", accept);
            assert_eq!((reply.status, reply.body.as_str()), (200, PAGE));
            assert_eq!(
                reply.header("Content-Type"),
                Some("text/plain; version=0.0.4; charset=utf-8")
            );
            assert_eq!(reply.header("Content-Length"), Some("31"));
            assert_eq!(reply.header("Content-Encoding"), None);
            assert!(reply.header("Date").is_some());
        }
        assert_eq!(stats.requests()[0], (200, accepts.len() as u64));
        wait::until_true("its size is told", || stats.last_response_bytes() == PAGE.len() as u64);
    });
}

#[test]
fn gzip_is_sent_where_it_is_asked_for() {
    with_server(&small_page(), |addr, _| {
        for asked in ["gzip", "deflate, gzip;q=1.0", "GZIP", "gzip, deflate, br"] {
            let reply = ask(addr, "GET", "/metrics", &format!("Accept-Encoding: {asked}\r\n"));
            assert_eq!((reply.status, reply.body.as_str()), (200, GZIPPED), "{asked}");
            assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
        }
        for asked in ["identity", "gzip;q=0", "br, zstd", "*", ""] {
            let reply = ask(addr, "GET", "/metrics", &format!("Accept-Encoding: {asked}\r\n"));
            assert_eq!((reply.status, reply.body.as_str()), (200, PAGE), "{asked}");
        }
        let reply = ask(addr, "HEAD", "/metrics", "Accept-Encoding: gzip\r\n");
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(reply.header("Content-Encoding"), Some("gzip"));
        let reply = ask(addr, "GET", "/health", "Accept-Encoding: gzip\r\n");
        assert_eq!((reply.status, reply.header("Content-Encoding")), (200, None));
        // A transfer coding that the client may ask for does not change the body's framing.
        let reply = ask(addr, "GET", "/metrics", "TE: chunked\r\n");
        assert_eq!((reply.body.as_str(), reply.header("Content-Length")), (PAGE, Some("31")));
    });
}

#[test]
fn health_and_readiness_follow_the_pages() {
    let pages = small_page();
    with_server(&pages, |addr, _| {
        let health = ask(addr, "GET", "/health?x=1", "");
        assert_eq!((health.status, health.body.as_str()), (200, ""));
        assert_eq!(
            (health.header("Content-Length"), health.header("Content-Type")),
            (Some("0"), None)
        );
        assert_eq!(ask(addr, "GET", "/-/healthy", "").body, "metrics-server is Healthy.\n");
        assert_eq!(ask(addr, "GET", "/-/ready", "").status, 200);

        pages.ready.store(false, SeqCst);
        let health = ask(addr, "GET", "/health", "");
        assert_eq!((health.status, health.body.as_str()), (503, ""));
        assert_eq!(health.header("Content-Length"), Some("0"));
        assert_eq!(ask(addr, "GET", "/-/ready", "").status, 503);
        assert_eq!(ask(addr, "GET", "/-/healthy", "").status, 200);
        assert_serves(addr);
    });
}

#[test]
fn other_paths_are_not_found() {
    with_server(&small_page(), |addr, stats| {
        let landing = ask(addr, "GET", "/", "");
        assert_eq!(landing.status, 200);
        assert_eq!(landing.header("Content-Type"), Some("text/html; charset=utf-8"));
        assert!(landing.body.contains("/metrics"));
        for target in [
            "/metrics/",
            "/metric",
            "/METRICS",
            "//metrics",
            "/a/../metrics",
            "/favicon.ico",
            "/debug/vars",
        ] {
            for method in ["GET", "POST"] {
                let reply = ask(addr, method, target, "");
                assert_eq!(
                    (reply.status, reply.body.as_str()),
                    (404, "404 page not found\n"),
                    "{target}"
                );
                assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"));
            }
        }
        assert_eq!(stats.requests(), [(200, 0), (500, 0), (503, 0)]);
    });
}

#[test]
fn only_get_and_head_are_allowed() {
    let pages = small_page();
    with_server(&pages, |addr, _| {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"] {
            for target in ["/metrics", "/health", "/", "/-/ready"] {
                let reply = ask(addr, method, target, "");
                assert_eq!(
                    (reply.status, reply.header("Allow")),
                    (405, Some("GET, HEAD")),
                    "{method} {target}"
                );
            }
        }
        assert_eq!(pages.rendered.load(SeqCst), 0);
        let reply = ask(addr, "HEAD", "/metrics", "");
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(reply.header("Content-Length"), Some("31"));
        assert_eq!(ask(addr, "HEAD", "/health", "").status, 200);
        assert_eq!(ask(addr, "HEAD", "/nothing", "").body, "");
    });
}

#[test]
fn a_panic_while_rendering_is_an_answer() {
    let pages = small_page();
    with_server(&pages, |addr, stats| {
        pages.panics.store(true, SeqCst);
        // More often than there are threads to lose.
        for _ in 0..6 {
            let reply = ask(addr, "GET", "/metrics", "");
            assert_eq!(reply.status, 500);
            assert!(reply.body.starts_with("An error has occurred while serving metrics:\n\n"));
        }
        pages.panics.store(false, SeqCst);
        assert_serves(addr);
        assert_eq!(stats.requests(), [(200, 1), (500, 6), (503, 0)]);
        assert_eq!(stats.panics(), 6);
    });
}

#[test]
fn connections_are_kept_and_pipelined() {
    with_server(&small_page(), |addr, _| {
        let one = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n";
        let last = "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
        let replies = exchange(addr, format!("{one}{one}{one}{last}").as_bytes());
        assert_eq!(replies.matches(PAGE).count(), 3);
        assert!(replies.ends_with("\r\n\r\n"), "{replies}");
        assert_eq!(replies.matches("HTTP/1.1 200 OK\r\n").count(), 4);
    });
}

#[test]
fn old_and_odd_requests_are_answered_or_refused() {
    with_server(&small_page(), |addr, _| {
        let old = parse(&exchange(addr, b"GET /metrics HTTP/1.0\r\n\r\n"));
        assert_eq!((old.status, old.body.as_str()), (200, PAGE));
        let absolute = ask(addr, "GET", "http://example.org:9099/metrics?x=y", "");
        assert_eq!((absolute.status, absolute.body.as_str()), (200, PAGE));
        let no_host = parse(&exchange(addr, b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n"));
        assert_eq!(no_host.status, 200);
        assert_eq!(parse(&exchange(addr, b"garbage\r\n\r\n")).status, 400);
        let long = format!("X-Long: {}\r\n", "x".repeat(1_000_000));
        assert_eq!(ask(addr, "GET", "/metrics", &long).status, 200);
        // No answer is promised to these; that the server is there afterwards is.
        for odd in [
            &b"\xff\xfe\0\0\r\n\r\n"[..],
            b"GET /metrics HTTP/1.1\r\n\xff: \xff\r\n\r\n",
            b"\r\n\r\n",
            b"",
        ] {
            let mut stream = connect(addr);
            stream.write_all(odd).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            read_to_end(stream);
        }
        assert_serves(addr);
    });
}

#[test]
fn bodies_that_do_not_come_hold_no_thread() {
    with_server(&small_page(), |addr, stats| {
        // More than there are receiving threads; all stay open and silent.
        let requests = ["Content-Length: 100000\r\n", "Transfer-Encoding: chunked\r\n"];
        let clients: Vec<_> = (0..12)
            .map(|i| {
                let mut client = connect(addr);
                write!(client, "POST /metrics HTTP/1.1\r\nHost: h\r\n{}\r\n", requests[i % 2])
                    .unwrap();
                client
            })
            .collect();
        for mut client in clients {
            let mut first = [0; 12];
            client.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 405");
        }
        let mut expecting = connect(addr);
        write!(
            expecting,
            "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
        )
        .unwrap();
        assert_eq!(parse(&read_to_end(expecting)).status, 405);
        let with_body = exchange(
            addr,
            b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
        );
        assert_eq!(parse(&with_body).status, 405);
        assert_serves(addr);
        assert_eq!(stats.refused_bodies(), 0);
    });
}

#[test]
fn an_announced_body_beyond_memory_is_refused() {
    with_server(&small_page(), |addr, stats| {
        let sizes =
            ["100000000", "1000000000000000", "9223372036854775807", "18446744073709551615"];
        for size in sizes {
            let request =
                format!("GET /metrics HTTP/1.1\r\nHost: h\r\nContent-Length: {size}\r\n\r\n");
            assert_eq!(exchange(addr, request.as_bytes()), "", "{size}");
        }
        assert_eq!(stats.refused_bodies(), sizes.len() as u64);
        assert_serves(addr);
    });
}

#[test]
fn readers_that_do_not_read_are_cut_and_hold_up_nobody_for_long() {
    let pages = TestPages::new(vec![vec![b'x'; 256 * 1024]; 256]);
    with_limit(Duration::from_secs(1), &pages, |addr, stats| {
        // As many as there are receiving threads, each with a second request behind the first.
        let request = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2);
        let clients: Vec<_> = (0..4)
            .map(|_| {
                let mut client = connect(addr);
                client.write_all(request.as_bytes()).unwrap();
                client
            })
            .collect();
        // All threads write to them now; before, another request might overtake theirs.
        while stats.in_flight() < clients.len() as u64 {
            std::thread::yield_now();
        }
        assert_eq!(ask(addr, "GET", "/health", "").status, 200);
        for client in clients {
            let cut = read_to_end(client);
            assert!(cut.len() < 256 * 256 * 1024, "{}", cut.len());
            assert_eq!(cut.matches("HTTP/1.1 ").count(), 1);
        }
        assert!(stats.slow_readers() >= 4);
        assert_eq!(ask(addr, "GET", "/health", "").status, 200);
    });
}

#[test]
fn clients_that_leave_early_do_no_harm() {
    let pages = TestPages::new(vec![vec![b'x'; 256 * 1024]; 64]);
    with_server(&pages, |addr, _| {
        for _ in 0..20 {
            connect(addr).write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        assert_eq!(ask(addr, "GET", "/metrics", "").body.len(), 64 * 256 * 1024);
    });
}

#[test]
fn shutdown_ends_all_threads_and_frees_the_port() {
    let mut addr = None;
    with_server(&small_page(), |bound, _| {
        assert_serves(bound);
        addr = Some(bound);
    });
    TcpListener::bind(addr.unwrap()).unwrap();
}

/// What a client gets of a page that is made while it is sent, by its version and method.
#[test]
fn made_pages_come_in_chunks_or_end_with_the_connection() {
    let pages = small_page();
    pages.made.store(20, SeqCst);
    let want: String = (0..20).map(Counted::piece).collect();
    with_server(&pages, |addr, stats| {
        let request = "GET /metrics HTTP/1.1\r\nHost: h\r\n";
        // On a connection that is kept, the second begins where the first ends.
        let both = format!("{request}\r\n{request}Connection: close\r\n\r\n");
        let replies = exchange(addr, both.as_bytes());
        assert_eq!(replies.matches("Transfer-Encoding: chunked\r\n").count(), 2);
        assert_eq!(replies.matches("Content-Length").count(), 0);
        assert_eq!(replies.matches("0\r\n\r\n").count(), 2);
        assert!(replies.ends_with("\r\n0\r\n\r\n"));
        let first = replies.split("HTTP/1.1 200 OK").nth(1).unwrap();
        assert!(dechunked(first) == want);
        wait::until_true("its size is told", || stats.last_response_bytes() == want.len() as u64);

        let head = ask(addr, "HEAD", "/metrics", "");
        assert_eq!((head.status, head.body.as_str()), (200, ""));

        // Of an older client the connection is closed, even if it asks for another way.
        for more in ["", "Connection: keep-alive\r\n"] {
            let reply = format!("GET /metrics HTTP/1.0\r\n{more}\r\n");
            let reply = parse(&exchange(addr, reply.as_bytes()));
            assert_eq!((reply.status, reply.header("Transfer-Encoding")), (200, None));
            assert_eq!(reply.header("Content-Length"), None);
            assert!(reply.body == want);
        }
    });
}

/// The body of a reply in chunks.
fn dechunked(reply: &str) -> String {
    let mut rest = reply.split_once("\r\n\r\n").unwrap().1;
    let mut body = String::new();
    loop {
        let (size, more) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&more[..size]);
        rest = more[size..].strip_prefix("\r\n").unwrap();
    }
}

#[test]
fn a_fault_within_a_page_cuts_the_connection() {
    let pages = small_page();
    pages.made.store(FAULT, SeqCst);
    with_server(&pages, |addr, stats| {
        // More often than there are threads to lose. The client asked to keep the connection.
        for _ in 0..6 {
            let reply = exchange(addr, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(!reply.ends_with("0\r\n\r\n"), "a page that was cut looks whole");
        }
        // Each is counted a moment after the client has seen the end.
        wait::until_true("faults are counted", || stats.panics() == 6);
        pages.made.store(0, SeqCst);
        assert_serves(addr);
    });
}
