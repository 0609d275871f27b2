//! The web configuration in use, and its replacement when one of its files has changed.
//!
//! For each connection and each request the thread `http` takes the version in use. Before that it looks whether a file
//! has changed, at most once a second; while there are no requests nobody looks. The thread `web-config` reads changed
//! files.

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

/// The shortest time between two looks at the files. A version that was replaced on disk may be used for this long.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// How long a request waits until a changed file is read. Reading takes milliseconds, but the thread that reads may have
/// to finish the check of a password first.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The configuration in use, which can be replaced. The default is the one without a file, which is never replaced: plain
/// text, no further headers, and no login.
#[derive(Default)]
pub struct SharedWebConfig {
    current: RwLock<Arc<WebConfig>>,
    /// The file of `-web-config-file`; `None` without the flag.
    file: Option<WatchedFile>,
}

/// The file, what is known of it, and what belongs to its users.
struct WatchedFile {
    path: PathBuf,
    looked: Mutex<Looked>,
    reread: Reread,
    /// How many times the file was read. A request that wants the newest version waits for the next time.
    reads: watch::Sender<u64>,
    stats: Arc<WebConfigStats>,
    login: Login,
}

/// Asks the thread `web-config` to read the file again.
#[derive(Clone, Debug)]
pub(crate) struct Reread(Sender<()>);

impl Reread {
    /// Asks for the file to be read again. One message is enough, however many ask before the file is read.
    pub(crate) fn ask(&self) {
        self.0.try_send(()).ok(); // if the channel is full, somebody else has asked already
    }
}

/// When the files were last looked at, and their state when they were last read.
struct Looked {
    at: Instant,
    stamps: FileStamps,
}

impl SharedWebConfig {
    /// Reads a file for the first time. Each message on the receiver asks the thread `web-config` to call
    /// [`Self::read_again`].
    ///
    /// # Errors
    /// The file cannot be used. The message names flag, path and key.
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

    /// Whether a request may pass by this version of the configuration.
    ///
    /// # Errors
    /// The request may not pass; the error says why.
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

    /// The configuration for a connection or a request that has just come. If a file has changed, it is read first.
    pub(crate) async fn get(&self) -> Arc<WebConfig> {
        if let Some(file) = &self.file
            && file.have_files_changed()
        {
            file.wait_until_read().await;
        }
        self.current()
    }

    /// The version in use, without a look at the files.
    pub(crate) fn current(&self) -> Arc<WebConfig> {
        Arc::clone(&self.current.read())
    }

    /// A handle that asks for the file to be read again, whether or not it has changed; `None` if there is no file.
    pub(crate) fn reread(&self) -> Option<Reread> {
        self.file.as_ref().map(|file| file.reread.clone())
    }

    /// Reads the file again and uses the new version. If the file cannot be used, this is logged and counted, and the
    /// version in use stays.
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

    /// Replaces the version in use. It refuses to give up TLS or logins, since a file without them is more likely half
    /// written than meant so; nor can TLS be added, since clients would have to change at the same moment.
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
    /// Shows the path only, since the rest holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.file.as_ref().map(|file| &file.path);
        f.debug_struct("SharedWebConfig").field("path", &path).finish_non_exhaustive()
    }
}

impl WatchedFile {
    /// Looks whether a file has changed since it was read, unless somebody has looked within [`LOOK_PERIOD`]. A look
    /// costs a few microseconds.
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
            self.stats.count_timeout();
            log::warn!("{}", named(&self.path, "it takes long to read; an older version is used"));
        }
    }
}

/// Reads a file and those that it names, with the state of all these files. The states are taken before the files are
/// read, so that a change while they are read is noticed at the next look.
fn read(path: &Path) -> (FileStamps, anyhow::Result<WebConfig>) {
    let mut stamps = FileStamps::of(path.to_owned());
    let config = WebConfigFile::read(path).and_then(|file| {
        file.files().into_iter().for_each(|file| stamps.add(file));
        file.build(path)
    });
    (stamps, config)
}
