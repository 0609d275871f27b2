//! A node that speaks CQL v4 and does as the test says: for faults that a real one cannot be made to have.
//!
//! It knows one table, takes its inserts apart, and asks the test's script for each answer.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Columns of a table: name, kind and type, as `system_schema.columns` has them.
pub(crate) type Columns = &'static [[&'static str; 3]];

/// The table of the original's code.
pub(crate) const OLD_TABLE: Columns = &[
    ["labels", "partition_key", "frozen<map<text, text>>"],
    ["name", "partition_key", "text"],
    ["timestamp", "clustering", "timestamp"],
    ["value", "regular", "double"],
];

/// The table that the server makes.
const NEW_TABLE: Columns = &[
    ["labels", "partition_key", "frozen<map<text, text>>"],
    ["name", "partition_key", "text"],
    ["seq", "clustering", "bigint"],
    ["timestamp", "clustering", "timestamp"],
    ["value", "regular", "double"],
];

/// An insert.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Insert {
    pub(crate) connection: usize,
    pub(crate) statement: String,
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) ms: i64,
    pub(crate) value: f64,
    pub(crate) seq: Option<i64>,
    /// 1 is ONE.
    pub(crate) consistency: u16,
    pub(crate) written_us: i64,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum CqlReply {
    /// It is done.
    Done,
    /// An error with CQL's code.
    Error(i32, &'static str),
    /// It is done, with a warning.
    Warn(&'static str),
    /// Done, and told after this time, while others are answered.
    After(Duration),
    /// No answer.
    Never,
    /// The connection is closed.
    Close,
}

type InsertScript = Box<dyn FnMut(&Insert) -> CqlReply + Send>;
type StatementScript = Box<dyn FnMut(&str) -> CqlReply + Send>;

struct NodeState {
    inserts: Mutex<InsertScript>,
    statements: Mutex<StatementScript>,
    table: Mutex<Option<Columns>>,
    /// This node's token, then its neighbours with theirs.
    ring: Mutex<(i64, Vec<(SocketAddr, i64)>)>,
    /// By their identity.
    prepared: Mutex<HashMap<Vec<u8>, String>>,
    /// Statements that are no questions about the cluster.
    asked: Mutex<Vec<String>>,
    stored: Mutex<Vec<Insert>>,
    faults: Mutex<Vec<String>>,
    connections: Mutex<Vec<TcpStream>>,
}

/// A running node. Dropping it closes its connections.
pub(crate) struct CqlPeer {
    shared: Arc<NodeState>,
    pub(crate) addr: SocketAddr,
}

impl CqlPeer {
    /// Listens on a free port, or at this address; without a table.
    pub(crate) fn start(addr: impl Into<Option<SocketAddr>>) -> Self {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into();
        let listener = TcpListener::bind(addr.into().unwrap_or(any)).expect("a free address");
        Self::start_on(listener)
    }

    /// Takes over a socket that listens.
    #[expect(clippy::disallowed_methods, reason = "a peer is a program of its own")]
    pub(crate) fn start_on(listener: TcpListener) -> Self {
        let addr = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(NodeState {
            inserts: Mutex::new(Box::new(|_| CqlReply::Done)),
            statements: Mutex::new(Box::new(|_| CqlReply::Done)),
            table: Mutex::new(None),
            ring: Mutex::new((0, Vec::new())),
            prepared: Mutex::default(),
            asked: Mutex::default(),
            stored: Mutex::default(),
            faults: Mutex::default(),
            connections: Mutex::default(),
        });
        let all = Arc::clone(&shared);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                stream.set_nodelay(true).expect("an option of TCP");
                all.connections.lock().push(stream.try_clone().expect("a descriptor"));
                let all = Arc::clone(&all);
                // A client that goes away ends its connection's thread, and nothing else.
                thread::spawn(move || drop(Connection::new(all, number, addr, stream).serve()));
            }
        });
        Self { shared, addr }
    }

    /// Has this table.
    pub(crate) fn table(self, columns: Columns) -> Self {
        *self.shared.table.lock() = Some(columns);
        self
    }

    /// Owns the tokens up to this one, beside neighbours who own those up to theirs. All have one port.
    #[allow(dead_code, reason = "needs a real node's tokens: only tests/services use it")]
    pub(crate) fn ring(&self, token: i64, neighbours: Vec<(SocketAddr, i64)>) {
        *self.shared.ring.lock() = (token, neighbours);
    }

    /// What is answered to inserts from now on.
    pub(crate) fn on_insert(&self, script: impl FnMut(&Insert) -> CqlReply + Send + 'static) {
        *self.shared.inserts.lock() = Box::new(script);
    }

    /// What is answered to statements that change the schema, and to preparing an insert.
    pub(crate) fn on_statement(&self, script: impl FnMut(&str) -> CqlReply + Send + 'static) {
        *self.shared.statements.lock() = Box::new(script);
    }

    /// The statements so far, without questions about cluster and schema.
    pub(crate) fn statements(&self) -> Vec<String> {
        self.shared.asked.lock().clone()
    }

    /// What was stored, in the order of its coming.
    pub(crate) fn stored(&self) -> Vec<Insert> {
        self.shared.stored.lock().clone()
    }

    /// What a client may not do: a request's number given again before its answer, or a connection used on
    /// which an answer is missing for six seconds.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.shared.faults.lock().clone()
    }
}

