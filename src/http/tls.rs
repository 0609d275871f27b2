//! TLS of the HTTP port: the section `tls_server_config` of the web configuration, made into what rustls serves.
//!
//! Read on `main` at start and on the thread `web-config` when a file has changed; the thread `http` only uses the
//! result. It must not know HTTP nor where the section stands.

mod choices;
mod client_auth;
mod pem_source;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use serde::{Deserialize, Deserializer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use pem_source::PemSource;

use super::yaml_bool;

/// The first byte of every TLS connection: its record carries a handshake.
const HANDSHAKE: u8 = 22;
/// What Go's server says to plain text.
const PLAIN_TEXT: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Shakes hands with a client; `None` if it went without a word. It may take as long as the client likes.
///
/// # Errors
/// The client sent plain text, which it is told, or the handshake failed.
pub(crate) async fn accept(
    config: &Arc<ServerConfig>,
    mut stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first != [HANDSHAKE] {
        // The request is taken out: a socket that is closed with bytes unread may lose the answer.
        let _length = stream.read(&mut [0; 1024]).await?;
        stream.write_all(PLAIN_TEXT).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("the client sent plain text"));
    }
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map(Some)
}

/// The section as it is written. An empty text is as good as none, as in the exporter-toolkit.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsServerConfig {
    cert: Option<String>,
    key: Option<String>,
    client_ca: Option<String>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
    client_auth_type: Option<String>,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Option<Vec<String>>,
    curve_preferences: Option<Vec<String>>,
    #[serde(deserialize_with = "prefer_server_cipher_suites")]
    prefer_server_cipher_suites: Option<bool>,
}

fn prefer_server_cipher_suites<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<bool>, D::Error> {
    yaml_bool::read("prefer_server_cipher_suites", deserializer)
}

impl TlsServerConfig {
    /// Takes relative paths as relative to `directory`, and forgets empty texts.
    pub(crate) fn resolve(&mut self, directory: &Path) {
        for text in [&mut self.cert, &mut self.key, &mut self.client_ca, &mut self.client_auth_type]
        {
            text.take_if(|text| text.is_empty());
        }
        for path in [&mut self.cert_file, &mut self.key_file, &mut self.client_ca_file] {
            path.take_if(|path| path.as_os_str().is_empty());
            if let Some(path) = path {
                *path = directory.join(&*path);
            }
        }
    }

    /// The files that the section names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let paths = [&self.cert_file, &self.key_file, &self.client_ca_file];
        paths.into_iter().flatten().map(PathBuf::as_path)
    }

    /// Reads the files and makes what rustls serves; `None` for a section that asks for no TLS.
    ///
    /// # Errors
    /// A file cannot be read, keys contradict each other, or rustls has not what a key asks for. The message names
    /// the key.
    pub(crate) fn build(&self) -> anyhow::Result<Option<Arc<ServerConfig>>> {
        if !self.is_enabled() {
            return self.has_no_idle_key().map(|()| None);
        }
        let chain =
            self.certificate().context("one of cert_file and cert is missing")?.certificates()?;
        let key =
            self.private_key().context("one of key_file and key is missing")?.private_key()?;
        let (min, max) = (self.min_version.as_deref(), self.max_version.as_deref());
        let versions = choices::versions(min, max)?;
        let provider = Arc::new(self.provider()?);
        let client_auth = client_auth::verifier(&self.client_auth(), &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .context(
                "cipher_suites: no suite is left for the versions from min_version to max_version",
            )?
            .with_client_cert_verifier(client_auth)
            .with_single_cert(chain, key)
            .context("the certificate and its key cannot be used together")?;
        config.ignore_client_order = self.prefer_server_cipher_suites.unwrap_or(true);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Scrapers keep their connections. Without sessions nothing is kept per client, and each connection is
        // held against the certificates and authorities of today.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Some(Arc::new(config)))
    }

    /// Whether TLS is asked for, by the toolkit's rule: any key of a certificate or of client authentication.
    fn is_enabled(&self) -> bool {
        let texts = [&self.cert, &self.key, &self.client_ca, &self.client_auth_type];
        texts.into_iter().any(Option::is_some) || self.files().next().is_some()
    }

    /// Refuses what would be without effect, and plain text where TLS was meant.
    fn has_no_idle_key(&self) -> anyhow::Result<()> {
        let others = [
            ("client_allowed_sans", self.client_allowed_sans.is_some()),
            ("min_version", self.min_version.is_some()),
            ("max_version", self.max_version.is_some()),
            ("cipher_suites", self.cipher_suites.is_some()),
            ("curve_preferences", self.curve_preferences.is_some()),
            ("prefer_server_cipher_suites", self.prefer_server_cipher_suites.is_some()),
        ];
        if let Some((key, _)) = others.into_iter().find(|(_, is_given)| *is_given) {
            bail!(
                "{key} is given, but without cert_file and key_file there is no TLS; add both or remove it"
            );
        }
        Ok(())
    }

    fn provider(&self) -> anyhow::Result<CryptoProvider> {
        let mut provider = ring::default_provider();
        if let Some(names) = self.cipher_suites.as_deref().filter(|names| !names.is_empty()) {
            provider.cipher_suites = choices::cipher_suites(names)?;
        }
        if let Some(names) = self.curve_preferences.as_deref().filter(|names| !names.is_empty()) {
            provider.kx_groups = choices::curves(names)?;
        }
        Ok(provider)
    }

    fn certificate(&self) -> Option<PemSource<'_>> {
        PemSource::of("cert_file", self.cert_file.as_deref(), "cert", self.cert.as_deref())
    }

    fn private_key(&self) -> Option<PemSource<'_>> {
        PemSource::of("key_file", self.key_file.as_deref(), "key", self.key.as_deref())
    }

    fn client_auth(&self) -> client_auth::ClientAuthSettings<'_> {
        client_auth::ClientAuthSettings {
            auth_type: self.client_auth_type.as_deref(),
            authorities: PemSource::of(
                "client_ca_file",
                self.client_ca_file.as_deref(),
                "client_ca",
                self.client_ca.as_deref(),
            ),
            allowed_sans: self.client_allowed_sans.as_deref(),
        }
    }
}
