//! Pages of the registry, with the server's own families among those of users.
//!
//! On the thread `exporter`, which owns it.

use std::sync::Arc;
use std::time::Duration;

use super::page_source::PageSource;
use crate::clock;
use crate::exporter::expiry_timer::{ExpiryTimer, ExpiryTotals};
use crate::exporter::freed_memory::FreedMemory;
use crate::exporter::own::{self, OwnCounters};
use crate::exposition::page_writer::{PIECE_BYTES, PageWriter};
use crate::registry::Registry;
use crate::registry::directory::Directory;

/// The time between two ticks where there is no expiry. The kernel's counters of 32 bits could be read far less often,
/// but what was born has to be sorted by the time that somebody asks for it.
const PERIOD: Duration = Duration::from_millis(500);

/// The time between two ticks while many are born: most of 200,000 that are born within a second are sorted by its end.
const BIRTHS_PERIOD: Duration = Duration::from_millis(50);
/// And so many times as long as the last tick took: of a million series each takes a good part of a second.
const BIRTHS_REST: u32 = 2;

/// Everything that a page is made of.
#[derive(Debug)]
pub(crate) struct RegistrySource {
    registry: Arc<Registry>,
    directory: Directory,
    expiry: Option<ExpiryTimer>,
    counters: OwnCounters,
    freed_memory: FreedMemory,
}

impl RegistrySource {
    /// Over the registry, expiry where it is on, and counters.
    pub(crate) fn new(
        registry: Arc<Registry>,
        expiry: Option<ExpiryTimer>,
        counters: OwnCounters,
    ) -> Self {
        let directory = Directory::new(Arc::clone(&registry));
        let freed_memory = FreedMemory::new(counters.workers());
        Self { registry, directory, expiry, counters, freed_memory }
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
        let began_ns = clock::now_ns();
        self.counters.read_kernel();
        let beside_series_bytes = self.counters.bytes_beside_series();
        self.freed_memory.look(&self.registry, beside_series_bytes, began_ns);
        let are_many = self.directory.merge_many_new_cells();
        let expiry = self.expiry.as_mut();
        let next = expiry.map_or(PERIOD, |expiry| expiry.pass(&mut self.directory));
        let took = Duration::from_nanos(clock::now_ns() - began_ns);
        if are_many { next.min(BIRTHS_PERIOD.max(took * BIRTHS_REST)) } else { next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::udp_sockets::UdpSocketStats;
    use crate::metric::{BucketParams, Hops, Kind, Label, Op, Sample};
    use crate::registry::SeriesLimits;
    use crate::registry::local::LocalRegistry;
    use crate::registry::mailbox::Mailboxes;
    use crate::sinks::all_counters::AllSinkCounters;

    /// Sorting is most of what a page after many births takes: it has 17 comparisons for each of 200,000 series.
    #[test]
    fn a_page_has_few_births_to_sort() {
        let registry = Arc::new(Registry::new(SeriesLimits::unlimited(1), |_| false));
        let udp_sockets = Arc::new(UdpSocketStats::new(Vec::new()));
        let counters = OwnCounters::new(
            Arc::default(),
            udp_sockets,
            Arc::default(),
            AllSinkCounters::default(),
            1 << 30,
        );
        let mut source = RegistrySource::new(Arc::clone(&registry), None, counters);
        let mailboxes = Arc::new(Mailboxes::new(1));
        let mut local_registry = LocalRegistry::new(0, Arc::clone(&registry), mailboxes);
        let mut births = |count: usize, name: &str| {
            for number in 0..count {
                let value = number.to_string();
                let labels = [Label { name: "l", value: &value }];
                let sample = Sample {
                    op: Op::Inc,
                    name,
                    labels: &labels,
                    help: "",
                    value: 1.0,
                    buckets: BucketParams::default(),
                    timestamp: None,
                    index: "",
                    hops: Hops::default(),
                };
                local_registry.count(Kind::Counter, &sample, &[], 1).expect("there is no limit");
            }
            registry.new_cells()
        };
        assert_eq!(births(1_000, "first"), 1_000);
        source.tick();
        assert_eq!(registry.new_cells(), 0, "many are sorted before a page asks for them");
        // Ten of 1,010 are fewer than one in 64: to make a new list for them would cost more.
        assert_eq!(births(10, "second"), 10);
        source.tick();
        assert_eq!(registry.new_cells(), 10);
        source.begin();
        assert_eq!(registry.new_cells(), 0, "a page shows all");
    }
}
