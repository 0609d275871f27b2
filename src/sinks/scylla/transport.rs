//! One connection to a node, plain or with TLS: one type for the driver, which knows either.

use std::net::SocketAddr;

use cdrs_tokio::error::Result;
use cdrs_tokio::frame::Envelope;
use cdrs_tokio::future::BoxFuture;
use cdrs_tokio::transport::{CdrsTransport, TransportRustls, TransportTcp};

/// A connection.
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
