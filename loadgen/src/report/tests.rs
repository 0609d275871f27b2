//! Sums over threads, and that a difference is told.

use super::{Duration, Ledger, Outcome, Report, Tally, histogram};

fn report(refused: u64) -> Report {
    let outcome = || {
        let mut calls = histogram().unwrap();
        calls.saturating_record(2_000);
        let sent = Tally { datagrams: 10, messages: 100, bytes: 5000, ..Tally::default() };
        let time = Duration::from_secs(2);
        Outcome { sent, time, cpu: None, calls, late: histogram().unwrap(), refused }
    };
    Report::of(&[outcome(), outcome()]).unwrap()
}

#[test]
fn threads_add_up() {
    let json = report(1).json();
    assert_eq!(json["messages"], 200);
    assert_eq!(json["seconds"], 2.0);
    assert_eq!(json["messages_per_second"], 100.0);
    assert_eq!(json["call_ns"]["count"], 2);
    assert_eq!(json["refused_calls"], 2);
    assert!(json["due_to_gone_ns"].is_null());
}

#[test]
fn a_difference_is_told_in_both_forms() {
    assert!(!report(1).good());
    let mut report = report(0);
    assert!(report.good());
    let grown = Ledger { kept: true, accepted: 199, framed: 200, ..Ledger::default() };
    report.server(grown, vec!["one is missing".to_owned()]);
    assert!(!report.good());
    assert!(report.text().contains("DIFFERS    one is missing"));
    let json = report.json();
    assert_eq!((&json["ok"], &json["server"]["accepted"]), (&false.into(), &199.into()));
}
