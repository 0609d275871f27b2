//! The labels that the operator adds to every metric: `-extra-labels` and the file beside it.
//!
//! Reading that file is the only I/O of the configuration. It must not know what labels a message may have.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::error::UsageError;
use super::go;
use super::table::Values;

/// A file of labels has a few lines: past this many bytes it is another file, perhaps a device without an end.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// Labels by name: sorted, each once.
type Labels = BTreeMap<String, String>;

/// The labels that every metric gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelsConfig {
    /// Name and value, sorted bytewise by name, each name once.
    pub extra: Vec<(String, String)>,
    /// Whether `data_source` and `source_app` are added.
    pub source_labels: bool,
}

impl LabelsConfig {
    /// What flags and file say.
    pub(super) fn read(values: &Values) -> Result<Self, UsageError> {
        let mut labels = Labels::new();
        let path = &values.extra_labels_file_path;
        if !path.is_empty() {
            add_from_file("extra-labels-file-path", Path::new(path), &mut labels)?;
        }
        // After the file, since the flag wins.
        add_from_flag("extra-labels", &values.extra_labels, &mut labels)?;
        Ok(Self { extra: labels.into_iter().collect(), source_labels: values.source_labels })
    }
}

/// Adds the labels of `name:value,name2:value2`, over those that stand.
///
/// As in the original, only the text between an item's first and second colon is the value, and it is not
/// trimmed; the names are.
fn add_from_flag(flag: &str, text: &str, labels: &mut Labels) -> Result<(), UsageError> {
    if text.is_empty() {
        return Ok(());
    }
    for item in text.split(',') {
        let refused =
            |cause: &str| UsageError::value(flag, text, &format!("{} {cause}", go::quote(item)));
        let (name, rest) = item.split_once(':').ok_or_else(|| refused("has no colon"))?;
        let value = rest.split_once(':').map_or(rest, |(value, _)| value);
        let name = name.trim();
        check_name(name).map_err(refused)?;
        labels.insert(name.to_owned(), value.to_owned());
    }
    Ok(())
}

/// Adds the labels of a file of `name=value` lines, over those that stand.
fn add_from_file(flag: &str, path: &Path, labels: &mut Labels) -> Result<(), UsageError> {
    let text = read(path).map_err(|error| UsageError::file(flag, path, &error.to_string()))?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(UsageError::file(flag, path, &format!("longer than {FILE_MAX_BYTES} bytes")));
    }
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        add_from_line(line, labels).map_err(|cause| {
            UsageError::file(flag, path, &format!("line {}: {cause}", index + 1))
        })?;
    }
    Ok(())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Lines without `=` or without a name, and comments, are passed over, in whatever encoding they are.
fn add_from_line(line: &[u8], labels: &mut Labels) -> Result<(), String> {
    let lossy = String::from_utf8_lossy(line);
    let Some((name, value)) = lossy.split_once('=') else { return Ok(()) };
    let name = name.trim();
    if name.is_empty() || name.starts_with(['#', '!']) {
        return Ok(());
    }
    check_name(name).map_err(|cause| format!("{} {cause}", go::quote(name)))?;
    if std::str::from_utf8(line).is_err() {
        return Err(format!("the value of {name} is not valid UTF-8"));
    }
    labels.insert(name.to_owned(), value.trim().replace('"', ""));
    Ok(())
}

