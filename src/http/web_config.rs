//! The web configuration: TLS, response headers and users, in the file format of Prometheus' exporter-toolkit.
//!
//! `main` reads the file at start, and the thread `web-config` when it has changed. The thread `http` uses the version
//! that was read last. It must not know sockets.

mod file;
mod headers;
mod shared;
mod stamps;
mod stats;
mod worker;

use std::path::Path;
use std::sync::Arc;

use file::{WebConfig, named};
pub(crate) use shared::Reread;
pub use shared::SharedWebConfig;
pub(crate) use stats::WebConfigStats;
pub(crate) use worker::WebConfigWorker;

use super::login::Login;

/// The web configuration that the flag asks for, before any thread uses it. The default is that without a file.
#[derive(Debug, Default)]
pub(crate) struct OpenWebConfig {
    shared: Arc<SharedWebConfig>,
    stats: Arc<WebConfigStats>,
    worker: Option<WebConfigWorker>,
}

impl OpenWebConfig {
    /// The scheme of the port's URLs: `http` or `https`. It does not change while the server runs.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.shared.current().tls().is_some() { "https" } else { "http" }
    }

    /// The counters that the page of metrics shows.
    pub(crate) fn stats(&self) -> &Arc<WebConfigStats> {
        &self.stats
    }

    /// The configuration for the thread `http`, and the work of the thread `web-config`, which is needed only if there is
    /// a file.
    pub(crate) fn into_parts(self) -> (Arc<SharedWebConfig>, Option<WebConfigWorker>) {
        (self.shared, self.worker)
    }
}

/// Reads the file, if there is one.
///
/// # Errors
/// The file cannot be used. The message names flag, path and key.
pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<OpenWebConfig> {
    let Some(path) = path else { return Ok(OpenWebConfig::default()) };
    let stats = Arc::new(WebConfigStats::default());
    let (refused, forgotten) = (stats.refused_logins(), stats.forgotten_logins());
    let (login, checks) = Login::new(Arc::clone(refused), Arc::clone(forgotten))?;
    let (shared, reads) = SharedWebConfig::open(path, login, Arc::clone(&stats))?;
    if shared.current().asks_for_http2() {
        log::warn!("{}", named(path, "http2: true has no effect: the port speaks HTTP/1.1"));
    }
    let shared = Arc::new(shared);
    let worker = WebConfigWorker::new(&shared, reads, checks);
    Ok(OpenWebConfig { shared, stats, worker: Some(worker) })
}

/// Checks that [`open`] would accept the file.
///
/// # Errors
/// Those of [`open`].
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    WebConfig::read(path).map(drop)
}

#[cfg(test)]
mod tests;
