//! TLS: the first bytes of a client, and a server with a certificate that the scraper trusts.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::server::ServerSetup;

/// A server with a certificate of its own, made anew.
///
/// # Errors
/// The certificate cannot be made or written.
pub(crate) fn setup(folder: &Path) -> Result<ServerSetup> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("certificate.pem"), made.cert.pem())?;
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    let config = folder.join("web.yml");
    fs::write(&config, "tls_server_config:\n  cert_file: certificate.pem\n  key_file: key.pem\n")?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    Ok(ServerSetup {
        flags: vec!["-web-config-file".to_owned(), config.display().to_string()],
        tls: Some(client(roots)?),
        ..ServerSetup::default()
    })
}

/// A client that trusts these authorities alone.
fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
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
