//! Non-negative least squares on relative error.
//!
//! Minimises `sum_i (sum_j a_ij x_j / b_i - 1)^2` over `x >= 0` by cyclic coordinate descent with
//! projection onto `x_j >= 0` (Franc, Hlavac and Navara, "Sequential coordinate-wise algorithm for the
//! non-negative least squares problem", CAIP 2005). The problem is convex, and a step of a coordinate is
//! exact, so that the error never grows.

/// Sweeps over all coordinates. A fit has about ten of them and a few dozen rows.
const SWEEPS: usize = 200_000;
/// A sweep that changes the prediction of no row by more than this part ends the descent.
const TOLERANCE: f64 = 1e-12;

/// The coefficients, none negative, that predict the measured values (each above zero) from the
/// features best, by the squares of relative errors. Features that are zero in all rows get zero.
#[must_use]
pub fn non_negative<const N: usize>(rows: &[([f64; N], f64)]) -> [f64; N] {
    let scaled: Vec<[f64; N]> = rows
        .iter()
        .filter(|(_, measured)| *measured > 0.0)
        .map(|(features, measured)| features.map(|feature| feature / measured))
        .collect();
    // Columns of length one, so that the tolerance means the same for each.
    let norms: [f64; N] = std::array::from_fn(|column| {
        let squares = scaled.iter().map(|row| row[column] * row[column]);
        squares.sum::<f64>().sqrt()
    });
    let product = |a: usize, b: usize| -> f64 {
        if norms[a] <= 0.0 || norms[b] <= 0.0 {
            return 0.0;
        }
        let sum: f64 = scaled.iter().map(|row| row[a] * row[b]).sum();
        sum / (norms[a] * norms[b])
    };
    let gram: [[f64; N]; N] = std::array::from_fn(|a| std::array::from_fn(|b| product(a, b)));
    let mut solution = [0.0; N];
    // Half the gradient of the error: `A^T A x - A^T 1`.
    let mut gradient: [f64; N] = std::array::from_fn(|column| {
        let sum: f64 = scaled.iter().map(|row| row[column]).sum();
        if norms[column] > 0.0 {
            -sum / norms[column]
        } else {
            0.0
        }
    });
    for _ in 0..SWEEPS {
        let mut largest: f64 = 0.0;
        for column in 0..N {
            if norms[column] <= 0.0 {
                continue;
            }
            let next = (solution[column] - gradient[column]).max(0.0);
            let change = next - solution[column];
            solution[column] = next;
            largest = largest.max(change.abs());
            for other in 0..N {
                gradient[other] += change * gram[other][column];
            }
        }
        if largest < TOLERANCE {
            break;
        }
    }
    std::array::from_fn(|column| {
        if norms[column] > 0.0 {
            solution[column] / norms[column]
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error<const N: usize>(rows: &[([f64; N], f64)], x: &[f64; N]) -> f64 {
        let relative = rows.iter().map(|(features, measured)| {
            let predicted: f64 = features.iter().zip(x).map(|(a, x)| a * x).sum();
            (predicted / measured - 1.0).powi(2)
        });
        relative.sum()
    }

    #[test]
    fn exact_data_give_their_coefficients_back() {
        let truth = [3e-9, 0.0, 0.25];
        let features = [
            [1e6, 2.0, 1.0],
            [5e7, 9.0, 1.0],
            [3e8, 1.0, 2.0],
            [2e6, 40.0, 7.0],
        ];
        let rows = features.map(|row| {
            let value: f64 = row.iter().zip(&truth).map(|(a, x)| a * x).sum();
            (row, value)
        });
        let found = non_negative(&rows);
        for (found, truth) in found.iter().zip(&truth) {
            assert!((found - truth).abs() <= 1e-6 * truth.max(1e-3), "{found}");
        }
    }

    #[test]
    fn what_would_be_negative_is_zero() {
        // The unconstrained solution is (2, -1).
        let rows = [([1.0, 1.0], 1.0), ([2.0, 1.0], 3.0)];
        let found = non_negative(&rows);
        assert!(found[1].abs() < 1e-12);
        // By hand: the minimum of (x - 1)^2 + (2 x / 3 - 1)^2 is at 15/13.
        assert!((found[0] - 15.0 / 13.0).abs() < 1e-9);
        assert_eq!(non_negative(&[([0.0, 1.0], 4.0)]), [0.0, 4.0]);
    }

    proptest! {
        #[test]
        fn no_step_to_either_side_is_better(
            rows in proptest::collection::vec((proptest::array::uniform3(0.1_f64..10.0), 0.1_f64..10.0), 3..12)
        ) {
            let found = non_negative(&rows);
            let best = error(&rows, &found);
            for column in 0..3 {
                for step in [-1e-3, 1e-3] {
                    let mut other = found;
                    other[column] = (other[column] + step).max(0.0);
                    prop_assert!(best <= error(&rows, &other) + 1e-9);
                }
            }
        }
    }
}
