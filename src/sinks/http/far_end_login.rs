//! The login at a far end, by HTTP's basic authentication: from the user and password of its URL, or given apart.
//!
//! Pure. It is never in an error or in the log, also not where a far end repeats it in its answer.

use std::borrow::Cow;
use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;

/// What stands in the log in place of a secret.
const HIDDEN: &str = "(hidden)";
/// Secrets that are shorter than this are not looked for in answers: they would be found everywhere.
const SECRET_MIN_BYTES: usize = 4;

/// A login, or none.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct FarEndLogin {
    /// The value of the header `Authorization`.
    authorization: Option<String>,
    /// Texts that must not be logged.
    secrets: Vec<String>,
}

impl fmt::Debug for FarEndLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.authorization.is_some() { "(a login)" } else { "(none)" })
    }
}

impl FarEndLogin {
    /// With this user and password.
    pub(crate) fn new(user: &str, password: &str) -> Self {
        let token = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let authorization = Some(format!("Basic {token}"));
        let mut login = Self { authorization, secrets: vec![token, password.to_owned()] };
        let in_json = serde_json::Value::from(password).to_string();
        login.secrets.push(in_json.trim_matches('"').to_owned());
        login
    }

    /// With the text that stands before the `@` of a URL, where `@`, `:`, `/` and `%` of a user and a password are
    /// percent-encoded.
    ///
    /// # Errors
    /// What is encoded is no UTF-8.
    pub(super) fn of_user_info(user_info: &str) -> Result<Self, &'static str> {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        let mut login = Self::new(&decoded(user)?, &decoded(password)?);
        login.secrets.push(password.to_owned());
        Ok(login)
    }

    /// Hides this text, too.
    pub(super) fn and_hide(mut self, secret: &str) -> Self {
        self.secrets.push(secret.to_owned());
        self
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// A text of the far end without the secrets of this login.
    pub(super) fn hidden_in(&self, mut text: String) -> String {
        let long = self.secrets.iter().filter(|secret| secret.len() >= SECRET_MIN_BYTES);
        for secret in long {
            if text.contains(secret) {
                text = text.replace(secret, HIDDEN);
            }
        }
        text
    }
}

fn decoded(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map_err(|_| "it has a user or a password that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_and_a_password_are_decoded() {
        let header =
            |user_info| FarEndLogin::of_user_info(user_info).map(|login| login.authorization);
        let plain = |user, password| Ok(FarEndLogin::new(user, password).authorization);
        assert_eq!(header("u:p"), plain("u", "p"));
        assert_eq!(header("u"), plain("u", ""));
        assert_eq!(header("a%40b:c%3Ad%2F%25"), plain("a@b", "c:d/%"));
        assert_eq!(header("u:a:b"), plain("u", "a:b"));
        assert!(header("u:%ff").is_err());
        assert_eq!(
            FarEndLogin::new("admin", "se:cret").authorization(),
            Some("Basic YWRtaW46c2U6Y3JldA==")
        );
    }

    #[test]
    fn an_answer_that_repeats_the_login_is_cleaned() {
        let login = FarEndLogin::of_user_info("admin:se%3Acret").unwrap().and_hide("?token=x1");
        let said =
            "Authorization: Basic YWRtaW46c2U6Y3JldA==, se:cret, se%3Acret, /push?token=x1, admin";
        let shown = login.hidden_in(said.to_owned());
        assert_eq!(
            shown,
            "Authorization: Basic (hidden), (hidden), (hidden), /push(hidden), admin"
        );
        assert_eq!(FarEndLogin::new("a", "b").hidden_in("a b c".to_owned()), "a b c");
        assert!(!format!("{login:?}").contains("cret"));
        let quoted = FarEndLogin::new("a", "se\\cr\"et");
        assert_eq!(quoted.hidden_in(r#"{"e":"se\\cr\"et"}"#.to_owned()), r#"{"e":"(hidden)"}"#);
    }
}
