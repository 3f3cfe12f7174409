//! A new variant does not compile until it has its place.

use syn::visit::{self, Visit};
use syn::{ExprMatch, Ident, ItemImpl, Pat, Path, Type};

use super::syntax::{in_syntax, line};
use super::tree::Tree;
use super::Finding;

/// Relations, trees, tables, and what a proof is of; with them all whose names end in `Selector`.
const ENUMS: [&str; 8] = [
    "Cut",
    "InputSpace",
    "MatrixKind",
    "Preprocessed",
    "ProofPart",
    "RelationTag",
    "Table",
    "Tree",
];

/// A match that names variants of such an enum has no arm for all others.
pub fn no_wildcards(tree: &Tree) -> Vec<Finding> {
    in_syntax(
        tree,
        |_| true,
        |file| {
            let mut reader = Reader::default();
            reader.visit_file(file);
            reader.found
        },
    )
}

#[derive(Default)]
struct Reader {
    /// What `Self` is.
    this: Option<String>,
    found: Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let this = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|name| name.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.this, this);
        visit::visit_item_impl(self, item);
        self.this = outer;
    }

    fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
        let patterns: Vec<&Pat> = expression.arms.iter().map(|arm| &arm.pat).collect();
        for arm in &expression.arms {
            if arm.guard.is_some() {
                continue;
            }
            if let Some(name) = self.passed_over(&arm.pat, &patterns) {
                let line = line(arm.fat_arrow_token.spans[0]);
                let message = format!("an arm for all other variants of {name}: name them");
                self.found.push((line, message));
            }
        }
        visit::visit_expr_match(self, expression);
    }
}

impl Reader {
    /// The enum whose variants, named by `others`, a pattern takes without their names.
    fn passed_over(&self, pattern: &Pat, others: &[&Pat]) -> Option<String> {
        if takes_all(pattern) {
            return others.iter().find_map(|other| self.named(other));
        }
        let Pat::TupleStruct(wrapped) = bare(pattern) else {
            return None;
        };
        let [inside] = &wrapped.elems.iter().collect::<Vec<_>>()[..] else {
            return None;
        };
        let in_the_same: Vec<&Pat> = others
            .iter()
            .filter_map(|other| match bare(other) {
                Pat::TupleStruct(other) if last(&other.path) == last(&wrapped.path) => {
                    other.elems.first()
                }
                _ => None,
            })
            .collect();
        self.passed_over(inside, &in_the_same)
    }

    /// The enum of which a pattern names a variant.
    fn named(&self, pattern: &Pat) -> Option<String> {
        match bare(pattern) {
            Pat::Path(path) => self.enum_of(&path.path),
            Pat::Struct(variant) => self.enum_of(&variant.path),
            Pat::TupleStruct(variant) if variant.path.is_ident("Some") => {
                variant.elems.iter().find_map(|inside| self.named(inside))
            }
            Pat::TupleStruct(variant) => self.enum_of(&variant.path),
            Pat::Tuple(tuple) => tuple.elems.iter().find_map(|inside| self.named(inside)),
            Pat::Slice(slice) => slice.elems.iter().find_map(|inside| self.named(inside)),
            Pat::Or(either) => either.cases.iter().find_map(|case| self.named(case)),
            Pat::Ident(bound) => bound
                .subpat
                .as_ref()
                .and_then(|(_, inside)| self.named(inside)),
            _ => None,
        }
    }

    fn enum_of(&self, path: &Path) -> Option<String> {
        let mut from_last = path.segments.iter().rev().skip(1);
        let name = from_last.next()?.ident.to_string();
        let name = if name == "Self" {
            self.this.clone()?
        } else {
            name
        };
        let is_guarded = name.ends_with("Selector") || ENUMS.contains(&name.as_str());
        is_guarded.then_some(name)
    }
}

fn last(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|name| &name.ident)
}

