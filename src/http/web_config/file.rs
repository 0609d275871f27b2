//! The file of `-web-config-file`: which keys it may have, and the settings that they amount to.
//!
//! It must not know when the file is read, nor who uses the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use hyper::header::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::headers;
use crate::http::login::Users;
use crate::http::tls::TlsServerConfig;
use crate::http::yaml_bool;

/// The settings of a file, ready for use.
#[derive(Default)]
pub(crate) struct WebConfig {
    tls: Option<Arc<rustls::ServerConfig>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    users: Option<Arc<Users>>,
    asks_for_http2: bool,
}

/// A file as it is written, except that relative paths are resolved.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WebConfigFile {
    tls_server_config: Option<TlsServerConfig>,
    http_server_config: Option<HttpServerConfig>,
    basic_auth_users: Option<BTreeMap<String, String>>,
    /// Whether the key `rate_limit` is there, with whatever value: null is refused as well.
    #[serde(rename = "rate_limit", deserialize_with = "is_there")]
    has_rate_limit: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpServerConfig {
    /// Whether HTTP/2 may be spoken. It need not be: this server speaks HTTP/1.1 whatever the value is.
    #[serde(deserialize_with = "http2")]
    http2: Option<bool>,
    headers: Option<BTreeMap<String, String>>,
}

fn http2<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    yaml_bool::read("http2", deserializer)
}

/// Called only where a key is there.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|IgnoredAny| true)
}

impl WebConfig {
    /// Reads a file and those that it names.
    ///
    /// # Errors
    /// Those of [`WebConfigFile::read`] and [`WebConfigFile::build`].
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        WebConfigFile::read(path)?.build(path)
    }

    /// The TLS of new connections; `None` where they speak plain text.
    pub(crate) fn tls(&self) -> Option<&Arc<rustls::ServerConfig>> {
        self.tls.as_ref()
    }

    /// The headers that every response gets.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// Who may log in; `None` where requests need no login.
    pub(crate) fn users(&self) -> Option<&Arc<Users>> {
        self.users.as_ref()
    }

    /// Whether the file says `http2: true`, which has no effect.
    pub(crate) fn asks_for_http2(&self) -> bool {
        self.asks_for_http2
    }
}

impl WebConfigFile {
    /// Reads and parses a file, but none of those that it names.
    ///
    /// # Errors
    /// The file cannot be read, is no YAML, or has a key that is unknown, given twice, or of a wrong type. The message
    /// names flag and path, and the place of the mistake.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| named(path, "cannot read it"))?;
        // A bad line is not shown: it may hold a key or a hash.
        let options = serde_saphyr::options! { with_snippet: false };
        let read: Option<Self> = serde_saphyr::from_str_with_options(&text, options)
            .with_context(|| named(path, "this is no web configuration"))?;
        let mut file = read.unwrap_or_default();
        if let Some(tls) = &mut file.tls_server_config {
            // Only `/` and the empty path have no parent, and neither is a file that could have been read.
            tls.resolve(path.parent().expect("the path of a file has a parent"));
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
    /// A file that it names cannot be read, or a value cannot be used. The message names flag, path and key.
    pub(crate) fn build(&self, path: &Path) -> anyhow::Result<WebConfig> {
        self.checked().with_context(|| named(path, "it cannot be used"))
    }

    fn checked(&self) -> anyhow::Result<WebConfig> {
        if self.has_rate_limit {
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
            asks_for_http2: http.and_then(|http| http.http2) == Some(true),
        })
    }
}

/// A message about the file, in the form in which errors and log lines name it.
pub(super) fn named(path: &Path, what: &str) -> String {
    format!("-web-config-file {}: {what}", path.display())
}
