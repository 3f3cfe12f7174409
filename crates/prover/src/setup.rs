//! What the segments of a chain share on the proving side.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use matchmark_air::column::to_evaluation;
use matchmark_air::decoder::model::model_columns;
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::preprocessed::Constants;
use matchmark_air::witness::{preprocessed_columns, Column};
use matchmark_models::{IntegerModel, ModelGroup};
use matchmark_runtime::KvCache;
use matchmark_statement::{
    Cut, LayerGroup, LayerGroups, PolicyCircuit, PortCommitment, PreprocessedRoot, ProofPart,
};
use matchmark_verifier::key::{ChainTerms, ModelChain, ModelOutline};
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::PolyOps;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::CommitmentTreeProver;
use tracing::info_span;

use crate::committed::{model_outline, CommittedColumns, CommittedModel};
use crate::error::ProveError;
use crate::part::ProverTree;

/// What trees of one height are made with.
#[derive(Clone)]
pub struct Twiddles(Arc<TwiddleTree<SimdBackend>>);

impl Twiddles {
    /// Those of trees of a layout's height.
    fn of(layout: &SegmentLayout, log_blowup: u32) -> Self {
        let lifting_log_size = layout.lifting_log_size(log_blowup);
        // The composition polynomial is one bit longer than the longest column.
        let domain = CanonicCoset::new(lifting_log_size.max(layout.max_log_rows() + 1));
        let half_coset = domain.circle_domain().half_coset;
        Self(Arc::new(SimdBackend::precompute_twiddles(half_coset)))
    }
}

/// Proves the segments of one chain, or of a group of layers the parts of them.
pub struct SegmentProver {
    terms: ChainTerms,
    /// The group of layers.
    group: u16,
    lifting_log_size: u32,
    log_blowup: u32,
    twiddles: Arc<TwiddleTree<SimdBackend>>,
    /// The committed model of a decoder.
    model: Option<CommittedModel>,
    /// Preprocessed trees by part and number of steps.
    preprocessed: Mutex<HashMap<(ProofPart, usize), Arc<ProverTree>>>,
}

impl SegmentProver {
    /// Precomputes what the segments share.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] if the relation cannot carry the shape.
    pub fn new(terms: ChainTerms) -> Result<Self, ProveError> {
        let steps = terms.shape.segment_steps().get() as usize;
        let layout = terms.layout(steps)?;
        let log_blowup = terms.security.parameters().log_blowup;
        let twiddles = Twiddles::of(&layout, log_blowup);
        Ok(Self::of_layout(terms, &layout, &twiddles))
    }

    /// Precomputes what the segments of a decoder share, its committed model included.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::Statement`] if the relation cannot carry the model.
    ///
    /// [`ProveError::Streams`] for a decoder that is cut into several groups of layers: see [`Self::for_groups`].
    pub fn for_model(chain: ModelChain, model: Arc<IntegerModel>) -> Result<Self, ProveError> {
        if chain.groups != LayerGroups::ONE {
            return Err(ProveError::Streams { group: 0 });
        }
        let mut all = Self::for_groups(&chain, &model)?;
        all.pop().ok_or(ProveError::NoModel)
    }

    /// As [`Self::for_model`], a prover for each group of layers that the decoder is cut into, in order.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::Statement`] if the relation cannot carry the model.
    pub fn for_groups(
        chain: &ModelChain,
        model: &Arc<IntegerModel>,
    ) -> Result<Vec<Self>, ProveError> {
        let twiddles = Self::twiddles_of_chain(chain, model)?;
        let groups = 0..chain.groups.get();
        let mut all = groups
            .map(|group| Self::for_group(chain, model, group, &twiddles))
            .collect::<Result<Vec<_>, ProveError>>()?;
        let weights: Vec<PortCommitment> = all
            .iter()
            .flat_map(|prover| prover.model().map(CommittedModel::commitment))
            .collect();
        let weights = PortCommitment::of_groups(&weights);
        for prover in &mut all {
            prover.name_weights(weights);
        }
        Ok(all)
    }

    /// What the trees of all groups of layers of a chain are made with.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::Statement`] if the relation cannot carry the model.
    pub fn twiddles_of_chain(
        chain: &ModelChain,
        model: &IntegerModel,
    ) -> Result<Twiddles, ProveError> {
        let longest = chain.segment_steps.get() as usize;
        let layout = chain.layout(&model_outline(model), longest)?;
        Ok(Twiddles::of(
            &layout,
            chain.security.parameters().log_blowup,
        ))
    }

