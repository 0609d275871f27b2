//! When the server stops, and at whose word.
//!
//! Runs on `main`, once. It must not know how a stop goes.

use std::sync::Arc;
use std::time::Duration;

use super::convert::{duration, list};
use super::error::UsageError;
use super::go;
use super::table::Values;

/// When the server stops, and at whose word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShutdownConfig {
    /// How long to keep running once asked to stop.
    pub delay: Duration,
    /// Whose `op: shutdown` is obeyed.
    pub from: ShutdownFrom,
}

/// Whose `op: shutdown` is obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShutdownFrom {
    /// Clients of unix sockets.
    Unix,
    /// Clients of unix sockets that run as one of these users.
    UnixUsers(Arc<[u32]>),
    /// Whoever sends one, over UDP too.
    Any,
    /// Nobody.
    None,
}

impl ShutdownConfig {
    /// What the flags say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        Ok(Self { delay: duration(values.shutdown_delay), from: shutdown_from(values)? })
    }
}

fn shutdown_from(values: &Values) -> Result<ShutdownFrom, UsageError> {
    // An empty list that was given, as by an unset variable, must not open what was to be closed.
    let is_list_given = values.given.contains("shutdown-uid");
    let user_ids = is_list_given.then(|| user_ids(&values.shutdown_uid)).transpose()?;
    match (values.shutdown_from.as_str(), user_ids) {
        ("uds", None) => Ok(ShutdownFrom::Unix),
        ("uds", Some(user_ids)) => Ok(ShutdownFrom::UnixUsers(user_ids)),
        ("any", None) => Ok(ShutdownFrom::Any),
        ("any", Some(_)) => {
            let cause = "-shutdown-from any obeys udp as well, and a datagram tells no user";
            Err(UsageError::value("shutdown-uid", &values.shutdown_uid, cause))
        }
        ("none", _) => Ok(ShutdownFrom::None),
        (other, _) => Err(UsageError::value("shutdown-from", other, "no such choice")),
    }
}

fn user_ids(text: &str) -> Result<Arc<[u32]>, UsageError> {
    let refused = |cause: &str| UsageError::value("shutdown-uid", text, cause);
    let ids = list(text).into_iter().map(|item| {
        user_id(&item).ok_or_else(|| {
            let item = go::quote(&item);
            refused(&format!("{item} is no user id; id -u shows the number of a name"))
        })
    });
    let ids = ids.collect::<Result<Arc<[u32]>, _>>()?;
    if ids.is_empty() { Err(refused("there is no user id in it")) } else { Ok(ids) }
}

/// A decimal number without a sign. The largest one is the kernel's word for no user.
fn user_id(text: &str) -> Option<u32> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| is_decimal && *id != u32::MAX)
}
