//! TLS of the HTTP port: the section `tls_server_config` of the web configuration, turned into settings of rustls.
//!
//! `main` reads the section at start, and the thread `web-config` when a file has changed. The thread `http` uses the
//! result. It must not know HTTP, nor the rest of the web configuration.

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

/// The first byte of every TLS connection: the type of a record that carries a handshake.
const HANDSHAKE: u8 = 22;
/// The answer to a client that speaks plain text. It is the one of Go's server, which tools may look for.
const PLAIN_TEXT: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Does the TLS handshake with a client; `None` if the client closed the connection without sending anything. It sets no
/// time limit itself.
///
/// # Errors
/// The handshake failed, or the client sent plain text, which it is told in plain text.
pub(crate) async fn accept(
    config: &Arc<ServerConfig>,
    mut stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first != [HANDSHAKE] {
        // The request is read, since the kernel resets a connection that is closed with unread bytes, and the client
        // may lose the answer then.
        let _length = stream.read(&mut [0; 1024]).await?;
        stream.write_all(PLAIN_TEXT).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("the client sent plain text"));
    }
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await.map(Some)
}

/// The section as it stands in the file. An empty text means the same as an absent key, as in the exporter-toolkit.
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
    /// Makes relative paths relative to `directory`, and treats empty texts as absent.
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

    /// Reads the files and makes the settings of rustls; `None` if the section asks for no TLS.
    ///
    /// # Errors
    /// A file cannot be read, keys contradict each other, or rustls does not support what a key asks for. The message
    /// names the key.
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
        // Sessions cannot be resumed. Scrapers keep their connections open, so they gain little by it, and this way
        // nothing is stored per client and each new connection is checked against the present authorities.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Some(Arc::new(config)))
    }

    /// Whether the section asks for TLS. By the rule of the exporter-toolkit any key about a certificate or about
    /// authentication of clients does.
    fn is_enabled(&self) -> bool {
        let texts = [&self.cert, &self.key, &self.client_ca, &self.client_auth_type];
        texts.into_iter().any(Option::is_some) || self.files().next().is_some()
    }

    /// Refuses a section without TLS that has other keys: they would have no effect, and its author meant to have TLS.
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
