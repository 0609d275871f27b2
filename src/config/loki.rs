//! Loki, which takes events.
//!
//! Runs on `main`, once. It must not open what it names.

use super::convert::list;
use super::secret::Secret;
use super::table::Values;

/// Loki, which takes events. Texts are as given, and empty where absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LokiConfig {
    /// The URL to push to, which may hold `user:password@`.
    pub address: Secret,
    /// A file of authorities to trust.
    pub ca_path: String,
    /// A file with the client's certificate.
    pub cert_path: String,
    /// A file with its key.
    pub key_path: String,
    /// The labels that make a stream; empty: all.
    pub labels: Vec<String>,
    /// The tenant.
    pub tenant: String,
}

impl LokiConfig {
    /// What the flags say; `None` without `-loki-address`.
    pub(super) fn read(values: &Values) -> Option<Self> {
        (!values.loki_address.is_empty()).then(|| Self {
            address: Secret::new(values.loki_address.clone()),
            ca_path: values.loki_ca_path.clone(),
            cert_path: values.loki_cert_path.clone(),
            key_path: values.loki_key_path.clone(),
            labels: list(&values.loki_labels),
            tenant: values.loki_tenant.clone(),
        })
    }
}
