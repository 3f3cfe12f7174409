//! Public columns: columns whose every entry the verifier knows.
//!
//! They are never committed. The prover uses them like any other column; the verifier evaluates
//! their interpolants itself at the out-of-domain point, in time linear in their length, or in the number of
//! their entries where all others are zero. That point is drawn after everything is committed, so a trace that
//! agrees with the constraints at that point agrees with the public values.
use alloc::vec;
use alloc::vec::Vec;

use num_traits::{One as _, Zero};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::{M31, P};
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;

/// Columns of equal length over the trace domain, in row order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicColumns {
    log_rows: u32,
    entries: Entries,
    /// An evaluation that was asked for before.
    known: Option<(CirclePoint<QM31>, Vec<QM31>)>,
}

/// What the columns hold.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entries {
    /// Every entry of every column.
    All(Vec<Vec<M31>>),
    /// Zero, but one on some rows of so many columns.
    Ones { columns: usize, ones: Vec<One> },
}

/// Where a column is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One {
    /// Number of the column.
    pub column: usize,
    /// The row.
    pub row: usize,
}

impl PublicColumns {
    /// Columns of `2^log_rows` rows each; shorter ones are filled up with zero.
    ///
    /// # Panics
    ///
    /// If a column is longer than `2^log_rows`.
    pub fn new(log_rows: u32, mut columns: Vec<Vec<M31>>) -> Self {
        for column in &mut columns {
            assert!(column.len() <= 1 << log_rows, "public column is too long");
            column.resize(1 << log_rows, M31::zero());
        }
        Self::of(log_rows, Entries::All(columns))
    }

    /// So many columns of `2^log_rows` rows each that are zero but where they are said to be one; no place is named
    /// twice. An evaluation takes time linear in the number of ones and in `log_rows`.
    ///
    /// # Panics
    ///
    /// If a one stands in another column, or on a row that they do not have.
    pub fn of_ones(log_rows: u32, columns: usize, ones: Vec<One>) -> Self {
        let is_inside = |one: &One| one.column < columns && one.row < 1 << log_rows;
        assert!(
            ones.iter().all(is_inside),
            "public columns have no such place"
        );
        Self::of(log_rows, Entries::Ones { columns, ones })
    }

    /// No columns.
    pub fn none() -> Self {
        Self::new(0, vec![])
    }

    fn of(log_rows: u32, entries: Entries) -> Self {
        Self {
            log_rows,
            entries,
            known: None,
        }
    }

    /// Columns without entries, for structure that does not depend on them.
    pub fn structural(log_rows: u32, columns: usize) -> Self {
        Self::of_ones(log_rows, columns, vec![])
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::All(columns) => columns.len(),
            Entries::Ones { columns, .. } => *columns,
        }
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Log of the number of rows.
    pub fn log_rows(&self) -> u32 {
        self.log_rows
    }

    /// The columns in row order.
    pub fn columns(&self) -> Vec<Vec<M31>> {
        match &self.entries {
            Entries::All(columns) => columns.clone(),
            Entries::Ones { columns, ones } => {
                let mut filled = vec![vec![M31::zero(); 1 << self.log_rows]; *columns];
                for One { column, row } in ones {
                    filled[*column][*row] = M31::one();
                }
                filled
            }
        }
    }

    /// The same columns, evaluated ahead at `point`: asked for the value there, they do no work.
    pub fn evaluated_at(mut self, point: CirclePoint<QM31>) -> Self {
        self.known = Some((point, self.evaluate(point)));
        self
    }

    /// Value of every column's interpolant at `point`, a point outside the trace domain.
    pub fn evaluate(&self, point: CirclePoint<QM31>) -> Vec<QM31> {
        if let Some((known, values)) = &self.known {
            if *known == point {
                return values.clone();
            }
        }
        if self.is_empty() {
            return vec![];
        }
        match &self.entries {
            Entries::All(columns) => {
                let coordinates = lagrange_weights(self.log_rows, point);
                let of_column = |column: &Vec<M31>| {
                    let sums = coordinates.each_ref().map(|weights| dot(weights, column));
                    QM31::from_m31_array(sums)
                };
                columns.iter().map(of_column).collect()
            }
            Entries::Ones { columns, ones } => {
                let mut sums = vec![QM31::zero(); *columns];
                let rows = ones.iter().map(|one| one.row);
                let weights = lagrange_weights_of(self.log_rows, point, rows);
                for (One { column, .. }, weight) in ones.iter().zip(weights) {
                    sums[*column] += weight;
                }
                sums
            }
        }
    }
}

/// `sum_i a_i b_i`, reduced once at the end: a product is brought below `2^32` by folding its upper
/// bits down (`2^31 = 1` modulo `p`), and `2^32` of those fit into 64 bits.
fn dot(a: &[u32], b: &[M31]) -> M31 {
    let sum = a.iter().zip(b).fold(0_u64, |sum, (a, b)| {
        let product = u64::from(*a) * u64::from(b.0);
        sum + (product & u64::from(P)) + (product >> 31)
    });
    // One more fold brings the sum far below p^2, where the field reduces it.
    let folded = (sum & u64::from(P)) + (sum >> 31);
    M31::reduce(folded)
}

