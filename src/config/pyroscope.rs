//! Pyroscope, which takes profiles of this server.
//!
//! Runs on `main`, once.

use super::environment::Environment;
use super::secret::Secret;
use super::table::Values;

/// Pyroscope, which takes profiles of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PyroscopeConfig {
    /// Where it is; the URL may hold `user:password@`.
    pub url: Secret,
    /// `HOSTNAME`; empty where absent.
    pub hostname: String,
}

impl PyroscopeConfig {
    /// What flags and environment say; `None` without `-pyroscope-url`.
    pub(super) fn read(values: &Values, env: &Environment<'_>) -> Option<Self> {
        (!values.pyroscope_url.is_empty()).then(|| Self {
            url: Secret::new(values.pyroscope_url.clone()),
            hostname: env("HOSTNAME").unwrap_or_default(),
        })
    }
}
