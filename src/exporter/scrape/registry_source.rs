//! Pages of the registry, with the server's own families among those of users.
//!
//! On the thread `exporter`, which owns it.

use std::sync::Arc;
use std::time::Duration;

use super::page_source::PageSource;
use crate::exporter::expiry_timer::{ExpiryTimer, ExpiryTotals};
use crate::exporter::own::{self, OwnCounters};
use crate::exposition::page_writer::{PIECE_BYTES, PageWriter};
use crate::registry::Registry;
use crate::registry::directory::Directory;

/// How often the kernel's counters are read where there is no expiry: long before 32 bits can wrap.
const KERNEL_PERIOD: Duration = Duration::from_secs(10);

/// Everything that a page is made of.
#[derive(Debug)]
pub(crate) struct RegistrySource {
    registry: Arc<Registry>,
    directory: Directory,
    expiry: Option<ExpiryTimer>,
    counters: OwnCounters,
}

impl RegistrySource {
    /// Over the registry, expiry where it is on, and counters.
    pub(crate) fn new(
        registry: Arc<Registry>,
        expiry: Option<ExpiryTimer>,
        counters: OwnCounters,
    ) -> Self {
        let directory = Directory::new(Arc::clone(&registry));
        Self { registry, directory, expiry, counters }
    }
}

impl PageSource for RegistrySource {
    type Writer = PageWriter;

    /// The counters are read before any cell: a sample that they count is in the cells of the page as well.
    fn begin(&mut self) -> PageWriter {
        let none = ExpiryTotals::default();
        let expiry = self.expiry.as_ref().map_or(&none, ExpiryTimer::passes);
        let texts = own::texts(&self.counters, &self.registry, expiry);
        self.directory.merge_new_cells();
        PageWriter::new(own::add_series(texts, self.directory.series()))
    }

    fn write(&mut self, writer: &mut PageWriter, piece: &mut Vec<u8>) -> bool {
        piece.reserve(PIECE_BYTES + PIECE_BYTES / 8); // the last line of a piece goes past its size
        writer.write(&self.directory, piece);
        writer.is_done()
    }

    fn tick(&mut self) -> Duration {
        self.counters.read_kernel();
        self.expiry.as_mut().map_or(KERNEL_PERIOD, |expiry| expiry.pass(&mut self.directory))
    }
}
