//! When a vector or table that has become nearly empty gives memory back.
//!
//! Plain functions of two numbers; whoever owns the vector asks after it has taken something out.

/// Less than this is not worth giving back: in the 64 segments of a table, with entries of 16 bytes, it is 64 KiB.
const KEPT: usize = 64;

/// The capacity to shrink to, where nothing is there or it takes less than a quarter of the capacity; `None` otherwise.
/// What is empty keeps nothing, however little: many small blocks that are left alone each hold a page of memory.
///
/// Half of the new capacity is used, so that shrinking and growing are both far away: what they copy is paid for
/// by as many removals or insertions.
pub(crate) fn to_shrink_to(capacity: usize, len: usize) -> Option<usize> {
    let is_nearly_empty = capacity > KEPT && len < capacity / 4;
    (is_nearly_empty || capacity > 0 && len == 0).then_some(2 * len)
}

#[cfg(test)]
mod tests {
    use super::to_shrink_to;

    #[test]
    fn only_what_is_large_and_nearly_empty_shrinks() {
        assert_eq!(to_shrink_to(64, 1), None);
        assert_eq!(to_shrink_to(64, 0), Some(0));
        assert_eq!(to_shrink_to(0, 0), None);
        assert_eq!(to_shrink_to(4096, 1024), None);
        assert_eq!(to_shrink_to(4096, 1023), Some(2046));
        assert_eq!(to_shrink_to(4096, 0), Some(0));
    }
}
