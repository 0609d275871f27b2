//! A session with the cluster: the driver finds its nodes, and statements are sent to one that fits.
//!
//! Runs on the runtime of the thread that sends. It must not know the table nor rows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cdrs_tokio::cluster::session::{
    NodeDistanceEvaluatorWrapper, ReconnectionPolicyWrapper, RetryPolicyWrapper, Session,
    connect_generic,
};
use cdrs_tokio::error::Error;
use cdrs_tokio::load_balancing::TopologyAwareLoadBalancingStrategy;
use cdrs_tokio::load_balancing::node_distance_evaluator::AllLocalNodeDistanceEvaluator;
use cdrs_tokio::query::PreparedQuery;
use cdrs_tokio::retry::{DefaultRetryPolicy, ExponentialReconnectionPolicy};
use cdrs_tokio::statement::StatementParams;
use cdrs_tokio::types::rows::Row;
use tokio::time::timeout;

use super::connect::{CONNECT_TIMEOUT, NodeAccess, NodeConnector};
use super::error::{SessionError, describe};
use super::transport::NodeTransport;
use crate::config::{GoAddr, ScyllaConfig};

/// How long an answer may take. The cluster itself gives up on its nodes after 2 s and says so, which is worth
/// waiting for.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer to a change of the schema may take, on which all nodes have to agree.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the driver may take, once it is connected, to find the nodes of the cluster.
const SESSION_TIMEOUT: Duration = Duration::from_secs(8);
/// How many nodes there is time to try, one after another, until one can be connected to. The nodes are tried in
/// no fixed order, so if there are more, the next session begins with others.
const CONNECTS_MAX: usize = 8;
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
const RECONNECT_LONGEST: Duration = Duration::from_secs(10);

type Balancing = TopologyAwareLoadBalancingStrategy<NodeTransport, NodeConnector>;

/// A session with a cluster.
pub(super) struct ClusterSession {
    session: Session<NodeTransport, NodeConnector, Balancing>,
}

impl ClusterSession {
    /// Connects to the first of the configured nodes that can be connected to.
    ///
    /// # Errors
    /// No node can be resolved or connected to, or the cluster does not tell its nodes.
    pub(super) async fn connect(config: &ScyllaConfig) -> Result<Self, SessionError> {
        Ok(Self { session: connect(config).await? })
    }

    /// Sends a statement whose answer has no rows, such as one that changes the schema.
    ///
    /// # Errors
    /// The cluster refuses it, or gives no answer in time.
    pub(super) async fn query(&self, text: &str) -> Result<(), SessionError> {
        let done = timeout(SCHEMA_TIMEOUT, self.session.query(text)).await;
        answered(done, SCHEMA_TIMEOUT).map(drop)
    }

    /// Sends a statement and returns all rows of its answer.
    ///
    /// # Errors
    /// The cluster refuses it, gives no answer in time, or gives one that holds no rows.
    pub(super) async fn rows(&self, text: &str) -> Result<Vec<Row>, SessionError> {
        let answer = timeout(REQUEST_TIMEOUT, self.session.query(text)).await;
        let body = answered(answer, REQUEST_TIMEOUT)?.response_body();
        let rows = body.map_err(|error| SessionError::new(describe(&error)))?.into_rows();
        rows.ok_or_else(|| SessionError::new("the answer to a SELECT holds no rows".to_owned()))
    }

    /// Prepares a statement.
    ///
    /// # Errors
    /// The cluster refuses it, or gives no answer in time.
    pub(super) async fn prepare(&self, statement: String) -> Result<PreparedQuery, SessionError> {
        let prepared = timeout(REQUEST_TIMEOUT, self.session.prepare(statement)).await;
        answered(prepared, REQUEST_TIMEOUT)
    }

    /// Executes a prepared statement; `None` if there was no answer in time.
    pub(super) async fn execute(
        &self,
        statement: &PreparedQuery,
        params: &StatementParams,
    ) -> Option<Result<(), Box<Error>>> {
        let sent = self.session.exec_with_params(statement, params);
        let answer = timeout(REQUEST_TIMEOUT, sent).await.ok()?;
        Some(answer.map(drop).map_err(Box::new))
    }
}

async fn connect(
    config: &ScyllaConfig,
) -> Result<Session<NodeTransport, NodeConnector, Balancing>, SessionError> {
    let names = resolve(&config.hosts).await?;
    let access = NodeAccess::new(config, names.clone());
    let access = access.map_err(|error| SessionError::new(format!("{error:#}")))?;
    let session = connect_generic(
        &access,
        names.keys().copied(),
        Balancing::new(None, false),
        RetryPolicyWrapper(Box::new(DefaultRetryPolicy)),
        ReconnectionPolicyWrapper(Arc::new(ExponentialReconnectionPolicy::new(
            RECONNECT_FIRST,
            RECONNECT_LONGEST,
            usize::MAX,
        ))),
        NodeDistanceEvaluatorWrapper(Box::new(AllLocalNodeDistanceEvaluator)),
        None,
    );
    // The driver tries for ever: it is stopped here once all nodes have failed, or after a bounded time.
    let no_node = access.failures().all(names.len());
    let tries = names.len().min(CONNECTS_MAX);
    let bound = std::iter::repeat_n(CONNECT_TIMEOUT, tries).sum::<Duration>() + SESSION_TIMEOUT;
    tokio::select! {
        biased;
        opened = session => opened.map_err(|error| SessionError::new(describe(&error))),
        why = no_node => Err(SessionError::new(format!("no node can be connected to: {why}"))),
        () = tokio::time::sleep(bound) => Err(SessionError::new(format!(
            "the cluster does not tell its nodes within {bound:?}: {}",
            access.failures().text()
        ))),
    }
}

/// Looks up the addresses of the hosts; returns the host's name for each address.
async fn resolve(hosts: &[GoAddr]) -> Result<HashMap<SocketAddr, String>, SessionError> {
    let mut found = HashMap::new();
    let mut why = String::new();
    for host in hosts {
        let looked_up = tokio::net::lookup_host((host.host.as_str(), host.port));
        match timeout(CONNECT_TIMEOUT, looked_up).await {
            Ok(Ok(addrs)) => found.extend(addrs.map(|addr| (addr, host.host.clone()))),
            Ok(Err(error)) => why = format!("{host}: {error}"),
            Err(_) => why = format!("{host}: not resolved within {CONNECT_TIMEOUT:?}"),
        }
    }
    if found.is_empty() {
        return Err(SessionError::new(format!("-scylladb-hosts: {why}")));
    }
    Ok(found)
}

/// The answer, or why there is none; `bound` is how long it was waited for.
fn answered<T>(
    answer: Result<Result<T, Error>, tokio::time::error::Elapsed>,
    bound: Duration,
) -> Result<T, SessionError> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(SessionError::new(describe(&error))),
        Err(_) => Err(SessionError::new(format!("no answer within {bound:?}"))),
    }
}
