//! UDP and unix connections on one worker: neither starves the other, however many connections there are.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::common::send::Client;
use crate::common::wait::{until, until_true};
use crate::common::{Server, inc};

/// Sets a flag when dropped, so that threads end even if the test fails meanwhile.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects so many times, and waits until all are accepted.
fn connect(server: &Server, connections: u64) -> Vec<Client> {
    let clients = (0..connections).map(|_| server.connect("ms.sock")).collect();
    until_true("all connections are accepted", || {
        server.scrape().own_sum("unix_connections") == connections
    });
    clients
}

/// There is room on the page for two thirds of the series that wait in connections when a datagram comes last of
/// all. What is read after those is refused: so the datagram's series tells whether it had to wait for them.
///
/// More connections than a poll tells of at a time.
#[test]
fn a_datagram_does_not_wait_for_all_connections() {
    const CONNECTIONS: u64 = 300;
    const SERIES: u64 = 100;
    let lines_max = CONNECTIONS * SERIES * 2 / 3;
    let server = Server::start(&["-workers", "1", "-lines-max", &lines_max.to_string()]);
    let mut clients = connect(&server, CONNECTIONS);
    server.suspend();
    for (number, client) in clients.iter_mut().enumerate() {
        let mut messages = String::new();
        for series in 0..SERIES {
            let labels = format!(r#"{{"client":"{number}","series":"{series}"}}"#);
            writeln!(messages, r#"{{"name":"unix","labels":{labels},"op":"inc","value":1}}"#)
                .unwrap();
        }
        client.send(messages.as_bytes());
    }
    server.send_udp(inc("datagram"));
    server.signal("CONT");
    let page = server.settled();
    assert_eq!(page.framed(), CONNECTIONS * SERIES + 1);
    assert!(page.refused() >= CONNECTIONS * SERIES / 3, "{} refused", page.refused());
    assert!(
        page.text.lines().any(|line| line.starts_with("datagram{")),
        "refused as one of the last"
    );
    server.stop();
}

/// Datagrams are counted while connections have endless work, and the other way round.
#[test]
fn each_is_counted_while_the_other_floods() {
    const STEPS: u64 = 20;
    const DATAGRAMS_PER_STEP: u64 = 10;
    let server = Server::start(&["-workers", "1"]);
    let stop = AtomicBool::new(false);
    let messages = inc("flood").repeat(1000);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        for mut client in connect(&server, 50) {
            let (stop, messages) = (&stop, messages.as_bytes());
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    client.send(messages); // waits while the socket is full
                }
            });
        }
        for step in 1..=STEPS {
            (0..DATAGRAMS_PER_STEP).for_each(|_| server.send_udp(inc("datagram")));
            let sent = step * DATAGRAMS_PER_STEP;
            until("the datagrams are counted", || {
                let read = server.scrape().own("datagrams_received_total");
                if read == sent { Ok(()) } else { Err(format!("{read} of {sent}")) }
            });
        }
    });
    stop.store(false, Ordering::Relaxed);
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let datagram = &messages.as_bytes()[..inc("flood").len() * 100];
            while !stop.load(Ordering::Relaxed) {
                socket.send_to(datagram, ("127.0.0.1", server.udp)).unwrap();
            }
        });
        let mut client = server.connect("ms.sock");
        for step in 1..=STEPS {
            client.send(inc("stream").as_bytes());
            let series = r#"stream{data_source="ms.sock",source_app="ms"}"#;
            until("the message is counted", || {
                let count = server.scrape().get(series).unwrap_or_default();
                let all = u32::try_from(step).unwrap();
                if count >= f64::from(all) { Ok(()) } else { Err(format!("{count} of {all}")) }
            });
        }
    });
    server.stop();
}
