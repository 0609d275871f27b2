//! A lock on a directory: of several servers that start at once, one at a time looks at a socket's path,
//! removes what is stale there, and binds.
//!
//! It is `flock(2)` on the directory itself: it leaves no file behind, holds between containers that share
//! the directory, and ends with the process. Runs on main; it must not know what is done under it.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Between two attempts: another server holds the lock for less than a millisecond.
const RETRY: Duration = Duration::from_millis(5);

/// The lock; dropping it unlocks.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Waits for the lock, but no longer than this.
    ///
    /// # Errors
    /// The directory cannot be opened for reading or locked, or another process holds the lock.
    pub(super) fn wait(directory: &Path, longest: Duration) -> anyhow::Result<Self> {
        let file = File::open(directory).context("cannot open its directory to lock it")?;
        let deadline = Instant::now() + longest;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(RETRY),
                Err(TryLockError::WouldBlock) => {
                    bail!("another process has held the lock of its directory for {longest:?}")
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("cannot lock its directory");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let now = Duration::ZERO;
        let first = DirectoryLock::wait(dir.path(), now).unwrap();
        let error = DirectoryLock::wait(dir.path(), now).unwrap_err().to_string();
        assert!(error.contains("another process has held the lock"), "{error}");
        drop(first);
        DirectoryLock::wait(dir.path(), now).unwrap();
        assert!(DirectoryLock::wait(&dir.path().join("none"), now).is_err());
    }
}
