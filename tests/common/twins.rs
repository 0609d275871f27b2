//! One program of steps against several handlers that differ in the bound of their templates alone: whatever
//! bytes come in whatever pieces, all must show the same page, keep the same books and leave the same log.
//!
//! The first of the twins has no templates, so it is the parse path and the measure of the others. All run in
//! this process on one thread; datagrams go through a real socket, since batches are filled by the kernel.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use metrics_server::testing::config::ShutdownFrom;
use metrics_server::testing::control::Control;
use metrics_server::testing::exposition::{PageWriter, Texts};
use metrics_server::testing::ingest::LogSlots;
use metrics_server::testing::ingest::{Dispatch, MessageLimits, Shared, Stream};
use metrics_server::testing::ingest::{Handler, Listener};
use metrics_server::testing::metric::Rejection;
use metrics_server::testing::registry::Directory;
use metrics_server::testing::registry::Expiry;
use metrics_server::testing::registry::LocalRegistry;
use metrics_server::testing::registry::Mailboxes;
use metrics_server::testing::registry::label_text::constants;
use metrics_server::testing::registry::{Registry, SeriesLimits};
use metrics_server::testing::sinks::Outboxes;
use metrics_server::testing::stats::{self, Counter, Stats, Transport, WorkerStats};
use metrics_server::testing::sys::recv::{Datagrams, PADDING};
use metrics_server::testing::wire::ReadBytes;

/// No templates; so few that they evict each other; more than any program makes.
pub(crate) const TEMPLATES_BYTES: [usize; 3] = [0, 2_000, 1 << 20];
/// The listener of datagrams; the others are unix listeners, with one connection each.
pub(crate) const UDP: usize = 0;
/// How many listeners there are.
pub(crate) const LISTENERS: usize = 3;
/// Longer than a template may be, short enough that messages past it are tried.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1_500;
/// A series without a sample for longer is retired by a pass.
pub(crate) const TTL_NS: u64 = 1_000;
/// Few enough that a batch does not wait for room in the socket.
pub(crate) const BATCH_MAX: usize = 4;

/// What happens to all twins alike.
#[derive(Clone)]
pub(crate) enum Step {
    /// A batch of up to [`BATCH_MAX`] datagrams.
    Datagrams(Vec<Vec<u8>>),
    /// One read of the connection to a unix listener.
    Read(usize, Vec<u8>),
    /// The connection ends; the next read is that of a new one.
    End(usize),
    /// What is kept of the connection is refused, as for its age.
    Refuse(usize),
    /// Time goes on, in ns.
    Later(u64),
    /// The worker attends to what the exporter asks.
    Between,
    /// The exporter's pass: folds what was given up, asks for what is idle.
    Pass,
}

/// Bytes as text, so that a program that fails can be read.
impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Datagrams(datagrams) => {
                let texts = datagrams.iter().map(|datagram| datagram.escape_ascii().to_string());
                write!(f, "Datagrams({:?})", texts.collect::<Vec<_>>())
            }
            Self::Read(listener, bytes) => write!(f, "Read({listener}, {})", bytes.escape_ascii()),
            Self::End(listener) => write!(f, "End({listener})"),
            Self::Refuse(listener) => write!(f, "Refuse({listener})"),
            Self::Later(ns) => write!(f, "Later({ns})"),
            Self::Between => f.write_str("Between"),
            Self::Pass => f.write_str("Pass"),
        }
    }
}

/// A handler with all that it needs of its own.
#[derive(Debug)]
struct Twin {
    templates_bytes: usize,
    handler: Dispatch,
    streams: [Stream; LISTENERS],
    buffer: Vec<u8>,
    registry: Arc<Registry>,
    expiry: Expiry,
    directory: Directory,
    stats: Stats,
    control: Arc<Control>,
    log: Arc<LogSlots>,
    died: usize,
}

/// The twins and what they were given.
#[derive(Debug)]
pub(crate) struct Twins {
    all: Vec<Twin>,
    now_ns: u64,
    datagrams: u64,
    bytes: [u64; Transport::NAMES.len()],
}

/// A pair of sockets and the batch that is read from it; and main's waker, which nobody waits for.
struct Wire {
    sender: UnixDatagram,
    receiver: UnixDatagram,
    batch: Datagrams,
    main: Arc<mio::Waker>,
}

thread_local! {
    /// One for all programs of a thread: none leaves anything in it.
    static WIRE: RefCell<Wire> = RefCell::new(Wire::new());
}

