//! The HTTP client of sinks: TLS as the flags say, a bound for every wait, and an end that another thread
//! can set.
//!
//! Runs on a deliverer. Certificates are read at start and again when their files have changed. It must
//! not know what is sent.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, http};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of a whole request, with its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Connections that were idle for longer are not used again: servers close them after some time.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// An answer that is longer is no answer of these services.
const ANSWER_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How often files of certificates are looked at.
const FILES_PERIOD: Duration = Duration::from_secs(10);

/// How often somebody asked to read certificates again.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// Certificates are read again before the next request, whether or not their files look changed; for main.
pub(crate) fn read_certificates_again() {
    ASKED.fetch_add(1, Relaxed);
}

/// Which certificates are used, by the paths of their files; empty for none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tls {
    /// Authorities, instead of those of the system, with the flag's name.
    pub ca: (&'static str, String),
    /// The client's certificate, with the flag's name.
    pub cert: (&'static str, String),
    /// Its key, with the flag's name.
    pub key: (&'static str, String),
    /// Any server's certificate is taken.
    pub insecure: bool,
}

/// What the far end answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// HTTP's.
    pub status: u16,
    /// `Retry-After`, if it was in seconds.
    pub retry_after: Option<Duration>,
    /// As sent, unpacked; empty where it was not text or could not be read whole.
    pub body: String,
}

/// A request besides its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
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
    tls: Tls,
    /// Shared with whoever ends it; `None` once it was ended.
    agent: Arc<Mutex<Option<Agent>>>,
    files: Vec<Option<SystemTime>>,
    looked: Instant,
    /// [`ASKED`] as it was then.
    asked: u64,
}

impl Client {
    /// A client with these certificates.
    ///
    /// # Errors
    /// A file cannot be read or holds no certificate or key; names flag and path.
    pub(crate) fn new(tls: Tls) -> anyhow::Result<Self> {
        let files = tls.files();
        let agent = Arc::new(Mutex::new(Some(agent(&tls)?)));
        Ok(Self { tls, agent, files, looked: Instant::now(), asked: ASKED.load(Relaxed) })
    }

    /// Sends a request and waits for its answer, whatever its status.
    ///
    /// # Errors
    /// There was no answer: the far end cannot be reached, was too slow, or [`Self::cancel`]'s word was said.
    pub(crate) fn send(&mut self, head: Head<'_>, body: &[u8]) -> anyhow::Result<Answer> {
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
        Ok(Answer { status, retry_after: seconds.map(Duration::from_secs), body })
    }

    /// Takes changed certificates into use; those at hand stay if the new ones cannot be read.
    fn read_files_again(&mut self) {
        let asked = ASKED.load(Relaxed);
        let told = std::mem::replace(&mut self.asked, asked) != asked;
        if !told && self.looked.elapsed() < FILES_PERIOD {
            return;
        }
        self.looked = Instant::now();
        let files = self.tls.files();
        if files.is_empty() || (!told && files == self.files) {
            return;
        }
        match agent(&self.tls) {
            Ok(new) => {
                log::info!("certificates were read again");
                self.files = files;
                if let Some(agent) = &mut *self.agent.lock() {
                    *agent = new;
                }
            }
            Err(error) => log::warn!("{error:#}; the certificates read before stay in use"),
        }
    }

    /// What ends a request that is under way and makes later ones fail at once; for another thread.
    pub(crate) fn cancel(&self) -> Box<dyn Fn() + Send + Sync> {
        let agent = Arc::clone(&self.agent);
        Box::new(move || {
            if let Some(agent) = agent.lock().take() {
                agent.shutdown();
            }
        })
    }
}

impl Tls {
    /// When each file was changed.
    fn files(&self) -> Vec<Option<SystemTime>> {
        let paths = [&self.ca.1, &self.cert.1, &self.key.1];
        let changed = |path: &String| fs::metadata(path).ok()?.modified().ok();
        paths.into_iter().filter(|path| !path.is_empty()).map(changed).collect()
    }
}

fn agent(tls: &Tls) -> anyhow::Result<Agent> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(tls.insecure)
        .root_certs(RootCerts::new_with_certs(&authorities(&tls.ca)?));
    if !tls.cert.1.is_empty() || !tls.key.1.is_empty() {
        config = config.client_cert(Some(client_cert(tls)?));
    }
    let agent = Agent::config_builder()
        .tls_config(config.build())
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

/// The authorities of the flag's file, or the system's.
fn authorities((flag, path): &(&str, String)) -> anyhow::Result<Vec<Certificate<'static>>> {
    if path.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        return Ok(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect());
    }
    certificates(flag, path)
}

fn client_cert(tls: &Tls) -> anyhow::Result<ClientCert> {
    let ((cert_flag, cert), (key_flag, key)) = (&tls.cert, &tls.key);
    if cert.is_empty() || key.is_empty() {
        bail!("{cert_flag} and {key_flag} belong together: one is given, the other is missing");
    }
    let chain = certificates(cert_flag, cert)?;
    let pem = read(key_flag, key)?;
    let key = PrivateKey::from_pem(&pem).with_context(|| {
        format!("{key_flag} {key:?}: there is no private key in PEM form in it")
    })?;
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn certificates(flag: &str, path: &str) -> anyhow::Result<Vec<Certificate<'static>>> {
    let pem = read(flag, path)?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) =
            item.with_context(|| format!("{flag} {path:?}"))?
        {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        bail!("{flag} {path:?}: there is no certificate in PEM form in it");
    }
    Ok(found)
}

fn read(flag: &str, path: &str) -> anyhow::Result<Vec<u8>> {
    fs::read(Path::new(path)).with_context(|| format!("{flag} {path:?}: cannot read it"))
}
