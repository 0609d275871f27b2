//! What keeps rows from being stored, in words for the log. Pure.

use std::fmt;

use cdrs_tokio::error::Error;

/// Why there is no session that rows could be stored by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionError(String);

impl SessionError {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error in words, without the driver's inner names.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Server { body, addr } => format!("{addr} says: {}", body.message),
        Error::General(text) | Error::Timeout(text) => text.clone(),
        other => other.to_string(),
    }
}
