//! What is committed once and opened by several proofs: columns with root and fingerprint, and models.
use std::sync::Arc;

use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::witness::Column;
use matchmark_models::{IntegerModel, ModelGroup};
use matchmark_statement::{ModelId, PortCommitment};
use matchmark_verifier::key::ModelOutline;

use crate::part::ProverTree;

/// Committed columns, with root and fingerprint.
pub(crate) struct CommittedColumns {
    pub(crate) tree: ProverTree,
    pub(crate) columns: Vec<Column>,
    pub(crate) opening: Opening,
}

/// What the terms of a chain say of this model, but for its committed weights.
pub fn model_outline(model: &IntegerModel) -> ModelOutline {
    ModelOutline {
        identity: ModelId::from_bytes(*model.identity().as_bytes()),
        shape: *model.shape(),
        arithmetic: model.arithmetic().clone(),
        table: model.tables().weights.clone(),
    }
}

/// Weights of a group of layers of a model, and its tables, in their commitment tree, shared by all proofs of a
/// chain.
pub struct CommittedModel {
    model: Arc<IntegerModel>,
    group: ModelGroup,
    tree: ProverTree,
    columns: Vec<Column>,
    commitment: PortCommitment,
}

impl CommittedModel {
    /// A model whose columns are committed in trees of this height.
    pub(crate) fn new(
        model: Arc<IntegerModel>,
        group: ModelGroup,
        committed: CommittedColumns,
        lifting_log_size: u32,
    ) -> Self {
        let CommittedColumns {
            tree,
            columns,
            opening,
        } = committed;
        let outline = model_outline(&model);
        let content = PortContent::Model {
            shape: &outline.shape,
            arithmetic: outline.arithmetic.terms(),
            table: outline.table.id(),
            layers: group.layers(),
        };
        let commitment = opening.commitment(&content, lifting_log_size);
        Self {
            model,
            group,
            tree,
            columns,
            commitment,
        }
    }

    /// The commitment that statements and keys carry.
    pub fn commitment(&self) -> PortCommitment {
        self.commitment
    }

    /// The layers.
    pub fn group(&self) -> &ModelGroup {
        &self.group
    }

    /// The model.
    pub fn model(&self) -> &Arc<IntegerModel> {
        &self.model
    }

    pub(crate) fn tree(&self) -> &ProverTree {
        &self.tree
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }
}
