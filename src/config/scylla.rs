//! ScyllaDB or Cassandra, which takes raw rows.
//!
//! Runs on `main`, once. It must not resolve a name nor open what it names.

use super::address::GoAddr;
use super::convert::list;
use super::cql::{self, CqlTable};
use super::environment::Environment;
use super::error::UsageError;
use super::secret::Secret;
use super::table::Values;

/// ScyllaDB or Cassandra, which takes raw rows. Texts are as given, and empty where absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScyllaConfig {
    /// Nodes to ask for the others; at least one.
    pub hosts: Vec<GoAddr>,
    /// Where rows go.
    pub table: CqlTable,
    /// The user.
    pub user: String,
    /// `METRICS_SERVER_SCYLLADB_PASSWORD`
    pub password: Secret,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// A file of authorities to trust.
    pub ca_path: String,
    /// Whether keyspace and table are created where they are absent.
    pub create_schema: bool,
}

impl ScyllaConfig {
    /// What flags and environment say; `None` without a host.
    pub(super) fn read(values: &Values, env: &Environment<'_>) -> Result<Option<Self>, UsageError> {
        let hosts = hosts(&values.scylladb_hosts)?;
        let table = CqlTable::parse(&values.scylladb_table)
            .map_err(|cause| UsageError::value("scylladb-table", &values.scylladb_table, &cause))?;
        Ok((!hosts.is_empty()).then(|| Self {
            hosts,
            table,
            user: values.scylladb_user.clone(),
            password: Secret::new(env("METRICS_SERVER_SCYLLADB_PASSWORD").unwrap_or_default()),
            tls: values.scylladb_tls,
            ca_path: values.scylladb_ca_path.clone(),
            create_schema: values.scylladb_create_schema,
        }))
    }
}

fn hosts(text: &str) -> Result<Vec<GoAddr>, UsageError> {
    let hosts = list(text);
    let read = hosts.iter().map(|host| cql::host(host));
    read.map(|host| host.map_err(|cause| UsageError::value("scylladb-hosts", text, cause)))
        .collect()
}
