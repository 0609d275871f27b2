//! The command line as Go's `flag` package reads it: spellings, errors, help. Nothing here opens a socket.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::Exit;

/// Runs to the end; for command lines that serve nothing.
fn run(args: &[&str]) -> Exit {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics-server"));
    let output = command.args(args).stdin(Stdio::null()).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Exit { code: output.status.code(), stderr: text(output.stderr), stdout: text(output.stdout) }
}

/// `-check-config` accepts the flags and whatever comes after them.
fn accepted(args: &[&str]) {
    let exit = run(&[&["-check-config"], args].concat());
    assert_eq!(exit.code, Some(0), "{args:?}: {exit:?}");
}

/// The last line of each error about flags.
const HINT: &str = "metrics-server -h lists all flags";

/// Exit code 2, a first line, and at most what the flag takes and the hint behind it.
fn refused(args: &[&str], first_line: &str) {
    let exit = run(&[&["-check-config"], args].concat());
    assert_eq!(exit.code, Some(2), "{args:?}: {exit:?}");
    assert_eq!(exit.stderr.lines().next(), Some(first_line), "{args:?}");
    assert_eq!(exit.stderr.lines().last(), Some(HINT), "{args:?}");
    assert!(exit.stderr.lines().count() <= 3, "{args:?}: {exit:?}");
    assert_eq!(exit.stdout, "");
}

#[test]
fn booleans() {
    for value in ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"] {
        accepted(&[&format!("-debug={value}")]);
        accepted(&[&format!("--debug={value}")]);
    }
    accepted(&["-debug"]);
    accepted(&["--metric-clean-up"]);
    for value in ["yes", "tRUE", "", "2", "on"] {
        let message = format!("invalid boolean value {value:?} for -debug: parse error");
        refused(&[&format!("-debug={value}")], &message);
    }
}

#[test]
fn durations() {
    for value in [
        "0", "+5ms", "-1s", "1h30m", ".5s", "1.s", "5ns", "5us", "5µs", "5μs", "5ms", "1.5h", "2m",
        "-0", "+0",
    ] {
        accepted(&["-shutdown-delay", value]);
        accepted(&[&format!("-shutdown-delay={value}")]);
    }
    for value in ["5", "1d", "", "1 s", "1h 1m", "1e3s", "s", ".s", "-", "300000000000h"] {
        let message = format!("invalid value {value:?} for flag -shutdown-delay: parse error");
        refused(&[&format!("-shutdown-delay={value}")], &message);
    }
}

#[test]
fn integers() {
    for value in ["20000", "0x4e20", "1_000", "010", "0o17", "0b101", "-5", "+5", "0"] {
        accepted(&["-opensearch-bulk-size-bytes", value]);
    }
    for value in ["1e3", "", "x", "1.5", "0x", "_1", "08"] {
        let message =
            format!("invalid value {value:?} for flag -opensearch-bulk-size-bytes: parse error");
        refused(&["-opensearch-bulk-size-bytes", value], &message);
    }
    let huge = "99999999999999999999";
    let message =
        format!("invalid value {huge:?} for flag -opensearch-bulk-size-bytes: value out of range");
    refused(&["-opensearch-bulk-size-bytes", huge], &message);
}

#[test]
fn errors() {
    refused(&["-nope"], "flag provided but not defined: -nope");
    refused(&["--nope=1"], "flag provided but not defined: -nope");
    refused(&["-socket"], "flag needs an argument: -socket");
    refused(&["---debug"], "bad flag syntax: ---debug");
    refused(&["-=x"], "bad flag syntax: -=x");
    refused(&["--=x"], "bad flag syntax: --=x");
    refused(
        &["-metric-ttl", "-debug"],
        r#"invalid value "-debug" for flag -metric-ttl: parse error"#,
    );
}

#[test]
fn user_ids() {
    accepted(&["-shutdown-uid", "0"]);
    accepted(&["-shutdown-uid=33, 1000,"]);
    refused(
        &["-shutdown-uid", "0,root"],
        r#"invalid value "0,root" for flag -shutdown-uid: "root" is no user id; id -u shows the number of a name"#,
    );
    refused(
        &["-shutdown-uid="],
        r#"invalid value "" for flag -shutdown-uid: there is no user id in it"#,
    );
    refused(
        &["-shutdown-uid=0", "-shutdown-from=any"],
        r#"invalid value "0" for flag -shutdown-uid: -shutdown-from any obeys udp as well, and a datagram tells no user"#,
    );
}

