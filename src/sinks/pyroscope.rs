//! Profiles of this server on their way to Pyroscope.
//!
//! No rows, no queue: a profile that does not arrive is gone, and the next one comes soon. Runs on the thread
//! that takes profiles; it must not know how they are taken.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, bail};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::sinks::gzip::gzip;
use crate::sinks::http::tls::TlsOptions;
use crate::sinks::http::url::HttpUrl;
use crate::sinks::http::{Client, RequestHead};
use crate::text::excerpt::excerpt;

/// The name that the original's profiles have.
const APPLICATION: &str = "metrics-server";
/// What a URL's query holds as percent-encoded: all but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Pushes by how they went, read by the exporter.
#[derive(Debug, Default)]
pub(crate) struct PushCounters {
    /// Pyroscope took the profile.
    pub delivered: AtomicU64,
    /// It did not, or there was none: the profile is gone.
    pub failed: AtomicU64,
}

impl PushCounters {
    /// Counts one.
    pub(crate) fn count(&self, delivered: bool) {
        let count = if delivered { &self.delivered } else { &self.failed };
        count.fetch_add(1, Relaxed);
    }
}

/// A Pyroscope server.
#[derive(Debug)]
pub(crate) struct Pyroscope {
    client: Client,
    /// Up to `from`.
    url: String,
}

impl Pyroscope {
    /// The server at this URL; profiles get the tag `hostname`.
    ///
    /// # Errors
    /// It is no URL that profiles can be sent to; names the flag.
    pub(crate) fn new(url: &str, hostname: &str) -> anyhow::Result<Self> {
        let cause = match HttpUrl::parse(url) {
            Ok(parsed) if parsed.has_query() => Some("it has a ? or # behind its path"),
            Ok(_) => None,
            Err(cause) => Some(cause),
        };
        if let Some(cause) = cause {
            bail!("-pyroscope-url: {cause}; it looks like http://localhost:4040");
        }
        // Characters that would end the tag's value or begin another tag.
        let tag = hostname.replace(['{', '}', ',', '='], "_");
        let name = format!("{APPLICATION}{{hostname={tag}}}");
        let name = utf8_percent_encode(&name, QUERY);
        let url = format!("{}/ingest?name={name}", url.trim_end_matches('/'));
        let client = Client::new(TlsOptions::default()).context("-pyroscope-url")?;
        Ok(Self { client, url })
    }

    /// Sends a profile in pprof's form of the time between two moments, in seconds since 1970; its stacks
    /// were taken `frequency` times in a second.
    ///
    /// # Errors
    /// It did not arrive; says why.
    pub(crate) fn push(
        &mut self,
        profile: &[u8],
        (from, until): (u64, u64),
        frequency: u16,
    ) -> anyhow::Result<()> {
        let url = &self.url;
        let url = format!("{url}&from={from}&until={until}&format=pprof&sampleRate={frequency}");
        // The pprof format itself is gzipped: this is no content encoding of HTTP.
        let headers = [("content-type", "application/octet-stream")];
        let head = RequestHead { method: "POST", url: &url, headers: &headers };
        let response = self.client.send(head, &gzip(profile)?)?;
        if !(200..300).contains(&response.status) {
            bail!("status {}: {}", response.status, excerpt(&response.body));
        }
        Ok(())
    }

    /// What ends a push that is under way; for another thread.
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
        for url in ["localhost:4040", "ftp://x", "http://", "/path", "http://x?y=1", "a b"] {
            let error = format!("{:#}", Pyroscope::new(url, "h").unwrap_err());
            assert!(error.contains("-pyroscope-url"), "{error}");
        }
    }
}
