//! A far end that does as the test says: for faults that a real service cannot be made to have.
//!
//! It speaks HTTP/1.1 over TCP or TLS, keeps each request, and asks the test's script for each answer.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use flate2::read::GzDecoder;
use parking_lot::{Condvar, Mutex};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

/// What the server sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Unpacked, as text.
    pub(crate) body: String,
    /// As sent.
    pub(crate) bytes: Vec<u8>,
}

impl Request {
    /// A header's value, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// An answer with more headers, each ended by CR LF, and a body.
    Answer(u16, String, String),
    /// None, until the peer is dropped.
    Stall,
    /// Half of the body of a 200, then none, until the peer is dropped.
    StallInBody(String),
    /// Half of the body of a 200, then the end of the connection.
    CutInBody(String),
    /// The connection is reset.
    Reset,
}

impl Reply {
    /// An answer without further headers.
    pub(crate) fn status(status: u16, body: &str) -> Self {
        Self::Answer(status, String::new(), body.to_owned())
    }
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    connections: Mutex<Vec<TcpStream>>,
    over: Mutex<bool>,
    over_told: Condvar,
}

/// A running peer. Dropping it closes all its connections.
pub(crate) struct Peer {
    shared: Arc<Shared>,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Peer {
    /// Listens on a free port.
    pub(crate) fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"), None, script)
    }

    /// Listens with TLS.
    pub(crate) fn start_tls(
        tls: Arc<ServerConfig>,
        script: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").expect("a free port"), Some(tls), script)
    }

    /// Takes over a socket that listens.
    #[expect(clippy::disallowed_methods, reason = "a peer is a program of its own")]
    pub(crate) fn start_on(
        listener: TcpListener,
        tls: Option<Arc<ServerConfig>>,
        script: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            connections: Mutex::default(),
            over: Mutex::new(false),
            over_told: Condvar::new(),
        });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *all.over.lock() {
                    return;
                }
                all.connections.lock().push(stream.try_clone().expect("a descriptor"));
                let (all, tls) = (Arc::clone(&all), tls.clone());
                thread::spawn(move || {
                    // A client that goes away ends its connection's thread, and nothing else.
                    let _ = match tls {
                        None => all.serve(&stream, &stream),
                        Some(tls) => ServerConnection::new(tls)
                            .map_err(io::Error::other)
                            .and_then(|tls| all.serve(StreamOwned::new(tls, &stream), &stream)),
                    };
                    all.forget(&stream);
                });
            }
        });
        Self { shared, port }
    }

    /// Another script from now on.
    pub(crate) fn script(&self, script: impl FnMut(&Request) -> Reply + Send + 'static) {
        *self.shared.script.lock() = Box::new(script);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        *self.shared.over.lock() = true;
        self.shared.over_told.notify_all();
        for connection in self.shared.connections.lock().drain(..) {
            let _ = connection.shutdown(Shutdown::Both); // it may be closed already
        }
        drop(TcpStream::connect(("127.0.0.1", self.port))); // ends the wait for the next
    }
}

impl Shared {
    /// Without this the descriptor that is kept for the end would keep the connection open.
    fn forget(&self, ended: &TcpStream) {
        let address = ended.peer_addr().ok();
        self.connections.lock().retain(|open| open.peer_addr().ok() != address);
    }

    fn serve(&self, stream: impl Read + Write, tcp: &TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read(&mut stream)? {
            let reply = (self.script.lock())(&request);
            let last = request.header("connection") == Some("close");
            self.requests.lock().push(request);
            match reply {
                Reply::Answer(status, headers, body) => {
                    let head = format!("HTTP/1.1 {status} X\r\n{headers}");
                    let length = if status == 204 {
                        String::new()
                    } else {
                        format!("Content-Length: {}\r\n", body.len())
                    };
                    write!(stream.get_mut(), "{head}{length}\r\n{body}")?;
                    stream.get_mut().flush()?;
                    if last {
                        return Ok(());
                    }
                }
                Reply::Stall => {
                    self.wait_for_the_end();
                    return Ok(());
                }
                Reply::StallInBody(body) => {
                    half(stream.get_mut(), &body)?;
                    self.wait_for_the_end();
                    return Ok(());
                }
                Reply::CutInBody(body) => return half(stream.get_mut(), &body),
                Reply::Reset => {
                    SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO))?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn wait_for_the_end(&self) {
        let mut over = self.over.lock();
        while !*over {
            self.over_told.wait(&mut over);
        }
    }
}

/// A 200 with the first half of its body.
fn half(stream: &mut impl Write, body: &str) -> io::Result<()> {
    let (sent, length) = (&body[..body.len() / 2], body.len());
    write!(stream, "HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{sent}")?;
    stream.flush()
}

/// One request; `None` at the end of the connection.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request =
        Request { method, path, headers: Vec::new(), body: String::new(), bytes: Vec::new() };
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        request.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    if request.header("content-encoding") == Some("gzip") {
        GzDecoder::new(&body[..]).read_to_string(&mut request.body)?;
    } else {
        request.body = String::from_utf8_lossy(&body).into_owned();
    }
    request.bytes = body;
    Ok(Some(request))
}
