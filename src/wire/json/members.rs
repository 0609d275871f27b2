//! The members of a message: which keys have a meaning, in any letter case, and where their values are.
//!
//! Runs on an ingest worker inside the parser; it must not know of which type a value has to be.

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
    Hops,
}

const KEYS: usize = Key::Hops as usize + 1;
/// Bytes of a text that may be a key in another letter case. The shortest key is `op`. The longest in bytes is
/// `bucket_custom`: it has 13, and three more with its k as the Kelvin sign (three bytes) and one s as the long
/// s (two).
const FOLDABLE: std::ops::RangeInclusive<usize> = 2..=16;

/// Where the value of each key is. Of several members with one key the last that is not null counts.
#[derive(Default)]
pub(super) struct Members {
    /// For each key the index of its value on the tape. 0 means none: the message itself is there.
    at: [usize; KEYS],
    /// One bit per key: whether the member that counts has it in another letter case.
    folded: u16,
    /// Whether a member `labels` was null.
    pub(super) labels_null: bool,
}

impl Members {
    /// Goes through the members of the message on the tape. The labels of all members `labels` are added to `found`.
    pub(super) fn walk<'a>(tape: &[Node<'a>], found: &mut Vec<SentLabel<'a>>) -> Self {
        let mut members = Self::default();
        let mut at = 1;
        while let Some([Node::String(text), value]) = tape.get(at..at + 2) {
            if let Some(found_key) = FoundKey::of(text) {
                members.note(found_key, at + 1, value);
                if found_key.key == Key::Labels && matches!(value, Node::Object { .. }) {
                    labels::collect(tape, at + 1, found);
                }
            }
            at += 1 + nodes(value);
        }
        members
    }

    fn note(&mut self, FoundKey { key, folded }: FoundKey, at: usize, value: &Node<'_>) {
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

    /// Where the key's value is on the tape.
    pub(super) fn position(&self, key: Key) -> usize {
        self.at[key as usize]
    }

    /// Whether a member that counts has its key in another letter case.
    pub(super) fn any_folded(&self) -> bool {
        self.folded != 0
    }
}

/// A key that a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FoundKey {
    key: Key,
    /// Whether the text is the key in another letter case.
    folded: bool,
}

impl FoundKey {
    fn of(text: &str) -> Option<Self> {
        match exact(text.as_bytes()) {
            Some(key) => Some(Self { key, folded: false }),
            None => fold(text.as_bytes()).map(|key| Self { key, folded: true }),
        }
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
        b"hops" => Key::Hops,
        _ => return None,
    })
}

/// The key that the text is in another letter case. As in the original, letters are ASCII's and two more, which
/// are other cases of an ASCII letter: the Kelvin sign (k) and the long s.
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
        let found = |text| FoundKey::of(text).map(|found| (found.key, found.folded));
        assert_eq!(found("name"), Some((Key::Name, false)));
        assert_eq!(found("NAME"), Some((Key::Name, true)));
        assert_eq!(found("bucKet_cuſtom"), Some((Key::BucketCustom, true)));
        assert_eq!(found("labelſ"), Some((Key::Labels, true)));
        assert_eq!(found("TimeStamp"), Some((Key::Timestamp, true)));
        for other in ["", "n", "nam", "name ", "näme", "a_very_long_key_of_no_meaning"] {
            assert_eq!(found(other), None, "{other:?}");
        }
    }
}
