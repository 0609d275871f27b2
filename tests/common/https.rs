//! HTTPS requests: [`super::http`] within TLS, with a certificate of the client's where it has one.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::authority::{Authority, Identity};
use super::http::{self, Response};
use super::wait::deadline;

/// Speaks TLS with a server on 127.0.0.1.
#[derive(Clone)]
pub(crate) struct HttpsClient(Arc<ClientConfig>);

impl HttpsClient {
    /// Trusts this authority alone, and shows no certificate.
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::new(authority, None, rustls::DEFAULT_VERSIONS)
    }

    /// Shows this certificate, whatever the server asks for.
    pub(crate) fn showing(authority: &Authority, identity: &Identity) -> Self {
        Self::new(authority, Some(identity), rustls::DEFAULT_VERSIONS)
    }

    /// Shows a certificate or not, and speaks these versions alone.
    pub(crate) fn new(
        authority: &Authority,
        identity: Option<&Identity>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&authority.pem)).expect("an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions that rustls has")
            .with_root_certificates(roots);
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
                config.with_client_auth_cert(vec![certificate(&own.cert)], key).expect("a pair")
            }
        };
        // As Prometheus offers.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// `GET path` with these headers. The error is that of the handshake, if it fails on either side.
    pub(crate) fn get(
        &self,
        port: u16,
        path: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<Response> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(deadline()))?;
        socket.set_write_timeout(Some(deadline()))?;
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let tls = ClientConnection::new(Arc::clone(&self.0), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        stream.write_all(http::head("GET", path, headers).as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        http::parse(&answer)
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate in PEM form")
}
