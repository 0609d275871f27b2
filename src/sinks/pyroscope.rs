//! Profiles of this server on their way to Pyroscope.
//!
//! No rows, no queue: a profile that does not arrive is gone, and the next one comes soon. Runs on the thread
//! that takes profiles; it must not know how they are taken.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::http::Uri;

use crate::sinks::http::{Client, Head, Tls};

/// The name that the original's profiles have.
const APPLICATION: &str = "metrics-server";

/// Pushes by how they went, read by the exporter.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    /// Pyroscope took the profile.
    pub delivered: AtomicU64,
    /// It did not, or there was none: the profile is gone.
    pub failed: AtomicU64,
}

impl Pushes {
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
        // The URL may hold a password: it is not shown.
        let name = || "-pyroscope-url".to_owned();
        let parsed: Uri = url.parse().with_context(name)?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.query().is_some() {
            bail!("{}: must be like http://localhost:4040", name());
        }
        // What ends a tag's value may not stand in it.
        let tag = hostname.replace(['{', '}', ',', '='], "_");
        let query = percent_encoded(&format!("{APPLICATION}{{hostname={tag}}}"));
        let url = format!("{}/ingest?name={query}", url.trim_end_matches('/'));
        Ok(Self { client: Client::new(Tls::default()).with_context(name)?, url })
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
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(profile)?;
        let packed = packed.finish()?;
        let url = &self.url;
        let url = format!("{url}&from={from}&until={until}&format=pprof&sampleRate={frequency}");
        // The form itself is a packed one: this is no encoding of the transfer.
        let headers = [("content-type", "application/octet-stream")];
        let head = Head { method: "POST", url: &url, headers: &headers };
        let answer = self.client.send(head, &packed)?;
        if !(200..300).contains(&answer.status) {
            let said: String = answer.body.chars().take(200).collect();
            bail!("status {}: {said:?}", answer.status);
        }
        Ok(())
    }

    /// What ends a push that is under way; for another thread.
    pub(crate) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        self.client.cancel()
    }
}

fn percent_encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
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
