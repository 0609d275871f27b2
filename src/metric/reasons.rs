//! Why a message is refused, and what is put right in one that counts.
//!
//! Plain values; each is a value of the label `reason` of one of the server's own metrics.

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
        /// The connection came when `-uds-connections-max` others were open and active.
        ConnectionsLimit => "connections_limit",
        /// Not JSON, or no StatsD line behind its type.
        Syntax => "syntax",
        /// Nested deeper than 16 levels.
        Depth => "depth",
        /// No op, one that is no string, or an unknown one.
        Op => "op",
        /// A StatsD line's type is none that counts.
        UnsupportedType => "unsupported_type",
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
        /// A StatsD line has tags in its name and DogStatsD's tags as well.
        TagStyles => "tag_styles",
        /// A StatsD line's sample rate is no number from one in a million to 1.
        SampleRate => "sample_rate",
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
        /// A tag of a StatsD line without a name or a value was left out.
        Tag => "tag",
        /// The time in a StatsD line was ignored.
        Timestamp => "timestamp",
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

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        self.0 |= other.0;
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
