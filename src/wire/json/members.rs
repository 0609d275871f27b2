//! The members of a message: which keys we know, in any letter case, and where their values stand.
//!
//! Runs on an ingest worker inside the parser; it must not know what a value has to be.

use simd_json::{Node, StaticNode};

use super::labels::{self, SentLabel};
use super::tape::nodes;

/// The keys that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Name,
    Labels,
    Op,
    Help,
    Index,
    Buckets,
    BucketCustom,
    BucketWidth,
    BucketFactor,
    BucketMin,
    BucketMax,
    BucketStart,
    Value,
    Timestamp,
}

const KEYS: usize = Key::Timestamp as usize + 1;
/// The longest key with its k and s as three and two bytes; the shortest is `op`.
const FOLDABLE: std::ops::RangeInclusive<usize> = 2..=16;

/// Where each key's counting value stands: its last that is not null.
#[derive(Default)]
pub(super) struct Members {
    /// Index on the tape; 0, where the message itself stands, means none.
    at: [usize; KEYS],
    /// The counting member's key was in another letter case, one bit per key.
    folded: u16,
    /// `labels` was null somewhere.
    pub(super) labels_null: bool,
}

impl Members {
    /// Walks over the message on the tape; the labels of all its label objects go to `found`.
    pub(super) fn walk<'a>(tape: &[Node<'a>], found: &mut Vec<SentLabel<'a>>) -> Self {
        let mut members = Self::default();
        let mut at = 1;
        while let Some([Node::String(text), value]) = tape.get(at..at + 2) {
            if let Some((key, folded)) = find(text) {
                members.note(key, folded, at + 1, value);
                if key == Key::Labels && matches!(value, Node::Object { .. }) {
                    labels::collect(tape, at + 1, found);
                }
            }
            at += 1 + nodes(value);
        }
        members
    }

    fn note(&mut self, key: Key, folded: bool, at: usize, value: &Node<'_>) {
        if matches!(value, Node::Static(StaticNode::Null)) {
            self.labels_null |= key == Key::Labels;
            return;
        }
        self.at[key as usize] = at;
        let bit = 1 << key as u32;
        self.folded = if folded { self.folded | bit } else { self.folded & !bit };
    }

    /// The key's value, unless it is missing or null.
    pub(super) fn get<'a>(&self, tape: &[Node<'a>], key: Key) -> Option<Node<'a>> {
        match self.at[key as usize] {
            0 => None,
            at => tape.get(at).copied(),
        }
    }

    /// The key's value if it is a string.
    pub(super) fn text<'a>(&self, tape: &[Node<'a>], key: Key) -> Option<&'a str> {
        match self.get(tape, key) {
            Some(Node::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Where the key's value stands on the tape.
    pub(super) fn position(&self, key: Key) -> usize {
        self.at[key as usize]
    }

    /// Whether a member that counts has its key in another letter case.
    pub(super) fn any_folded(&self) -> bool {
        self.folded != 0
    }
}

/// The key that the text is, and whether only by folding its letters.
fn find(text: &str) -> Option<(Key, bool)> {
    match exact(text.as_bytes()) {
        Some(key) => Some((key, false)),
        None => fold(text.as_bytes()).map(|key| (key, true)),
    }
}

fn exact(text: &[u8]) -> Option<Key> {
    Some(match text {
        b"name" => Key::Name,
        b"labels" => Key::Labels,
        b"op" => Key::Op,
        b"help" => Key::Help,
        b"index" => Key::Index,
        b"buckets" => Key::Buckets,
        b"bucket_custom" => Key::BucketCustom,
        b"bucket_width" => Key::BucketWidth,
        b"bucket_factor" => Key::BucketFactor,
        b"bucket_min" => Key::BucketMin,
        b"bucket_max" => Key::BucketMax,
        b"bucket_start" => Key::BucketStart,
        b"value" => Key::Value,
        b"timestamp" => Key::Timestamp,
        _ => return None,
    })
}

/// Folds as the original does: ASCII letters, and the two other characters whose lower case is an
/// ASCII letter, the Kelvin sign and the long s.
#[cold]
fn fold(text: &[u8]) -> Option<Key> {
    if !FOLDABLE.contains(&text.len()) {
        return None;
    }
    let mut folded = [0; 16];
    let mut len = 0;
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (letter, width) = match rest {
            [0xE2, 0x84, 0xAA, ..] => (b'k', 3),
            [0xC5, 0xBF, ..] => (b's', 2),
            _ => (byte.to_ascii_lowercase(), 1),
        };
        folded[len] = letter;
        len += 1;
        rest = &rest[width..];
    }
    exact(&folded[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_any_case() {
        assert_eq!(find("name"), Some((Key::Name, false)));
        assert_eq!(find("NAME"), Some((Key::Name, true)));
        assert_eq!(find("bucKet_cuſtom"), Some((Key::BucketCustom, true)));
        assert_eq!(find("labelſ"), Some((Key::Labels, true)));
        assert_eq!(find("TimeStamp"), Some((Key::Timestamp, true)));
        for other in ["", "n", "nam", "name ", "näme", "a_very_long_key_of_no_meaning"] {
            assert_eq!(find(other), None, "{other:?}");
        }
    }
}
