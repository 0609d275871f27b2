//! The HTTP server in a process without descriptors: it recovers by itself.
//!
//! Runs itself again under a low limit, since the limit is the process'.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use metrics_server::testing::exporter::Content;
use metrics_server::testing::exporter::HttpServer;
use metrics_server::testing::exporter::HttpStats;
use metrics_server::testing::exporter::Pages;
use socket2::{Domain, Socket, Type};

const TEST: &str = "http_descriptors::the_server_survives_a_lack_of_descriptors";
const INSIDE: &str = "METRICS_SERVER_TEST_LOW_LIMIT";

struct OnePage;

impl Pages for OnePage {
    fn metrics(&self, _gzip: bool) -> Content<'_> {
        Content::Whole(Arc::new("a 1\n".into()))
    }

    fn live(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        true
    }

    fn landing(&self) -> String {
        String::new()
    }
}

#[test]
fn the_server_survives_a_lack_of_descriptors() {
    if std::env::var_os(INSIDE).is_some() {
        return starve_and_recover();
    }
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 100 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(TEST)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn starve_and_recover() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stats = Arc::new(HttpStats::default());
    let server =
        HttpServer::start(listener, Arc::new(OnePage), stats.clone(), Duration::from_secs(10))
            .unwrap();
    let addr = server.local_addr();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| server.run());
        }
        let _stop = OnDrop(|| server.shutdown());

        // Sockets are made while there are descriptors, connected later, and open to the end, lest
        // they give descriptors back.
        let [first, second, third, fourth] = std::array::from_fn(|_| Client::new());
        let kept = Client::new().connect(addr);
        assert_eq!(kept.scrape(), "200 OK");

        let mut hog = take_all_descriptors();
        let first = first.connect(addr);
        first.request();
        // The reserve is enough to accept again, though all else is taken.
        assert_eq!(second.connect(addr).scrape(), "200 OK");
        assert!(stats.restarts() >= 1);
        // Who was connected before the restart is still served.
        assert_eq!(kept.scrape(), "200 OK");

        hog.extend(take_all_descriptors());
        let third = third.connect(addr);
        third.request();
        let fourth = fourth.connect(addr);
        fourth.request();
        drop(hog);
        assert_eq!(fourth.reply(), "200 OK");
        assert_eq!(kept.scrape(), "200 OK");
    });
}

fn take_all_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A socket, connected or not yet.
struct Client(TcpStream);

impl Client {
    fn new() -> Self {
        Self(Socket::new(Domain::IPV4, Type::STREAM, None).unwrap().into())
    }

    fn connect(self, addr: SocketAddr) -> Self {
        let socket = socket2::SockRef::from(&self.0);
        socket.connect(&addr.into()).unwrap();
        self.0.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        self
    }

    /// Sends a request; where the server is in trouble, that may fail.
    fn request(&self) {
        let _ = (&self.0).write_all(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    }

    /// The status of a reply that is read whole.
    fn reply(&self) -> String {
        let mut reply = Vec::new();
        let mut byte = [0];
        while !reply.ends_with(b"\r\n\r\na 1\n") {
            (&self.0).read_exact(&mut byte).unwrap();
            reply.extend(byte);
        }
        let head = String::from_utf8(reply).unwrap();
        head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().to_owned()
    }

    fn scrape(&self) -> String {
        self.request();
        self.reply()
    }
}