/// Coordinates of weights `w_i`, in row order, with `f(point) = sum_i w_i f(row i)` for every polynomial `f` of the
/// trace domain's circle polynomial space.
///
/// One layer of the circle inverse FFT sends a pair `(f(P), f(-P))` to `(even, odd)` with
/// `f = even + x odd`, where `x` is the coordinate (`y` in the first layer, then `x`, then iterates
/// of `2x^2 - 1`) in which the pair differs by sign. Reading that from the last layer to the first
/// splits a weight `w` into `w/2 (1 + X/x)` and `w/2 (1 - X/x)`, `X` being the coordinate of `point`.
fn lagrange_weights(log_rows: u32, point: CirclePoint<QM31>) -> [Vec<u32>; 4] {
    let layers = inverse_coordinates(log_rows);
    let mut at = Vec::with_capacity(layers.len());
    at.push(point.y);
    let mut x = point.x;
    for _ in 1..layers.len() {
        at.push(x);
        x = CirclePoint::double_x(x);
    }
    let scale = M31::from_u32_unchecked(1 << log_rows).inverse();
    let mut weights = vec![QM31::from(scale)];
    for (inverses, coordinate) in layers.iter().zip(&at).rev() {
        let mut split = Vec::with_capacity(2 * weights.len());
        for (weight, inverse) in weights.iter().zip(inverses) {
            let odd = *weight * *coordinate * *inverse;
            split.push(*weight + odd);
            split.push(*weight - odd);
        }
        weights = split;
    }
    // `weights` is in the bit-reversed order of the circle domain; bring it to row order by sending
    // the row numbers the other way. The coordinates apart, so that sums over rows are plain integer
    // loops.
    let mut rows: Vec<u32> = (0..1 << log_rows).collect();
    bit_reverse_coset_to_circle_domain_order(&mut rows);
    let mut ordered = [(); 4].map(|()| vec![0; weights.len()]);
    for (row, weight) in rows.into_iter().zip(weights) {
        for (ordered, coordinate) in ordered.iter_mut().zip(weight.to_m31_array()) {
            ordered[row as usize] = coordinate.0;
        }
    }
    ordered
}

/// The weights of [`lagrange_weights`] on some rows alone: as every layer multiplies the weight of a row by `1/2 (1 +
/// X/x)`, with `x` the coordinate of the row's own point, it is the product of `x + X` over all layers by `2^n` times
/// that of `x`.
fn lagrange_weights_of(
    log_rows: u32,
    point: CirclePoint<QM31>,
    rows: impl Iterator<Item = usize>,
) -> Vec<QM31> {
    let coset = CanonicCoset::new(log_rows).coset;
    let scale = M31::from_u32_unchecked(1 << log_rows);
    let (numerators, denominators): (Vec<QM31>, Vec<M31>) = rows
        .map(|row| {
            let of_row = coset.at(row);
            let (mut numerator, mut denominator) = (point.y + of_row.y, scale * of_row.y);
            let (mut at, mut own) = (point.x, of_row.x);
            for _ in 1..log_rows {
                numerator *= at + own;
                denominator *= own;
                (at, own) = (CirclePoint::double_x(at), CirclePoint::double_x(own));
            }
            (numerator, denominator)
        })
        .unzip();
    let inverses = M31::batch_inverse(&denominators).into_iter();
    let weights = numerators.into_iter().zip(inverses);
    weights
        .map(|(numerator, inverse)| numerator * inverse)
        .collect()
}

/// For each layer of the circle FFT, first to last, the inverse of the sign-changing coordinate of
/// every pair, in the bit-reversed order of the circle domain.
fn inverse_coordinates(log_rows: u32) -> Vec<Vec<M31>> {
    let half_coset = CanonicCoset::new(log_rows).half_coset();
    let half = half_coset.size();
    let (mut ys, mut xs) = (Vec::with_capacity(half), Vec::with_capacity(half / 2));
    let (mut point, step) = (half_coset.initial, half_coset.step);
    for i in 0..half {
        ys.push(point.y);
        if i < half / 2 {
            xs.push(point.x);
        }
        point = point + step;
    }
    let mut layers = vec![ys];
    while layers.len() < log_rows as usize {
        let next = xs[..xs.len() / 2]
            .iter()
            .map(|x| CirclePoint::double_x(*x))
            .collect();
        layers.push(core::mem::replace(&mut xs, next));
    }
    layers
        .into_iter()
        .map(|mut coordinates| {
            stwo::core::utils::bit_reverse(&mut coordinates);
            M31::batch_inverse(&coordinates)
        })
        .collect()
}
