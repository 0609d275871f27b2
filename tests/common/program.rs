//! Any bytes as a program for the twins: the fuzz target runs them, a test runs what is kept of them.
//!
//! `#` begins a piece, the byte behind it says what is done with it, by its last three bits: an ASCII digit is
//! taken for itself. What is before the first `#` is a datagram.

use super::strict;
use super::twins::{BATCH_MAX, Step, TTL_NS, Twins, UDP};

/// Pieces past this are left out, so that no program is slow.
const PIECES_MAX: usize = 100;

/// The steps that the bytes ask for.
fn steps(input: &[u8]) -> Vec<Step> {
    let mut pieces = input.split(|&byte| byte == b'#').take(PIECES_MAX);
    let first = pieces.next().unwrap_or_default();
    let mut steps = vec![Step::Datagrams(vec![first.to_vec()])];
    for piece in pieces {
        let Some((what, bytes)) = piece.split_first() else { continue };
        let bytes = bytes.to_vec();
        match what % 8 {
            0 => steps.push(Step::Datagrams(vec![bytes])),
            1 => steps.push(Step::Read(UDP + 1, bytes)),
            2 => steps.push(Step::Read(UDP + 2, bytes)),
            3 => steps.extend([Step::Read(UDP + 1, bytes), Step::End(UDP + 1)]),
            4 => steps.extend([Step::Read(UDP + 2, bytes), Step::Refuse(UDP + 2)]),
            5 => steps.extend([Step::Datagrams(vec![bytes]), Step::Between, Step::Pass]),
            6 => steps.extend([Step::Later(TTL_NS / 2 + 1), Step::Datagrams(vec![bytes])]),
            _ => steps.push(Step::Datagrams(vec![bytes; BATCH_MAX])),
        }
    }
    steps
}

/// Runs the program; returns how many families its page has.
///
/// # Panics
/// If the twins differ, the books do not close, or a page is none.
pub(crate) fn run(input: &[u8]) -> usize {
    let mut twins = Twins::new();
    for step in steps(input) {
        twins.step(&step);
        twins.check();
    }
    for listener in [UDP + 1, UDP + 2] {
        twins.step(&Step::End(listener));
    }
    strict::read(&twins.check())
}
