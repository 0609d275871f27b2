//! Whether files have changed, by what the file system says of them.
//!
//! It must not know what is in them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Some files as they were at a moment.
#[derive(Debug)]
pub(super) struct FileStamps(Vec<(PathBuf, Option<FileStamp>)>);

/// Changes with every write and every replacement of a file. Behind a symbolic link it is the target's.
#[derive(Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamps {
    /// This file now.
    pub(super) fn of(path: PathBuf) -> Self {
        let mut stamps = Self(Vec::new());
        stamps.add(path);
        stamps
    }

    /// This file too, as it is now.
    pub(super) fn add(&mut self, path: PathBuf) {
        let stamp = stamp(&path);
        self.0.push((path, stamp));
    }

    /// Whether one of them is another than at its moment, is gone, or has come.
    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, then)| stamp(path) != *then)
    }
}

impl From<fs::Metadata> for FileStamp {
    fn from(metadata: fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

fn stamp(path: &PathBuf) -> Option<FileStamp> {
    fs::metadata(path).ok().map(FileStamp::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_replacements_and_removals_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        let stamps = || {
            let mut stamps = FileStamps::of(first.clone());
            stamps.add(second.clone());
            stamps
        };
        fs::write(&first, "1").unwrap();
        let before = stamps();
        assert!(!before.have_changed());
        fs::write(&first, "12").unwrap();
        assert!(before.have_changed(), "written");

        let before = stamps();
        fs::write(&second, "2").unwrap();
        assert!(before.have_changed(), "come");

        let before = stamps();
        fs::write(folder.path().join("new"), "2").unwrap();
        fs::rename(folder.path().join("new"), &second).unwrap();
        assert!(before.have_changed(), "replaced");

        let before = stamps();
        fs::remove_file(&second).unwrap();
        assert!(before.have_changed(), "gone");
    }
}
