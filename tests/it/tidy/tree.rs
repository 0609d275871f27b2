//! The modules of a crate and what their names stand for: through `self`, `super`, imports and re-exports, down to the
//! file where a thing is defined.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path;
use std::slice;

use super::scan::{Mention, Name, Path, Scan, scan};

/// Longer chains of imports are taken for a circle.
const IMPORTS_MAX: usize = 16;

/// A source file.
#[derive(Debug)]
pub(super) struct File {
    /// Its path from the folder that holds `Cargo.toml`.
    pub(super) path: String,
    pub(super) text: String,
    /// The module that it holds; empty for the crate's root.
    pub(super) module: Path,
    scan: Scan,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// This file of the crate.
    File(usize),
    /// A crate or a name of the language.
    Outside(String),
}

/// A file that names another.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
}

/// The files of a crate, without those that hold tests.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    /// Which file each module is in.
    modules: BTreeMap<Path, usize>,
}

impl Tree {
    /// Reads the crate with this root. Its modules are looked for in these folders, in this order: what `#[path]` says
    /// is not read.
    pub(super) fn read(root: &str, folders: &[&str]) -> Self {
        let texts = folders.iter().flat_map(|folder| read_folder(folder)).chain([read_file(root)]);
        Self::new(root, folders, &texts.collect())
    }

    /// Of paths and texts, among which may be some of other crates: they are left out, since the root does not
    /// declare their modules.
    pub(super) fn new(root: &str, folders: &[&str], texts: &BTreeMap<String, String>) -> Self {
        let declared = &scan(&[], &texts[root]).names[&Path::new()];
        let is_declared = |module: &Path| match module.first() {
            Some(first) => matches!(declared.get(first), Some(Name::Module)),
            None => true,
        };
        let place =
            |path: &str| if path == root { Some(Path::new()) } else { module(folders, path) };
        let mut files: Vec<File> = texts
            .iter()
            .filter_map(|(path, text)| Some((place(path).filter(is_declared)?, path, text)))
            .map(|(module, path, text)| {
                let scan = scan(&module, text);
                File { scan, path: path.clone(), text: text.clone(), module }
            })
            .collect();
        let tests: BTreeSet<Path> =
            files.iter().flat_map(|file| file.scan.test_modules.clone()).collect();
        files.retain(|file| !(0..=file.module.len()).any(|n| tests.contains(&file.module[..n])));
        let modules = files.iter().enumerate().flat_map(|(index, file)| {
            file.scan.names.keys().map(move |module| (module.clone(), index))
        });
        let modules = modules.collect();
        Self { files, modules }
    }

    /// All that the file names.
    pub(super) fn mentions(&self, file: usize) -> &[Mention] {
        &self.files[file].scan.mentions
    }

    /// Every file's mention of another file.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut edges = Vec::new();
        for from in 0..self.files.len() {
            for mention in self.mentions(from) {
                if let Target::File(to) = self.resolve(mention)
                    && to != from
                {
                    edges.push(Edge { from, to, line: mention.line });
                }
            }
        }
        edges
    }

    /// Where a path leads to that stands in a file.
    pub(super) fn resolve(&self, mention: &Mention) -> Target {
        self.follow(&mention.module, &mention.path, 0)
    }

    fn follow(&self, module: &[String], path: &[String], imports: usize) -> Target {
        assert!(imports < IMPORTS_MAX, "{path:?} in {module:?} leads to itself");
        let mut at = module.to_vec();
        let mut rest = path;
        while let [first, more @ ..] = rest {
            match first.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => break,
            }
            rest = more;
        }
        let relative = rest.len() == path.len();
        while let [first, more @ ..] = rest {
            match self.look_up(&at, first) {
                Some((owner, Name::Module)) => at = [&owner[..], slice::from_ref(first)].concat(),
                Some((owner, Name::Item)) => return Target::File(self.modules[&owner]),
                // `use anyhow::anyhow;`: the first of the two is the crate.
                Some((_, Name::Import(import))) if import[0] == *first => {
                    return Target::Outside(first.clone());
                }
                Some((owner, Name::Import(import))) => {
                    return self.follow(&owner, &[&import[..], more].concat(), imports + 1);
                }
                None if relative && rest.len() == path.len() => {
                    return Target::Outside(first.clone());
                }
                None => break,
            }
            rest = more;
        }
        self.modules.get(&at).map_or_else(|| Target::Outside(path[0].clone()), |f| Target::File(*f))
    }

    /// The name in this module, and the module where it is written, which is another one behind `use path::*`.
    fn look_up(&self, module: &[String], name: &str) -> Option<(Path, Name)> {
        let file = *self.modules.get(module)?;
        let scan = &self.files[file].scan;
        if let Some(found) = scan.names[module].get(name) {
            return Some((module.to_vec(), found.clone()));
        }
        scan.globs.iter().filter(|(within, _)| within == module).find_map(|(_, glob)| {
            let [first, ..] = &glob[..] else { return None };
            let own = matches!(first.as_str(), "crate" | "self" | "super")
                || scan.names[module].contains_key(first);
            let target = own.then(|| self.module_of(module, glob)).flatten()?;
            (target != module).then(|| self.look_up(&target, name)).flatten()
        })
    }

    /// The module to which a path of modules leads.
    fn module_of(&self, module: &[String], path: &[String]) -> Option<Path> {
        let mut at = module.to_vec();
        for segment in path {
            match segment.as_str() {
                "crate" => at.clear(),
                "super" => drop(at.pop()),
                "self" => {}
                _ => at.push(segment.clone()),
            }
        }
        self.modules.contains_key(&at).then_some(at)
    }
}

/// Path and text of a Rust source.
fn read_file(path: &str) -> (String, String) {
    let full = path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    (path.to_owned(), fs::read_to_string(full).expect("sources are readable"))
}

/// Paths and texts of all Rust sources below a folder.
pub(super) fn read_folder(folder: &str) -> BTreeMap<String, String> {
    let root = path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folders of sources are readable") {
            let path = entry.expect("folders of sources are readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let path = path.strip_prefix(root).expect("below the root");
                let (path, text) = read_file(path.to_str().expect("a name in text"));
                texts.insert(path, text);
            }
        }
    }
    texts
}

/// The module of a file, by the first of the folders that it is in.
fn module(folders: &[&str], path: &str) -> Option<Path> {
    let within = |folder: &&str| path.strip_prefix(folder)?.strip_prefix('/');
    let path = folders.iter().find_map(within)?.strip_suffix(".rs")?;
    Some(path.split('/').map(str::to_owned).collect())
}
