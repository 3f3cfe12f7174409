//! Models of any shape without training behind them, for tests and for measuring.

use matchmark_graph::{
    GatedArithmetic, Graph, LinearArithmetic, MatrixArithmetic, MatrixName, ModelArithmetic,
    ModelArithmeticParts, ModelShape, NoConstants, Node, NodeArithmetic, NodeId, NormArithmetic,
    Operation, Projection, RotaryArithmetic, StreamArithmetic, ValuesArithmetic, STREAM_BITS,
    WEIGHT_LIMIT,
};
use matchmark_quant::{QuantError, Scale, ValueBits, ROTARY_SCALE_LOG};
use matchmark_runtime::{synthetic_score_step, TableResolution};
use matchmark_tables::activations::SILU;
use matchmark_tables::{ActivationTable, RsqrtTable};

use crate::floats::{activation_table, rotary_table, round_to_i32};
use crate::{
    IntegerModel, LayerScales, Matrix, ModelError, ModelParts, ModelPrefix, ModelScales,
    ModelTables, Rope, Tokenizer, TokenizerParts, Words,
};

/// Arithmetic that suits [`synthetic_model`] at a value width: every rescaling clamps now and then, and no two
/// layers that follow each other have the same constants. Row norms are left at zero.
///
/// # Errors
/// [`QuantError`] if the score step that belongs to the shape leaves its range.
pub fn synthetic_arithmetic(
    shape: ModelShape,
    value_bits: ValueBits,
) -> Result<ModelArithmetic, QuantError> {
    // Normalized values are clamped at about twice their root mean square.
    let half_root = u8::try_from(shape.hidden().ilog2() / 2).unwrap_or(0);
    let norm = (27 - value_bits.get() - half_root).clamp(
        ModelArithmetic::MIN_NORM_SHIFT,
        ModelArithmetic::MAX_NORM_SHIFT,
    );
    let norm = |epsilon| NormArithmetic {
        shift: norm,
        epsilon,
    };
    let odd = |node: &Node| u8::from(node.layer().is_some_and(|layer| layer % 2 == 1));
    let graph = Graph::decoder(&shape);
    // From 13 bits and cosines of 12 bits to values.
    let rotation = (2 * ROTARY_SCALE_LOG + 1 - value_bits.get()).min(ModelArithmetic::MAX_SHIFT);
    let step = synthetic_score_step(shape.attention(), value_bits)?;
    let last = shape.stages() - 1;
    let constants = |node: &Node| match node.operation() {
        Operation::Linear(linear) => {
            let unknown = MatrixArithmetic::default();
            NodeArithmetic::Linear(LinearArithmetic::uniform(linear, unknown))
        }
        Operation::Stream(_) => NodeArithmetic::Stream(match node.rank() {
            0 => StreamArithmetic::first(norm(40)),
            rank => {
                let (of_attention, odd) = (rank % 2 == 1, odd(node));
                StreamArithmetic {
                    shift: if of_attention { 6 } else { 6 + odd },
                    // The embedding has a finer unit than the later stream.
                    before: Some(match of_attention {
                        true if rank == 1 => 4,
                        true => 6 + odd,
                        false => 6,
                    }),
                    norm: norm(match of_attention {
                        true => 3 + u32::from(odd),
                        false if rank == last => 5,
                        false => 3,
                    }),
                }
            }
        }),
        Operation::Rotary(_) => NodeArithmetic::Rotary(RotaryArithmetic {
            query: 5 + odd(node),
            key: 6,
        }),
        Operation::Values(_) => NodeArithmetic::Values(ValuesArithmetic {
            shift: 7 + odd(node),
        }),
        Operation::Attention(_) => NodeArithmetic::Attention(NoConstants {}),
        Operation::Gated(_) => NodeArithmetic::Gated(GatedArithmetic {
            gate: 7,
            up: 8 - odd(node),
            product: value_bits.get() - 1 + odd(node),
        }),
        Operation::Argmax(_) => NodeArithmetic::Argmax(NoConstants {}),
        Operation::StreamIn(_) => NodeArithmetic::StreamIn(NoConstants {}),
        Operation::StreamOut(_) => NodeArithmetic::StreamOut(NoConstants {}),
    };
    let common = (value_bits, rotation, step);
    ModelArithmetic::new(ModelArithmeticParts::of_graph(&graph, common, constants))
}

