//! The provers of the groups of layers of a chain.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use matchmark_models::IntegerModel;
use matchmark_prover::{
    ChainTerms, CommittedModel, ModelChain, ProveError, SegmentProver, Twiddles,
};
use matchmark_statement::{LayerGroups, PortCommitment};

/// The provers of all groups of layers of a chain, one of attention alone. Each holds the committed weights of its
/// layers: it is made when it is needed, and so many are kept.
pub(crate) struct Provers {
    terms: ChainTerms,
    /// How provers are made that are not kept.
    source: Option<Source>,
    /// How many are kept.
    most: usize,
    /// Those that are kept, the one that was asked for last at the end.
    kept: Mutex<VecDeque<Arc<SegmentProver>>>,
}

/// What provers of groups of layers are made of.
struct Source {
    chain: ModelChain,
    model: Arc<IntegerModel>,
    twiddles: Twiddles,
}

/// What is known and allowed when a model is committed.
#[derive(Clone, Copy, Debug)]
pub struct Committing {
    /// The commitment to the weights of all groups of layers together, if it is known: of a key, or of a chain
    /// that was begun. Where it is not, every group is committed once before anything is proven.
    pub weights: Option<PortCommitment>,
    /// For how many groups of layers the committed weights are held at a time.
    pub groups_held: usize,
}

impl Default for Committing {
    /// Nothing is known, and all are held.
    fn default() -> Self {
        Self {
            weights: None,
            groups_held: usize::MAX,
        }
    }
}

impl Provers {
    /// The one prover of a chain.
    pub(crate) fn of_one(prover: SegmentProver) -> Self {
        Self {
            terms: prover.terms().clone(),
            source: None,
            most: 1,
            kept: Mutex::new([Arc::new(prover)].into()),
        }
    }

    /// The provers of a model.
    pub(crate) fn of_model(
        chain: ModelChain,
        model: Arc<IntegerModel>,
        committing: Committing,
    ) -> Result<Self, ProveError> {
        if chain.groups == LayerGroups::ONE {
            return Ok(Self::of_one(SegmentProver::for_model(chain, model)?));
        }
        let Committing {
            weights,
            groups_held,
        } = committing;
        let twiddles = SegmentProver::twiddles_of_chain(&chain, &model)?;
        let source = Source {
            chain,
            model,
            twiddles,
        };
        let mut made = VecDeque::new();
        let weights = match weights {
            Some(weights) => weights,
            None => source.commit_all(groups_held, &mut made)?,
        };
        for prover in &mut made {
            prover.name_weights(weights);
        }
        let outline = matchmark_prover::model_outline(&source.model);
        Ok(Self {
            terms: source.chain.terms(&outline, weights)?,
            source: Some(source),
            most: groups_held.max(1),
            kept: Mutex::new(made.into_iter().map(Arc::new).collect()),
        })
    }

    /// The terms of the chain.
    pub(crate) fn terms(&self) -> &ChainTerms {
        &self.terms
    }

    /// Number of groups of layers.
    pub(crate) fn count(&self) -> u16 {
        self.terms.groups().get()
    }

    /// Whether no prover is ever made twice.
    pub(crate) fn keeps_all(&self) -> bool {
        self.most >= usize::from(self.count())
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<SegmentProver>>> {
        // A panic while the lock was held leaves a list of provers.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prover of a group of layers.
    pub(crate) fn get(&self, group: u16) -> Result<Arc<SegmentProver>, ProveError> {
        let mut kept = self.kept();
        if let Some(place) = kept.iter().position(|it| it.group() == group) {
            if let Some(prover) = kept.remove(place) {
                kept.push_back(Arc::clone(&prover));
                return Ok(prover);
            }
        }
        let source = self.source.as_ref().ok_or(ProveError::Streams { group })?;
        while kept.len() >= self.most {
            kept.pop_front();
        }
        // Made without the lock, which must not be held while a thread pool works.
        drop(kept);
        let mut prover = source.make(group)?;
        if let Some(decoder) = self.terms.decoder {
            prover.name_weights(decoder.weights);
        }
        let prover = Arc::new(prover);
        self.kept().push_back(Arc::clone(&prover));
        Ok(prover)
    }
}

impl Source {
    fn make(&self, group: u16) -> Result<SegmentProver, ProveError> {
        SegmentProver::for_group(&self.chain, &self.model, group, &self.twiddles)
    }

    /// Commits the weights of every group once, and keeps the first provers.
    fn commit_all(
        &self,
        most: usize,
        kept: &mut VecDeque<SegmentProver>,
    ) -> Result<PortCommitment, ProveError> {
        let mut weights = Vec::new();
        for group in 0..self.chain.groups.get() {
            let prover = self.make(group)?;
            weights.extend(prover.model().map(CommittedModel::commitment));
            // The first is needed first.
            if kept.len() < most {
                kept.push_back(prover);
            }
        }
        Ok(PortCommitment::of_groups(&weights))
    }
}
