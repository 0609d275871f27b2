//! The login of the HTTP port: who is let in, who is slowed down, and what is counted.

use std::fs;
use std::net::Ipv4Addr;
use std::thread;

use crate::common::http::{self, Response};
use crate::common::server::{BASE, temp_dir};
use crate::common::{Page, Server, wait};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

/// Client addresses, so that failures of one do not slow down another.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A server that knows alice with "right" and bob with "other".
struct Port {
    server: Server,
    _folder: TempDir,
}

impl Port {
    fn open() -> Self {
        let folder = temp_dir();
        let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
        let yaml = format!(
            "basic_auth_users:\n  alice: {}\n  bob: {}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n",
            hash("right"),
            hash("other")
        );
        fs::write(folder.path().join("web.yml"), yaml).unwrap();
        let args = [&BASE[..], &["-web-config-file", "web.yml"]].concat();
        let server = Server::must_start(folder.path(), &args);
        Self { server, _folder: folder }
    }

    fn get(&self, from: Ipv4Addr, path: &str, authorization: Option<&str>) -> Response {
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", *value)).collect();
        http::request_from(from, self.server.http, path, &headers).unwrap()
    }

    fn log_in(&self, from: Ipv4Addr, user: &str, password: &str) -> Response {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        self.get(from, "/metrics", Some(&value))
    }

    fn page(&self) -> Page {
        let reply = self.log_in(ELSEWHERE, "bob", "other");
        assert_eq!(reply.status, 200);
        Page::parse(&reply.text())
    }

    fn refused(&self, reason: &str) -> u64 {
        self.page().own(&format!("http_logins_refused_total{{reason=\"{reason}\"}}"))
    }
}

#[test]
fn every_path_asks_for_a_login() {
    let port = Port::open();
    for path in ["/metrics", "/-/healthy", "/-/ready", "/health", "/", "/none"] {
        let reply = port.get(HERE, path, None);
        assert_eq!(reply.status, 401, "{path}");
        assert_eq!(reply.header("WWW-Authenticate"), Some("Basic"), "{path}");
        assert_eq!(reply.header("X-Frame-Options"), Some("deny"), "{path}");
        let right = format!("basic {}", STANDARD.encode("alice:right"));
        let status = port.get(HERE, path, Some(&right)).status;
        assert_eq!(status, if path == "/none" { 404 } else { 200 }, "{path}");
    }
    for value in ["Bearer abc", "Basic", "Basic ?", "Basic YWxpY2U="] {
        assert_eq!(port.get(HERE, "/metrics", Some(value)).status, 401, "{value}");
    }
    assert_eq!((port.refused("missing"), port.refused("malformed")), (6, 4));
    assert_eq!(port.page().own(r#"http_refused_total{reason="login"}"#), 10);
}

#[test]
fn wrong_passwords_and_unknown_users_are_refused_alike_and_slow_down_their_address() {
    let port = Port::open();
    assert_eq!(port.log_in(HERE, "alice", "right").status, 200);
    let wrong = port.log_in(HERE, "alice", "other");
    let unknown = port.log_in(HERE, "mallory", "other");
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.header("WWW-Authenticate"), Some("Basic"));
    // The waits grow to seconds within a few failures, so one of these comes too early however slow the machine is.
    let mut replies = (0..20).map(|guess| port.log_in(HERE, "alice", &guess.to_string()));
    let slowed = replies.find(|reply| reply.status != 401).unwrap();
    assert_eq!(slowed.status, 429);
    let seconds: u64 = slowed.header("Retry-After").unwrap().parse().unwrap();
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(
        port.log_in(THERE, "alice", "right").status,
        200,
        "another address is not slowed down"
    );
    wait::until_true("the address may try again", || {
        port.log_in(HERE, "alice", "right").status == 200
    });
    assert!(port.refused("wrong") >= 3);
    assert!(port.refused("slowed_down") >= 1);
}

/// 256 wrong logins are remembered. Each comes from another address, so that none is slowed down.
#[test]
fn what_the_login_forgets_for_want_of_room_is_counted() {
    let port = Port::open();
    for guess in 0..258_u32 {
        let from = Ipv4Addr::from(0x7f01_0000 + guess);
        assert_eq!(port.log_in(from, "alice", &guess.to_string()).status, 401);
    }
    let forgotten =
        |table: &str| port.page().own(&format!("http_logins_forgotten_total{{table=\"{table}\"}}"));
    assert_eq!((forgotten("wrong"), forgotten("right"), forgotten("failures")), (2, 0, 0));
}

#[test]
fn many_who_log_in_at_once_are_all_let_in() {
    let port = Port::open();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let logins: Vec<_> =
            (0..30).map(|_| scope.spawn(|| port.log_in(HERE, "alice", "right").status)).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200; 30]);
}

#[test]
fn without_the_file_there_is_no_login_and_no_thread_for_it() {
    let server = Server::start(&[]);
    assert_eq!(
        http::request(server.http, "GET", "/-/healthy", &[("Authorization", "Basic ?")])
            .unwrap()
            .status,
        200
    );
    assert_eq!(threads(&server, "web-config"), 0);
    let port = Port::open();
    wait::until_true("its thread has its name", || threads(&port.server, "web-config") == 1);
}

fn threads(server: &Server, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
    names.filter(|comm| comm.trim() == name).count()
}
