//! A segment with copies of rows that are in memory. It stands before all others, and nobody reads it but a server that
//! starts after a crash.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use super::folder::SpillFolder;
use super::segment_file::{self, HEAD_BYTES};
use crate::sinks::block::Block;

/// A segment that one thread writes and removes.
#[derive(Debug)]
pub(crate) struct CopySegment {
    path: PathBuf,
    file: File,
    /// Where the next frame goes.
    end: u64,
}

impl CopySegment {
    /// An empty one with this number.
    ///
    /// # Errors
    /// Of the file system.
    pub(super) fn create(folder: &SpillFolder, number: u64) -> io::Result<Self> {
        let file = folder.create_segment(number)?;
        Ok(Self { path: folder.segment(number), file, end: HEAD_BYTES })
    }

    /// Appends rows and waits until the disk has them: once for all of them, since each wait takes milliseconds.
    ///
    /// # Errors
    /// Of the file system. Those that were appended before are in the file then.
    pub(crate) fn append<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = &'a Block>,
    ) -> io::Result<()> {
        for rows in blocks {
            match segment_file::append(&self.file, self.end, rows) {
                Ok(end) => self.end = end,
                Err(error) => {
                    self.file.set_len(self.end)?; // cuts off half a frame
                    return Err(error);
                }
            }
        }
        self.file.sync_data()
    }

    /// Whether nobody has removed its file.
    pub(crate) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// The size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Removes it.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
