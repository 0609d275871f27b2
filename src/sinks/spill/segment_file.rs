//! One file of rows that wait on disk: its format, and reading and writing it.
//!
//! ```text
//! head   │ "MSROWS03" │ position u40, checksum u24 │      rows before this place are delivered
//! frame  │ length u32 │ rows u32 │ crc32 u32 │ rows │     the checksum is of all else in the frame
//! frame  │ …                                              all numbers little endian
//! ```
//!
//! A frame holds one block. Files with `MSROWS02` are of an earlier version, whose position was a u64 without a
//! checksum; they become files of this version when they are found. Files with `MSROWS01` kept rows as JSON texts in the
//! same frames. A file only grows, and nothing in it is overwritten but the position. Who may read or write
//! a file is for the caller to know.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::sinks::block::Block;

const MAGIC: [u8; 8] = *b"MSROWS03";
const UNCHECKED_MAGIC: [u8; 8] = *b"MSROWS02";
const OLD_MAGIC: [u8; 8] = *b"MSROWS01";
/// A position has so many bits: 1 TiB.
const POSITION_BITS: u32 = 40;
/// Where the first frame begins.
pub(super) const HEAD_BYTES: u64 = HEAD as u64;
const HEAD: usize = 16;
const FRAME_HEAD_BYTES: usize = 12;
/// A length past this is damage. A block is sent once it holds 64 KiB, so it has one message more than that at
/// most, and a message has less than 1 GiB.
const FRAME_MAX_BYTES: u32 = 1 << 30;

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentContents {
    /// Rows before this place are delivered.
    pub(super) position: u64,
    /// Where the last whole frame ends.
    pub(super) end: u64,
    /// The rows behind the position.
    pub(super) rows: u64,
    /// Whether the position was damaged, so that all rows count as undelivered.
    pub(super) is_position_lost: bool,
    /// Whether the rows have the format of an earlier version and cannot be read.
    pub(super) is_old: bool,
    /// The time of the last row.
    pub(super) last_ns: u64,
}

/// Makes an empty file. Only its owner can read it, since rows may hold what others must not see.
///
/// # Errors
/// Of the file system.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A file of this name can only be left from a write that failed, so the queue knows of no rows in it.
    options.read(true).write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path)?;
    write_head(&file, HEAD_BYTES)?;
    if let Some(folder) = path.parent() {
        // The file's name is on disk only once the directory is.
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

/// Appends a block at `end`; returns the new end.
///
/// # Errors
/// Of writing; the file may be longer than `end` then.
pub(super) fn append(file: &File, end: u64, block: &Block) -> io::Result<u64> {
    let mut head = [0; FRAME_HEAD_BYTES];
    let len = u32::try_from(block.bytes().len()).map_err(io::Error::other)?;
    head[..4].copy_from_slice(&len.to_le_bytes());
    head[4..8].copy_from_slice(&block.row_count().to_le_bytes());
    let crc = checksum(&head[..8], block.bytes());
    head[8..].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&head, end)?;
    file.write_all_at(block.bytes(), end + FRAME_HEAD_BYTES as u64)?;
    Ok(end + FRAME_HEAD_BYTES as u64 + u64::from(len))
}

/// A frame that was read.
pub(super) struct SegmentFrame {
    pub(super) block: Block,
    /// Where the frame ends and the next one begins.
    pub(super) end: u64,
}

/// Reads the frame that begins at `at`.
///
/// # Errors
/// Of reading; `InvalidData` if there is no whole frame with a right checksum.
pub(super) fn frame(file: &File, at: u64) -> io::Result<SegmentFrame> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "no whole frame");
    let mut head = [0; FRAME_HEAD_BYTES];
    file.read_exact_at(&mut head, at)?;
    let number =
        |from| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
    let (len, rows, crc) = (number(0), number(4), number(8));
    if len > FRAME_MAX_BYTES {
        return Err(damaged());
    }
    let start = at + FRAME_HEAD_BYTES as u64;
    // Checked before memory is asked for, since a damaged length may be large.
    if file.metadata()?.len() < start + u64::from(len) {
        return Err(damaged());
    }
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, start)?;
    if checksum(&head[..8], &bytes) != crc {
        return Err(damaged());
    }
    Ok(SegmentFrame { block: Block::from_encoded(bytes, rows), end: start + u64::from(len) })
}

/// Notes that all rows before `position` are delivered.
///
/// # Errors
/// Of writing.
pub(super) fn set_position(file: &File, position: u64) -> io::Result<()> {
    file.write_all_at(&checked(position)?.to_le_bytes(), MAGIC.len() as u64)
}

/// Writes the head of a file of this version.
///
/// # Errors
/// Of writing.
pub(super) fn write_head(file: &File, position: u64) -> io::Result<()> {
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&checked(position)?.to_le_bytes());
    file.write_all_at(&head, 0)
}

/// A position with its checksum above it.
fn checked(position: u64) -> io::Result<u64> {
    if position >> POSITION_BITS != 0 {
        return Err(io::Error::other("the file is longer than a position can say"));
    }
    let checksum = u64::from(crc32fast::hash(&position.to_le_bytes()));
    Ok(position | (checksum << POSITION_BITS))
}

/// The position that a file of this version has, if its checksum is right.
fn unchecked(number: u64) -> Option<u64> {
    let position = number & ((1 << POSITION_BITS) - 1);
    checked(position).is_ok_and(|right| right == number).then_some(position)
}