/// Whether a pattern takes everything: `_`, a name, or only these.
fn takes_all(pattern: &Pat) -> bool {
    match bare(pattern) {
        Pat::Wild(_) | Pat::Rest(_) => true,
        Pat::Ident(bound) => {
            // A capital begins the name of a constant or of a variant.
            let is_binding = !bound.ident.to_string().starts_with(char::is_uppercase);
            is_binding
                && bound
                    .subpat
                    .as_ref()
                    .is_none_or(|(_, inside)| takes_all(inside))
        }
        Pat::Tuple(tuple) => tuple.elems.iter().all(takes_all),
        Pat::Or(either) => either.cases.iter().any(takes_all),
        _ => false,
    }
}

/// A pattern without references and parentheses around it.
fn bare(pattern: &Pat) -> &Pat {
    match pattern {
        Pat::Reference(reference) => bare(&reference.pat),
        Pat::Paren(inside) => bare(&inside.pat),
        _ => pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines_of(source: &str) -> Vec<usize> {
        let tree = Tree::of(&[("crates/a/tests/b.rs", source)]);
        let findings = no_wildcards(&tree);
        findings.iter().map(|finding| finding.line).collect()
    }

    /// The arms, from 1, that are found.
    fn arms(arms: &[&str]) -> Vec<usize> {
        let arms: String = arms.iter().map(|arm| format!("\n{arm} => {{}}")).collect();
        let found = lines_of(&format!("fn f() {{ match x {{{arms}\n}} }}"));
        found.into_iter().map(|line| line - 1).collect()
    }

    #[test]
    fn all_others() {
        assert_eq!(arms(&["Tree::Witness", "_"]), [2]);
        assert_eq!(arms(&["&trees::Tree::Witness | Tree::Model", "&_"]), [2]);
        assert_eq!(arms(&["Table::Limb(3)", "other"]), [2]);
        assert_eq!(arms(&["(ProofPart::Lookup, 1)", "(_, _)"]), [2]);
        assert_eq!(arms(&["Some(Cut::Split)", "Some(_)", "None"]), [2]);
        assert_eq!(arms(&["Some(Cut::Split)", "_"]), [2]);
        assert_eq!(arms(&["Tree::Model if a", "b @ _"]), [2]);
    }

    #[test]
    fn variants_by_name() {
        assert_eq!(arms(&["Tree::Witness", "Tree::Model"]), NONE);
        assert_eq!(arms(&["Table::Limb(_)", "Table::Value { .. }"]), NONE);
        assert_eq!(arms(&["Ok(Tree::Model)", "Err(_)"]), NONE);
        assert_eq!(arms(&["(Tree::Model, _)", "(Tree::Witness, _)"]), NONE);
        assert_eq!(arms(&["_ if a", "Tree::Model"]), NONE);
        assert_eq!(arms(&["Leaf::Model", "_"]), NONE);
        // A match over what holds such a value, and not over the value.
        assert_eq!(arms(&["Failure::Of(Tree::Model)", "_"]), NONE);
        assert_eq!(arms(&["Failure::At { tree: Tree::Model }", "_"]), NONE);
        assert_eq!(arms(&["Failure::Of(Tree::Model)", "Failure::Of(_)"]), [2]);
        assert_eq!(arms(&["3", "_"]), NONE);
    }

    #[test]
    fn the_enums_own_methods() {
        let own = "{ fn f(self) { match self { Self::Model => {}\n_ => {} } } }";
        assert_eq!(lines_of(&format!("impl Tree {own}")), [2]);
        assert_eq!(lines_of(&format!("impl fmt::Display for Tree {own}")), [2]);
        assert_eq!(lines_of(&format!("impl Leaf {own}")), NONE);
    }

    #[test]
    fn arms_that_stand_within_others() {
        let source = "fn f() { match x { 1 => match y { Tree::Model => {}\n_ => {} },\n_ => {} } }";
        assert_eq!(lines_of(source), [2]);
    }
}
