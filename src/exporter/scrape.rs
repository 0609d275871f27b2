//! Making pages: each once for all scrapes that ask for it at the same time, and piece by piece.
//!
//! The thread `exporter` owns the registry's directory. It begins pages and writes their pieces as plain
//! text; the thread `exporter-gzip` compresses those of pages that are asked for so. A piece is made a little
//! before the first reader asks for it, and remembered for a while for the other readers of the page. So a
//! reader that takes its time holds up nobody, and costs a piece of memory.
//!
//! A scrape that asks while a page is being made waits for the next page, since what its client has sent
//! before may be missing from this one; all that wait share the next. A page whose readers are slower than
//! its making is not waited for ([`page`]).

mod buffers;
mod client;
mod exporter_thread;
mod gzip;
mod gzip_thread;
mod page;
mod page_source;
mod position;
mod registry_source;
mod singleflight;
mod stats;

use std::sync::Arc;

use crossbeam::channel;

pub use self::client::{Readiness, ScrapeClient};
pub use self::exporter_thread::ExporterThread;
pub use self::gzip_thread::GzipThread;
pub use self::page_source::PageSource;
pub(crate) use self::registry_source::RegistrySource;
pub use self::stats::ScrapeStats;

/// The threads that make pages of a source, and what asks them. At most `queue` questions wait; there must
/// be room for one of each connection.
pub fn threads<S: PageSource>(
    source: S,
    stats: Arc<ScrapeStats>,
    readiness: Arc<Readiness>,
    queue: usize,
) -> (ScrapeClient<S::Writer>, ExporterThread<S>, GzipThread<S::Writer>) {
    let (sender, questions) = channel::bounded(queue);
    let (gzip, texts) = channel::bounded(queue);
    let sender = Arc::new(sender);
    let asking = Arc::downgrade(&sender);
    let exporter = ExporterThread::new(source, asking, questions, gzip, Arc::clone(&stats));
    (ScrapeClient::new(sender, readiness), exporter, GzipThread::new(texts, stats))
}