impl Drop for CqlPeer {
    fn drop(&mut self) {
        for connection in self.shared.connections.lock().drain(..) {
            let _ = connection.shutdown(Shutdown::Both); // it may be closed already
        }
    }
}

struct Connection {
    shared: Arc<NodeState>,
    number: usize,
    addr: SocketAddr,
    stream: TcpStream,
    writer: Arc<Mutex<TcpStream>>,
    /// Requests without an answer, with the time of their coming.
    open: Arc<Mutex<HashMap<i16, Instant>>>,
}

impl Connection {
    fn new(shared: Arc<NodeState>, number: usize, addr: SocketAddr, stream: TcpStream) -> Self {
        let writer = Arc::new(Mutex::new(stream.try_clone().expect("a descriptor")));
        Self { shared, number, addr, stream, writer, open: Arc::default() }
    }

    fn serve(mut self) -> io::Result<()> {
        loop {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let stream = i16::from_be_bytes([head[2], head[3]]);
            let len = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) as usize;
            let mut body = vec![0; len];
            self.stream.read_exact(&mut body)?;
            let mut body = Reader(&body);
            match head[4] {
                1 | 11 => self.answer(stream, 2, &[])?, // STARTUP, REGISTER: READY
                5 => self.answer(stream, 6, &[0, 0])?,  // OPTIONS: SUPPORTED
                7 => {
                    let text = body.long_text();
                    self.query(stream, &text)?;
                }
                9 => {
                    let text = body.long_text();
                    self.prepare(stream, text)?;
                }
                10 => self.execute(stream, &mut body)?,
                other => self.error(stream, 0x000A, &format!("opcode {other}"))?,
            }
        }
    }

    fn answer(&self, stream: i16, opcode: u8, body: &[u8]) -> io::Result<()> {
        frame(&self.writer, (stream, 0), opcode, body)
    }

    fn error(&self, stream: i16, code: i32, message: &str) -> io::Result<()> {
        let mut body = code.to_be_bytes().to_vec();
        text(&mut body, message);
        self.answer(stream, 0, &body)
    }

    fn warned(&self, stream: i16, message: &str) -> io::Result<()> {
        let mut body = vec![0, 1];
        text(&mut body, message);
        body.extend_from_slice(&1_i32.to_be_bytes());
        frame(&self.writer, (stream, 0x08), 8, &body)
    }

    fn void(&self, stream: i16) -> io::Result<()> {
        self.answer(stream, 8, &1_i32.to_be_bytes())
    }

    fn query(&self, stream: i16, query: &str) -> io::Result<()> {
        if query.contains("FROM system.local") {
            return self.answer(stream, 8, &self.local());
        }
        if query.contains("FROM system.peers_v2") {
            return self.error(stream, 0x2200, "unconfigured table peers_v2"); // as ScyllaDB
        }
        if query.contains("FROM system.peers") {
            return self.answer(stream, 8, &self.peers());
        }
        if query.contains("toJson(replication)") {
            let once = r#"{"class":"org.apache.cassandra.locator.SimpleStrategy","replication_factor":"1"}"#;
            let row = ["tracking", once].map(|text| text.as_bytes().to_vec()).to_vec();
            let columns = [("keyspace_name", VARCHAR), ("replication", VARCHAR)];
            return self.answer(stream, 8, &rows_of(&columns, [row]));
        }
        if query.contains("FROM system_schema.columns") {
            let columns = self.shared.table.lock().unwrap_or_default();
            let rows = columns.iter().map(|row| row.map(|text| text.as_bytes().to_vec()).to_vec());
            let names = ["column_name", "kind", "type"];
            return self.answer(stream, 8, &rows_of(&names.map(|name| (name, VARCHAR)), rows));
        }
        if query.starts_with("SELECT") {
            let none = rows_of(&[("keyspace_name", VARCHAR)], []);
            return self.answer(stream, 8, &none);
        }
        if let Some(done) = self.by_script(stream, query) {
            return done;
        }
        if query.starts_with("CREATE TABLE") {
            *self.shared.table.lock() = Some(NEW_TABLE);
        }
        self.void(stream)
    }

    /// Keeps the statement; what the script wants besides doing it.
    fn by_script(&self, stream: i16, statement: &str) -> Option<io::Result<()>> {
        self.shared.asked.lock().push(statement.to_owned());
        match (self.shared.statements.lock())(statement) {
            CqlReply::Done | CqlReply::After(_) => None,
            CqlReply::Warn(message) => Some(self.warned(stream, message)),
            CqlReply::Error(code, message) => Some(self.error(stream, code, message)),
            CqlReply::Never => Some(Ok(())),
            CqlReply::Close => Some(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    /// This node's row.
    fn local(&self) -> Vec<u8> {
        let token = self.shared.ring.lock().0;
        rows_of(&[&NODE[..], &[("broadcast_address", INET)]].concat(), [node(self.addr, token)])
    }

    /// Its neighbours' rows.
    fn peers(&self) -> Vec<u8> {
        let neighbours = self.shared.ring.lock().1.clone();
        let rows = neighbours.iter().map(|(addr, token)| node(*addr, *token));
        rows_of(&[&NODE[..], &[("peer", INET)]].concat(), rows)
    }

    fn prepare(&self, stream: i16, statement: String) -> io::Result<()> {
        if let Some(done) = self.by_script(stream, &statement) {
            return done;
        }
        let id = format!("{statement:32.32}").into_bytes();
        let mut body = 4_i32.to_be_bytes().to_vec();
        body.extend_from_slice(&32_i16.to_be_bytes());
        body.extend_from_slice(&id);
        let mut columns: Vec<_> =
            vec![("name", VARCHAR), ("labels", MAP), ("timestamp", TIMESTAMP), ("value", DOUBLE)];
        if statement.contains("seq") {
            columns.push(("seq", BIGINT));
        }
        body.extend_from_slice(&1_i32.to_be_bytes()); // one table for all columns
        body.extend_from_slice(&i32::try_from(columns.len()).unwrap().to_be_bytes());
        body.extend_from_slice(&2_i32.to_be_bytes()); // columns of the partition key: these
        body.extend_from_slice(&[0, 0, 0, 1]);
        specs(&mut body, &columns);
        body.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 0]); // an answer without columns
        self.shared.prepared.lock().insert(id, statement);
        self.answer(stream, 8, &body)
    }

    #[expect(clippy::disallowed_methods, reason = "a peer is a program of its own")]
    fn execute(&self, stream: i16, body: &mut Reader<'_>) -> io::Result<()> {
        self.check(stream);
        let id_len = body.u16();
        let id = body.take(id_len.into());
        let Some(statement) = self.shared.prepared.lock().get(id).cloned() else {
            self.open.lock().remove(&stream);
            return self.unprepared(stream, id);
        };
        let insert = self.insert(statement, body);
        let reply = (self.shared.inserts.lock())(&insert);
        if matches!(reply, CqlReply::Done | CqlReply::Warn(_) | CqlReply::After(_)) {
            self.shared.stored.lock().push(insert);
        }
        match reply {
            CqlReply::Done => {
                self.open.lock().remove(&stream);
                self.void(stream)
            }
            CqlReply::Warn(message) => {
                self.open.lock().remove(&stream);
                self.warned(stream, message)
            }
            CqlReply::Error(code, message) => {
                self.open.lock().remove(&stream);
                self.error(stream, code, message)
            }
            CqlReply::After(pause) => {
                let (writer, open) = (Arc::clone(&self.writer), Arc::clone(&self.open));
                thread::spawn(move || {
                    thread::sleep(pause);
                    open.lock().remove(&stream);
                    frame(&writer, (stream, 0), 8, &1_i32.to_be_bytes())
                });
                Ok(())
            }
            CqlReply::Never => Ok(()),
            CqlReply::Close => self.stream.shutdown(Shutdown::Both),
        }
    }

    /// Notes what a client may not do.
    fn check(&self, stream: i16) {
        let mut open = self.open.lock();
        if open.values().any(|came| came.elapsed() > Duration::from_secs(6)) {
            let fault = format!("connection {} is used, an answer is missing", self.number);
            self.shared.faults.lock().push(fault);
        }
        if open.insert(stream, Instant::now()).is_some() {
            let fault = format!("number {stream} of connection {} again", self.number);
            self.shared.faults.lock().push(fault);
        }
    }

    /// The statement was prepared on another node.
    fn unprepared(&self, stream: i16, id: &[u8]) -> io::Result<()> {
        let mut body = 0x2500_i32.to_be_bytes().to_vec();
        text(&mut body, "not prepared here");
        body.extend_from_slice(&u16::try_from(id.len()).unwrap().to_be_bytes());
        body.extend_from_slice(id);
        self.answer(stream, 0, &body)
    }

    fn insert(&self, statement: String, body: &mut Reader<'_>) -> Insert {
        let consistency = body.u16();
        let flags = body.take(1)[0];
        assert_eq!(flags & 0x21, 0x21, "values and a time of writing");
        let values: Vec<_> = (0..body.u16()).map(|_| body.value()).collect();
        if flags & 0x04 != 0 {
            body.take(4); // size of a page
        }
        if flags & 0x10 != 0 {
            body.take(2); // serial consistency
        }
        let number = |bytes: &[u8]| i64::from_be_bytes(bytes.try_into().unwrap());
        let mut map = Reader(values[1]);
        let labels = (0..map.i32()).map(|_| (map.string(), map.string())).collect();
        Insert {
            connection: self.number,
            statement,
            name: String::from_utf8(values[0].to_vec()).unwrap(),
            labels,
            ms: number(values[2]),
            value: f64::from_be_bytes(values[3].try_into().unwrap()),
            seq: values.get(4).map(|seq| number(seq)),
            consistency,
            written_us: number(body.take(8)),
        }
    }
}

