//! The rules of the house that a machine can see: floors, circles, names, where crates are named, where threads start.
//! Sizes are printed, not judged. The server's sources keep to all of them; what tests and measures it, to those about
//! circles and names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use circles::{circles, explain};
use facade::{exported, used};
use scan::{Mention, scan};
use tree::{Target, Tree, read_folder};

mod circles;
mod facade;
mod planted;
mod scan;
mod tree;

/// A module names only modules on lower floors; modules on one floor are strangers.
const FLOORS: &[&[&str]] = &[
    &[
        "metric",
        "config",
        "control",
        "stats",
        "capacity",
        "clock",
        "logger",
        "text",
        "pem",
        "planted",
        "segmented_table",
        "index_table",
        "sync",
    ],
    &["wire", "registry", "sys", "sinks"],
    &["exposition", "http"],
    &["ingest", "exporter"],
    &["server"],
    &["program"],
];

/// Floor 0 stands on nothing but these of its own.
const GROUND: &[(&str, &str)] = &[
    ("stats", "metric"),
    ("text", "metric"),
    ("clock", "planted"),
    ("logger", "planted"),
    ("index_table", "segmented_table"),
    ("segmented_table", "capacity"),
];

/// Circles that are still there. None may come; one that is gone is taken off the list.
const KNOWN_CIRCLES: &[&[&str]] = &[];

/// Exports that nobody names: they stand in signatures of those that are named.
const ONLY_IN_SIGNATURES: &[&str] = &[
    "exporter::ExporterThread",
    "exporter::GzipThread",
    "exporter::Readiness",
    "exporter::ScrapeClient",
    "http::HttpStop",
    "http::SharedWebConfig",
    "wire::Scaling",
];

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
    ("env_logger", &["src/logger"]),
    ("procfs", &["src/exporter/process.rs"]),
    ("signal_hook", &["src/server/signals.rs"]),
    ("dashmap", &["src/registry/names.rs"]),
    ("zmij", &["src/text/"]),
    ("itoa", &["src/text/", "src/sinks/row/buckets.rs"]),
    ("flate2", &["src/exporter/scrape/gzip.rs", "src/sinks/gzip.rs"]),
    ("ureq", &["src/sinks/"]),
    ("rustls", &["src/pem.rs", "src/sinks/http/", "src/sinks/scylla/connect.rs", "src/http/"]),
    ("rustls_native_certs", &["src/pem.rs"]),
    ("base64", &["src/sinks/http/", "src/sinks/opensearch/", "src/http/login/"]),
    ("jiff", &["src/sinks/opensearch"]),
    ("percent_encoding", &["src/sinks/http/", "src/sinks/opensearch/", "src/sinks/pyroscope.rs"]),
    ("rustix", &["src/server/unix_path.rs", "src/sinks/remote/errors.rs", "src/http/accept.rs"]),
    ("cdrs_tokio", &["src/sinks/scylla"]),
    ("tokio", &["src/http", "src/exporter/scrape/", "src/sinks/scylla"]),
    ("serde_json", &["src/logger/", "src/sinks/"]),
    ("bcrypt", &["src/http/login/"]),
    ("serde_saphyr", &["src/http/web_config/file.rs"]),
    ("x509_cert", &["src/http/tls/client_auth.rs"]),
    ("pprof", &["src/sys/profile"]),
];

/// The server's sources, read once.
static TREE: LazyLock<Tree> = LazyLock::new(|| Tree::read("src/lib.rs", &["src"]));

/// What tests and measures the server: crates by their roots, and where their modules are.
const OTHER_CRATES: &[(&str, &[&str])] = &[
    ("loadgen/src/main.rs", &["loadgen/src"]),
    ("loadgen/src/bin/bench.rs", &["loadgen/src/bench", "loadgen/src"]),
    ("loadgen/src/bin/abuse.rs", &["loadgen/src/abuse"]),
    ("loadgen/src/bin/soak.rs", &["loadgen/src/soak", "loadgen/src"]),
    ("benches/bytes.rs", &["benches/support"]),
    ("benches/instructions.rs", &["benches/support"]),
    ("fuzz/fuzz_targets/frame.rs", &[]),
    ("fuzz/fuzz_targets/json.rs", &[]),
    ("fuzz/fuzz_targets/page.rs", &["tests/common"]),
    ("fuzz/fuzz_targets/statsd.rs", &[]),
    ("tests/common/harness.rs", &["tests/common"]),
];

/// Folders in each of which no two types may have one name.
const FOLDERS: [&str; 5] = ["src", "loadgen", "benches", "fuzz", "tests/common"];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The floor's module that a file belongs to; none for `lib.rs` and the façade for tests.
fn own(tree: &Tree, file: usize) -> Option<&str> {
    tree.files[file].module.first().map(String::as_str).filter(|first| *first != "testing")
}

/// The top module that a path says, which is another one than its target's where a thing is exported again.
fn said(mention: &Mention) -> Option<String> {
    let mut at = mention.module.clone();
    let mut absolute = false;
    for segment in &mention.path {
        match segment.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            _ if absolute => at.push(segment.clone()),
            _ => return None,
        }
        absolute = true;
    }
    at.first().cloned()
}

