//! What a pool promises: the same bytes for the same seed, and totals that agree with those bytes.

use std::collections::BTreeSet;

use super::{Pool, Recipe, Tally};
use crate::mix::{Kind, Style, Weights};

fn recipe() -> Recipe {
    Recipe {
        style: Style { short: false, families: 2, label_bytes: 0, unique: false },
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

fn unique() -> Style {
    Style { unique: true, ..recipe().style }
}

/// The messages of a datagram.
fn lines(pool: &Pool, datagram: usize) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(pool.span(datagram, 1)).unwrap();
    text.lines().filter(|line| !line.is_empty())
}

/// Counts by parsing what the first `sent` datagrams say.
fn recount(pool: &Pool, sent: usize) -> Tally {
    let mut tally = Tally { datagrams: sent as u64, ..Tally::default() };
    for datagram in 0..sent {
        let datagram = datagram % pool.len();
        tally.bytes += pool.span(datagram, 1).len() as u64;
        for line in lines(pool, datagram) {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let kind = Kind::ALL.into_iter().find(|kind| json["op"] == kind.op()).unwrap();
            tally.messages += 1;
            tally.kinds[kind as usize] += 1;
            if kind == Kind::Counter {
                tally.increments += json["value"].as_u64().unwrap();
            }
        }
    }
    tally
}

#[test]
fn the_seed_decides_the_bytes() {
    let recipe = Recipe { random: true, style: unique(), ..recipe() };
    let bytes = |seed| {
        let mut pool = Pool::render(&Recipe { seed, ..recipe }).unwrap();
        pool.stamp(0, pool.len(), 5);
        pool.bytes
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn totals_agree_with_the_bytes_at_any_point() {
    for (style, equal, stream) in
        [(recipe().style, false, false), (unique(), true, false), (unique(), false, true)]
    {
        let pool = Pool::render(&Recipe { style, equal, stream, ..recipe() }).unwrap();
        for sent in [0, 1, 7, pool.len(), pool.len() + 11] {
            assert_eq!(pool.tally(sent as u64), recount(&pool, sent), "after {sent}");
        }
    }
}

#[test]
fn every_series_comes_in_every_order() {
    for random in [false, true] {
        let pool = Pool::render(&Recipe { random, first: 50, series: 5000, ..recipe() }).unwrap();
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
    let plain = Pool::render(&recipe()).unwrap();
    let equal = Pool::render(&Recipe { equal: true, ..recipe() }).unwrap();
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
        let mut pool = Pool::render(&Recipe { style: unique(), equal, ..recipe() }).unwrap();
        let mut seen = BTreeSet::new();
        for pass in 0..3 {
            pool.stamp(0, pool.len(), pass * pool.len() as u64);
            for line in (0..pool.len()).flat_map(|datagram| lines(&pool, datagram)) {
                assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
                assert!(seen.insert(line.to_owned()), "{line}");
            }
        }
        assert_eq!(seen.len() as u64, pool.tally(3 * pool.len() as u64).messages);
    }
}

#[test]
fn datagrams_that_no_socket_would_take_are_refused() {
    assert!(Pool::render(&Recipe { per_datagram: 1000, ..recipe() }).is_err());
    assert!(Pool::render(&Recipe { per_datagram: 1000, stream: true, ..recipe() }).is_ok());
}
