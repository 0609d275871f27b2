//! The HTTP server from outside: every route, method and encoding, each bound, and clients that misbehave.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use metrics_server::testing::http::{
    Bytes, Encoding, Evicted, HttpLimits, HttpServer, HttpStats, PageError, PageRest, Pages, Piece,
    PieceReceiver, Refusal, answered,
};
use socket2::{Domain, Socket, Type};

use crate::common::wait;

const PAGE: &str = "# HELP a \n# TYPE a counter\na 1\n";
const GZIPPED: &str = "stands for a gzipped page";

/// Pages whose bytes do not matter.
#[derive(Debug)]
struct TestPages {
    /// How many pieces a plain page has; 0 for [`PAGE`] alone.
    pieces: AtomicU64,
    ready: AtomicBool,
    fails: AtomicBool,
    begun: AtomicU64,
}

/// From so many pieces on a page fails at its third.
const FAULT: u64 = 1_000_000;

/// A page of numbered pieces, each of 60,000 bytes.
#[derive(Debug)]
struct Numbered {
    next: u64,
    pieces: u64,
}

impl Numbered {
    fn piece(number: u64) -> String {
        format!("a{{piece=\"{number:060000}\"}} 1\n")
    }
}

impl PageRest for Numbered {
    fn ask(self: Arc<Self>) -> PieceReceiver {
        let Self { next, pieces } = *self;
        if pieces >= FAULT && next == 2 {
            return answered(Err(PageError::Panicked));
        }
        let rest = Self { next: next + 1, pieces };
        let rest = (rest.next < pieces).then(|| Arc::new(rest) as Arc<dyn PageRest>);
        answered(Ok(Piece { bytes: Self::piece(next).into(), rest }))
    }
}

impl TestPages {
    fn new(pieces: u64) -> Arc<Self> {
        Arc::new(Self {
            pieces: AtomicU64::new(pieces),
            ready: AtomicBool::new(true),
            fails: AtomicBool::new(false),
            begun: AtomicU64::new(0),
        })
    }
}

impl Pages for TestPages {
    fn begin(&self, encoding: Encoding) -> PieceReceiver {
        if self.fails.load(SeqCst) {
            return answered(Err(PageError::Panicked));
        }
        self.begun.fetch_add(1, SeqCst);
        let whole = |text: &'static str| {
            answered(Ok(Piece { bytes: Bytes::from_static(text.as_bytes()), rest: None }))
        };
        match (encoding, self.pieces.load(SeqCst)) {
            (Encoding::Gzip, _) => whole(GZIPPED),
            (Encoding::Identity, 0) => whole(PAGE),
            (Encoding::Identity, pieces) => Arc::new(Numbered { next: 0, pieces }).ask(),
        }
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

/// Longer than anything takes.
const UNLIMITED: Duration = Duration::from_mins(10);

fn limits() -> HttpLimits {
    HttpLimits::new(512, UNLIMITED, UNLIMITED).with_times_for_tests(UNLIMITED, UNLIMITED)
}

/// Runs `check` against a server with these pages.
fn with_server(pages: &Arc<TestPages>, check: impl FnOnce(SocketAddr, &HttpStats)) {
    with_limits(limits(), pages, check);
}

fn with_limits(
    limits: HttpLimits,
    pages: &Arc<TestPages>,
    check: impl FnOnce(SocketAddr, &HttpStats),
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let stats = Arc::new(HttpStats::default());
    let server =
        HttpServer::new(listener, pages.clone(), stats.clone(), limits, Arc::default()).unwrap();
    let stop = server.stop_handle();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.run());
        {
            // Ends the server also where a check fails.
            let _stop = OnDrop(|| stop.stop());
            check(addr, &stats);
        }
        serving.join().unwrap().unwrap();
    });
    assert_eq!((stats.in_flight(), stats.connections(), stats.panics()), (0, 0, 0));
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn small_page() -> Arc<TestPages> {
    TestPages::new(0)
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
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
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
        assert_eq!(pages.begun.load(SeqCst), 0);
        let reply = ask(addr, "HEAD", "/metrics", "");
        assert_eq!((reply.status, reply.body.as_str()), (200, ""));
        assert_eq!(reply.header("Content-Length"), Some("31"));
        assert_eq!(ask(addr, "HEAD", "/health", "").status, 200);
        assert_eq!(ask(addr, "HEAD", "/nothing", "").body, "");
    });
}