const VARCHAR: &[u8] = &[0, 0x0D];
const INET: &[u8] = &[0, 0x10];
const UUID: &[u8] = &[0, 0x0C];
const TIMESTAMP: &[u8] = &[0, 0x0B];
const DOUBLE: &[u8] = &[0, 0x07];
const BIGINT: &[u8] = &[0, 0x02];
const SET_OF_VARCHAR: &[u8] = &[0, 0x22, 0, 0x0D];
const MAP: &[u8] = &[0, 0x21, 0, 0x0D, 0, 0x0D];

/// Columns about a node, and one more with its address again.
const NODE: [(&str, &[u8]); 6] = [
    ("rpc_address", INET),
    ("host_id", UUID),
    ("schema_version", UUID),
    ("data_center", VARCHAR),
    ("rack", VARCHAR),
    ("tokens", SET_OF_VARCHAR),
];

/// A node's row.
fn node(addr: SocketAddr, token: i64) -> Vec<Vec<u8>> {
    let SocketAddr::V4(addr) = addr else { panic!("an IPv4 address") };
    let ip = addr.ip().octets().to_vec();
    let token = token.to_string();
    let mut tokens = 1_i32.to_be_bytes().to_vec();
    tokens.extend_from_slice(&i32::try_from(token.len()).unwrap().to_be_bytes());
    tokens.extend_from_slice(token.as_bytes());
    let host_id = ip.repeat(4);
    vec![ip.clone(), host_id, vec![8; 16], b"dc".to_vec(), b"rack".to_vec(), tokens, ip]
}

