//! The directory of one sink's segments: which files there are, and what they are called.
//!
//! It must not know what is in a segment but its head.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use parking_lot::Mutex;

use super::segment_file;

const EXTENSION: &str = "rows";
/// The extension of a file that cannot be read: it is out of the way, but not gone.
const DAMAGED_EXTENSION: &str = "damaged";

/// A directory that no other server uses.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    path: PathBuf,
    /// Locked as long as the server runs: two servers in one directory would deliver rows twice.
    lock: Mutex<File>,
}

impl SpillFolder {
    /// Makes the directory if it is absent, and locks it.
    ///
    /// # Errors
    /// The directory cannot be made or written to, or another server uses it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: path.to_owned(), lock: Mutex::new(make_and_lock(path)?) })
    }

    /// Makes the directory again after somebody has removed it.
    ///
    /// # Errors
    /// As for [`Self::open`].
    fn make_again(&self) -> io::Result<()> {
        let lock = make_and_lock(&self.path).map_err(io::Error::other)?;
        *self.lock.lock() = lock;
        log::warn!("{} was gone and is made again", self.path.display());
        Ok(())
    }

    /// The directory's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The numbers of all segments, the oldest segment's first.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(super) fn segment_numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                numbers.extend(stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()));
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The file of the segment with this number.
    pub(super) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016x}.{EXTENSION}"))
    }

    /// The file of rows that are given up as poison.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.path.join("rows.poison")
    }

    /// Makes an empty segment, and the directory before it if somebody has removed that.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn create_segment(&self, number: u64) -> io::Result<File> {
        let path = self.segment(number);
        match segment_file::create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_again()?;
                segment_file::create(&path)
            }
            created => created,
        }
    }

    /// Opens a segment, to read it and to change its position.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn open_segment(&self, number: u64) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.segment(number))
    }

    /// Removes a segment.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        fs::remove_file(self.segment(number))
    }

    /// Renames a segment that cannot be read, so that it is out of the way but not gone.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn set_aside(&self, number: u64) -> io::Result<()> {
        let path = self.segment(number);
        fs::rename(&path, path.with_extension(DAMAGED_EXTENSION))
    }

    /// Copies a segment that is damaged in a part of it, before that part is cut off.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn set_copy_aside(&self, number: u64) -> io::Result<()> {
        let path = self.segment(number);
        fs::copy(&path, path.with_extension(DAMAGED_EXTENSION)).map(drop)
    }
}

/// Makes a directory if it is absent, and locks it.
fn make_and_lock(path: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    let lock = path.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
    let file = file.with_context(|| format!("cannot write {}", lock.display()))?;
    if file.try_lock().is_err() {
        bail!("{} is locked: another server uses this directory", lock.display());
    }
    Ok(file)
}
