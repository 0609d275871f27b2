//! TLS of a sink's HTTP client, as its flags say.
//!
//! Runs at start, and on the thread that sends when files have changed.

use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};

use super::flag_file::FlagFile;

/// Which certificates are used. A sink fills in what its flags name; the default is the system's authorities and no
/// certificate of the client.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsOptions {
    /// Authorities to trust in place of the system's.
    pub ca: FlagFile,
    /// The client's certificate.
    pub cert: FlagFile,
    /// The key of the client's certificate.
    pub key: FlagFile,
    /// Whether any certificate of a server is taken.
    pub insecure: bool,
}

impl TlsOptions {
    /// When each file was last changed; `None` for a file that cannot be looked at.
    pub(super) fn files_changed(&self) -> Vec<Option<SystemTime>> {
        let changed = |path: &str| fs::metadata(path).ok()?.modified().ok();
        [&self.ca, &self.cert, &self.key]
            .into_iter()
            .filter_map(FlagFile::path)
            .map(changed)
            .collect()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, holds no certificate or key, or one of certificate and key is missing; names flag and
    /// path.
    pub(super) fn config(&self) -> anyhow::Result<TlsConfig> {
        let authorities = owned(&self.ca.authorities()?);
        let config = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .disable_verification(self.insecure)
            .root_certs(RootCerts::new_with_certs(&authorities))
            .client_cert(self.client_cert()?);
        Ok(config.build())
    }

    fn client_cert(&self) -> anyhow::Result<Option<ClientCert>> {
        let Self { cert, key, .. } = self;
        match (cert.path(), key.path()) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {}
            _ => bail!(
                "{} and {} belong together: one is given, the other is missing",
                cert.flag(),
                key.flag()
            ),
        }
        let chain = owned(&cert.certificates()?);
        let private_key = PrivateKey::from_pem(&key.read()?)
            .with_context(|| format!("{key}: there is no private key in PEM form in it"))?;
        Ok(Some(ClientCert::new_with_certs(&chain, private_key)))
    }
}

fn owned(certificates: &[rustls::pki_types::CertificateDer<'_>]) -> Vec<Certificate<'static>> {
    certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
}
