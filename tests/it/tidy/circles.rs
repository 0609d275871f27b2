//! Circles of files that name each other: none can be read, tested or taken away without the others.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::Tree;

/// Each circle as the paths of its files, in order.
pub(super) fn circles(tree: &Tree) -> Vec<Vec<String>> {
    let mut named: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for edge in tree.edges() {
        named.entry(edge.from).or_default().insert(edge.to);
    }
    let reached: Vec<BTreeSet<usize>> =
        (0..tree.files.len()).map(|file| reach(&named, file)).collect();
    let mut circles = BTreeSet::new();
    for (file, from_here) in reached.iter().enumerate().filter(|(file, set)| set.contains(file)) {
        let circle = from_here.iter().filter(|other| reached[**other].contains(&file));
        circles.insert(circle.map(|other| tree.files[*other].path.clone()).collect());
    }
    circles.into_iter().collect()
}

/// The mentions that make a circle, a line each.
pub(super) fn explain(tree: &Tree, circle: &[String]) -> String {
    let within = |file: usize| circle.contains(&tree.files[file].path);
    let lines = tree.edges().into_iter().filter(|edge| within(edge.from) && within(edge.to));
    let lines: BTreeSet<String> = lines
        .map(|edge| {
            let [from, to] = [edge.from, edge.to].map(|file| &tree.files[file].path);
            format!("    {from}:{} names {to}", edge.line)
        })
        .collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// All files that are named by this one, and by those, and so on.
fn reach(named: &BTreeMap<usize, BTreeSet<usize>>, file: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for next in named.get(&file).into_iter().flatten() {
            if reached.insert(*next) {
                open.push(*next);
            }
        }
    }
    reached
}
