//! A client of the real Cassandra, for what the server has left there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cdrs_tokio::authenticators::StaticPasswordAuthenticatorProvider;
use cdrs_tokio::cluster::session::{Session, SessionBuilder, TcpSessionBuilder};
use cdrs_tokio::cluster::{NodeTcpConfigBuilder, TcpConnectionManager};
use cdrs_tokio::load_balancing::RoundRobinLoadBalancingStrategy;
use cdrs_tokio::transport::TransportTcp;
use cdrs_tokio::types::ByIndex;
use cdrs_tokio::types::rows::Row;
use tokio::runtime::{Builder, Runtime};

use crate::common::wait::until_true;
use crate::service;

type Balancing = RoundRobinLoadBalancingStrategy<TransportTcp, TcpConnectionManager>;

/// What the services' user and password are.
pub(crate) const USER: &str = "cassandra";

const BOUND: Duration = Duration::from_mins(1);

/// A session of the test's.
pub(crate) struct Cql {
    runtime: Runtime,
    session: Session<TransportTcp, TcpConnectionManager, Balancing>,
}

impl Cql {
    /// Connects to the service.
    pub(crate) fn connect() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let user = StaticPasswordAuthenticatorProvider::new(USER, USER);
        let node = format!("127.0.0.1:{}", service::port("cassandra"));
        let session = runtime.block_on(async {
            let config = NodeTcpConfigBuilder::new()
                .with_contact_point(node.into())
                .with_authenticator_provider(std::sync::Arc::new(user));
            let config = config.build().await.unwrap();
            let session = TcpSessionBuilder::new(Balancing::new(), config).build();
            tokio::time::timeout(BOUND, session).await.expect("Cassandra answers").unwrap()
        });
        Self { runtime, session }
    }

    /// A statement; its rows, if it has any.
    pub(crate) fn rows(&self, statement: &str) -> Vec<Row> {
        let asked = async { tokio::time::timeout(BOUND, self.session.query(statement)).await };
        let answer = self.runtime.block_on(asked).expect("an answer in time");
        let answer = answer.unwrap_or_else(|error| panic!("{statement}: {error}"));
        answer.response_body().unwrap().into_rows().unwrap_or_default()
    }

    /// Statements without rows.
    pub(crate) fn run(&self, statements: &[&str]) {
        for statement in statements {
            self.rows(statement);
        }
    }

    /// The one number that a query asks for.
    pub(crate) fn number(&self, query: &str) -> i64 {
        self.rows(query)[0].by_index(0).unwrap().expect("a number")
    }

    /// The same as a floating one.
    pub(crate) fn float(&self, query: &str) -> f64 {
        self.rows(query)[0].by_index(0).unwrap().expect("a number")
    }

    /// An empty keyspace of this name.
    pub(crate) fn keyspace(&self, name: &str) {
        self.run(&[
            &format!("DROP KEYSPACE IF EXISTS {name}"),
            &format!(
                "CREATE KEYSPACE {name} WITH REPLICATION = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
            ),
        ]);
    }
}

/// Ends the service and starts it again on its port with its data. (What it had not yet synced would be lost by
/// a kill: Cassandra acknowledges before it syncs.)
pub(crate) fn restart() {
    let home = service::home("cassandra");
    let port = service::port("cassandra").to_string();
    let pid = fs::read_to_string(home.join("pid")).unwrap();
    signal("TERM");
    let gone = || !Path::new("/proc").join(pid.trim()).join("exe").exists();
    until_true("Cassandra ends", gone);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/cassandra/start.sh");
    let mut start = Command::new(script);
    start.arg(home).env("CASSANDRA_PORT", port).env("CASSANDRA_KEEP", "1");
    assert!(start.status().unwrap().success(), "Cassandra starts again");
}

/// A signal to the service itself.
fn signal(name: &str) {
    let pid = fs::read_to_string(service::home("cassandra").join("pid")).unwrap();
    let status = Command::new("kill").args(["-s", name, pid.trim()]).status().unwrap();
    assert!(status.success(), "kill -s {name}");
}

/// Stands still from now on, until it is dropped.
pub(crate) struct Stopped;

impl Stopped {
    pub(crate) fn new() -> Self {
        signal("STOP");
        Self
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("CONT");
    }
}
