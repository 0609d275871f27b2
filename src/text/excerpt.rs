//! The beginning of a text that somebody else wrote, for one line of the log or of an error.
//!
//! Pure functions.

/// Bytes that are shown at most: a far end's whole sentence, not its whole page.
const MAX_BYTES: usize = 300;

/// The beginning of a text on one line: white space and control characters become single spaces. Empty
/// if the text holds nothing else.
pub(crate) fn excerpt(text: &str) -> String {
    let beginning = &text[..text.floor_char_boundary(MAX_BYTES)];
    let is_blank = |char: char| char.is_whitespace() || char.is_control();
    let words: Vec<&str> = beginning.split(is_blank).filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_and_short() {
        assert_eq!(excerpt(" a\n b\t\x1b[31m"), "a b [31m");
        assert_eq!(excerpt("\r\n"), "");
        assert_eq!(excerpt(&"é".repeat(1_000)).len(), MAX_BYTES);
    }
}
