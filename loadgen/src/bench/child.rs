//! The programs that a bench runs: the server, the null loop, the sender. Each is ended by its handle.
//!
//! All listen on loopback. What ingests is pinned to the first core that is allowed, what sends to the last.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::proc;

/// How long a program may take to listen.
const START_MAX: Duration = Duration::from_secs(10);

/// Where the programs are, and what they may use.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// The folder of this program, where the others are too.
    bin: PathBuf,
    /// For sockets; removed at the end.
    pub(crate) folder: PathBuf,
    /// The core that ingests.
    pub(crate) ingest: usize,
    /// The core that sends.
    pub(crate) send: usize,
}

impl Environment {
    /// Beside this program.
    pub(crate) fn new() -> Result<Self> {
        let own = std::env::current_exe().context("where is this program?")?;
        let bin = own.parent().context("no folder")?.to_owned();
        for name in ["metrics-server", "loadgen"] {
            ensure!(
                bin.join(name).exists(),
                "{name} is not in {}: cargo build --release --workspace",
                bin.display()
            );
        }
        let cores = metrics_server::testing::sys::cpu::allowed()?;
        let (Some(&ingest), Some(&send)) = (cores.first(), cores.last()) else { bail!("no core") };
        ensure!(ingest != send, "needs two cores: one ingests, one sends");
        let folder =
            std::env::temp_dir().join(format!("metrics-server-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { bin, folder, ingest, send })
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Runs the sender to its end; its report.
    pub(crate) fn send(&self, arguments: &[String]) -> Result<Value> {
        let mut command = self.command("loadgen");
        command.args(["-json", "-quiet", "-pin", &self.send.to_string()]).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.output().context("cannot start loadgen")?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("loadgen {}: {}", arguments.join(" "), error.trim())
        })
    }
}

/// The two kinds of sockets that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Udp,
    Unix,
}

/// A program that receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    child: Child,
    /// `host:port` of its page; none of the null loop.
    pub(crate) http: Option<String>,
    /// The sender's `-udp …` or `-uds …`.
    to: [String; 2],
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.to[0] == "-uds" {
            let _ = std::fs::remove_file(&self.to[1]);
        }
    }
}

impl Receiver {
    /// A server with one worker, pinned, that receives on one socket. `more` flags win.
    pub(crate) fn server(
        environment: &Environment,
        socket: SocketKind,
        more: &[&str],
    ) -> Result<Self> {
        Self::serve(environment, environment.command("metrics-server"), socket, more)
    }

    /// The same, run by another program: `wrapper` with its flags.
    pub(crate) fn wrapped(
        environment: &Environment,
        wrapper: &str,
        flags: &[String],
        more: &[&str],
    ) -> Result<Self> {
        let mut command = Command::new(wrapper);
        command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null());
        command.args(flags).arg(environment.bin.join("metrics-server"));
        Self::serve(environment, command, SocketKind::Udp, more)
    }

    fn serve(
        environment: &Environment,
        mut command: Command,
        socket: SocketKind,
        more: &[&str],
    ) -> Result<Self> {
        command.args(["-workers", "1", "-pin", "on", "-uds", "", "-udp", ""]);
        let http = format!("127.0.0.1:{}", free_tcp()?);
        let to = address(environment, socket)?;
        command.args(["-socket", &http]).args(&to).args(more);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut receiver = Self { child, http: Some(http.clone()), to };
        receiver.wait_for(&|| TcpStream::connect(&http).is_ok())?;
        Ok(receiver)
    }

    /// The server's loop with nothing behind it.
    pub(crate) fn null(
        environment: &Environment,
        socket: SocketKind,
        more: &[&str],
    ) -> Result<Self> {
        let mut command = environment.command("loadgen");
        command.args(["-null", "-until-eof"]);
        let to = address(environment, socket)?;
        command.args(["-pin", &environment.ingest.to_string()]).args(&to).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let child = command.spawn().context("cannot start loadgen -null")?;
        let mut receiver = Self { child, http: None, to: to.clone() };
        let is_there = || match socket {
            SocketKind::Udp => port(&to[1]).is_some_and(proc::is_bound),
            SocketKind::Unix => Path::new(&to[1]).exists(),
        };
        receiver.wait_for(&is_there)?;
        Ok(receiver)
    }

    fn wait_for(&mut self, is_there: &dyn Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        while !is_there() {
            if let Some(status) = self.child.try_wait()? {
                bail!("a program that was to receive ended: {status}");
            }
            ensure!(began.elapsed() < START_MAX, "a program that was to receive does not listen");
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Tells a server that listens to such messages to end, and waits for it.
    pub(crate) fn stop(mut self) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.send_to(br#"{"op":"shutdown"}"#, &self.to[1])?;
        let began = Instant::now();
        while self.is_alive() {
            ensure!(began.elapsed() < START_MAX, "a server that was told to end does not");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// What the sender needs to know.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = self.to.to_vec();
        if let Some(http) = &self.http {
            flags.extend(["-http".to_owned(), http.clone()]);
        }
        flags
    }

    /// Ends a null loop once it has read all; its report.
    pub(crate) fn finish(mut self) -> Result<Value> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().context("only a null loop reports")?;
        std::io::Read::read_to_string(&mut stdout, &mut text)?;
        serde_json::from_str(&text).context("loadgen -null: no report")
    }
}

/// A flag and where to listen.
fn address(environment: &Environment, socket: SocketKind) -> Result<[String; 2]> {
    Ok(match socket {
        SocketKind::Udp => {
            let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            ["-udp".to_owned(), format!("127.0.0.1:{port}")]
        }
        SocketKind::Unix => {
            let path = environment.folder.join(format!("{}.sock", free_tcp()?));
            ["-uds".to_owned(), path.to_str().context("a path that is no text")?.to_owned()]
        }
    })
}

fn port(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

/// A port that nobody has at the moment.
fn free_tcp() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
