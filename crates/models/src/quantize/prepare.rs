//! Weights before they are rounded: those of the normalizations folded in, the stream rotated.
//!
//! A rotation of the residual stream changes no result: what reads the stream is multiplied by it, what writes
//! to the stream by its inverse, and a normalization without weights commutes with it. It spreads what a few
//! channels hold over all of them, so that one range fits them all (Ashkboos et al., "QuaRot: Outlier-Free
//! 4-Bit Inference in Rotated LLMs", 2024).

use matchmark_graph::{MatrixName, Projection};

use crate::{FloatMatrix, FloatModel};

/// Seed of the signs; part of what the quantizer is.
const SEED: u64 = 1;

/// The same function with the weights of its normalizations folded into the matrices that follow them, and its
/// stream rotated if that is wanted. The head is a matrix of its own.
pub(crate) fn prepare(model: &FloatModel, rotated: bool) -> FloatModel {
    let FloatModel {
        shape,
        norm_epsilon,
        rope,
        activation,
        embedding,
        norms,
        matrices,
        tokenizer,
        ignored,
    } = model;
    let rotation = rotated.then(|| Rotation::new(shape.hidden()));
    let reads = |matrix: &[f32], norm: &[f32]| {
        let mut matrix: Vec<f32> = matrix
            .iter()
            .zip(norm.iter().cycle())
            .map(|(w, n)| w * n)
            .collect();
        if let Some(rotation) = &rotation {
            rotation.of_rows(&mut matrix);
        }
        matrix
    };
    let writes = |matrix: &[f32]| {
        let mut matrix = matrix.to_vec();
        if let Some(rotation) = &rotation {
            rotation.of_columns(&mut matrix);
        }
        matrix
    };
    let graph = model.graph();
    let prepared = |(&(name, node, _), matrix): (&(MatrixName, _, _), &FloatMatrix)| {
        let FloatMatrix { weights, biases } = matrix;
        let weights = match name.projection {
            Projection::Query
            | Projection::Key
            | Projection::Value
            | Projection::Gate
            | Projection::Up
            | Projection::Head => {
                let before = graph.edge(graph.node(node).inputs()[0]).from();
                // A stage of the stream gives what these take in.
                let stage = before.map_or(0, |id| graph.node(id).rank());
                reads(weights, &norms[stage])
            }
            Projection::Output | Projection::Down => writes(weights),
            Projection::Embedding => unreachable!("it is no matrix of a graph's list"),
        };
        // Biases are added to what does not stand in the stream.
        let biases = biases.clone();
        FloatMatrix { weights, biases }
    };
    let ones = vec![1.0; shape.hidden()];
    FloatModel {
        shape: *shape,
        norm_epsilon: *norm_epsilon,
        rope: *rope,
        activation: *activation,
        embedding: reads(embedding, &ones),
        norms: vec![ones; shape.stages()],
        matrices: graph
            .matrices()
            .iter()
            .zip(matrices)
            .map(prepared)
            .collect(),
        tokenizer: tokenizer.clone(),
        ignored: ignored.clone(),
    }
}

/// `Q = diag(s) (D x H)`: signs, then a cosine transform of the odd part of the width by a Hadamard matrix of the
/// largest power of two in it. Orthogonal.
struct Rotation {
    signs: Vec<f64>,
    /// Rows and columns of `D`, the orthonormal cosine transform (DCT-II), `[odd, odd]`.
    odd: usize,
    cosines: Vec<f64>,
}

impl Rotation {
    fn new(width: usize) -> Self {
        let odd = width >> width.trailing_zeros();
        let mut cosines = Vec::with_capacity(odd * odd);
        for row in 0..odd {
            let scale = if row == 0 { 1.0 } else { 2.0 } / odd as f64;
            for column in 0..odd {
                let angle = core::f64::consts::PI * (column as f64 + 0.5) * row as f64 / odd as f64;
                cosines.push(libm::sqrt(scale) * libm::cos(angle));
            }
        }
        let mut state = SEED;
        let signs = (0..width).map(|_| sign(&mut state)).collect();
        Self {
            signs,
            odd,
            cosines,
        }
    }

