//! A small HTTP client: one request per connection, all of the answer, nothing hidden.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use flate2::read::GzDecoder;
use socket2::{Domain, Socket, Type};

use super::wait::deadline;

/// One answer, its body with chunks joined but not decompressed.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// Header lines in order, names as sent.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// A header's value, by its name in any letter case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text, decompressed if the answer says that it is compressed.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if self.header("Content-Encoding") == Some("gzip") {
            GzDecoder::new(&self.body[..])
                .read_to_string(&mut text)
                .expect("the body is gzip of UTF-8");
        } else {
            (&self.body[..]).read_to_string(&mut text).expect("the body is UTF-8");
        }
        text
    }
}

/// `GET path` without further headers.
pub(crate) fn get(port: u16, path: &str) -> io::Result<Response> {
    request(port, "GET", path, &[])
}

/// One request with the headers given besides `Host` and `Connection: close`.
pub(crate) fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Response> {
    parse(&raw(port, head(method, path, headers).as_bytes())?)
}

/// The server's own families, which are ready before the page as a whole is: the client leaves once it has them. No
/// user's family may have a name before `process`.
pub(crate) fn own_families(port: u16) -> io::Result<String> {
    const NEXT: &str = "# HELP process_";
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(deadline()))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?; // without chunks
    let (mut answer, mut buffer) = (Vec::new(), [0; 16 << 10]);
    loop {
        let read = stream.read(&mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Some(end) = body.find(NEXT)
        {
            return Ok(body[..end].to_owned());
        }
        if read == 0 {
            return Err(io::Error::other(format!("no {NEXT:?} in {text:?}")));
        }
    }
}

/// [`request`] from this address of the loopback network, so that the server sees another client.
pub(crate) fn request_from(
    from: Ipv4Addr,
    port: u16,
    path: &str,
    headers: &[(&str, &str)],
) -> io::Result<Response> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    parse(&exchange(socket.into(), head("GET", path, headers).as_bytes())?)
}

/// A request's head with the headers given besides `Host` and `Connection: close`.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([*name, ": ", *value, "\r\n"]);
    }
    head.push_str("\r\n");
    head
}

/// Sends bytes and returns all that comes back until the server closes.
///
/// An answer that came before the server reset the connection (it need not read a request that it refuses) is an
/// answer; with none at all the error is passed on.
pub(crate) fn raw(port: u16, request: &[u8]) -> io::Result<Vec<u8>> {
    exchange(TcpStream::connect(("127.0.0.1", port))?, request)
}

/// [`raw`] over a connection that stands.
pub(crate) fn exchange(mut stream: TcpStream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(deadline()))?;
    stream.set_write_timeout(Some(deadline()))?;
    let written = stream.write_all(request);
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        written?;
        read?;
    }
    Ok(answer)
}

/// Takes an answer apart.
pub(crate) fn parse(answer: &[u8]) -> io::Result<Response> {
    let bad = |what: &str| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{what}: {} …", answer[..answer.len().min(200)].escape_ascii()),
        )
    };
    let end =
        answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| bad("no end of head"))?;
    let head = str::from_utf8(&answer[..end]).map_err(|_| bad("head is not UTF-8"))?;
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers = lines
        .map(|line| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| bad("a header line without a colon"))?;
    let mut reply = Response {
        status: status.ok_or_else(|| bad("no status"))?,
        headers,
        body: answer[end + 4..].to_vec(),
    };
    if reply.header("Transfer-Encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
        reply.body = dechunk(&reply.body).ok_or_else(|| bad("torn chunks"))?;
    }
    Ok(reply)
}

/// Joins the chunks of a body; `None` unless it ends with the empty chunk.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while !rest.is_empty() {
        let line_end = rest.windows(2).position(|w| w == b"\r\n")?;
        let size =
            usize::from_str_radix(str::from_utf8(&rest[..line_end]).ok()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let start = line_end + 2;
        body.extend_from_slice(rest.get(start..start + size)?);
        rest = rest.get(start + size + 2..)?;
    }
    // HEAD has the header but no body at all.
    body.is_empty().then_some(body)
}
