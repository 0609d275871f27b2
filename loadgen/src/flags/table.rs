//! All flags as one table, and the help that is made of it.

use std::fmt::Write as _;

/// One flag.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagSpec {
    pub(super) name: &'static str,
    /// What it takes, as the help calls it; empty for a switch.
    pub(super) takes: &'static str,
    pub(super) default: &'static str,
    help: &'static str,
}

const fn flag(
    name: &'static str,
    takes: &'static str,
    default: &'static str,
    help: &'static str,
) -> FlagSpec {
    FlagSpec { name, takes, default, help }
}

const fn switch(name: &'static str, help: &'static str) -> FlagSpec {
    FlagSpec { name, takes: "", default: "false", help }
}

/// All flags, sorted by name.
pub(super) const FLAGS: [FlagSpec; 32] = [
    switch("allow-rejected", "messages that the server refuses are no difference"),
    flag("batch", "N", "64", "datagrams in one sendmmsg"),
    flag("batch-wait-us", "N", "200", "with -null: microseconds that a batch is left to fill"),
    flag("clients", "N", "1", "unix connections"),
    switch("connect-each", "a new unix connection for each write"),
    flag(
        "count",
        "N",
        "0",
        "stop after this many messages, rounded up to whole datagrams; 0: no bound",
    ),
    switch("gso", "let the kernel cut datagrams out of large buffers; they get equal sizes"),
    flag("http", "ADDR", "", "the server's /metrics, host:port, for the books; empty: no books"),
    switch("json", "print the report as one JSON object"),
    flag("label-bytes", "N", "0", "lengthen the label text to this"),
    flag("line", "STYLE", "http", "http (three labels; four for a histogram) or short (one label)"),
    flag("mix", "WEIGHTS", "counter:1", "kinds of series, as counter:8,gauge:1,histogram:1"),
    flag("names", "N", "1", "families of each kind; the series are spread over them"),
    switch("null", "receive with the server's own loop, nothing behind it, instead of sending"),
    flag("order", "ORDER", "sequential", "of the series: sequential or random"),
    flag("per-datagram", "N", "1", "messages in a datagram, or in a write on a unix socket"),
    flag("pid", "PID", "0", "the server's process, for its exact processor time"),
    flag("pin", "CPUS", "", "cores of the sending threads, as 0 or 0,1"),
    flag("ports", "N", "8", "UDP source ports in all"),
    switch("quiet", "no progress bar"),
    flag("rate", "N", "0", "messages per second; 0: as fast as it goes"),
    flag("seconds", "S", "0", "stop after this time; 0: 10 s, or no bound with -count"),
    flag("seed", "N", "1", "the same seed sends the same bytes"),
    flag("series", "N", "1000", "series in all"),
    flag("settle-timeout", "DURATION", "10s", "how long the server may take to catch up"),
    flag("threads", "N", "1", "sending threads"),
    flag("udp", "ADDR", "", "send datagrams to host:port"),
    flag("udp-rcvbuf", "N", "8388608", "with -null: receive buffer in bytes"),
    flag("uds", "PATH", "", "send to this unix stream socket"),
    switch(
        "unique",
        "no message equals another: a serial number in an ignored field, other values",
    ),
    switch("until-eof", "with -null: run until standard input ends, whatever -seconds says"),
    switch("version", "print the version and stop"),
];

/// The text of `-h`.
pub(crate) fn help() -> String {
    let mut text = "Usage of loadgen: -udp ADDR | -uds PATH [flags]\n".to_owned();
    for FlagSpec { name, takes, default, help } in FLAGS {
        let default = if takes.is_empty() || default.is_empty() {
            String::new()
        } else {
            format!(" (default {default})")
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<26} {help}{default}", format!("-{name} {takes}").trim_end());
    }
    text
}
