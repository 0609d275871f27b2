//! Reads a source file as tokens: what its modules define and import, and which paths it names.
//!
//! Tests are set aside: whatever stands under `#[cfg(test)]`. Comments and strings are no tokens, so they name nothing.

use std::collections::BTreeMap;

use proc_macro2::token_stream::IntoIter;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Segments of a path, the first one may be `crate`, `self` or `super`.
pub(super) type Path = Vec<String>;

/// What a name stands for inside a module.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// A module below.
    Module,
    /// Anything else that is defined there.
    Item,
    /// Another path, by `use`.
    Import(Path),
}

/// A path that a file names, and where.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    /// The module in which it stands.
    pub(super) module: Path,
    pub(super) path: Path,
    pub(super) line: usize,
    /// It stands in a `use`, where a path of one segment is a crate or a module.
    pub(super) in_use: bool,
}

/// A struct, enum, trait or union.
#[derive(Clone, Debug)]
pub(super) struct Type {
    pub(super) name: String,
    pub(super) line: usize,
}

/// All that was found in a file.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The names of each module in the file: of its own and of those inside of it.
    pub(super) names: BTreeMap<Path, BTreeMap<String, Name>>,
    /// What `use path::*` brings into a module.
    pub(super) globs: Vec<(Path, Path)>,
    pub(super) mentions: Vec<Mention>,
    pub(super) types: Vec<Type>,
    /// Modules that are there in tests only.
    pub(super) test_modules: Vec<Path>,
}

/// Reads the file that holds `module`.
///
/// # Panics
/// If the text is no Rust.
pub(super) fn scan(module: &[String], text: &str) -> Scan {
    let tokens: TokenStream = text.parse().expect("sources are Rust");
    let mut scan = Scan::default();
    scan.names.insert(module.to_vec(), BTreeMap::new());
    scan.tokens(module, tokens, true);
    scan
}

impl Scan {
    /// Goes through the tokens of a module, or of an item in it.
    fn tokens(&mut self, module: &[String], tokens: TokenStream, top: bool) {
        let mut rest = tokens.into_iter();
        // `pub(in path)` says who may use a thing, and uses none.
        if matches!(rest.clone().next(), Some(TokenTree::Ident(word)) if word == "in") {
            return;
        }
        while let Some(token) = rest.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    self.attribute(module, &mut rest, top);
                }
                TokenTree::Group(group) => self.tokens(module, group.stream(), false),
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    self.word(module, &ident.to_string(), line, &mut rest, top);
                }
                // A path behind a type, as in `<T as Trait>::NAME`, or a crate's: none of ours.
                TokenTree::Punct(punct) if punct.as_char() == ':' && colons(&mut rest) => {
                    path(&mut rest, String::new());
                }
                _ => {}
            }
        }
    }

    fn word(&mut self, module: &[String], word: &str, line: usize, rest: &mut IntoIter, top: bool) {
        match word {
            // `impl Trait + use<'a>` imports nothing.
            "use" if matches!(rest.clone().next(), Some(TokenTree::Punct(p)) if p.as_char() == '<') =>
                {}
            "use" => {
                let mut leaves = Vec::new();
                use_tree(rest, &[], &mut leaves);
                for leaf in leaves {
                    self.import(module, leaf, line, top);
                }
            }
            "mod" if top => self.module(module, rest),
            "macro_rules" if top => {
                if let Some(TokenTree::Ident(name)) = rest.nth(1) {
                    self.define(module, name.to_string(), Name::Item);
                }
            }
            "struct" | "enum" | "trait" | "union" | "fn" | "type" | "const" | "static" if top => {
                self.item(module, word, line, rest);
            }
            _ => {
                let path = path(rest, word.to_owned());
                if path.len() > 1 {
                    self.mention(module, path, line, false);
                }
            }
        }
    }

    fn mention(&mut self, module: &[String], path: Path, line: usize, in_use: bool) {
        self.mentions.push(Mention { module: module.to_vec(), path, line, in_use });
    }

    fn define(&mut self, module: &[String], name: String, what: Name) {
        // A module and a function may have one name; what leads on is kept.
        let names = self.names.entry(module.to_vec()).or_default();
        let kept = match names.get(&name) {
            Some(Name::Module) => true,
            Some(Name::Item) => matches!(what, Name::Import(_)),
            Some(Name::Import(_)) | None => false,
        };
        if !kept {
            names.insert(name, what);
        }
    }

    fn import(&mut self, module: &[String], leaf: Leaf, line: usize, top: bool) {
        match leaf.name {
            Some(name) if top => self.define(module, name, Name::Import(leaf.path.clone())),
            None => self.globs.push((module.to_vec(), leaf.path.clone())),
            Some(_) => {}
        }
        self.mention(module, leaf.path, line, true);
    }

    /// `mod name;` or `mod name { … }`, after the first word.
    fn module(&mut self, module: &[String], rest: &mut IntoIter) {
        let Some(TokenTree::Ident(name)) = rest.next() else { return };
        let name = name.to_string();
        self.define(module, name.clone(), Name::Module);
        if let Some(TokenTree::Group(body)) = rest.next() {
            let inner = [module, &[name]].concat();
            self.names.entry(inner.clone()).or_default();
            self.tokens(&inner, body.stream(), true);
        }
    }

    /// What is defined by one of the words that begin an item; `const fn` and the like begin with the next word.
    fn item(&mut self, module: &[String], word: &str, line: usize, rest: &mut IntoIter) {
        let mut ahead = rest.clone();
        let Some(TokenTree::Ident(name)) = ahead.next() else { return };
        let name = name.to_string();
        if matches!(name.as_str(), "fn" | "unsafe" | "extern" | "mut") {
            return;
        }
        *rest = ahead;
        if matches!(word, "struct" | "enum" | "trait" | "union") {
            self.types.push(Type { name: name.clone(), line });
        }
        self.define(module, name, Name::Item);
    }

    /// What follows a `#`: sets the item aside if it is there in tests only.
    fn attribute(&mut self, module: &[String], rest: &mut IntoIter, top: bool) {
        let mut ahead = rest.clone();
        let mut token = ahead.next();
        if matches!(&token, Some(TokenTree::Punct(punct)) if punct.as_char() == '!') {
            token = ahead.next();
        }
        let Some(TokenTree::Group(attribute)) = token else { return };
        *rest = ahead;
        if is_test(&attribute) {
            let mut after_mod = false;
            for token in rest.by_ref() {
                match token {
                    TokenTree::Punct(punct) if punct.as_char() == ';' => return,
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
                    TokenTree::Ident(name) if after_mod && top => {
                        self.test_modules.push([module, &[name.to_string()]].concat());
                    }
                    TokenTree::Ident(word) => after_mod = word == "mod",
                    _ => {}
                }
            }
        }
    }
}