#[test]
fn a_page_that_cannot_be_made_is_an_answer() {
    let pages = small_page();
    with_server(&pages, |addr, stats| {
        pages.fails.store(true, SeqCst);
        for _ in 0..6 {
            let reply = ask(addr, "GET", "/metrics", "");
            assert_eq!(reply.status, 500);
            assert!(reply.body.starts_with("An error has occurred while serving metrics:\n\n"));
        }
        pages.fails.store(false, SeqCst);
        assert_serves(addr);
        assert_eq!(stats.requests(), [(200, 1), (500, 6), (503, 0)]);
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
        // No answer is promised to these; that the server is there afterwards is.
        for odd in [
            &b"\xff\xfe\0\0\r\n\r\n"[..],
            b"GET /metrics HTTP/1.1\r\n\xff: \xff\r\n\r\n",
            b"\r\n\r\n",
            b"",
        ] {
            let mut stream = connect(addr);
            stream.write_all(odd).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            read_to_end(stream);
        }
        assert_serves(addr);
    });
}

/// What follows a head is not waited for, and no request is looked for in it.
#[test]
fn bodies_are_not_read() {
    with_server(&small_page(), |addr, stats| {
        let announced = [
            "Content-Length: 4\r\n",
            "Content-Length: 100000\r\n",
            "Content-Length: 1000000000000\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Expect: 100-continue\r\nContent-Length: 9\r\n",
        ];
        for more in announced {
            for (method, status) in [("GET", 200), ("POST", 405)] {
                let request = format!("{method} /metrics HTTP/1.1\r\nHost: h\r\n{more}\r\n");
                let reply = parse(&exchange(addr, request.as_bytes()));
                assert_eq!(reply.status, status, "{more}");
                assert_eq!(reply.header("Connection"), Some("close"), "{more}");
            }
        }
        let smuggled =
            b"POST / HTTP/1.1\r\nContent-Length: 28\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n";
        let reply = exchange(addr, &[&smuggled[..], b"rest"].concat());
        assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{reply}");
        assert_eq!(stats.refused(Refusal::Body), 2 * announced.len() as u64 + 1);
        let no_body = ask(addr, "GET", "/metrics", "Content-Length: 0\r\n");
        assert_eq!((no_body.status, no_body.body.as_str()), (200, PAGE));
        assert_eq!(stats.refused(Refusal::Body), 2 * announced.len() as u64 + 1);
    });
}

#[test]
fn heads_are_bounded_in_bytes_and_fields() {
    with_server(&small_page(), |addr, stats| {
        let fields = |count: usize| -> String { "X-Many: v\r\n".repeat(count) };
        let long = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
        // Two of the fields are those that `ask` sends.
        for more in [fields(62), long(16 * 1024 - 100)] {
            assert_eq!(ask(addr, "GET", "/metrics", &more).status, 200);
        }
        assert_eq!(stats.refused(Refusal::HeadTooLarge), 0);
        let endless = [fields(63), long(16 * 1024), long(1_000_000), "x".repeat(1_000_000)];
        for more in &endless {
            let head =
                format!("GET /metrics HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{more}\r\n");
            let mut stream = connect(addr);
            // The server may hang up before it has read all of it.
            let _ = stream.write_all(head.as_bytes());
            let reply = read_to_end(stream);
            assert!(reply.starts_with("HTTP/1.1 431 ") || reply.is_empty(), "{reply}");
        }
        wait::until_true("all are counted", || {
            stats.refused(Refusal::HeadTooLarge) == endless.len() as u64
        });
        assert_serves(addr);
    });
}