/// A model whose weights are drawn by a fixed generator: equal arguments make equal models, on every
/// machine. The arithmetic gets the row norms of these weights.
///
/// Weights are scaled so that every rescaling fills its range and clamps now and then. Token 0 has an embedding
/// of zeros, the rows of the other tokens differ in size by powers of two, and pairs of rows of the output head
/// are equal, so that the greedy choice meets ties.
///
/// # Errors
/// [`ModelError`] if the arithmetic does not suit the shape.
pub fn synthetic_model(
    shape: ModelShape,
    arithmetic: ModelArithmetic,
    seed: u64,
) -> Result<IntegerModel, ModelError> {
    let mut generator = Generator(seed);
    let bits = arithmetic.value_bits();
    let limit = f64::from(bits.max_value());
    // Values are spread so that their limit is three standard deviations away.
    let spread = limit / 3.0;
    let stream = f64::from(1u32 << (STREAM_BITS - 1)) / 5.0;
    let root = (shape.hidden() as f64).sqrt();
    let graph = Graph::decoder(&shape);
    // What a matrix takes in: normalized values of the stage before it, or what is said.
    let normalized = |node: NodeId| {
        let before = graph.edge(graph.node(node).inputs()[0]).from();
        let shift = before.map_or(0, |id| arithmetic.stream(id).norm.shift);
        (f64::from(1u32 << (25 - shift)) / root).min(spread)
    };
    let mut matrices = Vec::with_capacity(graph.matrices().len());
    for &(name, node, place) in graph.matrices() {
        let linear = graph.linear(node);
        let (outputs, inputs) = (linear.matrices()[place].outputs, linear.inputs());
        // The node that the accumulators go to.
        let behind = graph.edge(graph.output(node)).to()[0];
        let (from, to, shift) = match name.projection {
            Projection::Query => (normalized(node), 1400.0, arithmetic.rotary(behind).query),
            Projection::Key => (normalized(node), 1400.0, arithmetic.rotary(behind).key),
            Projection::Value => (normalized(node), spread, arithmetic.values(behind).shift),
            Projection::Gate => (
                normalized(node),
                2.0 * spread,
                arithmetic.gated(behind).gate,
            ),
            Projection::Up => (normalized(node), spread, arithmetic.gated(behind).up),
            Projection::Output => (spread / 2.0, stream, arithmetic.stream(behind).shift),
            Projection::Down => (4.0 * spread, stream, arithmetic.stream(behind).shift),
            Projection::Head => (normalized(node), 1000.0, 8),
            Projection::Embedding => unreachable!("it is no matrix of a graph's list"),
        };
        let accumulator = to * f64::from(1u32 << shift);
        let deviation = accumulator / (from * (inputs as f64).sqrt());
        let mut matrix = generator.matrix(outputs, inputs, deviation)?;
        if name == MatrixName::HEAD {
            matrix = with_equal_rows(&matrix)?;
        }
        if linear.has_biases() {
            // A quarter of the products beside them: values clamp now and then, and not most of the time.
            let biases = (0..outputs).map(|_| round_to_i32(generator.bell() * accumulator / 4.0));
            matrix = matrix.with_biases(biases.collect())?;
        }
        matrices.push(matrix);
    }
    let embedding = generator.embedding(&shape);
    let unit = |x: f64| Scale::new(x);
    let gate_bits = arithmetic.terms().gate_bits();
    let gate = unit(8.0 / f64::from(gate_bits.max_value()))?;
    let activation = unit(gate.get() / f64::from(ActivationTable::ENTRY_FACTOR))?;
    let one = unit(1.0)?;
    let layer_scales = LayerScales {
        rotary_query: one,
        rotary_key: one,
        query: one,
        key: one,
        value: one,
        up: one,
        gated: one,
    };
    let mut parts = ModelParts {
        shape,
        arithmetic,
        prefix: ModelPrefix::none(&shape),
        embedding,
        matrices,
        tables: ModelTables {
            weights: TableResolution::for_bits(bits)?.table()?,
            rsqrt: RsqrtTable::new(),
            activation: activation_table(SILU, gate_bits, gate, activation)?,
            rotary: rotary_table(&shape, &Rope::plain(10_000.0))?,
        },
        scales: ModelScales {
            stream: vec![one; shape.stages()],
            normalized: vec![one; shape.stages()],
            rotated: false,
            gate,
            logits: one,
            layers: vec![layer_scales; shape.layers()],
        },
        tokenizer: synthetic_tokenizer(shape.vocabulary())?,
    };
    parts.state_row_norms()?;
    IntegerModel::new(parts)
}

