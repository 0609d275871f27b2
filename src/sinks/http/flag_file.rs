//! A file with certificates or a key that a flag names.
//!
//! Read at start, and on the sender when files have changed. It must not know what certificates are for.

use anyhow::Context;
use rustls::pki_types::CertificateDer;

use crate::pem;

/// A file that a flag names.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlagFile {
    flag: &'static str,
    path: String,
}

impl FlagFile {
    /// The file at `path`, which is the value of the flag with this name. An empty path means that there is no file.
    pub(crate) fn new(flag: &'static str, path: &str) -> Self {
        Self { flag, path: path.to_owned() }
    }

    /// The name of the flag, with its dash.
    pub(crate) fn flag(&self) -> &'static str {
        self.flag
    }

    /// The path, if the flag names one.
    pub(crate) fn path(&self) -> Option<&str> {
        Some(self.path.as_str()).filter(|path| !path.is_empty())
    }

    /// The certificates of authorities in the file, or those of the system's authorities if the flag names no file.
    ///
    /// # Errors
    /// See [`Self::certificates`].
    pub(crate) fn authorities(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        match self.path() {
            Some(_) => self.certificates(),
            None => Ok(pem::system_authorities()),
        }
    }

    /// The certificates in the file.
    ///
    /// # Errors
    /// It cannot be read, or holds no certificate in PEM form. The message names flag and path.
    pub(crate) fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        pem::certificates(&self.read()?).with_context(|| self.to_string())
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// It cannot be read. The message names flag and path.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        pem::read(&self.path).with_context(|| self.to_string())
    }
}

/// As messages name it: `-flag "path"`.
impl std::fmt::Display for FlagFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.flag, self.path)
    }
}