/// Whether every metric can have a label of this name; an error is the cause in words.
fn check_name(name: &str) -> Result<(), &'static str> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(word) {
        return Err("is no label name: those are letters, digits and _, with no digit first");
    }
    if name.starts_with("__") {
        return Err(
            "is no label name that may be given: those beginning with __ belong to Prometheus",
        );
    }
    if name == "le" {
        return Err("is no label name that may be given: le tells a histogram's buckets apart");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_flag(text: &str) -> Result<Vec<(String, String)>, UsageError> {
        let mut labels = Labels::new();
        add_from_flag("extra-labels", text, &mut labels)?;
        Ok(labels.into_iter().collect())
    }

    fn from_file(text: &[u8]) -> Result<Vec<(String, String)>, UsageError> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("labels.properties");
        std::fs::write(&path, text).expect("a file");
        let mut labels = Labels::new();
        add_from_file("extra-labels-file-path", &path, &mut labels)?;
        Ok(labels.into_iter().collect())
    }

    fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
        labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn the_flag_is_split_at_commas_and_colons() {
        for (text, labels) in [
            ("", &[][..]),
            ("app:cron,env:prod", &[("app", "cron"), ("env", "prod")]),
            ("env:prod,app:cron", &[("app", "cron"), ("env", "prod")]),
            (
                "url:http://x:80,b:v 1 ,d:,e:1,e:2",
                &[("b", "v 1 "), ("d", ""), ("e", "2"), ("url", "http")],
            ),
            (" a : v ,\tb\t:w", &[("a", " v "), ("b", "w")]),
            ("_a9:\"q\"", &[("_a9", "\"q\"")]),
            ("data_source:x", &[("data_source", "x")]),
        ] {
            assert_eq!(from_flag(text), Ok(pairs(labels)), "{text}");
        }
    }

    #[test]
    fn the_flag_refuses_items_that_are_no_label() {
        for (text, cause) in [
            ("app", r#""app" has no colon"#),
            ("app:cron,", r#""" has no colon"#),
            (",app:cron", r#""" has no colon"#),
            ("a:1,,b:2", r#""" has no colon"#),
            (":v", r#"":v" is no label name"#),
            ("a b:v", r#""a b:v" is no label name"#),
            ("a-b:v", r#""a-b:v" is no label name"#),
            ("9a:v", r#""9a:v" is no label name"#),
            ("é:v", r#""é:v" is no label name"#),
            ("__a:v", r#""__a:v" is no label name"#),
            ("le:v", r#""le:v" is no label name"#),
        ] {
            let error = from_flag(text).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            let start =
                format!("invalid value {} for flag -extra-labels: {cause}", go::quote(text));
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }

    #[test]
    fn the_file_is_read_line_by_line() {
        for (text, labels) in [
            (&b""[..], &[][..]),
            (b"app=cron", &[("app", "cron")]),
            (b"app=cron\r\n\r\nenv=prod\r\n", &[("app", "cron"), ("env", "prod")]),
            (b"  a\t=\tx\t", &[("a", "x")]),
            (b"quoted=\"va lue\"\nhalf=a\"b\"c", &[("half", "abc"), ("quoted", "va lue")]),
            (b"inner = \" v \" ", &[("inner", " v ")]),
            (
                b"eq=a=b=c\nempty=\nesc=a\\nb\\u0041",
                &[("empty", ""), ("eq", "a=b=c"), ("esc", "a\\nb\\u0041")],
            ),
            (b"dup=1\ndup=2", &[("dup", "2")]),
            (b"no_equals\nother:2\n=novalue\n  =x\n", &[]),
            (b"# plain\n#a=b\n  # c=d\n! e\n!f=g\n#caf\xe9=1\ncaf\xe9\n", &[]),
            (b"cont=a\\\n  b", &[("cont", "a\\")]),
            ("uni=café".as_bytes(), &[("uni", "café")]),
        ] {
            assert_eq!(from_file(text), Ok(pairs(labels)), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn the_file_refuses_a_bad_name_and_tells_its_line() {
        for (text, cause) in [
            (
                &b"app=cron\n  spaced key = spaced value  "[..],
                r#"line 2: "spaced key" is no label name"#,
            ),
            (b"a-b=1", r#"line 1: "a-b" is no label name"#),
            (b"\n\n__a=1", r#"line 3: "__a" is no label name"#),
            (b"le=1", r#"line 1: "le" is no label name"#),
            (b"\xff=1", "line 1: \"\u{fffd}\" is no label name"),
            (b"a=\xff", "line 1: the value of a is not valid UTF-8"),
        ] {
            let error = from_file(text).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            let error = error.to_string();
            assert!(
                error.starts_with("invalid file \"")
                    && error.contains(" -extra-labels-file-path: "),
                "{error}"
            );
            assert!(error.contains(cause), "{error}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_no_loop() {
        let dir = tempfile::tempdir().expect("a directory");
        let flag = "extra-labels-file-path";
        for (path, cause) in [
            (dir.path().join("missing"), "No such file"),
            (dir.path().to_path_buf(), "directory"),
            ("/dev/zero".into(), "longer than 1048576 bytes"),
        ] {
            let error = add_from_file(flag, &path, &mut Labels::new()).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            assert!(error.to_string().contains(cause), "{error}");
            assert!(error.to_string().contains(&path.to_string_lossy().into_owned()), "{error}");
        }
    }
}
