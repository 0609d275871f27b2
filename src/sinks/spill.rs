//! The directory of one sink's rows that wait on disk: segments of 8 MiB, named by rising numbers.
//!
//! The spooler writes the newest segment; the sender reads the oldest and removes it when its last row
//! is delivered. Who may touch which is settled by the queue. What was written survives the process at
//! once, and the machine after the next `fdatasync`, 200 ms later at most.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::sinks::block::Block;

mod segment;

const SEGMENT_BYTES: u64 = 8 * 1024 * 1024;
/// The first segment's number: rows that a stop leaves in memory go before those on disk.
const FIRST_NUMBER: u64 = 1 << 40;
const ENDING: &str = "rows";
const DAMAGED: &str = "damaged";

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Names its file.
    pub number: u64,
    /// Where undelivered rows begin.
    pub position: u64,
    /// Where whole frames end.
    pub end: u64,
    /// Undelivered rows.
    pub rows: u64,
}

/// A directory.
#[derive(Debug)]
pub struct Spill {
    folder: PathBuf,
    max_bytes: u64,
    /// Held as long as the server runs: two servers in one directory would deliver rows twice.
    _lock: File,
}

/// What was found at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Segments with undelivered rows, oldest first.
    pub segments: VecDeque<Segment>,
    /// Bytes cut off behind the last whole frames.
    pub torn_bytes: u64,
    /// Undelivered rows in the format of an earlier version: they cannot be read and are set aside.
    pub unreadable_rows: u64,
    /// Time of the newest row.
    pub last_ns: u64,
}

impl Spill {
    /// Opens or makes the directory, and reads what is in it.
    ///
    /// # Errors
    /// It cannot be made, read or written, or another server uses it.
    pub fn open(folder: &Path, max_bytes: u64) -> anyhow::Result<(Self, Recovered)> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let lock = folder.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let file = file.with_context(|| format!("cannot write {}", lock.display()))?;
        if file.try_lock().is_err() {
            bail!("{} is locked: another server uses this directory", lock.display());
        }
        let spill = Self { folder: folder.to_owned(), max_bytes, _lock: file };
        let mut found = Recovered::default();
        for number in
            spill.numbers().with_context(|| format!("cannot read {}", folder.display()))?
        {
            let path = spill.path(number);
            spill
                .take_in(number, &mut found)
                .with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok((spill, found))
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                numbers.extend(stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()));
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn take_in(&self, number: u64, found: &mut Recovered) -> anyhow::Result<()> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let contents = match segment::contents(&file) {
            Ok(contents) => contents,
            // The crash came before the head was written: nothing can be in it.
            Err(error)
                if error.kind() == io::ErrorKind::InvalidData && length <= segment::HEAD_BYTES =>
            {
                segment::SegmentContents::default()
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                log::error!("-spill-dir: {}: {error}; it is set aside", path.display());
                self.set_aside(number)?;
                found.torn_bytes += length;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if contents.is_old && contents.rows > 0 {
            let (path, rows) = (path.display(), contents.rows);
            log::error!(
                "-spill-dir: {path}: {rows} undelivered rows have the format of an earlier version, which this one cannot read; the file is set aside"
            );
            self.set_aside(number)?;
            found.unreadable_rows += contents.rows;
            return Ok(());
        }
        if !segment::is_torn(&file, contents.end)? {
            log::error!(
                "-spill-dir: {} is damaged behind byte {}: rows up to there are taken, a copy of all is set aside",
                path.display(),
                contents.end
            );
            fs::copy(&path, path.with_extension(DAMAGED))?;
        }
        found.torn_bytes += length.saturating_sub(contents.end.max(segment::HEAD_BYTES));
        found.last_ns = found.last_ns.max(contents.last_ns);
        if contents.rows == 0 {
            fs::remove_file(&path)?;
            return Ok(());
        }
        file.set_len(contents.end)?;
        let segment::SegmentContents { position, end, rows, .. } = contents;
        found.segments.push_back(Segment { number, position, end, rows });
        Ok(())
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}.{ENDING}"))
    }

    /// Whether `more` bytes fit beside these segments.
    pub fn has_room(&self, segments: &VecDeque<Segment>, more: usize) -> bool {
        let held: u64 = segments.iter().map(|segment| segment.end).sum();
        held + more as u64 <= self.max_bytes
    }

    /// Removes a segment whose rows are all delivered.
    ///
    /// # Errors
    /// Of the file system.
    pub fn remove(&self, segment: &Segment) -> io::Result<()> {
        fs::remove_file(self.path(segment.number))
    }

    /// Renames the segment of this number, which cannot be read, so that it is out of the way but not gone.
    ///
    /// # Errors
    /// Of the file system.
    pub fn set_aside(&self, number: u64) -> io::Result<()> {
        let path = self.path(number);
        fs::rename(&path, path.with_extension(DAMAGED))
    }

