//! No circles between the modules of a crate.
//!
//! At each level of a crate, the modules that stand beside each other are the nodes of a graph: those of
//! the crate's root, and those of every module that has modules below it. A path in one of them that
//! leads into another is an edge. It leads to where the item is defined, whichever module passes it on
//! by `pub use`. A module and those below it are one room, so that what passes between them is no edge:
//! `mod x; pub use x::Y;` is none, and `use super::Error;` is none. Code for tests alone does not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::modules::{Modules, Place};
use super::tree::Tree;
use super::Finding;

/// What each module uses of the others, with the first place where it does.
type Edges = BTreeMap<String, BTreeMap<String, Use>>;

/// Where a module uses another.
struct Use {
    path: String,
    line: usize,
    /// What is written there.
    name: String,
}

/// Modules that stand beside each other do not use each other in a circle.
pub fn no_circles(tree: &Tree) -> Vec<Finding> {
    let mut findings = vec![];
    let roots = tree
        .rust()
        .map(|(path, _)| path)
        .filter(|path| path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs"));
    for root in roots {
        let modules = Modules::read(tree, root, &mut findings);
        for edges in levels(&modules).values() {
            let circles = circles(edges);
            findings.extend(circles.iter().map(|circle| finding(edges, circle)));
        }
    }
    findings
}

/// The graph of each level, by the place of the module above it.
fn levels(modules: &Modules) -> BTreeMap<Place, Edges> {
    let mut levels: BTreeMap<Place, Edges> = BTreeMap::new();
    for (from, module) in modules.all() {
        for reference in &module.references {
            let Some(to) = modules.resolve(from, &reference.segments) else {
                continue;
            };
            let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            let (Some(own), Some(other)) = (from.get(common), to.get(common)) else {
                continue;
            };
            let edges = levels.entry(from[..common].to_vec()).or_default();
            edges.entry(other.clone()).or_default();
            let uses = edges.entry(own.clone()).or_default();
            uses.entry(other.clone()).or_insert_with(|| Use {
                path: module.file.clone(),
                line: reference.line,
                name: reference.segments.join("::"),
            });
        }
    }
    levels
}

/// The sets of modules all of which reach each other.
fn circles(edges: &Edges) -> BTreeSet<BTreeSet<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = edges
        .keys()
        .map(|from| (from.as_str(), reach(edges, from)))
        .collect();
    reached
        .iter()
        .filter(|(from, to)| to.contains(*from))
        .map(|(from, to)| {
            let back = to.iter().filter(|at| reached[*at].contains(from));
            back.map(|&at| at.to_owned()).collect()
        })
        .collect()
}

fn reach<'a>(edges: &'a Edges, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        open.extend(
            edges[at]
                .keys()
                .map(String::as_str)
                .filter(|to| reached.insert(*to)),
        );
    }
    reached
}

/// One shortest way around, with the places.
fn finding(edges: &Edges, circle: &BTreeSet<String>) -> Finding {
    let ways = circle.iter().map(|from| way_around(edges, from));
    let way = ways.min_by_key(Vec::len).unwrap_or_default();
    let uses: Vec<(&str, &Use)> = way
        .iter()
        .zip(way.iter().cycle().skip(1))
        .filter_map(|(from, to)| Some((*from, edges.get(*from)?.get(*to)?)))
        .collect();
    let steps: Vec<String> = uses
        .iter()
        .map(|(from, it)| format!("{from} names {} ({}:{})", it.name, it.path, it.line))
        .collect();
    let names: Vec<&str> = circle.iter().map(String::as_str).collect();
    let message = format!(
        "modules in a circle, {}: {}",
        names.join(", "),
        steps.join("; ")
    );
    let first = uses.first();
    let (path, line) = first.map_or(("", 0), |(_, it)| (&it.path, it.line));
    Finding::at(path, line, message)
}

