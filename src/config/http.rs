//! The HTTP server that Prometheus scrapes.
//!
//! Runs on `main`, once. It must not open what it names.

use std::path::PathBuf;
use std::time::Duration;

use super::GoAddr;
use super::convert::{duration, size};
use super::error::UsageError;
use super::listen;
use super::table::Values;

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpConfig {
    /// The flag's text, verbatim.
    pub text: String,
    /// The same, read.
    pub addr: GoAddr,
    /// How long a response may take to be written, in all.
    pub scrape_timeout: Duration,
    /// Most connections open at once.
    pub connections_max: usize,
    /// TLS, users and headers; `None`: none of them.
    pub web_config_file: Option<PathBuf>,
}

impl HttpConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        Ok(Self {
            text: values.socket.clone(),
            addr: listen::address("socket", &values.socket)?,
            scrape_timeout: duration(values.scrape_timeout),
            connections_max: size(values.http_connections_max),
            web_config_file: Some(&values.web_config_file)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        })
    }
}
