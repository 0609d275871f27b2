//! Notices changes of files by their inode, size and times, without reading them.
//!
//! It must not know what the files hold.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Some files, each with its state when it was added; `None` if it could not be looked at.
#[derive(Debug)]
pub(super) struct FileStamps(Vec<(PathBuf, Option<FileStamp>)>);

/// The state of a file, which changes with every write and every replacement. For a symbolic link it is the state of its
/// target.
#[derive(Debug, PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamps {
    /// The present state of this file.
    pub(super) fn of(path: PathBuf) -> Self {
        let mut stamps = Self(Vec::new());
        stamps.add(path);
        stamps
    }

    /// Adds the present state of a further file.
    pub(super) fn add(&mut self, path: PathBuf) {
        let stamp = stamp(&path);
        self.0.push((path, stamp));
    }

    /// Whether one of the files has been written, replaced, removed or created since it was added.
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
