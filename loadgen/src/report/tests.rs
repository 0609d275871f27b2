//! Sums over threads, and that a difference is told.

use super::{Duration, Report, SendStats, SentCounts, ServerCounters, histogram};

fn report(refused: u64) -> Report {
    let thread = || {
        let mut calls = histogram().unwrap();
        calls.saturating_record(2_000);
        let sent =
            SentCounts { datagrams: 10, messages: 100, bytes: 5000, ..SentCounts::default() };
        let time = Duration::from_secs(2);
        SendStats { sent, time, cpu: None, calls, latencies: histogram().unwrap(), refused }
    };
    Report::of(&[thread(), thread()]).unwrap()
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
    assert!(!report(1).is_ok());
    let mut report = report(0);
    assert!(report.is_ok());
    let grown =
        ServerCounters { kept: true, accepted: 199, framed: 200, ..ServerCounters::default() };
    report.server(grown, vec!["one is missing".to_owned()]);
    assert!(!report.is_ok());
    assert!(report.text().contains("DIFFERS    one is missing"));
    let json = report.json();
    assert_eq!((&json["ok"], &json["server"]["accepted"]), (&false.into(), &199.into()));
}
