//! Datagrams, rendered before the run, so that sending one costs a lookup and no formatting.
//!
//! A pool is sent from its start to its end, again and again; what any number of sends amounts to is known
//! from running totals. No sockets, no time.

use std::ops::AddAssign;

use anyhow::{Result, ensure};

use crate::mix::{Kind, LineStyle, SERIAL_DIGITS, Weights, line};
use crate::num::wrapped_index;
use crate::rng::Rng;

/// The most bytes that a UDP datagram over IPv4 carries.
pub(crate) const MAX_DATAGRAM: usize = 65_507;

/// Pools of few series are filled up to this many messages, so that a batch never takes a datagram twice.
const LEAST_MESSAGES: usize = 4096;

/// What was sent, in exact integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SentCounts {
    /// Datagrams, or writes on a unix socket.
    pub(crate) datagrams: u64,
    /// Messages of all kinds.
    pub(crate) messages: u64,
    /// Payload bytes.
    pub(crate) bytes: u64,
    /// Messages per kind, in the order of [`Kind::ALL`].
    pub(crate) kinds: [u64; 3],
    /// The sum of all increments.
    pub(crate) increments: u64,
}

impl AddAssign for SentCounts {
    fn add_assign(&mut self, other: Self) {
        *self = self.and(other, 1);
    }
}

impl SentCounts {
    /// This and `times` of the other.
    fn and(self, other: Self, times: u64) -> Self {
        let kind = |i: usize| self.kinds[i] + other.kinds[i] * times;
        Self {
            datagrams: self.datagrams + other.datagrams * times,
            messages: self.messages + other.messages * times,
            bytes: self.bytes + other.bytes * times,
            kinds: [kind(0), kind(1), kind(2)],
            increments: self.increments + other.increments * times,
        }
    }

    /// Messages of one kind.
    pub(crate) const fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }
}

/// What a pool is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSpec {
    /// How lines look.
    pub(crate) style: LineStyle,
    /// Which kinds they have.
    pub(crate) weights: Weights,
    /// The first series number.
    pub(crate) first: usize,
    /// How many series, at least one.
    pub(crate) series: usize,
    /// Every pass takes them in another random order, instead of one after the other.
    pub(crate) random: bool,
    /// Messages in a datagram, at least one.
    pub(crate) per_datagram: usize,
    /// All datagrams get the same length (by line ends, which no parser minds).
    pub(crate) equal: bool,
    /// A stream has a line end after each message, a datagram only between two.
    pub(crate) stream: bool,
    /// Of the order, the values and the serial numbers.
    pub(crate) seed: u64,
}

/// The rendered datagrams.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
    /// Where each datagram ends; it begins where the one before ends.
    ends: Vec<usize>,
    /// Where serial numbers go: as many per datagram as it has messages, or none at all.
    placeholders: Vec<usize>,
    per_datagram: usize,
    /// What the first `i` datagrams amount to; one entry more than there are datagrams.
    totals: Vec<SentCounts>,
    serial_key: u64,
}

