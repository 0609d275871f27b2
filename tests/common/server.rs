//! The server under test: started, watched through stderr, asked through HTTP, stopped by signals.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::http;
use super::log::Log;
use super::page::Page;
use super::send::{self, Client, Sent};
use super::wait;

/// How a server ended.
#[derive(Debug)]
pub(crate) struct Exit {
    /// The exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// All that it wrote to stderr.
    pub(crate) stderr: String,
    /// All that it wrote to stdout.
    pub(crate) stdout: String,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: Arc<Log>,
    dir: PathBuf,
    /// What was sent to it.
    pub(crate) sent: Arc<Sent>,
    /// The port of its page.
    pub(crate) http: u16,
    /// The port of its UDP socket; 0 if it has none.
    pub(crate) udp: u16,
    /// Deleted with the server; a test that starts two in one directory keeps it itself.
    own_dir: Option<TempDir>,
}

/// The flags with which most tests start: every port chosen by the kernel, one unix socket in the directory.
pub(crate) const BASE: [&str; 6] =
    ["-socket", "127.0.0.1:0", "-udp", "127.0.0.1:0", "-uds", "ms.sock"];

/// A new directory; short, since paths of unix sockets are.
pub(crate) fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("ms.").tempdir().expect("a temporary directory")
}

impl Server {
    /// Starts with [`BASE`] and more flags.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::start_exact(&[&BASE[..], more].concat())
    }

    /// Starts with these flags alone.
    pub(crate) fn start_exact(args: &[&str]) -> Self {
        let dir = temp_dir();
        let mut server = Self::must_start(dir.path(), args);
        server.own_dir = Some(dir);
        server
    }

    /// Starts in a directory of the test's.
    pub(crate) fn must_start(dir: &Path, args: &[&str]) -> Self {
        Self::try_start(dir, args).unwrap_or_else(|exit| panic!("{args:?} ended: {exit:?}"))
    }

    /// Starts; a server that ends before it serves is the error.
    pub(crate) fn try_start(dir: &Path, args: &[&str]) -> Result<Self, Exit> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.args(args);
        Self::try_command(dir, command, args)
    }

    /// Starts a command that becomes the server with these flags (a shell that sets limits first, say).
    pub(crate) fn try_command(dir: &Path, command: Command, args: &[&str]) -> Result<Self, Exit> {
        let mut server = Self::spawn(dir, command);
        if server.wait_ready(args) { Ok(server) } else { Err(server.wait_exit()) }
    }

    /// Starts with [`BASE`], more flags, and variables of the environment.
    pub(crate) fn start_with_env(more: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        let args = [&BASE[..], more].concat();
        command.args(&args).envs(env.iter().copied());
        Self::start_command(command, &args)
    }

    /// [`Self::try_command`] in a directory of the server's own.
    pub(crate) fn start_command(command: Command, args: &[&str]) -> Self {
        let dir = temp_dir();
        let started = Self::try_command(dir.path(), command, args);
        let mut server = started.unwrap_or_else(|exit| panic!("{args:?} ended: {exit:?}"));
        server.own_dir = Some(dir);
        server
    }

    /// Starts and waits for nothing: its ports are unknown.
    pub(crate) fn start_unready(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
        command.args(args);
        Self::spawn(dir, command)
    }

    fn spawn(dir: &Path, mut command: Command) -> Self {
        command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("RUST_LOG");
        let mut child = command.spawn().expect("the server's program can be started");
        let log = Log::of(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            log,
            dir: dir.to_owned(),
            sent: Arc::default(),
            http: 0,
            udp: 0,
            own_dir: None,
        }
    }

    /// Waits for the lines that say what is served where; false if the server ended instead.
    fn wait_ready(&mut self, args: &[&str]) -> bool {
        let (udp, unix) = listeners(args);
        let Some(page) = self.find_line(|line| line.contains("Expose metrics on http")) else {
            return false;
        };
        self.http = port_in(&page);
        if udp {
            let Some(line) = self.find_line(|line| line.contains("Listen udp ")) else {
                return false;
            };
            self.udp = port_in(&line);
        }
        let told = |lines: &[String]| lines.iter().filter(|l| l.contains("Listen uds ")).count();
        self.log.wait(|lines| (told(lines) >= unix).then_some(())).is_some()
    }

    /// Waits for a line; `None` if the server ends without it.
    pub(crate) fn find_line(&self, is_it: impl Fn(&str) -> bool) -> Option<String> {
        self.log.wait(|lines| lines.iter().find(|line| is_it(line)).cloned())
    }

    /// All of stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.log.text()
    }

    /// Its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it is there").count()
    }

    /// A path in its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("the child can be asked").is_none()
    }

    /// Sends one datagram.
    pub(crate) fn send_udp(&self, bytes: impl AsRef<[u8]>) {
        send::udp(&self.sent, self.udp, bytes.as_ref()).expect("a datagram can be sent");
    }

    /// Opens a connection to a unix socket in its directory, or to an abstract one.
    pub(crate) fn connect(&self, name: &str) -> Client {
        let path = if name.starts_with('@') { PathBuf::from(name) } else { self.path(name) };
        Client::connect(&self.sent, &path).expect("the unix socket can be connected to")
    }

    /// Sends bytes over a connection of their own to `ms.sock`.
    pub(crate) fn send_unix(&self, bytes: impl AsRef<[u8]>) {
        self.connect("ms.sock").send(bytes.as_ref());
    }

    /// The page now.
    pub(crate) fn scrape(&self) -> Page {
        let reply = http::get(self.http, "/metrics").expect("/metrics answers");
        assert_eq!(reply.status, 200, "{}", reply.text());
        Page::parse(&reply.text())
    }

    /// The status of `/health`, or `None` if nothing answers.
    pub(crate) fn health(&self) -> Option<u16> {
        http::get(self.http, "/health").ok().map(|reply| reply.status)
    }

    /// The page once all that was sent is read, judged and counted.
    pub(crate) fn settled(&self) -> Page {
        let mut last = None;
        wait::until("everything sent is counted", || {
            let page = self.scrape();
            self.behind(&page).map_or(Ok(()), Err)?;
            // Bytes are counted when read, messages a moment later: two pages alike say that it has passed.
            let now = (page.user(), page.framed(), page.own("garbage_bytes_total"));
            if last.as_ref() == Some(&now) {
                Ok(page)
            } else {
                last = Some(now);
                Err("still moving".to_owned())
            }
        })
    }

    /// The server's own families alone, where users' families are too many to read. Their names must not come before
    /// `process`.
    pub(crate) fn own_families(&self) -> Page {
        Page::parse(&http::own_families(self.http).expect("/metrics answers"))
    }

    /// [`Self::own_families`] once all that was sent is read, judged and counted.
    pub(crate) fn settled_own_families(&self) -> Page {
        wait::until("everything sent is counted", || {
            let (first, second) = (self.own_families(), self.own_families());
            self.behind(&second).map_or(Ok(()), Err)?;
            let is_moving = first.framed() != second.framed();
            if is_moving { Err("still moving".to_owned()) } else { Ok(second) }
        })
    }

    /// What the books on a page still lack.
    fn behind(&self, page: &Page) -> Option<String> {
        let sent = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let rows = [
            ("datagrams", page.own("datagrams_received_total"), sent(&self.sent.datagrams)),
            (
                "udp bytes",
                page.own(r#"received_bytes_total{transport="udp"}"#),
                sent(&self.sent.udp_bytes),
            ),
            (
                "unix bytes",
                page.own(r#"received_bytes_total{transport="unix"}"#),
                sent(&self.sent.unix_bytes),
            ),
            ("unix connections", page.own_sum("unix_connections"), sent(&self.sent.unix_open)),
            ("framed, of accepted and rejected", page.framed(), page.accepted() + page.refused()),
        ];
        let (what, got, want) = rows.iter().find(|(_, got, want)| got != want)?;
        Some(format!("{what}: {got} of {want}"))
    }

    /// Sends a signal by its name, with the `kill` program.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.expect("the kill program").success(), "kill -s {name} failed");
    }

    /// Suspends it until the signal CONT: nothing that is sent meanwhile is read.
    pub(crate) fn suspend(&self) {
        self.signal("STOP");
        wait::until_true("each of its threads has stopped", || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it is there");
            tasks.flatten().all(|task| {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
            })
        });
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait_exit(&mut self) -> Exit {
        let status = wait::until("the server ends", || {
            self.child.try_wait().expect("the child can be asked").ok_or_else(|| self.stderr())
        });
        wait::until_true("stderr closes", || self.log.is_closed());
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).expect("stdout is UTF-8");
        }
        Exit { code: status.code(), stderr: self.stderr(), stdout }
    }

    /// Stops it with SIGTERM.
    ///
    /// # Panics
    /// Unless it ends with code 0.
    pub(crate) fn stop(mut self) -> Exit {
        self.signal("TERM");
        let exit = self.wait_exit();
        assert_eq!(exit.code, Some(0), "{exit:?}");
        exit
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the flags ask to listen on: UDP or not, and how many unix sockets.
fn listeners(args: &[&str]) -> (bool, usize) {
    let value = |flag: &str, default: &'static str| {
        let at = args.iter().rposition(|arg| *arg == flag);
        at.and_then(|at| args.get(at + 1).copied()).unwrap_or(default).to_owned()
    };
    let pool = value("-uds-pool", "").split(',').filter(|item| !item.trim().is_empty()).count();
    let single = usize::from(!value("-uds", "./metric-server.sock").is_empty());
    (!value("-udp", ":9999").is_empty(), pool + single)
}

/// The port in a line such as `Expose metrics on http://127.0.0.1:9099/metrics`.
fn port_in(line: &str) -> u16 {
    let digits = line.rsplit(':').next().unwrap_or_default();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_else(|_| panic!("no port in {line:?}"))
}
