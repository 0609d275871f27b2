//! The texts made from the table of flags: `-h`, what a flag takes, and the tables of `docs/flags.md`.
//!
//! Pure functions; they must not know how arguments are read.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use super::flag::{FlagKind, Nanos};
use super::table::{FLAGS, Flag, Group};
use super::variables::{VARIABLES, Variable};
use super::{duration, go};

/// The usage as Go's `flag` package prints it, but by group and with the variables of the environment; ends in
/// a newline.
pub(crate) fn usage(argv0: &str) -> String {
    let mut out = format!("Usage of {argv0}:\n");
    for &group in Group::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{}:", group.title());
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            push_flag(&mut out, flag);
        }
        for variable in variables(group) {
            let _ = writeln!(out, "  {} (environment)\n    \t{}", variable.name, variable.help);
        }
    }
    out
}

fn variables(group: Group) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| variable.group == group)
}

fn push_flag(out: &mut String, flag: &Flag) {
    let word = match &flag.kind {
        FlagKind::Bool(_) => String::new(),
        kind => format!(" {}", type_word(kind)),
    };
    let default = default_text(&flag.kind, go::quote)
        .map_or_else(String::new, |text| format!(" (default {text})"));
    let _ = writeln!(out, "  -{}{word}\n    \t{}{default}", flag.name, flag.help);
}

const fn type_word(kind: &FlagKind) -> &'static str {
    match kind {
        FlagKind::Bool(_) => "bool",
        FlagKind::Int(..) => "int",
        FlagKind::Text(..) => "string",
        FlagKind::Duration(..) => "duration",
    }
}

/// The default, unless it is the zero of its kind.
fn default_text(kind: &FlagKind, quote: fn(&str) -> String) -> Option<String> {
    match kind {
        FlagKind::Bool(default) => default.then(|| "true".to_owned()),
        FlagKind::Int(default, _) => (*default != 0).then(|| default.to_string()),
        FlagKind::Text(default, _) => (!default.is_empty()).then(|| quote(default)),
        FlagKind::Duration(default, _) => (*default != 0).then(|| duration::text(*default)),
    }
}

/// `-labels-max takes a whole number from 1 to 1000`.
pub(super) fn takes_line(flag: &Flag) -> String {
    let takes = match &flag.kind {
        FlagKind::Bool(_) => {
            "=true or =false (also 1, t, T, TRUE, True, 0, f, F, FALSE, False), or stands alone"
                .to_owned()
        }
        FlagKind::Int(_, range) => format!("a whole number{}", range_text(range, i64::to_string)),
        FlagKind::Text(_, takes) => (*takes).to_owned(),
        FlagKind::Duration(_, range) => {
            let range = range_text(range, |nanos: &Nanos| duration::text(*nanos));
            format!("a duration such as 300ms, 1m30s or 24h{range}")
        }
    };
    format!("-{} takes {takes}", flag.name)
}

fn range_text(range: &RangeInclusive<i64>, text: impl Fn(&i64) -> String) -> String {
    match (range.start(), range.end()) {
        (&i64::MIN, &i64::MAX) => String::new(),
        (1, &i64::MAX) => " above 0".to_owned(),
        (start, &i64::MAX) => format!(", at least {}", text(start)),
        (start, end) => format!(" from {} to {}", text(start), text(end)),
    }
}

/// The tables of `docs/flags.md`: one Markdown table for each group of flags under a bold heading, ending in a newline.
pub fn markdown_table() -> String {
    let mut out = String::new();
    for &group in Group::ALL {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = write!(
            out,
            "{gap}**{}**\n\n| flag | type | default | meaning |\n|---|---|---|---|\n",
            group.title()
        );
        for flag in FLAGS.iter().filter(|flag| flag.group == group) {
            push_row(&mut out, flag);
        }
        for variable in variables(group) {
            let _ = writeln!(out, "| `{}` | environment |  | {} |", variable.name, variable.help);
        }
    }
    out
}

