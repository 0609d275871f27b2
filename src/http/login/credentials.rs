//! Reads user and password from the header `Authorization`.
//!
//! It must not know who may log in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use super::refusal::LoginRefusal;

/// User and password as the client sent them by HTTP's Basic scheme. Both may hold any bytes, UTF-8 or not.
pub(super) struct Credentials {
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// Reads the header by the rules of Go's `net/http`: the name of the scheme may have any letter case, standard base64
    /// follows, and the first colon in the decoded bytes ends the user.
    ///
    /// # Errors
    /// There is no header, or it is not of the Basic scheme.
    pub(super) fn read(authorization: Option<&HeaderValue>) -> Result<Self, LoginRefusal> {
        let value = authorization.ok_or(LoginRefusal::Missing)?.as_bytes();
        Self::parse(value).ok_or(LoginRefusal::Malformed)
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (scheme, encoded) = value.split_at_checked(b"Basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let mut user = STANDARD.decode(encoded).ok()?;
        let colon = memchr::memchr(b':', &user)?;
        let password = user.split_off(colon + 1);
        user.truncate(colon);
        Some(Self { user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String)> {
        let read = Credentials::parse(value.as_bytes())?;
        Some((String::from_utf8(read.user).unwrap(), String::from_utf8(read.password).unwrap()))
    }

    #[test]
    fn the_first_colon_ends_the_user() {
        let both = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        assert_eq!(read("Basic YWxpY2U6czpjcmV0"), both("alice", "s:cret"));
        assert_eq!(read("bASIC YWxpY2U6"), both("alice", ""));
        assert_eq!(read("Basic Og=="), both("", ""));
    }

    #[test]
    fn what_is_not_of_the_scheme_is_malformed() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Bearer YWxpY2U6cw==",
            "Basic YWxpY2U",
            "Basic YWxpY2U=",
            "Basic *",
        ] {
            assert!(read(value).is_none(), "{value:?}");
        }
        assert_eq!(Credentials::read(None).err(), Some(LoginRefusal::Missing));
    }
}
