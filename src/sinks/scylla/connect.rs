//! Connections to nodes: plain or with TLS, each opened within a bound, and what went wrong kept for the log.
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
use cdrs_tokio::transport::{CdrsTransport, TransportRustls, TransportTcp};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use super::error::describe;
use crate::sinks::http::pem::FlagFile;

/// Until a connection is open and the user known.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// ScyllaDB speaks this version at most.
const VERSION: Version = Version::V4;
/// Connections to each node.
const POOL: usize = 2;
/// Requests that wait for a connection to write them.
const BUFFERED: usize = 1024;
const EVENTS: usize = 128;
/// Never: how a node does is seen by what it answers, and a heartbeat has no bound.
const HEARTBEAT: Duration = Duration::from_hours(24 * 365);

/// How nodes are connected to.
#[derive(Clone)]
pub(super) struct NodeAccess {
    /// Empty: none.
    pub(super) user: String,
    pub(super) password: String,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The names by which the flag calls nodes, for their certificates; others are called by address.
    pub(super) names: HashMap<SocketAddr, String>,
    pub(super) failures: ConnectFailures,
}

/// What went wrong with each address that could not be connected to.
#[derive(Clone, Debug)]
pub(super) struct ConnectFailures(Arc<watch::Sender<HashMap<SocketAddr, String>>>);

impl ConnectFailures {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::channel(HashMap::new()).0))
    }

    /// Waits until so many addresses have failed; what the first of them said.
    pub(super) async fn all(&self, addresses: usize) -> String {
        let mut failed = self.0.subscribe();
        // The sender lives as long as `self`.
        let failed = failed.wait_for(|failed| failed.len() >= addresses).await;
        failed.map_or_else(|_| String::new(), |failed| join(&failed))
    }

    /// What is known so far.
    pub(super) fn text(&self) -> String {
        join(&self.0.borrow())
    }
}

fn join(failed: &HashMap<SocketAddr, String>) -> String {
    let mut lines: Vec<_> = failed.iter().map(|(addr, why)| format!("{addr}: {why}")).collect();
    lines.sort();
    lines.truncate(3); // enough for the log
    lines.join("; ")
}

/// One connection.
#[derive(Debug)]
pub(super) enum NodeTransport {
    Plain(TransportTcp),
    Tls(TransportRustls),
}

impl CdrsTransport for NodeTransport {
    fn write_envelope<'a>(
        &'a self,
        envelope: &'a Envelope,
        handshake: bool,
    ) -> BoxFuture<'a, Result<Envelope>> {
        match self {
            Self::Plain(plain) => plain.write_envelope(envelope, handshake),
            Self::Tls(tls) => tls.write_envelope(envelope, handshake),
        }
    }

    fn is_broken(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.is_broken(),
            Self::Tls(tls) => tls.is_broken(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Plain(plain) => plain.address(),
            Self::Tls(tls) => tls.address(),
        }
    }
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
            self.access.failures.0.send_modify(|failed| match &opened {
                Ok(_) => drop(failed.remove(&addr)),
                Err(error) => drop(failed.insert(addr, describe(error))),
            });
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
        // Some systems hold certificates that no library can read; one of the others will do.
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
