//! The rules of the house that a machine can see: floors, where crates are named, where threads start.
//! Sizes are printed, not judged.

use std::fs;
use std::path::{Path, PathBuf};

/// A module names only modules on lower floors; modules on one floor are strangers.
const FLOORS: &[&[&str]] = &[
    &["metric", "config", "control", "stats", "clock", "logger", "text", "segmented_table", "sync"],
    &["wire", "registry", "sys", "sinks"],
    &["exposition", "http"],
    &["ingest", "exporter"],
    &["server"],
    &["program"],
];

/// Floor 0 stands on nothing but these of its own.
const GROUND: &[(&str, &str)] = &[("stats", "metric"), ("text", "metric")];

/// Crates that only some files may name.
const CRATES: &[(&str, &[&str])] = &[
    ("simd_json", &["src/wire/"]),
    ("libc", &["src/sys/"]),
    ("hyper", &["src/http", "src/exporter/scrape/", "src/testing.rs"]),
    ("hyper_util", &["src/http/"]),
    ("tokio_rustls", &["src/http/"]),
    ("mio", &["src/ingest/", "src/control.rs", "src/server", "src/sys/epoll.rs"]),
    ("socket2", &["src/ingest/", "src/server", "src/sys/", "src/http.rs"]),
    ("lexopt", &["src/config"]),
    ("env_logger", &["src/logger.rs"]),
    ("procfs", &["src/exporter/process.rs"]),
    ("signal_hook", &["src/server/signals.rs"]),
    ("dashmap", &["src/registry/birth.rs"]),
    ("zmij", &["src/text/"]),
    ("itoa", &["src/text/", "src/sinks/row/buckets.rs"]),
    ("flate2", &["src/exporter/scrape/gzip.rs", "src/sinks/gzip.rs"]),
    ("ureq", &["src/sinks/"]),
    ("rustls", &["src/sinks/http/", "src/sinks/scylla/connect.rs", "src/http/"]),
    ("base64", &["src/sinks/opensearch"]),
    ("jiff", &["src/sinks/opensearch"]),
    ("percent_encoding", &["src/sinks/opensearch", "src/sinks/pyroscope.rs"]),
    ("rustix", &["src/sinks/remote/errors.rs"]),
    ("cdrs_tokio", &["src/sinks/scylla"]),
    ("tokio", &["src/http", "src/exporter/scrape/", "src/sinks/scylla"]),
    ("serde_json", &["src/sinks/"]),
    ("pprof", &["src/sys/profile"]),
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                found.push((path.strip_prefix(root).expect("below the root").to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Lines of code with their numbers: comments and the tests at a file's foot set aside.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The module of a file below `src`; none for `main.rs`, `lib.rs` and the façade for tests.
fn module(path: &Path) -> Option<String> {
    let first = path.components().nth(1)?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!["main", "lib", "testing"].contains(&name)).then(|| name.to_owned())
}

#[test]
fn modules_name_only_lower_floors() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(own) = module(&path) else { continue };
        let own_floor =
            floor(&own).unwrap_or_else(|| panic!("{own} has no floor: {}", path.display()));
        for (number, line) in code(&text) {
            for named in line.split("crate::").skip(1) {
                let named: String = named
                    .chars()
                    .take_while(|char| char.is_alphanumeric() || *char == '_')
                    .collect();
                let Some(other_floor) = floor(&named) else { continue };
                let ground = GROUND.contains(&(own.as_str(), named.as_str()));
                if named != own && other_floor >= own_floor && !ground {
                    wrong.push(format!("{}:{number}: {own} names {named}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_where_they_belong() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let place = path.to_str().unwrap();
        for (number, line) in code(&text) {
            for (name, places) in CRATES {
                let names =
                    line.contains(&format!("{name}::")) || line.contains(&format!("use {name}"));
                if names && !places.iter().any(|allowed| place.starts_with(allowed)) {
                    wrong.push(format!("{place}:{number}: {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn threads_start_and_unsafe_stands_in_one_place() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let place = path.to_str().unwrap();
        for (number, line) in code(&text) {
            if line.contains("thread::Builder") && place != "src/server/threads.rs" {
                wrong.push(format!("{place}:{number}: a thread is started"));
            }
            if line.contains("unsafe {") && !place.starts_with("src/sys") {
                wrong.push(format!("{place}:{number}: unsafe"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::print_stdout, reason = "sizes are told, not judged")]
fn each_file_says_what_it_is() {
    let mut sizes = Vec::new();
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not say what it is", path.display());
        sizes.push((code(&text).filter(|(_, line)| !line.trim().is_empty()).count(), path));
    }
    sizes.sort();
    let total: usize = sizes.iter().map(|(lines, _)| lines).sum();
    println!("{} files, {total} lines of code; the largest:", sizes.len());
    for (lines, path) in sizes.iter().rev().take(8) {
        println!("{lines:5} {}", path.display());
    }
}
