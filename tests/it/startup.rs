//! What a flag asks for and cannot be had is told before anything is served, and harms nobody who was there before.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use crate::common::server::{BASE, temp_dir};
use crate::common::{Exit, Server, inc};

/// Starts with [`BASE`] and more flags in a directory, and expects the server to refuse.
fn refusal(dir: &Path, more: &[&str]) -> Exit {
    exact_refusal(dir, &[&BASE[..], more].concat())
}

fn exact_refusal(dir: &Path, args: &[&str]) -> Exit {
    match Server::try_start(dir, args) {
        Ok(server) => panic!("{args:?} serves:\n{}", server.stderr()),
        Err(exit) => exit,
    }
}

/// Asserts the exit code, that stderr has all the words, and that nothing panicked.
fn says(exit: &Exit, code: i32, words: &[&str]) {
    assert_eq!(exit.code, Some(code), "{exit:?}");
    for word in words {
        assert!(exit.stderr.contains(word), "{word:?} is not in {exit:?}");
    }
    assert!(!exit.stderr.contains("panicked"), "{exit:?}");
    assert_eq!(exit.stdout, "");
}

#[test]
fn extra_labels() {
    let dir = temp_dir();
    for (value, culprit) in [
        ("app", "app"),
        ("app:x,", "colon"),
        ("a b:1", "a b"),
        ("9a:1", "9a"),
        (":x", "label name"),
        ("__a:1", "__a"),
    ] {
        says(&refusal(dir.path(), &["-extra-labels", value]), 2, &["-extra-labels", culprit]);
    }
}

#[test]
fn extra_labels_file_with_a_bad_key() {
    let dir = temp_dir();
    fs::write(dir.path().join("f"), "app=1\n# comment\nspaced key = x\n").unwrap();
    says(
        &refusal(dir.path(), &["-extra-labels-file-path", "f"]),
        1,
        &["\"f\"", "line 3", "spaced key"],
    );
}

#[test]
fn extra_labels_file_missing_or_no_file() {
    let dir = temp_dir();
    let flag = "-extra-labels-file-path";
    says(&refusal(dir.path(), &[flag, "nofile"]), 1, &[flag, "nofile", "No such file"]);
    says(&refusal(dir.path(), &[flag, "."]), 1, &[flag, "Is a directory"]);
}

#[test]
fn addresses() {
    let dir = temp_dir();
    for flag in ["-socket", "-udp"] {
        for value in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:-1", "[::1:5"] {
            says(&refusal(dir.path(), &[flag, value]), 2, &[flag, value]);
        }
        // No interface of this machine has the address: it was set aside for documentation.
        says(&refusal(dir.path(), &[flag, "192.0.2.1:0"]), 1, &[flag, "192.0.2.1:0"]);
    }
    says(&refusal(dir.path(), &["-socket", ""]), 2, &["-socket"]);
}

#[test]
fn time_to_live() {
    let dir = temp_dir();
    for value in ["0", "-1s"] {
        says(
            &refusal(dir.path(), &["-metric-clean-up", "-metric-ttl", value]),
            2,
            &["-metric-ttl"],
        );
    }
}

#[test]
fn unix_path_in_a_missing_directory() {
    let dir = temp_dir();
    says(
        &refusal(dir.path(), &["-uds", "nodir/ms.sock"]),
        1,
        &["-uds", "nodir/ms.sock", "No such file"],
    );
    says(&refusal(dir.path(), &["-uds-pool", "nodir/p.sock"]), 1, &["-uds-pool", "nodir/p.sock"]);
    assert!(!dir.path().join("ms.sock").exists(), "the socket that could be had was left behind");
}

#[test]
fn unix_path_too_long() {
    let dir = temp_dir();
    let path = "p".repeat(108);
    says(&refusal(dir.path(), &["-uds", &path]), 2, &["-uds", &path]);
}

