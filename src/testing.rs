//! What tests, benches, fuzz targets and the load generator need of the library besides its one public
//! function: the parts that they drive without a socket between.
//!
//! Nothing here is an interface that is kept. All else is private to the crate, so that the compiler tells
//! what nobody uses.

pub mod clock {
    pub use crate::clock::unix_ns;
}

pub mod config {
    pub use crate::config::{ShutdownFrom, TagStyles, markdown_table};
}

pub mod control {
    pub use crate::control::Control;
}

pub mod exporter {
    pub use crate::exporter::scrape::{
        ExporterThread, GzipThread, PageSource, Readiness, ScrapeClient, ScrapeStats, threads,
    };
    pub use crate::exporter::udp_sockets::UdpSocketStats;
}

pub mod exposition {
    pub use crate::exposition::page_writer::{PIECE_BYTES, PageWriter, Texts};

    pub mod page {
        pub use crate::exposition::page::{header, histogram, sample};
    }
}

pub mod http {
    pub use crate::http::pages::{
        Bytes, Encoding, PageError, PageRest, Pages, Piece, PieceReceiver, answered,
    };
    pub use crate::http::{
        Evicted, HttpLimits, HttpServer, HttpStats, HttpStop, Refusal, SharedWebConfig,
    };
}

pub mod ingest {
    pub use crate::ingest::dispatch::{Dispatch, MessageLimits, Shared, Stream};
    pub use crate::ingest::log_slots::LogSlots;
    pub use crate::ingest::null::Null;
    pub use crate::ingest::udp::UdpSource;
    pub use crate::ingest::unix::{Balancer, NumberedListener, UnixSources};
    pub use crate::ingest::worker::{Sources, WAKER, Worker};
    pub use crate::ingest::{ConnectionLimits, Handler, Listener, Settings};

    pub mod barrier {
        pub use crate::ingest::barrier::participants;
    }

    pub mod udp {
        pub use crate::ingest::udp::bind;
    }
}

pub mod metric {
    pub use crate::metric::{
        BucketParams, Coercion, Coercions, Hops, Kind, Label, Op, OpType, Rejection, Sample,
    };
}

pub mod planted {
    pub use crate::planted::Fault;
}

pub mod registry {
    pub use crate::registry::{Registry, SeriesLimits};

    pub use crate::registry::directory::{Directory, FamilyView};
    pub use crate::registry::expiry::Expiry;
    pub use crate::registry::local::LocalRegistry;
    pub use crate::registry::mailbox::{GivenUp, Mailboxes, Request};
    pub use crate::registry::worker_time::WorkerTime;

    pub mod adds {
        pub use crate::registry::adds::{add, read};
    }

    pub mod cell {
        pub use crate::registry::cell::{read_gauge, set};
        pub use crate::registry::total::Total;
    }

    pub mod label_text {
        pub use crate::text::labels::constant_labels as constants;
    }
}

pub mod sinks {
    pub use crate::sinks::batch_sender::BatchSender;
    pub use crate::sinks::block::{Block, Stamps};
    pub use crate::sinks::counters::SinkCounters;
    pub use crate::sinks::outbox::{Outbox, Outboxes};
    pub use crate::sinks::queue::SinkQueue;
    pub use crate::sinks::spill::{Recovered, Segment, Spill};
    pub use crate::sinks::spooler::Spooler;
    pub use crate::sinks::{
        BatchLimits, DropReason, Outcome, RejectReason, Row, RowResult, Sink, Trigger,
    };
}

pub mod stats {
    pub use crate::stats::{
        CloseReason, Counter, Stats, Transport, WorkerStats, is_reserved, markdown_table,
    };
}

pub mod sys {
    pub mod cpu {
        pub use crate::sys::cpu::{allowed, pin, stand_back};
    }

    pub mod limits {
        pub use crate::sys::limits::raise_descriptors;
    }

    pub mod recv {
        pub use crate::sys::recv::{Datagrams, PADDING};
    }
}

pub mod wire {
    pub use crate::wire::frame::{Frame, Framer};
    pub use crate::wire::json::{PADDING, Parsed, Parser};
    pub use crate::wire::padded::{Padded, ReadBytes};
    pub use crate::wire::statsd::{LineParser, LineSample, ParsedLine, Scaling};
    pub use crate::wire::template::{Hit, Lookup, Miss, TemplateCache};
}