#[test]
fn other_versions_and_other_protocols_are_refused() {
    with_server(&small_page(), |addr, stats| {
        let preface = exchange(addr, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        assert_eq!(parse(&preface).status, 505);
        for line in ["GET /metrics HTTP/2.0", "GET /metrics HTTP/9.9"] {
            assert_eq!(parse(&exchange(addr, format!("{line}\r\n\r\n").as_bytes())).status, 400);
        }
        assert_eq!(stats.refused(Refusal::Version), 3);
        let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        for line in [&b"garbage\r\n\r\n"[..], b"GET\r\n\r\n", tls] {
            assert_eq!(parse(&exchange(addr, line)).status, 400, "{}", line.escape_ascii());
        }
        assert_eq!(stats.refused(Refusal::Syntax), 3);
        assert_serves(addr);
    });
}

/// Connections that say nothing, and heads that drip, end by themselves.
#[test]
fn heads_have_a_time() {
    let limits = limits().with_times_for_tests(Duration::from_millis(50), UNLIMITED);
    with_limits(limits, &small_page(), |addr, stats| {
        let silent = connect(addr);
        let mut begun = connect(addr);
        begun.write_all(b"GET /metrics HTTP/1.1\r\nX: ").unwrap();
        for stream in [silent, begun] {
            assert_eq!(read_to_end(stream), "");
        }
        wait::until_true("both are counted", || stats.refused(Refusal::HeadTime) == 2);
        // Bytes that come all the while gain no time; at most they fill the head before.
        let mut dripping = connect(addr);
        while dripping.write_all(b"x").is_ok() {
            std::thread::yield_now();
        }
        let refused = |reason| stats.refused(reason);
        wait::until_true("it is counted", || {
            refused(Refusal::HeadTime) + refused(Refusal::HeadTooLarge) == 3
        });
        // A later head on a connection that is kept has its own time; the first one must come in time itself.
        let mut kept = wait::until("a head is in time", || {
            let mut stream = connect(addr);
            let _ = stream.write_all(b"GET /health HTTP/1.1\r\n\r\n");
            let mut status = [0; 13];
            let answer = stream.read_exact(&mut status).map(|()| status == *b"HTTP/1.1 200 ");
            if let Ok(true) = answer { Ok(stream) } else { Err(format!("{answer:?}")) }
        });
        read_head(&mut kept);
        let before = refused(Refusal::HeadTime);
        let _ = kept.write_all(b"GET /metrics");
        assert_eq!(read_to_end(kept), "");
        wait::until_true("it is counted", || refused(Refusal::HeadTime) > before);
    });
}

/// Closing an idle connection is counted, and is no refusal.
#[test]
fn idle_connections_are_closed() {
    let limits = limits().with_times_for_tests(UNLIMITED, Duration::from_millis(50));
    with_limits(limits, &small_page(), |addr, stats| {
        let mut kept = connect(addr);
        kept.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        read_head(&mut kept);
        assert_eq!(read_to_end(kept), "");
        wait::until_true("it is counted", || stats.idle_timeouts() == 1);
        assert!(Refusal::ALL.iter().all(|&reason| stats.refused(reason) == 0));
    });
}

#[test]
fn readers_that_do_not_read_are_cut_and_hold_up_nobody() {
    let pages = TestPages::new(1000);
    let limits = HttpLimits::new(512, Duration::from_millis(500), UNLIMITED);
    with_limits(limits, &pages, |addr, stats| {
        // Each with a second request behind the first.
        let request = "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2);
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let mut client = connect(addr);
                client.write_all(request.as_bytes()).unwrap();
                client
            })
            .collect();
        // On a busy machine the first may be cut before the last is answered.
        wait::until_true("all are answered", || {
            stats.slow_readers() + stats.in_flight() >= clients.len() as u64
        });
        assert_eq!(ask(addr, "GET", "/health", "").status, 200);
        wait::until_true("all are cut", || stats.slow_readers() == clients.len() as u64);
        for client in clients {
            let cut = read_to_end(client);
            assert!(cut.len() < 1000 * 60_000, "{}", cut.len());
            assert!(cut.matches("HTTP/1.1 ").count() <= 1);
        }
        assert_eq!(ask(addr, "GET", "/health", "").status, 200);
    });
}

/// Who connects always gets in: what is needed least makes room.
#[test]
fn new_connections_take_the_place_of_others() {
    let limits =
        HttpLimits::new(4, UNLIMITED, UNLIMITED).with_times_for_tests(UNLIMITED, UNLIMITED);
    with_limits(limits, &small_page(), |addr, stats| {
        let mut idle = connect(addr);
        idle.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        read_head(&mut idle);
        let silent: Vec<_> = (0..3).map(|_| connect(addr)).collect();
        wait::until_true("all are there", || stats.connections() == 4);
        assert_serves(addr);
        assert_eq!(read_to_end(idle), "");
        assert_eq!(stats.evicted(Evicted::Idle), 1);
        wait::until_true("the scraper has gone", || stats.connections() == 3);
        let fourth = connect(addr);
        wait::until_true("it is there", || stats.connections() == 4);
        assert_serves(addr);
        let [first, ..] = &silent[..] else { unreachable!() };
        assert_eq!(read_to_end(first.try_clone().unwrap()), "", "the oldest goes");
        assert_eq!(stats.evicted(Evicted::Head), 1);
        drop((silent, fourth));
        assert_eq!(stats.refused(Refusal::Connections), 0);
    });
}

