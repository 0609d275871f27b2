//! Which names are taken, and by what.
//!
//! A histogram `h` is shown as `h_bucket`, `h_sum` and `h_count`, so it takes these three names as well as
//! its own; a name that is taken cannot become another family's.
//!
//! Changed only under the registry's lock. Workers also look names up without it: then the answer may
//! refuse a sample, but it may not admit a new family. So a flood of refused samples takes no lock.

use std::sync::Arc;

use ahash::RandomState;
use dashmap::DashMap;

use crate::capacity;
use crate::metric::{Kind, Rejection};
use crate::registry::series::{Family, SeriesSpec};

/// Parts of the table, each with a lock of its own. Only samples of unknown series reach it, from a few workers.
const SEGMENTS: usize = 16;

/// What a name is taken by.
#[derive(Clone, Debug)]
enum NameUse {
    /// The name is a family's own.
    Own(Arc<Family>),
    /// A histogram's lines have this name.
    Derived,
}

/// All names that are taken.
#[derive(Debug)]
pub(super) struct Names {
    taken: DashMap<Arc<str>, NameUse, RandomState>,
    /// Tells the names of the server's own families.
    is_reserved: fn(&str) -> bool,
    mixed_label_sets: bool,
}

impl Names {
    /// No names. `is_reserved` tells those that no user's family may have; `mixed_label_sets` allows the
    /// series of one family to have different label names.
    pub(super) fn new(is_reserved: fn(&str) -> bool, mixed_label_sets: bool) -> Self {
        let taken = DashMap::with_hasher_and_shard_amount(RandomState::new(), SEGMENTS);
        Self { taken, is_reserved, mixed_label_sets }
    }

    /// The family of this name if it exists; `None` if the name is free.
    ///
    /// # Errors
    /// The series cannot have this name: [`Rejection::TypeConflict`], [`Rejection::LabelSetConflict`],
    /// [`Rejection::NameConflict`] or [`Rejection::ReservedName`].
    pub(super) fn find(&self, spec: &SeriesSpec<'_>) -> Result<Option<Arc<Family>>, Rejection> {
        match self.taken.get(spec.name).as_deref() {
            Some(NameUse::Own(family)) => {
                check_kind(family, spec.kind)?;
                self.check_label_names(family, spec.label_names)?;
                return Ok(Some(Arc::clone(family)));
            }
            Some(NameUse::Derived) => return Err(Rejection::NameConflict),
            None => {}
        }
        if (self.is_reserved)(spec.name) {
            return Err(Rejection::ReservedName);
        }
        if spec.kind == Kind::Histogram {
            for derived in derived_names(spec.name) {
                if (self.is_reserved)(&derived) {
                    return Err(Rejection::ReservedName);
                }
                // Only this very histogram can have taken the name as a derived one: then another worker is creating it
                // now, or the exporter is removing it, and neither is a conflict.
                if let Some(NameUse::Own(_)) = self.taken.get(derived.as_str()).as_deref() {
                    return Err(Rejection::NameConflict);
                }
            }
        }
        Ok(None)
    }

    /// Whether a family takes a series with these label names (sorted, separated by commas).
    ///
    /// # Errors
    /// [`Rejection::LabelSetConflict`] if they differ from the family's and that is not allowed.
    pub(super) fn check_label_names(&self, family: &Family, names: &str) -> Result<(), Rejection> {
        if self.mixed_label_sets || *family.label_names == *names {
            Ok(())
        } else {
            Err(Rejection::LabelSetConflict)
        }
    }

    /// Takes the names of a new family. Called under the registry's lock.
    pub(super) fn insert(&self, family: &Arc<Family>) {
        self.taken.insert(Arc::clone(&family.name), NameUse::Own(Arc::clone(family)));
        if family.kind == Kind::Histogram {
            for derived in derived_names(&family.name) {
                self.taken.insert(derived.into(), NameUse::Derived);
            }
        }
    }

    /// Frees the names of a family whose last series is gone. Called under the registry's lock.
    pub(super) fn remove(&self, family: &Family) {
        self.taken.remove(&*family.name);
        if family.kind == Kind::Histogram {
            for derived in derived_names(&family.name) {
                self.taken.remove(derived.as_str());
            }
        }
    }
}

impl Names {
    /// Gives memory back if few of the names that there were are left. It locks a segment at a time for as long as
    /// moving its names takes.
    pub(super) fn shrink(&self) {
        if capacity::to_shrink_to(self.taken.capacity(), self.taken.len()).is_some() {
            self.taken.shrink_to_fit();
        }
    }
}

/// Whether a family takes a sample of this type.
///
/// # Errors
/// [`Rejection::TypeConflict`] if it is of another type.
pub(super) fn check_kind(family: &Family, kind: Kind) -> Result<(), Rejection> {
    if family.kind == kind { Ok(()) } else { Err(Rejection::TypeConflict) }
}

/// Bytes that a family costs in the table: an entry for each of its names, of which half may be empty, and the
/// texts of derived names.
pub(super) fn table_bytes(kind: Kind, name: &str) -> usize {
    let entry = 2 * (size_of::<(Arc<str>, NameUse)>() + 1);
    let derived = match kind {
        Kind::Counter | Kind::Gauge => 0,
        // Each text has the two counts of its `Arc`, a suffix, and what the allocator adds.
        Kind::Histogram => 3 * (entry + name.len() + 48),
    };
    entry + derived
}

/// The names that a histogram's lines have.
fn derived_names(name: &str) -> [String; 3] {
    ["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))
}
