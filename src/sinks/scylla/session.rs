//! A session with the cluster: the driver, the runtime that it lives on, and the prepared insert.
//!
//! Runs on the deliverer. A session is for rows that are in hand: its tasks stand still in between. After a
//! request that got no answer it is dropped with all its connections, since the driver would take a late
//! answer for that of a later request.

use std::collections::HashMap;
use std::fmt;
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
use cdrs_tokio::statement::StatementParamsBuilder;
use cdrs_tokio::types::rows::Row;
use tokio::time::timeout;

use super::connect::{self, Access, CONNECT_TIMEOUT, Failures, Manager, Transport};
use super::schema::{self, Shape};
use super::wait::either;
use crate::config::{GoAddr, ScyllaConfig};

/// How long an answer may take: longer than the cluster itself waits for its nodes (2 s).
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Of a statement that changes the schema, on which all nodes have to agree.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(15);
/// Until the driver knows the cluster, once it is connected.
const SESSION_TIMEOUT: Duration = Duration::from_secs(8);
/// Nodes that may be tried one after another before; with more the next session begins with others.
const CONNECTS_MAX: u32 = 8;
const RECONNECT_FIRST: Duration = Duration::from_millis(500);
const RECONNECT_LONGEST: Duration = Duration::from_secs(10);

type Balancing = TopologyAwareLoadBalancingStrategy<Transport, Manager>;

/// What keeps rows from being stored, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble(String);

impl Trouble {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session that works, as far as is known.
pub(super) struct Live {
    session: Session<Transport, Manager, Balancing>,
}

/// A session that is ready for rows.
pub(super) struct Ready {
    pub(super) live: Live,
    pub(super) insert: PreparedQuery,
    pub(super) shape: Shape,
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// Connects, looks at the table, and prepares the insert.
pub(super) async fn open(config: &ScyllaConfig) -> Result<Ready, Trouble> {
    let live = Live { session: connect(config).await? };
    let table = &config.table;
    let shape = schema::ready(&live, table, config.create_schema).await?;
    let prepared = timeout(REQUEST_TIMEOUT, live.session.prepare(shape.insert(table))).await;
    let insert = answered(prepared, REQUEST_TIMEOUT)?;
    Ok(Ready { live, insert, shape })
}

async fn connect(config: &ScyllaConfig) -> Result<Session<Transport, Manager, Balancing>, Trouble> {
    let names = resolve(&config.hosts).await?;
    let tls = config.tls.then(|| connect::tls(&config.ca_path)).transpose();
    let access = Access {
        user: config.user.clone(),
        password: config.password.expose().to_owned(),
        tls: tls.map_err(|error| Trouble::new(format!("{error:#}")))?,
        failures: Failures::new(),
        names: names.clone(),
    };
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
    // The driver tries for ever and keeps the causes to itself.
    let no_node = access.failures.all(names.len());
    let tries = u32::try_from(names.len()).unwrap_or(u32::MAX).min(CONNECTS_MAX);
    let bound = CONNECT_TIMEOUT * tries + SESSION_TIMEOUT;
    match timeout(bound, either(no_node, session)).await {
        Ok(Ok(Ok(session))) => Ok(session),
        Ok(Ok(Err(error))) => Err(Trouble::new(say(&error))),
        Ok(Err(why)) => Err(Trouble::new(format!("no node can be connected to: {why}"))),
        Err(_) => Err(Trouble::new(format!(
            "the cluster does not tell its nodes within {bound:?}: {}",
            access.failures.text()
        ))),
    }
}

/// The addresses of the hosts, with their names.
async fn resolve(hosts: &[GoAddr]) -> Result<HashMap<SocketAddr, String>, Trouble> {
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
        return Err(Trouble::new(format!("-scylladb-hosts: {why}")));
    }
    Ok(found)
}

impl Live {
    /// A statement without an answer.
    pub(super) async fn query(&self, text: &str) -> Result<(), Trouble> {
        let done = timeout(SCHEMA_TIMEOUT, self.session.query(text)).await;
        answered(done, SCHEMA_TIMEOUT).map(drop)
    }

    /// All rows of an answer.
    pub(super) async fn rows(&self, text: &str) -> Result<Vec<Row>, Trouble> {
        let answer = timeout(REQUEST_TIMEOUT, self.session.query(text)).await;
        let body = answered(answer, REQUEST_TIMEOUT)?.response_body();
        let rows = body.map_err(|error| Trouble::new(say(&error)))?.into_rows();
        Ok(rows.unwrap_or_default())
    }
}

impl Ready {
    /// Stores one row; `None` if there was no answer in time.
    pub(super) async fn store(
        &self,
        values: Vec<cdrs_tokio::types::value::Value>,
        written_us: i64,
    ) -> Option<Result<(), Box<Error>>> {
        let params = StatementParamsBuilder::new()
            .with_values(cdrs_tokio::query::QueryValues::SimpleValues(values))
            .with_timestamp(written_us)
            .idempotent(true)
            .build();
        let sent = self.live.session.exec_with_params(&self.insert, &params);
        match timeout(REQUEST_TIMEOUT, sent).await {
            Ok(Ok(_)) => Some(Ok(())),
            Ok(Err(error)) => Some(Err(Box::new(error))),
            Err(_) => None,
        }
    }
}

fn answered<T>(
    answer: Result<Result<T, Error>, tokio::time::error::Elapsed>,
    bound: Duration,
) -> Result<T, Trouble> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Trouble::new(say(&error))),
        Err(_) => Err(Trouble::new(format!("no answer within {bound:?}"))),
    }
}

/// An error in words, without the driver's inner names.
pub(super) fn say(error: &Error) -> String {
    match error {
        Error::Server { body, addr } => format!("{addr} says: {}", body.message),
        Error::General(text) | Error::Timeout(text) => text.clone(),
        other => other.to_string(),
    }
}
