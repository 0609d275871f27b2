//! Books that close, and one planted fault per row, each of which must be seen.

use super::{Books, ServerCounters, Transport};
use crate::page::MetricsPage;
use crate::pool::SentCounts;

const BOOKS: Books =
    Books { transport: Transport::Udp, families: 2, per_datagram: 10, allow_rejected: false };

fn sent() -> SentCounts {
    SentCounts {
        datagrams: 100,
        messages: 1000,
        bytes: 124_000,
        kinds: [800, 100, 100],
        increments: 900,
    }
}

/// What the server's counters grew by if all of it arrived.
fn grown() -> ServerCounters {
    ServerCounters {
        kept: true,
        datagrams: 100,
        bytes: 124_000,
        framed: 1000,
        accepted: 1000,
        kinds: [800, 100, 100],
        counted: 900,
        observed: 100,
        ..ServerCounters::default()
    }
}

#[test]
fn a_clean_run_closes() {
    assert_eq!(BOOKS.differences(&sent(), &grown()), Vec::<String>::new());
    let unix = Books { transport: Transport::Unix, ..BOOKS };
    let grown = ServerCounters { datagrams: 0, ..grown() };
    assert_eq!(unix.differences(&sent(), &grown), Vec::<String>::new());
}

#[test]
fn kernel_drops_close_without_values() {
    let lossy = ServerCounters {
        datagrams: 90,
        dropped: 10,
        bytes: 111_600,
        framed: 900,
        accepted: 900,
        kinds: [720, 90, 90],
        counted: 811,
        observed: 90,
        ..grown()
    };
    assert_eq!(BOOKS.differences(&sent(), &lossy), Vec::<String>::new());
    let miscounted = ServerCounters { dropped: 9, ..lossy };
    assert_eq!(BOOKS.differences(&sent(), &miscounted).len(), 1);
}

/// How the sentence begins that must tell of it, and the fault.
type Fault = (&'static str, fn(&mut ServerCounters));

#[test]
fn every_planted_fault_is_seen() {
    let faults: [Fault; 10] = [
        ("datagrams sent", |grown| grown.datagrams -= 1),
        ("messages in what was read", |grown| grown.framed -= 1),
        ("messages framed", |grown| grown.accepted -= 1),
        ("messages expected to be refused", |grown| grown.rejected += 1),
        ("bytes of garbage sent", |grown| grown.garbage += 1),
        ("bytes sent", |grown| grown.bytes += 1),
        ("messages of op set sent", |grown| grown.kinds[1] -= 1),
        ("sum of increments sent", |grown| grown.counted += 1),
        ("observations sent", |grown| grown.observed -= 1),
        ("datagrams sent", |grown| grown.dropped += 1),
    ];
    for (sentence, plant) in faults {
        let mut grown = grown();
        plant(&mut grown);
        let found = BOOKS.differences(&sent(), &grown);
        assert!(found.iter().any(|text| text.starts_with(sentence)), "{sentence}: {found:?}");
    }
}

#[test]
fn rejections_may_be_allowed_but_never_vanish() {
    let books = Books { allow_rejected: true, ..BOOKS };
    let refused = ServerCounters { accepted: 990, rejected: 10, counted: 891, ..grown() };
    assert_eq!(books.differences(&sent(), &refused), Vec::<String>::new());
    assert_eq!(BOOKS.differences(&sent(), &refused).len(), 1);
    let lost = ServerCounters { rejected: 9, ..refused };
    assert_eq!(books.differences(&sent(), &lost).len(), 1);
}

#[test]
fn a_server_without_books_is_held_to_its_values() {
    let bare = ServerCounters { counted: 900, observed: 100, ..ServerCounters::default() };
    assert_eq!(BOOKS.differences(&sent(), &bare), Vec::<String>::new());
    assert_eq!(BOOKS.differences(&sent(), &ServerCounters { counted: 899, ..bare }).len(), 1);
}

#[test]
fn a_ledger_is_the_growth_between_two_pages() {
    let page = |counter: u64, rejected: u64, drops: u64| {
        let text = format!(
            "http_requests_total{{route=\"/r/0\"}} {counter}\n\
             http_requests_1_total{{route=\"/r/1\"}} 2\n\
             http_request_seconds_count{{route=\"/r/1\"}} {counter}\n\
             metrics_server_messages_framed_total 7\n\
             metrics_server_messages_accepted_total{{op=\"inc\"}} {counter}\n\
             metrics_server_messages_accepted_total{{op=\"set\"}} 1\n\
             metrics_server_messages_rejected_total{{reason=\"json\"}} {rejected}\n\
             metrics_server_messages_rejected_total{{reason=\"name\"}} 4\n\
             metrics_server_udp_kernel_drops_total{{worker=\"0\"}} {drops}\n\
             metrics_server_udp_kernel_drops_total{{worker=\"1\"}} 1\n\
             metrics_server_received_bytes_total{{transport=\"udp\"}} {counter}\n\
             process_cpu_seconds_total 1.5\n\
             process_resident_memory_bytes 8e+06\n"
        );
        BOOKS.read(&MetricsPage::read(text.as_bytes()).unwrap())
    };
    let grown = page(1_000_010, 9, 5).since(&page(10, 2, 0));
    let expected = ServerCounters {
        kept: true,
        bytes: 1_000_000,
        accepted: 1_000_000,
        kinds: [1_000_000, 0, 0],
        rejected: 7,
        reasons: vec![("reason=\"json\"".to_owned(), 7)],
        dropped: 5,
        counted: 1_000_000,
        observed: 1_000_000,
        resident: 8e6,
        ..ServerCounters::default()
    };
    assert_eq!(grown, expected);
}