impl Wire {
    fn new() -> Self {
        let (sender, receiver) = UnixDatagram::pair().expect("a pair of sockets");
        let poll = mio::Poll::new().expect("a poll");
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
        Self { sender, receiver, batch: Datagrams::new(), main: Arc::new(waker) }
    }
}

impl Twin {
    fn new(templates_bytes: usize) -> Self {
        let bounds = SeriesLimits::unlimited(1)
            .with_buckets_max(50)
            .with_lines_max(4_000)
            .with_name_lines_max(1_000);
        let registry = Arc::new(Registry::new(bounds, stats::is_reserved));
        let mailboxes = Arc::new(Mailboxes::new(1));
        let stats: Stats = std::iter::once(WorkerStats::default()).map(Into::into).collect();
        let main = WIRE.with_borrow(|wire| Arc::clone(&wire.main));
        let control = Arc::new(Control::new(Vec::new(), main));
        let log = Arc::new(LogSlots::new(false));
        let shared = Shared::new(
            listeners().into(),
            ShutdownFrom::Unix,
            Arc::clone(&stats),
            Arc::clone(&control),
            Arc::clone(&log),
        );
        let limits = MessageLimits::new(MESSAGE_BYTES_MAX, 8, templates_bytes);
        let local_registry = LocalRegistry::new(0, Arc::clone(&registry), Arc::clone(&mailboxes));
        Self {
            templates_bytes,
            handler: Dispatch::new(0, local_registry, Outboxes::default(), limits, shared),
            streams: Default::default(),
            buffer: Vec::new(),
            expiry: Expiry::new(TTL_NS, mailboxes),
            directory: Directory::new(Arc::clone(&registry)),
            registry,
            stats,
            control,
            log,
            died: 0,
        }
    }

    fn step(&mut self, step: &Step, now_ns: u64) {
        match step {
            Step::Datagrams(datagrams) => WIRE.with_borrow_mut(|wire| {
                for datagram in datagrams {
                    wire.sender.send(datagram).expect("room for a batch");
                }
                if !datagrams.is_empty() {
                    let received = wire.batch.receive(wire.receiver.as_fd(), usize::MAX);
                    assert_eq!(received.expect("a batch"), datagrams.len());
                    self.handler.datagrams(UDP, &mut wire.batch, now_ns);
                }
            }),
            Step::Read(listener, bytes) => self.read(*listener, bytes),
            Step::End(listener) => {
                self.handler.end(*listener, &mut self.streams[*listener]);
                self.streams[*listener] = Stream::default();
            }
            Step::Refuse(listener) => {
                let stream = &mut self.streams[*listener];
                self.handler.refuse(*listener, stream, Rejection::TimedOut);
            }
            Step::Later(_) => {}
            Step::Between => self.handler.between(now_ns),
            Step::Pass => {
                self.died += self.expiry.pass(&mut self.directory, now_ns).removed.len();
            }
        }
    }

    /// As the loop does it: into one buffer for all connections, with stale bytes behind what is read.
    fn read(&mut self, listener: usize, bytes: &[u8]) {
        let needed = MESSAGE_BYTES_MAX + bytes.len() + PADDING;
        if self.buffer.len() < needed {
            self.buffer.resize(needed, b'"');
        }
        let stream = &mut self.streams[listener];
        let end = MESSAGE_BYTES_MAX + bytes.len();
        self.buffer[MESSAGE_BYTES_MAX..end].copy_from_slice(bytes);
        let read = ReadBytes::new(&mut self.buffer, MESSAGE_BYTES_MAX, end);
        let keeps = self.handler.stream(listener, stream, read);
        assert!(keeps <= MESSAGE_BYTES_MAX, "more is kept than a message may have");
    }

    fn page(&mut self) -> String {
        self.directory.merge_new_cells();
        let mut text = Vec::new();
        let mut writer = PageWriter::new(Texts::new());
        while !writer.is_done() {
            writer.write(&self.directory, &mut text);
        }
        String::from_utf8(text).expect("a page is UTF-8")
    }

    /// The books, in words: all but those of the templates themselves.
    fn books(&self) -> String {
        let worker = &self.stats[0];
        let each = |counts: &[Counter]| counts.iter().map(Counter::get).collect::<Vec<_>>();
        format!(
            "framed {} by op {:?}, accepted {:?}, rejected {:?}, coerced {:?}, {} bytes of garbage; \
             {} datagrams, bytes {:?}, {} cut, {} panics; {} lines, series {:?}, {} died, shutdown {}",
            worker.framed.get(),
            each(&worker.op_types),
            each(&worker.accepted),
            each(&worker.rejected),
            each(&worker.coerced),
            worker.garbage_bytes.get(),
            worker.datagrams.get(),
            each(&worker.bytes),
            worker.truncated.get(),
            worker.panics.get(),
            self.registry.lines(),
            self.directory.series(),
            self.died,
            self.control.shutdown_asked(),
        )
    }

