//! The server under attack: a child process with a page of ten thousand series, ended by its handle.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::ClientConfig;

use crate::scraper::PageClient;

/// How long the server may take to listen, and to show what it was sent.
const START_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Series on the page.
const SERIES: usize = 10_000;
/// Their name.
const NAME: &str = "orders_total";

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerSetup {
    /// `ulimit -n`; none: what this program has.
    pub(crate) descriptors_max: Option<u32>,
    /// Flags beside those that all have.
    pub(crate) flags: Vec<String>,
    /// How its page is read, if over TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct AttackedServer {
    child: Child,
    page: PageClient,
    log: PathBuf,
}

impl Drop for AttackedServer {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl AttackedServer {
    /// Starts one, with its socket and its log in this folder, and fills its page.
    ///
    /// # Errors
    /// It cannot be started, or does not show the series.
    pub(crate) fn start(folder: &Path, setup: ServerSetup) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let (socket, log) = (folder.join("server.sock"), folder.join("log"));
        let mut command = command(setup.descriptors_max)?;
        command.args(["-socket", "127.0.0.1:0", "-udp", ""]).arg("-uds").arg(&socket);
        command.args(setup.flags).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let port = port(&mut child, &log)?;
        let page = PageClient::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), setup.tls);
        let server = Self { child, page, log };
        server.fill(&socket)?;
        Ok(server)
    }

    /// Its page.
    pub(crate) fn page(&self) -> &PageClient {
        &self.page
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it has logged, from the first `skip` bytes on.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log).map_or_else(
            |error| error.to_string(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// Sends all series over the unix socket, where none is lost, and waits until they are shown.
    fn fill(&self, socket: &Path) -> Result<()> {
        let mut lines = Vec::new();
        for series in 0..SERIES {
            let labels = format!("{{\"shop\":\"shop-{series:05}\"}}");
            writeln!(
                lines,
                "{{\"name\":\"{NAME}\",\"op\":\"inc\",\"value\":1,\"labels\":{labels}}}"
            )?;
        }
        let mut stream =
            UnixStream::connect(socket).context("cannot connect to the unix socket")?;
        stream.write_all(&lines)?;
        let began = Instant::now();
        let prefix = format!("{NAME}{{");
        loop {
            let shown = self.page.text()?.lines().filter(|line| line.starts_with(&prefix)).count();
            if shown == SERIES {
                return Ok(());
            }
            ensure!(began.elapsed() < START_MAX, "{shown} of {SERIES} series are shown");
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// The server beside this program, under a limit of descriptors where there is one.
fn command(descriptors_max: Option<u32>) -> Result<Command> {
    let own = std::env::current_exe().context("where is this program?")?;
    let server = own.with_file_name("metrics-server");
    ensure!(server.exists(), "{}: cargo build --release --workspace", server.display());
    let Some(max) = descriptors_max else { return Ok(Command::new(server)) };
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$1\" && shift && exec \"$@\"", "sh", &max.to_string()]);
    command.arg(server);
    Ok(command)
}

/// The port of its page, once it is logged.
fn port(child: &mut Child, log: &Path) -> Result<u16> {
    const BEFORE: &str = "://127.0.0.1:";
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(log)?;
        let line = text
            .split_inclusive('\n')
            .find(|line| line.contains("Expose metrics") && line.ends_with('\n'));
        if let Some((_, port)) = line.and_then(|line| line.split_once(BEFORE)) {
            let digits = port.split(|char: char| !char.is_ascii_digit()).next();
            return digits.unwrap_or_default().parse().context("a port that is no number");
        }
        if let Some(status) = child.try_wait()? {
            bail!("the server ended with {status}: {}", text.trim());
        }
        ensure!(began.elapsed() < START_MAX, "the server does not listen: {}", text.trim());
        thread::sleep(POLL_INTERVAL);
    }
}
