//! What serves pages: the HTTP server, the exporter behind it, and the worker that checks passwords and reads
//! certificates. Main makes them once.

use std::net::TcpListener;
use std::sync::Arc;

use anyhow::Context;

use crate::config::ServerConfig;
use crate::exporter::expiry_timer::ExpiryTimer;
use crate::exporter::own::OwnCounters;
use crate::exporter::scrape::{self, ExporterThread, GzipThread, Readiness, RegistrySource};
use crate::exposition::page_writer::PageWriter;
use crate::http::web_config::{OpenWebConfig, Reread, WebConfigWorker};
use crate::http::{HttpLimits, HttpServer};
use crate::registry::expiry::Expiry;
use crate::server::common::Common;

/// Questions for pages that wait: one of each connection, and those of connections that have just ended.
const QUESTIONS_PER_CONNECTION: usize = 2;

/// The HTTP server and what makes its pages.
#[derive(Debug)]
pub(super) struct Serving {
    /// What the thread `http` runs.
    pub(super) http: HttpServer,
    /// What the thread `exporter` runs.
    pub(super) exporter: ExporterThread<RegistrySource>,
    /// What the thread `exporter-gzip` runs.
    pub(super) gzip: GzipThread<PageWriter>,
    /// Whether traffic should be sent here.
    pub(super) readiness: Arc<Readiness>,
    /// What the thread `web-config` runs, where there is a file for it.
    pub(super) web_config_worker: Option<WebConfigWorker>,
    /// Has that file read again.
    pub(super) reread_web_config: Option<Reread>,
}

impl Serving {
    /// Makes them of an open socket.
    ///
    /// # Errors
    /// Those of `fcntl(2)`.
    pub(super) fn make(
        config: &ServerConfig,
        common: &Common,
        listener: TcpListener,
        web_config: OpenWebConfig,
        counters: OwnCounters,
    ) -> anyhow::Result<Self> {
        let (http_stats, scrapes) = (counters.http(), counters.scrapes());
        let expiry = expiry_timer(config, common);
        let source = RegistrySource::new(Arc::clone(&common.registry), expiry, counters);
        let readiness = Arc::new(Readiness::default());
        let connections_max = config.http.connections_max;
        let questions = QUESTIONS_PER_CONNECTION * connections_max;
        let (client, exporter, gzip) =
            scrape::threads(source, scrapes, Arc::clone(&readiness), questions);
        let limits =
            HttpLimits::new(connections_max, config.http.scrape_timeout, config.log.interval);
        let (web_config, web_config_worker) = web_config.into_parts();
        let reread_web_config = web_config.reread();
        let http = HttpServer::new(listener, Arc::new(client), http_stats, limits, web_config)
            .context("cannot set up the HTTP server's socket")?;
        Ok(Self { http, exporter, gzip, readiness, web_config_worker, reread_web_config })
    }
}

/// What removes series that are idle for too long, where that is asked for.
fn expiry_timer(config: &ServerConfig, common: &Common) -> Option<ExpiryTimer> {
    let ttl = config.limits.series_ttl?;
    let ttl_ns = u64::try_from(ttl.as_nanos()).expect("a flag's duration is below 2^63 ns");
    let expiry = Expiry::new(ttl_ns, Arc::clone(&common.mailboxes));
    Some(ExpiryTimer::new(expiry, ttl, Arc::clone(&common.control), config.log.interval))
}
