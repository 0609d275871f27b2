//! Certificates, made anew in each test: an authority, and what it signs for servers and clients on 127.0.0.1.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM form.
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names, none wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for 127.0.0.1.
    pub(crate) fn sign(&self) -> Identity {
        self.sign_for(&["127.0.0.1"], &[])
    }

    /// A certificate for these DNS names and addresses, and these names of other kinds.
    pub(crate) fn sign_for(&self, names: &[&str], others: &[SanType]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names and addresses");
        params.subject_alt_names.extend_from_slice(others);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { cert, key: key.serialize_pem() }
    }

    /// What a server needs that shows a certificate of this authority for a name or address, and, if `clients` are
    /// given, takes only clients with one of theirs.
    pub(crate) fn server(&self, name: &str, clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3");
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(cert(&clients.pem)).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let own = self.sign_for(&[name], &[]);
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key in PEM form");
        Arc::new(config.with_single_cert(vec![cert(&own.cert)], key).expect("a pair"))
    }
}

impl Identity {
    /// Writes the two files.
    pub(crate) fn write(&self, cert: &Path, key: &Path) {
        fs::write(cert, &self.cert).expect("a file");
        fs::write(key, &self.key).expect("a file");
    }
}

fn cert(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM form")
}
