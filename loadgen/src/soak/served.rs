//! The server that is weighed: a child process, ended by its handle, with what it and the kernel say of it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::page::MetricsPage;

/// How long the server may take to listen.
const START_MAX: Duration = Duration::from_secs(10);
/// Longer than any page takes.
const PAGE_MAX: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct SoakedServer {
    child: Child,
    http: u16,
    udp: u16,
    socket: PathBuf,
}

impl Drop for SoakedServer {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl SoakedServer {
    /// Starts the server beside this program, with its socket and its log in this folder.
    ///
    /// # Errors
    /// It cannot be started, or does not listen.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let program = std::env::current_exe()?.with_file_name("metrics-server");
        ensure!(program.exists(), "{}: cargo build --release --workspace", program.display());
        let (socket, log) = (folder.join("server.sock"), folder.join("log"));
        let mut command = Command::new(program);
        command.args(["-socket", "127.0.0.1:0", "-udp", "127.0.0.1:0"]).arg("-uds").arg(&socket);
        command.args(["-metric-clean-up", "-scrape-timeout", "1m"]).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut server = Self { child, http: 0, udp: 0, socket };
        server.udp = server.port(&log, "Listen udp ")?;
        server.http = server.port(&log, "Expose metrics on http")?;
        Ok(server)
    }

    /// The port in the line of the log that holds these words, once it is there.
    fn port(&mut self, log: &Path, words: &str) -> Result<u16> {
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(log)?;
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.into_iter().find(|line| line.contains(words)) {
                let (_, port) = line.rsplit_once("127.0.0.1:").context("a line without a port")?;
                let digits = port.split(|char: char| !char.is_ascii_digit()).next();
                return digits.unwrap_or_default().parse().context("a port that is no number");
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", text.trim());
            }
            ensure!(began.elapsed() < START_MAX, "the server does not listen: {}", text.trim());
            thread::sleep(LOOK);
        }
    }

    /// The port of its UDP socket.
    pub(crate) fn udp(&self) -> u16 {
        self.udp
    }

    /// The path of its unix socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Resident bytes now: those of `smaps_rollup`, which is exact where `status` lags behind.
    pub(crate) fn resident(&self) -> Result<u64> {
        self.rollup("Rss:")
    }

    /// Those of them that are no file's: without the program's code.
    pub(crate) fn anonymous(&self) -> Result<u64> {
        self.rollup("Anonymous:")
    }

    fn rollup(&self, head: &str) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(&path).context(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(head));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.with_context(|| format!("no {head}"))?.parse::<u64>()? * 1024)
    }

    /// Its page now.
    pub(crate) fn page(&self) -> Result<MetricsPage> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http))?;
        stream.set_read_timeout(Some(PAGE_MAX))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?; // without chunks
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            ensure!(reader.read_line(&mut line)? > 0, "a page without a body");
        }
        MetricsPage::read(reader)
    }
}

/// A number of the server's own, summed over its labels.
pub(crate) fn own(page: &MetricsPage, name: &str) -> u64 {
    crate::num::whole_part(page.total(&format!("metrics_server_{name}")).value())
}
