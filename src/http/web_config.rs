//! What `-web-config-file` sets: TLS, and headers of every response.
//!
//! The configuration is replaced as a whole while the server runs. A connection keeps the TLS settings that
//! it was accepted with; each request uses the headers of its moment.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;

/// One version of the configuration.
#[derive(Default)]
pub(super) struct WebConfig {
    headers: Vec<(HeaderName, HeaderValue)>,
    tls: Option<TlsAcceptor>,
}

impl WebConfig {
    /// Headers added to every response.
    pub(super) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// How to speak TLS; `None`: plain HTTP.
    pub(super) fn tls(&self) -> Option<TlsAcceptor> {
        self.tls.clone()
    }
}

impl std::fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = self.tls.is_some();
        f.debug_struct("WebConfig").field("headers", &self.headers).field("tls", &tls).finish()
    }
}

/// The configuration in force.
#[derive(Debug, Default)]
pub struct SharedWebConfig(RwLock<Arc<WebConfig>>);

impl SharedWebConfig {
    /// The version in force now.
    pub(super) fn get(&self) -> Arc<WebConfig> {
        Arc::clone(&self.0.read())
    }
}
