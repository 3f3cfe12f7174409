//! Bounds of a decoder's intermediate values: a walk over its graph.

use alloc::vec::Vec;

use matchmark_quant::{
    QuantError, Rescale, MAX_LOG_ROWS, MODULUS, NORM_PRODUCT_BITS, ROTARY_SCALE_LOG, RSQRT_MAX,
};

use crate::arithmetic::{max_norm_exponent, max_square_sum};
use crate::{
    ArithmeticTerms, EdgeKind, Graph, Kind, Linear, LinearArithmetic, ModelArithmetic, ModelShape,
    Node, NodeArithmetic, NodeId, NormArithmetic, Operation, MAX_LINEAR_WIDTH, ROTARY_BITS,
    SQUARE_LIMIT, STREAM_BITS,
};

/// That no intermediate value of a decoder can wrap around the field, whatever its tokens are: the only way to
/// one is a check of all of them.
///
/// Accumulators are bounded by the row norms that the arithmetic states; that a model's weights keep them is
/// checked where the model is put together and where its key is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelBounds {
    max_accumulator: u64,
}

impl ModelBounds {
    /// Largest width of the stream: sums of squares stay below `2^28` with any epsilon.
    const MAX_HIDDEN: u64 = (1 << 13) - 32;
    /// No accumulator reaches this: below it, one is an integer of 32 bits with its sign, and an element of
    /// the field.
    pub const ACCUMULATOR_LIMIT: u64 = 1 << 30;

    /// Checks all intermediate values.
    ///
    /// With `r` the largest sum of magnitudes of a matrix's rows, `M` its largest input and `b` its largest bias,
    /// an accumulator is at most `r M + b`. What is rescaled and what its quotient, excess and remainder make up
    /// must differ by less than `p`, so that they are equal as integers if they are equal in the field.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`], naming the value, [`QuantError::TooManyRows`], and
    /// [`QuantError::ParameterOutOfRange`] for constants of another graph.
    pub fn new(shape: &ModelShape, arithmetic: &ModelArithmetic) -> Result<Self, QuantError> {
        Self::check_terms(shape, arithmetic.terms())?;
        let graph = Graph::decoder(shape);
        arithmetic.check_graph(&graph)?;
        let mut walk = Walk {
            graph: &graph,
            arithmetic,
            accumulators: graph.edges().iter().map(|_| Vec::new()).collect(),
            max_accumulator: 0,
        };
        for id in graph.ids() {
            walk.visit(id)?;
        }
        let max_accumulator = walk.max_accumulator;
        Ok(Self { max_accumulator })
    }

    /// Checks what follows from the shape and from what a statement says of the arithmetic.
    ///
    /// The components of the relation have to have room for one token as well: those whose heights follow
    /// from the shape, with the widest rows of weights.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`], naming the value, and [`QuantError::TooManyRows`].
    pub fn check_terms(shape: &ModelShape, terms: &ArithmeticTerms) -> Result<(), QuantError> {
        let rotary = 1_u64 << (ROTARY_BITS + ROTARY_SCALE_LOG);
        rescaled("rotated value", rotary, terms.rotation())?;
        let hidden = shape.hidden() as u64;
        below("width of the stream", hidden, Self::MAX_HIDDEN + 1)?;
        check_rows(shape)
    }

    /// No accumulator of a matrix exceeds this.
    #[must_use]
    pub const fn max_accumulator(&self) -> u64 {
        self.max_accumulator
    }
}

/// What is known of the nodes that were visited.
struct Walk<'a> {
    graph: &'a Graph,
    arithmetic: &'a ModelArithmetic,
    /// By edge: the quantity of each stacked matrix, and what its accumulators cannot exceed.
    accumulators: Vec<Vec<(&'static str, u64)>>,
    max_accumulator: u64,
}

