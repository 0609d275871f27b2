//! `-pyroscope-url`: what is pushed, and that neither profiling nor a Pyroscope that is ill harms anything.
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::peer::{Peer, Reply, Request};
use crate::common::server::temp_dir;
use crate::common::wait::until_true;
use crate::common::{Page, Server, inc, ports};
use flate2::read::GzDecoder;

/// The fields of a protobuf message: number, and number or bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        match key & 7 {
            0 => all.push((key >> 3, varint(&mut bytes), &[][..])),
            2 => {
                let len = usize::try_from(varint(&mut bytes)).unwrap();
                let (field, rest) = bytes.split_at(len);
                all.push((key >> 3, 0, field));
                bytes = rest;
            }
            kind => panic!("field of kind {kind}"),
        }
    }
    all
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Numbers in one field, each by itself or all packed.
fn numbers(message: &[u8], field: u64) -> Vec<u64> {
    let mut all = Vec::new();
    for (_, value, mut packed) in fields(message).into_iter().filter(|found| found.0 == field) {
        if packed.is_empty() {
            all.push(value);
        }
        while !packed.is_empty() {
            all.push(varint(&mut packed));
        }
    }
    all
}

/// Of the pprof form what the tests look at.
struct Profile {
    /// Samples by thread.
    samples: Vec<(String, Vec<u64>)>,
    /// Kinds and units of their values.
    kinds: Vec<(String, String)>,
    functions: Vec<String>,
}

impl Profile {
    fn of(request: &Request) -> Self {
        let mut bytes = Vec::new();
        GzDecoder::new(&request.bytes[..]).read_to_end(&mut bytes).expect("gzip");
        let found = fields(&bytes);
        let of = |number| found.iter().filter(move |field| field.0 == number).map(|field| field.2);
        let texts: Vec<_> = of(6).map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
        let text = |message: &[u8], field| {
            let number = numbers(message, field).first().copied().unwrap_or(0);
            texts[usize::try_from(number).unwrap()].clone()
        };
        let label = |sample: &[u8]| {
            let labels = fields(sample).into_iter().filter(|field| field.0 == 3);
            let mut threads = labels.filter(|label| text(label.2, 1) == "thread");
            threads.next().map(|label| text(label.2, 2)).unwrap_or_default()
        };
        Self {
            samples: of(2).map(|sample| (label(sample), numbers(sample, 2))).collect(),
            kinds: of(1).map(|kind| (text(kind, 1), text(kind, 2))).collect(),
            functions: of(5).map(|function| text(function, 2)).collect(),
        }
    }
}

fn pushes(page: &Page, outcome: &str) -> u64 {
    page.own(&format!(r#"profile_pushes_total{{outcome="{outcome}"}}"#))
}

#[test]
fn a_profile_of_the_workers_is_pushed_while_all_messages_count() {
    let peer = Peer::start(|_| Reply::status(200, ""));
    let url = format!("http://us%40er:p%3Aa%2Fs%25@127.0.0.1:{}/", peer.port);
    let temp = temp_dir();
    let env = [("HOSTNAME", "web-1"), ("TMPDIR", temp.path().to_str().unwrap())];
    let server = Server::start_with_env(&["-pyroscope-url", &url], &env);
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut client = server.connect("ms.sock");
            let (block, mut sent) = (inc("m").repeat(500), 0);
            let stream = block.repeat(40);
            while !over.load(Ordering::Relaxed) {
                client.send(stream.as_bytes());
                server.send_udp(&block);
                sent += 20_500;
                // At the server's pace, so that no datagram is lost however busy the machine is.
                server.settled();
            }
            sent
        });
        until_true("a profile is pushed", || !peer.requests().is_empty());
        over.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    let page = server.settled();
    assert_eq!(page.accepted(), sent);
    assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);

    let request = &peer.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("authorization"), Some("Basic dXNAZXI6cDphL3Ml")); // us@er:p:a/s%
    let (path, query) = request.path.split_once('?').unwrap();
    assert_eq!(path, "/ingest");
    let query: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let value = |name| query.iter().find(|pair| pair.0 == name).unwrap().1;
    assert_eq!(value("name"), "metrics-server%7Bhostname%3Dweb-1%7D");
    assert_eq!((value("format"), value("sampleRate")), ("pprof", "100"));
    let [from, until] = ["from", "until"].map(|name| value(name).parse::<u64>().unwrap());
    assert!(from > 1_700_000_000 && (10..60).contains(&(until - from)), "{from} {until}");

    let profile = Profile::of(request);
    let kind = |kind: &str, unit: &str| (kind.to_owned(), unit.to_owned());
    assert_eq!(profile.kinds, [kind("samples", "count"), kind("cpu", "nanoseconds")]);
    let of_workers = profile.samples.iter().filter(|(thread, _)| thread.starts_with("ingest-"));
    assert!(of_workers.clone().count() > 0, "{:?}", profile.samples);
    assert!(of_workers.clone().all(|(_, values)| values[1] == values[0] * 10_000_000));
    assert!(of_workers.clone().all(|(_, values)| values[0] > 0));
    let ours = profile.functions.iter().filter(|name| name.contains("metrics_server::ingest"));
    assert!(ours.count() > 0, "{:?}", profile.functions);
    until_true("the push is counted", || pushes(&server.scrape(), "delivered") > 0);
    server.stop();
    let left: Vec<_> = std::fs::read_dir(temp.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_pyroscope_that_hangs_or_is_gone_does_no_harm_and_a_stop_is_prompt() {
    let asked = Arc::new(AtomicBool::new(false));
    let was_asked = Arc::clone(&asked);
    let peer = Peer::start(move |_| {
        was_asked.store(true, Ordering::Relaxed);
        Reply::Stall
    });
    let hung = Server::start(&["-pyroscope-url", &format!("http://127.0.0.1:{}", peer.port)]);
    let gone = Server::start(&["-pyroscope-url", &format!("http://127.0.0.1:{}", ports::free())]);
    until_true("the hung one was asked", || asked.load(Ordering::Relaxed));
    until_true("the other has failed", || pushes(&gone.scrape(), "failed") > 0);
    assert_eq!(pushes(&gone.scrape(), "delivered"), 0);
    gone.find_line(|line| line.contains("pyroscope: ")).expect("a line");
    for server in [hung, gone] {
        server.send_udp(inc("m"));
        server.send_unix(inc("m"));
        assert_eq!(server.settled().accepted(), 2);
        let start = Instant::now();
        server.stop();
        assert!(start.elapsed() < Duration::from_secs(20), "less than a request may take");
    }
}

#[test]
fn what_is_no_url_is_an_error_at_the_start() {
    let dir = temp_dir();
    let args = [&crate::common::server::BASE[..], &["-pyroscope-url", "localhost:4040"]].concat();
    let exit = Server::try_start(dir.path(), &args).unwrap_err();
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("-pyroscope-url"), "{exit:?}");
}