#[test]
fn modules_name_only_lower_floors() {
    let tree = &*TREE;
    let mut wrong = Vec::new();
    for file in 0..tree.files.len() {
        let path = &tree.files[file].path;
        let Some(own_name) = own(tree, file) else { continue };
        let own_floor =
            floor(own_name).unwrap_or_else(|| panic!("{own_name} has no floor: {path}"));
        for mention in tree.mentions(file) {
            let target = match tree.resolve(mention) {
                Target::File(target) => own(tree, target).map(str::to_owned),
                Target::Outside(_) => None,
            };
            for named in [target, said(mention)].into_iter().flatten() {
                let Some(floor) = floor(&named) else { continue };
                let ground = GROUND.contains(&(own_name, named.as_str()));
                if named != own_name && floor >= own_floor && !ground {
                    wrong.push(format!("{path}:{}: {own_name} names {named}", mention.line));
                }
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_circles_between_files() {
    let found = circles(&TREE);
    let known: Vec<Vec<String>> = KNOWN_CIRCLES
        .iter()
        .map(|circle| circle.iter().map(|path| (*path).to_owned()).collect())
        .collect();
    let new: Vec<String> = found
        .iter()
        .filter(|circle| !known.contains(circle))
        .map(|circle| format!("{circle:?}\n{}", explain(&TREE, circle)))
        .collect();
    assert!(new.is_empty(), "files in circles:\n{}", new.join("\n"));
    let gone: Vec<_> = known.iter().filter(|circle| !found.contains(circle)).collect();
    assert!(gone.is_empty(), "mended, but still in KNOWN_CIRCLES: {gone:#?}");
}

#[test]
fn no_circles_in_tests_and_tools() {
    for (root, folders) in OTHER_CRATES {
        let tree = Tree::read(root, folders);
        let lines = circles(&tree).iter().map(|circle| explain(&tree, circle)).collect::<Vec<_>>();
        assert!(lines.is_empty(), "files of {root} in circles:\n{}", lines.join("\n"));
    }
}

#[test]
fn all_files_of_tests_and_tools_are_looked_at() {
    let trees = OTHER_CRATES.iter().map(|(root, folders)| Tree::read(root, folders));
    let seen: BTreeSet<String> = trees.flat_map(|tree| tree.files).map(|file| file.path).collect();
    let all = ["loadgen/src", "fuzz/fuzz_targets", "tests/common"].map(read_folder);
    let tests = |path: &str| path.ends_with("/tests.rs");
    let missing: Vec<&String> = all
        .iter()
        .flat_map(BTreeMap::keys)
        .filter(|path| !seen.contains(*path) && !tests(path))
        .collect();
    assert!(missing.is_empty(), "in no crate of OTHER_CRATES: {missing:#?}");
}

#[test]
fn no_two_types_of_one_name() {
    for folder in FOLDERS {
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, text) in read_folder(folder) {
            for found in scan(&[], &text).types {
                places.entry(found.name).or_default().push(format!("{path}:{}", found.line));
            }
        }
        places.retain(|_, places| places.len() > 1);
        assert!(places.is_empty(), "two types of one name: {places:#?}");
    }
}

#[test]
fn the_facade_exports_what_is_used() {
    let used = used();
    let unused: Vec<String> = exported()
        .iter()
        .filter(|export| !used.iter().any(|path| path.starts_with(export)))
        .map(|export| export.join("::"))
        .collect();
    assert_eq!(unused, ONLY_IN_SIGNATURES, "nobody names these of src/testing.rs");
}

#[test]
fn crates_are_named_where_they_belong() {
    let tree = &*TREE;
    let mut wrong = BTreeSet::new();
    for file in 0..tree.files.len() {
        let path = &tree.files[file].path;
        for mention in tree.mentions(file) {
            let Target::Outside(name) = tree.resolve(mention) else { continue };
            let Some((_, places)) = CRATES.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            if !places.iter().any(|allowed| path.starts_with(allowed)) {
                wrong.insert(format!("{path}:{}: {name}", mention.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lines of code with their numbers: comments and the tests at a file's foot set aside.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn threads_start_and_unsafe_stands_in_one_place() {
    let mut wrong = Vec::new();
    for file in &TREE.files {
        let path = file.path.as_str();
        for (number, line) in code(&file.text) {
            if line.contains("thread::Builder") && path != "src/server/threads.rs" {
                wrong.push(format!("{path}:{number}: a thread is started"));
            }
            if line.contains("unsafe {") && !path.starts_with("src/sys") {
                wrong.push(format!("{path}:{number}: unsafe"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::print_stdout, reason = "sizes are told, not judged")]
fn each_file_says_what_it_is() {
    let mut sizes = Vec::new();
    for file in &TREE.files {
        assert!(file.text.starts_with("//!"), "{} does not say what it is", file.path);
        let lines = code(&file.text).filter(|(_, line)| !line.trim().is_empty()).count();
        sizes.push((lines, &file.path));
    }
    sizes.sort();
    let total: usize = sizes.iter().map(|(lines, _)| lines).sum();
    println!("{} files, {total} lines of code; the largest:", sizes.len());
    for (lines, path) in sizes.iter().rev().take(8) {
        println!("{lines:5} {path}");
    }
}
