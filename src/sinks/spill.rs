//! One sink's rows that wait on disk: a directory of segments, whose files are named by rising numbers.
//!
//! The spooler appends to the newest segment. The sender reads the oldest one and removes it when its last row is
//! delivered. The queue sees to it that they do not do so to the same segment at once. What was written survives
//! a crash of the process at once, and a crash of the machine after the next `fdatasync`, at most 200 ms later.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sinks::block::Block;

mod copy_segment;
mod folder;
mod quarantine;
mod recovery;
mod segment;
mod segment_file;
mod writer;

pub(crate) use copy_segment::CopySegment;
use folder::SpillFolder;
pub use recovery::Recovered;
pub use segment::Segment;
pub(crate) use segment::SegmentPosition;
use segment_file::SegmentFrame;
pub(crate) use writer::SegmentWriter;

/// One sink's directory, and how much it may hold.
#[derive(Debug)]
pub struct Spill {
    folder: SpillFolder,
    max_bytes: u64,
    /// No segment has a lower number.
    lowest: AtomicU64,
}

/// What [`Spill::write_before`] has written.
#[derive(Debug)]
pub struct WrittenBefore {
    /// How many of the blocks, from the first on.
    pub blocks: usize,
    /// The size of the segment; 0 if there is none because no block was written.
    pub segment_bytes: u64,
    /// Why the next block was not written, if that was not for want of room.
    pub error: Option<io::Error>,
}

impl Spill {
    /// Opens or makes the directory, and reads what is in it.
    ///
    /// # Errors
    /// The directory cannot be made, read or written, or another server uses it.
    pub fn open(path: &Path, max_bytes: u64) -> anyhow::Result<(Self, Recovered)> {
        let folder = SpillFolder::open(path)?;
        let found = Recovered::read(&folder)?;
        let lowest = found.segments.front().map_or(writer::FIRST_NUMBER, Segment::number);
        Ok((Self { folder, max_bytes, lowest: AtomicU64::new(lowest) }, found))
    }

    /// Whether `more_bytes` fit beside these segments.
    pub(crate) fn has_room(&self, segments: &VecDeque<Segment>, more_bytes: u64) -> bool {
        let held: u64 = segments.iter().map(Segment::bytes).sum();
        held + more_bytes <= self.max_bytes
    }

    /// Appends a block behind `newest`, the last segment that is not removed. Returns where the block ends.
    ///
    /// # Errors
    /// Of the file system. Nothing of the block is on disk then.
    pub(crate) fn append(
        &self,
        writer: &mut SegmentWriter,
        newest: Option<&Segment>,
        block: &Block,
    ) -> io::Result<SegmentPosition> {
        writer.append(&self.folder, newest, block)
    }

    /// Removes a segment whose rows are all settled. If rows are left in it, they could not be read, and its file
    /// is set aside instead.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn remove(&self, segment: &Segment) -> io::Result<()> {
        if segment.undelivered_rows() == 0 {
            self.folder.remove(segment.number())
        } else {
            self.folder.set_aside(segment.number())
        }
    }

    /// Keeps a row that is given up as poison, as this text of JSON, and returns where; `None` if there is no room.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn quarantine(&self, json: &[u8]) -> io::Result<Option<PathBuf>> {
        let path = self.folder.quarantine();
        Ok(quarantine::append(&path, json)?.then_some(path))
    }

    /// A new segment before all others, for copies of rows that are in memory.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn copy_segment(&self) -> io::Result<CopySegment> {
        CopySegment::create(&self.folder, self.number_before_all())
    }

    /// A number that is lower than that of any other segment.
    fn number_before_all(&self) -> u64 {
        self.lowest.fetch_sub(1, Relaxed) - 1
    }

    /// Opens the oldest segment, to read it and to note what is delivered.
    ///
    /// # Errors
    /// Of the file system.
    pub(crate) fn read(&self, segment: &Segment) -> io::Result<SegmentReader> {
        let file = self.folder.open_segment(segment.number())?;
        Ok(SegmentReader { file, next: segment.position() })
    }

    /// Writes blocks into a new segment before all others, as many as there is room for. Done once, when the
    /// server ends and rows are left in memory, which are older than those on disk.
    pub fn write_before(&self, segments: &VecDeque<Segment>, blocks: &[Block]) -> WrittenBefore {
        let number = self.number_before_all();
        let (mut written, mut end) = (0, segment_file::HEAD_BYTES);
        let mut write = || {
            let file = self.folder.create_segment(number)?;
            for block in blocks {
                if !self.has_room(segments, end + block.bytes().len() as u64) {
                    break;
                }
                end = match segment_file::append(&file, end, block) {
                    Ok(end) => end,
                    Err(error) => {
                        file.set_len(end)?; // cuts off half a frame
                        file.sync_data()?;
                        return Err(error);
                    }
                };
                written += 1;
            }
            file.sync_data()
        };
        let error = write().err();
        if written == 0 {
            drop(self.folder.remove(number)); // the file may not even have been made
            end = 0;
        }
        WrittenBefore { blocks: written, segment_bytes: end, error }
    }
}

/// Reads the oldest segment. Owned by the sender.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: File,
    /// Where the next frame begins.
    next: SegmentPosition,
}

impl SegmentReader {
    /// Where the next block begins.
    pub(crate) fn next(&self) -> SegmentPosition {
        self.next
    }

    /// Reads the next block; there must be one.
    ///
    /// # Errors
    /// Of reading; `InvalidData` if the block is damaged.
    pub(crate) fn read_block(&mut self) -> io::Result<Block> {
        let SegmentFrame { block, end } = segment_file::frame(&self.file, self.next.offset)?;
        self.next.offset = end;
        Ok(block)
    }

    /// Notes in the file that all rows before this place are delivered.
    ///
    /// # Errors
    /// Of writing. After a crash the rows may then be sent again.
    pub(crate) fn set_position(&self, offset: u64) -> io::Result<()> {
        segment_file::set_position(&self.file, offset)
    }
}
