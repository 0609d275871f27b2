//! Where the numbers of a page are counted, besides the registry.
//!
//! Made once by main. Read by the thread `exporter`; each number is written by those whose it is.

use std::sync::Arc;

use crate::exporter::scrape::ScrapeStats;
use crate::exporter::udp_sockets::UdpSocketStats;
use crate::http::HttpStats;
use crate::http::web_config::WebConfigStats;
use crate::sinks::all_counters::AllSinkCounters;
use crate::stats::Stats;

/// Where the numbers of a page are counted, besides the registry.
#[derive(Debug)]
pub(crate) struct OwnCounters {
    /// Those of workers.
    pub(super) workers: Stats,
    /// Those of the kernel for each worker's UDP socket; none without UDP.
    pub(super) udp_sockets: Arc<UdpSocketStats>,
    /// Those of the HTTP server.
    pub(super) http: Arc<HttpStats>,
    /// Those of the file of `-web-config-file`, and of logins.
    pub(super) web_config: Arc<WebConfigStats>,
    /// Those of earlier pages.
    pub(super) scrapes: Arc<ScrapeStats>,
    /// Those of sinks.
    pub(super) sinks: AllSinkCounters,
    /// Bytes that all of what lives because of input may take.
    pub(super) memory_max_bytes: u64,
}

impl OwnCounters {
    /// Of these, and of an HTTP server and pages that have counted nothing yet.
    pub(crate) fn new(
        workers: Stats,
        udp_sockets: Arc<UdpSocketStats>,
        web_config: Arc<WebConfigStats>,
        sinks: AllSinkCounters,
        memory_max_bytes: u64,
    ) -> Self {
        let (http, scrapes) = (Arc::default(), Arc::default());
        Self { workers, udp_sockets, http, web_config, scrapes, sinks, memory_max_bytes }
    }

    /// Bytes of unfinished messages, and of rows on their way to sinks.
    pub(crate) fn bytes_beside_series(&self) -> u64 {
        let partials = self.workers.iter().map(|worker| worker.partial_bytes.get());
        let rows = self.sinks.sinks.iter().map(|counters| counters.memory_bytes());
        partials.sum::<u64>() + rows.sum::<u64>()
    }

    /// Where workers count.
    pub(crate) fn workers(&self) -> Stats {
        Arc::clone(&self.workers)
    }

    /// Where the HTTP server counts.
    pub(crate) fn http(&self) -> Arc<HttpStats> {
        Arc::clone(&self.http)
    }

    /// Where those who make pages count.
    pub(crate) fn scrapes(&self) -> Arc<ScrapeStats> {
        Arc::clone(&self.scrapes)
    }

    /// Reads what the kernel counts, so that its numbers of 32 bits are seen to wrap.
    pub(crate) fn read_kernel(&self) {
        self.udp_sockets.read();
    }
}
