//! The server that a router passes every metric on to.
//!
//! Runs on `main`, once. It must not resolve the name.

use super::GoAddr;
use super::convert::size;
use super::error::UsageError;
use super::listen;
use super::table::Values;

/// The server that a router passes every metric on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RemoteConfig {
    /// Where it is; an empty host is the local one.
    pub addr: GoAddr,
    /// Messages are joined to datagrams of up to so many bytes; 0: each has its own.
    pub datagram_bytes: usize,
    /// The label `instance` of what is sent: the host's name if there is none here, no label if it is empty.
    pub instance: Option<String>,
    /// Source ports to send from.
    pub sockets: usize,
}

impl RemoteConfig {
    /// What the flags say; `None` without `-remote`.
    pub(super) fn read(values: &Values) -> Result<Option<Self>, UsageError> {
        let text = &values.remote;
        if text.is_empty() {
            return Ok(None);
        }
        let addr = listen::address("remote", text)?;
        if addr.port == 0 {
            return Err(UsageError::value("remote", text, "nothing can be sent to port 0"));
        }
        Ok(Some(Self {
            addr,
            datagram_bytes: size(values.remote_datagram_bytes),
            instance: (values.given.contains("remote-instance"))
                .then(|| values.remote_instance.clone()),
            sockets: size(values.remote_sockets),
        }))
    }
}
