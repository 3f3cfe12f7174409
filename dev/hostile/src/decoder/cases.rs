//! Small decoders, and what the suite needs to know about each.
use std::sync::Arc;

use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::LaneChoice;
use matchmark_graph::{
    GatedArithmetic, ModelArithmetic, ModelShape, NodeArithmetic, RotaryArithmetic,
    StreamArithmetic, ValuesArithmetic,
};
use matchmark_models::{synthetic_arithmetic, synthetic_model, IntegerModel, ModelGroup};
use matchmark_prover::{ModelChain, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, StepRange, ValueBits, VocabularySize,
};
use matchmark_statement::{Cut, LayerGroups, PromptLength, Security, VerifierDomain};

use crate::cases::{insecure, table, Case, DecoderPart, Forms};

/// What a case of a decoder is made of.
#[derive(Clone, Copy, Debug)]
pub struct DecoderSpec {
    pub name: &'static str,
    /// Layers, hidden size, query heads, key/value heads, head dimension, MLP, vocabulary, positions.
    pub sizes: [u32; 8],
    /// Whether queries, keys and values have biases.
    pub biased: bool,
    pub bits: u8,
    pub seed: u64,
    /// By how much accumulators are shifted less than the weights were drawn for: more is clamped.
    pub shorter: u8,
    /// What the attention's weights are multiplied by: heavy ones take values in two digits.
    pub heavier: u32,
    pub capacity: u32,
    pub segment_steps: u32,
    pub entries_before: u32,
    pub steps: u32,
    pub security: Security,
    pub cut: Cut,
    /// Into how many groups the layers are cut, and the one that is attacked.
    pub groups: (u16, u16),
}

/// Two layers, grouped heads, nothing of a size that is a power of two but the cache; a segment behind
/// another one, and shorter than the longest of its chain.
pub fn grouped() -> DecoderSpec {
    DecoderSpec {
        name: "decoder",
        sizes: [2, 12, 4, 2, 6, 20, 24, 16],
        biased: false,
        bits: 9,
        seed: 5,
        shorter: 0,
        heavier: 1,
        capacity: 8,
        segment_steps: 4,
        entries_before: 4,
        steps: 3,
        security: insecure(),
        cut: Cut::Fused,
        groups: (1, 0),
    }
}

