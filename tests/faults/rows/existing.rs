//! Rows that are tests of `tests/it`: they run here in the table's own network, so that its books close over them too.

use std::process::Command;

use metrics_server::testing::planted::Fault;

use crate::row::Row;

pub(crate) const ACCOUNT: Row = Row {
    name: "memory account",
    what: "short series, many families, names of 50 KB, long helps and labels",
    holds: "resident memory is at most a tenth and 8 MiB above what the server accounts for, also at `-memory-max`",
    planted: Fault::TextsUncharged,
    run: || {
        run_tests(&[
            "memory::short_series_are_accounted_for",
            "memory::families_are_accounted_for",
            "memory::long_names_are_accounted_for",
            "memory::long_helps_and_labels_are_accounted_for",
            "memory::the_bound_holds_with_several_workers",
        ])
    },
};

pub(crate) const MEMORY_BACK: Row = Row {
    name: "memory back",
    what: "series of other sizes each time expire, three times",
    holds: "no more is accounted for than at the start, and resident memory is within 8 MiB of the start",
    planted: Fault::FreedCellsKept,
    run: || run_tests(&["memory::memory_of_expired_series_comes_back"]),
};

pub(crate) const UNIX_BYTES: Row = Row {
    name: "unix bytes",
    what: "clients write while the server closes their connections: evicted, idle for too long, refused, at the end",
    holds: "each byte that was written with success is read, and each message in it judged",
    planted: Fault::ClosesUnread,
    run: || {
        run_tests(&[
            "unix_limits::writes_before_an_eviction_are_read",
            "unix_limits::writes_before_a_time_out_are_read",
            "unix_limits::newcomers_among_active_connections_are_refused_by_message",
            "unix_limits::refused_connections_are_read_within_bounds",
        ])
    },
};

pub(crate) const FAIRNESS: Row = Row {
    name: "fairness",
    what: "one worker has datagrams, and unix connections with endless work",
    holds: "neither waits for all of the other",
    planted: Fault::UnixFirst,
    run: || {
        run_tests(&[
            "fair::a_datagram_does_not_wait_for_all_connections",
            "fair::each_is_counted_while_the_other_floods",
        ])
    },
};

pub(crate) const NEWCOMERS: Row = Row {
    name: "newcomers",
    what: "a flood of series that never come again has filled `-lines-max`, `-name-lines-max` or `-memory-max`",
    holds: "of 100 new series that come each second 95 stand on the page within 10 s",
    planted: Fault::SingletonsStay,
    run: || {
        run_tests(&[
            "newcomers::past_lines_max",
            "newcomers::past_name_lines_max",
            "newcomers::past_memory_max",
            "newcomers::past_lines_max_at_full_speed",
            "newcomers::past_name_lines_max_at_full_speed",
        ])
    },
};

pub(crate) const ORDER: Row = Row {
    name: "order between workers",
    what: "gauges are set and added to from eight sockets, by UDP and streams, at four workers",
    holds: "no `add` is lost; a `set` of any worker wins over what all have added before, and what comes later from any \
            of them counts from it; what comes from one socket keeps its order",
    planted: Fault::SetsOfOthersUnseen,
    run: || {
        run_tests(&[
            "gauge_add::no_add_is_lost_with_many_workers_and_senders",
            "gauge_add::sets_and_adds_of_one_socket_keep_their_order",
            "gauge_add::a_set_of_any_worker_begins_anew_for_all",
        ])
    },
};

/// Runs these tests of `tests/it` one after the other. What is planted for the row reaches their servers, which inherit
/// this process's environment.
fn run_tests(names: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    // What cargo has set for this program would have it build dependencies anew, which look at these.
    let of_package =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    std::env::vars().map(|(name, _)| name).filter(of_package).for_each(|name| {
        command.env_remove(name);
    });
    let output = command
        .args(["test", "--offline", "--locked", "--features", "faults", "--test", "it", "--"])
        .args(["--test-threads", "1", "--exact"])
        .args(names)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let text = String::from_utf8_lossy(&output.stdout);
    let all = format!("test result: ok. {} passed", names.len());
    assert!(text.contains(&all), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let tests: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    tests.join(", ")
}
