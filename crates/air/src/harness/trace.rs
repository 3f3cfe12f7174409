//! Columns of a proof in row order, by component and by tree.
use matchmark_statement::ProofPart;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};

use super::public_columns::PublicColumns;
use super::row::{ColumnRead, Source, WITNESS};
use crate::column::Column;
use crate::layout::SegmentLayout;
use crate::preprocessed::{Constants, Preprocessed};
use crate::trees::Tree;

/// A column that a component reads, with its entries once they are known.
#[derive(Clone, Debug)]
pub struct TraceColumn {
    /// Its name, and where it stands.
    pub read: ColumnRead,
    /// Its entries; `None` before its phase.
    pub entries: Option<Column>,
}

/// The columns of one component.
#[derive(Clone, Debug)]
pub struct ComponentTrace {
    /// Name of the component.
    pub name: &'static str,
    /// Log of the number of rows.
    pub log_rows: u32,
    /// Which of the part's preprocessed columns a row reads, in reading order.
    pub preprocessed: Vec<usize>,
    /// The other columns in reading order, the LogUp ones apart.
    pub columns: Vec<TraceColumn>,
}

impl ComponentTrace {
    /// The columns from a source, in the order of their tree: those that the framework takes for witness
    /// columns, then the others.
    pub fn columns_from(&self, source: Source) -> impl Iterator<Item = &TraceColumn> {
        let of = move |is_witness: bool| {
            let columns = self.columns.iter();
            columns.filter(move |column| {
                let read = column.read;
                read.source == source && (read.interaction == WITNESS) == is_witness
            })
        };
        of(true).chain(of(false))
    }

    /// The columns from a source, for writing, in reading order.
    pub fn columns_from_mut(&mut self, source: Source) -> impl Iterator<Item = &mut TraceColumn> {
        let columns = self.columns.iter_mut();
        columns.filter(move |column| column.read.source == source)
    }

    /// Number of the first column of this name.
    fn place(&self, name: &str) -> usize {
        let mut columns = self.columns.iter();
        match columns.position(|column| column.read.name == name) {
            Some(place) => place,
            None => panic!("the component {} has no column {name}", self.name),
        }
    }

    /// A column by its name: the first one of this name.
    ///
    /// # Panics
    ///
    /// If the component has no such column, or it is not filled yet.
    pub fn column(&self, name: &str) -> &Column {
        match &self.columns[self.place(name)].entries {
            Some(entries) => entries,
            None => panic!("the column {name} of {} is not filled yet", self.name),
        }
    }

    /// The same for writing.
    ///
    /// # Panics
    ///
    /// As [`Self::column`].
    pub fn column_mut(&mut self, name: &str) -> &mut Column {
        let place = self.place(name);
        match &mut self.columns[place].entries {
            Some(entries) => entries,
            None => panic!("the column {name} of {} is not filled yet", self.name),
        }
    }

    /// All columns of a name, for writing: one a lane, or the coordinates of a random linear combination.
    ///
    /// # Panics
    ///
    /// If one of them is not filled yet.
    pub fn named_mut<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut Column> {
        let component = self.name;
        let columns = self.columns.iter_mut();
        let named = columns.filter(move |column| column.read.name == name);
        named.map(move |column| match &mut column.entries {
            Some(entries) => entries,
            None => panic!("the column {name} of {component} is not filled yet"),
        })
    }

    /// Whether the component has a column of this name.
    pub fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.read.name == name)
    }

    /// All columns of this name, lane after lane.
    ///
    /// # Panics
    ///
    /// As [`Self::column`], except that there may be none.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Column> {
        let named = self.columns.iter().filter(move |it| it.read.name == name);
        named.map(move |column| match &column.entries {
            Some(entries) => entries,
            None => panic!("the column {name} of {} is not filled yet", self.name),
        })
    }

    /// A value of an RLC column by its name: that of a lane.
    ///
    /// # Panics
    ///
    /// As [`Self::column`].
    pub fn extension(&self, name: &str, lane: usize, row: usize) -> QM31 {
        let mut columns = self.named(name).skip(SECURE_EXTENSION_DEGREE * lane);
        let coordinate = |_| match columns.next() {
            Some(entries) => entries[row],
            None => panic!("{} has no column {name} in lane {lane}", self.name),
        };
        QM31::from_m31_array(core::array::from_fn(coordinate))
    }

    /// Sets a value of an RLC column.
    ///
    /// # Panics
    ///
    /// As [`Self::column`].
    pub fn set_extension(&mut self, name: &str, lane: usize, row: usize, value: QM31) {
        let columns = self.named_mut(name).skip(SECURE_EXTENSION_DEGREE * lane);
        for (entries, coordinate) in columns.zip(value.to_m31_array()) {
            entries[row] = coordinate;
        }
    }

    /// Takes all columns of a name from another trace of the component.
    ///
    /// # Panics
    ///
    /// If there is none of this name.
    pub fn take(&mut self, name: &str, other: &Self) {
        self.place(name);
        for (own, other) in self.columns.iter_mut().zip(&other.columns) {
            if own.read.name == name {
                own.entries.clone_from(&other.entries);
            }
        }
    }
}

