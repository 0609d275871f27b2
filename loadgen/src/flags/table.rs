//! All flags as one table, and the help that is made of it.

use std::fmt::Write as _;

/// A flag's name, what it takes (nothing: a switch), its default and its help.
pub(super) type Flag = (&'static str, &'static str, &'static str, &'static str);

/// All flags, sorted by name.
pub(super) const FLAGS: [Flag; 32] = [
    ("allow-rejected", "", "false", "messages that the server refuses are no difference"),
    ("batch", "N", "64", "datagrams in one sendmmsg"),
    ("batch-wait-us", "N", "200", "with -null: microseconds that a batch is left to fill"),
    ("clients", "N", "1", "unix connections"),
    ("connect-each", "", "false", "a new unix connection for each write"),
    (
        "count",
        "N",
        "0",
        "stop after this many messages, rounded up to whole datagrams; 0: no bound",
    ),
    ("gso", "", "false", "let the kernel cut datagrams out of large buffers; they get equal sizes"),
    ("http", "ADDR", "", "the server's /metrics, host:port, for the books; empty: no books"),
    ("json", "", "false", "print the report as one JSON object"),
    ("label-bytes", "N", "0", "lengthen the label text to this"),
    ("line", "STYLE", "http", "http (three labels; four for a histogram) or short (one label)"),
    ("mix", "WEIGHTS", "counter:1", "kinds of series, as counter:8,gauge:1,histogram:1"),
    ("names", "N", "1", "families of each kind; the series are spread over them"),
    (
        "null",
        "",
        "false",
        "receive with the server's own loop, nothing behind it, instead of sending",
    ),
    ("order", "ORDER", "sequential", "of the series: sequential or random"),
    ("per-datagram", "N", "1", "messages in a datagram, or in a write on a unix socket"),
    ("pid", "PID", "0", "the server's process, for its exact processor time"),
    ("pin", "CPUS", "", "cores of the sending threads, as 0 or 0,1"),
    ("ports", "N", "8", "UDP source ports in all"),
    ("quiet", "", "false", "no progress bar"),
    ("rate", "N", "0", "messages per second; 0: as fast as it goes"),
    ("seconds", "S", "0", "stop after this time; 0: 10 s, or no bound with -count"),
    ("seed", "N", "1", "the same seed sends the same bytes"),
    ("series", "N", "1000", "series in all"),
    ("settle-timeout", "DURATION", "10s", "how long the server may take to catch up"),
    ("threads", "N", "1", "sending threads"),
    ("udp", "ADDR", "", "send datagrams to host:port"),
    ("udp-rcvbuf", "N", "8388608", "with -null: receive buffer in bytes"),
    ("uds", "PATH", "", "send to this unix stream socket"),
    (
        "unique",
        "",
        "false",
        "no message equals another: a serial number in an ignored field, other values",
    ),
    ("until-eof", "", "false", "with -null: run until standard input ends, whatever -seconds says"),
    ("version", "", "false", "print the version and stop"),
];

/// The text of `-h`.
pub(crate) fn help() -> String {
    let mut text = "Usage of loadgen: -udp ADDR | -uds PATH [flags]\n".to_owned();
    for (name, takes, default, help) in FLAGS {
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
