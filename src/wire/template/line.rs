//! Where a line ends, for lines that are known again.
//!
//! Pure; runs on an ingest worker. It must not know which lines are known.

use super::next_number::TEMPLATE_BYTES_MAX;

/// Bytes of the longest line end.
const END_BYTES_MAX: usize = 2;

/// The line that begins at `bytes[at]`, without its line end; `None` if it is longer than a template, or does not end.
/// With `ends_last` the end of the bytes ends it.
pub(super) fn at(bytes: &[u8], at: usize, ends_last: bool) -> Option<&[u8]> {
    let rest = &bytes[at..];
    let near = &rest[..rest.len().min(TEMPLATE_BYTES_MAX + END_BYTES_MAX)];
    let end = match memchr::memchr(b'\n', near) {
        Some(end) => end,
        None if ends_last && near.len() == rest.len() => near.len(),
        None => return None,
    };
    let line = &near[..end];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Whether a line ends before `bytes[end]`.
#[inline]
pub(super) fn ends_at(bytes: &[u8], end: usize, ends_last: bool) -> bool {
    match bytes[end..] {
        [b'\n', ..] | [b'\r', b'\n', ..] => true,
        [] | [b'\r'] => ends_last,
        _ => false,
    }
}
