//! The URL of a far end that speaks HTTP: its parts, and whether it can be used.
//!
//! Pure. A URL may hold a password, so no error and no text for the log repeats the whole of it.

use ureq::http::Uri;

/// A URL with `http` or `https`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpUrl<'a> {
    scheme: &'static str,
    user_info: Option<&'a str>,
    /// Host and port.
    host: &'a str,
    path: &'a str,
    has_query: bool,
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
        let (path, query) = tail.split_at(tail.find(['?', '#']).unwrap_or(tail.len()));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let parsed = Self { scheme, user_info, host, path, has_query: !query.is_empty() };
        if parsed.is_valid() { Ok(parsed) } else { Err("it has no valid host, port and path") }
    }

    /// The text before the `@`, still percent-encoded.
    pub(crate) fn user_info(&self) -> Option<&'a str> {
        self.user_info
    }

    /// Whether a `?` or `#` follows the path.
    pub(crate) fn has_query(&self) -> bool {
        self.has_query
    }

    /// Scheme, host, port and path: what can be shown, since it holds no password.
    pub(crate) fn without_user(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    fn is_valid(&self) -> bool {
        let Ok(uri) = self.without_user().parse::<Uri>() else { return false };
        // The last colon stands before a port, or inside the brackets of an IPv6 address.
        let has_good_port =
            !self.host.contains(':') || uri.port_u16().is_some() || self.host.ends_with(']');
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
        assert_eq!((url.user_info(), url.has_query()), (Some("user:secret"), true));
        for url in ["http://h", "http://[::1]:9200", "http://[::1]/p"] {
            let parsed = HttpUrl::parse(url).unwrap();
            assert_eq!(parsed.without_user(), url);
            assert_eq!((parsed.user_info(), parsed.has_query()), (None, false));
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
            "http://user@",
            "http://a b/",
            "http://[::1",
        ] {
            assert!(HttpUrl::parse(url).is_err(), "{url}");
        }
    }
}
