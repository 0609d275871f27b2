//! A router and its far end in two network namespaces, with a link between them: the books of both sides close.
//!
//! Needs iproute2 and util-linux, and root or the right to make user namespaces.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};

use crate::common::server::temp_dir;
use crate::common::wait::{until, until_true};
use crate::common::{Page, Server, http};

/// Set in the process that is in a network of its own.
const INSIDE: &str = "METRICS_SERVER_TEST_NETWORK";
const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 2);

/// Messages of the large test, and how many are sent at once.
const ROWS: u64 = 100_000;
const BLOCK: u64 = 500;

/// Runs the test with this name again, in a network namespace of its own; true inside of it.
fn in_own_network(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = run_text(Command::new("id").arg("-u")).trim() == "0";
    let status = Command::new("unshare")
        .arg(if root { "-n" } else { "-rn" })
        .arg(std::env::current_exe().expect("a test has a path"))
        .args(["--exact", &format!("remote_network::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare, of util-linux");
    assert!(
        status.success(),
        "in a network of its own: {status}; unshare -rn must be allowed here"
    );
    false
}

fn run_text(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn ip(args: &str) {
    run_text(Command::new("ip").args(args.split(' ')));
}

/// A second network, held by a process that waits.
struct There(Child);

impl There {
    /// With a link between here and there that carries.
    fn new() -> Self {
        let child = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo in; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare, of util-linux");
        let mut there = Self(child);
        let mut told = [0; 2];
        there
            .0
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut told)
            .expect("the shell is in its network");
        ip("link set lo up");
        ip("link add here type veth peer name there");
        ip(&format!("link set there netns {}", there.0.id()));
        ip(&format!("addr add {HERE}/24 dev here"));
        ip("link set here up");
        there.run(&format!("ip addr add {THERE}/24 dev there"));
        there.run("ip link set there up");
        there.run("ip link set lo up");
        // The kernel makes the link ready in the background. What is sent before waits for a second for the answer to
        // a second ARP request. The refusal of TCP has no limit of rate, which that of UDP has.
        until_true("the link carries", || {
            let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
            TcpStream::connect((THERE, 9)).is_err_and(refused)
        });
        there
    }

    /// A command that runs there.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n", program]);
        command
    }

    fn run(&self, line: &str) {
        let mut words = line.split(' ');
        run_text(self.command(words.next().unwrap()).args(words));
    }
}

impl Drop for There {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The page of the server there.
fn page(port: u16) -> Page {
    let mut stream = TcpStream::connect((THERE, port)).expect("the server there answers");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Page::parse(&http::parse(&answer).unwrap().text())
}

fn delivered(page: &Page) -> u64 {
    page.own(r#"sink_rows_delivered_total{sink="remote"}"#)
}

#[test]
fn all_that_is_sent_counts_at_the_far_end() {
    if !in_own_network("all_that_is_sent_counts_at_the_far_end") {
        return;
    }
    let (there, dir) = (There::new(), temp_dir());
    let udp = "10.9.8.2:9999";
    let args = ["-socket", "10.9.8.2:0", "-udp", udp, "-uds", "global.sock", "-workers", "2"];
    let mut command = there.command(env!("CARGO_BIN_EXE_metrics-server"));
    command.args(args);
    let mut global = Server::try_command(dir.path(), command, &args).expect("the far end starts");
    let router = Server::start(&["-remote", udp]);
    let mut client = router.connect("ms.sock");
    for block in 0..ROWS / BLOCK {
        // At the receiver's pace: what UDP loses when it is too much is not the question here.
        until_true("the router keeps up", || {
            block % 8 != 0 || delivered(&router.scrape()) + 8 * BLOCK >= block * BLOCK
        });
        let message = |n: u64| {
            let (series, value) = (n % 100, block * BLOCK + n);
            format!(r#"{{"name":"sent","labels":{{"n":"{series}"}},"op":"inc","value":{value}}}"#)
        };
        client.send((0..BLOCK).map(message).collect::<String>().as_bytes());
    }
    let here = until("all rows are delivered", || {
        let page = router.scrape();
        if delivered(&page) == ROWS { Ok(page) } else { Err(delivered(&page).to_string()) }
    });
    assert_eq!(here.own_sum("sink_rows_enqueued_total"), ROWS);
    let there_page = until("all rows are received", || {
        let page = page(global.http);
        let lost = page.own_sum("udp_kernel_drops_total");
        if page.accepted() == ROWS {
            Ok(page)
        } else {
            Err(format!("{} and {lost}", page.accepted()))
        }
    });
    assert_eq!(there_page.framed(), ROWS);
    assert_eq!(there_page.own_sum("udp_kernel_drops_total"), 0);
    let sum: f64 = there_page
        .user()
        .lines()
        .filter(|line| line.starts_with("sent{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    let expected = (0..ROWS).sum::<u64>();
    assert!((sum - expected as f64).abs() < 0.5, "{sum} of {expected}");
    assert!(there_page.own("datagrams_received_total") < ROWS / 5, "many to a datagram");
    assert!(global.is_alive());
}

#[test]
fn a_far_end_that_nobody_serves_is_told_from_one_that_is_back() {
    if !in_own_network("a_far_end_that_nobody_serves_is_told_from_one_that_is_back") {
        return;
    }
    let there = There::new();
    // The host is there, and nothing listens: its refusals come over the network.
    let router = Server::start(&["-remote", "10.9.8.2:9999"]);
    router.send_unix(crate::common::inc("waits"));
    let errors = |page: &Page| page.own(r#"remote_send_errors_total{errno="ECONNREFUSED"}"#);
    until_true("the far end has refused", || errors(&router.scrape()) >= 1);
    assert_eq!(delivered(&router.scrape()), 0);
    // The way to the host is gone altogether.
    ip("addr flush dev here");
    let unreachable = r#"remote_send_errors_total{errno="ENETUNREACH"}"#;
    until_true("there is no way", || router.scrape().own(unreachable) >= 1);
    ip(&format!("addr add {HERE}/24 dev here"));
    let dir = temp_dir();
    let args = ["-socket", "10.9.8.2:0", "-udp", "10.9.8.2:9999", "-uds", "global.sock"];
    let mut command = there.command(env!("CARGO_BIN_EXE_metrics-server"));
    command.args(args);
    let global = Server::try_command(dir.path(), command, &args).expect("the far end starts");
    until_true("what has waited arrives", || page(global.http).accepted() == 1);
    // Nothing but messages counts there, and asking whether it is there is none.
    assert_eq!(page(global.http).framed(), 1);
    assert!(UdpSocket::bind((HERE, 0)).is_ok(), "the test is where it should be");
}
