//! The scraper that has to be answered whatever else happens: a page once a second, each on a connection of its own.
//!
//! Runs on a thread of its own and blocks, but never longer than [`SCRAPE_TIMEOUT`].

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A scrape that takes longer has failed.
const SCRAPE_TIME_MAX: Duration = Duration::from_secs(1);
/// A scrape that takes longer is not waited for.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(2);
/// From one scrape to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// Causes of failures that are kept.
const CAUSES_MAX: usize = 3;

/// A server's page.
#[derive(Clone, Debug)]
pub(crate) struct PageClient {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// What became of the scrapes of an attack.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScrapeResults {
    pub(crate) made: usize,
    /// Not whole, or not within a second.
    pub(crate) failed: usize,
    pub(crate) worst: Duration,
    /// Why the first ones failed.
    pub(crate) causes: Vec<String>,
}

impl PageClient {
    /// At this address, over TLS where there is a configuration for it.
    pub(crate) fn new(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { address, tls }
    }

    /// Where connections go.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The text of the page.
    ///
    /// # Errors
    /// The page is not whole, or takes too long.
    pub(crate) fn text(&self) -> Result<String> {
        let answer = self.get("identity")?;
        String::from_utf8(body(&answer)?).context("a page that is no text")
    }

    /// Scrapes once a second until it is told to stop, compressed and plain by turns.
    pub(crate) fn scrape_until(&self, stop: &AtomicBool) -> ScrapeResults {
        let mut scrapes = ScrapeResults::default();
        while !stop.load(Relaxed) {
            let began = Instant::now();
            let coding = if scrapes.made.is_multiple_of(2) { "gzip" } else { "identity" };
            let result = self.get(coding).and_then(|answer| body(&answer));
            scrapes.add(began.elapsed(), result.map(drop));
            thread::sleep(PERIOD.saturating_sub(began.elapsed()));
        }
        scrapes
    }

    /// The whole answer, head and all.
    fn get(&self, coding: &str) -> Result<Vec<u8>> {
        let deadline = Instant::now() + SCRAPE_TIMEOUT;
        let mut stream =
            TcpStream::connect_timeout(&self.address, SCRAPE_TIMEOUT).context("no connection")?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SCRAPE_TIMEOUT))?;
        stream.set_read_timeout(Some(SCRAPE_TIMEOUT))?;
        let head = format!(
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
        );
        match &self.tls {
            None => read_answer(&mut stream, &head, deadline),
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                let connection = ClientConnection::new(Arc::clone(config), name)?;
                read_answer(&mut StreamOwned::new(connection, stream), &head, deadline)
            }
        }
    }
}

impl ScrapeResults {
    /// Adds those of another attack.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.made += other.made;
        self.failed += other.failed;
        self.worst = self.worst.max(other.worst);
    }

    fn add(&mut self, took: Duration, result: Result<()>) {
        self.made += 1;
        self.worst = self.worst.max(took);
        let cause = match result {
            Err(error) => format!("{error:#}"),
            Ok(()) if took > SCRAPE_TIME_MAX => {
                format!("answered after {:.2} s", took.as_secs_f64())
            }
            Ok(()) => return,
        };
        self.failed += 1;
        if self.causes.len() < CAUSES_MAX {
            self.causes.push(cause);
        }
    }
}

/// Sends the request and reads until the server closes.
fn read_answer(stream: &mut (impl Read + Write), head: &str, deadline: Instant) -> Result<Vec<u8>> {
    stream.write_all(head.as_bytes()).context("no request")?;
    stream.flush()?;
    let (mut answer, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let read = stream
            .read(&mut buffer)
            .with_context(|| format!("cut after {} bytes", answer.len()))?;
        if read == 0 {
            return Ok(answer);
        }
        answer.extend_from_slice(&buffer[..read]);
        ensure!(Instant::now() < deadline, "not whole after {SCRAPE_TIMEOUT:?}");
    }
}

/// The body of an answer that is whole.
fn body(answer: &[u8]) -> Result<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let at = answer.windows(END.len()).position(|bytes| bytes == END).context("no head")?;
    let head = String::from_utf8_lossy(&answer[..at]).to_ascii_lowercase();
    let body = &answer[at + END.len()..];
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "answered {status:?}");
    if head.contains("transfer-encoding: chunked") {
        return joined(body);
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("neither a length nor chunks")?.trim().parse()?;
    ensure!(body.len() == length, "{} of {length} bytes", body.len());
    Ok(body.to_vec())
}

/// The chunks of a body put together.
fn joined(mut chunks: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.iter().position(|byte| *byte == b'\n').context("a cut page")?;
        let size = usize::from_str_radix(std::str::from_utf8(&chunks[..end])?.trim(), 16)?;
        chunks = &chunks[end + 1..];
        if size == 0 {
            return Ok(body);
        }
        let Some((chunk, rest)) = chunks.split_at_checked(size) else { bail!("a cut page") };
        body.extend_from_slice(chunk);
        chunks = rest.strip_prefix(b"\r\n").context("a chunk without an end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn whole_answers_are_read_and_cut_ones_are_not() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n";
        assert_eq!(body(plain).unwrap(), b"a 1\n");
        assert!(body(&plain[..plain.len() - 1]).is_err());
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n1\n\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), b"a 1\n");
        assert!(body(&chunked[..chunked.len() - 6]).is_err());
        assert!(body(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").is_err());
        assert!(body(b"").is_err());
    }
}
