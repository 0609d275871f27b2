//! Everybody scrapes, and some read slowly.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use metrics_server::testing::planted::Fault;

use crate::books;
use crate::common::server::Server;
use crate::common::{http, inc, resident};
use crate::flood::Flood;
use crate::row::Row;

const SERIES: u64 = 20_000;
const SCRAPERS: usize = 100;
const SLOW_READERS: usize = 50;
const STORM: Duration = Duration::from_secs(15);
/// Two pages of 2 MB, a connection's buffers for each of all these clients, and what the allocator keeps.
const GROWTH_MAX: u64 = 48 << 20;
/// A scrape that waits for a slow reader's page would take minutes.
const SCRAPE_MAX: Duration = Duration::from_secs(10);

pub(crate) const STORM_ROW: Row = Row {
    name: "F11",
    what: "100 clients scrape a page of 20,000 series ten times a second each, and 50 read theirs at 1 KB a second \
           (scaled down: not 100,000 series)",
    holds: "no datagram is dropped, scrapers share pages, slow readers hold nobody up, memory grows by less than a \
            page for each",
    planted: Fault::PageWaitsForReaders,
    run: || {
        let server = Server::start(&["-workers", "2", "-source-labels=false"]);
        let mut client = server.connect("ms.sock");
        for number in 0..SERIES {
            let label = format!("{number:050}");
            let message =
                format!(r#"{{"name":"s","labels":{{"number":"{label}"}},"op":"inc","value":1}}"#);
            client.send(message.as_bytes());
        }
        drop(client);
        let before = (server.settled(), resident::bytes(&server));
        let datagrams = Flood::udp(&server, Duration::from_millis(1), |_| inc("datagram"));
        let seen = storm(&server);
        let datagrams = datagrams.stop();
        let page = books::closed(&server);
        let pages = page.own_sum("scrape_pages_total") - before.0.own_sum("scrape_pages_total");
        assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
        assert_eq!(page.accepted(), SERIES + datagrams);
        let Storm { scrapes, longest, resident } = seen;
        assert!(longest < SCRAPE_MAX, "a scrape took {longest:?}");
        assert!(pages < scrapes / 2, "{pages} pages for {scrapes} scrapes");
        let grown = resident.saturating_sub(before.1);
        assert!(grown < GROWTH_MAX, "memory has grown by {grown} bytes");
        server.stop();
        format!(
            "{} s; {scrapes} scrapes of {pages} pages, the longest {:.1} s; {datagrams} datagrams, 0 dropped; {} MiB \
             more memory",
            STORM.as_secs(),
            longest.as_secs_f64(),
            grown >> 20
        )
    },
};

/// What was seen of it.
struct Storm {
    scrapes: u64,
    longest: Duration,
    /// The most memory, in bytes.
    resident: u64,
}

fn storm(server: &Server) -> Storm {
    let over = AtomicBool::new(false);
    let (scrapes, longest_ms) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut resident = 0;
    thread::scope(|scope| {
        for _ in 0..SLOW_READERS {
            scope.spawn(|| read_slowly(server.http, &over));
        }
        for _ in 0..SCRAPERS {
            scope.spawn(|| {
                let began = Instant::now();
                while began.elapsed() < STORM {
                    let asked = Instant::now();
                    let reply = http::get(server.http, "/metrics");
                    let Ok(reply) = reply else { panic!("a scrape failed: {reply:?}") };
                    assert_eq!(reply.status, 200);
                    let took = asked.elapsed();
                    longest_ms
                        .fetch_max(u64::try_from(took.as_millis()).unwrap(), Ordering::Relaxed);
                    scrapes.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(100).saturating_sub(took));
                }
            });
        }
        let began = Instant::now();
        while began.elapsed() < STORM {
            resident = resident::bytes(server).max(resident);
            thread::sleep(Duration::from_millis(200));
        }
        over.store(true, Ordering::Relaxed);
    });
    let longest = Duration::from_millis(longest_ms.into_inner());
    Storm { scrapes: scrapes.into_inner(), longest, resident }
}

/// Asks for a page and reads it at 1 KB a second, in small parts, until told to stop or hung up on.
fn read_slowly(port: u16, over: &AtomicBool) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(http::head("GET", "/metrics", &[]).as_bytes()).unwrap();
    let mut part = [0; 100];
    while !over.load(Ordering::Relaxed) && stream.read(&mut part).is_ok_and(|read| read > 0) {
        thread::sleep(Duration::from_millis(100));
    }
}
