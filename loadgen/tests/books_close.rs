//! The program itself against a small server that keeps books, honest ones and cooked ones.
//!
//! The server reads its sockets only when it is scraped, so that nothing here depends on time.
#![allow(clippy::unwrap_used, reason = "in a test a failed call is a failed test")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

/// What the server has counted.
#[derive(Default)]
struct Counts {
    datagrams: u64,
    bytes: [u64; 2],
    ops: [u64; 3],
    increments: u64,
}

struct StubServer {
    udp: UdpSocket,
    unix: UnixListener,
    path: PathBuf,
    http: TcpListener,
    /// Turns the true page into what is served.
    cook: fn(String) -> String,
}

impl StubServer {
    fn bind(name: &str, cook: fn(String) -> String) -> Self {
        let path =
            std::env::temp_dir().join(format!("loadgen-books-{}-{name}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let unix = UnixListener::bind(&path).unwrap();
        unix.set_nonblocking(true).unwrap();
        Self { udp, unix, path, http: TcpListener::bind("127.0.0.1:0").unwrap(), cook }
    }

    /// Serves pages until one asks for `/stop`.
    fn serve(&self) {
        let mut counts = Counts::default();
        let mut streams = Vec::new();
        loop {
            let (mut client, _) = self.http.accept().unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") && reader.read_line(&mut request).unwrap() > 0 {}
            if request.starts_with("GET /stop") {
                return;
            }
            self.drain(&mut counts, &mut streams);
            let page = (self.cook)(counts.page());
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", page.len());
            client.write_all((head + &page).as_bytes()).unwrap();
        }
    }

    /// Reads all that waits. Writes are whole lines, and no writer is at work while a page is asked for.
    fn drain(&self, counts: &mut Counts, streams: &mut Vec<UnixStream>) {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = self.udp.recv(&mut buffer) {
            counts.datagrams += 1;
            counts.take(0, std::str::from_utf8(&buffer[..length]).unwrap());
        }
        while let Ok((stream, _)) = self.unix.accept() {
            stream.set_nonblocking(true).unwrap();
            streams.push(stream);
        }
        for stream in streams {
            let mut text = Vec::new();
            if let Err(error) = stream.read_to_end(&mut text) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
            counts.take(1, std::str::from_utf8(&text).unwrap());
        }
    }

    /// Runs the program against this server.
    fn run(&self, to_unix: bool, more: &str) -> Output {
        thread::scope(|scope| {
            let server = thread::Builder::new().spawn_scoped(scope, || self.serve()).unwrap();
            let http = self.http.local_addr().unwrap().to_string();
            let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
            command.args(["-json", "-settle-timeout=200ms", "-http", &http]);
            if to_unix {
                command.arg("-uds").arg(&self.path);
            } else {
                command.args(["-udp", &self.udp.local_addr().unwrap().to_string()]);
            }
            let output = command.args(more.split_whitespace()).output().unwrap();
            let mut stop = TcpStream::connect(http).unwrap();
            stop.write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
            server.join().unwrap();
            std::fs::remove_file(&self.path).unwrap();
            output
        })
    }
}

impl Counts {
    fn take(&mut self, transport: usize, text: &str) {
        self.bytes[transport] += text.len() as u64;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let json: Value = serde_json::from_str(line).unwrap();
            let op = ["inc", "set", "obs"].iter().position(|op| json["op"] == *op).unwrap();
            self.ops[op] += 1;
            if op == 0 {
                self.increments += json["value"].as_u64().unwrap();
            }
        }
    }

    fn page(&self) -> String {
        let mut page = String::new();
        let [inc, set, obs] = self.ops;
        for (series, value) in [
            ("http_requests_total{route=\"/r/0\"}", self.increments),
            ("http_request_seconds_count", obs),
            ("metrics_server_datagrams_received_total", self.datagrams),
            ("metrics_server_received_bytes_total{transport=\"udp\"}", self.bytes[0]),
            ("metrics_server_received_bytes_total{transport=\"unix\"}", self.bytes[1]),
            ("metrics_server_messages_framed_total", inc + set + obs),
            ("metrics_server_messages_accepted_total{op=\"inc\"}", inc),
            ("metrics_server_messages_accepted_total{op=\"set\"}", set),
            ("metrics_server_messages_accepted_total{op=\"obs\"}", obs),
            ("metrics_server_messages_rejected_total{reason=\"json\"}", 0),
            ("metrics_server_udp_kernel_drops_total{worker=\"0\"}", 0),
        ] {
            writeln!(page, "{series} {value}").unwrap();
        }
        page
    }
}

const MIX: &str = "-mix counter:8,gauge:1,histogram:1 -series 50 -unique";

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn honest_books_close_over_udp() {
    let output = StubServer::bind("udp", |page| page)
        .run(false, &format!("{MIX} -count 300 -per-datagram 5 -threads 2"));
    let json = json(&output);
    assert_eq!(output.status.code(), Some(0), "{json:#}");
    assert_eq!((&json["messages"], &json["datagrams"]), (&300.into(), &60.into()));
    assert_eq!(json["server"]["accepted"], 300);
    assert_eq!(json["server"]["counter_growth"], json["increments"]);
}

#[test]
fn honest_books_close_over_unix() {
    for (name, more) in [("lasting", "-clients 4"), ("each", "-connect-each")] {
        let output = StubServer::bind(name, |page| page)
            .run(true, &format!("{MIX} -count 300 -per-datagram 5 {more}"));
        let json = json(&output);
        assert_eq!(output.status.code(), Some(0), "{json:#}");
        assert_eq!(json["server"]["bytes"], json["bytes"]);
    }
}

#[test]
fn a_loss_that_nobody_counted_is_an_error() {
    let cook = |page: String| page.replace("http_requests_total", "http_other_total");
    let output = StubServer::bind("cooked", cook).run(false, "-count 20 -series 5");
    assert_eq!(output.status.code(), Some(1));
    let differences = json(&output)["server"]["differences"].to_string();
    assert!(differences.contains("increments"), "{differences}");
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let run = |line: &str| {
        let words = line.split_whitespace();
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen")).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, text) = run("-uds /nonexistent/socket -count 1");
    assert_eq!(status, Some(1));
    assert!(text.contains("/nonexistent/socket"), "{text}");
    assert_eq!(run("-nope").0, Some(2));
    assert_eq!(run("-h").0, Some(0));
}