    /// Takes the excerpts that wait for main.
    fn excerpts(&self) -> Vec<(&'static str, String)> {
        let waiting = Rejection::ALL.iter().filter(|reason| self.log.waits(**reason));
        waiting
            .filter_map(|reason| Some((reason.as_str(), self.log.take(*reason)?.to_string())))
            .collect()
    }
}

/// Constants of the same names, so that families are shared, but of different values.
fn listeners() -> [Listener; LISTENERS] {
    let listener = |data_source: &str, transport, zone| {
        let labels = constants([("source", data_source), ("zone", zone)]);
        Listener::new(data_source, transport, labels)
    };
    [
        listener(":9999", Transport::Udp, "\"one\""),
        listener("a.sock", Transport::Unix, "two\n"),
        listener("b.sock", Transport::Unix, ""),
    ]
}

impl Twins {
    /// Handlers that know nothing yet.
    pub(crate) fn new() -> Self {
        let all = TEMPLATES_BYTES.map(Twin::new).into();
        Self { all, now_ns: 1, datagrams: 0, bytes: [0; _] }
    }

    /// Does the same to all.
    pub(crate) fn step(&mut self, step: &Step) {
        let fed = |pieces: &[Vec<u8>]| pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        match step {
            Step::Datagrams(datagrams) => {
                self.datagrams += datagrams.len() as u64;
                self.bytes[Transport::Udp as usize] += fed(datagrams);
            }
            Step::Read(_, bytes) => self.bytes[Transport::Unix as usize] += bytes.len() as u64,
            Step::Later(ns) => self.now_ns += ns,
            Step::End(_) | Step::Refuse(_) | Step::Between | Step::Pass => {}
        }
        for twin in &mut self.all {
            twin.step(step, self.now_ns);
        }
    }

    /// The one page of all.
    ///
    /// # Panics
    /// If pages, books or logs differ, or the books do not close.
    pub(crate) fn check(&mut self) -> String {
        let [parsing, others @ ..] = &mut self.all[..] else { unreachable!("there are three") };
        let (page, books, excerpts) = (parsing.page(), parsing.books(), parsing.excerpts());
        for twin in others {
            let bound = twin.templates_bytes;
            assert_eq!(twin.page(), page, "the page with {bound} bytes of templates");
            assert_eq!(twin.books(), books, "the books with {bound} bytes of templates");
            assert_eq!(twin.excerpts(), excerpts, "the log with {bound} bytes of templates");
            // Templates are charged to the registry; nothing else makes it differ, and nothing leaks. What tables
            // take is not compared: their hashes have keys of their own.
            let templates = twin.stats[0].template_bytes.get();
            let committed = parsing.registry.committed_bytes() + templates;
            assert_eq!(twin.registry.committed_bytes(), committed);
            assert!(templates <= bound as u64, "{templates} bytes of templates, of {bound}");
        }
        let worker = &parsing.stats[0];
        let sum = |counts: &[Counter]| counts.iter().map(Counter::get).sum::<u64>();
        let framed = worker.framed.get();
        assert_eq!(framed, sum(&worker.accepted) + sum(&worker.rejected));
        assert_eq!(framed, sum(&worker.op_types));
        assert_eq!(worker.panics.get(), 0);
        assert_eq!(worker.datagrams.get(), self.datagrams);
        assert_eq!(worker.bytes.each_ref().map(Counter::get), self.bytes);
        assert!(worker.garbage_bytes.get() <= self.bytes.iter().sum());
        page
    }

    /// Messages framed, and those that each twin has parsed.
    pub(crate) fn parsed(&self) -> (u64, [u64; TEMPLATES_BYTES.len()]) {
        let mut parsed = self.all.iter().map(|twin| twin.stats[0].parsed.get());
        let framed = self.all[0].stats[0].framed.get();
        (framed, std::array::from_fn(|_| parsed.next().unwrap_or_default()))
    }

    /// How many templates the last of the twins holds.
    pub(crate) fn templates(&self) -> u64 {
        self.all.last().map_or(0, |twin| twin.stats[0].templates.get())
    }
}
