//! The vocabulary that all other modules speak: what a message says, and why one is refused.
//!
//! No I/O, no threads, no dependencies.

/// What a message asks for: its `op` field, exact lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds to a counter.
    Inc,
    /// Sets a gauge.
    Set,
    /// Observes a value into a histogram.
    Obs,
    /// An event for Loki.
    Event,
    /// A document for `OpenSearch`.
    Index,
    /// A row for `ScyllaDB`.
    Raw,
    /// Asks the server to stop.
    Shutdown,
}

impl Op {
    /// Every op, in the order of its index.
    pub const ALL: [Self; 7] =
        [Self::Inc, Self::Set, Self::Obs, Self::Event, Self::Index, Self::Raw, Self::Shutdown];

    /// The text on the wire and in the labels of our own metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inc => "inc",
            Self::Set => "set",
            Self::Obs => "obs",
            Self::Event => "event",
            Self::Index => "index",
            Self::Raw => "raw",
            Self::Shutdown => "shutdown",
        }
    }

    /// The op with this exact text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == text)
    }

    /// The kind of family that the op counts into; `None` for ops that do not count.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Inc => Some(Kind::Counter),
            Self::Set => Some(Kind::Gauge),
            Self::Obs => Some(Kind::Histogram),
            Self::Event | Self::Index | Self::Raw | Self::Shutdown => None,
        }
    }
}

/// How a message names its op: the `type` label of `metrics_server_processed_metrics_total`, a fixed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpType {
    /// One of the ops.
    Known(Op),
    /// No op, an empty one, one that is no string, or no JSON at all.
    Empty,
    /// Any other text.
    Other,
}

impl OpType {
    /// How many values there are.
    pub const COUNT: usize = Op::ALL.len() + 2;

    /// A dense number below [`Self::COUNT`].
    pub const fn index(self) -> usize {
        match self {
            Self::Known(op) => op as usize,
            Self::Empty => Op::ALL.len(),
            Self::Other => Op::ALL.len() + 1,
        }
    }

    /// The label value of each index.
    pub const NAMES: [&'static str; Self::COUNT] =
        ["inc", "set", "obs", "event", "index", "raw", "shutdown", "", "other"];
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The last value that was set.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One label of a sample, unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The label's name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// The bucket fields of an observation, as sent; zero or empty where absent.
/// What bounds they make is decided at a family's birth (`registry/buckets`).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct BucketParams<'a> {
    /// `buckets`: how many; 0 means the default of 20.
    pub count: i64,
    /// `bucket_custom`: the bounds themselves.
    pub custom: &'a [f64],
    /// `bucket_width`: distance of linear bounds; 0 means 10.
    pub width: f64,
    /// `bucket_factor`: growth of exponential bounds from 0.1.
    pub factor: f64,
    /// `bucket_min`: first exponential bound, with `max`.
    pub min: f64,
    /// `bucket_max`: last exponential bound, with `min`.
    pub max: f64,
    /// `bucket_start`: first linear bound.
    pub start: f64,
}

/// One parsed message, borrowed from the receive buffer and the parser.
///
/// Of a counting op (inc, set, obs) the name and the label names are valid, the value is finite, and
/// an `inc` is not negative. Of the others the texts are as sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// What to do.
    pub op: Op,
    /// The family's name.
    pub name: &'a str,
    /// The message's labels, sorted bytewise by name, each name once.
    pub labels: &'a [Label<'a>],
    /// The help text; empty where absent.
    pub help: &'a str,
    /// The value; 0 where absent or null.
    pub value: f64,
    /// The bucket fields; read for `obs` only.
    pub buckets: BucketParams<'a>,
    /// `timestamp` where it is a string (RFC 3339 by contract, not checked).
    pub timestamp: Option<&'a str>,
    /// `index`: the template of an index name; empty where absent or no string.
    pub index: &'a str,
}

/// An enum whose values are those of a `reason` label.
macro_rules! reasons {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value of the `reason` label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}
pub(crate) use reasons;

reasons! {
    /// Why a framed message was not counted; its text is the `reason` label of
    /// `metrics_server_messages_rejected_total`.
    Rejection {
        /// The object did not end: end of datagram or connection, raw newline in a string, or a new object began.
        Unterminated => "unterminated",
        /// The object is longer than `-message-max-bytes`.
        TooLong => "too_long",
        /// The object stayed open on a stream for longer than 30 s.
        TimedOut => "timed_out",
        /// The object had not ended when all unfinished ones together reached `-uds-partials-max-bytes`.
        PartialsLimit => "partials_limit",
        /// Not JSON.
        Syntax => "syntax",
        /// Nested deeper than 16 levels.
        Depth => "depth",
        /// No op, one that is no string, or an unknown one.
        Op => "op",
        /// The name is missing, no string, or no metric name.
        Name => "name",
        /// A label's name is no label name, or begins with `__`.
        LabelName => "label_name",
        /// A label's value is an object or an array.
        LabelValue => "label_value",
        /// The label `le` on a histogram.
        ReservedLabel => "reserved_label",
        /// More labels than `-labels-max`.
        TooManyLabels => "too_many_labels",
        /// The value is no finite number.
        Value => "value",
        /// An `inc` below zero.
        NegativeIncrement => "negative_increment",
        /// Bucket fields of a wrong type, or that make no strictly increasing finite bounds.
        BucketParams => "bucket_params",
        /// The name stands with another type.
        TypeConflict => "type_conflict",
        /// The name stands with other label names.
        LabelSetConflict => "label_set_conflict",
        /// The name is, or makes, a `_bucket`, `_sum` or `_count` of a histogram and another family.
        NameConflict => "name_conflict",
        /// The name is one of the server's own.
        ReservedName => "reserved_name",
        /// A new series past `-lines-max`.
        LinesLimit => "lines_limit",
        /// A new series past `-name-lines-max`.
        NameLinesLimit => "name_lines_limit",
        /// A new series past `-memory-max`.
        MemoryLimit => "memory_limit",
        /// An event, index or raw row without a sink to take it.
        NoSink => "no_sink",
        /// `op: shutdown` from where `-shutdown-from` or from whom `-shutdown-uid` does not allow it.
        ShutdownRefused => "shutdown_refused",
        /// A fault of ours, caught.
        Panic => "panic",
    }
}

reasons! {
    /// What was put right in a message that counted all the same; the `reason` label of
    /// `metrics_server_messages_coerced_total`.
    Coercion {
        /// `labels` that is null or no object was taken as no labels.
        Labels => "labels",
        /// A label value that was a number, boolean or null was taken as text.
        LabelValue => "label_value",
        /// A number that came as a string, or a count that came as a float.
        Number => "number",
        /// A key in another letter case.
        KeyCase => "key_case",
        /// Invalid UTF-8 or a lone surrogate became U+FFFD.
        Unicode => "unicode",
        /// Bucket fields that ask for other bounds than the standing histogram has were ignored.
        BucketsIgnored => "buckets_ignored",
    }
}

/// A set of coercions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Coercions(pub u8);

impl Coercions {
    /// Adds one.
    pub fn insert(&mut self, coercion: Coercion) {
        self.0 |= 1 << coercion as u8;
    }

    /// Whether it is in the set.
    pub fn contains(self, coercion: Coercion) -> bool {
        self.0 & (1 << coercion as u8) != 0
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Coercion> {
        Coercion::ALL.iter().copied().filter(move |&coercion| self.contains(coercion))
    }
}
