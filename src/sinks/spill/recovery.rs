//! What a server before this one left on disk: read once, at start.

use std::collections::VecDeque;
use std::io::ErrorKind;

use anyhow::Context;

use super::folder::SpillFolder;
use super::segment::Segment;
use super::segment_file::{self, HEAD_BYTES, SegmentContents};
use crate::planted::{self, Fault};

/// What was found on disk at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Segments with undelivered rows, the oldest first.
    pub segments: VecDeque<Segment>,
    /// Bytes that are no whole frames; they were cut off or set aside.
    pub torn_bytes: u64,
    /// Undelivered rows in the format of an earlier version: they cannot be read and were set aside.
    pub unreadable_rows: u64,
    /// The time of the newest row.
    pub last_ns: u64,
}

impl Recovered {
    /// Reads all segments of a directory. What cannot be read in them is cut off or set aside.
    ///
    /// # Errors
    /// The directory or a file cannot be read or changed; damage is no error.
    pub(super) fn read(folder: &SpillFolder) -> anyhow::Result<Self> {
        let mut found = Self::default();
        if planted::is(Fault::SegmentsForgotten) {
            return Ok(found);
        }
        let numbers = folder.segment_numbers();
        for number in numbers.with_context(|| format!("cannot read {}", folder.path().display()))? {
            let path = folder.segment(number);
            found
                .read_segment(folder, number)
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(found)
    }

    fn read_segment(&mut self, folder: &SpillFolder, number: u64) -> anyhow::Result<()> {
        let path = folder.segment(number);
        let file = folder.open_segment(number)?;
        let length = file.metadata()?.len();
        let contents = match segment_file::contents(&file) {
            Ok(contents) => contents,
            // A crash came before the head was written, so there are no rows yet.
            Err(error) if error.kind() == ErrorKind::InvalidData && length <= HEAD_BYTES => {
                SegmentContents::default()
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                log::error!("-spill-dir: {}: {error}; it is set aside", path.display());
                folder.set_aside(number)?;
                self.torn_bytes += length;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if contents.is_old && contents.rows > 0 {
            let (path, rows) = (path.display(), contents.rows);
            log::error!(
                "-spill-dir: {path}: {rows} undelivered rows have the format of an earlier version, which this one cannot read; the file is set aside"
            );
            folder.set_aside(number)?;
            self.unreadable_rows += contents.rows;
            return Ok(());
        }
        if !segment_file::is_torn(&file, contents.end)? {
            log::error!(
                "-spill-dir: {} is damaged behind byte {}: rows up to there are taken, a copy of all is set aside",
                path.display(),
                contents.end
            );
            folder.set_copy_aside(number)?;
        }
        if contents.is_position_lost && contents.rows > 0 {
            log::error!(
                "-spill-dir: {}: what was delivered of it cannot be told; all {} rows are sent again",
                path.display(),
                contents.rows
            );
        }
        self.torn_bytes += length.saturating_sub(contents.end.max(HEAD_BYTES));
        self.last_ns = self.last_ns.max(contents.last_ns);
        if contents.rows == 0 {
            folder.remove(number)?;
            return Ok(());
        }
        file.set_len(contents.end)?;
        // Also what was of an earlier version is of this one from now on.
        segment_file::write_head(&file, contents.position)?;
        self.segments.push_back(Segment::found(number, &contents));
        Ok(())
    }
}
