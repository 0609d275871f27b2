//! The file of `-web-config-file`: its schema, and what its values come to.
//!
//! It must not know when it is read nor by whom the result is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use hyper::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::headers;
use crate::http::login::Users;
use crate::http::tls::TlsServerConfig;

/// What a file asks for, ready for use.
#[derive(Default)]
pub(crate) struct WebConfig {
    tls: Option<Arc<rustls::ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: Option<Arc<Users>>,
}

/// A file as it is written, with its paths resolved.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebConfigFile {
    tls_server_config: Option<TlsServerConfig>,
    http_server_config: Option<HttpServerConfig>,
    basic_auth_users: Option<BTreeMap<String, String>>,
    rate_limit: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpServerConfig {
    /// Says whether HTTP/2 may be spoken. It need not be, so both values mean HTTP/1.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
}

impl WebConfig {
    /// Reads a file and those that it names.
    ///
    /// # Errors
    /// Those of [`WebConfigFile::read`] and [`WebConfigFile::build`].
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        WebConfigFile::read(path)?.build(path)
    }

    /// What new connections speak; `None` for plain text.
    pub(crate) fn tls(&self) -> Option<&Arc<rustls::ServerConfig>> {
        self.tls.as_ref()
    }

    /// What every response bears.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Who may log in; `None` where nobody has to.
    pub(crate) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }
}

impl WebConfigFile {
    /// Reads and parses a file, but none of those that it names.
    ///
    /// # Errors
    /// It cannot be read, is no YAML, or has a key that is unknown, double, or of a wrong type. The message names
    /// flag and path, and where it stands.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| named(path, "cannot read it"))?;
        // A bad line is not shown: it may hold a key or a hash.
        let options = serde_saphyr::options! { with_snippet: false };
        let read: Option<Self> = serde_saphyr::from_str_with_options(&text, options)
            .with_context(|| named(path, "this is no web configuration"))?;
        let mut file = read.unwrap_or_default();
        if let Some(tls) = &mut file.tls_server_config {
            tls.resolve(path.parent().unwrap_or(Path::new("")));
        }
        Ok(file)
    }

    /// The files that this one names.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.tls_server_config.iter().flat_map(TlsServerConfig::files).map(Path::to_owned).collect()
    }

    /// Reads the files that this one names and checks all values. `path` is for messages.
    ///
    /// # Errors
    /// What the file asks for cannot be had; the message names flag, path and key.
    pub(crate) fn build(&self, path: &Path) -> anyhow::Result<WebConfig> {
        self.checked().with_context(|| named(path, "it cannot be used"))
    }

    fn checked(&self) -> anyhow::Result<WebConfig> {
        if self.rate_limit.is_some() {
            bail!(
                "rate_limit is not supported: -http-connections-max bounds connections, and a page is made once \
                 for all who ask meanwhile; remove it"
            );
        }
        let tls = self.tls_server_config.as_ref().map_or(Ok(None), TlsServerConfig::build);
        let http = self.http_server_config.as_ref();
        let headers =
            http.and_then(|http| http.headers.as_ref()).map_or(Ok(Vec::new()), headers::checked);
        let users = self.basic_auth_users.as_ref().map_or(Ok(None), Users::checked);
        Ok(WebConfig {
            tls: tls.context("tls_server_config")?,
            headers: headers.context("http_server_config")?,
            users: users.context("basic_auth_users")?.map(Arc::new),
        })
    }
}

/// A message about the file, as errors and log lines begin.
pub(super) fn named(path: &Path, what: &str) -> String {
    format!("-web-config-file {}: {what}", path.display())
}