/// One layer; an uneven number of everything; heads that are together not as wide as the stream; values
/// that are often clamped; a segment as long as the longest.
pub fn uneven() -> DecoderSpec {
    DecoderSpec {
        name: "uneven decoder",
        sizes: [1, 9, 3, 1, 6, 7, 11, 10],
        biased: false,
        bits: 8,
        seed: 8,
        shorter: 1,
        heavier: 1,
        capacity: 6,
        segment_steps: 2,
        entries_before: 2,
        steps: 2,
        security: insecure(),
        cut: Cut::Fused,
        groups: (1, 0),
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

/// [`uneven`] in two proofs, with biases.
pub fn split() -> DecoderSpec {
    DecoderSpec {
        name: "split decoder",
        biased: true,
        cut: Cut::Split,
        ..uneven()
    }
}

/// Two layers, a query head for each key/value head, and weights so heavy that values have two digits and the
/// top limb of the carry is bounded from above.
pub fn digits() -> DecoderSpec {
    DecoderSpec {
        name: "digits decoder",
        sizes: [2, 8, 2, 2, 6, 7, 24, 6],
        biased: false,
        bits: 9,
        // The one below ten with which small changes of the attention move choices.
        seed: 5,
        shorter: 0,
        heavier: 2701,
        capacity: 6,
        segment_steps: 2,
        entries_before: 2,
        steps: 2,
        security: insecure(),
        cut: Cut::Fused,
        groups: (1, 0),
    }
}

/// Three layers in three groups, the middle one: it takes a stream in and gives one out, and of tokens it says
/// nothing. Behind another segment, and shorter than the longest of its chain.
pub fn middle() -> DecoderSpec {
    DecoderSpec {
        name: "middle group",
        sizes: [3, 6, 2, 1, 4, 5, 7, 8],
        biased: false,
        bits: 8,
        seed: 3,
        shorter: 0,
        heavier: 1,
        capacity: 6,
        segment_steps: 3,
        entries_before: 3,
        steps: 2,
        security: insecure(),
        cut: Cut::Fused,
        groups: (3, 1),
    }
}

/// The same decoder's last group, in two proofs: it takes a stream in, and chooses.
pub fn last() -> DecoderSpec {
    DecoderSpec {
        name: "last group",
        cut: Cut::Split,
        groups: (3, 2),
        shorter: 1,
        ..middle()
    }
}

/// Those around which the suite forges.
pub fn all() -> Vec<DecoderSpec> {
    vec![grouped(), uneven(), split(), digits(), middle(), last()]
}

impl DecoderSpec {
    /// The same at another level.
    pub fn with_security(self, security: Security) -> Self {
        Self { security, ..self }
    }

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
        .unwrap()
        .with_attention_bias(self.biased);
        let arithmetic = synthetic_arithmetic(shape, ValueBits::new(self.bits).unwrap()).unwrap();
        let mut of_nodes = arithmetic.into_parts();
        for layer in 0..shape.layers() {
            // So that no two stages that follow each other are normalized in the same way.
            of_nodes.stream_mut(2 * layer + 1).norm.shift -= 1;
        }
        let arithmetic = ModelArithmetic::new(of_nodes).unwrap();
        let model = synthetic_model(shape, arithmetic, self.seed).unwrap();
        let mut parts = model.into_parts();
        // With the norms of the rows of weights.
        let mut of_nodes = parts.arithmetic.into_parts();
        for node in &mut of_nodes.nodes {
            let shifts = match node {
                NodeArithmetic::Stream(StreamArithmetic { shift, before, .. }) => {
                    // The shift of the embedding is no choice.
                    before.as_mut().map_or(vec![], |before| vec![shift, before])
                }
                NodeArithmetic::Rotary(RotaryArithmetic { query, key }) => vec![query, key],
                NodeArithmetic::Values(ValuesArithmetic { shift }) => vec![shift],
                NodeArithmetic::Gated(GatedArithmetic { gate, up, product }) => {
                    vec![gate, up, product]
                }
                NodeArithmetic::Linear(_)
                | NodeArithmetic::Attention(_)
                | NodeArithmetic::Argmax(_)
                | NodeArithmetic::StreamIn(_)
                | NodeArithmetic::StreamOut(_) => vec![],
            };
            for shift in shifts {
                *shift -= self.shorter;
            }
        }
        parts.arithmetic = ModelArithmetic::new(of_nodes).unwrap();
        if self.heavier > 1 {
            let weights = parts.tables.weights.entries().iter();
            let heavy: Vec<u32> = weights.map(|weight| weight * self.heavier).collect();
            parts.tables.weights = table(&heavy);
        }
        Arc::new(IntegerModel::new(parts).unwrap())
    }

    /// The chain in which so many tokens are given.
    pub fn chain(&self, prompt: u32) -> ModelChain {
        ModelChain {
            domain: VerifierDomain::new("adversarial", [7; 16]).unwrap(),
            security: self.security,
            capacity: CacheCapacity::new(self.capacity).unwrap(),
            segment_steps: SegmentSteps::new(self.segment_steps).unwrap(),
            prompt: PromptLength::new(prompt).unwrap(),
            groups: LayerGroups::new(self.groups.0).unwrap(),
        }
    }

    /// Its case in a chain in which all tokens are given, so that any token may follow any other.
    pub fn case(&self) -> Arc<Case> {
        self.case_with_prompt(self.capacity)
    }

    /// Its case in a chain in which so many tokens are given.
    pub fn case_with_prompt(&self, prompt: u32) -> Arc<Case> {
        let (model, chain) = (self.model(), self.chain(prompt));
        let provers = SegmentProver::for_groups(&chain, &model).unwrap();
        let prover = &provers[usize::from(self.groups.1)];
        let terms = prover.terms().clone();
        let layout = prover.layout_of_steps(self.steps as usize).unwrap();
        let layout = layout.with_cut(self.cut);
        Arc::new(Case {
            name: self.name,
            forms: Forms::of(&layout, &terms),
            lanes: LaneChoice::FewestCells,
            steps: StepRange::new(self.entries_before, self.steps).unwrap(),
            decoder: Some(Arc::new(DecoderPart {
                columns: model_columns(&layout, &model),
                group: ModelGroup::new(&model, prover.layers().unwrap()).unwrap(),
                index: self.groups.1,
                weights: provers
                    .iter()
                    .map(|it| it.model().unwrap().commitment())
                    .collect(),
                model,
                chain,
            })),
            layout,
            terms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::carry_is_bounded;

    /// One case is there for the digits, and its carry has every lookup that a carry can have.
    #[test]
    fn one_decoder_has_digits() {
        let with_digits = |spec: &DecoderSpec| {
            let case = spec.case();
            let has_digits = case.layout.digits().is_some();
            has_digits.then(|| (case.name, carry_is_bounded(&case)))
        };
        let all: Vec<_> = all().iter().filter_map(with_digits).collect();
        assert_eq!(all, [("digits decoder", true)]);
    }
}
