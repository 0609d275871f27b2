//! Sends profiles of this server to Pyroscope.
//!
//! There are no rows and no queue: a profile that does not arrive is gone, and the next one comes soon. Runs on the
//! thread that takes profiles; it must not know how they are taken.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, anyhow, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::sinks::gzip::gzip;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::url::HttpUrl;
use crate::sinks::http::{Client, REQUEST_TIMEOUT, RequestHead};

/// The application's name in Pyroscope, as the original has it.
const APPLICATION: &str = "metrics-server";
/// The characters that are percent-encoded in a URL's query: all but RFC 3986's unreserved ones.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Counts pushes by how they went. Read by the exporter.
#[derive(Debug, Default)]
pub(crate) struct PushCounters {
    /// Profiles that Pyroscope took.
    pub delivered: AtomicU64,
    /// Profiles that it did not take, or that could not be made.
    pub failed: AtomicU64,
}

impl PushCounters {
    /// Counts one push.
    pub(crate) fn count(&self, delivered: bool) {
        let count = if delivered { &self.delivered } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }
}

/// A Pyroscope server.
#[derive(Debug)]
pub(crate) struct Pyroscope {
    client: Client,
    /// The URL of a push, up to the parameters that differ from push to push.
    url: String,
}

impl Pyroscope {
    /// The server at this URL; profiles get the tag `hostname`.
    ///
    /// # Errors
    /// Profiles cannot be sent to this URL; names the flag.
    pub(crate) fn new(url: &str, hostname: &str) -> anyhow::Result<Self> {
        let parsed = match HttpUrl::parse(url) {
            Ok(parsed) if parsed.has_query() => Err("it has a ? or # behind its path"),
            parsed => parsed,
        };
        let with_login =
            parsed.and_then(|url| url.login().map(|login| (url.without_user(), login)));
        let (base, login) = with_login.map_err(|cause| {
            anyhow!("-pyroscope-url: {cause}; it looks like http://localhost:4040")
        })?;
        // These characters would end the tag's value or begin another tag.
        let tag = hostname.replace(['{', '}', ',', '='], "_");
        let name = format!("{APPLICATION}{{hostname={tag}}}");
        let name = utf8_percent_encode(&name, QUERY);
        let url = format!("{}/ingest?name={name}", base.trim_end_matches('/'));
        let client = Client::new(TlsOptions::default(), login).context("-pyroscope-url")?;
        Ok(Self { client, url })
    }

    /// Sends a profile in pprof's format. It covers this time, in seconds since 1970, and has so many stacks of each
    /// second.
    ///
    /// # Errors
    /// The profile did not arrive; says why.
    pub(crate) fn push(
        &mut self,
        profile: &[u8],
        unix_seconds: Range<u64>,
        stacks_per_second: u16,
    ) -> anyhow::Result<()> {
        let Range { start, end } = unix_seconds;
        let url = format!(
            "{}&from={start}&until={end}&format=pprof&sampleRate={stacks_per_second}",
            self.url
        );
        // A file in pprof's format is gzipped, so this is no content encoding of HTTP.
        let headers = [("content-type", "application/octet-stream")];
        let limit = REQUEST_TIMEOUT;
        let head = RequestHead { method: "POST", url: &url, headers: &headers, limit };
        let response = self.client.send(head, &gzip(profile))?;
        // A page is a proxy's, as for a login: Pyroscope says nothing, or something in JSON.
        let is_page = response.body.trim_start().starts_with('<');
        if !(200..300).contains(&response.status) || is_page {
            bail!("status {}: {}", response.status, response.shown(&response.body));
        }
        Ok(())
    }

    /// Returns a function that ends a push that is under way and makes later ones fail; for another thread.
    pub(crate) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_originals_and_stays_one_name() {
        let url = |base, host| Pyroscope::new(base, host).unwrap().url;
        assert_eq!(
            url("http://p:4040/", "web-1.example"),
            "http://p:4040/ingest?name=metrics-server%7Bhostname%3Dweb-1.example%7D"
        );
        assert_eq!(
            url("https://p/prefix", "a,b={é}"),
            "https://p/prefix/ingest?name=metrics-server%7Bhostname%3Da_b__%C3%A9_%7D"
        );
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_flag() {
        for url in [
            "localhost:4040",
            "ftp://x",
            "http://",
            "/path",
            "http://x?y=1",
            "http://x:99999",
            "a b",
        ] {
            let error = format!("{:#}", Pyroscope::new(url, "h").unwrap_err());
            assert!(error.contains("-pyroscope-url"), "{error}");
        }
    }
}
