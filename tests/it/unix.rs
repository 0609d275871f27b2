//! Unix sockets: files and modes, many clients at once, streams cut anywhere, clients that misbehave.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process;
use std::time::{Duration, Instant};

use crate::common::send::Client;
use crate::common::server::temp_dir;
use crate::common::wait::until;
use crate::common::{Page, Server, inc};

/// The value of a counter that came over `ms.sock`.
fn counted(page: &Page, name: &str) -> Option<f64> {
    page.get(&format!(r#"{name}{{data_source="ms.sock",source_app="ms"}}"#))
}

#[test]
fn mode_of_the_file() {
    for (flags, mode) in
        [(&[][..], 0o777), (&["-uds-mode", "0660"], 0o660), (&["-uds-mode=600"], 0o600)]
    {
        let server = Server::start(flags);
        let meta = fs::symlink_metadata(server.path("ms.sock")).unwrap();
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.permissions().mode() & 0o7777, mode, "{flags:?}");
        let files = fs::read_dir(server.path(".")).unwrap().count();
        assert_eq!(files, 1, "temporary names are left behind");
        server.stop();
    }
}

/// As `ss -lx` shows it.
#[test]
fn kernel_knows_the_listener_by_its_path() {
    let dir = temp_dir();
    let path = dir.path().join("ms.sock").to_str().unwrap().to_owned();
    let relative = format!("./p{}.sock", process::id());
    let server = Server::must_start(
        dir.path(),
        &["-socket", "127.0.0.1:0", "-udp", "", "-uds", &path, "-uds-pool", &relative],
    );
    let table = fs::read_to_string(format!("/proc/{}/net/unix", server.pid())).unwrap();
    // Num, RefCount, Protocol, Flags, Type, St, Inode, Path; the flag is that of a socket that listens.
    let columns = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    let listening: Vec<&str> =
        columns.filter(|row| row.len() == 8 && row[3] == "00010000").map(|row| row[7]).collect();
    for path in [path.as_str(), relative.as_str()] {
        assert!(listening.contains(&path), "{path} is not in:\n{table}");
    }
    server.stop();
}

#[test]
fn abstract_socket() {
    let name = format!("@ms-test-{}", process::id());
    let server =
        Server::start_exact(&["-socket", "127.0.0.1:0", "-udp", "127.0.0.1:0", "-uds", &name]);
    server.connect(&name).send(inc("ma").as_bytes());
    let series = format!(r#"ma{{data_source="{name}",source_app="{name}"}}"#);
    assert_eq!(server.settled().get(&series), Some(1.0));
    assert_eq!(
        fs::read_dir(server.path(".")).unwrap().count(),
        0,
        "an abstract socket has no file"
    );
    let exit = server.stop();
    let bad = |line: &&str| line.contains("level=warn") || line.contains("level=error");
    assert_eq!(exit.stderr.lines().find(bad), None);
}

#[test]
fn idle_client_blocks_nobody() {
    for workers in ["1", "4"] {
        let server = Server::start(&["-workers", workers]);
        let mut idle: Vec<Client> = (0..10).map(|_| server.connect("ms.sock")).collect();
        for client in &mut idle[..5] {
            client.send(br#"{"name":"half","op":"#);
        }
        server.send_unix(inc("ma"));
        let page = server.settled();
        assert_eq!(counted(&page, "ma"), Some(1.0));
        assert_eq!(page.own_sum("unix_connections"), 10);
        for client in &mut idle[..5] {
            client.send(br#""inc","value":1}"#);
        }
        assert_eq!(counted(&server.settled(), "half"), Some(5.0));
        drop(idle);
        assert_eq!(server.settled().refused(), 0);
        server.stop();
    }
}

/// A client that says that it is done, as `nc -N` does, is hung up on.
#[test]
fn half_closed_connections_are_closed() {
    let server = Server::start(&[]);
    server.send_unix(inc("ma"));
    server.settled();
    let before = server.open_files();
    let mut client = server.connect("ms.sock");
    client.send(inc("ma").as_bytes());
    client.half_close();
    assert_eq!(client.stream().read(&mut [0; 1]).unwrap(), 0, "the server closes after the client");
    drop(client);
    for _ in 0..50 {
        server.send_unix(inc("ma"));
    }
    assert_eq!(counted(&server.settled(), "ma"), Some(52.0));
    until("descriptors are given back", || {
        let now = server.open_files();
        // One may be that of the scrape before.
        if now <= before + 1 { Ok(()) } else { Err(format!("{now} open, {before} before")) }
    });
    server.stop();
}

#[test]
fn many_clients_are_spread_over_the_workers() {
    let server = Server::start(&["-workers", "4"]);
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = server.connect("ms.sock");
        client.send(inc("ma").as_bytes());
        clients.push(client);
    }
    let page = server.settled();
    assert_eq!(counted(&page, "ma"), Some(400.0));
    let held: Vec<u64> = page.own_family("unix_connections").into_values().collect();
    let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
    assert!(held.len() == 4 && most - least <= 16, "connections per worker: {held:?}");
    for client in &mut clients {
        client.send(inc("ma").as_bytes());
    }
    drop(clients);
    assert_eq!(counted(&server.settled(), "ma"), Some(800.0));
    server.stop();
}

/// All is read of a client that writes and closes before it is accepted.
#[test]
fn writing_and_closing_at_once_loses_nothing() {
    let server = Server::start(&["-workers", "4"]);
    server.suspend();
    for _ in 0..200 {
        server.send_unix(inc("ma"));
    }
    server.signal("CONT");
    assert_eq!(counted(&server.settled(), "ma"), Some(200.0));
    server.stop();
}

#[test]
fn message_in_small_writes() {
    let server = Server::start(&[]);
    let message = inc("ma");
    let mut client = server.connect("ms.sock");
    for byte in message.as_bytes() {
        client.send(&[*byte]);
    }
    for part in message.as_bytes().chunks(12) {
        client.send(part);
        server.settled();
    }
    client.send(format!("\n{message}").as_bytes());
    drop(client);
    let page = server.settled();
    assert_eq!((counted(&page, "ma"), page.refused()), (Some(3.0), 0));
    server.stop();
}

/// A stream that is longer than any buffer, with and without line ends, and what comes after it.
#[test]
fn big_streams() {
    for (workers, separator) in [("1", ""), ("1", "\n"), ("4", ""), ("4", "\r\n")] {
        let server = Server::start(&["-workers", workers]);
        let stream = (inc("ma") + separator).repeat(20_000);
        server.send_unix(&stream);
        server.send_udp(inc("mb"));
        server.send_unix(inc("mb"));
        let page = server.settled();
        assert_eq!(counted(&page, "ma"), Some(20_000.0));
        assert_eq!(counted(&page, "mb"), Some(1.0));
        assert_eq!((page.accepted(), page.refused()), (20_002, 0));
        server.stop();
    }
}

/// Batches that end in a newline, each longer than a read, by one client and by many.
#[test]
fn big_batches() {
    let server = Server::start(&["-workers", "2"]);
    let batch = (inc("ma") + "\n").repeat(2_000);
    let mut client = server.connect("ms.sock");
    for _ in 0..10 {
        client.send(batch.as_bytes());
    }
    for _ in 0..5 {
        server.send_unix(&batch);
    }
    drop(client);
    let page = server.settled();
    assert_eq!((counted(&page, "ma"), page.refused()), (Some(30_000.0), 0));
    server.stop();
}

/// A message that stays open is given up after half a minute; its connection is not.
#[test]
fn unfinished_message_is_given_up() {
    let server = Server::start(&[]);
    let mut client = server.connect("ms.sock");
    let start = Instant::now();
    client.send(br#"{"name":"ma","op":"inc","#);
    server.settled();
    until("it is given up", || {
        if server.scrape().rejected("timed_out") > 0 { Ok(()) } else { Err("still open".into()) }
    });
    assert!(start.elapsed() > Duration::from_secs(25), "given up after {:?}", start.elapsed());
    // The rest of the old message is skipped; the next one counts.
    client.send(format!("\"value\":1}}{}", inc("mb")).as_bytes());
    let page = server.settled();
    assert_eq!((counted(&page, "ma"), counted(&page, "mb")), (None, Some(1.0)));
    assert_eq!(page.refused(), 1);
    assert_eq!(page.own("unix_partial_bytes"), 0);
    server.stop();
}

/// The room for all partial messages is enough for the longest message there may be, in whatever parts it comes.
#[test]
fn the_longest_message_is_no_partial_too_many() {
    const MAX: usize = 131_072;
    let server = Server::start(&["-uds-partials-max-bytes", "131072", "-workers", "1"]);
    let (head, tail) = (r#"{"op":"inc","name":"ma","value":1,"help":""#, r#""}"#);
    let help = "h".repeat(MAX - head.len() - tail.len());
    let message = format!("{head}{help}{tail}");
    for cut in [1, 40_000, MAX / 2 + 1, MAX - 50, MAX - 1] {
        let mut client = server.connect("ms.sock");
        for part in [&message[..cut / 2], &message[cut / 2..cut], &message[cut..]] {
            client.send(part.as_bytes());
            server.settled(); // so that it is read by itself
        }
    }
    let page = server.settled();
    assert_eq!((counted(&page, "ma"), page.refused()), (Some(5.0), 0));
    server.stop();
}

/// Partial messages of all connections together are bounded.
#[test]
fn partial_messages_are_bounded_in_all() {
    let server = Server::start(&["-uds-partials-max-bytes", "131072", "-workers", "2"]);
    let half = format!(r#"{{"name":"ma","labels":{{"l":"{}"#, "x".repeat(20_000));
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect("ms.sock")).collect();
    for client in &mut clients {
        client.send(half.as_bytes());
    }
    let page = server.settled();
    let kept = page.own("unix_partial_bytes");
    // Six fit.
    assert_eq!(page.rejected("partials_limit"), 4);
    assert!(kept <= 131_072, "{kept} bytes are kept");
    // Whoever was refused for it is served again.
    for client in &mut clients {
        client.send(format!("\"}},\"op\":\"inc\",\"value\":1}}\n{}", inc("mb")).as_bytes());
    }
    drop(clients);
    assert_eq!(counted(&server.settled(), "mb"), Some(10.0));
    server.stop();
}
