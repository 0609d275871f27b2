//! Certificates and private keys in PEM form, and the certificates of the authorities that the system trusts.
//!
//! Errors say what is wrong with the text in words that fit behind the name of the flag, key or file that it comes
//! from; callers add that name. It must not know what certificates are for.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Reads a file, which may hold anything.
///
/// # Errors
/// Those of `open(2)` and `read(2)`.
pub(crate) fn read(path: impl AsRef<Path>) -> anyhow::Result<Vec<u8>> {
    fs::read(path).context("cannot read it")
}

/// All certificates in a PEM text, at least one. Keys and other objects in it are passed over.
///
/// # Errors
/// A certificate is damaged, or there is none.
pub(crate) fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .context("this is no certificate in PEM form")?;
    ensure!(!found.is_empty(), "there is no certificate in PEM form in it");
    Ok(found)
}

/// The first private key in a PEM text.
///
/// # Errors
/// There is none, or it is encrypted or damaged.
pub(crate) fn private_key(pem: &[u8]) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem)
        .context("there is no unencrypted private key in PEM form in it")
}

/// The certificates of the authorities that the system trusts; none where the system has none. Those that cannot be
/// read are left out.
pub(crate) fn system_authorities() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn certificates_and_keys_are_found_in_one_text_and_errors_say_what_is_missing() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        let both = format!("{certificate_pem}{key_pem}{certificate_pem}");
        assert_eq!(certificates(both.as_bytes()).unwrap(), vec![certificate.der().clone(); 2]);
        assert_eq!(private_key(both.as_bytes()).unwrap().secret_der(), key.serialized_der());

        let error = |pem: &str| certificates(pem.as_bytes()).unwrap_err().to_string();
        assert_eq!(error(""), "there is no certificate in PEM form in it");
        assert_eq!(error(&key_pem), "there is no certificate in PEM form in it");
        let cut = &certificate_pem[..certificate_pem.len() / 2];
        assert_eq!(error(cut), "this is no certificate in PEM form");
        let error = private_key(certificate_pem.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "there is no unencrypted private key in PEM form in it");
        assert_eq!(read("/nonexistent").unwrap_err().to_string(), "cannot read it");
    }
}
