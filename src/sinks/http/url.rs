//! The URL of a far end that speaks HTTP: its parts, and whether it can be used.
//!
//! Pure. A URL may hold a password, so no error and no text for the log repeats the whole of it.

use ureq::http::Uri;

use super::far_end_login::FarEndLogin;

/// A URL with `http` or `https`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpUrl<'a> {
    scheme: &'static str,
    user_info: Option<&'a str>,
    /// Host and port.
    host: &'a str,
    path: &'a str,
    /// With its `?`, or empty.
    query: &'a str,
    has_fragment: bool,
}

impl<'a> HttpUrl<'a> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Says what is wrong, in words that fit behind the name of a flag or variable.
    pub(crate) fn parse(url: &'a str) -> Result<Self, &'static str> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("http", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("https", rest),
            _ => return Err("it must begin with http:// or https://"),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (tail, fragment) = tail.split_at(tail.find('#').unwrap_or(tail.len()));
        let (path, query) = tail.split_at(tail.find('?').unwrap_or(tail.len()));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let has_fragment = !fragment.is_empty();
        let parsed = Self { scheme, user_info, host, path, query, has_fragment };
        if parsed.is_valid() { Ok(parsed) } else { Err("it has no valid host, port and path") }
    }

    /// Whether there is a user before the host.
    pub(crate) fn has_user(&self) -> bool {
        self.user_info.is_some()
    }

    /// The login, if there is a user before the host. The query is hidden with it.
    ///
    /// # Errors
    /// The user or the password is no UTF-8.
    pub(crate) fn login(&self) -> Result<FarEndLogin, &'static str> {
        let login = self.user_info.map(FarEndLogin::of_user_info).transpose()?;
        Ok(login.unwrap_or_default().and_hide(self.query))
    }

    /// Whether a `?` or `#` follows the path.
    pub(crate) fn has_query(&self) -> bool {
        !self.query.is_empty() || self.has_fragment
    }

    /// Scheme, host, port and path: what can be shown, since it holds no password.
    pub(crate) fn without_user(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// All that is sent to the host's port: what [`Self::without_user`] holds, and the query, which may be a secret.
    pub(crate) fn with_query(&self) -> String {
        self.without_user() + self.query
    }

    fn is_valid(&self) -> bool {
        let Ok(uri) = self.with_query().parse::<Uri>() else { return false };
        // The last colon stands before a port, or inside the brackets of an IPv6 address.
        let has_good_port =
            !self.host.contains(':') || self.host.ends_with(']') || uri.port_u16() > Some(0);
        has_good_port && uri.host().is_some_and(|host| !host.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = HttpUrl::parse("HTTPS://user:secret@loki:3100/loki/push?x=1").unwrap();
        assert_eq!(url.without_user(), "https://loki:3100/loki/push");
        assert_eq!(url.with_query(), "https://loki:3100/loki/push?x=1");
        let own = FarEndLogin::new("user", "secret");
        assert!(url.has_user());
        assert_eq!(url.login().unwrap().authorization(), own.authorization());
        assert!(url.has_query());
        for url in ["http://h", "http://[::1]:9200", "http://[::1]/p"] {
            let parsed = HttpUrl::parse(url).unwrap();
            assert_eq!(parsed.without_user(), url);
            assert_eq!((parsed.with_query().as_str(), parsed.has_query()), (url, false));
            assert_eq!(parsed.login().unwrap().authorization(), None);
        }
        assert!(HttpUrl::parse("http://h#f").unwrap().has_query());
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for url in [
            "",
            "h:3100",
            "/path",
            "ftp://h",
            "http://",
            "http:///p",
            "http://h:x",
            "http://h:99999",
            "http://u:p@h:99999/p",
            "http://h:",
            "http://h:0",
            "http://[::1]:99999",
            "http://h/p?a b",
            "http://user@",
            "http://a b/",
            "http://[::1",
        ] {
            assert!(HttpUrl::parse(url).is_err(), "{url}");
        }
    }
}
