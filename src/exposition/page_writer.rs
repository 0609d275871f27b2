//! Writes a page piece by piece.
//!
//! A writer is a place on a page: which texts and which series come next. It holds no lock and no reference
//! into the directory between two pieces, so whoever reads the page may take its time, and a clone of the
//! writer writes the same part of the page again. Each series is read at one moment; what is born or dies
//! between two pieces is on the page if its place was still to come. A piece is bounded, also where one
//! series has more text than that. Runs on the thread `exporter`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::exposition::page::{self, Histogram, Layout};
use crate::metric::Kind;
use crate::registry::directory::{Directory, FamilyView, SeriesView};
use crate::registry::series::{Family, Series};

/// Bytes at which a piece is handed on: large enough that handing on costs nothing, small enough to
/// stay in a core's second cache.
pub const PIECE_BYTES: usize = 128 << 10;

/// Texts of families that are text already, by name in the page's order.
pub type Texts = BTreeMap<&'static str, Vec<u8>>;

/// A place on a page, and how to write on from there.
#[derive(Clone, Debug)]
pub struct PageWriter {
    /// The texts, in the page's order, and how many of them are written.
    texts: Arc<[(&'static str, Vec<u8>)]>,
    texts_written: usize,
    /// The series that was written last.
    last: Option<Arc<Series>>,
    /// Its lines that are still to come, where a piece ended between them.
    rest: Option<Histogram>,
    layout: Arc<Layout>,
    done: bool,
}

impl PageWriter {
    /// At the begin of a page, which has these texts beside the directory's families.
    pub fn new(texts: Texts) -> Self {
        Self {
            texts: texts.into_iter().collect(),
            texts_written: 0,
            last: None,
            rest: None,
            layout: Arc::default(),
            done: false,
        }
    }

    /// Whether all of the page is written.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Appends what comes next, about [`PIECE_BYTES`]; nothing at the end of the page.
    pub fn write(&mut self, directory: &Directory, piece: &mut Vec<u8>) {
        if self.done {
            return;
        }
        let full = piece.len() + PIECE_BYTES;
        let last = self.last.take();
        if let Some(mut histogram) = self.rest.take()
            && let Some(series) = &last
            && !lines(&mut histogram, &self.layout, &series.text, piece, full)
        {
            (self.last, self.rest) = (last, Some(histogram));
            return;
        }
        let after = last.as_deref().map(|series| &*series.family.name);
        let mut histogram = Histogram::default();
        for view in directory.families_from(after.unwrap_or("")) {
            let begin = match &last {
                // Another family may have taken the name since: it is for the next page.
                Some(series) if after == Some(&*view.family.name) => {
                    if !Arc::ptr_eq(&series.family, &view.family) {
                        continue;
                    }
                    directory.after(view, series)
                }
                _ => {
                    self.header(view, piece);
                    0
                }
            };
            if !self.entries(&view.series()[begin..], view, &mut histogram, piece, full) {
                return;
            }
        }
        self.texts(|_| true, piece);
        self.done = true;
    }

    /// Writes what stands before a family's series.
    fn header(&mut self, view: &FamilyView, piece: &mut Vec<u8>) {
        let family = &view.family;
        self.texts(|name| name < &*family.name, piece);
        page::header(piece, &family.name, family.kind, &family.help);
        self.layout = Arc::new(layout(family));
    }

    /// Writes texts as long as their names are such.
    fn texts(&mut self, is_due: impl Fn(&str) -> bool, piece: &mut Vec<u8>) {
        while let Some((name, text)) = self.texts.get(self.texts_written)
            && is_due(name)
        {
            piece.extend_from_slice(text);
            self.texts_written += 1;
        }
    }

    /// Writes series of one family until the piece is full; whether it has written them all.
    fn entries(
        &mut self,
        entries: &[SeriesView],
        view: &FamilyView,
        histogram: &mut Histogram,
        piece: &mut Vec<u8>,
        full: usize,
    ) -> bool {
        let is_histogram = view.family.kind == Kind::Histogram;
        let layout = Arc::clone(&self.layout);
        for entry in entries {
            let mut whole = true;
            if is_histogram {
                entry.histogram(&mut histogram.counts, &mut histogram.sum);
                histogram.begin();
                whole = lines(histogram, &layout, entry.text(), piece, full);
            } else {
                layout.line(piece, entry.text(), entry.number());
            }
            if piece.len() >= full {
                self.last = Some(Arc::clone(entry.series()));
                self.rest = (!whole).then(|| std::mem::take(histogram));
                return false;
            }
        }
        true
    }
}

/// Writes lines of a histogram until the piece is full; whether it has written them all.
fn lines(
    histogram: &mut Histogram,
    layout: &Layout,
    labels: &[u8],
    piece: &mut Vec<u8>,
    full: usize,
) -> bool {
    while histogram.line(piece, layout, labels) {
        if piece.len() >= full {
            return false;
        }
    }
    true
}

fn layout(family: &Family) -> Layout {
    match family.kind {
        Kind::Histogram => Layout::histogram(&family.name, &family.bounds),
        Kind::Counter | Kind::Gauge => Layout::plain(&family.name),
    }
}
