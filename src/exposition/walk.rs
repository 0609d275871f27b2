//! A page in the making, piece by piece.
//!
//! Between two pieces nothing is held but the name of the place: the directory may be given back, and
//! whoever reads the page may take its time. Each series is read at one moment; what is born or dies
//! between two pieces is on the page if its place was still to come. A piece is bounded, also where one
//! series has more text than that. Runs on a thread of the exporter.

use std::sync::Arc;

use crate::exposition::page::{self, Histogram, Layout};
use crate::metric::Kind;
use crate::registry::birth::{Family, Series};
use crate::registry::directory::{Directory, FamilyView, SeriesView};

/// Bytes at which a piece is handed on: large enough that handing on costs nothing, small enough to
/// stay in a core's second cache.
pub const PIECE_BYTES: usize = 128 << 10;

/// Texts of families that are text already, by name in the page's order.
pub type Texts = std::collections::BTreeMap<&'static str, Vec<u8>>;

/// A page in the making.
#[derive(Debug)]
pub struct Walk {
    texts: std::iter::Peekable<std::collections::btree_map::IntoIter<&'static str, Vec<u8>>>,
    /// The series that was shown last.
    last: Option<Arc<Series>>,
    /// Whether lines of it are still to come.
    open: bool,
    histogram: Histogram,
    layout: Layout,
    /// Whether all is written.
    done: bool,
}

impl Walk {
    /// At the begin of a page, which has these texts beside the directory's families.
    pub fn new(texts: Texts) -> Self {
        Self {
            texts: texts.into_iter().peekable(),
            last: None,
            open: false,
            histogram: Histogram::default(),
            layout: Layout::default(),
            done: false,
        }
    }

    /// Whether all of the page is written.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Appends what comes next, about [`PIECE_BYTES`]; nothing at the end of the page.
    pub fn fill(&mut self, directory: &Directory, piece: &mut Vec<u8>) {
        if self.done {
            return;
        }
        piece.reserve(PIECE_BYTES + PIECE_BYTES / 8);
        let full = piece.len() + PIECE_BYTES;
        if std::mem::take(&mut self.open)
            && let Some(series) = self.last.clone()
            && !self.lines(&series.text, piece, full)
        {
            self.open = true;
            return;
        }
        let last = self.last.take();
        let after = last.as_deref().map(|series| &*series.family.name);
        for view in directory.families_from(after.unwrap_or("")) {
            let name = &*view.family.name;
            let begin = match &last {
                // Another family may have taken the name since: it is for the next page.
                Some(series) if after == Some(name) => {
                    if !Arc::ptr_eq(&series.family, &view.family) {
                        continue;
                    }
                    self.layout = layout(&view.family);
                    directory.after(view, series)
                }
                _ => {
                    self.begin(view, piece);
                    0
                }
            };
            if !self.entries(&view.series()[begin..], view, piece, full) {
                return;
            }
        }
        self.texts.by_ref().for_each(|(_, text)| piece.extend_from_slice(&text));
        self.done = true;
    }

    /// What stands before a family's series.
    fn begin(&mut self, view: &FamilyView, piece: &mut Vec<u8>) {
        let family = &view.family;
        while let Some((_, text)) = self.texts.next_if(|(name, _)| **name < *family.name) {
            piece.extend_from_slice(&text);
        }
        page::header(piece, &family.name, family.kind, &family.help);
        self.layout = layout(family);
    }

    /// Writes series of one family until the piece is full; whether it has written them all.
    fn entries(
        &mut self,
        entries: &[SeriesView],
        view: &FamilyView,
        piece: &mut Vec<u8>,
        full: usize,
    ) -> bool {
        let is_histogram = view.family.kind == Kind::Histogram;
        for entry in entries {
            if is_histogram {
                entry.histogram(&mut self.histogram.counts, &mut self.histogram.sum);
                self.histogram.begin();
                self.open = !self.lines(entry.text(), piece, full);
            } else {
                self.layout.line(piece, entry.text(), entry.number());
            }
            if piece.len() >= full {
                self.last = Some(Arc::clone(entry.series()));
                return false;
            }
        }
        true
    }

    /// Writes the lines of the histogram at hand until the piece is full; whether it has written them all.
    fn lines(&mut self, labels: &[u8], piece: &mut Vec<u8>, full: usize) -> bool {
        while self.histogram.line(piece, &self.layout, labels) {
            if piece.len() >= full {
                return false;
            }
        }
        true
    }
}

fn layout(family: &Family) -> Layout {
    match family.kind {
        Kind::Histogram => Layout::histogram(&family.name, &family.bounds),
        Kind::Counter | Kind::Gauge => Layout::plain(&family.name),
    }
}
