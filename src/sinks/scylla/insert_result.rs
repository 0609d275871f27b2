//! What the answer to an insert means for its row. Pure.

use cdrs_tokio::error::Error;
use cdrs_tokio::frame::message_error::ErrorType;

use super::cluster::REQUEST_TIMEOUT;
use super::error::describe;
use crate::sinks::RejectReason;

/// What became of a row that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InsertResult {
    /// It is stored.
    Stored,
    /// It will never be stored. The text is what the database says.
    Refused(RejectReason, String),
    /// It may be stored later, and the session works. The text says why not now.
    Later(String),
    /// The same, but the database may have failed over the row itself.
    Failed(String),
    /// There was no answer in time: the session is not to be used again, and the row may be the cause.
    NoAnswer(String),
    /// It may be stored by a new session; this one is not to be used again. The text says why.
    Broken(String),
}

impl InsertResult {
    /// Reads an answer; `None` stands for none in time.
    pub(super) fn of(answer: Option<Result<(), Box<Error>>>) -> Self {
        let error = match answer {
            Some(Ok(())) => return InsertResult::Stored,
            Some(Err(error)) => error,
            None => return InsertResult::NoAnswer(format!("no answer within {REQUEST_TIMEOUT:?}")),
        };
        let why = describe(&error);
        let body = match &*error {
            Error::Server { body, .. } => body,
            // The driver has asked one node after another, and says no more of what they said.
            Error::General(text) if text.starts_with("No nodes available") => {
                return InsertResult::NoAnswer(why);
            }
            _ => return InsertResult::Broken(why),
        };
        match &body.ty {
            ErrorType::Invalid if is_gone(&body.message) => InsertResult::Broken(why),
            ErrorType::Invalid if is_too_long(&body.message) => {
                InsertResult::Refused(RejectReason::TooLong, why)
            }
            ErrorType::Invalid => InsertResult::Refused(RejectReason::Refused, why),
            ErrorType::Server => InsertResult::Failed(why),
            ErrorType::Unavailable(_)
            | ErrorType::Overloaded
            | ErrorType::IsBootstrapping
            | ErrorType::Truncate
            | ErrorType::WriteTimeout(_)
            | ErrorType::WriteFailure(_)
            | ErrorType::ReadTimeout(_)
            | ErrorType::ReadFailure(_) => InsertResult::Later(why),
            // The rights, the schema or the prepared statement may have changed: a new session looks again.
            _ => InsertResult::Broken(why),
        }
    }
}

/// Whether the table or its keyspace is gone, so that nothing is wrong with the row.
fn is_gone(message: &str) -> bool {
    ["unconfigured table", "does not exist", "Unknown keyspace"]
        .iter()
        .any(|part| message.contains(part))
}

/// Whether a part of the row is longer than the database takes. Its answer has no code for that, so the words that
/// Cassandra and ScyllaDB use are looked for.
fn is_too_long(message: &str) -> bool {
    ["longer than", "too large", "too long", "Cannot index value of size", "exceeds"]
        .iter()
        .any(|part| message.contains(part))
}

#[cfg(test)]
mod tests {
    use cdrs_tokio::frame::message_error::ErrorBody;

    use super::*;

    #[test]
    fn answers_become_results() {
        let server = |ty, message: &str| {
            let body = ErrorBody { ty, message: message.to_owned() };
            let addr = "127.0.0.1:1".parse().unwrap();
            InsertResult::of(Some(Err(Box::new(Error::Server { body, addr }))))
        };
        let reason = |result| {
            if let InsertResult::Refused(reason, _) = result { Some(reason) } else { None }
        };
        assert_eq!(InsertResult::of(Some(Ok(()))), InsertResult::Stored);
        assert!(matches!(InsertResult::of(None), InsertResult::NoAnswer(_)));
        assert!(matches!(server(ErrorType::Server, ""), InsertResult::Failed(_)));
        assert!(matches!(
            InsertResult::of(Some(Err(Box::new(Error::General(String::new()))))),
            InsertResult::Broken(_)
        ));
        assert_eq!(
            reason(server(ErrorType::Invalid, "expected 8 bytes")),
            Some(RejectReason::Refused)
        );
        let long = "Key length of 65536 is longer than maximum of 65535";
        assert_eq!(reason(server(ErrorType::Invalid, long)), Some(RejectReason::TooLong));
        assert!(matches!(
            server(ErrorType::Invalid, "unconfigured table x"),
            InsertResult::Broken(_)
        ));
        assert!(matches!(server(ErrorType::Overloaded, ""), InsertResult::Later(_)));
        assert!(matches!(server(ErrorType::Unauthorized, ""), InsertResult::Broken(_)));
    }
}
