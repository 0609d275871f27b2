//! One gzip member made of pieces, each of which is compressed by itself.
//!
//! Each piece ends on a whole byte and refers to nothing before it, so that it can be made when it is
//! asked for, from its own text alone. The first begins with the member's head, the last ends with checksum and
//! length (RFC 1952). The member is some per mille longer than one compressed as a whole.

use flate2::{Compress, Compression, FlushCompress, Status};

/// Deflate; no name, no time; the fastest level; from Unix.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 3];
/// By how much a piece may be longer than its text at worst: a few bytes for each block that deflate stores as it
/// is, and the ends of the member.
const GROWTH_BYTES: usize = 1024;

/// What the end of the member says of the text, as far as it is compressed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checksum {
    crc32: u32,
    /// Its length, modulo 2^32.
    length: u32,
}

impl Checksum {
    fn add(self, text: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.crc32);
        hasher.update(text);
        #[expect(clippy::cast_possible_truncation, reason = "the length is modulo 2^32")]
        let length = self.length.wrapping_add(text.len() as u32);
        Self { crc32: hasher.finalize(), length }
    }
}

/// A piece as it is sent.
pub(super) struct CompressedPiece<'d> {
    pub(super) bytes: &'d [u8],
    /// Of the text up to the end of the piece.
    pub(super) checksum: Checksum,
}

/// Compresses pieces, of one page or of many by turns.
#[derive(Debug)]
pub(super) struct Deflate {
    compress: Compress,
    out: Vec<u8>,
}

impl Deflate {
    pub(super) fn new() -> Self {
        // Level 1: the others cost a multiple and save a few percent of what travels once per scrape.
        Self { compress: Compress::new(Compression::fast(), false), out: Vec::new() }
    }

    /// Compresses a piece. `before` is the checksum of the text before it.
    pub(super) fn piece(
        &mut self,
        before: Checksum,
        is_first: bool,
        text: &[u8],
        is_last: bool,
    ) -> CompressedPiece<'_> {
        self.out.clear();
        self.out.reserve(text.len() + GROWTH_BYTES);
        if is_first {
            self.out.extend_from_slice(&HEAD);
        }
        self.compress.reset();
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
        let mut rest = text;
        loop {
            let taken = self.compress.total_in();
            let status = self.compress.compress_vec(rest, &mut self.out, flush);
            let taken = usize::try_from(self.compress.total_in() - taken);
            rest = &rest[taken.expect("no more is taken than there was")..];
            let has_room = self.out.len() < self.out.capacity();
            match status {
                Ok(Status::StreamEnd) => break,
                // Since there is room left, nothing waits to be written out.
                Ok(Status::Ok | Status::BufError) if !is_last && rest.is_empty() && has_room => {
                    break;
                }
                _ => self.out.reserve(GROWTH_BYTES),
            }
        }
        let checksum = before.add(text);
        if is_last {
            self.out.extend_from_slice(&checksum.crc32.to_le_bytes());
            self.out.extend_from_slice(&checksum.length.to_le_bytes());
        }
        CompressedPiece { bytes: &self.out, checksum }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn member(pieces: &[Vec<u8>]) -> Vec<u8> {
        let (mut deflate, mut checksum, mut member) =
            (Deflate::new(), Checksum::default(), Vec::new());
        for (index, text) in pieces.iter().enumerate() {
            let piece = deflate.piece(checksum, index == 0, text, index + 1 == pieces.len());
            member.extend_from_slice(piece.bytes);
            checksum = piece.checksum;
        }
        member
    }

    #[test]
    fn pieces_make_one_member() {
        // Bytes that deflate cannot make smaller.
        let noise = |len: usize| {
            let mut state = 1_u64;
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_be_bytes()[0]
            };
            (0..len).map(|_| next()).collect::<Vec<u8>>()
        };
        let text = |len: usize| {
            b"name{label=\"value\"} 1\n".iter().copied().cycle().take(len).collect::<Vec<u8>>()
        };
        for pieces in [
            vec![Vec::new()],
            vec![text(10)],
            vec![text(150_000), text(150_000), Vec::new()],
            vec![noise(150_000), text(1), noise(300_000), noise(7)],
        ] {
            let member = member(&pieces);
            let mut decoder = GzDecoder::new(&member[..]);
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).unwrap();
            assert!(read == pieces.concat(), "the text is another");
            assert!(decoder.into_inner().is_empty(), "something follows the member");
        }
    }
}
