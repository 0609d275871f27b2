//! Pages of the registry, with the server's own families among those of users.
//!
//! On the thread `exporter`, which owns it.

use std::sync::Arc;
use std::time::Duration;

use super::page_source::PageSource;
use super::stats::ScrapeStats;
use crate::exporter::expiry_timer::{ExpiryTimer, ExpiryTotals};
use crate::exporter::own::{self, OwnSources};
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::exposition::page_writer::{PIECE_BYTES, PageWriter};
use crate::http::HttpStats;
use crate::http::web_config::WebConfigStats;
use crate::registry::Registry;
use crate::registry::directory::Directory;
use crate::sinks::all_counters::AllSinkCounters;
use crate::stats::Stats;

/// How often the kernel's counters are read where there is no expiry: long before 32 bits can wrap.
const KERNEL_PERIOD: Duration = Duration::from_secs(10);

/// Where the numbers that a page shows are counted, besides the registry.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) workers: Stats,
    pub(crate) udp_sockets: Arc<UdpSocketStats>,
    pub(crate) http: Arc<HttpStats>,
    pub(crate) web_config: Arc<WebConfigStats>,
    pub(crate) scrapes: Arc<ScrapeStats>,
    pub(crate) sinks: AllSinkCounters,
    pub(crate) log_suppressed: fn() -> u64,
}

/// Everything that a page is made of.
#[derive(Debug)]
pub(crate) struct RegistrySource {
    registry: Arc<Registry>,
    directory: Directory,
    expiry: Option<ExpiryTimer>,
    counters: Counters,
}

impl RegistrySource {
    /// Over the registry, expiry where it is on, and counters.
    pub(crate) fn new(
        registry: Arc<Registry>,
        expiry: Option<ExpiryTimer>,
        counters: Counters,
    ) -> Self {
        let directory = Directory::new(Arc::clone(&registry));
        Self { registry, directory, expiry, counters }
    }
}

impl PageSource for RegistrySource {
    type Writer = PageWriter;

    /// The counters are read before any cell: a sample that they count is in the cells of the page as well.
    fn begin(&mut self) -> PageWriter {
        let none = ExpiryTotals::default();
        let sources = OwnSources {
            stats: &self.counters.workers,
            udp_sockets: &self.counters.udp_sockets.read(),
            registry: &self.registry,
            passes: self.expiry.as_ref().map_or(&none, ExpiryTimer::passes),
            http: &self.counters.http,
            web_config: &self.counters.web_config,
            scrapes: &self.counters.scrapes,
            sinks: &self.counters.sinks,
            log_suppressed: (self.counters.log_suppressed)(),
        };
        let texts = own::texts(&sources);
        self.directory.merge_new_cells();
        PageWriter::new(own::add_series(texts, self.directory.series()))
    }

    fn write(&mut self, writer: &mut PageWriter, piece: &mut Vec<u8>) -> bool {
        piece.reserve(PIECE_BYTES + PIECE_BYTES / 8); // the last line of a piece goes past its size
        writer.write(&self.directory, piece);
        writer.is_done()
    }

    fn tick(&mut self) -> Duration {
        self.counters.udp_sockets.read();
        self.expiry.as_mut().map_or(KERNEL_PERIOD, |expiry| expiry.pass(&mut self.directory))
    }
}
