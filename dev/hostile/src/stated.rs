//! The names of all constraints and lookups, written down beside the components that state them.
//!
//! Whatever takes its targets from the components cannot notice what they no longer state. So the names
//! stand in a list of their own, `stated.json`: for every component, in each form that it has in some
//! case of the suite, its constraints by name and its lookups by relation, each with a count. The class
//! `names` compares the list with the components, both ways; the constraint drop and the sweep over
//! deletions take their targets from the list.
//!
//! `cargo run --release -p matchmark-hostile -- write-stated` writes the list anew from the components:
//! what it changes is what the relation has gained or lost.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use camino::Utf8Path;
use matchmark_air::relation::RelationTag;
use serde::{Deserialize, Serialize};

use crate::cases::{self, Case};
use crate::checker::{names, tuple_labels, Drop, Names};
use crate::decoder;
use crate::world::ATTENTION;

/// Where the list stands, from the root of the workspace.
pub const PATH: &str = "dev/hostile/stated.json";

static LIST: LazyLock<Vec<Statement>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../stated.json")).unwrap());

/// How often each name occurs in a row.
pub type Counts = BTreeMap<String, usize>;

/// What a component states on each row, in some cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Statement {
    component: String,
    cases: BTreeSet<String>,
    constraints: Counts,
    lookups: Counts,
}

/// Constraints and lookups by component.
pub type Stated = BTreeMap<String, [Counts; 2]>;

/// What the list has for a case.
pub fn listed(case: &str) -> Stated {
    let of_case = LIST.iter().filter(|it| it.cases.contains(case));
    of_case
        .map(|it| {
            let counts = [it.constraints.clone(), it.lookups.clone()];
            (it.component.clone(), counts)
        })
        .collect()
}

/// The cases of the list.
pub fn listed_cases() -> BTreeSet<String> {
    LIST.iter().flat_map(|it| it.cases.clone()).collect()
}

/// What the components of a case state. Those of all tables count as one.
pub fn stated(case: &Case) -> Stated {
    let mut all = Stated::new();
    for names in names(case) {
        let [constraints, lookups] = all.entry(names.component.to_owned()).or_default();
        for name in names.constraints {
            *constraints.entry(name.to_owned()).or_default() += 1;
        }
        for tag in names.tuples {
            *lookups.entry(tag.name().to_owned()).or_default() += 1;
        }
    }
    all
}

/// All cases of the suite whose components are on the list.
pub fn all_cases() -> Vec<Arc<Case>> {
    let attention = cases::all().into_iter().chain(cases::edges());
    let attention = attention.chain(cases::unstated());
    let attention = attention.map(|spec| spec.case());
    let decoders = decoder::cases::all();
    attention
        .chain(decoders.iter().map(|spec| spec.case()))
        .collect()
}

/// Writes the list anew.
pub fn write(path: &Utf8Path) -> std::io::Result<()> {
    let mut list: Vec<Statement> = vec![];
    for case in all_cases() {
        for (component, [constraints, lookups]) in stated(&case) {
            let same = list.iter_mut().find(|it| {
                (&it.component, &it.constraints, &it.lookups)
                    == (&component, &constraints, &lookups)
            });
            match same {
                Some(same) => {
                    same.cases.insert(case.name.to_owned());
                }
                None => list.push(Statement {
                    component,
                    cases: BTreeSet::from([case.name.to_owned()]),
                    constraints,
                    lookups,
                }),
            }
        }
    }
    let text = serde_json::to_string_pretty(&list).unwrap() + "\n";
    std::fs::write(path, text)
}

/// What kind of thing an [`Item`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Constraint,
    Lookup,
    /// All lookups of a relation, in all components.
    Relation,
}

/// A thing that can be deleted: the `ordinal`-th of its name in its component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    pub component: String,
    pub what: What,
    pub name: String,
    pub ordinal: usize,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            what,
            name,
            ordinal,
        } = self;
        match what {
            What::Constraint => write!(f, "constraint {component}.{ordinal} {name}"),
            What::Lookup => write!(f, "lookup {component}.{ordinal} {name}"),
            What::Relation => write!(f, "relation {name}"),
        }
    }
}

/// Everything on the list for a case.
///
/// # Panics
///
/// If the case is not on it.
pub fn items(case: &str) -> Vec<Item> {
    let listed = listed(case);
    assert!(
        !listed.is_empty(),
        "{PATH} has no case {case}: run `cargo run --release -p matchmark-hostile -- write-stated`"
    );
    let mut items = vec![];
    let mut relations = BTreeSet::new();
    for (component, [constraints, lookups]) in listed {
        relations.extend(lookups.keys().cloned());
        for (what, counts) in [(What::Constraint, constraints), (What::Lookup, lookups)] {
            for (name, count) in counts {
                items.extend((0..count).map(|ordinal| Item {
                    component: component.clone(),
                    what,
                    name: name.clone(),
                    ordinal,
                }));
            }
        }
    }
    items.extend(relations.into_iter().map(|name| Item {
        component: String::new(),
        what: What::Relation,
        name,
        ordinal: 0,
    }));
    items
}

impl Item {
    /// The relation, of lookups and relations.
    pub fn tag(&self) -> Option<RelationTag> {
        let mut tags = RelationTag::ATTENTION
            .into_iter()
            .chain(RelationTag::DECODER)
            .chain(RelationTag::DIGITS);
        match self.what {
            What::Constraint => None,
            What::Lookup | What::Relation => tags.find(|tag| tag.name() == self.name),
        }
    }

    /// What a lookup of a case's attention is for, by the attention's own list; `None` for what joins it to a
    /// decoder, and for all else.
    pub fn label(&self, case: &Case) -> Option<String> {
        let component = ATTENTION.iter().position(|name| *name == self.component)?;
        let tag = self.tag()?;
        let labels = tuple_labels(case).into_iter();
        let mut labels = labels.filter(|(of, _, its, ..)| (*of, *its) == (component, tag));
        labels.nth(self.ordinal).map(|(.., label, _)| label)
    }

    /// Where the components have it; `None` if they do not state it.
    pub fn drop(&self, names: &[Names]) -> Option<Drop> {
        if self.what == What::Relation {
            return self.tag().map(Drop::Relation);
        }
        let here = names.iter().enumerate();
        let here = here.filter(|(_, names)| names.component == self.component);
        let mut places = here.flat_map(|(component, names)| {
            let constraints = names.constraints.iter().enumerate();
            let constraints = constraints
                .filter(|(_, name)| self.what == What::Constraint && **name == self.name)
                .map(move |(index, _)| Drop::Constraint { component, index });
            let tuples = names.tuples.iter().enumerate();
            let tuples = tuples
                .filter(|(_, tag)| self.what == What::Lookup && tag.name() == self.name)
                .map(move |(index, _)| Drop::Tuple { component, index });
            constraints.chain(tuples).collect::<Vec<_>>()
        });
        places.nth(self.ordinal)
    }
}
