//! Keys by which many rendered label texts are sorted: numbers, so that a comparison reads no text.
//!
//! A key is what the texts' unescaped values say first, behind the beginning that all of them share. Of two different
//! keys the smaller one belongs to the text that comes first; where keys are equal the texts themselves decide.
//!
//! Pure functions over bytes.

use super::escape;

/// Bytes of a key.
const KEY_BYTES: usize = 16;
/// The largest byte that is counted up by one to leave 0 for the end of a value. UTF-8 has no larger ones.
const LARGEST: u8 = 0xFD;

/// The beginning that some rendered label texts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedBeginning {
    /// Where the texts may differ first, or a little before that.
    at: usize,
    /// Whether that is in a value.
    in_value: bool,
}

impl SharedBeginning {
    /// That of these texts.
    pub(crate) fn of<'t>(mut texts: impl Iterator<Item = &'t [u8]>) -> Self {
        let Some(first) = texts.next() else { return Self { at: 0, in_value: false } };
        let shared =
            texts.fold(first.len(), |shared, text| escape::common_prefix(&first[..shared], text));
        Self::behind(&first[..shared])
    }

    /// Reads this beginning of a text to its end.
    fn behind(beginning: &[u8]) -> Self {
        let mut at = 0;
        while let Some(quote) = memchr::memchr(b'"', &beginning[at..]) {
            at += quote + 1;
            loop {
                match &beginning[at..] {
                    [b'"', ..] => break at += 1,
                    [b'\\', _, ..] => at += 2,
                    // An escape may be cut in two.
                    [] | [b'\\'] => return Self { at, in_value: true },
                    [_, ..] => at += 1,
                }
            }
        }
        Self { at, in_value: false }
    }

    /// The key of one of the texts.
    pub(crate) fn key(self, text: &[u8]) -> u128 {
        let (mut key, mut len) = ([0; KEY_BYTES], 0);
        let (mut rest, mut in_value) = (&text[self.at..], self.in_value);
        while len < KEY_BYTES {
            if !in_value {
                let Some(quote) = rest.iter().position(|&byte| byte == b'"') else { break };
                (rest, in_value) = (&rest[quote + 1..], true);
            }
            let (meant, tail) = match rest {
                [b'"', tail @ ..] => {
                    (rest, in_value) = (tail, false);
                    len += 1; // the end of a value is 0, less than any byte
                    continue;
                }
                [b'\\', b'n', tail @ ..] => (b'\n', tail),
                [b'\\', byte, tail @ ..] | [byte, tail @ ..] => (*byte, tail),
                [] => break,
            };
            rest = tail;
            key[len] = meant.min(LARGEST) + 1;
            len += 1;
            if meant > LARGEST {
                break; // these are alike: the texts decide
            }
        }
        u128::from_be_bytes(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(names: &str, values: &[String]) -> Vec<u8> {
        let mut text = Vec::new();
        for (number, value) in values.iter().enumerate() {
            text.extend_from_slice(if number > 0 { b"," } else { b"" });
            text.extend_from_slice(format!("{names}{number}=\"").as_bytes());
            escape::write_label_value(&mut text, value);
            text.push(b'"');
        }
        text
    }

    fn keys(texts: &[Vec<u8>]) -> Vec<u128> {
        let shared = SharedBeginning::of(texts.iter().map(Vec::as_slice));
        texts.iter().map(|text| shared.key(text)).collect()
    }

    #[test]
    fn what_all_share_takes_no_room_in_keys() {
        let long = "a long value that all of them have".to_owned();
        let text = |last: &str| rendered("l", &[long.clone(), format!("{long}{last}")]);
        let keys = keys(&["1", "2", "3"].map(text));
        assert!(keys[0] < keys[1] && keys[1] < keys[2], "{keys:?}");
    }

    #[test]
    fn an_escape_is_not_cut_in_two() {
        let text = |value: &str| rendered("l", &[value.to_owned()]);
        let keys = keys(&["\n", "\"", "\\"].map(text));
        assert!(keys[0] < keys[1] && keys[1] < keys[2], "{keys:?}");
    }

    fn nasty_values() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec("[\0 !\"#\\\\\nn,=a\u{e9}]{0,9}", 0..4)
    }

    proptest! {
        #[test]
        fn keys_never_contradict_the_texts(
            all in proptest::collection::vec(nasty_values(), 2..6), other in any::<bool>(), shared in "[a\\\\\"\n]{0,9}",
        ) {
            let with_shared = |mut values: Vec<String>| {
                if let Some(first) = values.first_mut() {
                    first.insert_str(0, &shared);
                }
                values
            };
            let all: Vec<Vec<String>> = all.into_iter().map(with_shared).collect();
            // Some of other names, where names may differ.
            let names = |number: usize| if other && number % 2 == 1 { "other" } else { "l" };
            let texts: Vec<_> =
                all.iter().enumerate().map(|(number, values)| rendered(names(number), values)).collect();
            let keys = keys(&texts);
            for (a, a_key) in all.iter().zip(&keys) {
                for (b, b_key) in all.iter().zip(&keys) {
                    prop_assert!(a_key >= b_key || a < b, "{a:?} {b:?} {a_key:x} {b_key:x}");
                }
            }
        }
    }
}