/// Reads a file up to the first frame that is not whole.
///
/// # Errors
/// Of reading; `InvalidData` if it does not begin like a segment.
pub(super) fn contents(file: &File) -> io::Result<SegmentContents> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is shorter than a head"))?;
    let (magic, position) = head.split_at(MAGIC.len());
    let is_old = magic == OLD_MAGIC;
    if magic != MAGIC && magic != UNCHECKED_MAGIC && !is_old {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not begin as one"));
    }
    let mut number = [0; 8];
    number.copy_from_slice(position);
    let number = u64::from_le_bytes(number);
    let is_checked = magic == MAGIC && unchecked(number).is_some();
    let position = if magic == MAGIC { unchecked(number).unwrap_or(0) } else { number };
    let mut contents = SegmentContents {
        position: position.max(HEAD_BYTES),
        end: HEAD_BYTES,
        is_old,
        ..SegmentContents::default()
    };
    let (mut all_rows, mut is_a_frame) = (0, false);
    loop {
        is_a_frame |= contents.end == contents.position;
        match frame(file, contents.end) {
            Ok(SegmentFrame { block, end }) => {
                let rows = u64::from(block.row_count());
                all_rows += rows;
                contents.rows += if contents.end >= contents.position { rows } else { 0 };
                contents.last_ns = block.iter().last().map_or(contents.last_ns, |row| row.time_ns);
                contents.end = end;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    // Without a checksum only a place where a frame begins, or the end, can be one.
    contents.is_position_lost = !is_checked && (magic == MAGIC || !is_a_frame);
    if contents.is_position_lost {
        contents.position = HEAD_BYTES;
        contents.rows = all_rows;
    }
    Ok(contents)
}

/// Whether what stands behind `at` is nothing, or the beginning of a frame. A crash while a frame was written
/// leaves that; anything else is damage.
///
/// # Errors
/// Of reading.
pub(super) fn is_torn(file: &File, at: u64) -> io::Result<bool> {
    let left = file.metadata()?.len().saturating_sub(at);
    if left < FRAME_HEAD_BYTES as u64 {
        return Ok(true);
    }
    let mut len = [0; 4];
    file.read_exact_at(&mut len, at)?;
    let len = u32::from_le_bytes(len);
    Ok(len <= FRAME_MAX_BYTES && left < FRAME_HEAD_BYTES as u64 + u64::from(len))
}

fn checksum(head: &[u8], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(bytes);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Op;
    use crate::sinks::row::tests::sample;

    #[test]
    fn a_torn_or_damaged_tail_ends_the_file_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let file = create(&path).unwrap();
        let mut block = Block::default();
        block.push(7, &sample(Op::Raw, "one", &[]), &[]);
        let first = append(&file, HEAD_BYTES, &block).unwrap();
        let second = append(&file, first, &block).unwrap();
        let both = SegmentContents {
            position: HEAD_BYTES,
            end: second,
            rows: 2,
            last_ns: 7,
            ..SegmentContents::default()
        };
        assert_eq!(contents(&file).unwrap(), both);
        let bytes = std::fs::read(&path).unwrap();
        let one = SegmentContents { end: first, rows: 1, ..both };
        for cut in first..second {
            file.set_len(cut).unwrap();
            assert_eq!(contents(&file).unwrap(), one, "{cut}");
        }
        for flipped in first..second {
            let mut damaged = bytes.clone();
            damaged[usize::try_from(flipped).unwrap()] ^= 0x10;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(contents(&File::open(&path).unwrap()).unwrap(), one, "{flipped}");
        }
    }

    #[test]
    fn delivered_rows_do_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = create(&dir.path().join("s")).unwrap();
        let mut block = Block::default();
        block.push(7, &sample(Op::Raw, "one", &[]), &[]);
        let first = append(&file, HEAD_BYTES, &block).unwrap();
        let end = append(&file, first, &block).unwrap();
        set_position(&file, first).unwrap();
        assert_eq!(
            contents(&file).unwrap(),
            SegmentContents {
                position: first,
                end,
                rows: 1,
                last_ns: 7,
                ..SegmentContents::default()
            }
        );
    }

    #[test]
    fn a_damaged_position_costs_repetitions_and_no_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let file = create(&path).unwrap();
        let mut block = Block::default();
        block.push(7, &sample(Op::Raw, "one", &[]), &[]);
        let first = append(&file, HEAD_BYTES, &block).unwrap();
        let end = append(&file, first, &block).unwrap();
        set_position(&file, first).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let lost = SegmentContents {
            position: HEAD_BYTES,
            end,
            rows: 2,
            last_ns: 7,
            is_position_lost: true,
            is_old: false,
        };
        for at in 8..16 {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                std::fs::write(&path, damaged).unwrap();
                assert_eq!(contents(&File::open(&path).unwrap()).unwrap(), lost, "{at} {bit}");
            }
        }
        // An earlier version's has no checksum.
        let of_old = |position: u64| {
            let mut old = bytes.clone();
            old[..8].copy_from_slice(&UNCHECKED_MAGIC);
            old[8..16].copy_from_slice(&position.to_le_bytes());
            std::fs::write(&path, old).unwrap();
            contents(&File::open(&path).unwrap()).unwrap()
        };
        assert_eq!((of_old(first).position, of_old(first).rows), (first, 1));
        assert_eq!(of_old(end).rows, 0);
        assert_eq!((of_old(first + 1), of_old(end + 1)), (lost, lost));
    }
}
