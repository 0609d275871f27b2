//! The web configuration in force, and its replacement when one of its files has changed.
//!
//! The thread `http` takes the configuration of the moment for each connection and each request, and looks at the
//! files at most once a second; without requests nobody looks. The thread `web-config` reads what has changed.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use crossbeam::channel::{self, Receiver, Sender};
use hyper::header::HeaderValue;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::file::{WebConfig, WebConfigFile, named};
use super::stamps::FileStamps;
use super::stats::WebConfigStats;
use crate::http::login::{Login, LoginRefusal};

/// How often files are looked at while requests come: for so long a replaced version may go on.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long a request waits for a changed file to be read; it takes milliseconds, or the rest of a check of a password.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The configuration in force, and how it is replaced. The default is that without a file: plain text, no headers
/// and no login, for good.
#[derive(Default)]
pub struct SharedWebConfig {
    current: RwLock<Arc<WebConfig>>,
    /// Absent without `-web-config-file`.
    file: Option<WatchedFile>,
}

/// The file, and what is known of it.
struct WatchedFile {
    path: PathBuf,
    looked: Mutex<Looked>,
    reread: Reread,
    /// How often it was read, so that a request can wait for it.
    reads: watch::Sender<u64>,
    stats: Arc<WebConfigStats>,
    login: Login,
}

/// Wakes the thread that reads.
#[derive(Clone, Debug)]
pub(crate) struct Reread(Sender<()>);

impl Reread {
    /// Has the file read again. One message is enough for all who ask.
    pub(crate) fn ask(&self) {
        self.0.try_send(()).ok(); // full: somebody has asked already
    }
}

/// The files when somebody last looked.
struct Looked {
    at: Instant,
    stamps: FileStamps,
}

impl SharedWebConfig {
    /// Reads a file for the first time. The receiver wakes the thread that is to call [`Self::read_again`].
    ///
    /// # Errors
    /// The file cannot be used; the message names flag, path and key.
    pub(super) fn open(
        path: &Path,
        login: Login,
        stats: Arc<WebConfigStats>,
    ) -> anyhow::Result<(Self, Receiver<()>)> {
        let (stamps, config) = read(path);
        let current = RwLock::new(Arc::new(config?));
        stats.count_success();
        let (wake, woken) = channel::bounded(1);
        let reread = Reread(wake);
        let looked = Mutex::new(Looked { at: Instant::now(), stamps });
        let reads = watch::Sender::new(0);
        let file = WatchedFile { path: path.to_owned(), looked, reread, reads, stats, login };
        Ok((Self { current, file: Some(file) }, woken))
    }

    /// Whether a request may pass, by this version of the configuration.
    ///
    /// # Errors
    /// It may not.
    pub(crate) async fn check_login(
        &self,
        config: &WebConfig,
        peer: IpAddr,
        authorization: Option<&HeaderValue>,
    ) -> Result<(), LoginRefusal> {
        match (config.users(), &self.file) {
            (Some(users), Some(file)) => file.login.check(users, peer, authorization).await,
            _ => Ok(()),
        }
    }

    /// The version for a connection or a request that has just come. Where a file has changed it is read first.
    pub(crate) async fn get(&self) -> Arc<WebConfig> {
        if let Some(file) = &self.file
            && file.have_files_changed()
        {
            file.wait_until_read().await;
        }
        self.current()
    }

    /// The version in force, whether or not its file has changed meanwhile.
    pub(crate) fn current(&self) -> Arc<WebConfig> {
        Arc::clone(&self.current.read())
    }

    /// For who wants the file read again, changed or not; `None` without one.
    pub(crate) fn reread(&self) -> Option<Reread> {
        self.file.as_ref().map(|file| file.reread.clone())
    }

    /// Reads the file again and takes it into use; a broken one is logged and counted, and changes nothing.
    pub(crate) fn read_again(&self) {
        let Some(file) = &self.file else { return };
        let (stamps, config) = read(&file.path);
        file.looked.lock().stamps = stamps;
        let replaced = config.and_then(|config| self.replace(config, &file.path));
        match replaced {
            Ok(()) => {
                file.stats.count_success();
                log::info!("{}", named(&file.path, "it was read again"));
            }
            Err(error) => {
                file.stats.count_failure();
                log::error!("{error:#}; the version read before stays in use");
            }
        }
        file.reads.send_modify(|reads| *reads += 1);
    }

    /// Takes a version into use, unless it opens what was closed: that is rather a file half written than a wish.
    fn replace(&self, config: WebConfig, path: &Path) -> anyhow::Result<()> {
        let mut current = self.current.write();
        ensure!(
            config.tls().is_some() == current.tls().is_some(),
            named(path, "tls_server_config can be added or removed by a restart only")
        );
        ensure!(
            config.users().is_some() || current.users().is_none(),
            named(path, "basic_auth_users can be removed as a whole by a restart only")
        );
        *current = Arc::new(config);
        Ok(())
    }
}

impl fmt::Debug for SharedWebConfig {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.as_ref().map(|file| &file.path);
        f.debug_struct("SharedWebConfig").field("path", &path).finish_non_exhaustive()
    }
}

impl WatchedFile {
    /// Whether it is time to look, and there is something to see. A look costs a few microseconds.
    fn have_files_changed(&self) -> bool {
        let mut looked = self.looked.lock();
        if looked.at.elapsed() < LOOK_PERIOD {
            return false;
        }
        looked.at = Instant::now();
        looked.stamps.have_changed()
    }

    async fn wait_until_read(&self) {
        let mut reads = self.reads.subscribe();
        self.reread.ask();
        if tokio::time::timeout(READ_TIMEOUT, reads.changed()).await.is_err() {
            log::warn!("{}", named(&self.path, "it takes long to read; an older version is used"));
        }
    }
}

/// Reads a file and those that it names. The stamps are older than what was read: a later change is seen.
fn read(path: &Path) -> (FileStamps, anyhow::Result<WebConfig>) {
    let mut stamps = FileStamps::of(path.to_owned());
    let config = WebConfigFile::read(path).and_then(|file| {
        file.files().into_iter().for_each(|file| stamps.add(file));
        file.build(path)
    });
    (stamps, config)
}
