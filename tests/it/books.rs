//! The books: whatever was sent was read or dropped by the kernel, and whatever was framed was accepted or rejected.

use std::net::UdpSocket;
use std::thread;

use crate::common::send::{self, Client};
use crate::common::wait::until;
use crate::common::{Page, Server, inc};

/// Datagrams that were read or dropped.
fn accounted(page: &Page) -> u64 {
    page.own("datagrams_received_total") + page.own_sum("udp_kernel_drops_total")
}

/// Waits until so many datagrams are accounted for, and what was read of them is counted.
fn all_accounted(server: &Server, sent: u64) -> Page {
    until("every datagram is accounted for", || {
        let page = server.scrape();
        let judged = page.accepted() + page.refused();
        // Each datagram is one message.
        if accounted(&page) == sent && judged == page.own("datagrams_received_total") {
            return Ok(page);
        }
        Err(format!("{} of {sent} datagrams, {judged} messages judged", accounted(&page)))
    })
}

/// As fast as one sender can, each datagram one increment.
fn burst(server: &Server, datagrams: u64) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(("127.0.0.1", server.udp)).expect("an address");
    let message = inc("burst");
    for _ in 0..datagrams {
        socket.send(message.as_bytes()).expect("the loopback takes it");
    }
}

fn counted(page: &Page) -> Option<f64> {
    page.get(r#"burst{data_source="127.0.0.1:0",source_app="127.0.0.1:0"}"#)
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a small count"))
}

/// What a tiny buffer cannot hold is dropped, and every drop is on the page.
#[test]
fn overload_is_counted_to_the_datagram() {
    let server = Server::start(&["-workers", "1", "-udp-rcvbuf", "4096", "-udp-batch-wait", "0"]);
    burst(&server, 50_000);
    let page = all_accounted(&server, 50_000);
    assert_eq!(counted(&page), Some(number(page.own("datagrams_received_total"))));
    // While the server stands still nothing can be read, so this time there are drops.
    let before = page.own_sum("udp_kernel_drops_total");
    server.suspend();
    burst(&server, 1_000);
    server.signal("CONT");
    let page = all_accounted(&server, 51_000);
    let dropped = page.own_sum("udp_kernel_drops_total") - before;
    assert!((900..1_000).contains(&dropped), "{dropped} dropped of 1,000");
    assert_eq!(counted(&page), Some(number(page.own("datagrams_received_total"))));
    server.stop();
}

/// The same with several sockets, and many senders at once.
#[test]
fn overload_of_several_workers() {
    let server = Server::start(&["-workers", "4", "-udp-rcvbuf", "4096"]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| burst(&server, 10_000));
        }
    });
    let page = all_accounted(&server, 40_000);
    assert_eq!(page.own_family("udp_kernel_drops_total").len(), 4);
    assert_eq!(counted(&page), Some(number(page.own("datagrams_received_total"))));
    server.stop();
}

/// A burst on the default buffer: no datagram is unaccounted for.
#[test]
fn burst_on_defaults() {
    let server = Server::start(&[]);
    burst(&server, 30_000);
    let page = all_accounted(&server, 30_000);
    assert_eq!(counted(&page), Some(number(page.own("datagrams_received_total"))));
    server.stop();
}

/// A small generator of numbers that is the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        // The constants of Knuth's MMIX; the upper bits are the good ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What one sender's messages must add up to.
#[derive(Debug, Default, PartialEq)]
struct Oracle {
    accepted: u64,
    increments: u64,
    observations: u64,
    below_one: u64,
    sum: f64,
    rejected: [u64; REFUSED.len()],
    garbage: u64,
}