fn push_row(out: &mut String, flag: &Flag) {
    let default = match &flag.kind {
        FlagKind::Bool(default) => format!("`{default}`"),
        FlagKind::Int(default, _) => format!("`{default}`"),
        FlagKind::Text("", _) => String::new(),
        FlagKind::Text(default, _) => format!("`{default}`"),
        FlagKind::Duration(default, _) => format!("`{}`", duration::text(*default)),
    };
    let _ = writeln!(
        out,
        "| `-{}` | {} | {default} | {} |",
        flag.name,
        type_word(&flag.kind),
        flag.help
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    /// The flags of the original Go metrics-server, as it prints them but for three help texts that were not true.
    const ORIGINAL: &str = "
  -debug
    \tenable debug log level
  -extra-labels string
    \tcoma separated metrics extra labels (extra-labels=label1:value2,label2:value2)
  -extra-labels-file-path string
    \tread file with key=value labels (same as the java properties format)
  -loki-address string
    \taddress to push to loki, http or https, e.g http://localhost:3100/loki/api/v1/push
  -loki-ca-path string
    \tpath to loki ca certificate
  -loki-cert-path string
    \tpath to loki certificate
  -loki-key-path string
    \tpath to loki key
  -metric-clean-up
    \tremove a series from /metrics once -metric-ttl has passed since its last sample
  -metric-ttl duration
    \thow long a series stays on /metrics after its last sample, with -metric-clean-up (default 24h0m0s)
  -opensearch-bulk-period duration
    \tbulk push period (default 5s)
  -opensearch-bulk-size-bytes int
    \tbulk buffer size in bytes (default 20000)
  -pyroscope-url string
    \tpyroscope profiler address, e.g http://localhost:4040
  -remote string
    \tsend metrics to global metrics-server via UDP (remote=127.0.0.1:9999)
  -scylladb-hosts string
    \tcomma separated scylladb hosts
  -scylladb-table string
    \tscylladb table to write raw data (default \"tracking.metrics\")
  -shutdown-delay duration
    \tdelay for graceful shutdown in case of kill signal or shutdown metric was received
  -socket string
    \tprometheus exporter tcp socket (default \":9099\")
  -udp string
    \tcollector udp socket (default \":9999\")
  -uds string
    \tpath to collector unix domain socket file (default \"./metric-server.sock\")
  -uds-pool string
    \tcomma separated list of unix domain sockets
";

    #[test]
    fn usage_holds_the_original_flags() {
        let usage = usage("./metrics-server");
        assert!(usage.starts_with("Usage of ./metrics-server:\n\nReceiving:\n  -"), "{usage}");
        let entries: Vec<&str> = ORIGINAL.trim_matches('\n').split("\n  -").collect();
        assert_eq!(entries.len(), 20);
        for entry in entries {
            let entry = entry.trim_start_matches("  -");
            assert!(usage.contains(&format!("\n  -{entry}\n")), "{entry}");
        }
    }

    #[test]
    fn usage_prints_new_flags_in_the_same_way() {
        let usage = usage("x");
        for entry in [
            "\n  -source-labels\n    \tadd the labels data_source and source_app to every metric (default true)\n",
            "\n  -workers int\n    \tthreads that receive and count (0: min(4, available cores))\n",
            "\n  -uds-mode string\n    \toctal file mode of the unix domain sockets (default \"0777\")\n",
            " (default 200µs)\n",
            "\n  -version\n    \tprint the version and exit\n",
        ] {
            assert!(usage.contains(entry), "{entry}");
        }
    }

    #[test]
    fn usage_has_every_flag_and_variable_once_under_its_group() {
        let usage = usage("x");
        let entries: Vec<&str> = usage
            .lines()
            .filter_map(|line| line.strip_prefix("  -").or_else(|| line.strip_prefix("  ")))
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(' ').next())
            .collect();
        let of_group = |group: &Group| {
            let flags = FLAGS.iter().filter(|flag| flag.group == *group).map(|flag| flag.name);
            flags.chain(variables(*group).map(|variable| variable.name)).collect::<Vec<_>>()
        };
        let all: Vec<&str> = Group::ALL.iter().flat_map(of_group).collect();
        assert_eq!(entries, all);
        for group in Group::ALL {
            assert!(usage.contains(&format!("\n\n{}:\n  ", group.title())), "{group:?}");
        }
    }

    #[test]
    fn says_what_a_flag_takes() {
        let cases = [
            ("labels-max", "-labels-max takes a whole number from 1 to 1000"),
            ("memory-max", "-memory-max takes a whole number, at least 1048576"),
            ("opensearch-bulk-size-bytes", "-opensearch-bulk-size-bytes takes a whole number"),
            ("pin", "-pin takes auto, on or off"),
            ("metric-ttl", "-metric-ttl takes a duration such as 300ms, 1m30s or 24h"),
            (
                "scrape-timeout",
                "-scrape-timeout takes a duration such as 300ms, 1m30s or 24h above 0",
            ),
            (
                "udp-batch-wait",
                "-udp-batch-wait takes a duration such as 300ms, 1m30s or 24h from 0s to 100ms",
            ),
        ];
        for (name, line) in cases {
            assert_eq!(find(name).map(takes_line).as_deref(), Some(line));
        }
    }

    #[test]
    fn markdown_has_one_row_for_each_flag() {
        let table = markdown_table();
        assert_eq!(table.lines().filter(|line| line.starts_with("| `-")).count(), FLAGS.len());
        assert_eq!(table.matches("| flag |").count(), Group::ALL.len());
        assert!(
            table.contains("| `-udp` | string | `:9999` | collector udp socket |\n"),
            "{table}"
        );
        assert!(table.contains("| `-shutdown-delay` | duration | `0s` | "), "{table}");
        assert!(table.contains("| `-remote` | string |  | "), "{table}");
    }
}
