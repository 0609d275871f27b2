//! Copies a message and repairs in the copy what simd-json refuses, or what its tape does not tell.
//!
//! Runs on an ingest worker, on the cold path of the parser only. It changes text that is broken in a
//! known way and copies all else as it is. It does not check whether the result is JSON; the parser does.
//! It must not know what the members of a message mean.

use super::text;

/// What [`repair`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Repaired {
    /// Whether the copy differs from the original.
    pub(super) changed: bool,
    /// Whether broken text became U+FFFD.
    pub(super) unicode: bool,
}

/// What replaces each byte that is not UTF-8, and each escaped surrogate without its other half.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// Clears `out` and copies `original`, an object, to it. In the copy
/// - each byte that is not UTF-8, and each escaped surrogate without its other half, is U+FFFD;
/// - with `quote`, each number that is a member of a second-level object, as labels are, is a string of its
///   digits;
/// - each other number that is too large for an `f64`, which simd-json would refuse with the whole message, is
///   `false`: the parser refuses that where it needs a number, and ignores it in a member that it ignores. In a
///   second-level object it is `0`, so that the parser asks for a copy with `quote` if it is a label's value.
pub(super) fn repair(original: &[u8], quote: bool, out: &mut Vec<u8>) -> Repaired {
    out.clear();
    let mut copy = Copy { out, quote, done: Repaired::default() };
    let mut place = Place::default();
    let mut rest = original;
    while let Some(&byte) = rest.first() {
        let width = match byte {
            b'"' => copy.string(rest),
            b'-' | b'0'..=b'9' => copy.number(rest, place),
            0x80.. => copy.character(rest),
            _ => {
                copy.out.push(byte);
                1
            }
        };
        place.pass(byte);
        rest = &rest[width..];
    }
    copy.done
}

/// Where in the object the copying is.
#[derive(Clone, Copy, Default)]
struct Place {
    depth: u32,
    /// Whether the object or array that is open on the second level is an object.
    second_is_object: bool,
    /// The last byte that was no blank; a string counts as its opening quote.
    last: u8,
}

impl Place {
    /// Moves on over the byte at which something that was copied begins.
    fn pass(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                if self.depth == 2 {
                    self.second_is_object = byte == b'{';
                }
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b' ' | b'\t' | b'\r' | b'\n' => return,
            _ => {}
        }
        self.last = byte;
    }

    /// Whether what begins here is the value of a member of a second-level object.
    fn is_label(self) -> bool {
        self.depth == 2 && self.second_is_object && self.last == b':'
    }
}

/// The copy that is being made. Its methods get the text that is still to be copied, and return how many bytes of
/// it they have dealt with.
struct Copy<'o> {
    out: &'o mut Vec<u8>,
    quote: bool,
    done: Repaired,
}

impl Copy<'_> {
    /// Copies so many bytes as they are.
    fn verbatim(&mut self, text: &[u8], width: usize) -> usize {
        self.out.extend_from_slice(&text[..width]);
        width
    }

    /// Writes U+FFFD in place of so many bytes.
    fn replace(&mut self, width: usize) -> usize {
        self.out.extend_from_slice(REPLACEMENT);
        self.done = Repaired { changed: true, unicode: true };
        width
    }

    /// Copies the string at the front, up to its closing quote or the end of the text.
    fn string(&mut self, text: &[u8]) -> usize {
        let mut at = self.verbatim(text, 1);
        loop {
            let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | 0x80..);
            at += self.verbatim(&text[at..], text[at..].iter().take_while(plain).count());
            let Some(&byte) = text.get(at) else { return at };
            at += match byte {
                b'"' => return at + self.verbatim(&text[at..], 1),
                b'\\' => self.escape(&text[at..]),
                _ => self.character(&text[at..]),
            };
        }
    }

    /// Copies the escape at the front, two where they are a pair of surrogates; or replaces a lone surrogate.
    fn escape(&mut self, text: &[u8]) -> usize {
        match (unit(text), text.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => self.verbatim(text, 12),
            (Some(0xD800..=0xDFFF), _) => self.replace(6),
            _ => self.verbatim(text, text.len().min(2)),
        }
    }

    /// Copies the character at the front, which is not ASCII; or replaces one byte, if that is not UTF-8.
    fn character(&mut self, text: &[u8]) -> usize {
        let front = &text[..text.len().min(4)];
        match front.utf8_chunks().next().map(|chunk| chunk.valid()) {
            Some(valid) if !valid.is_empty() => {
                let width = valid.chars().next().map_or(1, char::len_utf8);
                self.verbatim(text, width)
            }
            _ => self.replace(1),
        }
    }

    /// Copies what is at the front and begins like a number, changed as [`repair`] says.
    fn number(&mut self, text: &[u8], place: Place) -> usize {
        let width = text.iter().take_while(|&&byte| in_token(byte)).count();
        let token = &text[..width];
        if !text::is_number(token) {
            return self.verbatim(text, width);
        }
        if place.is_label() && self.quote {
            self.out.push(b'"');
            self.out.extend_from_slice(token);
            self.out.push(b'"');
        } else if !is_finite(token) {
            let stand_in: &[u8] = if place.is_label() { b"0" } else { b"false" };
            self.out.extend_from_slice(stand_in);
        } else {
            return self.verbatim(text, width);
        }
        self.done.changed = true;
        width
    }
}

