//! Fetches the server's page: one GET over plain HTTP/1.1, the body read as a stream.
//!
//! Our own, since it needs a dozen lines of HTTP and no library: no redirects, no TLS, no reuse of connections.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::page::MetricsPage;

/// Longer than any scrape takes.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The most bytes that a line of the answer's head may have.
const MAX_HEAD_LINE: u64 = 8192;

/// Gets and reads `/metrics` from `host:port`.
pub(crate) fn scrape(address: &str) -> Result<MetricsPage> {
    fetch(address).with_context(|| format!("cannot scrape http://{address}/metrics"))
}

fn fetch(address: &str) -> Result<MetricsPage> {
    let to = address.to_socket_addrs()?.next().context("no such address")?;
    let mut stream = TcpStream::connect_timeout(&to, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    answer(BufReader::with_capacity(1 << 16, stream))
}

/// Reads an answer: status, head, body of any of the three kinds.
fn answer(mut reader: impl BufRead) -> Result<MetricsPage> {
    let status = head_line(&mut reader)?;
    if status.split(' ').nth(1) != Some("200") {
        bail!("the answer is {status:?}");
    }
    let (mut length, mut chunked) = (None, false);
    loop {
        let line = head_line(&mut reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').context("a head line without a colon")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<u64>().context("Content-Length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.eq_ignore_ascii_case("chunked");
        }
    }
    if chunked {
        return MetricsPage::read(BufReader::new(ChunkedBody {
            inner: reader,
            left: 0,
            state: ChunkState::First,
        }));
    }
    let mut body = reader.take(length.unwrap_or(u64::MAX));
    let page = MetricsPage::read(&mut body)?;
    if length.is_some() && body.limit() > 0 {
        bail!("the page ends {} bytes too early", body.limit());
    }
    Ok(page)
}

/// A line of the head without its end.
fn head_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    reader.take(MAX_HEAD_LINE).read_line(&mut line)?;
    if !line.ends_with('\n') {
        bail!("the answer ends within its head");
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    First,
    Within,
    Done,
}

/// A body in chunks. Ends with an error if the last chunk never comes, so that a cut page is not taken for whole.
struct ChunkedBody<R> {
    inner: R,
    left: u64,
    state: ChunkState,
}

impl<R: BufRead> ChunkedBody<R> {
    /// Reads the line that begins the next chunk, and the end of the one before.
    fn next_chunk(&mut self) -> io::Result<()> {
        let line = |inner: &mut R| head_line(inner).map_err(io::Error::other);
        if self.state == ChunkState::Within && !line(&mut self.inner)?.is_empty() {
            return Err(io::Error::other("a chunk longer than it said"));
        }
        self.state = ChunkState::Within;
        let size = line(&mut self.inner)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
        if self.left == 0 {
            self.state = ChunkState::Done;
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ChunkedBody<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.state != ChunkState::Done {
            self.next_chunk()?;
        }
        if self.state == ChunkState::Done {
            return Ok(0);
        }
        let count = (&mut self.inner).take(self.left).read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::answer;

    fn total(text: &str) -> Result<u128, String> {
        answer(text.as_bytes())
            .map(|page| page.total("a").integers)
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn all_three_kinds_of_body_are_read() {
        assert_eq!(total("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\na 1\na 2\nrest"), Ok(3));
        assert_eq!(total("HTTP/1.0 200 OK\r\n\r\na 1\na 2\na 3\n"), Ok(6));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na 1\na\r\n3;x=y\r\n 2\n\r\n0\r\n\r\n";
        assert_eq!(total(chunked), Ok(3));
    }

    #[test]
    fn a_cut_page_is_an_error() {
        assert!(total("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na 1\na 2\n").is_err());
        assert!(
            total("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\na 1\n\r\n").is_err()
        );
        assert!(total("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\na 1\n").is_err());
        assert!(total("HTTP/1.1 200 OK\r\n").is_err());
    }

    #[test]
    fn other_answers_are_errors() {
        assert!(total("HTTP/1.1 404 Not Found\r\n\r\na 1\n").unwrap_err().contains("404"));
        assert!(total("").is_err());
    }
}