impl Walk<'_> {
    fn visit(&mut self, id: NodeId) -> Result<(), QuantError> {
        let node = self.graph.node(id);
        let terms = self.arithmetic.terms();
        match (node.operation(), self.arithmetic.node(id)) {
            (Operation::Linear(linear), NodeArithmetic::Linear(bounds)) => {
                self.accumulate(node, linear, bounds)
            }
            (Operation::Stream(stream), NodeArithmetic::Stream(constants)) => {
                let before = constants.before;
                let before = before.map_or(0, |shift| 1 << (STREAM_BITS - 1 + shift));
                for (quantity, bound) in self.taken(node) {
                    rescaled(quantity, bound + before, terms.stream(constants.shift))?;
                }
                self.normalize(stream.channels, constants.norm)
            }
            (Operation::Rotary(_), NodeArithmetic::Rotary(constants)) => {
                let shifts = [constants.query, constants.key];
                let rescales = shifts.map(|shift| terms.rotary_input(shift));
                self.rescale(node, &rescales)
            }
            (Operation::Values(_), NodeArithmetic::Values(constants)) => {
                self.rescale(node, &[terms.value(constants.shift)])
            }
            (Operation::Gated(_), NodeArithmetic::Gated(constants)) => {
                let rescales = [terms.value(constants.up), terms.gate(constants.gate)];
                self.rescale(node, &rescales)?;
                // Entries of an activation table are at most eight times the largest gate.
                let max_gate = u64::from(terms.gate_bits().max_value().unsigned_abs());
                let product = 8 * max_gate * self.largest(EdgeKind::Values);
                rescaled("gated product", product, terms.gated(constants.product))
            }
            (Operation::Argmax(_), NodeArithmetic::Argmax(_)) => {
                for (_, bound) in self.taken(node) {
                    let gap = "gap between two logits";
                    below(gap, 2 * bound, ModelBounds::ACCUMULATOR_LIMIT)?;
                }
                Ok(())
            }
            // Its bounds are those of all layers together: `AccumulatorBounds`. What groups hand over is the stream.
            (Operation::Attention(_), NodeArithmetic::Attention(_))
            | (Operation::StreamIn(_), NodeArithmetic::StreamIn(_))
            | (Operation::StreamOut(_), NodeArithmetic::StreamOut(_)) => Ok(()),
            (
                Operation::Linear(_)
                | Operation::Stream(_)
                | Operation::Rotary(_)
                | Operation::Values(_)
                | Operation::Attention(_)
                | Operation::Gated(_)
                | Operation::Argmax(_)
                | Operation::StreamIn(_)
                | Operation::StreamOut(_),
                other,
            ) => unreachable!("the constants were checked to be of the graph, got {other:?}"),
        }
    }

    /// The accumulators that a node takes in.
    fn taken(&self, node: &Node) -> Vec<(&'static str, u64)> {
        self.accumulators[node.inputs()[0].index()].clone()
    }

    /// The largest number that an edge of this kind carries to a matrix.
    fn largest(&self, kind: EdgeKind) -> u64 {
        let terms = self.arithmetic.terms();
        match kind {
            EdgeKind::Tokens | EdgeKind::One => 1,
            EdgeKind::Values => u64::from(terms.value_bits().max_value().unsigned_abs()),
            EdgeKind::Gated => 1 << (terms.gated_bits() - 1),
            EdgeKind::Accumulators | EdgeKind::Stream | EdgeKind::Entries => {
                unreachable!("no matrix takes it in")
            }
        }
    }

    fn accumulate(
        &mut self,
        node: &Node,
        linear: &Linear,
        bounds: &LinearArithmetic,
    ) -> Result<(), QuantError> {
        let largest = self.largest(linear.input_kind());
        let mut accumulators = Vec::new();
        if !linear.is_summing() {
            // A row of 16 bits, in units of half of the stream's.
            let entry = 1 << (STREAM_BITS - 1 + crate::EMBEDDING_SHIFT);
            let quantities = linear.matrices().iter();
            accumulators.extend(quantities.map(|it| (it.projection.accumulator(), entry)));
        }
        for (matrix, bound) in linear.matrices().iter().zip(&bounds.matrices) {
            let quantity = matrix.projection.accumulator();
            let bound = u64::from(bound.row_norm) * largest + u64::from(bound.bias);
            below(quantity, bound, ModelBounds::ACCUMULATOR_LIMIT)?;
            self.max_accumulator = bound.max(self.max_accumulator);
            accumulators.push((quantity, bound));
        }
        self.accumulators[node.outputs()[0].index()] = accumulators;
        Ok(())
    }

    /// The accumulators of each stacked matrix are rescaled in a way of their own.
    fn rescale(&self, node: &Node, rescales: &[Rescale]) -> Result<(), QuantError> {
        let mut accumulators = self.taken(node).into_iter().zip(rescales);
        accumulators
            .try_for_each(|((quantity, bound), rescale)| rescaled(quantity, bound, *rescale))
    }

    fn normalize(&self, channels: usize, norm: NormArithmetic) -> Result<(), QuantError> {
        let terms = self.arithmetic.terms();
        let squares = max_square_sum(channels) + u64::from(norm.epsilon);
        below("sum of squares", squares, SQUARE_LIMIT.unsigned_abs())?;
        // Without an exponent a reciprocal root has 15 bits; with one, 11, as the mantissa is 2^12 at least.
        let most = u64::from(RSQRT_MAX + 1) << (STREAM_BITS - 1);
        rescaled("normalized value", most, terms.norm(norm, 0))?;
        let exponent = max_norm_exponent(channels, norm.epsilon);
        let most = 1 << NORM_PRODUCT_BITS;
        rescaled("normalized value", most, terms.norm(norm, exponent))
    }
}

