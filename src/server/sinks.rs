//! The queues of the sinks that the flags ask for, and the threads' bodies.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use crossbeam::channel::{self, Sender};

use crate::config::{IngestConfig, QueueConfig, SinksConfig};
use crate::metric::Op;
use crate::server::far_ends::{self, ConfiguredSink};
use crate::sinks::all_counters::AllSinkCounters;
use crate::sinks::batch_sender::BatchSender;
use crate::sinks::block::{Block, Stamps};
use crate::sinks::counters::SinkCounters;
use crate::sinks::outbox::{Outbox, Outboxes};
use crate::sinks::queue::SinkQueue;
use crate::sinks::spill::{Recovered, Segment, Spill};
use crate::sinks::spooler::Spooler;

/// Everything about sinks, until threads take it.
#[derive(Debug, Default)]
pub(super) struct Sinks {
    parts: Vec<SinkParts>,
    /// For the page.
    pub(super) counters: AllSinkCounters,
    /// Bytes that all queues may hold in memory.
    queues_max_bytes: usize,
}

/// One sink.
#[derive(Debug)]
struct SinkParts {
    ops: &'static [Op],
    sender: Sender<Block>,
    counters: Arc<SinkCounters>,
    queue: Arc<SinkQueue>,
    spooler: Spooler,
    batch_sender: BatchSender,
    cancel: Cancel,
}

/// Ends a delivery that is under way.
struct Cancel(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Cancel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cancel")
    }
}

/// Main's hold on the sinks that run.
#[derive(Debug, Default)]
pub(super) struct RunningSinks {
    held: Vec<(Arc<SinkQueue>, Cancel)>,
}

/// A thread's name and body.
pub(super) type Thread = (String, Box<dyn FnOnce() + Send>);

impl Sinks {
    /// Makes them, and opens their directories. `own_udp` is where this server receives datagrams.
    ///
    /// # Errors
    /// Names flag, value and cause.
    pub(super) fn open(
        config: &SinksConfig,
        ingest: &IngestConfig,
        own_udp: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let mut sinks = Self::default();
        sinks.counters.forwards = config.remote.is_some();
        for configured in far_ends::of(config, ingest, own_udp, &sinks.counters)? {
            sinks.add(&config.queue, ingest.workers, configured)?;
        }
        Ok(sinks)
    }

    fn add(
        &mut self,
        queue_config: &QueueConfig,
        workers: usize,
        configured: ConfiguredSink,
    ) -> anyhow::Result<()> {
        let ConfiguredSink { name, ops, sink } = configured;
        let counters = Arc::new(SinkCounters::new(name, workers));
        // No far end confirms a datagram: what came back from disk could not be known from what has arrived.
        let keeps = !queue_config.spill_dir.is_empty() && name != "remote";
        let spill = if keeps { Some(open_spill(queue_config, name)?) } else { None };
        let last_ns = spill.as_ref().map_or(0, |(_, found)| found.last_ns);
        // Differs from every other server's, and this one's next time.
        let first_seq = ahash::RandomState::new().hash_one(std::process::id());
        let limits = sink.limits();
        let memory_max_bytes = queue_config.memory_max_bytes;
        self.queues_max_bytes += memory_max_bytes;
        let queue =
            Arc::new(SinkQueue::new(Arc::clone(&counters), limits, memory_max_bytes, spill));
        let (sender, blocks) = channel::unbounded(); // outboxes bound its bytes
        let cancel = Cancel(sink.cancel());
        self.counters.sinks.push(Arc::clone(&counters));
        self.parts.push(SinkParts {
            ops,
            sender,
            counters,
            spooler: Spooler::new(blocks, Arc::clone(&queue), Stamps::new(last_ns, first_seq)),
            batch_sender: BatchSender::new(sink, Arc::clone(&queue), queue_config.retry_max),
            queue,
            cancel,
        });
        Ok(())
    }

    /// Bytes that all queues may hold in memory.
    pub(super) fn queues_max_bytes(&self) -> usize {
        self.queues_max_bytes
    }

    /// The outboxes of one worker.
    pub(super) fn outboxes(&self, worker: usize) -> Outboxes {
        let mut outboxes = Outboxes::default();
        for part in &self.parts {
            let outbox = Outbox::new(worker, part.sender.clone(), Arc::clone(&part.counters));
            outboxes.add(outbox, part.ops);
        }
        outboxes
    }

    /// The threads, which end once all workers' outboxes are gone, and main's hold on them.
    pub(super) fn into_threads(self) -> (Vec<Thread>, RunningSinks) {
        let (mut threads, mut running) = (Vec::new(), RunningSinks::default());
        for SinkParts { counters, spooler, batch_sender, queue, cancel, .. } in self.parts {
            let spool = move || spooler.run();
            threads.push((format!("{}-spool", short(counters.sink)), Box::new(spool) as Box<_>));
            let deliver = move || batch_sender.run();
            threads.push((format!("{}-send", short(counters.sink)), Box::new(deliver) as Box<_>));
            running.held.push((queue, cancel));
        }
        (threads, running)
    }
}

impl RunningSinks {
    /// What is queued is to be delivered by then.
    pub(super) fn stop_by(&self, deadline: Instant) {
        self.held.iter().for_each(|(queue, _)| queue.stop_by(deadline));
    }

    /// Waits until what is left of all is kept or dropped, or until then.
    pub(super) fn wait_ended(&self, until: Instant) {
        for (queue, _) in &self.held {
            queue.wait_ended(until);
        }
    }

    /// Says what is lost with sinks that have not ended.
    pub(super) fn complain(&self) {
        for (queue, _) in &self.held {
            if !queue.wait_ended(Instant::now()) {
                let (sink, rows) = (queue.counters().sink, queue.counters().queued());
                log::error!("{sink}: its far end or disk does not let go; {rows} rows are lost");
            }
        }
    }

    /// Ends deliveries that are under way.
    pub(super) fn cancel(&self) {
        self.held.iter().for_each(|(_, cancel)| (cancel.0)());
    }
}

/// A sink's name in its threads' names, which have 15 bytes.
fn short(sink: &'static str) -> &'static str {
    if sink == "opensearch" { "search" } else { sink }
}

fn open_spill(config: &QueueConfig, name: &str) -> anyhow::Result<(Spill, Recovered)> {
    let folder = Path::new(&config.spill_dir).join(name);
    let (spill, found) = Spill::open(&folder, config.spill_max_bytes)
        .with_context(|| format!("-spill-dir {:?}", config.spill_dir))?;
    let rows: u64 = found.segments.iter().map(Segment::undelivered_rows).sum();
    if rows > 0 || found.torn_bytes > 0 {
        log::info!(
            "-spill-dir {:?}: {rows} rows for {name} are kept from before, {} unfinished bytes were cut off",
            config.spill_dir,
            found.torn_bytes
        );
    }
    Ok((spill, found))
}