/// The UTF-16 code unit that the escape `\uXXXX` at the front means.
fn unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text else { return None };
    let digits = digits.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Whether the byte may be in a number, or makes it something else: `1x` is copied as a whole.
fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
}

fn is_finite(number: &[u8]) -> bool {
    str::from_utf8(number).is_ok_and(|text| text::finite_number(text).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(original: &[u8], quote: bool) -> (Vec<u8>, Repaired) {
        let mut out = vec![1, 2, 3];
        let done = repair(original, quote, &mut out);
        (out, done)
    }

    #[test]
    fn broken_text_becomes_the_replacement_character() {
        let cases: [(&[u8], &str); 9] = [
            (b"{\"a\":\"\xff\"}", "{\"a\":\"\u{FFFD}\"}"),
            // One for each byte, as the original Go metrics-server does.
            (b"{\"a\":\"\xe2\x82x\"}", "{\"a\":\"\u{FFFD}\u{FFFD}x\"}"),
            (b"{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\u{FFFD}\u{FFFD}\u{FFFD}\"}"),
            (br#"{"a":"\ud800"}"#, "{\"a\":\"\u{FFFD}\"}"),
            (br#"{"a":"\udc00\n"}"#, "{\"a\":\"\u{FFFD}\\n\"}"),
            (br#"{"a":"\ud800\ud83d\ude00"}"#, "{\"a\":\"\u{FFFD}\\ud83d\\ude00\"}"),
            (br#"{"a":"\ud800\u0041\\"}"#, "{\"a\":\"\u{FFFD}\\u0041\\\\\"}"),
            (br#"{"a":"\\ud800","b":"\ud8"}"#, r#"{"a":"\\ud800","b":"\ud8"}"#),
            (
                "{\"é\":\"\u{1F600}\",\"b\":\"€\\\"\"}".as_bytes(),
                "{\"é\":\"\u{1F600}\",\"b\":\"€\\\"\"}",
            ),
        ];
        for (original, expected) in cases {
            let (out, done) = repaired(original, false);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            let changed = out != original;
            assert_eq!(done, Repaired { changed, unicode: changed }, "{expected}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit() {
        let (out, done) =
            repaired(br#"{"a":1e400,"b":[-1e999],"c":{"d":1e400,"e":{"f":1e400}}}"#, false);
        assert_eq!(out, br#"{"a":false,"b":[false],"c":{"d":0,"e":{"f":false}}}"#);
        assert_eq!(done, Repaired { changed: true, unicode: false });
        // What is no number stays, and so stays refused.
        let broken = br#"{"a":01e400,"b":1e400x,"c":-,"d":"1e400"}"#;
        assert_eq!(repaired(broken, true), (broken.to_vec(), Repaired::default()));
    }

    #[test]
    fn label_numbers_become_their_text() {
        let (out, done) = repaired(
            br#"{"v":1.50,"l":{"a": 1.50,"b":[2],"c":{"d":3},"e":1e400},"m":[{"x":1}]}"#,
            true,
        );
        assert_eq!(
            out,
            br#"{"v":1.50,"l":{"a": "1.50","b":[2],"c":{"d":3},"e":"1e400"},"m":[{"x":1}]}"#
        );
        assert!(done.changed && !done.unicode);
        // A number in the place of a key stays a number: as a string it would become a key.
        let (out, _) = repaired(br#"{"l":{1:2,3}}"#, true);
        assert_eq!(out, br#"{"l":{1:"2",3}}"#);
    }
}
