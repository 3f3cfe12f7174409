//! Small decoders, and what the suite needs to know about each.
use std::sync::Arc;

use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::decoder::DecoderLayout;
use matchmark_air::ops::attention::cache::columns::LaneEntries;
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_models::{
    execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel,
    ModelExecution, ModelState,
};
use matchmark_prover::{ModelChain, SegmentProver};
use matchmark_quant::{
    centered, AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize,
    ModelArithmetic, ModelShape, QueryHeads, SegmentSteps, StepRange, ValueBits, VocabularySize,
};
use matchmark_statement::{Cut, PromptLength, VerifierDomain};

use crate::cases::{insecure, Case, Forms};
use crate::world::{cache_of, World};

/// What a case of a decoder is made of.
#[derive(Clone, Copy, Debug)]
pub struct DecoderSpec {
    pub name: &'static str,
    /// Layers, hidden size, query heads, key/value heads, head dimension, MLP, vocabulary, positions.
    pub sizes: [u32; 8],
    pub bits: u8,
    pub seed: u64,
    /// By how much accumulators are shifted less than the weights were drawn for: more is clamped.
    pub shorter: u8,
    pub capacity: u32,
    pub segment_steps: u32,
    pub entries_before: u32,
    pub steps: u32,
    pub cut: Cut,
}

/// The decoder of a case.
#[derive(Debug)]
pub struct DecoderPart {
    pub model: Arc<IntegerModel>,
    pub chain: ModelChain,
    /// The model tree.
    pub columns: Vec<Column>,
}

/// Two layers, grouped heads, nothing of a size that is a power of two but the cache; a segment behind
/// another one, and shorter than the longest of its chain.
pub fn grouped() -> DecoderSpec {
    DecoderSpec {
        name: "decoder",
        sizes: [2, 12, 4, 2, 6, 20, 24, 16],
        bits: 9,
        seed: 5,
        shorter: 0,
        capacity: 8,
        segment_steps: 4,
        entries_before: 4,
        steps: 3,
        cut: Cut::Fused,
    }
}

/// One layer; an uneven number of everything; heads that are together not as wide as the stream; values
/// that are often clamped; a segment as long as the longest.
pub fn uneven() -> DecoderSpec {
    DecoderSpec {
        name: "uneven decoder",
        sizes: [1, 9, 3, 1, 6, 7, 11, 10],
        bits: 8,
        seed: 7,
        shorter: 1,
        capacity: 6,
        segment_steps: 2,
        entries_before: 2,
        steps: 2,
        cut: Cut::Fused,
    }
}

/// The same from the first token on, so that the policy's first state is its own.
pub fn first() -> DecoderSpec {
    DecoderSpec {
        name: "first segment of a decoder",
        entries_before: 0,
        ..uneven()
    }
}

/// [`uneven`] in two proofs.
pub fn split() -> DecoderSpec {
    DecoderSpec {
        name: "split decoder",
        cut: Cut::Split,
        ..uneven()
    }
}

/// Those around which the suite forges.
pub fn all() -> Vec<DecoderSpec> {
    vec![grouped(), uneven(), split()]
}

impl DecoderSpec {
    pub fn model(&self) -> Arc<IntegerModel> {
        let [layers, hidden, queries, keys, dim, mlp, vocabulary, positions] = self.sizes;
        let shape = ModelShape::new(
            Layers::new(layers).unwrap(),
            HiddenSize::new(hidden).unwrap(),
            AttentionShape::new(
                QueryHeads::new(queries).unwrap(),
                KvHeads::new(keys).unwrap(),
                HeadDim::new(dim).unwrap(),
            )
            .unwrap(),
            MlpSize::new(mlp).unwrap(),
            VocabularySize::new(vocabulary).unwrap(),
            CacheCapacity::new(positions).unwrap(),
        )
        .unwrap();
        let arithmetic = synthetic_arithmetic(shape, ValueBits::new(self.bits).unwrap()).unwrap();
        let model = synthetic_model(shape, arithmetic, self.seed).unwrap();
        let mut parts = model.into_parts();
        let mut shifts = arithmetic.shifts();
        for shift in [
            &mut shifts.rotary_input,
            &mut shifts.value,
            &mut shifts.stream,
            &mut shifts.gate,
            &mut shifts.up,
            &mut shifts.gated,
        ] {
            *shift -= self.shorter;
        }
        parts.arithmetic = ModelArithmetic::new(
            arithmetic.value_bits(),
            shifts,
            arithmetic.norm_epsilon(),
            arithmetic.embedding_epsilon(),
            arithmetic.score_step(),
            arithmetic.weight_exponent(),
        )
        .unwrap();
        Arc::new(IntegerModel::new(parts).unwrap())
    }

    /// The chain in which so many tokens are given.
    pub fn chain(&self, prompt: u32) -> ModelChain {
        ModelChain {
            domain: VerifierDomain::new("adversarial", [7; 16]).unwrap(),
            security: insecure(),
            capacity: CacheCapacity::new(self.capacity).unwrap(),
            segment_steps: SegmentSteps::new(self.segment_steps).unwrap(),
            prompt: PromptLength::new(prompt).unwrap(),
        }
    }

    /// Its case in a chain in which all tokens are given, so that any token may follow any other.
    pub fn case(&self) -> Arc<Case> {
        self.case_with_prompt(self.capacity)
    }

