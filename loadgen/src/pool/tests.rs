//! What a pool promises: the same bytes for the same seed, and totals that agree with those bytes.

use std::collections::BTreeSet;

use super::{Pool, PoolSpec, SentCounts};
use crate::mix::{Kind, LineStyle, Weights};

fn spec() -> PoolSpec {
    PoolSpec {
        style: LineStyle { short: false, families: 2, label_bytes: 0, unique: false },
        weights: Weights::parse("counter:2,gauge:1,histogram:1").unwrap(),
        first: 0,
        series: 1000,
        random: false,
        per_datagram: 3,
        equal: false,
        stream: false,
        seed: 1,
    }
}

fn unique() -> LineStyle {
    LineStyle { unique: true, ..spec().style }
}

/// The messages of a datagram.
fn lines(pool: &Pool, datagram: usize) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(pool.span(datagram, 1)).unwrap();
    text.lines().filter(|line| !line.is_empty())
}

/// Counts by parsing what the first `sent` datagrams say.
fn recount(pool: &Pool, sent: usize) -> SentCounts {
    let mut counts = SentCounts { datagrams: sent as u64, ..SentCounts::default() };
    for datagram in 0..sent {
        let datagram = datagram % pool.len();
        counts.bytes += pool.span(datagram, 1).len() as u64;
        for line in lines(pool, datagram) {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let kind = Kind::ALL.into_iter().find(|kind| json["op"] == kind.op()).unwrap();
            counts.messages += 1;
            counts.kinds[kind as usize] += 1;
            if kind == Kind::Counter {
                counts.increments += json["value"].as_u64().unwrap();
            }
        }
    }
    counts
}

#[test]
fn the_seed_decides_the_bytes() {
    let spec = PoolSpec { random: true, style: unique(), ..spec() };
    let bytes = |seed| {
        let mut pool = Pool::render(&PoolSpec { seed, ..spec }).unwrap();
        pool.write_serials(0, pool.len(), 5);
        pool.bytes
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn totals_agree_with_the_bytes_at_any_point() {
    for (style, equal, stream) in
        [(spec().style, false, false), (unique(), true, false), (unique(), false, true)]
    {
        let pool = Pool::render(&PoolSpec { style, equal, stream, ..spec() }).unwrap();
        for sent in [0, 1, 7, pool.len(), pool.len() + 11] {
            assert_eq!(pool.counts(sent as u64), recount(&pool, sent), "after {sent}");
        }
    }
}

#[test]
fn every_series_comes_in_every_order() {
    for random in [false, true] {
        let pool = Pool::render(&PoolSpec { random, first: 50, series: 5000, ..spec() }).unwrap();
        let text = String::from_utf8(pool.bytes.clone()).unwrap();
        let routes: BTreeSet<usize> = text
            .split("\"/r/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(routes, (50..5050).collect(), "random: {random}");
    }
}

#[test]
fn equal_datagrams_differ_only_in_padding() {
    let plain = Pool::render(&spec()).unwrap();
    let equal = Pool::render(&PoolSpec { equal: true, ..spec() }).unwrap();
    assert_eq!(plain.len(), equal.len());
    for datagram in 0..plain.len() {
        let bytes = equal.span(datagram, 1);
        assert_eq!(bytes.len(), equal.span(0, 1).len());
        assert_eq!(bytes.trim_ascii_end(), plain.span(datagram, 1));
    }
}

#[test]
fn unique_lines_never_repeat_and_stay_json() {
    for equal in [false, true] {
        let mut pool = Pool::render(&PoolSpec { style: unique(), equal, ..spec() }).unwrap();
        let mut seen = BTreeSet::new();
        for pass in 0..3 {
            pool.write_serials(0, pool.len(), pass * pool.len() as u64);
            for line in (0..pool.len()).flat_map(|datagram| lines(&pool, datagram)) {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
                assert!(seen.insert(line.to_owned()), "{line}");
            }
        }
        assert_eq!(seen.len() as u64, pool.counts(3 * pool.len() as u64).messages);
    }
}

#[test]
fn datagrams_that_no_socket_would_take_are_refused() {
    assert!(Pool::render(&PoolSpec { per_datagram: 1000, ..spec() }).is_err());
    assert!(Pool::render(&PoolSpec { per_datagram: 1000, stream: true, ..spec() }).is_ok());
}
