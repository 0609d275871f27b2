//! The reader of sources itself: it must see what it is there for, or the rules would hold whatever the sources say.

use super::circles::circles;
use super::tree::{Target, Tree};

fn tree(files: &[(&str, &str)]) -> Tree {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Tree::new("src/lib.rs", &["src"], &texts)
}

/// Who names whom, as `from>to`, without repetition.
fn named(files: &[(&str, &str)]) -> Vec<String> {
    let tree = tree(files);
    let short = |file: usize| tree.files[file].path["src/".len()..].trim_end_matches(".rs");
    let mut named: Vec<String> =
        tree.edges().iter().map(|e| format!("{}>{}", short(e.from), short(e.to))).collect();
    named.sort();
    named.dedup();
    named
}

#[test]
fn a_child_that_names_its_parent() {
    let files = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod b; struct Y; fn f() { b::x(); }"),
        ("src/a/b.rs", "use super::Y; pub(crate) fn x() -> Y { todo!() }"),
    ];
    assert_eq!(named(&files), ["a/b>a", "a>a/b"]);
    assert_eq!(circles(&tree(&files)), [["src/a.rs", "src/a/b.rs"]]);
}

#[test]
fn siblings_and_three_in_a_row() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "fn f() { crate::b::f() }"),
        ("src/b.rs", "fn f() -> super::c::T { T }"),
        ("src/c.rs", "struct T; use crate::{d::{self}, a as other}; fn f() { d::f() }"),
        ("src/d.rs", "fn f() {}"),
    ];
    assert_eq!(named(&files), ["a>b", "b>c", "c>a", "c>d"]);
    assert_eq!(circles(&tree(&files)), [["src/a.rs", "src/b.rs", "src/c.rs"]]);
}

#[test]
fn what_is_exported_again_is_where_it_is_defined() {
    let files = [
        ("src/lib.rs", "mod a; mod user;"),
        (
            "src/a.rs",
            "mod b; pub(crate) use b::{T as Renamed, inner::*}; pub(crate) use self::b::U;",
        ),
        ("src/a/b.rs", "pub(crate) struct T; pub(crate) enum U {} pub(crate) mod inner;"),
        ("src/a/b/inner.rs", "pub(crate) trait I {}"),
        (
            "src/user.rs",
            "use crate::a::Renamed; fn f() { let x: crate::a::U; } impl crate::a::I for X {}",
        ),
    ];
    assert_eq!(named(&files), ["a>a/b", "a>a/b/inner", "user>a/b", "user>a/b/inner"]);
}

#[test]
fn imports_lead_on() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        (
            "src/a.rs",
            "use crate::b; fn f() { b::c::x(); g::<b::T>() } mod inside { use super::super::c::y; }",
        ),
        ("src/b.rs", "pub(crate) use crate::c; pub(crate) struct T;"),
        ("src/c.rs", "fn x() {} fn y() {}"),
    ];
    assert_eq!(named(&files), ["a>b", "a>c", "b>c"]);
}

#[test]
fn what_names_nothing() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            r#"//! crate::b::x
            /* crate::b::x */ /// [`crate::b::x`]
            pub(in crate::b) fn f() -> impl Sized + use<'static> { "crate::b::x" }
            fn g() { <T as Trait>::b::x; ::b::x(); }
            #[cfg(test)] use crate::b::{x, y};
            #[cfg(test)] mod tests { use crate::b::x; }"#,
        ),
        ("src/b.rs", "fn x() {} #[cfg(test)] mod tests;"),
        ("src/b/tests.rs", "use crate::a::f;"),
    ];
    assert!(named(&files).is_empty(), "{:?}", named(&files));
    assert_eq!(tree(&files).files.len(), 3, "a file of tests is none of the crate's");
}

#[test]
fn macros_name_and_are_named() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "fn f() { assert!(crate::b::x(), \"{}\", 1); }"),
        ("src/b.rs", "macro_rules! m { () => { crate::a::f() }; } pub(crate) use m; fn x() {}"),
    ];
    assert_eq!(named(&files), ["a>b", "b>a"]);
}

#[test]
fn crates_are_told_from_modules() {
    let files = [
        ("src/lib.rs", "mod log; mod a;"),
        ("src/log.rs", "fn f() {}"),
        (
            "src/a.rs",
            "use serde::serde; use mio; fn f() { mio::Poll::new(); log::warn!(); serde::x() }",
        ),
    ];
    let tree = tree(&files);
    let outside: Vec<_> = tree.mentions(0).iter().map(|mention| tree.resolve(mention)).collect();
    let outside: Vec<&str> = outside
        .iter()
        .map(|target| match target {
            Target::Outside(name) => name.as_str(),
            Target::File(_) => "a file",
        })
        .collect();
    assert_eq!(outside, ["serde", "mio", "mio", "log", "serde"]);
}
