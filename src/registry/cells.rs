//! The cells of a series in a list that is short nearly always.

use crate::registry::slab::CellRef;

/// Cells: nearly always one or a few.
#[derive(Debug, Default)]
pub(super) enum Cells {
    #[default]
    None,
    One(CellRef),
    /// In memory of exactly their size, since a million series may have several cells each.
    Many(Box<[CellRef]>),
}

impl Cells {
    pub(super) fn as_slice(&self) -> &[CellRef] {
        match self {
            Self::None => &[],
            Self::One(cell) => std::slice::from_ref(cell),
            Self::Many(cells) => cells,
        }
    }

    /// Adds a cell. Those of most words come first, which `total` asks for; those of as many are ordered by worker: of
    /// two gauges with the same stamp, the lower worker's wins.
    pub(super) fn push(&mut self, cell: CellRef) {
        let mut cells = self.take();
        cells.reserve_exact(1);
        cells.push(cell);
        cells.sort_by_key(|cell| (std::cmp::Reverse(cell.words().len()), cell.worker()));
        self.set(cells);
    }

    pub(super) fn remove(&mut self, cell: &CellRef) {
        let mut cells = self.take();
        cells.retain(|other| !other.same(cell));
        self.set(cells);
    }

    fn take(&mut self) -> Vec<CellRef> {
        match std::mem::take(self) {
            Self::None => Vec::new(),
            Self::One(cell) => {
                let mut cells = Vec::with_capacity(2); // as a rule another is added next
                cells.push(cell);
                cells
            }
            Self::Many(cells) => cells.into_vec(),
        }
    }

    fn set(&mut self, mut cells: Vec<CellRef>) {
        *self = match cells.len() {
            0 => Self::None,
            1 => cells.pop().map_or(Self::None, Self::One),
            _ => Self::Many(cells.into_boxed_slice()),
        };
    }
}
