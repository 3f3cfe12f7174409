//! Columns have names: no trace is addressed by a column's number.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Expr, ExprIndex, ExprLit, File, Item, Lit, Member};

use super::syntax::{in_syntax, line};
use super::tree::Tree;
use super::Finding;

/// Where traces and witnesses are.
const FOLDERS: [&str; 3] = ["crates/air/src/", "crates/prover/", "dev/hostile/"];
/// The file of a component in which its columns stand in order.
const COLUMNS: &str = "/columns.rs";
/// What holds columns, by its name.
const HOLDERS: [&str; 4] = ["columns", "trace", "tree", "witness"];

/// Outside of `columns.rs`, no index of a column is, or contains, a number: neither `columns[3]`,
/// nor `cells[2 * lane][row]`, nor a constant that is a number.
pub fn no_numbers(tree: &Tree) -> Vec<Finding> {
    let holds = |path: &str| {
        FOLDERS.iter().any(|folder| path.starts_with(folder)) && !path.ends_with(COLUMNS)
    };
    let constants: BTreeSet<String> = tree
        .rust()
        .filter(|(path, _)| holds(path))
        .filter_map(|(_, text)| syn::parse_file(text).ok())
        .flat_map(|file| number_constants(&file))
        .collect();
    in_syntax(tree, holds, |file| {
        let mut reader = Reader {
            constants: &constants,
            found: vec![],
        };
        reader.visit_file(file);
        reader.found
    })
}

/// The constants of a file that are integers as they are written.
fn number_constants(file: &File) -> Vec<String> {
    struct Constants(Vec<String>);
    impl<'ast> Visit<'ast> for Constants {
        fn visit_item(&mut self, item: &'ast Item) {
            if let Item::Const(constant) = item {
                if is_integer(&constant.expr) {
                    self.0.push(constant.ident.to_string());
                }
            }
            visit::visit_item(self, item);
        }
    }
    let mut constants = Constants(vec![]);
    constants.visit_file(file);
    constants.0
}

fn is_integer(expression: &Expr) -> bool {
    matches!(
        expression,
        Expr::Lit(ExprLit {
            lit: Lit::Int(_),
            ..
        })
    )
}

struct Reader<'a> {
    constants: &'a BTreeSet<String>,
    found: Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_expr_index(&mut self, outer: &'ast ExprIndex) {
        let column = match &*outer.expr {
            _ if holds_columns(&outer.expr) => Some(&outer.index),
            Expr::Index(inner) if is_row(&outer.index) && !holds_columns(&inner.expr) => {
                Some(&inner.index)
            }
            _ => None,
        };
        if column.is_some_and(|column| self.is_number(column)) {
            let line = line(outer.bracket_token.span.open());
            self.found
                .push((line, "a column by its number: give it its name".to_owned()));
        }
        visit::visit_expr_index(self, outer);
    }
}

impl Reader<'_> {
    /// Whether a number stands in the expression, outside of what it calls.
    fn is_number(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Binary(both) => self.is_number(&both.left) || self.is_number(&both.right),
            Expr::Cast(cast) => self.is_number(&cast.expr),
            Expr::Paren(inside) => self.is_number(&inside.expr),
            Expr::Range(range) => [&range.start, &range.end]
                .into_iter()
                .flatten()
                .any(|end| self.is_number(end)),
            Expr::Path(path) => path
                .path
                .segments
                .last()
                .is_some_and(|name| self.constants.contains(&name.ident.to_string())),
            _ => is_integer(expression),
        }
    }
}

/// Whether an expression is called something that holds columns.
fn holds_columns(expression: &Expr) -> bool {
    let name = match expression {
        Expr::Path(path) => path.path.segments.last().map(|name| &name.ident),
        Expr::Field(field) => match &field.member {
            Member::Named(name) => Some(name),
            Member::Unnamed(_) => None,
        },
        Expr::MethodCall(call) => Some(&call.method),
        Expr::Call(call) => return holds_columns(&call.func),
        Expr::Paren(inside) => return holds_columns(&inside.expr),
        Expr::Reference(inside) => return holds_columns(&inside.expr),
        _ => None,
    };
    name.is_some_and(|name| {
        let name = name.to_string();
        let ends = |holder: &str| name == holder || name.ends_with(&format!("_{holder}"));
        HOLDERS.into_iter().any(ends)
    })
}

/// Whether an index is that of a row.
fn is_row(index: &Expr) -> bool {
    match index {
        Expr::Path(path) => path.path.is_ident("row"),
        Expr::Binary(both) => is_row(&both.left) || is_row(&both.right),
        Expr::Paren(inside) => is_row(&inside.expr),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines_of(path: &str, code: &str) -> Vec<usize> {
        let tree = Tree::of(&[
            (path, &format!("fn f() {{\n{code}\n}}")),
            ("crates/air/src/a.rs", "const WEIGHT: usize = 5;"),
        ]);
        let findings = no_numbers(&tree);
        findings.iter().map(|finding| finding.line - 1).collect()
    }

    fn lines(code: &str) -> Vec<usize> {
        lines_of("dev/hostile/src/b.rs", code)
    }

    #[test]
    fn numbers() {
        assert_eq!(lines("columns[3][row] = x;"), [1]);
        assert_eq!(lines("let x = &\nmain_columns[0];"), [2]);
        assert_eq!(lines("self.witness[8]; trace.columns()[1];"), [1, 1]);
        assert_eq!(lines("trace.tree(Tree::StateAfter)[2 * lane + 1]"), [1]);
        assert_eq!(lines("entries(&self.witness)[3][row]"), [1]);
        assert_eq!(lines("state[2 * lane + which][row + 1]"), [1]);
        assert_eq!(lines("columns[width - 1]; columns[..2];"), [1, 1]);
    }

    #[test]
    fn constants_that_are_numbers() {
        assert_eq!(lines("cells[WEIGHT][row]; columns[a::WEIGHT];"), [1, 1]);
        assert_eq!(lines("let WIDTH = 3; columns[WIDTH];"), NONE);
    }

    #[test]
    fn names() {
        assert_eq!(lines("columns[column][row]; columns[at(3)];"), NONE);
        assert_eq!(lines("columns[columns.len() - width];"), NONE);
        assert_eq!(lines("trace.component(\"a\").column(\"b\")[row]"), NONE);
        assert_eq!(lines("heads[0][dim]; steps[1]; tokens[2][rows]"), NONE);
    }

    #[test]
    fn places() {
        let code = "columns[3][row]";
        assert_eq!(lines_of("crates/prover/tests/a.rs", code), [1]);
        assert_eq!(lines_of("crates/air/src/ops/a/witness.rs", code), [1]);
        assert_eq!(lines_of("crates/air/src/ops/a/columns.rs", code), NONE);
        assert_eq!(lines_of("crates/cli/src/text.rs", code), NONE);
    }
}
