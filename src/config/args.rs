//! Reads the command line by the rules of Go's `flag` package.
//!
//! `-x` and `--x` are alike; values as `-x=v` or `-x v`, for booleans only `-x=v`; a repetition wins over
//! what stood before. One rule is not Go's: a word that is no flag is an error, where Go would drop it and
//! every flag behind it in silence.
//! It fills [`Values`] and must not know what a flag means.

use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;

use super::duration;
use super::error::UsageError;
use super::flag::{FlagKind, ValueSlot};
use super::go::{self, BadValue};
use super::table::Flag;
use super::table::{self, Values};

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Words {
    /// `-h` or `-help`: whatever follows is not looked at.
    Help,
    /// Flags.
    Flags(Box<Values>),
}

/// Reads the arguments, without the program's name.
pub(super) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Words, UsageError> {
    let mut values = Values::default();
    let args: Vec<OsString> = args.into_iter().collect();
    let mut parser = lexopt::Parser::from_args(args);
    // lexopt's own syntax would take `-metric-ttl` for a bundle of short flags, so only its raw words are used.
    let Some(mut words) = parser.try_raw_args() else { return Ok(Words::Flags(Box::new(values))) };
    let mut boolean_before = None;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if !is_flag(&word) {
            // Go's mark for the end of the flags: fine with nothing behind it.
            let Some(stray) = (if text == "--" { words.next() } else { Some(word) }) else { break };
            return Err(UsageError::no_flag(&stray.to_string_lossy(), boolean_before));
        }
        let (name, inline) = split_word(&text)?;
        let Some(flag) = table::find(name) else {
            return if matches!(name, "h" | "help") {
                Ok(Words::Help)
            } else {
                Err(UsageError::undefined(name))
            };
        };
        let alone = matches!(flag.kind, FlagKind::Bool(_)) && inline.is_none();
        boolean_before = alone.then_some(flag.name);
        match (&flag.kind, inline) {
            (_, Some(value)) => set(flag, value, word.to_str().is_some(), &mut values)?,
            (FlagKind::Bool(_), None) => set(flag, "true", true, &mut values)?,
            (_, None) => {
                let value = words.next().ok_or_else(|| UsageError::needs_argument(flag.name))?;
                set(flag, &value.to_string_lossy(), value.to_str().is_some(), &mut values)?;
            }
        }
    }
    Ok(Words::Flags(Box::new(values)))
}

/// Whether a word can be a flag: `-` and `--` are none.
fn is_flag(word: &OsStr) -> bool {
    let bytes = word.as_encoded_bytes();
    bytes.len() > 1 && bytes[0] == b'-' && bytes != b"--"
}

/// A word's name without its dashes, and the value after `=`.
fn split_word(word: &str) -> Result<(&str, Option<&str>), UsageError> {
    let body = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word);
    if body.is_empty() || body.starts_with(['-', '=']) {
        return Err(UsageError::bad_syntax(word));
    }
    Ok(body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value))))
}

fn set(
    flag: &'static Flag,
    text: &str,
    is_utf8: bool,
    values: &mut Values,
) -> Result<(), UsageError> {
    // Other bytes in a label or a path would end up on the page of metrics.
    if !is_utf8 {
        return Err(UsageError::value(flag.name, text, "not valid UTF-8"));
    }
    let refused = |bad: BadValue| UsageError::value(flag.name, text, bad.as_str());
    match ((flag.slot)(values), &flag.kind) {
        (ValueSlot::Bool(slot), _) => *slot = go::parse_bool(text).map_err(refused)?,
        (ValueSlot::Text(slot), _) => text.clone_into(slot),
        (ValueSlot::Int(slot), FlagKind::Int(_, range)) => {
            *slot = go::parse_int(text).and_then(|value| within(value, range)).map_err(refused)?;
        }
        (ValueSlot::Duration(slot), FlagKind::Duration(_, range)) => {
            *slot =
                duration::parse(text).and_then(|value| within(value, range)).map_err(refused)?;
        }
        // The table makes slot and kind from the same word.
        (ValueSlot::Int(_) | ValueSlot::Duration(_), _) => {}
    }
    values.given.insert(flag.name);
    Ok(())
}

