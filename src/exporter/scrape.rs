//! Making a page, once for all scrapes that ask at the same moment.
//!
//! A scrape that comes while a page is being made waits for the next one, since what its client has
//! sent before may be missing from this one; all that wait share it. So at most two pages of an
//! encoding exist at a time, whatever the number of scrapers. The directory is held while a page is
//! made, and given back before a byte of it goes to a client.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::{Condvar, Mutex};

use crate::clock;
use crate::exporter::http::answer::Pages;
use crate::exporter::http::body::Body;
use crate::exporter::http::stats::HttpStats;
use crate::exporter::kernel::Kernel;
use crate::exporter::own::{self, Sources};
use crate::exporter::retire::{Passes, Retire};
use crate::exposition::page::Page;
use crate::registry::birth::Births;
use crate::registry::directory::Directory;
use crate::sinks::books::AllBooks;
use crate::stats::Stats;
use crate::stats::{Count, WorkerStats};

/// Everything a page is made of, and the pages themselves.
#[derive(Debug)]
pub struct Scrape {
    births: Arc<Births>,
    directory: Mutex<Directory>,
    stats: Stats,
    kernel: Kernel,
    retire: Option<Retire>,
    http: Arc<HttpStats>,
    sinks: AllBooks,
    log_suppressed: fn() -> u64,
    ready: AtomicBool,
    last_page_ns: AtomicU64,
    last_page_bytes: AtomicU64,
    plain: Flight,
    gzip: Flight,
}

impl Scrape {
    /// Over the registry, the workers' counters, their sockets, and expiry where it is on.
    pub fn new(
        births: Arc<Births>,
        stats: Stats,
        kernel: Kernel,
        retire: Option<Retire>,
        (http, sinks): (Arc<HttpStats>, AllBooks),
        log_suppressed: fn() -> u64,
    ) -> Self {
        Self {
            directory: Mutex::new(Directory::new(Arc::clone(&births))),
            births,
            stats,
            kernel,
            retire,
            http,
            sinks,
            log_suppressed,
            ready: AtomicBool::new(true),
            last_page_ns: AtomicU64::new(0),
            last_page_bytes: AtomicU64::new(0),
            plain: Flight::default(),
            gzip: Flight::default(),
        }
    }

