//! The decoder's components put together.
use alloc::vec;
use alloc::vec::Vec;

use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;

use super::components::{choice, gated, linear, norms, rotary, stream, values};
use super::layout::DecoderLayout;
use crate::challenges::Challenges;
use crate::harness::routing::{ColumnAllocator, Route, Routed, Source, Wiring};
use crate::harness::row::{AsStated, Constraints, System};
use crate::trees::Tree;

/// The components of the decoder around the attention.
pub struct DecoderComponents<S: System = AsStated> {
    /// Rows (matrix, block of outputs, input).
    pub linear: Routed<S::Of<linear::constraints::Linear>>,
    /// Rows (stage, channel, step).
    pub stream: Routed<S::Of<stream::constraints::Stream>>,
    /// Rows (stage, step).
    pub norms: Routed<S::Of<norms::constraints::Norms>>,
    /// Rows (layer, query or key head, pair, step).
    pub rotary: Routed<S::Of<rotary::constraints::Rotary>>,
    /// Rows (layer, key/value head, dimension, step).
    pub values: Routed<S::Of<values::constraints::Values>>,
    /// Rows (layer, channel of the MLP, step).
    pub gated: Routed<S::Of<gated::constraints::Gated>>,
    /// Rows (token of the vocabulary, step).
    pub choice: Routed<S::Of<choice::constraints::Choice>>,
}

/// Number of components of the decoder, and of their claimed sums.
pub const DECODER_COMPONENTS: usize = 7;

/// What the decoder's components depend on, besides the layout.
pub struct DecoderContext<'a> {
    /// Tokens before the segment, `P`.
    pub entries_before: usize,
    /// Challenges of the proof.
    pub challenges: &'a Challenges,
    /// Fingerprint point of the model.
    pub model_point: CirclePoint<QM31>,
    /// One claimed LogUp sum a component.
    pub claimed_sums: &'a [QM31],
    /// Place of the first of the components among those of the proof.
    pub first_place: usize,
}

/// Components being put together, one after another.
struct Assembly<'a, S> {
    allocator: &'a mut ColumnAllocator,
    system: &'a S,
    sums: [QM31; DECODER_COMPONENTS],
    first_place: usize,
    /// How many there are so far.
    components: usize,
}

impl<S: System> Assembly<'_, S> {
    fn routed<C: Constraints + Sync>(
        &mut self,
        constraints: C,
        wiring: Wiring,
    ) -> Routed<S::Of<C>> {
        let index = self.components;
        self.components += 1;
        let evaluation = self.system.component(self.first_place + index, constraints);
        Routed::new(self.allocator, evaluation, self.sums[index], wiring)
    }
}

impl<S: System> DecoderComponents<S> {
    /// Puts the components together as those of this system.
    ///
    /// # Panics
    ///
    /// If there are not [`DECODER_COMPONENTS`] claimed sums.
    pub fn of_system(
        allocator: &mut ColumnAllocator,
        decoder: &DecoderLayout,
        context: &DecoderContext<'_>,
        system: &S,
    ) -> Self {
        let DecoderContext {
            entries_before,
            challenges,
            model_point,
            claimed_sums,
            first_place,
        } = *context;
        let sums: [QM31; DECODER_COMPONENTS] = match claimed_sums.try_into() {
            Ok(sums) => sums,
            Err(_) => panic!("{} claimed sums of a decoder", claimed_sums.len()),
        };
        let projections = |columns| Wiring {
            carried: vec![Route {
                source: Source::Tree(Tree::Projections),
                columns,
            }],
            ..Wiring::default()
        };
        let mut weights = projections(linear::columns::PROJECTION_COLUMNS);
        let of_model = Route {
            source: Source::Tree(Tree::Model),
            columns: decoder.width(),
        };
        weights.carried.insert(0, of_model);
        weights.fingerprints.push((Tree::Model, model_point));

        let (decoder, challenges) = (|| decoder.clone(), || challenges.clone());
        let mut assembly = Assembly {
            allocator,
            system,
            sums,
            first_place,
            components: 0,
        };
        let linear = assembly.routed(
            linear::constraints::Linear {
                decoder: decoder(),
                challenges: challenges(),
            },
            weights,
        );
        let stream = assembly.routed(
            stream::constraints::Stream {
                decoder: decoder(),
                challenges: challenges(),
            },
            projections(stream::columns::PROJECTION_COLUMNS),
        );
        let norms = assembly.routed(
            norms::constraints::Norms {
                decoder: decoder(),
                challenges: challenges(),
            },
            Wiring::default(),
        );
        let rotary = assembly.routed(
            rotary::constraints::Rotary {
                decoder: decoder(),
                entries_before,
                challenges: challenges(),
            },
            projections(rotary::columns::PROJECTION_COLUMNS),
        );
        let values = assembly.routed(
            values::constraints::Values {
                decoder: decoder(),
                challenges: challenges(),
            },
            projections(values::columns::PROJECTION_COLUMNS),
        );
        let gated = assembly.routed(
            gated::constraints::Gated {
                decoder: decoder(),
                challenges: challenges(),
            },
            projections(gated::columns::PROJECTION_COLUMNS),
        );
        let choice = assembly.routed(
            choice::constraints::Choice {
                decoder: decoder(),
                challenges: challenges(),
            },
            projections(choice::columns::PROJECTION_COLUMNS),
        );
        Self {
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            choice,
        }
    }

    /// The components in order, by name.
    pub fn named_components(&self) -> Vec<(&'static str, &dyn Component)> {
        // Taken apart: a new component does not compile until it has its place.
        let Self {
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            choice,
        } = self;
        vec![
            ("linear", linear as &dyn Component),
            ("stream", stream),
            ("norms", norms),
            ("rotary", rotary),
            ("values", values),
            ("gated", gated),
            ("choice", choice),
        ]
    }

    /// Tuples of all relations, over all rows of all components.
    pub fn tuples(&self) -> u64 {
        self.linear.tuples()
            + self.stream.tuples()
            + self.norms.tuples()
            + self.rotary.tuples()
            + self.values.tuples()
            + self.gated.tuples()
            + self.choice.tuples()
    }
}

#[cfg(feature = "prover")]
mod prover {
    use stwo::prover::backend::simd::SimdBackend;
    use stwo::prover::ComponentProver;

    use super::{DecoderComponents, System, DECODER_COMPONENTS};

    impl<S: System> DecoderComponents<S> {
        /// The components in order, as the prover takes them.
        pub fn provers(&self) -> [&dyn ComponentProver<SimdBackend>; DECODER_COMPONENTS] {
            let Self {
                linear,
                stream,
                norms,
                rotary,
                values,
                gated,
                choice,
            } = self;
            [linear, stream, norms, rotary, values, gated, choice]
        }
    }
}