impl Pool {
    /// Renders the datagrams. An error if one would be longer than a datagram can be.
    pub(crate) fn render(spec: &PoolSpec) -> Result<Self> {
        let mut rng = Rng::new(spec.seed);
        let mut pool = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            placeholders: Vec::new(),
            per_datagram: spec.per_datagram,
            totals: vec![SentCounts::default()],
            serial_key: rng.next(),
        };
        let order = order(spec, &mut rng);
        for datagram in order.chunks_exact(spec.per_datagram) {
            pool.push(spec, datagram, &mut rng);
        }
        if spec.equal {
            pool.pad();
        }
        pool.accumulate_totals();
        let longest = pool.longest();
        ensure!(
            spec.stream || longest <= MAX_DATAGRAM,
            "{} messages make a datagram of {longest} bytes; it can hold {MAX_DATAGRAM}",
            spec.per_datagram
        );
        Ok(pool)
    }

    /// How many datagrams there are, at least one.
    pub(crate) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of `count` adjacent datagrams.
    pub(crate) fn span(&self, first: usize, count: usize) -> &[u8] {
        &self.bytes[self.start(first)..self.start(first + count)]
    }

    /// What `sent` datagrams from the start on amount to, however often the pool was gone through.
    pub(crate) fn counts(&self, sent: u64) -> SentCounts {
        let rounds = sent / self.len() as u64;
        self.totals[wrapped_index(sent, self.len())].and(self.totals[self.len()], rounds)
    }

    /// Writes serial numbers into `count` datagrams; `sent` is how many went out before. The same `sent` always
    /// gives the same bytes. Does nothing for a pool that is not unique.
    pub(crate) fn write_serials(&mut self, first: usize, count: usize, sent: u64) {
        if self.placeholders.is_empty() {
            return;
        }
        let placeholders = first * self.per_datagram..(first + count) * self.per_datagram;
        let serials = sent * self.per_datagram as u64..;
        for (serial, &placeholder) in serials.zip(&self.placeholders[placeholders]) {
            let digits = hex(serial ^ self.serial_key);
            self.bytes[placeholder..placeholder + SERIAL_DIGITS].copy_from_slice(&digits);
        }
    }

    fn start(&self, datagram: usize) -> usize {
        if datagram == 0 { 0 } else { self.ends[datagram - 1] }
    }

    /// Appends a datagram of these series. Its totals lack the bytes, which may still change.
    fn push(&mut self, spec: &PoolSpec, datagram: &[usize], rng: &mut Rng) {
        let mut counts = SentCounts { datagrams: 1, ..SentCounts::default() };
        for (position, &series) in datagram.iter().enumerate() {
            if position > 0 && !spec.stream {
                self.bytes.push(b'\n');
            }
            let kind = spec.weights.kind(series);
            let line = line(&mut self.bytes, spec.style, kind, series, rng);
            self.placeholders.extend(line.placeholder);
            counts.messages += 1;
            counts.kinds[kind as usize] += 1;
            counts.increments += line.increment;
            if spec.stream {
                self.bytes.push(b'\n');
            }
        }
        self.ends.push(self.bytes.len());
        self.totals.push(counts);
    }

    /// Bytes of the longest datagram.
    fn longest(&self) -> usize {
        let lengths = (0..self.len()).map(|datagram| self.span(datagram, 1).len());
        lengths.max().expect("a pool has at least one datagram")
    }

    /// Pads every datagram to the length of the longest.
    fn pad(&mut self) {
        let longest = self.longest();
        let mut bytes = Vec::with_capacity(longest * self.len());
        for datagram in 0..self.len() {
            let shift = datagram * longest - self.start(datagram);
            let placeholders = datagram * self.per_datagram..(datagram + 1) * self.per_datagram;
            for placeholder in self.placeholders.get_mut(placeholders).unwrap_or_default() {
                *placeholder += shift;
            }
            bytes.extend_from_slice(self.span(datagram, 1));
            bytes.resize((datagram + 1) * longest, b'\n');
        }
        self.bytes = bytes;
        self.ends = (1..=self.ends.len()).map(|count| count * longest).collect();
    }

    /// Turns the totals of single datagrams into running ones.
    fn accumulate_totals(&mut self) {
        let mut sum = SentCounts::default();
        for datagram in 0..self.len() {
            sum += self.totals[datagram + 1];
            sum.bytes = self.ends[datagram] as u64;
            self.totals[datagram + 1] = sum;
        }
    }
}

/// The series of all messages, a multiple of the datagram's size; every series comes at least once.
fn order(spec: &PoolSpec, rng: &mut Rng) -> Vec<usize> {
    let least = spec.series.max(LEAST_MESSAGES).max(spec.per_datagram * 64);
    let size = least.next_multiple_of(spec.per_datagram);
    let mut order = Vec::with_capacity(size + spec.series);
    while order.len() < size {
        let pass = order.len();
        order.extend(spec.first..spec.first + spec.series);
        if spec.random {
            rng.shuffle(&mut order[pass..]);
        }
    }
    order.truncate(size);
    order
}

/// The 16 digits of a number.
fn hex(number: u64) -> [u8; SERIAL_DIGITS] {
    let mut digits = [0; SERIAL_DIGITS];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

#[cfg(test)]
mod tests;
