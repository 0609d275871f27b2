//! The HTTP client of sinks: TLS as the flags say, a bound for every wait, and requests that another thread can end.
//!
//! Runs on the thread that sends. Certificates are read at start, and again when their files have changed. The client
//! must not know what is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use parking_lot::Mutex;
use ureq::{Agent, http};

use crate::planted::{self, Fault};
use crate::text::excerpt::excerpt;
use far_end_login::FarEndLogin;
use no_answer::NoAnswer;
use tls::TlsOptions;

pub(crate) mod far_end_login;
pub(crate) mod flag_file;
pub(crate) mod no_answer;
pub(crate) mod tls;
pub(crate) mod url;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest time from the beginning of a request to the end of its answer, unless the request has a time of its own.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The same of a question whether the far end is well.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was idle for longer is not used again, since servers close idle connections after some time.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// Longer answers are cut off. No service that sinks send to has such long ones.
const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How often to look whether files of certificates have changed.
const FILES_PERIOD: Duration = Duration::from_secs(10);

/// How many times the operator has asked, with SIGHUP, to read certificates again.
static RELOADS_ASKED: AtomicU64 = AtomicU64::new(0);

/// Makes every client read its certificates again before its next request, whether or not their files look
/// changed. Called by main.
pub(crate) fn read_certificates_again() {
    RELOADS_ASKED.fetch_add(1, Relaxed);
}

/// How much of a text is searched for what must not be shown: far more than is shown of it.
const SEARCHED_BYTES: usize = 16 * 1024;

/// What the far end answered.
#[derive(Debug)]
pub(crate) struct Response {
    /// HTTP's status code.
    pub status: u16,
    /// The header `Retry-After`, if it was a number of seconds.
    pub retry_after: Option<Duration>,
    /// The body, decompressed. Of an answer without success it is empty if it was no text or could not be read whole.
    /// What is logged of it goes through [`Self::shown`].
    pub body: String,
    login: Arc<FarEndLogin>,
}

impl Response {
    /// The beginning of a text of this answer on one line, for the log, without the login that the far end may have
    /// repeated in it.
    pub(crate) fn shown(&self, text: &str) -> String {
        let beginning = &text[..text.floor_char_boundary(SEARCHED_BYTES)];
        excerpt(&self.login.hidden_in(beginning.to_owned()))
    }

    /// An answer as tests make it.
    #[cfg(test)]
    pub(crate) fn made(status: u16, retry_after: Option<Duration>, body: &str) -> Self {
        Self { status, retry_after, body: body.to_owned(), login: Arc::default() }
    }
}

/// A request without its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    /// `POST` or the like.
    pub method: &'a str,
    /// With scheme, host and path.
    pub url: &'a str,
    /// Names and values; the client adds `Authorization`, `Host` and `Content-Length`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The longest time from the beginning of the request to the end of its answer.
    pub limit: Duration,
}

/// Sends requests.
#[derive(Debug)]
pub(crate) struct Client {
    tls: TlsOptions,
    login: Arc<FarEndLogin>,
    /// Shared with the function that cancels; `None` once that was called.
    agent: Arc<Mutex<Option<Agent>>>,
    /// When each file of certificates was last changed, as seen at `looked_at`.
    files_changed: Vec<Option<SystemTime>>,
    /// When the files were last looked at.
    looked_at: Instant,
    /// [`RELOADS_ASKED`] as seen at `looked_at`.
    reloads_asked: u64,
}

impl Client {
    /// A client with these certificates and this login.
    ///
    /// # Errors
    /// A file cannot be read or holds no certificate or key; names flag and path.
    pub(crate) fn new(tls: TlsOptions, login: FarEndLogin) -> anyhow::Result<Self> {
        let files_changed = tls.files_changed();
        let agent = Arc::new(Mutex::new(Some(agent(&tls)?)));
        let reloads_asked = RELOADS_ASKED.load(Relaxed);
        let looked_at = Instant::now();
        Ok(Self { tls, login: Arc::new(login), agent, files_changed, looked_at, reloads_asked })
    }

    /// Sends a request and waits for the answer. An answer of any status is no error.
    ///
    /// # Errors
    /// There is no answer: the far end cannot be reached or was too slow, or the client was cancelled.
    pub(crate) fn send(
        &mut self,
        head: RequestHead<'_>,
        body: &[u8],
    ) -> Result<Response, NoAnswer> {
        self.read_files_again();
        let Some(agent) = self.agent.lock().clone() else {
            return Err(NoAnswer::unsent(&anyhow!("the server stops")));
        };
        let mut request = http::Request::builder().method(head.method).uri(head.url);
        let authorization = self.login.authorization();
        let authorization = authorization.map(|value| ("authorization", value));
        for (name, value) in head.headers.iter().copied().chain(authorization) {
            request = request.header(name, value);
        }
        let request = request.body(body).map_err(|error| NoAnswer::unsent(&error.into()))?;
        let request = agent.configure_request(request).timeout_global(Some(head.limit)).build();
        let mut response = match agent.run(request) {
            Err(_) if planted::is(Fault::BrokenIsDelivered) => {
                let (body, login) = (String::new(), Arc::clone(&self.login));
                return Ok(Response { status: 204, retry_after: None, body, login });
            }
            answer => answer.map_err(|error| NoAnswer::of(&error))?,
        };
        let retry_after = response.headers().get("retry-after");
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_MAX_BYTES).read_to_string();
        // The body of a success may say what became of each row, so it must be whole. Of a failure the status is
        // enough.
        let body = match body {
            Err(error) if status < 300 => return Err(NoAnswer::of(&error)),
            body => body.unwrap_or_default(),
        };
        let retry_after = seconds.map(Duration::from_secs);
        Ok(Response { status, retry_after, body, login: Arc::clone(&self.login) })
    }

    /// Reads certificates again if their files have changed or the operator asks for it. If they cannot be read the
    /// old ones stay in use.
    fn read_files_again(&mut self) {
        let reloads_asked = RELOADS_ASKED.load(Relaxed);
        let asked = std::mem::replace(&mut self.reloads_asked, reloads_asked) != reloads_asked;
        if !asked && self.looked_at.elapsed() < FILES_PERIOD {
            return;
        }
        self.looked_at = Instant::now();
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

    /// Returns a function that ends a request that is under way and makes later ones fail at once; for another thread.
    pub(crate) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let agent = Arc::clone(&self.agent);
        Box::new(move || {
            if let Some(agent) = agent.lock().take() {
                agent.shutdown();
            }
        })
    }
}

/// Makes the agent, which keeps the connections of one client.
///
/// # Errors
/// See [`TlsOptions::config`].
fn agent(tls: &TlsOptions) -> anyhow::Result<Agent> {
    let agent = Agent::config_builder()
        .tls_config(tls.config()?)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // The original uses no proxy.
        .proxy(None)
        .user_agent(concat!("metrics-server/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .max_idle_age(IDLE_MAX)
        .build();
    Ok(agent.into())
}