/// A quantity stays below its limit.
fn below(quantity: &'static str, bound: u64, limit: u64) -> Result<(), QuantError> {
    if bound < limit {
        return Ok(());
    }
    Err(QuantError::AccumulatorTooLarge {
        quantity,
        bound,
        limit,
    })
}

/// What is rescaled and what makes it up differ by less than the modulus. The remainder and the half unit are
/// below one unit.
fn rescaled(quantity: &'static str, bound: u64, rescale: Rescale) -> Result<(), QuantError> {
    let made_up = rescale.reach() + (1 << rescale.shift());
    below(quantity, bound + made_up, u64::from(MODULUS))
}

/// The relation has room for one token of a model of this shape.
fn check_rows(shape: &ModelShape) -> Result<(), QuantError> {
    let graph = Graph::decoder(shape);
    let weights = graph.linears().map(|(_, linear)| {
        let blocks = linear.outputs().div_ceil(MAX_LINEAR_WIDTH);
        (blocks * linear.rows_of_weights()) as u64
    });
    let rows = |kind| graph.rows_per_token(kind) as u64;
    let pairs = shape.attention().head_dim() / 2;
    for (component, got) in [
        ("linear", weights.sum()),
        ("stream", rows(Kind::Stream)),
        ("rotary", rows(Kind::Rotary)),
        ("values", rows(Kind::Values)),
        ("gated", rows(Kind::Gated)),
        ("argmax", rows(Kind::Argmax)),
        ("rotary table", (shape.positions() * pairs) as u64),
    ] {
        let expected = 1 << MAX_LOG_ROWS;
        if got > expected {
            return Err(QuantError::TooManyRows {
                component,
                expected,
                got,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        GatedArithmetic, MatrixArithmetic, MatrixName, ModelArithmeticParts, Projection,
        RotaryArithmetic, UniformArithmetic, ValuesArithmetic,
    };
    use matchmark_quant::{
        AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
        ScoreStep, ValueBits, VocabularySize,
    };

    fn shape(hidden: u32, mlp: u32) -> ModelShape {
        ModelShape::new(
            Layers::new(2).unwrap(),
            HiddenSize::new(hidden).unwrap(),
            AttentionShape::new(
                QueryHeads::new(4).unwrap(),
                KvHeads::new(4).unwrap(),
                HeadDim::new(64).unwrap(),
            )
            .unwrap(),
            MlpSize::new(mlp).unwrap(),
            VocabularySize::new(1024).unwrap(),
            CacheCapacity::new(256).unwrap(),
        )
        .unwrap()
    }

    fn parts(shape: &ModelShape) -> ModelArithmeticParts {
        let common = (
            ValueBits::new(11).unwrap(),
            14,
            ScoreStep::new(100).unwrap(),
        );
        let norm = NormArithmetic {
            shift: 13,
            epsilon: 5,
        };
        let constants = UniformArithmetic {
            matrix: MatrixArithmetic {
                row_norm: 500_000,
                bias: 0,
            },
            stream: (10, 10),
            norm,
            rotary: RotaryArithmetic { query: 8, key: 8 },
            values: ValuesArithmetic { shift: 10 },
            gated: GatedArithmetic {
                gate: 10,
                up: 10,
                product: 10,
            },
        };
        let graph = Graph::decoder(shape);
        let mut parts = ModelArithmeticParts::uniform(&graph, common, &constants);
        for layer in 0..2 {
            for projection in [Projection::Output, Projection::Down] {
                let name = MatrixName::of_layer(projection, layer);
                parts.matrix_mut(&graph, name).row_norm = 200_000;
            }
        }
        parts
    }

    fn of(
        shape: &ModelShape,
        change: impl FnOnce(&mut ModelArithmeticParts, &Graph),
    ) -> Result<ModelBounds, QuantError> {
        let mut parts = parts(shape);
        change(&mut parts, &Graph::decoder(shape));
        ModelBounds::new(shape, &ModelArithmetic::new(parts).unwrap())
    }

    fn with(change: impl FnOnce(&mut ModelArithmeticParts)) -> Result<ModelBounds, QuantError> {
        of(&shape(256, 704), |parts, _| change(parts))
    }

    fn with_row_norm(projection: Projection, row_norm: u32) -> Result<ModelBounds, QuantError> {
        of(&shape(256, 704), |parts, graph| {
            let name = MatrixName::of_layer(projection, 1);
            parts.matrix_mut(graph, name).row_norm = row_norm;
        })
    }

    fn quantity(result: Result<ModelBounds, QuantError>) -> &'static str {
        match result {
            Err(QuantError::AccumulatorTooLarge { quantity, .. }) => quantity,
            other => panic!("{other:?}"),
        }
    }

    /// The largest of all is the last number before a power of two, which the bound on normalized values
    /// counts with.
    #[test]
    fn reciprocal_roots_fill_fifteen_bits() {
        let bits = (RSQRT_MAX.trailing_ones(), RSQRT_MAX.count_ones());
        assert_eq!(bits, (15, 15));
    }

    #[test]
    fn what_fits() {
        let bounds = with(|_| {}).unwrap();
        assert_eq!(bounds.max_accumulator(), 200_000 * 4096);
    }

    #[test]
    fn every_matrix_is_checked() {
        for projection in &Projection::ALL[1..8] {
            let is_gated = *projection == Projection::Down;
            let most = if is_gated { 262_143 } else { 1_049_601 };
            let result = with_row_norm(*projection, most + 1);
            assert_eq!(quantity(result), projection.accumulator());
        }
        assert!(with_row_norm(Projection::Value, 1_049_000).is_ok());
        let head = of(&shape(256, 704), |parts, graph| {
            parts.matrix_mut(graph, MatrixName::HEAD).row_norm = 525_000;
        });
        assert_eq!(quantity(head), "gap between two logits");
    }

    /// A bias counts as much as the products beside it.
    #[test]
    fn biases_are_checked() {
        let shape = shape(256, 704).with_attention_bias(true);
        let with_bias = |bias: u32| {
            of(&shape, |parts, graph| {
                let name = MatrixName::of_layer(Projection::Key, 1);
                let matrix = parts.matrix_mut(graph, name);
                (matrix.row_norm, matrix.bias) = (1_000_000, bias);
            })
        };
        assert!(with_bias((1 << 30) - 1_023_000_001).is_ok());
        assert_eq!(
            quantity(with_bias((1 << 30) - 1_023_000_000)),
            "key accumulator"
        );
    }

    #[test]
    fn every_rescaling_is_checked() {
        let of_mlp = "stream accumulator of the MLP";
        assert_eq!(quantity(with(|it| it.stream_mut(4).shift = 13)), of_mlp);
        let of_attention = of(&shape(256, 704), |parts, graph| {
            parts.stream_mut(3).before = Some(14);
            let name = MatrixName::of_layer(Projection::Output, 1);
            parts.matrix_mut(graph, name).row_norm = 600_000;
        });
        assert_eq!(
            quantity(of_attention),
            "stream accumulator of the attention"
        );
        let norm = |shift| with(|it| it.stream_mut(3).norm.shift = shift);
        assert_eq!(quantity(norm(16)), "normalized value");
        assert!(norm(15).is_ok());
    }

    #[test]
    fn what_follows_from_the_shape() {
        let of_width = |hidden| of(&shape(hidden, 704), |_, _| {});
        assert_eq!(quantity(of_width(8200)), "width of the stream");
        assert!(of_width(4096).is_ok());
        assert!(matches!(
            with(|it| it.nodes.truncate(2)),
            Err(QuantError::ParameterOutOfRange { .. })
        ));
    }
}