#[test]
fn unix_path_of_something_else() {
    let dir = temp_dir();
    let path = dir.path().join("ms.sock");
    fs::write(&path, "precious data").unwrap();
    says(&refusal(dir.path(), &[]), 1, &["-uds", "ms.sock"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious data");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    says(&refusal(dir.path(), &[]), 1, &["-uds", "ms.sock"]);
    assert!(path.is_dir());
}

#[test]
fn default_unix_path_is_only_warned_about() {
    let dir = temp_dir();
    let path = dir.path().join("metric-server.sock");
    fs::write(&path, "precious data").unwrap();
    let args = ["-socket", "127.0.0.1:0", "-udp", "127.0.0.1:0"];
    let mut child = Server::start_unready(dir.path(), &args);
    assert!(
        child
            .find_line(|line| line.contains("metric-server.sock") && line.contains("warn"))
            .is_some()
    );
    assert!(child.find_line(|line| line.contains("Expose metrics")).is_some());
    assert!(child.is_alive());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious data");
}

#[test]
fn unix_paths_named_twice() {
    let dir = temp_dir();
    says(
        &refusal(dir.path(), &["-uds-pool", "a.sock, b.sock,,a.sock"]),
        2,
        &["-uds-pool", "a.sock"],
    );
    says(&refusal(dir.path(), &["-uds-pool", "b.sock,ms.sock"]), 2, &["-uds-pool", "ms.sock"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
}

/// The first server goes on as if nothing had happened, and its socket file is its own.
fn first_is_unharmed(first: Server) {
    first.send_udp(inc("after"));
    first.send_unix(inc("after"));
    assert_eq!(first.settled().accepted(), 2);
    let path = first.path("ms.sock");
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    first.stop();
    assert!(!path.exists());
}

#[test]
fn udp_port_taken() {
    for workers in ["1", "4"] {
        let dir = temp_dir();
        let first = Server::must_start(dir.path(), &[&BASE[..], &["-workers", workers]].concat());
        let taken = format!("127.0.0.1:{}", first.udp);
        let exit =
            refusal(dir.path(), &["-uds", "second.sock", "-udp", &taken, "-workers", workers]);
        says(&exit, 1, &["-udp", &taken, "in use"]);
        first_is_unharmed(first);
        assert!(!dir.path().join("second.sock").exists());
    }
}

#[test]
fn http_port_taken() {
    let dir = temp_dir();
    let first = Server::must_start(dir.path(), &BASE);
    let taken = format!("127.0.0.1:{}", first.http);
    says(
        &refusal(dir.path(), &["-uds", "second.sock", "-socket", &taken]),
        1,
        &["-socket", &taken, "in use"],
    );
    first_is_unharmed(first);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    says(&refusal(dir.path(), &["-socket", &taken]), 1, &["-socket", &taken]);
}

#[test]
fn unix_path_of_a_live_server() {
    let dir = temp_dir();
    let first = Server::must_start(dir.path(), &BASE);
    says(&refusal(dir.path(), &[]), 1, &["-uds", "ms.sock"]);
    first_is_unharmed(first);
}

#[test]
fn unix_path_of_a_dead_server_is_taken_over() {
    let dir = temp_dir();
    let mut dead = Server::must_start(dir.path(), &BASE);
    dead.signal("KILL");
    dead.wait_exit();
    assert!(dir.path().join("ms.sock").exists());
    first_is_unharmed(Server::must_start(dir.path(), &BASE));
}

/// All find the socket that a dead server has left, and only one may replace it.
#[test]
fn of_servers_that_start_at_once_one_gets_the_unix_path() {
    for _ in 0..20 {
        let dir = temp_dir();
        drop(UnixListener::bind(dir.path().join("ms.sock")).unwrap());
        let start = || Server::try_start(dir.path(), &BASE);
        let started: Vec<Result<Server, Exit>> = thread::scope(|scope| {
            let starts: Vec<_> = (0..6).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let mut servers = Vec::new();
        for result in started {
            match result {
                Ok(server) => servers.push(server),
                Err(exit) => says(&exit, 1, &["-uds", "ms.sock", "already in use"]),
            }
        }
        assert_eq!(servers.len(), 1, "servers on one path");
        servers.into_iter().for_each(first_is_unharmed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
    }
}

#[test]
fn directory_that_another_process_has_locked() {
    let dir = temp_dir();
    let directory = fs::File::open(dir.path()).unwrap();
    directory.lock().unwrap();
    says(&refusal(dir.path(), &[]), 1, &["-uds", "ms.sock", "lock of its directory for 5s"]);
    directory.unlock().unwrap();
    Server::must_start(dir.path(), &BASE).stop();
}

#[test]
fn switched_off() {
    let dir = temp_dir();
    let server =
        Server::must_start(dir.path(), &["-socket", "127.0.0.1:0", "-udp", "", "-uds", "ms.sock"]);
    server.send_unix(inc("a"));
    assert_eq!(server.settled().accepted(), 1);
    assert_eq!(sockets(&server, "udp"), 0);
    server.stop();
    let server = Server::must_start(
        dir.path(),
        &["-socket", "127.0.0.1:0", "-udp", "127.0.0.1:0", "-uds", ""],
    );
    server.send_udp(inc("a"));
    assert_eq!(server.settled().accepted(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "a socket file although it is off");
    server.stop();
}

#[test]
fn flags_without_effect_are_warned_about() {
    let server = Server::start(&["-metric-ttl", "1h"]);
    let line = "-metric-ttl has no effect without -metric-clean-up";
    let found = server.find_line(|log| log.contains(line) && log.contains("level=warning"));
    assert!(found.is_some());
    server.stop();
}

/// How many sockets of a protocol in `/proc/net` are the server's.
fn sockets(server: &Server, protocol: &str) -> usize {
    let links = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let ours: Vec<String> = links
        .filter_map(|entry| {
            fs::read_link(entry.unwrap().path()).ok()?.into_os_string().into_string().ok()
        })
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = |name: &str| {
        fs::read_to_string(format!("/proc/{}/net/{name}", server.pid())).unwrap_or_default()
    };
    let all = table(protocol) + &table(&format!("{protocol}6"));
    all.lines()
        .filter(|line| {
            line.split_ascii_whitespace()
                .nth(9)
                .is_some_and(|inode| ours.iter().any(|o| o == inode))
        })
        .count()
}

#[test]
fn port_zero_is_logged() {
    let server = Server::start_exact(&["-socket", ":0", "-udp", ":0", "-uds", ""]);
    assert!(server.http > 0 && server.udp > 0);
    server.send_udp(inc("a"));
    let page = server.settled();
    // The labels show what the flag says.
    assert_eq!(page.get(r#"a{data_source=":0",source_app=":0"}"#), Some(1.0));
    server.stop();
}

#[test]
fn debug_shows_each_message() {
    let server = Server::start(&["-debug"]);
    server.send_udp(inc("shown_over_udp"));
    server.send_unix(inc("shown_over_unix"));
    for name in ["shown_over_udp", "shown_over_unix"] {
        assert!(
            server.find_line(|line| line.contains("level=debug") && line.contains(name)).is_some()
        );
    }
    server.stop();
}
