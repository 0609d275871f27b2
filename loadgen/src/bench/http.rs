//! A client that reads pages as bytes, and a server that has one in memory: what the scrape rows need.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use metrics_server::testing::exposition::PIECE_BYTES;
use metrics_server::testing::http::{
    Bytes, Encoding, PageError, PageRest, Pages, Piece, PieceReceiver, answered,
};

/// Longer than any page takes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Gets `/metrics` into `body`. Returns how long that took.
pub(crate) fn get(address: &str, gzip: bool, body: &mut Vec<u8>) -> Result<Duration> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let coding = if gzip { "gzip" } else { "identity" };
    let head = format!(
        "GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept-Encoding: {coding}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let (mut length, mut chunked, mut first) = (None, false, true);
    loop {
        let text = head_line(&mut reader)?;
        if std::mem::take(&mut first) && text.split(' ').nth(1) != Some("200") {
            bail!("{address}/metrics: {text}");
        }
        if let Some(value) = text.strip_prefix("content-length:") {
            length = Some(value.trim().parse::<usize>()?);
        }
        chunked |= text == "transfer-encoding: chunked";
        if text.is_empty() {
            break;
        }
    }
    body.clear();
    if chunked {
        while read_chunk(&mut reader, body)? {}
    } else {
        read(&mut reader, body, length.context("a page without a length")?)?;
    }
    Ok(began.elapsed())
}

/// Reads the next chunk of the body. Returns false for the last one, which is empty.
fn read_chunk(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool> {
    let size = usize::from_str_radix(&head_line(reader)?, 16)?;
    read(reader, body, size)?;
    head_line(reader)?;
    Ok(size > 0)
}

/// A line in lower case, without its end.
fn head_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    ensure!(reader.read_line(&mut line)? > 0, "a page that ends too early");
    Ok(line.trim_end().to_ascii_lowercase())
}

/// Reads so many bytes more.
fn read(reader: &mut impl Read, body: &mut Vec<u8>, size: usize) -> Result<()> {
    let from = body.len();
    body.resize(from + size, 0);
    reader.read_exact(&mut body[from..])?;
    Ok(())
}

/// Scrapes the page; the sum of a family's lines on it.
pub(crate) fn value(address: &str, name: &str) -> Result<f64> {
    let mut body = Vec::new();
    get(address, false, &mut body)?;
    sum(&body, name)
}

/// The sum of a family's lines on this page.
fn sum(page: &[u8], name: &str) -> Result<f64> {
    let text = std::str::from_utf8(page)?;
    let is_own = |line: &&str| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']);
    let values = text.lines().filter(is_own).filter_map(|line| line.rsplit_once(' '));
    let values: Vec<f64> = values.map(|(_, value)| value.parse()).collect::<Result<_, _>>()?;
    ensure!(!values.is_empty(), "no {name} on the page");
    Ok(values.iter().sum())
}

/// A page that never changes, in pieces as large as the server's own.
#[derive(Debug)]
pub(crate) struct MemoryPage(Arc<[Bytes]>);

impl MemoryPage {
    /// A page of these bytes.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.chunks(PIECE_BYTES).map(Bytes::copy_from_slice).collect())
    }
}

impl Pages for MemoryPage {
    fn begin(&self, _encoding: Encoding) -> PieceReceiver {
        Arc::new(MemoryPageRest { pieces: Arc::clone(&self.0), next: 0 }).ask()
    }

    fn live(&self) -> bool {
        true
    }

    fn ready(&self) -> bool {
        true
    }

    fn landing(&self) -> String {
        String::new()
    }
}

/// The pieces of the page from `next` on.
#[derive(Debug)]
struct MemoryPageRest {
    pieces: Arc<[Bytes]>,
    next: usize,
}

impl PageRest for MemoryPageRest {
    fn ask(self: Arc<Self>) -> PieceReceiver {
        let Some(bytes) = self.pieces.get(self.next) else {
            return answered(Err(PageError::Stopping));
        };
        let next = self.next + 1;
        let rest = Self { pieces: Arc::clone(&self.pieces), next };
        let rest = (next < self.pieces.len()).then(|| Arc::new(rest) as Arc<dyn PageRest>);
        answered(Ok(Piece { bytes: bytes.clone(), rest }))
    }
}