    /// From now on `/health` and `/-/ready` say no.
    pub fn set_unready(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// Says what was received and what became of it, for the log of a stop.
    pub fn log_books(&self) {
        let sum = |count: fn(&WorkerStats) -> u64| self.stats.iter().map(|s| count(s)).sum::<u64>();
        log::info!(
            "Received {} datagrams, {} messages: {} accepted, {} rejected; the kernel dropped {} datagrams",
            sum(|worker| worker.datagrams.get()),
            sum(|worker| worker.framed.get()),
            sum(|worker| worker.accepted.iter().map(Count::get).sum()),
            sum(|worker| worker.rejected.iter().map(Count::get).sum()),
            self.kernel.read().iter().map(|socket| socket.drops).sum::<u64>(),
        );
    }

    /// Work on the exporter's timer; returns when the next is due.
    pub fn tick(&self) -> std::time::Duration {
        // Drops are counted in 32 bits by the kernel: read long before they can wrap.
        self.kernel.read();
        match &self.retire {
            Some(retire) => retire.pass(&self.directory),
            None => std::time::Duration::from_secs(10),
        }
    }

    /// Makes a page of the numbers of now, in pieces.
    fn render(&self, mut consume: impl FnMut(&mut Vec<u8>)) {
        let mut directory = self.directory.lock();
        let sources = Sources {
            stats: &self.stats,
            kernel: &self.kernel.read(),
            births: &self.births,
            passes: &self.retire.as_ref().map_or_else(Passes::default, Retire::passes),
            http: &self.http,
            sinks: &self.sinks,
            last_page: (
                self.last_page_ns.load(Ordering::Relaxed),
                self.last_page_bytes.load(Ordering::Relaxed),
            ),
            log_suppressed: (self.log_suppressed)(),
        };
        // The books are read before the cells: what is booked on a page stands on it.
        let texts = own::texts(&sources);
        directory.take_in();
        let mut own = own::add_series(texts, directory.series()).into_iter().peekable();
        let mut page = Page::new(&mut consume);
        for view in directory.views() {
            while let Some((_, text)) = own.next_if(|(name, _)| **name < *view.family.name) {
                page.text(&text);
            }
            page.family(view);
        }
        own.for_each(|(_, text)| page.text(&text));
        page.finish();
    }

    fn plain_body(&self) -> Body {
        let mut pieces = Vec::new();
        self.render(|piece| pieces.push(std::mem::take(piece)));
        Body::new(pieces)
    }

    fn gzip_body(&self) -> Body {
        // Level 1: the others cost a multiple and save a few percent of what travels once per scrape.
        let mut encoder = GzEncoder::new(Pieces::default(), Compression::fast());
        // Writing into memory does not fail.
        self.render(|piece| drop(encoder.write_all(piece)));
        let pieces = encoder.finish().unwrap_or_default();
        Body::new(pieces.0)
    }
}

impl Pages for Scrape {
    fn metrics(&self, gzip: bool) -> Arc<Body> {
        let flight = if gzip { &self.gzip } else { &self.plain };
        flight.share(|| {
            let began_ns = clock::now_ns();
            let body = if gzip { self.gzip_body() } else { self.plain_body() };
            self.last_page_ns.store(clock::now_ns() - began_ns, Ordering::Relaxed);
            self.last_page_bytes.store(body.len() as u64, Ordering::Relaxed);
            body
        })
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

/// Compressed bytes in pieces of a bounded size.
#[derive(Debug, Default)]
struct Pieces(Vec<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        const PIECE_BYTES: usize = 128 << 10;
        match self.0.last_mut() {
            Some(last) if last.len() + bytes.len() <= PIECE_BYTES => last.extend_from_slice(bytes),
            _ => {
                let mut piece = Vec::with_capacity(PIECE_BYTES.max(bytes.len()));
                piece.extend_from_slice(bytes);
                self.0.push(piece);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One page at a time, shared.
#[derive(Debug, Default)]
struct Flight {
    state: Mutex<FlightState>,
    landed: Condvar,
}

#[derive(Debug, Default)]
struct FlightState {
    /// Pages begun so far.
    begun: u64,
    /// The newest page that is ready, and its number; kept only while somebody waits for it.
    page: Option<(u64, Arc<Body>)>,
    flying: bool,
    waiting: usize,
}

impl Flight {
    /// A page that was begun after this call: made here, or by another that came a little earlier.
    fn share(&self, make: impl FnOnce() -> Body) -> Arc<Body> {
        let mut state = self.state.lock();
        let wanted = state.begun + 1;
        state.waiting += 1;
        let body = loop {
            match &state.page {
                Some((number, body)) if *number >= wanted => break Arc::clone(body),
                _ if !state.flying => {
                    state.flying = true;
                    state.begun += 1;
                    let number = state.begun;
                    drop(state);
                    let landing = Landing(self);
                    let body = Arc::new(make());
                    drop(landing);
                    state = self.state.lock();
                    state.page = Some((number, Arc::clone(&body)));
                    self.landed.notify_all();
                    break body;
                }
                _ => self.landed.wait(&mut state),
            }
        };
        state.waiting -= 1;
        if state.waiting == 0 {
            state.page = None;
        }
        body
    }
}

/// Gives the place back, also when making the page panics: the next scrape tries anew.
struct Landing<'a>(&'a Flight);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.flying = false;
        if std::thread::panicking() {
            state.waiting -= 1; // its maker waits no more
        }
        drop(state);
        self.0.landed.notify_all();
    }
}