#[test]
fn a_word_that_is_no_flag_is_refused() {
    for word in ["word", "-", "", "false"] {
        refused(&[word, "-socket", ":1"], &format!("{word:?} is no flag"));
    }
    refused(&["--", "-debug"], "\"-debug\" is no flag");
    accepted(&["--"]);
    for boolean in ["-debug", "--metric-clean-up", "-source-labels"] {
        refused(&[boolean, "false"], "\"false\" is no flag");
        let exit = run(&[boolean, "false", "-udp", ":1"]);
        let spelled = format!("-{}=false", boolean.trim_start_matches('-'));
        assert!(exit.stderr.contains(&spelled), "{exit:?}");
    }
}

#[test]
fn the_last_repetition_wins() {
    accepted(&["-socket", "nonsense", "-socket", ":1"]);
    refused(
        &["-socket", ":1", "-socket", "nonsense"],
        r#"invalid value "nonsense" for flag -socket: missing port in address"#,
    );
}

#[test]
fn values_may_look_like_flags() {
    accepted(&["-uds", "-debug"]);
    accepted(&["-uds=-x=y"]);
}

/// The flags of the original Go metrics-server, as its help shows them but for three texts that were not true.
const ORIGINAL: [&str; 20] = [
    "  -debug\n    \tenable debug log level\n",
    "  -extra-labels string\n    \tcoma separated metrics extra labels (extra-labels=label1:value2,label2:value2)\n",
    "  -extra-labels-file-path string\n    \tread file with key=value labels (same as the java properties format)\n",
    "  -loki-address string\n    \taddress to push to loki, http or https, e.g http://localhost:3100/loki/api/v1/push\n",
    "  -loki-ca-path string\n    \tpath to loki ca certificate\n",
    "  -loki-cert-path string\n    \tpath to loki certificate\n",
    "  -loki-key-path string\n    \tpath to loki key\n",
    "  -metric-clean-up\n    \tremove a series from /metrics once -metric-ttl has passed since its last sample\n",
    "  -metric-ttl duration\n    \thow long a series stays on /metrics after its last sample, with -metric-clean-up (default 24h0m0s)\n",
    "  -opensearch-bulk-period duration\n    \tbulk push period (default 5s)\n",
    "  -opensearch-bulk-size-bytes int\n    \tbulk buffer size in bytes (default 20000)\n",
    "  -pyroscope-url string\n    \tpyroscope profiler address, e.g http://localhost:4040\n",
    "  -remote string\n    \tsend metrics to global metrics-server via UDP (remote=127.0.0.1:9999)\n",
    "  -scylladb-hosts string\n    \tcomma separated scylladb hosts\n",
    "  -scylladb-table string\n    \tscylladb table to write raw data (default \"tracking.metrics\")\n",
    "  -shutdown-delay duration\n    \tdelay for graceful shutdown in case of kill signal or shutdown metric was received\n",
    "  -socket string\n    \tprometheus exporter tcp socket (default \":9099\")\n",
    "  -udp string\n    \tcollector udp socket (default \":9999\")\n",
    "  -uds string\n    \tpath to collector unix domain socket file (default \"./metric-server.sock\")\n",
    "  -uds-pool string\n    \tcomma separated list of unix domain sockets\n",
];

#[test]
fn help() {
    for flag in ["-h", "-help", "--help", "--h"] {
        let exit = run(&[flag]);
        assert_eq!((exit.code, exit.stderr.as_str()), (Some(0), ""), "{flag}");
        let first = format!("Usage of {}:", env!("CARGO_BIN_EXE_metrics-server"));
        assert_eq!(exit.stdout.lines().next(), Some(first.as_str()));
        for text in ORIGINAL {
            assert!(exit.stdout.contains(text), "{text:?} is not in:\n{}", exit.stdout);
        }
    }
}