/// All columns of a proof but the LogUp ones.
#[derive(Clone, Debug)]
pub struct PartTrace {
    /// What the proof shows.
    pub part: ProofPart,
    /// Preprocessed tree, in the order of [`Preprocessed::of`] the part.
    pub preprocessed: Vec<Column>,
    /// The components in order.
    pub components: Vec<ComponentTrace>,
}

/// The columns of trees that other proofs open as well.
pub type PortColumns = Vec<(Tree, Vec<Column>)>;

impl PartTrace {
    /// The columns of a tree in order.
    ///
    /// # Panics
    ///
    /// If a column is not filled yet.
    pub fn tree(&self, tree: Tree) -> Vec<&Column> {
        if tree == Tree::Preprocessed {
            return self.preprocessed.iter().collect();
        }
        self.from(Source::Tree(tree))
    }

    /// The columns from a source in order.
    ///
    /// # Panics
    ///
    /// As [`Self::tree`].
    pub fn from(&self, source: Source) -> Vec<&Column> {
        let components = self.components.iter();
        components
            .flat_map(|component| {
                component
                    .columns_from(source)
                    .map(|column| match &column.entries {
                        Some(entries) => entries,
                        None => panic!(
                            "the column {} of {} is not filled yet",
                            column.read.name, component.name
                        ),
                    })
            })
            .collect()
    }

    /// The columns of a component.
    ///
    /// # Panics
    ///
    /// If the part has no component of this name.
    pub fn component(&self, name: &str) -> &ComponentTrace {
        let mut components = self.components.iter();
        match components.find(|component| component.name == name) {
            Some(component) => component,
            None => panic!("a {} proof has no component {name}", self.part),
        }
    }

    /// The same for writing.
    ///
    /// # Panics
    ///
    /// As [`Self::component`].
    pub fn component_mut(&mut self, name: &str) -> &mut ComponentTrace {
        let part = self.part;
        let mut components = self.components.iter_mut();
        match components.find(|component| component.name == name) {
            Some(component) => component,
            None => panic!("a {part} proof has no component {name}"),
        }
    }

    /// The same trace with the columns of a tree as another trace of the part has them.
    ///
    /// # Panics
    ///
    /// If the other trace has not filled them, or is of another layout.
    #[must_use]
    pub fn with_tree_of(&self, tree: Tree, other: &Self) -> Self {
        let mut trace = self.clone();
        let columns: Vec<Column> = other.tree(tree).into_iter().cloned().collect();
        trace.set_tree(tree, &columns);
        trace
    }

    /// Replaces the columns of a tree by others, given in the order of the tree.
    ///
    /// # Panics
    ///
    /// If there are more or fewer.
    pub fn set_tree(&mut self, tree: Tree, columns: &[Column]) {
        let mut columns = columns.iter();
        for component in &mut self.components {
            for column in component.columns_from_mut(Source::Tree(tree)) {
                let Some(entries) = columns.next() else {
                    panic!("too few columns of the {} tree", tree.name());
                };
                column.entries = Some(entries.clone());
            }
        }
        assert_eq!(columns.len(), 0, "columns of the {} tree", tree.name());
    }

    /// Replaces the public columns by others.
    ///
    /// # Panics
    ///
    /// If there are more or fewer.
    pub fn set_public(&mut self, public: &PublicColumns) {
        let components = self.components.iter_mut();
        let columns = components.flat_map(|component| component.columns_from_mut(Source::Public));
        let columns: Vec<_> = columns.collect();
        let entries = public.columns();
        assert_eq!(columns.len(), entries.len(), "public columns");
        for (column, entries) in columns.into_iter().zip(entries) {
            column.entries = Some(entries.into());
        }
    }
}

/// The preprocessed columns of a part's proofs, in the order of their tree.
pub fn preprocessed_columns(
    layout: &SegmentLayout,
    part: ProofPart,
    constants: &Constants<'_>,
) -> Vec<Column> {
    Preprocessed::of(layout, part)
        .into_iter()
        .map(|column| column.column(layout, constants).into())
        .collect()
}
