//! What a message asks for, how its op is counted, and which type of family it counts into.
//!
//! Plain values.

/// What a message asks for: its `op` field, exact lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Adds to a counter.
    Inc,
    /// Sets a gauge.
    Set,
    /// Observes a value into a histogram.
    Obs,
    /// Adds to a gauge, a number of any sign.
    Add,
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
    /// Every op, in the order of its index. Rows on disk have the index in them.
    pub const ALL: [Self; 8] = [
        Self::Inc,
        Self::Set,
        Self::Obs,
        Self::Add,
        Self::Event,
        Self::Index,
        Self::Raw,
        Self::Shutdown,
    ];

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
            Self::Add => "add",
        }
    }

    /// The op with this exact text.
    pub fn from_text(text: &str) -> Option<Self> {
        Some(match text {
            "inc" => Self::Inc,
            "set" => Self::Set,
            "obs" => Self::Obs,
            "add" => Self::Add,
            "event" => Self::Event,
            "index" => Self::Index,
            "raw" => Self::Raw,
            "shutdown" => Self::Shutdown,
            _ => return None,
        })
    }

    /// The kind of family that the op counts into; `None` for ops that do not count.
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Inc => Some(Kind::Counter),
            Self::Set | Self::Add => Some(Kind::Gauge),
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
        ["inc", "set", "obs", "add", "event", "index", "raw", "shutdown", "", "other"];
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// The last value that was set, and what was added since.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_op_is_found_by_its_text() {
        for op in Op::ALL {
            assert_eq!(Op::from_text(op.as_str()), Some(op));
            assert_eq!(Op::from_text(&op.as_str().to_uppercase()), None);
            assert_eq!(OpType::NAMES[OpType::Known(op).index()], op.as_str());
        }
    }
}