fn within(value: i64, range: &RangeInclusive<i64>) -> Result<i64, BadValue> {
    if range.contains(&value) { Ok(value) } else { Err(BadValue::Range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(args: &[&str]) -> Result<Words, UsageError> {
        read(args.iter().map(OsString::from))
    }

    fn flags(args: &[&str]) -> Values {
        match read_all(args) {
            Ok(Words::Flags(values)) => *values,
            other => panic!("{args:?}: {other:?}"),
        }
    }

    fn first_line(args: &[&str]) -> String {
        match read_all(args) {
            Err(error) => {
                assert_eq!(error.exit_code(), 2, "{args:?}");
                error.to_string().lines().next().unwrap_or_default().to_owned()
            }
            Ok(words) => panic!("{args:?}: {words:?}"),
        }
    }

    #[test]
    fn booleans_stand_alone_or_take_an_inline_value() {
        for (args, debug) in [
            (&["-debug"][..], true),
            (&["--debug"], true),
            (&["-debug=1"], true),
            (&["-debug=t"], true),
            (&["-debug=TRUE"], true),
            (&["--debug=True"], true),
            (&["-debug=F"], false),
            (&["-debug=0"], false),
            (&["-debug=false"], false),
            (&["-debug", "-debug=false"], false),
            (&["-debug=false", "-debug"], true),
        ] {
            assert_eq!(flags(args).debug, debug, "{args:?}");
        }
        assert!(!flags(&["-source-labels=false"]).source_labels);
    }

    #[test]
    fn values_are_inline_or_the_next_word() {
        for args in [
            &["-socket", ":1"][..],
            &["--socket", ":1"],
            &["-socket=:1"],
            &["--socket=:1"],
            &["-socket", ":2", "-socket=:1"],
        ] {
            assert_eq!(flags(args).socket, ":1", "{args:?}");
        }
        assert_eq!(flags(&["-uds", "-debug"]).uds, "-debug");
        assert_eq!(flags(&["-uds", "--"]).uds, "--");
        assert_eq!(flags(&["-udp="]).udp, "");
        assert_eq!(flags(&["-udp", ""]).udp, "");
        assert_eq!(flags(&["-extra-labels=a:b=c"]).extra_labels, "a:b=c");
        assert_eq!(flags(&["-opensearch-bulk-size-bytes", "-5"]).opensearch_bulk_size_bytes, -5);
        assert_eq!(
            flags(&["-opensearch-bulk-size-bytes=0x4e20"]).opensearch_bulk_size_bytes,
            20_000
        );
        assert_eq!(flags(&["-shutdown-delay", "+5ms"]).shutdown_delay, 5_000_000);
        assert_eq!(
            flags(&["-metric-ttl=24h"]).metric_ttl,
            flags(&["--metric-ttl", "1440m"]).metric_ttl
        );
    }

    #[test]
    fn a_word_that_is_no_flag_is_refused_with_the_boolean_before_it() {
        for (args, word, boolean) in [
            (&["-debug", "false", "-socket", ":1"][..], "\"false\"", "-debug=false"),
            (&["--source-labels", "0"], "\"0\"", "-source-labels=false"),
            (&["-debug", "-socket", ":1", "x"], "\"x\"", "-debug=false"),
            (&["-source-labels=false", "x"], "\"x\"", "-debug=false"),
            (&["version"], "\"version\"", "-debug=false"),
            (&["-"], "\"-\"", "-debug=false"),
            (&[""], "\"\"", "-debug=false"),
            (&["--", "-debug"], "\"-debug\"", "-debug=false"),
        ] {
            let error = read_all(args).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
            assert_eq!(lines[0], format!("{word} is no flag"), "{args:?}");
            assert!(lines[1].ends_with(&format!(" {boolean}")), "{lines:?}");
        }
        assert!(flags(&["-debug", "--"]).debug);
    }

    #[test]
    fn remembers_which_flags_were_given() {
        let values = flags(&["-uds=./metric-server.sock", "-debug=false"]);
        assert_eq!(values.given.into_iter().collect::<Vec<_>>(), ["debug", "uds"]);
    }

    #[test]
    fn help_comes_before_what_follows_it_and_after_what_failed_before_it() {
        for args in
            [&["-h"][..], &["-help"], &["--help"], &["--h"], &["-h=x"], &["-debug", "-h", "-nope"]]
        {
            assert!(matches!(read_all(args), Ok(Words::Help)), "{args:?}");
        }
        assert_eq!(first_line(&["-nope", "-h"]), "flag provided but not defined: -nope");
        assert_eq!(first_line(&["x", "-h"]), "\"x\" is no flag");
    }

    #[test]
    fn errors_are_worded_as_go_words_them() {
        let overlong = "9".repeat(30);
        for (args, line) in [
            (&["-nope"][..], "flag provided but not defined: -nope"),
            (&["--nope=1"], "flag provided but not defined: -nope"),
            (&["-Debug"], "flag provided but not defined: -Debug"),
            (&["-socket"], "flag needs an argument: -socket"),
            (&["-debug", "-metric-ttl"], "flag needs an argument: -metric-ttl"),
            (&["---debug"], "bad flag syntax: ---debug"),
            (&["-=x"], "bad flag syntax: -=x"),
            (&["--=x"], "bad flag syntax: --=x"),
            (&["-debug=yes"], "invalid boolean value \"yes\" for -debug: parse error"),
            (&["-debug=tRUE"], "invalid boolean value \"tRUE\" for -debug: parse error"),
            (&["-debug="], "invalid boolean value \"\" for -debug: parse error"),
            (
                &["-shutdown-delay", "5"],
                "invalid value \"5\" for flag -shutdown-delay: parse error",
            ),
            (&["-shutdown-delay="], "invalid value \"\" for flag -shutdown-delay: parse error"),
            (
                &["-shutdown-delay", "1d"],
                "invalid value \"1d\" for flag -shutdown-delay: parse error",
            ),
            (
                &["-shutdown-delay", "300000000h"],
                "invalid value \"300000000h\" for flag -shutdown-delay: parse error",
            ),
            (
                &["-opensearch-bulk-size-bytes", "1e3"],
                "invalid value \"1e3\" for flag -opensearch-bulk-size-bytes: parse error",
            ),
            (
                &["-opensearch-bulk-size-bytes", &overlong],
                &format!(
                    "invalid value \"{overlong}\" for flag -opensearch-bulk-size-bytes: value out of range"
                ),
            ),
            (
                &["-opensearch-bulk-period", "0"],
                "invalid value \"0\" for flag -opensearch-bulk-period: value out of range",
            ),
            (
                &["-opensearch-bulk-period", "-1s"],
                "invalid value \"-1s\" for flag -opensearch-bulk-period: value out of range",
            ),
            (&["-labels-max=0"], "invalid value \"0\" for flag -labels-max: value out of range"),
            (&["-workers=-1"], "invalid value \"-1\" for flag -workers: value out of range"),
            (
                &["-message-max-bytes=65535"],
                "invalid value \"65535\" for flag -message-max-bytes: value out of range",
            ),
            (
                &["-log-interval=0"],
                "invalid value \"0\" for flag -log-interval: value out of range",
            ),
        ] {
            assert_eq!(first_line(args), line, "{args:?}");
        }
    }

    #[test]
    fn a_refused_value_comes_with_what_the_flag_takes() {
        let text = |args: &[&str]| read_all(args).map(|_| ()).unwrap_err().to_string();
        assert!(text(&["-workers=-1"]).contains("\n-workers takes a whole number from 0 to 256\n"));
        assert!(text(&["-socket"]).contains("\n-socket takes an address with a port"));
        assert!(text(&["-debug=yes"]).contains("\n-debug takes =true or =false"));
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_utf8_are_refused_where_they_matter() {
        use std::os::unix::ffi::OsStringExt as _;
        let raw = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        let error = read([raw(b"-uds"), raw(b"a\xff.sock")]).unwrap_err().to_string();
        assert!(
            error.starts_with("invalid value \"a\u{fffd}.sock\" for flag -uds: not valid UTF-8\n"),
            "{error}"
        );
        let error = read([raw(b"-\xff")]).unwrap_err().to_string();
        assert!(error.starts_with("flag provided but not defined: -\u{fffd}\n"), "{error}");
    }
}