fn is_test(attribute: &Group) -> bool {
    let text = attribute.stream().to_string().replace(' ', "");
    text.starts_with("cfg(test)") || text.starts_with("cfg(all(test,")
}

/// Takes the second of two colons.
fn colons(rest: &mut IntoIter) -> bool {
    let mut ahead = rest.clone();
    let second = matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    if second {
        *rest = ahead;
    }
    second
}

/// The path that begins with `first`: as far as names and double colons go.
fn path(rest: &mut IntoIter, first: String) -> Path {
    let mut path = vec![first];
    loop {
        let mut ahead = rest.clone();
        let colon = matches!(ahead.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        if !colon || !colons(&mut ahead) {
            return path;
        }
        let Some(TokenTree::Ident(name)) = ahead.next() else { return path };
        path.push(name.to_string());
        *rest = ahead;
    }
}

/// One path of a `use`, and the name that it gets; none for `*`.
struct Leaf {
    path: Path,
    name: Option<String>,
}

/// Reads a tree of a `use`, up to its comma, its semicolon or the end of its group.
fn use_tree(rest: &mut IntoIter, prefix: &[String], leaves: &mut Vec<Leaf>) {
    let mut path = prefix.to_vec();
    let mut renamed = None;
    while let Some(token) = rest.next() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                renamed = rest.next().map(|name| name.to_string());
            }
            TokenTree::Ident(word) if word == "self" && !prefix.is_empty() => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) => {
                let mut trees = group.stream().into_iter();
                while trees.clone().next().is_some() {
                    use_tree(&mut trees, &path, leaves);
                }
                path.clear();
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                leaves.push(Leaf { path: std::mem::take(&mut path), name: None });
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), ',' | ';') => break,
            _ => {}
        }
    }
    if let Some(last) = path.last().cloned() {
        leaves.push(Leaf { path, name: Some(renamed.unwrap_or(last)) });
    }
}
