//! How the server stops: by signal, by message, after a delay, and what becomes of data and files.

use std::fs;
use std::time::{Duration, Instant};

use crate::common::http;
use crate::common::wait::until_true;
use crate::common::{Exit, Server, inc};

const SHUTDOWN: &str = r#"{"name":"any","op":"shutdown","value":0}"#;

/// A delay that no test waits for.
const LONG_DELAY: [&str; 2] = ["-shutdown-delay", "1h"];

fn health_becomes(server: &Server, status: u16) {
    until_true("health changes", || server.health() == Some(status));
}

fn ends_well(exit: &Exit) {
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(!exit.stderr.contains("level=error"), "{exit:?}");
}

/// The server ends by itself once the delay has passed.
#[test]
fn the_delay_is_waited_for() {
    let delay = Duration::from_millis(1500);
    let signal = |server: &Server| server.signal("TERM");
    let message = |server: &Server| server.send_unix(SHUTDOWN);
    for ask in [&signal as &dyn Fn(&Server), &message] {
        let mut server = Server::start(&["-shutdown-delay", "1500ms"]);
        let start = Instant::now();
        ask(&server);
        ends_well(&server.wait_exit());
        assert!(start.elapsed() >= delay, "ended after {:?}", start.elapsed());
        assert!(!server.path("ms.sock").exists());
    }
}

#[test]
fn message_over_unix_with_a_delay() {
    let mut server = Server::start(&[&LONG_DELAY[..], &["-uds-pool", "p1.sock"]].concat());
    server.send_unix(inc("ma"));
    server.settled();
    assert_eq!(server.health(), Some(200));
    server.send_unix(SHUTDOWN);
    health_becomes(&server, 503);
    assert_eq!(http::get(server.http, "/-/ready").unwrap().status, 503);
    assert_eq!(http::get(server.http, "/-/healthy").unwrap().status, 200);
    server.send_unix(inc("mb"));
    server.send_udp(inc("mb"));
    let page = server.settled();
    assert_eq!(page.accepted(), 4);
    assert_eq!(page.own(r#"messages_accepted_total{op="shutdown"}"#), 1);
    assert!(page.user().contains("mb{data_source=\"ms.sock\",source_app=\"ms\"} 1\n"));
    end_the_delay(&server);
    ends_well(&server.wait_exit());
    assert!(!server.path("ms.sock").exists() && !server.path("p1.sock").exists());
}

#[test]
fn message_over_udp_is_refused() {
    let mut server = Server::start(&[]);
    server.send_udp(SHUTDOWN);
    server.send_udp(r#"{"op":"shutdown"}"#);
    let page = server.settled();
    assert_eq!(page.rejected("shutdown_refused"), 2);
    assert_eq!(page.own(r#"processed_metrics_total{type="shutdown"}"#), 2);
    assert!(server.is_alive());
    assert_eq!(server.health(), Some(200));
    server.stop();
}

#[test]
fn message_over_udp_where_it_is_allowed() {
    let mut server = Server::start(&["-shutdown-from", "any"]);
    server.send_udp(r#"{"op":"shutdown"}"#);
    ends_well(&server.wait_exit());
    assert!(!server.path("ms.sock").exists());
}

#[test]
fn message_where_none_is_allowed() {
    let mut server = Server::start(&["-shutdown-from", "none"]);
    server.send_unix(SHUTDOWN);
    server.send_udp(SHUTDOWN);
    assert_eq!(server.settled().rejected("shutdown_refused"), 2);
    assert!(server.is_alive());
    server.stop();
}

#[test]
fn two_messages() {
    let mut server = Server::start(&["-shutdown-delay", "500ms", "-shutdown-from=any"]);
    server.send_udp(r#"{"op":"shutdown"}"#);
    server.send_udp(r#"{"op":"shutdown"}"#);
    ends_well(&server.wait_exit());
}

#[test]
fn signals_without_a_delay() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["-uds-pool", "p1.sock"]);
        server.signal(signal);
        ends_well(&server.wait_exit());
        assert!(!server.path("ms.sock").exists() && !server.path("p1.sock").exists());
    }
}

#[test]
fn signal_with_a_delay() {
    let mut server = Server::start(&LONG_DELAY);
    server.signal("TERM");
    health_becomes(&server, 503);
    server.send_udp(inc("ma"));
    assert_eq!(server.settled().accepted(), 1);
    // The second ends it.
    server.signal("TERM");
    ends_well(&server.wait_exit());
    assert!(!server.path("ms.sock").exists());
}

/// Ends the delay after a message: the first signal does not, the second does.
fn end_the_delay(server: &Server) {
    server.signal("TERM");
    // This signal is told of, and the one before it has come by then.
    server.signal("HUP");
    server.find_line(|line| line.contains("SIGHUP")).expect("the server runs");
    assert_eq!(server.health(), Some(503));
    server.signal("TERM");
}

#[test]
fn hangup_does_not_kill() {
    let mut server = Server::start(&[]);
    server.signal("HUP");
    server.send_unix(inc("ma"));
    assert_eq!(server.settled().accepted(), 1);
    server.signal("HUP");
    server.send_udp(inc("ma"));
    assert_eq!(server.settled().accepted(), 2);
    assert!(server.is_alive());
    server.stop();
}

#[test]
fn user_signals_do_not_kill() {
    let mut server = Server::start(&[]);
    for signal in ["USR1", "USR2", "USR1"] {
        server.signal(signal);
        server.send_udp(inc("ma"));
        server.settled();
        assert!(server.is_alive(), "SIG{signal}");
    }
    assert_eq!(server.settled().accepted(), 3);
    server.stop();
}

#[test]
fn socket_file_already_gone() {
    let mut server = Server::start(&[]);
    fs::remove_file(server.path("ms.sock")).unwrap();
    server.signal("TERM");
    assert_eq!(server.wait_exit().code, Some(0));
}

#[test]
fn socket_file_of_somebody_else_is_left() {
    let mut server = Server::start(&[]);
    let path = server.path("ms.sock");
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    server.signal("TERM");
    assert_eq!(server.wait_exit().code, Some(0));
    assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
}

/// What was sent before the end is counted, though no worker ran when it came.
#[test]
fn queued_data_is_drained() {
    let mut server = Server::start(&["-workers", "2"]);
    server.send_udp(inc("a"));
    server.settled();
    server.suspend();
    let mut open = Vec::new();
    for _ in 0..50 {
        server.send_udp(inc("a"));
        server.send_unix(inc("a"));
        let mut client = server.connect("ms.sock");
        client.send(inc("a").as_bytes());
        open.push(client);
    }
    server.signal("TERM");
    server.signal("CONT");
    let exit = server.wait_exit();
    ends_well(&exit);
    assert!(
        exit.stderr.contains("51 datagrams, 151 messages: 151 accepted, 0 rejected"),
        "{exit:?}"
    );
}