/// The modules on a shortest way from a module to itself, beginning with it.
fn way_around<'a>(edges: &'a Edges, from: &'a str) -> Vec<&'a str> {
    let mut open = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop_front() {
        let last = way.last().copied().unwrap_or(from);
        for to in edges[last].keys().map(String::as_str) {
            if to == from {
                return way;
            }
            if seen.insert(to) {
                open.push_back([way.clone(), vec![to]].concat());
            }
        }
    }
    vec![]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<(String, &str)> = files
            .iter()
            .map(|(path, text)| (format!("crates/x/src/{path}"), *text))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (&path[..], *text))
            .collect();
        let findings = no_circles(&Tree::of(&files));
        findings.iter().map(ToString::to_string).collect()
    }

    /// The findings of a crate of two modules.
    fn between(root: &str, a: &str, b: &str) -> usize {
        let root = format!("mod a; mod b; {root}");
        found(&[("lib.rs", &root), ("a.rs", a), ("b.rs", b)]).len()
    }

    #[test]
    fn two_modules() {
        let one_way = between("", "use crate::b::Y;", "pub struct Y;");
        assert_eq!(one_way, 0);
        assert_eq!(
            between("", "use crate::b::Y;", "fn f(x: crate::a::X) {}"),
            1
        );
        assert_eq!(between("", "use super::b::{self, Y};", "use super::a;"), 1);
        let in_macro = between("", "fn f() { vec![g(crate::b::Y)]; }", "use crate::a::X;");
        assert_eq!(in_macro, 1);
    }

    #[test]
    fn the_finding_shows_the_way_around() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
            ("a.rs", "\nuse crate::b::Y;"),
            ("b.rs", "use crate::c::Z;"),
            ("c/mod.rs", "mod e;"),
            (
                "c/e.rs",
                "use super::super::a::X; use crate::b::Y; use crate::d::W;",
            ),
            ("d.rs", "pub struct W;"),
        ];
        let message = "crates/x/src/b.rs:1: modules in a circle, a, b, c: \
            b names crate::c::Z (crates/x/src/b.rs:1); c names crate::b::Y (crates/x/src/c/e.rs:1)";
        assert_eq!(found(&files), [message]);
    }

    #[test]
    fn what_is_passed_on_counts_where_it_is_defined() {
        let root = "pub use b::Y; pub use a::X;";
        assert_eq!(between(root, "use crate::Y;", "use crate::X;"), 1);
        assert_eq!(
            between(
                "pub use b::*;",
                "use crate::Y;",
                "use crate::a::X; struct Y;"
            ),
            1
        );
        let through = "pub use crate::b::Y; pub struct X;";
        assert_eq!(
            between("", through, "pub struct Y; fn f(x: crate::a::X) {}"),
            1
        );
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "pub use crate::c::Z;"),
            ("b.rs", "use crate::a::Z;"),
            ("c.rs", "use crate::b::Y;"),
        ];
        // From b to c, not to a, which passes it on.
        assert!(found(&files)[0].contains("in a circle, b, c:"));
    }

    #[test]
    fn a_module_and_those_below_it_are_one_room() {
        let files = [
            ("lib.rs", "mod a; pub use a::X; pub struct Error;"),
            (
                "a/mod.rs",
                "mod b; mod c; pub use b::Y; use c::f; struct X;",
            ),
            (
                "a/b.rs",
                "use super::X; use crate::Error; use super::Y; pub struct Y;",
            ),
            ("a/c.rs", "use super::b::Y; fn f() {}"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn siblings_within_a_module() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; mod c; pub use c::Z;"),
            ("a/b.rs", "use super::Z; pub struct Y;"),
            ("a/c.rs", "pub mod d; pub struct Z;"),
            ("a/c/d.rs", "use crate::a::b::Y;"),
        ];
        assert!(found(&files)[0].contains("in a circle, b, c:"));
        let inline = "mod a { mod b { use super::c::Z; } mod c { use super::b::Y; struct Z; } }";
        assert_eq!(found(&[("lib.rs", inline)]).len(), 1);
    }

    #[test]
    fn tests_do_not_count() {
        let b = "#[cfg(test)] mod tests { use crate::a::X; } #[cfg(test)] use crate::a::X;";
        assert_eq!(between("", "use crate::b::Y;", b), 0);
        let b = "struct Y; impl Y { #[cfg(test)] fn f(x: crate::a::X) {} }";
        assert_eq!(between("", "use crate::b::Y;", b), 0);
    }
}
