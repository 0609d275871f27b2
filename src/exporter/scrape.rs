//! Making a page, piece by piece.
//!
//! A plain page is made while it is sent, each piece when the client has taken the one before: a million
//! series need no buffer of their text. A compressed one is a tenth of that; it is made once for all
//! scrapes that ask at the same moment, and kept until they have it. The directory is held while a
//! piece is made, and given back before it goes to a client or is compressed: who reads slowly holds a
//! piece and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::clock;
use crate::exporter::expiry_timer::{ExpiryTimer, ExpiryTotals};
use crate::exporter::http::answer::Pages;
use crate::exporter::http::body::{Body, Content, Made};
use crate::exporter::http::stats::HttpStats;
use crate::exporter::own::{self, Sources};
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::exposition::walk::Walk;
use crate::registry::Registry;
use crate::registry::directory::Directory;
use crate::sinks::books::AllBooks;
use crate::stats::Stats;
use crate::stats::{Counter, WorkerStats};

mod flight;
mod gzip;

use self::flight::Flight;
use self::gzip::Gzip;

/// Everything a page is made of, and the pages themselves.
#[derive(Debug)]
pub(crate) struct Scrape {
    registry: Arc<Registry>,
    directory: Mutex<Directory>,
    stats: Stats,
    udp_sockets: UdpSocketStats,
    expiry: Option<ExpiryTimer>,
    http: Arc<HttpStats>,
    sinks: AllBooks,
    log_suppressed: fn() -> u64,
    ready: AtomicBool,
    last_page_ns: AtomicU64,
    last_page_bytes: AtomicU64,
    gzip: Flight,
}

impl Scrape {
    /// Over the registry, the workers' counters, their sockets, and expiry where it is on.
    pub(crate) fn new(
        registry: Arc<Registry>,
        stats: Stats,
        udp_sockets: UdpSocketStats,
        expiry: Option<ExpiryTimer>,
        (http, sinks): (Arc<HttpStats>, AllBooks),
        log_suppressed: fn() -> u64,
    ) -> Self {
        Self {
            directory: Mutex::new(Directory::new(Arc::clone(&registry))),
            registry,
            stats,
            udp_sockets,
            expiry,
            http,
            sinks,
            log_suppressed,
            ready: AtomicBool::new(true),
            last_page_ns: AtomicU64::new(0),
            last_page_bytes: AtomicU64::new(0),
            gzip: Flight::default(),
        }
    }

    /// From now on `/health` and `/-/ready` say no.
    pub(crate) fn set_unready(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// Says what was received and what became of it, for the log of a stop.
    pub(crate) fn log_books(&self) {
        let sum = |count: fn(&WorkerStats) -> u64| self.stats.iter().map(|s| count(s)).sum::<u64>();
        log::info!(
            "Received {} datagrams, {} messages: {} accepted, {} rejected; the kernel dropped {} datagrams",
            sum(|worker| worker.datagrams.get()),
            sum(|worker| worker.framed.get()),
            sum(|worker| worker.accepted.iter().map(Counter::get).sum()),
            sum(|worker| worker.rejected.iter().map(Counter::get).sum()),
            self.udp_sockets.read().iter().map(|socket| socket.drops).sum::<u64>(),
        );
    }

    /// Work on the exporter's timer; returns when the next is due.
    pub(crate) fn tick(&self) -> std::time::Duration {
        // Drops are counted in 32 bits by the kernel: read long before they can wrap.
        self.udp_sockets.read();
        match &self.expiry {
            Some(expiry) => expiry.pass(&self.directory),
            None => std::time::Duration::from_secs(10),
        }
    }

    /// Begins a page. The books are read before any cell: what is booked on a page stands on it.
    fn begin(&self) -> Making<'_> {
        let began_ns = clock::now_ns();
        let sources = Sources {
            stats: &self.stats,
            udp_sockets: &self.udp_sockets.read(),
            registry: &self.registry,
            passes: &self.expiry.as_ref().map_or_else(ExpiryTotals::default, ExpiryTimer::passes),
            http: &self.http,
            sinks: &self.sinks,
            last_page: (
                self.last_page_ns.load(Ordering::Relaxed),
                self.last_page_bytes.load(Ordering::Relaxed),
            ),
            log_suppressed: (self.log_suppressed)(),
        };
        let texts = own::texts(&sources);
        let series = {
            let mut directory = self.directory.lock();
            directory.merge_new_cells();
            directory.series()
        };
        let walk = Walk::new(own::add_series(texts, series));
        Making { scrape: self, walk, first: Vec::new(), ns: clock::now_ns() - began_ns, bytes: 0 }
    }

    /// Tells the next page what this one took.
    fn account(&self, ns: u64, bytes: usize) {
        self.last_page_ns.store(ns, Ordering::Relaxed);
        self.last_page_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// A page that fits a piece is whole; of a larger one the first piece is made already.
    fn plain(&self) -> Content<'_> {
        let mut making = self.begin();
        let mut first = Vec::new();
        making.piece(&mut first);
        if making.walk.is_done() {
            self.account(making.ns, first.len());
            return Content::Whole(Arc::new(Body::new(vec![first])));
        }
        making.first = first;
        Content::Made(Box::new(making))
    }

    fn gzip_body(&self) -> Body {
        let began_ns = clock::now_ns();
        let mut making = self.begin();
        let mut gzip = Gzip::new();
        let mut piece = Vec::new();
        while !making.walk.is_done() {
            piece.clear();
            making.piece(&mut piece);
            gzip.add(&piece);
        }
        let body = gzip.finish();
        self.account(clock::now_ns() - began_ns, body.len());
        body
    }
}

/// A page that has been begun.
#[derive(Debug)]
struct Making<'a> {
    scrape: &'a Scrape,
    walk: Walk,
    /// The first piece, until it is taken.
    first: Vec<u8>,
    /// Time that making took so far, without that of the client.
    ns: u64,
    bytes: usize,
}

impl Making<'_> {
    /// Appends the next piece.
    fn piece(&mut self, piece: &mut Vec<u8>) {
        let (began_ns, before) = (clock::now_ns(), piece.len());
        self.walk.fill(&self.scrape.directory.lock(), piece);
        self.ns += clock::now_ns() - began_ns;
        self.bytes += piece.len() - before;
    }
}

impl Made for Making<'_> {
    fn next(&mut self, piece: &mut Vec<u8>) {
        if !self.first.is_empty() {
            piece.append(&mut self.first);
            self.first = Vec::new();
        } else if !self.walk.is_done() {
            self.piece(piece);
            if self.walk.is_done() {
                self.scrape.account(self.ns, self.bytes);
            }
        }
    }
}

impl Pages for Scrape {
    fn metrics(&self, gzip: bool) -> Content<'_> {
        if gzip { Content::Whole(self.gzip.share(|| self.gzip_body())) } else { self.plain() }
    }

    fn live(&self) -> bool {
        true // a dead thread ends the process
    }

    fn ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn landing(&self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><title>metrics-server</title></head><body>\n\
             <h1>metrics-server {}</h1>\n<ul>\n<li><a href=\"/metrics\">Metrics</a></li>\n\
             <li><a href=\"/-/healthy\">Alive</a></li>\n<li><a href=\"/-/ready\">Ready</a></li>\n\
             </ul>\n</body></html>\n",
            env!("CARGO_PKG_VERSION")
        )
    }
}
