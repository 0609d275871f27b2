//! The families that a worker remembers, so that most samples that a family refuses are refused without the
//! shared registry.
//!
//! Used by one worker, when it sees a series for the first time.

use std::sync::Arc;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::capacity;
use crate::registry::series::Family;

/// How many families a worker remembers; it forgets all of them when there are more, and asks the shared
/// registry anew. 65,536 take some 2 MB.
const FAMILIES_MAX: usize = 65_536;

/// Families by name. They may have been removed a moment ago; the exporter tells then.
#[derive(Debug)]
pub(super) struct KnownFamilies {
    table: HashTable<Arc<Family>>,
    hasher: RandomState,
}

impl KnownFamilies {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { table: HashTable::new(), hasher: RandomState::new() }
    }

    /// The family of this name, if it is remembered. One that has been removed is forgotten.
    pub(super) fn find(&mut self, name: &str) -> Option<&Family> {
        let hash = self.hasher.hash_one(name);
        match self.table.find_entry(hash, |family| *family.name == *name) {
            Ok(entry) if entry.get().is_removed() => {
                entry.remove();
                None
            }
            Ok(entry) => Some(&**entry.into_mut()),
            Err(_) => None,
        }
    }

    /// Forgets a family, so that what it holds is freed. Another one of its name may be remembered by now.
    pub(super) fn forget(&mut self, family: &Arc<Family>) {
        let hash = self.hasher.hash_one(&*family.name);
        if let Ok(entry) = self.table.find_entry(hash, |known| Arc::ptr_eq(known, family)) {
            entry.remove();
        }
        if let Some(capacity) = capacity::to_shrink_to(self.table.capacity(), self.table.len()) {
            self.table.shrink_to(capacity, |known| self.hasher.hash_one(&*known.name));
        }
    }

    /// Bytes that the table takes, with room for more; families are accounted for by themselves.
    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size()
    }

    /// Remembers a family, unless one of its name is remembered already.
    pub(super) fn remember(&mut self, family: &Arc<Family>) {
        if self.table.len() >= FAMILIES_MAX {
            self.table.clear();
        }
        let hash = |family: &Arc<Family>| self.hasher.hash_one(&*family.name);
        self.table
            .entry(hash(family), |known| known.name == family.name, hash)
            .or_insert_with(|| Arc::clone(family));
    }
}
