//! `src/testing.rs`: what it exports, and what the tests, the benches, the fuzz targets and the load generator use of it.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use super::scan::{Name, Path, Scan, scan};
use super::tree::read_folder;

const FACADE: &str = "src/testing.rs";
const USERS: [&str; 4] = ["tests", "benches", "fuzz/fuzz_targets", "loadgen/src"];

/// The paths below `testing` under which the façade exports something.
pub(super) fn exported() -> Vec<Path> {
    let (_, text) = read_folder("src").into_iter().find(|(path, _)| path == FACADE).expect(FACADE);
    let modules = scan(&[], &text).names;
    let names = modules.iter().flat_map(|(module, names)| {
        let imports = names.iter().filter(|(_, name)| matches!(name, Name::Import(_)));
        imports.map(move |(name, _)| [&module[..], slice::from_ref(name)].concat())
    });
    names.collect()
}

/// The paths below `testing` that somebody names.
pub(super) fn used() -> BTreeSet<Path> {
    let files = USERS.iter().flat_map(|folder| read_folder(folder));
    files.flat_map(|(_, text)| used_in(&scan(&[], &text))).collect()
}

fn used_in(scan: &Scan) -> BTreeSet<Path> {
    // By the last segment, also where a function imports it, and by another name where it gets one.
    let mut imports: BTreeMap<&str, &[String]> = BTreeMap::new();
    for mention in scan.mentions.iter().filter(|mention| mention.in_use) {
        imports.insert(&mention.path[mention.path.len() - 1], &mention.path);
    }
    for (name, what) in scan.names.values().flatten() {
        if let Name::Import(path) = what {
            imports.insert(name, path);
        }
    }
    let full = scan.mentions.iter().map(|mention| {
        let imported = imports.get(mention.path[0].as_str()).filter(|_| !mention.in_use);
        imported.map_or(mention.path.clone(), |path| [path, &mention.path[1..]].concat())
    });
    full.filter_map(|path| match &path[..] {
        [krate, testing, rest @ ..] if krate == "metrics_server" && testing == "testing" => {
            Some(rest.to_vec())
        }
        _ => None,
    })
    .collect()
}