    /// Its case in a chain in which so many tokens are given.
    pub fn case_with_prompt(&self, prompt: u32) -> Arc<Case> {
        let (model, chain) = (self.model(), self.chain(prompt));
        let prover = SegmentProver::for_model(chain.clone(), model.clone()).unwrap();
        let terms = prover.terms().clone();
        let layout = terms.layout(self.steps as usize).unwrap();
        let layout = layout.with_cut(self.cut);
        Arc::new(Case {
            name: self.name,
            forms: Forms::of(&layout, &terms),
            steps: StepRange::new(self.entries_before, self.steps).unwrap(),
            decoder: Some(Arc::new(DecoderPart {
                columns: model_columns(&layout, &model),
                model,
                chain,
            })),
            layout,
            terms,
        })
    }
}

/// An honest run of a segment.
pub struct HonestRun {
    pub before: ModelState,
    pub execution: ModelExecution,
    pub after: ModelState,
}

impl Case {
    /// The decoder, of a case that is one's.
    pub fn expect_decoder(&self) -> (&Arc<DecoderPart>, &DecoderLayout) {
        let part = self.decoder.as_ref().expect("a decoder's case");
        (part, self.layout.decoder().expect("a decoder's layout"))
    }
}

impl DecoderPart {
    /// What the model makes of seeded tokens.
    pub fn run(&self, case: &Case, seed: u64) -> HonestRun {
        let entries = case.steps.entries_after();
        self.run_of(case, &synthetic_tokens(self.model.shape(), entries, seed))
    }

    /// A run whose segment begins with so many `given` tokens, seeded ones, and goes on with what the
    /// model chooses.
    pub fn greedy_run(&self, case: &Case, given: usize, seed: u64) -> HonestRun {
        let entries = case.steps.entries_after();
        let mut tokens = synthetic_tokens(self.model.shape(), entries, seed);
        let mut run = self.run_of(case, &tokens);
        for step in given..case.steps.steps() {
            // A choice depends on no later token.
            tokens[case.steps.entries_before() + step] = run.execution.choices[step - 1];
            run = self.run_of(case, &tokens);
        }
        run
    }

    fn run_of(&self, case: &Case, tokens: &[u32]) -> HonestRun {
        let (model, steps) = (&*self.model, case.steps);
        let (given, consumed) = tokens.split_at(steps.entries_before());
        let empty = ModelState::empty(model);
        let before = match given.is_empty() {
            true => empty,
            false => execute_model(model, &empty, given).unwrap().1,
        };
        let (execution, after) = execute_model(model, &before, consumed).unwrap();
        HonestRun {
            before,
            execution,
            after,
        }
    }

    /// The exact semantics of the model decide.
    pub fn claim_is_true(&self, case: &Case, witness: &SegmentWitness) -> bool {
        let decide = || -> Option<bool> {
            let tokens = witness.tokens.as_ref()?;
            let trace = &witness.main;
            let state = trace.tree(Tree::StateBefore);
            let before = cache_of(case, &state, case.steps.entries_before())?;
            let state = ModelState::from_cache(&self.model, before).ok()?;
            let (execution, after) = execute_model(&self.model, &state, &tokens.consumed).ok()?;
            let after = entries(&case.layout, after.cache());
            let states = after.iter().eq(trace.tree(Tree::StateAfter));
            let model = self.columns.iter().eq(trace.tree(Tree::Model));
            Some(states && model && execution.choices == tokens.chosen)
        };
        decide().unwrap_or(false)
    }

    /// The honest witness of a run, as the prover makes it.
    pub fn witness(&self, case: &Case, run: &HonestRun) -> SegmentWitness {
        let (layout, execution) = (&case.layout, &run.execution);
        let attention = &execution.attention;
        let columns = entry_columns(
            layout,
            [&attention.q, &attention.k, &attention.v, &attention.out],
        );
        let entry_columns = columns.columns().iter().cloned().map(Column::from);
        let ports = [
            (Tree::Model, self.columns.clone()),
            (Tree::StateBefore, entries(layout, run.before.cache())),
            (Tree::StateAfter, entries(layout, run.after.cache())),
        ];
        let honest = Execution {
            attention,
            entries: &entry_columns.collect::<Vec<_>>(),
            table: case.terms.weight_table(),
            decoder: Some(DecoderExecution {
                execution,
                model: &self.model,
            }),
        };
        SegmentWitness::generate(layout, &honest, &ports)
    }
}

impl HonestRun {
    /// The attention's tensors.
    pub fn world(&self, case: &Case) -> World {
        let attention = &self.execution.attention;
        let columns = entries(&case.layout, self.before.cache());
        let shape = case.layout.shape().attention();
        let (before, dim) = (case.steps.entries_before(), shape.head_dim());
        let prefix = |which: fn(LaneEntries<usize>) -> usize| {
            (0..shape.kv_heads() * before * dim)
                .map(|index| {
                    let (head, rest) = (index / (before * dim), index % (before * dim));
                    let (lane, row) = case.layout.lane_row(head, rest / dim, rest % dim);
                    centered(columns[which(LaneEntries::of_lane(lane))][row].0) as i16
                })
                .collect()
        };
        World {
            q: attention.q.clone(),
            k: attention.k.clone(),
            v: attention.v.clone(),
            prefix_k: prefix(|lane| lane.key),
            prefix_v: prefix(|lane| lane.value),
        }
    }
}