/// Responses that make progress are finished; one that does not makes room.
#[test]
fn responses_are_not_given_up_for_newcomers_unless_they_stall() {
    let limits =
        HttpLimits::new(2, UNLIMITED, UNLIMITED).with_times_for_tests(UNLIMITED, UNLIMITED);
    let pages = TestPages::new(10_000);
    with_limits(limits, &pages, |addr, stats| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut reader = connect(addr);
                reader.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
                reader
            })
            .collect();
        wait::until_true("both are answered", || stats.in_flight() == 2);
        // Until one of them has stalled for long enough newcomers are refused.
        wait::until_true("one makes room", || {
            let mut newcomer = connect(addr);
            let _ = newcomer.write_all(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n");
            let mut reply = Vec::new();
            newcomer.read_to_end(&mut reply).is_ok() && reply.starts_with(b"HTTP/1.1 200 ")
        });
        assert_eq!(stats.evicted(Evicted::Response), 1);
        drop(readers);
    });
}

/// A flood from one address leaves the connections of others alone, and gets no more than its share.
#[test]
fn a_flood_evicts_itself() {
    let limits =
        HttpLimits::new(8, UNLIMITED, UNLIMITED).with_times_for_tests(UNLIMITED, UNLIMITED);
    with_limits(limits, &small_page(), |addr, stats| {
        let mut scraper = connect(addr);
        scraper.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        read_head(&mut scraper);
        let flood: Vec<_> = (0..100).map(|_| connect_from([127, 0, 0, 2], addr)).collect();
        wait::until_true("all are accepted", || stats.accepted() == 101);
        assert_eq!(stats.evicted(Evicted::Idle), 0);
        scraper.write_all(b"GET /health HTTP/1.1\r\n\r\n").unwrap();
        read_head(&mut scraper);
        assert_eq!(stats.evicted(Evicted::Head), 93);
        drop(flood);
    });
}

fn connect_from(local: [u8; 4], addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((local, 0)).into()).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.into()
}

/// Reads to the end of a head.
fn read_head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

/// Requests sent ahead wait for their turn, also more of them than are read at once.
#[test]
fn many_requests_ahead_are_answered_one_by_one() {
    with_server(&small_page(), |addr, stats| {
        let mut stream = connect(addr);
        let mut reader = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..2000 {
                    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
                }
                stream.write_all(b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
            });
            let mut replies = String::new();
            reader.read_to_string(&mut replies).unwrap();
            assert_eq!(replies.matches(PAGE).count(), 2000);
        });
        assert_eq!(stats.requests()[0], (200, 2000));
    });
}

/// A client may close its side once it has asked.
#[test]
fn half_closed_connections_are_answered() {
    with_server(&TestPages::new(20), |addr, _| {
        let mut stream = connect(addr);
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let reply = read_to_end(stream);
        assert!(reply.ends_with("\r\n0\r\n\r\n"));
    });
}

#[test]
fn clients_that_leave_early_do_no_harm() {
    let pages = TestPages::new(200);
    with_server(&pages, |addr, _| {
        for _ in 0..20 {
            connect(addr).write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        }
        assert!(ask(addr, "GET", "/metrics", "").body.len() > 200 * 60_000);
    });
}

#[test]
fn a_stop_ends_idle_connections_and_frees_the_port() {
    let mut addr = None;
    with_server(&small_page(), |bound, _| {
        assert_serves(bound);
        addr = Some(bound);
    });
    TcpListener::bind(addr.unwrap()).unwrap();
}

/// What a client gets of a page whose length is not known, by its version and method.
#[test]
fn pages_in_pieces_come_in_chunks_or_end_with_the_connection() {
    let pages = TestPages::new(20);
    let want: String = (0..20).map(Numbered::piece).collect();
    with_server(&pages, |addr, _| {
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
    let pages = TestPages::new(FAULT);
    with_server(&pages, |addr, _| {
        // The client asked to keep the connection.
        for _ in 0..6 {
            let reply = exchange(addr, b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
            assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"));
            assert!(!reply.ends_with("0\r\n\r\n"), "a page that was cut looks whole");
        }
        pages.pieces.store(0, SeqCst);
        assert_serves(addr);
    });
}

/// The response at hand is the last of its connection; whoever is idle or silent is not waited for.
#[test]
fn a_stop_finishes_responses() {
    let pages = TestPages::new(300);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let stats = Arc::new(HttpStats::default());
    let server = HttpServer::new(listener, pages, stats.clone(), limits(), Arc::default()).unwrap();
    let stop = server.stop_handle();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| server.run());
        let silent = connect(addr);
        let mut reader = connect(addr);
        reader.write_all("GET /metrics HTTP/1.1\r\n\r\n".repeat(2).as_bytes()).unwrap();
        wait::until_true("it is answered", || stats.in_flight() == 1);
        stop.stop();
        assert_eq!(read_to_end(silent), "");
        let reply = read_to_end(reader);
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 1);
        assert!(reply.ends_with("\r\n0\r\n\r\n"));
        serving.join().unwrap().unwrap();
    });
}