    /// Opens the oldest segment, for its rows and its position.
    ///
    /// # Errors
    /// Of the file system.
    pub fn read(&self, segment: &Segment) -> io::Result<SegmentReader> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(segment.number))?;
        Ok(SegmentReader { file, number: segment.number, at: segment.position })
    }

    /// Writes blocks to a segment before all others: at the end, what is left in memory. Returns how many were
    /// written, as there was room, and the segment's length; an error is that of the first that was not.
    pub fn write_before(
        &self,
        segments: &VecDeque<Segment>,
        blocks: &[Block],
    ) -> (usize, u64, io::Result<()>) {
        let number = segments.front().map_or(FIRST_NUMBER, |oldest| oldest.number) - 1;
        let path = self.path(number);
        let (mut written, mut end) = (0, segment::HEAD_BYTES);
        let mut write = || {
            let file = segment::create(&path)?;
            for block in blocks {
                if !self.has_room(
                    segments,
                    usize::try_from(end).unwrap_or(usize::MAX) + block.bytes.len(),
                ) {
                    break;
                }
                end = match segment::append(&file, end, block) {
                    Ok(end) => end,
                    Err(error) => {
                        file.set_len(end)?; // half a frame
                        file.sync_data()?;
                        return Err(error);
                    }
                };
                written += 1;
            }
            file.sync_data()
        };
        let result = write();
        if written == 0 {
            drop(fs::remove_file(&path)); // there may be none
            end = 0;
        }
        (written, end, result)
    }
}

/// The newest segment. Owned by the spooler.
#[derive(Debug, Default)]
pub struct SegmentWriter {
    open: Option<(File, u64, u64)>,
    /// Numbers below were used: a segment that the sender is just removing must not come again.
    next: u64,
    dirty: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// To this segment.
    pub number: u64,
    /// Its end now.
    pub end: u64,
}

impl Written {
    /// What is known of a segment whose first rows these are.
    pub fn first(&self, rows: u64) -> Segment {
        Segment { number: self.number, position: segment::HEAD_BYTES, end: self.end, rows }
    }
}

impl SegmentWriter {
    /// Appends a block behind `newest`, the last segment that stands: to it, if it is ours and not full, or
    /// to a new one.
    ///
    /// # Errors
    /// Of the file system; nothing of the block will be read then.
    pub fn append(
        &mut self,
        spill: &Spill,
        newest: Option<&Segment>,
        block: &Block,
    ) -> io::Result<Written> {
        let goes_on = |number: u64, end: u64| {
            end < SEGMENT_BYTES && newest.is_some_and(|newest| newest.number == number)
        };
        if !self.open.as_ref().is_some_and(|&(_, number, end)| goes_on(number, end)) {
            self.sync()?;
            let number = newest.map_or(FIRST_NUMBER, |newest| newest.number + 1).max(self.next);
            self.next = number + 1;
            self.open = Some((segment::create(&spill.path(number))?, number, segment::HEAD_BYTES));
        }
        let Some((file, number, end)) = &mut self.open else {
            return Err(io::Error::other("no segment is open"));
        };
        match segment::append(file, *end, block) {
            Ok(new_end) => {
                self.dirty = true;
                *end = new_end;
                Ok(Written { number: *number, end: new_end })
            }
            Err(error) => {
                // Half a frame must not stand before the next.
                file.set_len(*end)?;
                if *end == segment::HEAD_BYTES {
                    let path = spill.path(*number);
                    self.open = None;
                    fs::remove_file(path)?;
                }
                Err(error)
            }
        }
    }

    /// Whether something was written since the last [`Self::sync`].
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Makes what was written survive the machine.
    ///
    /// # Errors
    /// Of the file system.
    pub fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty)
            && let Some((file, ..)) = &self.open
        {
            file.sync_data()?;
        }
        Ok(())
    }
}

/// The oldest segment. Owned by the sender.
#[derive(Debug)]
pub struct SegmentReader {
    file: File,
    /// Its number.
    pub number: u64,
    /// Where the next frame begins.
    pub at: u64,
}

impl SegmentReader {
    /// The next block; there must be one.
    ///
    /// # Errors
    /// Of reading; `InvalidData` if it is damaged.
    pub fn block(&mut self) -> io::Result<Block> {
        let (block, next) = segment::frame(&self.file, self.at)?;
        self.at = next;
        Ok(block)
    }

    /// Notes that all rows before `position` are delivered.
    ///
    /// # Errors
    /// Of writing; the rows may be sent again then.
    pub fn set_position(&self, position: u64) -> io::Result<()> {
        segment::set_position(&self.file, position)
    }
}
