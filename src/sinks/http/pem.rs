//! Certificates from files that flags name, and those of the system's authorities.
//!
//! Runs at start, and on the sender when files have changed. It must not know what certificates are for.

use std::fs;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A file that a flag names.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlagFile {
    flag: &'static str,
    path: String,
}

impl FlagFile {
    /// The file at `path`, which is the value of the flag with this name; empty if there is none.
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

    /// The authorities' certificates in the file, or the system's if there is no file.
    ///
    /// # Errors
    /// See [`Self::certificates`].
    pub(crate) fn authorities(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        match self.path() {
            Some(_) => self.certificates(),
            None => Ok(rustls_native_certs::load_native_certs().certs),
        }
    }

    /// The certificates in the file.
    ///
    /// # Errors
    /// It cannot be read, or holds no certificate in PEM form; names flag and path.
    pub(crate) fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let found = CertificateDer::pem_slice_iter(&self.read()?).collect::<Result<Vec<_>, _>>();
        let found = found.with_context(|| self.to_string())?;
        if found.is_empty() {
            bail!("{self}: there is no certificate in PEM form in it");
        }
        Ok(found)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// It cannot be read; names flag and path.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<u8>> {
        fs::read(&self.path).with_context(|| format!("{self}: cannot read it"))
    }
}

/// `-flag "path"`
impl std::fmt::Display for FlagFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.flag, self.path)
    }
}