/// Tokens drawn by a fixed generator, every one of the vocabulary possible.
#[must_use]
pub fn synthetic_tokens(shape: &ModelShape, count: usize, seed: u64) -> Vec<u32> {
    let mut generator = Generator(seed);
    let vocabulary = shape.vocabulary() as u64;
    (0..count)
        .map(|_| u32::try_from(generator.next() % vocabulary).unwrap_or(0))
        .collect()
}

/// Every second row is the one before it.
fn with_equal_rows(head: &Matrix) -> Result<Matrix, ModelError> {
    let mut weights = head.weights().to_vec();
    let n = head.inputs();
    for row in (1..head.outputs()).step_by(2) {
        weights.copy_within((row - 1) * n..row * n, row * n);
    }
    Matrix::new(head.outputs(), n, weights)
}

/// Two special tokens, single bytes, then pairs and triples of bytes.
fn synthetic_tokenizer(vocabulary: usize) -> Result<Tokenizer, ModelError> {
    let names = [b"<bos>".to_vec(), b"<eos>".to_vec()];
    // Printable bytes come first.
    let bytes: Vec<u8> = (b' '..=u8::MAX).chain(0..b' ').collect();
    let singles = bytes.iter().map(|&byte| vec![byte]);
    let pairs = bytes
        .iter()
        .flat_map(|&a| bytes.iter().map(move |&b| vec![a, b]));
    let triples = pairs.clone().flat_map(|pair| {
        let bytes = &bytes;
        bytes
            .iter()
            .map(move |&byte| [pair.as_slice(), &[byte]].concat())
    });
    let pieces: Vec<Vec<u8>> = names
        .into_iter()
        .chain(singles)
        .chain(pairs.clone())
        .chain(triples)
        .take(vocabulary)
        .collect();
    let special = (0..pieces.len()).map(|token| token < 2).collect();
    Ok(Tokenizer::new(TokenizerParts {
        merges: pair_merges(&pieces),
        words: Words::Gpt2,
        ignore_merges: false,
        nfc: false,
        pieces,
        special,
        begin: Some(0),
        ends: vec![1],
        chat: None,
    })?)
}

/// The merges that make the pieces of two bytes.
fn pair_merges(pieces: &[Vec<u8>]) -> Vec<[u32; 2]> {
    let mut single = [None; 256];
    for (token, piece) in (0u32..).zip(pieces) {
        if let [byte] = piece[..] {
            single[usize::from(byte)] = Some(token);
        }
    }
    pieces
        .iter()
        .filter_map(|piece| match piece[..] {
            [a, b] => Some([single[usize::from(a)]?, single[usize::from(b)]?]),
            _ => None,
        })
        .collect()
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number of mean 0 and deviation 1: four draws of 16 bits, centred. It never exceeds 3.5.
    fn bell(&mut self) -> f64 {
        let word = self.next();
        let sum: u64 = (0..4).map(|part| (word >> (16 * part)) & 0xffff).sum();
        // Four uniform draws of width w have the variance w^2 / 3.
        (sum as f64 / 65_535.0 - 2.0) * 3.0f64.sqrt()
    }

    /// A matrix whose weights have about this deviation.
    fn matrix(
        &mut self,
        outputs: usize,
        inputs: usize,
        deviation: f64,
    ) -> Result<Matrix, ModelError> {
        let limit = i32::from(WEIGHT_LIMIT);
        let weights = (0..outputs.saturating_mul(inputs)).map(|_| {
            let weight = round_to_i32(self.bell() * deviation).clamp(-limit, limit);
            i16::try_from(weight).unwrap_or(0)
        });
        Matrix::new(outputs, inputs, weights.collect())
    }

    fn embedding(&mut self, shape: &ModelShape) -> Vec<i16> {
        let limit = f64::from(1u32 << (STREAM_BITS - 1)) - 1.0;
        let mut entries = vec![0; shape.hidden()];
        for token in 1..shape.vocabulary() {
            let size = f64::from(1u32 << (3 + token % 12));
            for _ in 0..shape.hidden() {
                let entry = (self.bell() * size).clamp(-limit, limit);
                entries.push(i16::try_from(round_to_i32(entry)).unwrap_or(0));
            }
        }
        entries
    }
}
