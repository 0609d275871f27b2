//! The attacks, in the order of the table: what each connection does, how many there are, and against which server.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::flood::FloodPlan;
use crate::script::{ReadMode, Script};
use crate::server::ServerSetup;
use crate::tls;

/// Which server is attacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// One on its defaults.
    Plain,
    /// One that speaks TLS.
    Tls,
    /// One with 64 descriptors.
    FewDescriptors,
}

impl ServerKind {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::FewDescriptors];

    /// Where its socket and its log are.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::FewDescriptors => "few-descriptors",
        }
    }

    /// How it is started; what it reads is written to this folder.
    ///
    /// # Errors
    /// No certificate can be made or written.
    pub(crate) fn setup(self, folder: &Path) -> Result<ServerSetup> {
        match self {
            Self::Plain => Ok(ServerSetup::default()),
            Self::Tls => tls::setup(folder),
            Self::FewDescriptors => {
                Ok(ServerSetup { descriptors_max: Some(64), ..ServerSetup::default() })
            }
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    /// The word that `-only` knows it by.
    pub(crate) word: &'static str,
    /// What it does, for the table.
    pub(crate) title: &'static str,
    pub(crate) server_kind: ServerKind,
    /// What connections do, by turns.
    pub(crate) scripts: Vec<Script>,
    pub(crate) plan: FloodPlan,
}

/// A request that is whole.
const GET: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The beginning of one that is not.
const GET_AND: &str = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
/// How HTTP/2 begins where both sides know that they speak it, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const TERABYTE: u64 = 1_000_000_000_000;
const MIB: usize = 1 << 20;

/// All of them; `hello` is what a TLS client says first.
pub(crate) fn all(hello: &[u8]) -> Vec<Attack> {
    let plain = |word, title, scripts: Vec<Script>, plan| Attack {
        word,
        title,
        server_kind: ServerKind::Plain,
        scripts,
        plan,
    };
    vec![
        plain("silent", "10,000 silent connections", vec![Script::silent()], plan(10_000, 4, 8)),
        plain("drip", "1,000 heads at a byte a second", vec![dripped()], plan(1_000, 1, 13)),
        plain("preface", "10,000 HTTP/2 prefaces", vec![Script::new(PREFACE)], plan(10_000, 4, 6)),
        plain("version", "10,000 `HTTP/2.0` request lines", vec![version()], plan(10_000, 4, 6)),
        plain(
            "body",
            "600 bodies announced as 1 TB, sent as far as taken",
            bodies(),
            plan(600, 3, 6),
        ),
        plain("pipeline", "1,000 pipelined requests", vec![pipeline()], plan(1, 0, 8)),
        plain("head", "400 heads of 1 MB", heads(), plan(400, 3, 6)),
        plain(
            "hello",
            "1,000 TLS hellos on the plain port",
            vec![Script::new(hello)],
            plan(1_000, 3, 6),
        ),
        plain("reset", "1,000 resets in the middle of a page", vec![reset()], plan(1_000, 4, 6)),
        plain("slow", "200 scrapers that read a byte a second", vec![slow()], plan(200, 1, 12)),
        Attack {
            word: "plain",
            title: "1,000 plain requests on the TLS port",
            server_kind: ServerKind::Tls,
            scripts: vec![Script::new(GET)],
            plan: plan(1_000, 3, 6),
        },
        Attack {
            word: "descriptors",
            title: "200 connections held under `ulimit -n 64`",
            server_kind: ServerKind::FewDescriptors,
            scripts: vec![
                Script::silent(),
                Script::new("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            ],
            plan: plan(200, 1, 6),
        },
    ]
}

/// So many connections, opened over so many seconds, closed after so many.
const fn plan(connections: usize, opening_seconds: u64, seconds: u64) -> FloodPlan {
    FloodPlan {
        connections,
        opening_time: Duration::from_secs(opening_seconds),
        duration: Duration::from_secs(seconds),
    }
}

fn dripped() -> Script {
    Script::new(format!("{GET_AND}X-Padding: {}\r\n\r\n", "a".repeat(200))).drip()
}

fn version() -> Script {
    Script::new("GET /metrics HTTP/2.0\r\nHost: localhost\r\n\r\n")
}

/// With a length and in chunks, for a path that takes none and one that is not there.
fn bodies() -> Vec<Script> {
    let body = |line: &str, framing: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
        Script::new(head)
    };
    let length = format!("Content-Length: {TERABYTE}");
    let chunk = format!("Transfer-Encoding: chunked\r\n\r\n{TERABYTE:x}");
    let mut scripts = Vec::new();
    for line in ["GET /metrics", "POST /metrics", "POST /nothing-here"] {
        scripts.push(body(line, &length).then(vec![b'x'; 64 << 10], 16));
        // The empty line behind the head stands in `chunk` already.
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{chunk}\r\n");
        scripts.push(Script::new(head).then(vec![b'x'; 64 << 10], 16));
    }
    scripts
}

fn pipeline() -> Script {
    Script::silent().then(GET, 1_000)
}

/// One field of 1 MB, and as many short ones as go into it.
fn heads() -> Vec<Script> {
    let field = "X-Padding: aaaaaaaaaaaaaaaaaaa\r\n";
    vec![
        Script::new(format!("{GET_AND}X-Padding: ")).then(vec![b'a'; 64 << 10], 16),
        Script::new(GET_AND).then(field, MIB / field.len()),
        Script::new("GET /").then(vec![b'a'; 64 << 10], 16),
    ]
}

/// Pages that are asked for where the server has to be in the middle of one: more than the kernel's buffers take.
const PAGES: usize = 16;

fn reset() -> Script {
    Script::silent().then(GET, PAGES).reading(ReadMode::ThenResets(4 << 10))
}

fn slow() -> Script {
    Script::silent().then(GET, PAGES).reading(ReadMode::ByteASecond)
}