    /// `W Q` for rows of the stream's width.
    fn of_rows(&self, matrix: &mut [f32]) {
        let mut wide = vec![0.0; self.signs.len()];
        for row in matrix.chunks_exact_mut(self.signs.len()) {
            for ((wide, &x), sign) in wide.iter_mut().zip(&*row).zip(&self.signs) {
                *wide = f64::from(x) * sign;
            }
            self.transform(&mut wide, 1);
            narrow(&wide, row);
        }
    }

    /// `Q^T W` for columns of the stream's width.
    fn of_columns(&self, matrix: &mut [f32]) {
        let inputs = matrix.len() / self.signs.len();
        let mut wide: Vec<f64> = matrix.iter().map(|&x| f64::from(x)).collect();
        for (row, sign) in wide.chunks_exact_mut(inputs).zip(&self.signs) {
            row.iter_mut().for_each(|x| *x *= sign);
        }
        self.transform(&mut wide, inputs);
        narrow(&wide, matrix);
    }

    /// `(D x H)^T` applied to vectors that stand side by side, `lanes` of them.
    fn transform(&self, vectors: &mut [f64], lanes: usize) {
        let power = self.signs.len() / self.odd;
        let block = power * lanes;
        for part in vectors.chunks_exact_mut(block) {
            hadamard(part, lanes);
        }
        if self.odd == 1 {
            return;
        }
        let before = vectors.to_vec();
        vectors.fill(0.0);
        for (from, row) in before
            .chunks_exact(block)
            .zip(self.cosines.chunks_exact(self.odd))
        {
            for (to, &cosine) in vectors.chunks_exact_mut(block).zip(row) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to += cosine * from;
                }
            }
        }
    }
}

/// The orthonormal Walsh-Hadamard transform of vectors that stand side by side.
fn hadamard(vectors: &mut [f64], lanes: usize) {
    let mut half = lanes;
    while half < vectors.len() {
        for pair in vectors.chunks_exact_mut(2 * half) {
            let (first, second) = pair.split_at_mut(half);
            for (a, b) in first.iter_mut().zip(second) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = 1.0 / libm::sqrt((vectors.len() / lanes) as f64);
    vectors.iter_mut().for_each(|x| *x *= scale);
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "weights are single-precision floats"
)]
fn narrow(wide: &[f64], out: &mut [f32]) {
    for (out, &x) in out.iter_mut().zip(wide) {
        *out = x as f32;
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn sign(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (word ^ (word >> 31)) & 1 == 0 {
        1.0
    } else {
        -1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Q`, as what it makes of the rows of the identity.
    fn matrix(width: usize) -> Vec<f32> {
        let mut rows = vec![0.0; width * width];
        rows.iter_mut().step_by(width + 1).for_each(|x| *x = 1.0);
        Rotation::new(width).of_rows(&mut rows);
        rows
    }

    #[test]
    fn rotations_are_orthogonal_and_mix_all_channels() {
        for width in [1, 2, 3, 8, 12, 36, 40] {
            let q = matrix(width);
            for (i, a) in q.chunks_exact(width).enumerate() {
                for (j, b) in q.chunks_exact(width).enumerate() {
                    let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((dot - expected).abs() < 1e-5, "{width} {i} {j}");
                }
            }
            if width.is_power_of_two() {
                let entry = 1.0 / libm::sqrtf(width as f32);
                assert!(q.iter().all(|x| (x.abs() - entry).abs() < 1e-6));
            }
        }
    }

    /// What the columns of a matrix become is `Q^T W`.
    #[test]
    fn columns_are_multiplied_by_the_inverse() {
        let (width, inputs) = (12, 5);
        let weights: Vec<f32> = (0..60_u8).map(|x| f32::from(x % 13) - 6.0).collect();
        let mut got = weights.clone();
        Rotation::new(width).of_columns(&mut got);
        let q = matrix(width);
        for o in 0..width {
            for j in 0..inputs {
                let sum = (0..width).map(|c| q[c * width + o] * weights[c * inputs + j]);
                let expected: f32 = sum.sum();
                assert!((got[o * inputs + j] - expected).abs() < 1e-5);
            }
        }
    }
}