/// Messages that are refused, and why.
const REFUSED: [(&str, &str); 6] = [
    (r#"{"name":"c","op":"inc","value":-1}"#, "negative_increment"),
    (r#"{"name":"c","op":"dec","value":1}"#, "op"),
    (r#"{"name":"c","op":"inc","value":}"#, "syntax"),
    (r#"{"name":"c","op":"set","value":1}"#, "type_conflict"),
    (r#"{"name":"h","op":"obs","value":"x"}"#, "value"),
    (r#"{"name":"9","op":"inc","value":1}"#, "name"),
];

impl Oracle {
    /// Makes one message or a bit of garbage, and books it.
    fn make(&mut self, numbers: &mut Numbers) -> String {
        self.accepted += 1;
        match numbers.below(10) {
            0..=3 => {
                let by = numbers.below(1000);
                self.increments += by;
                format!(r#"{{"name":"c","op":"inc","value":{by}}}"#)
            }
            4..=6 => {
                let tenths = numbers.below(20);
                let value = number(tenths) / 10.0;
                self.observations += 1;
                self.below_one += u64::from(value <= 1.0);
                self.sum += value;
                format!(r#"{{"name":"h","op":"obs","bucket_custom":[1],"value":{value}}}"#)
            }
            7 => format!(r#"{{"name":"g","op":"set","value":{}}}"#, numbers.below(100)),
            8 => {
                self.accepted -= 1;
                self.garbage += 4;
                " x}y] \n".to_owned()
            }
            _ => {
                self.accepted -= 1;
                let which = usize::try_from(numbers.below(REFUSED.len() as u64)).expect("an index");
                self.rejected[which] += 1;
                REFUSED[which].0.to_owned()
            }
        }
    }

    fn add(mut self, other: &Self) -> Self {
        self.accepted += other.accepted;
        self.increments += other.increments;
        self.observations += other.observations;
        self.below_one += other.below_one;
        self.sum += other.sum;
        self.garbage += other.garbage;
        self.rejected.iter_mut().zip(other.rejected).for_each(|(mine, theirs)| *mine += theirs);
        self
    }
}

/// Datagrams of one to twenty messages, each from a port of its own.
fn udp_sender(server: &Server, seed: u64) -> Oracle {
    let (mut oracle, mut numbers) = (Oracle::default(), Numbers(seed));
    for _ in 0..200 {
        let batch: Vec<String> =
            (0..=numbers.below(20)).map(|_| oracle.make(&mut numbers)).collect();
        send::udp(&server.sent, server.udp, batch.join("\n").as_bytes()).expect("a datagram");
    }
    oracle
}

/// Streams cut into writes at any byte.
fn unix_sender(server: &Server, seed: u64) -> Oracle {
    let (mut oracle, mut numbers) = (Oracle::default(), Numbers(seed));
    for _ in 0..20 {
        let separator =
            ["", "\n", "\r\n", " "][usize::try_from(numbers.below(4)).expect("an index")];
        let messages: Vec<String> = (0..100).map(|_| oracle.make(&mut numbers)).collect();
        let stream = messages.join(separator);
        let mut client: Client = server.connect("ms.sock");
        let mut rest = stream.as_bytes();
        while !rest.is_empty() {
            let cut = usize::try_from(1 + numbers.below(700)).expect("a length").min(rest.len());
            client.send(&rest[..cut]);
            rest = &rest[cut..];
        }
    }
    oracle
}

/// Good, bad and ugly messages from eight senders at once: the books and the values are those of an oracle.
#[test]
fn mixed_traffic_adds_up() {
    for workers in ["1", "4"] {
        let server = Server::start(&["-workers", workers, "-source-labels=false"]);
        // The families are born first, so that no sender's bad message decides about them.
        server.send_udp(inc("c") + r#"{"name":"h","op":"obs","bucket_custom":[1],"value":0}"#);
        server.settled();
        let oracle = thread::scope(|scope| {
            let server = &server;
            let udp = (0..4).map(|seed| scope.spawn(move || udp_sender(server, seed)));
            let unix = (4..8).map(|seed| scope.spawn(move || unix_sender(server, seed)));
            let senders: Vec<_> = udp.chain(unix).collect();
            let join =
                |sender: thread::ScopedJoinHandle<'_, Oracle>| sender.join().expect("the sender");
            senders.into_iter().map(join).fold(Oracle::default(), |sum, one| sum.add(&one))
        });
        check(&server.settled(), &oracle);
        server.stop();
    }
}

/// Compares a page with the oracle; two messages came before its own.
fn check(page: &Page, oracle: &Oracle) {
    assert_eq!(page.own_sum("udp_kernel_drops_total"), 0);
    assert_eq!(page.accepted(), oracle.accepted + 2);
    assert_eq!(page.own("garbage_bytes_total"), oracle.garbage);
    for ((_, reason), count) in REFUSED.iter().zip(oracle.rejected) {
        assert_eq!(page.rejected(reason), count, "{reason}");
    }
    assert_eq!(page.refused(), oracle.rejected.iter().sum::<u64>());
    assert_eq!(page.framed(), page.accepted() + page.refused());
    assert_eq!(page.own_sum("processed_metrics_total"), page.framed());
    assert_eq!(page.get("c"), Some(number(oracle.increments + 1)));
    assert_eq!(page.get("h_count"), Some(number(oracle.observations + 1)));
    assert_eq!(page.get(r#"h_bucket{le="+Inf"}"#), page.get("h_count"));
    assert_eq!(page.get(r#"h_bucket{le="1"}"#), Some(number(oracle.below_one + 1)));
    // Tenths are added up in another order by every worker.
    let sum = page.get("h_sum").expect("the sum");
    assert!((sum - oracle.sum).abs() < 1e-6, "{sum} is not {}", oracle.sum);
}
