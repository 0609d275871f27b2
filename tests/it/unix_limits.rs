//! Bounds of unix connections: whoever holds them idle makes room for others, and whatever a client has written with
//! success is read, also where the server closes the connection.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::send::Client;
use crate::common::server::BASE;
use crate::common::wait::{DEADLINE, until, until_true};
use crate::common::{Page, Server, inc};

/// The value of a counter that came over `ms.sock`.
fn counted(page: &Page, name: &str) -> u64 {
    let series = format!(r#"{name}{{data_source="ms.sock",source_app="ms"}}"#);
    let value = page.get(&series).unwrap_or_default();
    // Small counts of increments by one.
    format!("{value}").parse().unwrap()
}

/// How many connections the server has closed for a reason.
fn closed(page: &Page, reason: &str) -> u64 {
    page.own(&format!(r#"unix_connections_closed_total{{reason="{reason}"}}"#))
}

/// A connection that the server may close.
fn connect(server: &Server) -> UnixStream {
    let stream = UnixStream::connect(server.path("ms.sock")).unwrap();
    // A server that does neither read nor close must fail the test, not hang it.
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Writes bytes, and books as sent those that were written with success. Returns whether all were; the rest was
/// not because the server has closed the connection.
fn write(server: &Server, mut stream: &UnixStream, bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(written) => {
                server.sent.note_unix(written as u64);
                rest = &rest[written..];
            }
            Err(error) => {
                let kind = error.kind();
                assert!(
                    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
                    "{error}"
                );
                return false;
            }
        }
    }
    true
}

/// Waits until the server has closed the connection.
fn wait_closed(mut stream: &UnixStream) {
    match stream.read(&mut [0; 1]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// The page once all bytes that were written with success are read, and so many messages in them are judged.
fn balanced(server: &Server, messages: u64) -> Page {
    until("all that was written is read and judged", || {
        let page = server.scrape();
        let read = page.own(r#"received_bytes_total{transport="unix"}"#);
        let written = server.sent.unix_bytes.load(Ordering::Relaxed);
        let judged = page.accepted() + page.refused();
        if (read, judged) == (written, messages) && page.framed() == messages {
            Ok(page)
        } else {
            Err(format!("{read} of {written} bytes read, {judged} of {messages} messages judged"))
        }
    })
}

/// Whoever holds connections and sends nothing keeps nobody out.
#[test]
fn idle_connections_make_room() {
    for (workers, most, attackers) in [("1", 100, 1_000), ("2", 100, 1_000), ("4", 100, 1_000)] {
        let flags = ["-workers", workers, "-uds-connections-max", &most.to_string()];
        let server = Server::start(&flags);
        let mut held: Vec<UnixStream> = (0..attackers).map(|_| connect(&server)).collect();
        for _ in 0..300 {
            let client = connect(&server);
            assert!(write(&server, &client, inc("ma").as_bytes()));
            drop(client);
            held.push(connect(&server));
        }
        let page = balanced(&server, 300);
        assert_eq!(counted(&page, "ma"), 300);
        let evicted = closed(&page, "evicted");
        assert!(evicted >= attackers - most, "{evicted} evicted");
        assert_eq!(evicted, page.own_sum("unix_connections_closed_total"));
        until("no more are open than may be", || {
            match server.scrape().own_sum("unix_connections") {
                open if open <= most => Ok(()),
                open => Err(format!("{open} open")),
            }
        });
        drop(held);
        server.stop();
    }
}

/// The same where there are fewer descriptors than connections may be open.
#[test]
fn idle_connections_make_room_for_want_of_descriptors() {
    let args = [&BASE[..], &["-workers", "2"]].concat();
    let mut shell = Command::new("sh");
    let limited = r#"ulimit -n 80 && exec "$0" "$@""#;
    shell.args(["-c", limited, env!("CARGO_BIN_EXE_metrics-server")]).args(&args);
    let server = Server::start_command(shell, &args);
    let held: Vec<UnixStream> = (0..120).map(|_| connect(&server)).collect();
    let clients = (0..50).map(|_| connect(&server));
    for client in clients {
        assert!(write(&server, &client, inc("ma").as_bytes()));
    }
    let page = balanced(&server, 50);
    assert_eq!((counted(&page, "ma"), page.refused()), (50, 0));
    drop(held);
    server.stop();
}

/// Of two that are idle the one that has been so for longer goes, and one that has just sent something stays.
#[test]
fn the_longest_idle_makes_room() {
    let server = Server::start(&["-workers", "1", "-uds-connections-max", "3"]);
    let silent: Vec<UnixStream> = (0..2)
        .map(|number| {
            let stream = connect(&server);
            until_true("it is accepted", || {
                server.scrape().own_sum("unix_connections") == number + 1
            });
            stream
        })
        .collect();
    let client = connect(&server);
    assert!(write(&server, &client, inc("ma").as_bytes()));
    balanced(&server, 1);
    let newcomer = connect(&server);
    wait_closed(&silent[0]);
    assert!(write(&server, &silent[1], inc("ma").as_bytes()));
    assert!(write(&server, &newcomer, inc("ma").as_bytes()));
    let page = balanced(&server, 3);
    assert_eq!((counted(&page, "ma"), closed(&page, "evicted")), (3, 1));
    server.stop();
}

/// Writes of clients that lose their places meanwhile: each is read, or fails.
#[test]
fn writes_before_an_eviction_are_read() {
    for workers in ["1", "4"] {
        let server = Server::start(&["-workers", workers, "-uds-connections-max", "8"]);
        let message = inc("ma");
        let client = |pause: Duration| {
            let stream = connect(&server);
            let mut messages = 0;
            while messages < 20 && write(&server, &stream, message.as_bytes()) {
                messages += 1;
                thread::sleep(pause);
            }
            messages
        };
        let sent = thread::scope(|scope| {
            let senders = (0..32).map(|number| {
                let pause = Duration::from_micros(number * 10);
                scope.spawn(move || (0..20).map(|_| client(pause)).sum::<u64>())
            });
            let senders: Vec<_> = senders.collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).sum()
        });
        let page = balanced(&server, sent);
        assert_eq!(counted(&page, "ma"), page.accepted());
        assert_eq!(page.rejected("connections_limit"), page.refused());
        assert!(page.refused() + closed(&page, "evicted") > 0, "nobody had to make room");
        server.stop();
    }
}

/// Connections that send a message each 20 ms.
struct Active<'a> {
    server: &'a Server,
    stop: &'a AtomicBool,
}

impl Active<'_> {
    /// Sends until told to stop; returns how many messages were sent. A connection that was evicted, since this
    /// thread was held up for too long, is made anew.
    fn run(&self, connections: usize) -> u64 {
        let mut streams: Vec<UnixStream> = (0..connections).map(|_| connect(self.server)).collect();
        let mut sent = 0;
        while !self.stop.load(Ordering::Relaxed) {
            for stream in &mut streams {
                if write(self.server, stream, inc("active").as_bytes()) {
                    sent += 1;
                } else {
                    *stream = connect(self.server);
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
        sent
    }
}

/// Runs a test beside so many active connections; returns how many messages they have sent.
fn beside_active(server: &Server, connections: usize, test: impl FnOnce()) -> u64 {
    let stop = &AtomicBool::new(false);
    thread::scope(|scope| {
        let active = scope.spawn(move || Active { server, stop }.run(connections));
        let all = connections as u64;
        until_true("all are active", || {
            let page = server.scrape();
            page.own_sum("unix_connections") == all && counted(&page, "active") >= 2 * all
        });
        // A test that fails must not leave the thread running, which the scope waits for.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test));
        stop.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        active.join().unwrap()
    })
}

/// Where all are active, a newcomer's messages are refused, each with the reason.
#[test]
fn newcomers_among_active_connections_are_refused_by_message() {
    for workers in ["1", "4"] {
        let server = Server::start(&["-workers", workers, "-uds-connections-max", "8"]);
        let sent = beside_active(&server, 8, || {
            for _ in 0..50 {
                let messages = inc("ma") + "x\n" + &inc("ma") + &inc("ma");
                assert!(write(&server, &connect(&server), messages.as_bytes()));
            }
            until_true("all newcomers are gone", || {
                server.scrape().own("unix_connections_accepted_total") >= 58
            });
        });
        let page = balanced(&server, sent + 150);
        assert_eq!(page.own("garbage_bytes_total"), 50);
        let limit = page.rejected("connections_limit");
        assert_eq!((page.accepted() + limit, page.refused()), (sent + 150, limit));
        // A machine that holds the active ones up for a second has them evicted.
        if closed(&page, "evicted") == 0 {
            assert_eq!((counted(&page, "active"), limit), (sent, 150));
            assert_eq!(page.own("unix_connections_refused_total"), 50);
        }
        assert!(limit > 0, "nobody was refused");
        assert!(server.stop().stderr.contains("reason=connections_limit"));
    }
}

/// A newcomer that is refused is read within bounds; past them its writes fail, and what it had written is read.
#[test]
fn refused_connections_are_read_within_bounds() {
    let server = Server::start(&["-workers", "2", "-uds-connections-max", "4"]);
    let message = inc("ma");
    let mut refused = 0;
    let sent = beside_active(&server, 4, || {
        // By time: it sends nothing.
        let silent = connect(&server);
        wait_closed(&silent);
        assert!(!write(&server, &silent, message.as_bytes()));
        // By bytes: it sends without end.
        let busy = connect(&server);
        while write(&server, &busy, message.as_bytes()) {
            refused += 1;
        }
        assert!(refused < 100_000, "{refused} messages were read");
    });
    let page = balanced(&server, sent + refused);
    assert_eq!(page.accepted() + page.rejected("connections_limit"), sent + refused);
    assert!(closed(&page, "connections_limit") >= 1);
    server.stop();
}

/// How many refused connections each line of the log stands for.
fn logged_refusals(log: &str) -> Vec<u64> {
    let counts = log.lines().filter(|line| line.contains("level=warning")).filter_map(|line| {
        let (before, after) = line.split_once(" unix connections refused: 4 were open")?;
        assert!(after.contains("raise -uds-connections-max"), "{line}");
        before.rsplit('"').next()?.parse().ok()
    });
    counts.collect()
}

#[test]
fn refused_connections_are_logged_at_most_once_in_the_interval() {
    for (interval, is_one_line) in [("1h", true), ("100ms", false)] {
        let flags = ["-uds-connections-max", "4", "-log-interval", interval];
        let server = Server::start(&flags);
        let refused = || server.scrape().own("unix_connections_refused_total");
        let logged = || logged_refusals(&server.stderr()).iter().sum::<u64>();
        beside_active(&server, 4, || {
            drop(connect(&server));
            until_true("the first is logged", || logged() == 1);
            (0..5).for_each(|_| drop(connect(&server)));
            until_true("all are refused", || refused() == 6);
            until_true("all are in one line or another", || is_one_line || logged() == 6);
        });
        let log = server.stop().stderr;
        assert!(!is_one_line || logged_refusals(&log) == [1], "{log}");
    }
}

/// Only idle connections are closed, and not one in the middle of a message.
#[test]
fn idle_connections_time_out() {
    let server = Server::start(&["-workers", "1", "-uds-idle-timeout", "1s"]);
    let mut half: Client = server.connect("ms.sock");
    half.send(br#"{"name":"half","op":"#);
    let silent = connect(&server);
    let spoken = connect(&server);
    assert!(write(&server, &spoken, inc("ma").as_bytes()));
    // One that sends more often than that stays.
    let active = connect(&server);
    let mut sent = 1;
    until_true("the idle ones are closed", || {
        assert!(write(&server, &active, inc("ma").as_bytes()), "it is active");
        sent += 1;
        closed(&server.scrape(), "idle_timeout") == 2
    });
    wait_closed(&silent);
    wait_closed(&spoken);
    half.send(br#""inc","value":1}"#);
    let page = balanced(&server, sent + 1);
    assert_eq!((counted(&page, "ma"), counted(&page, "half")), (sent, 1));
    wait_closed(&active);
    wait_closed(half.stream());
    assert_eq!(closed(&server.scrape(), "idle_timeout"), 4);
    server.stop();
}

/// A server that was held up closes nobody whose bytes wait to be read.
#[test]
fn bytes_that_wait_end_the_idle_time() {
    let server = Server::start(&["-workers", "1", "-uds-idle-timeout", "1s"]);
    let client = connect(&server);
    assert!(write(&server, &client, inc("ma").as_bytes()));
    balanced(&server, 1);
    server.suspend();
    thread::sleep(Duration::from_millis(1_100)); // past the time-out, while nothing can be read
    assert!(write(&server, &client, inc("ma").as_bytes()));
    server.signal("CONT");
    balanced(&server, 2);
    assert!(write(&server, &client, inc("ma").as_bytes()), "it was closed although it was active");
    assert_eq!(counted(&balanced(&server, 3), "ma"), 3);
    server.stop();
}

/// Writes about the time at which a connection is closed for being idle: each is read, or fails.
#[test]
fn writes_before_a_time_out_are_read() {
    for workers in ["1", "2"] {
        let server = Server::start(&["-workers", workers, "-uds-idle-timeout", "5ms"]);
        let message = inc("ma");
        let client = |number: u64| {
            let stream = connect(&server);
            let mut messages = 0;
            // Its pauses grow, so that one of them is too long at last.
            while write(&server, &stream, message.as_bytes()) {
                messages += 1;
                thread::sleep(Duration::from_micros(4_000 + number * 7 + messages * 31));
            }
            messages
        };
        let sent = thread::scope(|scope| {
            let senders: Vec<_> =
                (0..100).map(|number| scope.spawn(move || client(number))).collect();
            senders.into_iter().map(|sender| sender.join().unwrap()).sum()
        });
        let page = balanced(&server, sent);
        assert_eq!((counted(&page, "ma"), page.refused()), (sent, 0));
        assert_eq!(closed(&page, "idle_timeout"), 100);
        server.stop();
    }
}

/// A burst of newcomers takes no more descriptors than the bound and a fixed number beyond it.
#[test]
fn descriptors_stay_bounded() {
    let server = Server::start(&["-workers", "2", "-uds-connections-max", "10"]);
    server.scrape();
    let before = server.open_files();
    server.suspend();
    let held: Vec<UnixStream> = (0..1_000).map(|_| connect(&server)).collect();
    server.signal("CONT");
    let mut most = 0;
    until_true("all are accepted", || {
        let open = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
        most = most.max(open);
        server.scrape().own("unix_connections_accepted_total") == 1_000
    });
    // 64 of each worker past the bound, 64 on their way to each, and those of scrapes.
    assert!(most <= before + 10 + 2 * 128 + 4, "{most} open, {before} before");
    drop(held);
    server.stop();
}

/// A server that stops reads all clients that wait, however many they are.
#[test]
fn clients_that_wait_at_the_end_are_read() {
    let mut server = Server::start(&["-workers", "2", "-uds-connections-max", "4"]);
    let held: Vec<UnixStream> = (0..4).map(|_| connect(&server)).collect();
    for stream in &held {
        assert!(write(&server, stream, inc("ma").as_bytes()));
    }
    balanced(&server, 4);
    server.suspend();
    for _ in 0..500 {
        assert!(write(&server, &connect(&server), inc("ma").as_bytes()));
    }
    server.signal("TERM");
    server.signal("CONT");
    let exit = server.wait_exit();
    assert_eq!(exit.code, Some(0));
    // Those that are accepted before the signal is noticed may be refused.
    assert!(exit.stderr.contains("0 datagrams, 504 messages: "), "{exit:?}");
}
