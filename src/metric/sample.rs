//! What one message says: its labels, its bucket fields, and the sample that holds them.
//!
//! Plain values, borrowed from the receive buffer and from the parser.

use super::hops::Hops;
use super::op::Op;

/// One label of a sample, unescaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The label's name.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// The bucket fields of an observation, as sent; zero or empty where absent.
/// What bounds they make is decided when the family is created (`registry/buckets`).
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
/// Of a counting op (inc, set, add, obs) the name and the label names are valid, the value is finite, and
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
    /// `hops`: how many routers have passed the message on; 0 where absent or no count.
    pub hops: Hops,
}
