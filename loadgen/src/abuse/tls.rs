//! The client's side of TLS: what the attacks and the scraper need of it.

use std::sync::Arc;

use anyhow::Result;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// A client that trusts these authorities alone.
pub(crate) fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The first bytes that a client sends.
pub(crate) fn hello() -> Result<Vec<u8>> {
    let config = client(RootCertStore::empty())?;
    let mut connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_hello_is_a_handshake_record() {
        let hello = super::hello().unwrap();
        assert_eq!(hello[0], 22, "the content type of a handshake");
        assert_eq!(hello[5], 1, "the handshake type of a ClientHello");
        assert_eq!(usize::from(hello[3]) << 8 | usize::from(hello[4]), hello.len() - 5);
    }
}
