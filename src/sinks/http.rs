//! The HTTP client of sinks: TLS as the flags say, a bound for every wait, and an end that another thread
//! can set.
//!
//! Runs on the thread that sends. Certificates are read at start and again when their files have changed.
//! It must not know what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use anyhow::bail;
use parking_lot::Mutex;
use ureq::{Agent, http};

use tls::TlsOptions;

pub(crate) mod pem;
pub(crate) mod tls;
pub(crate) mod url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of a whole request, with its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that were idle for longer are not used again: servers close them after some time.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// No response of these services is longer.
const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How often files of certificates are looked at.
const FILES_PERIOD: Duration = Duration::from_secs(10);

/// How often the operator has asked, with SIGHUP, to read certificates again.
static RELOADS_ASKED: AtomicU64 = AtomicU64::new(0);

/// Makes every client read its certificates again before its next request, whether or not their files look
/// changed. Called by main.
pub(crate) fn read_certificates_again() {
    RELOADS_ASKED.fetch_add(1, Relaxed);
}

/// What the far end answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// HTTP's status code.
    pub status: u16,
    /// `Retry-After`, if it was in seconds.
    pub retry_after: Option<Duration>,
    /// The body, decompressed; empty where it was not text or could not be read whole.
    pub body: String,
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    /// `POST` or another.
    pub method: &'a str,
    /// With scheme, host and path.
    pub url: &'a str,
    /// By name; `Host` and `Content-Length` are set by the client.
    pub headers: &'a [(&'a str, &'a str)],
}

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Client {
    tls: TlsOptions,
    /// Shared with whoever cancels it; `None` once it was cancelled.
    agent: Arc<Mutex<Option<Agent>>>,
    /// When each file of certificates had been changed, as of `looked`.
    files_changed: Vec<Option<SystemTime>>,
    looked: Instant,
    /// [`RELOADS_ASKED`] as of `looked`.
    reloads_asked: u64,
}

impl Client {
    /// A client with these certificates.
    ///
    /// # Errors
    /// A file cannot be read or holds no certificate or key; names flag and path.
    pub(crate) fn new(tls: TlsOptions) -> anyhow::Result<Self> {
        let files_changed = tls.files_changed();
        let agent = Arc::new(Mutex::new(Some(agent(&tls)?)));
        let reloads_asked = RELOADS_ASKED.load(Relaxed);
        Ok(Self { tls, agent, files_changed, looked: Instant::now(), reloads_asked })
    }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer: the far end cannot be reached, was too slow, or the client was cancelled.
    pub(crate) fn send(&mut self, head: RequestHead<'_>, body: &[u8]) -> anyhow::Result<Response> {
        self.read_files_again();
        let Some(agent) = self.agent.lock().clone() else { bail!("the server stops") };
        let mut request = http::Request::builder().method(head.method).uri(head.url);
        for (name, value) in head.headers {
            request = request.header(*name, *value);
        }
        let mut response = agent.run(request.body(body)?)?;
        let retry_after = response.headers().get("retry-after");
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string();
        // What a success says may decide over rows; of a failure the status is enough.
        let body = if status < 300 { body? } else { body.unwrap_or_default() };
        Ok(Response { status, retry_after: seconds.map(Duration::from_secs), body })
    }

    /// Takes changed certificates into use; those at hand stay if the new ones cannot be read.
    fn read_files_again(&mut self) {
        let reloads_asked = RELOADS_ASKED.load(Relaxed);
        let asked = std::mem::replace(&mut self.reloads_asked, reloads_asked) != reloads_asked;
        if !asked && self.looked.elapsed() < FILES_PERIOD {
            return;
        }
        self.looked = Instant::now();
        let files_changed = self.tls.files_changed();
        if files_changed.is_empty() || (!asked && files_changed == self.files_changed) {
            return;
        }
        match agent(&self.tls) {
            Ok(new) => {
                log::info!("certificates were read again");
                self.files_changed = files_changed;
                if let Some(agent) = &mut *self.agent.lock() {
                    *agent = new;
                }
            }
            Err(error) => log::warn!("{error:#}; the certificates read before stay in use"),
        }
    }

    /// A function that ends a request under way and makes later ones fail at once; for another thread.
    pub(crate) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let agent = Arc::clone(&self.agent);
        Box::new(move || {
            if let Some(agent) = agent.lock().take() {
                agent.shutdown();
            }
        })
    }
}

/// The agent of one client.
///
/// # Errors
/// See [`TlsOptions::config`].
fn agent(tls: &TlsOptions) -> anyhow::Result<Agent> {
    let agent = Agent::config_builder()
        .tls_config(tls.config()?)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None) // the original uses none
        .user_agent(concat!("metrics-server/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(REQUEST_TIMEOUT))
        .max_idle_age(IDLE_MAX)
        .build();
    Ok(agent.into())
}