    /// The prover of a group of layers of a decoder. Its terms name the weights of all groups only when
    /// [`Self::name_weights`] has said what they are, where there are several.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`] or [`ProveError::Statement`] if the relation cannot carry the model, or it has no
    /// such group.
    pub fn for_group(
        chain: &ModelChain,
        model: &Arc<IntegerModel>,
        group: u16,
        twiddles: &Twiddles,
    ) -> Result<Self, ProveError> {
        let outline = model_outline(model);
        let longest = chain.segment_steps.get() as usize;
        let layout = chain.layout_of(&outline, usize::from(group), longest)?;
        let layers = layout.decoder().map(|decoder| *decoder.layers());
        let layers = ModelGroup::new(model, layers.ok_or(ProveError::NoModel)?)?;
        let terms = chain.terms(&outline, PortCommitment::from_bytes([0; 32]))?;
        let mut prover = Self::of_layout(terms, &layout, twiddles);
        prover.group = group;
        let columns = info_span!("model columns").in_scope(|| model_columns(&layout, model));
        let committed = prover.commit_with_fingerprint(columns);
        let committed = CommittedModel::new(
            Arc::clone(model),
            layers,
            committed,
            prover.lifting_log_size,
        );
        prover.name_weights(committed.commitment());
        prover.model = Some(committed);
        Ok(prover)
    }

    /// Has the terms name these weights, those of all groups of layers together.
    pub fn name_weights(&mut self, weights: PortCommitment) {
        let terms = self.terms.clone();
        self.terms = terms.with(|terms| {
            if let Some(decoder) = &mut terms.decoder {
                decoder.weights = weights;
            }
        });
    }

    fn of_layout(terms: ChainTerms, layout: &SegmentLayout, twiddles: &Twiddles) -> Self {
        let log_blowup = terms.security.parameters().log_blowup;
        Self {
            group: 0,
            lifting_log_size: layout.lifting_log_size(log_blowup),
            log_blowup,
            twiddles: Arc::clone(&twiddles.0),
            model: None,
            preprocessed: Mutex::new(HashMap::new()),
            terms,
        }
    }

    /// The committed model of a decoder.
    pub fn model(&self) -> Option<&CommittedModel> {
        self.model.as_ref()
    }

    /// The group of layers, from 0.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// The layers, of a decoder.
    pub fn layers(&self) -> Option<LayerGroup> {
        let model = self.model.as_ref();
        model.map(|model| model.group().layers())
    }

    /// The layout of the prover's group of layers in segments of `steps` steps, proven by one proof.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`].
    pub fn layout_of_steps(&self, steps: usize) -> Result<SegmentLayout, ProveError> {
        Ok(self.terms.layout_of(usize::from(self.group), steps)?)
    }

    /// The terms of the chain.
    pub fn terms(&self) -> &ChainTerms {
        &self.terms
    }

    /// Log size of the domain of all commitment trees.
    pub fn lifting_log_size(&self) -> u32 {
        self.lifting_log_size
    }

    pub(crate) fn twiddles(&self) -> &TwiddleTree<SimdBackend> {
        &self.twiddles
    }

    pub(crate) fn commit(&self, columns: &[Column]) -> ProverTree {
        let coefficients = info_span!("interpolate columns").in_scope(|| {
            let evaluations = columns.iter().map(|column| to_evaluation(column)).collect();
            SimdBackend::interpolate_columns(evaluations, &self.twiddles)
        });
        CommitmentTreeProver::new(
            coefficients,
            self.log_blowup,
            &self.twiddles,
            true,
            Some(self.lifting_log_size),
            &BaseColumnPool::new(),
        )
    }

    /// Commits columns, and evaluates them at the point that follows from their root.
    pub(crate) fn commit_with_fingerprint(&self, columns: Vec<Column>) -> CommittedColumns {
        let tree = self.commit(&columns);
        let _span = info_span!("open columns").entered();
        let root = tree.commitment.root();
        let point = fingerprint_point(root);
        let fingerprint = tree
            .polynomials
            .iter()
            .map(|polynomial| {
                let doublings = self.lifting_log_size() - polynomial.evals.domain.log_size();
                polynomial.eval_at_point(point.repeated_double(doublings), None)
            })
            .collect();
        CommittedColumns {
            tree,
            columns,
            opening: Opening { root, fingerprint },
        }
    }

