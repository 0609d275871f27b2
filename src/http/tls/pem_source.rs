//! Where a certificate or a private key of the web configuration comes from: a file that a key names, or the
//! configuration itself.
//!
//! It must not know what certificates are for.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::pem;

/// Where a text in PEM form comes from, each with the key of the configuration that says so.
pub(super) enum PemSource<'a> {
    /// The path of a file.
    File(&'static str, &'a Path),
    /// The text itself.
    Inline(&'static str, &'a str),
}

impl<'a> PemSource<'a> {
    /// The file if the configuration names one, otherwise the text if there is one. The exporter-toolkit prefers the
    /// file too.
    pub(super) fn of(
        file_key: &'static str,
        path: Option<&'a Path>,
        text_key: &'static str,
        text: Option<&'a str>,
    ) -> Option<Self> {
        let file = path.map(|path| Self::File(file_key, path));
        file.or_else(|| text.map(|text| Self::Inline(text_key, text)))
    }

    /// All certificates in it, at least one.
    ///
    /// # Errors
    /// The file cannot be read, a certificate is damaged, or there is none. The message names the key.
    pub(super) fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let found = self.read().and_then(|text| pem::certificates(&text));
        found.with_context(|| self.name())
    }

    /// The first private key in it.
    ///
    /// # Errors
    /// The file cannot be read, or there is no usable private key in it. The message names the configuration's key.
    pub(super) fn private_key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        let found = self.read().and_then(|text| pem::private_key(&text));
        found.with_context(|| self.name())
    }

    /// How messages name it: the configuration's key, with the path if there is one. The text itself may be secret, so
    /// it is never shown.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(key, path) => format!("{key} {}", path.display()),
            Self::Inline(key, _) => (*key).to_owned(),
        }
    }

    fn read(&self) -> anyhow::Result<Cow<'_, [u8]>> {
        match self {
            Self::File(_, path) => Ok(pem::read(path)?.into()),
            Self::Inline(_, text) => Ok(text.as_bytes().into()),
        }
    }
}
