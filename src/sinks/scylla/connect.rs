//! Connections to nodes: plain or with TLS, each opened within a bounded time.
//!
//! Called by the driver, on the sender's runtime. It must not know what is sent.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cdrs_tokio::authenticators::{
    NoneAuthenticatorProvider, SaslAuthenticatorProvider, StaticPasswordAuthenticatorProvider,
};
use cdrs_tokio::cluster::connection_pool::{ConnectionPoolConfig, ConnectionPoolConfigBuilder};
use cdrs_tokio::cluster::{
    ConnectionManager, GenericClusterConfig, KeyspaceHolder, RustlsConnectionManager,
    TcpConnectionManager,
};
use cdrs_tokio::compression::Compression;
use cdrs_tokio::error::{Error, Result};
use cdrs_tokio::frame::{Envelope, Version};
use cdrs_tokio::frame_encoding::ProtocolFrameEncodingFactory;
use cdrs_tokio::future::BoxFuture;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc::Sender;

use super::error::describe;
use super::failures::ConnectFailures;
use super::transport::NodeTransport;
use crate::config::ScyllaConfig;
use crate::sinks::http::flag_file::FlagFile;

/// How long it may take to open a connection and to log in.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The version of the protocol: the highest that ScyllaDB speaks.
const VERSION: Version = Version::V4;
/// Connections to each node.
const POOL: usize = 2;
/// Requests that may wait until a connection has written those before them.
const BUFFERED: usize = 1024;
/// Events of the cluster, such as a node that goes away, that may wait for the driver.
const EVENTS: usize = 128;
/// A year, which stands for never. Whether a node works is seen by how it answers inserts, and the driver would
/// wait for a heartbeat's answer without a bound.
const HEARTBEAT: Duration = Duration::from_hours(24 * 365);

/// How nodes are connected to.
#[derive(Clone)]
pub(super) struct NodeAccess {
    /// Empty if there is no login.
    user: String,
    password: String,
    tls: Option<Arc<ClientConfig>>,
    /// The names that `-scylladb-hosts` has for addresses. Certificates are checked against them; those of the nodes
    /// that the cluster tells are checked against the address.
    names: HashMap<SocketAddr, String>,
    failures: ConnectFailures,
}

/// Opens connections.
pub(super) struct NodeConnector {
    access: NodeAccess,
    keyspace: Arc<KeyspaceHolder>,
}

impl fmt::Debug for NodeConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeConnector")
    }
}

impl ConnectionManager<NodeTransport> for NodeConnector {
    fn connection(
        &self,
        events: Option<Sender<Envelope>>,
        errors: Option<Sender<Error>>,
        addr: SocketAddr,
    ) -> BoxFuture<'_, Result<NodeTransport>> {
        Box::pin(async move {
            let opened = tokio::time::timeout(CONNECT_TIMEOUT, self.open(events, errors, addr));
            let opened = match opened.await {
                Ok(opened) => opened,
                Err(_) => Err(Error::Timeout(format!("no answer within {CONNECT_TIMEOUT:?}"))),
            };
            let tried = opened.as_ref().map(drop).map_err(describe);
            self.access.failures.note(addr, tried);
            opened
        })
    }
}

impl NodeConnector {
    async fn open(
        &self,
        events: Option<Sender<Envelope>>,
        errors: Option<Sender<Error>>,
        addr: SocketAddr,
    ) -> Result<NodeTransport> {
        let encoding = Box::new(ProtocolFrameEncodingFactory);
        let (user, keyspace) = (self.access.provider(), Arc::clone(&self.keyspace));
        let Some(tls) = &self.access.tls else {
            let plain = TcpConnectionManager::new(
                user,
                keyspace,
                encoding,
                Compression::None,
                BUFFERED,
                true,
                VERSION,
            );
            return plain.connection(events, errors, addr).await.map(NodeTransport::Plain);
        };
        let tls = RustlsConnectionManager::new(
            self.access.server_name(addr).map_err(Error::General)?,
            user,
            Arc::clone(tls),
            keyspace,
            encoding,
            Compression::None,
            BUFFERED,
            true,
            VERSION,
        );
        tls.connection(events, errors, addr).await.map(NodeTransport::Tls)
    }
}

impl NodeAccess {
    /// With the login and the TLS of the flags, to hosts that have these addresses and names.
    ///
    /// # Errors
    /// See [`tls`].
    pub(super) fn new(
        config: &ScyllaConfig,
        names: HashMap<SocketAddr, String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            user: config.user.clone(),
            password: config.password.expose().to_owned(),
            tls: config.tls.then(|| tls(&config.ca_path)).transpose()?,
            names,
            failures: ConnectFailures::new(),
        })
    }

    /// What went wrong with addresses so far.
    pub(super) fn failures(&self) -> &ConnectFailures {
        &self.failures
    }

    fn provider(&self) -> Arc<dyn SaslAuthenticatorProvider + Send + Sync> {
        if self.user.is_empty() {
            return Arc::new(NoneAuthenticatorProvider);
        }
        Arc::new(StaticPasswordAuthenticatorProvider::new(&self.user, &self.password))
    }

    fn server_name(&self, addr: SocketAddr) -> std::result::Result<ServerName<'static>, String> {
        let Some(name) = self.names.get(&addr) else { return Ok(addr.ip().into()) };
        ServerName::try_from(name.clone())
            .map_err(|_| format!("{name} is no name that a certificate can have"))
    }
}

impl GenericClusterConfig<NodeTransport, NodeConnector> for NodeAccess {
    fn create_manager(
        &self,
        keyspace: Arc<KeyspaceHolder>,
    ) -> BoxFuture<'_, Result<NodeConnector>> {
        let access = self.clone();
        Box::pin(async move { Ok(NodeConnector { access, keyspace }) })
    }

    fn event_channel_capacity(&self) -> usize {
        EVENTS
    }

    fn version(&self) -> Version {
        VERSION
    }

    fn connection_pool_config(&self) -> ConnectionPoolConfig {
        ConnectionPoolConfigBuilder::new()
            .with_local_size(POOL)
            .with_remote_size(POOL)
            .with_connect_timeout(Some(CONNECT_TIMEOUT))
            .with_heartbeat_interval(HEARTBEAT)
            .build()
    }
}

/// TLS with the authorities of this file, or with the system's where the path is empty.
///
/// # Errors
/// The file cannot be read or holds no certificate that can be used; names flag and path.
pub(super) fn tls(ca_path: &str) -> anyhow::Result<Arc<ClientConfig>> {
    let file = FlagFile::new("-scylladb-ca-path", ca_path);
    let authorities = file.authorities()?;
    let mut roots = RootCertStore::empty();
    if file.path().is_none() {
        // Some systems hold certificates that no library can read. They are left out; the others count.
        roots.add_parsable_certificates(authorities);
    } else {
        for certificate in authorities {
            roots.add(certificate).with_context(|| file.to_string())?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("tls")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