    /// The preprocessed tree of a part's proofs of this layout, made once.
    pub(crate) fn preprocessed(&self, part: ProofPart, layout: &SegmentLayout) -> Arc<ProverTree> {
        // A panic of another thread leaves the map as it was.
        let trees = || {
            self.preprocessed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let key = (part, layout.steps());
        if let Some(tree) = trees().get(&key) {
            return tree.clone();
        }
        // Made without the lock, which must not be held while a thread pool works.
        let constants = Constants {
            table: self.terms.weight_table(),
            arithmetic: self.model.as_ref().map(|it| it.group().arithmetic()),
        };
        let columns = preprocessed_columns(layout, part, &constants);
        let tree = Arc::new(self.commit(&columns));
        trees().entry(key).or_insert(tree).clone()
    }

    /// The root that a policy pins for this part of segments of `steps` steps.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`].
    pub fn preprocessed_root(
        &self,
        part: ProofPart,
        steps: usize,
    ) -> Result<PreprocessedRoot, ProveError> {
        let tree = self.preprocessed(part, &self.layout_of_steps(steps)?);
        Ok(PreprocessedRoot::from_bytes(tree.commitment.root().0))
    }

    /// The root that a policy pins for this part of segments of `steps` steps of another chain of the
    /// prover's model, whose trees are as high as this one's. The tree is not kept: this is for keys, which
    /// have the roots of many.
    ///
    /// # Errors
    ///
    /// [`ProveError::OtherHeight`] for a chain whose trees are not of this height, [`ProveError::Layout`]
    /// or [`ProveError::Statement`] for one that the relation cannot carry.
    pub fn root_of_chain(
        &self,
        chain: &ModelChain,
        outline: &ModelOutline,
        part: ProofPart,
        steps: usize,
    ) -> Result<PreprocessedRoot, ProveError> {
        let layout = self.layout_of_chain(chain, outline, steps)?;
        let arithmetic = self.model.as_ref().map(|it| it.group().arithmetic());
        let constants = Constants {
            table: &outline.table,
            arithmetic,
        };
        let columns = preprocessed_columns(&layout, part, &constants);
        let root = self.commit(&columns).commitment.root();
        Ok(PreprocessedRoot::from_bytes(root.0))
    }

    /// What opens the commitment to a cache of the prover's layers in another chain of its model, whose trees are
    /// as high as this one's: root and fingerprint of its tree, which is not kept.
    ///
    /// # Errors
    ///
    /// Those of [`Self::root_of_chain`].
    pub fn state_of_chain(
        &self,
        chain: &ModelChain,
        outline: &ModelOutline,
        cache: &KvCache,
    ) -> Result<Opening, ProveError> {
        let layout = self.layout_of_chain(chain, outline, chain.segment_steps.get() as usize)?;
        Ok(self
            .commit_with_fingerprint(entries(&layout, cache))
            .opening)
    }

    /// The layout of segments of another chain, whose trees have to be as high as this one's.
    fn layout_of_chain(
        &self,
        chain: &ModelChain,
        outline: &ModelOutline,
        steps: usize,
    ) -> Result<SegmentLayout, ProveError> {
        let layout = chain.layout_of(outline, usize::from(self.group), steps)?;
        let log_blowup = chain.security.parameters().log_blowup;
        let (expected, got) = (self.lifting_log_size, layout.lifting_log_size(log_blowup));
        if (self.log_blowup, expected) == (log_blowup, got) {
            return Ok(layout);
        }
        Err(ProveError::OtherHeight { expected, got })
    }

    /// The circuits that a policy pins for segments of `steps` steps that are proven in this way.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`].
    pub fn circuits(&self, cut: Cut, steps: usize) -> Result<Vec<PolicyCircuit>, ProveError> {
        cut.parts()
            .iter()
            .map(|&part| {
                Ok(PolicyCircuit {
                    // A layout has no more steps than that.
                    steps: u32::try_from(steps).unwrap_or(u32::MAX),
                    group: self.group,
                    part,
                    preprocessed_root: self.preprocessed_root(part, steps)?,
                })
            })
            .collect()
    }
}