/// Sends an answer: to which request, and with which flags.
fn frame(
    writer: &Mutex<TcpStream>,
    (stream, flags): (i16, u8),
    opcode: u8,
    body: &[u8],
) -> io::Result<()> {
    let mut frame = vec![0x84, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.push(opcode);
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(body);
    writer.lock().write_all(&frame)
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The columns of one table.
fn specs(out: &mut Vec<u8>, columns: &[(&str, &[u8])]) {
    text(out, "tracking");
    text(out, "metrics");
    for (name, kind) in columns {
        text(out, name);
        out.extend_from_slice(kind);
    }
}

/// A result with rows.
fn rows_of(columns: &[(&str, &[u8])], rows: impl IntoIterator<Item = Vec<Vec<u8>>>) -> Vec<u8> {
    let int = |len: usize| i32::try_from(len).unwrap().to_be_bytes();
    let mut body = 2_i32.to_be_bytes().to_vec();
    body.extend_from_slice(&1_i32.to_be_bytes()); // one table for all columns
    body.extend_from_slice(&int(columns.len()));
    specs(&mut body, columns);
    let rows: Vec<_> = rows.into_iter().collect();
    body.extend_from_slice(&int(rows.len()));
    for value in rows.iter().flatten() {
        body.extend_from_slice(&int(value.len()));
        body.extend_from_slice(value);
    }
    body
}

/// Takes a body apart; one that ends too soon is a fault of the client, and ends the test's thread.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn value(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.i32()).expect("no value is null");
        self.take(len)
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.value().to_vec()).unwrap()
    }

    fn long_text(&mut self) -> String {
        self.string()
    }
}
