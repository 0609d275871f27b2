//! A server that has no descriptor left goes on, and takes connections again once there are some.

use std::net::TcpStream;
use std::process::Command;

use crate::common::send::Client;
use crate::common::server::BASE;
use crate::common::wait::{until, until_true};
use crate::common::{Server, http, inc};

/// Enough to start, and for a scrape.
const DESCRIPTORS: usize = 80;
/// More than there are descriptors for.
const CLIENTS: usize = 120;

/// Starts a server that may have [`DESCRIPTORS`] and no more.
fn start(workers: &str) -> Server {
    let args = [&BASE[..], &["-workers", workers]].concat();
    let mut shell = Command::new("sh");
    let limited = format!(r#"ulimit -n {DESCRIPTORS} && exec "$0" "$@""#);
    shell.args(["-c", &limited, env!("CARGO_BIN_EXE_metrics-server")]).args(&args);
    Server::start_command(shell, &args)
}

/// Unix clients wait their turn, and nobody is lost.
#[test]
fn unix_clients_wait() {
    for workers in ["1", "4"] {
        let server = start(workers);
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect("ms.sock")).collect();
        for client in &mut clients {
            client.send(inc("ma").as_bytes());
        }
        // Datagrams are no worse for it.
        server.send_udp(inc("mb"));
        let udp =
            || http::get(server.http, "/metrics").is_ok_and(|reply| reply.text().contains("\nmb{"));
        until_true("a datagram counts although no descriptor is free", udp);
        drop(clients);
        let series = r#"ma{data_source="ms.sock",source_app="ms"}"#;
        assert_eq!(server.settled().get(series), Some(120.0));
        server.send_unix(inc("ma"));
        assert_eq!(server.settled().get(series), Some(121.0));
        server.stop();
    }
}

/// HTTP connections that say nothing take all descriptors: they make room for scrapes, and datagrams count meanwhile.
#[test]
fn http_connections_make_room() {
    let server = start("2");
    let errors = |server: &Server| server.scrape().own("http_accept_errors_total");
    assert_eq!(errors(&server), 0);
    let silent: Vec<TcpStream> = (0..CLIENTS)
        .map(|_| TcpStream::connect(("127.0.0.1", server.http)).expect("the kernel takes it"))
        .collect();
    server.find_line(|line| line.contains("cannot accept connections")).expect("a warning");
    until("all are accepted, and all descriptors are taken", || {
        let page = server.scrape();
        let (accepted, open) = (page.own("http_connections_accepted_total"), server.open_files());
        // But for those of this scrape, and of what it reads for the page.
        let all = accepted > CLIENTS as u64 && open + 2 >= DESCRIPTORS;
        if all { Ok(()) } else { Err(format!("{accepted} accepted, {open} descriptors open")) }
    });
    for _ in 0..10 {
        server.send_udp(inc("ma"));
    }
    let page = server.settled();
    assert_eq!(page.get(r#"ma{data_source="127.0.0.1:0",source_app="127.0.0.1:0"}"#), Some(10.0));
    // Each connection for which there was no descriptor has met the error once at least.
    let without = (CLIENTS - DESCRIPTORS) as u64;
    assert!(page.own("http_accept_errors_total") >= without, "{}", page.text);
    assert!(page.own(r#"http_connections_evicted_total{state="head"}"#) >= without);
    drop(silent);
    until("the server has noticed", || match server.scrape().own("http_connections") {
        1 => Ok(()),
        open => Err(format!("{open} open")),
    });
    // With descriptors again nothing fails any more.
    let before = errors(&server);
    server.send_unix(inc("mb"));
    assert_eq!(server.settled().accepted(), 11);
    assert_eq!(errors(&server), before);
    server.stop();
}
