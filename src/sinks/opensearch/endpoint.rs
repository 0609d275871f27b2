//! Where OpenSearch is and the login there, from the environment's variables.
//!
//! Pure. Texts that may hold a password are never in an error or in the log.

use anyhow::{anyhow, bail};

use crate::sinks::http::far_end_login::FarEndLogin;
use crate::sinks::http::url::HttpUrl;

const VARIABLE: &str = "METRICS_SERVER_SEARCH_URL";

/// The address of the service, and the login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The URL without a user and without a slash at its end.
    pub(super) base: String,
    pub(super) login: FarEndLogin,
}

impl Endpoint {
    /// Takes the login from the URL; if that has none, `user` and `password` are it, unless both are empty.
    ///
    /// # Errors
    /// The URL cannot be used, or one of `user` and `password` is missing; names the variables.
    pub(super) fn new(url: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let url = match HttpUrl::parse(url) {
            Ok(url) if url.has_query() => {
                bail!("{VARIABLE} has a ? or # behind its path, which has no meaning here")
            }
            Ok(url) => url,
            Err(cause) => bail!(
                "{VARIABLE}: {cause}; it looks like http://host:9200 or https://user:password@host:9200/prefix"
            ),
        };
        let base = url.without_user().trim_end_matches('/').to_owned();
        let own = url.login().map_err(|cause| anyhow!("{VARIABLE}: {cause}"))?;
        let login = if url.has_user() || (user.is_empty() && password.is_empty()) {
            own
        } else if user.is_empty() || password.is_empty() {
            bail!(
                "METRICS_SERVER_SEARCH_USER and METRICS_SERVER_SEARCH_PASSWORD belong together: one is given, the other is missing"
            )
        } else {
            FarEndLogin::new(user, password)
        };
        Ok(Self { base, login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(url: &str, base: &str, authorization: Option<&str>) {
        let endpoint = Endpoint::new(url, "", "").unwrap();
        assert_eq!((endpoint.base.as_str(), endpoint.login.authorization()), (base, authorization));
    }

    #[test]
    fn the_prefix_is_kept_and_the_last_slash_is_cut() {
        is("http://h", "http://h", None);
        is("HTTP://h:9200/", "http://h:9200", None);
        is("https://h:9200/a/b/", "https://h:9200/a/b", None);
        is("http://[::1]:9200", "http://[::1]:9200", None);
        is("http://[::1]/p", "http://[::1]/p", None);
    }

    #[test]
    fn a_user_in_the_url_wins() {
        let basic =
            |user, password| FarEndLogin::new(user, password).authorization().map(str::to_owned);
        is("http://u:p@h", "http://h", basic("u", "p").as_deref());
        is("http://u@h", "http://h", basic("u", "").as_deref());
        is("http://a%40b:c%3Ad%2F@h/x", "http://h/x", basic("a@b", "c:d/").as_deref());
        let from = |url, user, password| {
            let endpoint = Endpoint::new(url, user, password).unwrap();
            endpoint.login.authorization().map(str::to_owned)
        };
        assert_eq!(from("http://u:p@h", "admin", "x"), basic("u", "p"));
        assert_eq!(
            from("http://h", "admin", "se:cret").as_deref(),
            Some("Basic YWRtaW46c2U6Y3JldA==")
        );
        assert_eq!(from("http://h", "", ""), None);
        assert_eq!(from("http://u:p@h", "admin", ""), basic("u", "p"));
    }

    #[test]
    fn half_a_login_is_refused() {
        for (user, password) in [("admin", ""), ("", "secret")] {
            let error = Endpoint::new("http://h", user, password).unwrap_err().to_string();
            assert!(error.contains("belong together") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        let urls = [
            "secret",
            "secret:9200",
            "ftp://secret",
            "http://",
            "http://secret:x9",
            "http://u:secret@",
            "http://secret h",
            "http://h/?secret",
            "http://h/#secret",
            "http://u:%ffsecret@h",
        ];
        for url in urls {
            let error = Endpoint::new(url, "", "").unwrap_err().to_string();
            assert!(error.starts_with(VARIABLE) && !error.contains("secret"), "{url}: {error}");
        }
        assert!(!format!("{:?}", Endpoint::new("http://u:secret@h", "", "")).contains("secret"));
    }
}
