//! The order of the series of one family on the page.
//!
//! Where many are born at once, sorting them is most of what the next page costs: so it compares numbers that are made
//! of each text once, and reads texts again where those are equal.

use std::cmp::Ordering;

use crate::registry::series::NewCell;
use crate::text::escape;
use crate::text::sort_key::SharedBeginning;

/// The order of series: by their unescaped label values, taken in the order of the label names. If series
/// of one family may have different label names, those with fewer labels come first, as in the original.
pub(super) fn order(a: &[u8], b: &[u8], mixed: bool) -> Ordering {
    if mixed {
        let by_count = escape::label_count(a).cmp(&escape::label_count(b));
        by_count.then_with(|| order_of_equally_many(a, b))
    } else {
        escape::cmp_escaped(a, b)
    }
}

/// The order of series that have equally many labels, of any names.
fn order_of_equally_many(a: &[u8], b: &[u8]) -> Ordering {
    escape::cmp_values(a, b).then_with(|| a.cmp(b))
}

/// Sorts the new cells of one family.
pub(super) fn sort(new_cells: Vec<NewCell>, mixed: bool) -> Vec<NewCell> {
    let texts = || new_cells.iter().map(|cell| &*cell.series.text);
    let shared = SharedBeginning::of(texts());
    let key = |text: &[u8]| if mixed { mixed_key(shared, text) } else { shared.key(text) };
    let mut keys: Vec<(u128, usize)> =
        texts().enumerate().map(|(index, text)| (key(text), index)).collect();
    keys.sort_unstable_by(|(a_key, a), (b_key, b)| {
        let text = |index: &usize| &*new_cells[*index].series.text;
        a_key.cmp(b_key).then_with(|| order(text(a), text(b), mixed))
    });
    let mut unsorted: Vec<Option<NewCell>> = new_cells.into_iter().map(Some).collect();
    let take = |(_, index): (u128, usize)| unsorted[index].take().expect("each index comes once");
    keys.into_iter().map(take).collect()
}

/// The key of a text whose number of labels comes first.
fn mixed_key(shared: SharedBeginning, text: &[u8]) -> u128 {
    /// From so many labels on the texts themselves decide.
    const MANY: u128 = 255;
    let count = (escape::label_count(text) as u128).min(MANY);
    let values = if count == MANY { 0 } else { shared.key(text) >> 8 };
    count << 120 | values
}
