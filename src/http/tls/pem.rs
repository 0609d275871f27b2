//! Certificates and private keys in PEM form, from a file or from the configuration itself.
//!
//! It must not know what they are for.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where PEM text comes from, with the key that says so.
pub(super) enum PemSource<'a> {
    /// The path of a file.
    File(&'static str, &'a Path),
    /// The text itself.
    Inline(&'static str, &'a str),
}

impl<'a> PemSource<'a> {
    /// The file if one is named, as in the exporter-toolkit, or the text; each with its key.
    pub(super) fn of(
        file_key: &'static str,
        path: Option<&'a Path>,
        text_key: &'static str,
        text: Option<&'a str>,
    ) -> Option<Self> {
        let file = path.map(|path| Self::File(file_key, path));
        file.or_else(|| text.map(|text| Self::Inline(text_key, text)))
    }

    /// All certificates, at least one.
    ///
    /// # Errors
    /// The file cannot be read, the text is no PEM, or there is no certificate in it; the message names the key.
    pub(super) fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let pem = self.read()?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{}: this is no certificate in PEM form", self.name()))?;
        if found.is_empty() {
            bail!("{}: there is no certificate in PEM form in it", self.name());
        }
        Ok(found)
    }

    /// The first private key.
    ///
    /// # Errors
    /// The file cannot be read or there is no key in it; the message names the key of the configuration.
    pub(super) fn private_key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.read()?).with_context(|| {
            format!("{}: there is no unencrypted private key in PEM form in it", self.name())
        })
    }

    /// The key, with the path if there is one; never the text.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(key, path) => format!("{key} {}", path.display()),
            Self::Inline(key, _) => (*key).to_owned(),
        }
    }

    fn read(&self) -> anyhow::Result<Cow<'_, [u8]>> {
        match self {
            Self::File(_, path) => {
                let text =
                    fs::read(path).with_context(|| format!("{}: cannot read it", self.name()))?;
                Ok(text.into())
            }
            Self::Inline(_, text) => Ok(text.as_bytes().into()),
        }
    }
}
