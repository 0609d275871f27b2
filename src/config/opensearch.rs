//! OpenSearch, which takes documents.
//!
//! Runs on `main`, once. Its address is in the environment, since it may hold a password.

use std::time::Duration;

use super::convert::{duration, size};
use super::environment::Environment;
use super::secret::Secret;
use super::table::Values;

/// OpenSearch, which takes documents. Texts are as given, and empty where absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenSearchConfig {
    /// `METRICS_SERVER_SEARCH_URL`, which may hold `user:password@`.
    pub url: Secret,
    /// `METRICS_SERVER_SEARCH_USER`
    pub user: String,
    /// `METRICS_SERVER_SEARCH_PASSWORD`
    pub password: Secret,
    /// The longest wait for a bulk to fill; above zero.
    pub bulk_period: Duration,
    /// Bytes that fill a bulk; may be zero.
    pub bulk_size_bytes: usize,
    /// A file of authorities to trust.
    pub ca_path: String,
    /// Whether its certificate is left unverified.
    pub insecure: bool,
    /// Shards of each new index.
    pub shards: usize,
    /// Replicas of each new index.
    pub replicas: usize,
    /// Most parts between dots that the name of a label may have.
    pub label_depth_max: usize,
    /// Most indices that documents of one day may go to.
    pub indices_max: usize,
}

impl OpenSearchConfig {
    /// What flags and environment say; `None` without an address.
    pub(super) fn read(values: &Values, env: &Environment<'_>) -> Option<Self> {
        let variable = |name| env(name).unwrap_or_default();
        let url = variable("METRICS_SERVER_SEARCH_URL");
        (!url.is_empty()).then(|| Self {
            url: Secret::new(url),
            user: variable("METRICS_SERVER_SEARCH_USER"),
            password: Secret::new(variable("METRICS_SERVER_SEARCH_PASSWORD")),
            bulk_period: duration(values.opensearch_bulk_period),
            bulk_size_bytes: size(values.opensearch_bulk_size_bytes),
            ca_path: values.opensearch_ca_path.clone(),
            insecure: values.opensearch_insecure,
            shards: size(values.opensearch_shards),
            replicas: size(values.opensearch_replicas),
            label_depth_max: size(values.opensearch_label_depth_max),
            indices_max: size(values.opensearch_indices_max),
        })
    }
}