#[test]
fn help_is_grouped_as_in_the_documents_and_has_the_variables() {
    let help = run(&["-h"]).stdout;
    let document = fs::read_to_string("docs/flags.md").expect("docs/flags.md");
    let (mut at, mut entries) = (0, 0);
    for line in document.lines() {
        let found = if let Some(heading) = line.strip_prefix("**") {
            help[at..].find(&format!("\n{}:\n", heading.trim_end_matches("**")))
        } else if let Some(row) = line.strip_prefix("| `") {
            let name = row.split('`').next().unwrap_or_default();
            help[at..].find(&format!("\n  {name}"))
        } else {
            continue;
        };
        entries += 1;
        at += found.unwrap_or_else(|| panic!("{line} is not in its place in:\n{help}"));
    }
    assert!(entries > 60, "docs/flags.md has only {entries} headings and rows");
    assert!(help.contains("\n  METRICS_SERVER_SEARCH_URL (environment)\n"), "{help}");
}

#[test]
fn help_wins_over_what_follows_it() {
    assert_eq!(run(&["-h", "-nope"]).code, Some(0));
    assert_eq!(run(&["-nope", "-h"]).code, Some(2));
}

#[test]
fn version() {
    let exit = run(&["-version"]);
    assert_eq!(exit.code, Some(0));
    assert!((exit.stdout + &exit.stderr).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn check_config_reads_the_files() {
    let exit = run(&["-check-config", "-extra-labels-file-path", "/nonexistent/labels"]);
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("/nonexistent/labels"), "{exit:?}");
    // Also those that nothing would use.
    for flag in [
        "-loki-ca-path",
        "-loki-cert-path",
        "-loki-key-path",
        "-opensearch-ca-path",
        "-scylladb-ca-path",
        "-web-config-file",
    ] {
        let exit = run(&["-check-config", flag, "/nonexistent/pem"]);
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(flag) && exit.stderr.contains("/nonexistent/pem"), "{exit:?}");
        assert_eq!(exit.stderr.lines().last(), Some(HINT));
    }
    let exit = run(&["-check-config", "-spill-dir", "/dev/null/rows"]);
    assert_eq!(exit.code, Some(1), "{exit:?}");
    assert!(exit.stderr.contains("-spill-dir"), "{exit:?}");
}

#[test]
fn check_config_refuses_what_the_server_would_refuse() {
    for args in [
        ["-uds", "/nonexistent/dir/x.sock"],
        ["-uds-pool", "/nonexistent/dir/x.sock"],
        ["-uds", "/dev/null"],
        ["-loki-address", "loki:3100"],
    ] {
        let [flag, value] = args;
        let exit = run(&["-check-config", flag, value]);
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(flag), "{exit:?}");
        assert_eq!(exit.stderr.lines().last(), Some(HINT), "{exit:?}");
        let exit = run(&["-socket=127.0.0.1:0", "-udp=127.0.0.1:0", flag, value]);
        assert_eq!(exit.code, Some(1), "{exit:?}");
        assert!(exit.stderr.contains(flag), "{exit:?}");
        assert!(exit.stderr.lines().last().is_some_and(|line| line.contains(HINT)), "{exit:?}");
    }
}

#[test]
fn check_config_warns_of_flags_without_effect() {
    for (args, warning) in [
        (&["-metric-ttl", "1h"][..], "-metric-ttl has no effect without -metric-clean-up"),
        (&["-udp", "", "-uds", ""], "nothing is received"),
        (
            &["-remote", ":1", "-udp", ":2", "-loki-address", "http://l"],
            "-loki-address has no effect with -remote",
        ),
        (&["-loki-tenant", "t"], "-loki-tenant has no effect without -loki-address"),
        (
            &["-uds", "@abs", "-uds-mode", "0600"],
            "-uds-mode has no effect: abstract sockets are no files",
        ),
    ] {
        let exit = run(&[&["-check-config"], args].concat());
        assert_eq!(exit.code, Some(0), "{args:?}: {exit:?}");
        let lines: Vec<&str> = exit.stderr.lines().collect();
        let [first, last] = lines[..] else { panic!("{args:?}: {exit:?}") };
        assert!(first.starts_with(&format!("warning: {warning}")), "{args:?}: {exit:?}");
        assert_eq!(last, "configuration is valid", "{args:?}");
    }
}
