//! Sizes of a segment that follow from its layout alone.
use matchmark_air::trees::Tree;
use matchmark_statement::Cut;
use matchmark_verifier::structure::ProofStructure;

use crate::error::ProveError;
use matchmark_verifier::key::ChainTerms;

/// Sizes of a segment's trace and of the commitments to it, summed over its proofs, of all groups of layers. All segments of a
/// chain have the same: a shorter one is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the composition.
    pub committed_cells: u64,
    /// Columns opened at the queries, over all trees.
    pub opened_columns: u64,
    /// Commitment trees, the composition's included.
    pub trees: u64,
    /// Log size of the domain of all commitment trees.
    pub lifting_log_size: u32,
}

impl SegmentSizes {
    pub(crate) fn new(structures: &[ProofStructure]) -> Self {
        let mut sizes = Self {
            trace_rows: 0,
            committed_cells: 0,
            opened_columns: 0,
            trees: 0,
            lifting_log_size: 0,
        };
        for structure in structures {
            let cells = structure.column_log_sizes().iter().flatten();
            let rows = structure.components().iter().map(|it| 1_u64 << it.log_rows);
            sizes.trace_rows += rows.sum::<u64>();
            sizes.committed_cells += cells.map(|log| 1_u64 << log).sum::<u64>();
            sizes.opened_columns += structure.columns() as u64;
            sizes.trees += structure.samples().len() as u64;
            sizes.lifting_log_size = structure.lifting_log_size();
        }
        sizes
    }

    /// Sizes of a segment of `steps` steps of a chain of these terms that is proven in this way.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`], and [`ProveError::BelowLevel`] for a segment that is too large for its level.
    pub fn of(terms: &ChainTerms, cut: Cut, steps: usize) -> Result<Self, ProveError> {
        let mut structures = Vec::new();
        for group in 0..terms.groups().count() {
            let layout = terms.layout_of(group, steps)?.with_cut(cut);
            structures.extend(ProofStructure::all(&layout, terms.security)?);
        }
        Ok(Self::new(&structures))
    }
}

/// What proving holds in memory, in counts that follow from a layout: the features of an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldSizes {
    /// Cells of committed columns, at no blowup.
    pub cells: u64,
    /// The same at the blowup.
    pub evaluations: u64,
    /// Points of the domains of commitment trees.
    pub points: u64,
}

impl HeldSizes {
    /// The sum, part by part.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cells: self.cells + other.cells,
            evaluations: self.evaluations + other.evaluations,
            points: self.points + other.points,
        }
    }

    /// So many times as much of each part.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self {
            cells: self.cells * count,
            evaluations: self.evaluations * count,
            points: self.points * count,
        }
    }

    /// The larger, part by part.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            cells: self.cells.max(other.cells),
            evaluations: self.evaluations.max(other.evaluations),
            points: self.points.max(other.points),
        }
    }
}

/// What the trees of a segment's proofs hold, by how many segments share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentMemory {
    /// The committed model: once for a chain.
    pub model: HeldSizes,
    /// Selectors and table contents: once for every number of steps of the segments.
    pub preprocessed: HeldSizes,
    /// Everything else: for every segment that is being proven.
    pub own: HeldSizes,
}

impl SegmentMemory {
    fn new(structures: &[ProofStructure]) -> Self {
        let mut memory = Self::default();
        for structure in structures {
            let log_blowup = structure.parameters().log_blowup;
            let lifting = structure.lifting_log_size();
            let mut own = HeldSizes::default();
            let trees = structure.trees().iter().zip(structure.samples());
            for (index, (tree, samples)) in trees.enumerate() {
                let cells = match structure.column_log_sizes().get(index) {
                    Some(logs) => logs.iter().map(|log| 1_u64 << log).sum(),
                    // The composition's columns, which no list holds, are as high as the tallest component.
                    None => (samples.len() as u64) << (lifting - log_blowup),
                };
                let held = HeldSizes {
                    cells,
                    evaluations: cells << log_blowup,
                    points: 1 << lifting,
                };
                match tree {
                    Tree::Model => memory.model = memory.model.plus(held),
                    Tree::Preprocessed => memory.preprocessed = memory.preprocessed.plus(held),
                    Tree::StreamIn
                    | Tree::StreamOut
                    | Tree::StateBefore
                    | Tree::StateAfter
                    | Tree::Pairs
                    | Tree::Witness
                    | Tree::Rlc
                    | Tree::Lookups
                    | Tree::Composition => own = own.plus(held),
                }
            }
            // The proofs of a segment are made one after the other.
            memory.own = memory.own.max(own);
        }
        memory
    }

    /// What the trees hold of a segment of `steps` steps of a chain of these terms that is proven in this
    /// way: weights and selectors of all groups of layers, and whatever else the largest group has.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`], and [`ProveError::BelowLevel`] for a segment that is too large for its level.
    pub fn of(terms: &ChainTerms, cut: Cut, steps: usize) -> Result<Self, ProveError> {
        let groups = Self::of_groups(terms, cut, steps)?.into_iter();
        Ok(groups.fold(Self::default(), |all, of_group| Self {
            model: all.model.plus(of_group.model),
            preprocessed: all.preprocessed.plus(of_group.preprocessed),
            own: all.own.max(of_group.own),
        }))
    }

    /// The same where the weights and selectors of one group are held at a time: the largest of each.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn of_one_at_a_time(
        terms: &ChainTerms,
        cut: Cut,
        steps: usize,
    ) -> Result<Self, ProveError> {
        let groups = Self::of_groups(terms, cut, steps)?.into_iter();
        Ok(groups.fold(Self::default(), |all, of_group| Self {
            model: all.model.max(of_group.model),
            preprocessed: all.preprocessed.max(of_group.preprocessed),
            own: all.own.max(of_group.own),
        }))
    }

    /// What the trees hold of each group of layers.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn of_groups(terms: &ChainTerms, cut: Cut, steps: usize) -> Result<Vec<Self>, ProveError> {
        // Groups of one kind have one layout.
        let mut kinds: Vec<((bool, bool, usize), Self)> = Vec::new();
        let mut all = Vec::new();
        for group in 0..terms.groups().count() {
            let layers = terms.decoder.as_ref();
            let layers = layers.and_then(|it| it.groups.group(it.shape.layers(), group));
            let kind = layers.map_or((true, true, 0), |it| it.kind());
            let known = kinds.iter().find(|it| it.0 == kind);
            let memory = match known {
                Some((_, memory)) => *memory,
                None => {
                    let layout = terms.layout_of(group, steps)?.with_cut(cut);
                    let memory = Self::new(&ProofStructure::all(&layout, terms.security)?);
                    kinds.push((kind, memory));
                    memory
                }
            };
            all.push(memory);
        }
        Ok(all)
    }
}
