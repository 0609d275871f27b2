//! The newest segment, to which the spooler appends.

use std::fs::File;
use std::io;

use super::folder::SpillFolder;
use super::segment::{Segment, SegmentPosition};
use super::segment_file::{self, HEAD_BYTES};
use crate::sinks::block::Block;

/// A segment that holds so many bytes is full: the next block begins a new one.
const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// The number of the first segment. At its end a server puts rows from memory into a segment before the oldest, and
/// copies of rows that wait aside are in one as well, so there must be numbers below.
pub(super) const FIRST_NUMBER: u64 = 1 << 40;

/// Appends to the newest segment. Owned by the spooler.
#[derive(Debug, Default)]
pub(crate) struct SegmentWriter {
    open: Option<OpenSegment>,
    /// All numbers below this were used. A new segment must not take the number of one that the sender is just
    /// removing.
    next_number: u64,
    /// Something was written since the last sync.
    dirty: bool,
}

#[derive(Debug)]
struct OpenSegment {
    file: File,
    /// Where the next frame goes.
    end: SegmentPosition,
}

impl OpenSegment {
    /// Whether the next block goes here: the segment is still the newest, and is not full.
    fn takes_more(&self, newest: Option<&Segment>) -> bool {
        self.end.offset < SEGMENT_BYTES
            && newest.is_some_and(|newest| newest.number() == self.end.number)
    }
}

impl SegmentWriter {
    /// Appends a block behind `newest`, the last segment that is not removed: to that one if this writer made it
    /// and it is not full, or else to a new one. Returns where the block ends.
    ///
    /// # Errors
    /// Of the file system. Nothing of the block is on disk then.
    pub(crate) fn append(
        &mut self,
        folder: &SpillFolder,
        newest: Option<&Segment>,
        block: &Block,
    ) -> io::Result<SegmentPosition> {
        let takes_more = |open: &OpenSegment| {
            // What is written to a file that somebody has removed is gone.
            open.takes_more(newest) && folder.segment(open.end.number).exists()
        };
        if !self.open.as_ref().is_some_and(takes_more) {
            self.sync()?;
            self.open = Some(self.begin(folder, newest)?);
        }
        let open = self.open.as_mut().expect("a segment was begun if none was open");
        match segment_file::append(&open.file, open.end.offset, block) {
            Ok(end) => {
                self.dirty = true;
                open.end.offset = end;
                Ok(open.end)
            }
            Err(error) => {
                // Otherwise half a frame would stand before the next one.
                open.file.set_len(open.end.offset)?;
                if open.end.offset == HEAD_BYTES {
                    let number = open.end.number;
                    self.open = None;
                    folder.remove(number)?;
                }
                Err(error)
            }
        }
    }

    /// Makes a new segment behind `newest`.
    fn begin(&mut self, folder: &SpillFolder, newest: Option<&Segment>) -> io::Result<OpenSegment> {
        let after_newest = newest.map_or(FIRST_NUMBER, |newest| newest.number() + 1);
        let number = after_newest.max(self.next_number);
        self.next_number = number + 1;
        let file = folder.create_segment(number)?;
        Ok(OpenSegment { file, end: SegmentPosition { number, offset: HEAD_BYTES } })
    }

    /// Whether something was written since the last [`Self::sync`].
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Waits until the disk has what was written, so that it survives the machine.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty)
            && let Some(open) = &self.open
        {
            open.file.sync_data()?;
        }
        Ok(())
    }
}
