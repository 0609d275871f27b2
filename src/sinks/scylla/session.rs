//! A session that is ready for rows: the cluster, the table as it is, and the prepared insert.
//!
//! Runs on the sender's runtime, which runs only while rows are delivered: between two deliveries the tasks of a
//! session stand still. After a request without an answer the session is dropped with all its connections, since
//! the driver would take the late answer for that of a later request.

use std::fmt;

use cdrs_tokio::error::Error;
use cdrs_tokio::query::{PreparedQuery, QueryValues};
use cdrs_tokio::statement::StatementParamsBuilder;
use cdrs_tokio::types::value::Value;

use super::cluster::ClusterSession;
use super::error::SessionError;
use super::schema::{self, TableShape};
use crate::config::ScyllaConfig;

/// A session that is ready for rows.
pub(super) struct PreparedSession {
    cluster: ClusterSession,
    insert: PreparedQuery,
    shape: TableShape,
}

impl fmt::Debug for PreparedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedSession").field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl PreparedSession {
    /// Connects, looks at the table, which it creates if it may, and prepares the insert.
    ///
    /// # Errors
    /// There is no cluster, or no table that takes rows.
    pub(super) async fn open(config: &ScyllaConfig) -> Result<Self, SessionError> {
        let cluster = ClusterSession::connect(config).await?;
        let shape = schema::ready(&cluster, &config.table, config.create_schema).await?;
        let insert = cluster.prepare(shape.insert(&config.table)).await?;
        Ok(Self { cluster, insert, shape })
    }

    /// The shape of the table.
    pub(super) fn shape(&self) -> TableShape {
        self.shape
    }

    /// Whether the cluster answers a question that has nothing to do with rows.
    pub(super) async fn is_well(&self) -> bool {
        self.cluster.rows("SELECT key FROM system.local").await.is_ok()
    }

    /// Stores one row, written at this time in microseconds since 1970; `None` if there was no answer in time.
    pub(super) async fn store(
        &self,
        values: Vec<Value>,
        written_us: i64,
    ) -> Option<Result<(), Box<Error>>> {
        let params = StatementParamsBuilder::new()
            .with_values(QueryValues::SimpleValues(values))
            .with_timestamp(written_us)
            .idempotent(true)
            .build();
        self.cluster.execute(&self.insert, &params).await
    }
}
