//! Errors in words, for the log. Pure.

use std::fmt;

use cdrs_tokio::error::Error;

/// Why there is no session with which rows could be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionError(String);

impl SessionError {
    /// With this text, which says what is wrong and where.
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error of the driver in words, without the names of the driver's types.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Server { body, addr } => format!("{addr} says: {}", body.message),
        Error::General(text) | Error::Timeout(text) => text.clone(),
        other => other.to_string(),
    }
}
