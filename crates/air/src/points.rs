//! Points at which columns are opened, and those at which nothing can be.
//!
//! An opening at a point and at its conjugate (over CM31) is a line through both. Where the two have the same
//! `y` there is no such line, and the library stops with a panic. Points follow from the transcript or from
//! a root, so that one try in `2^62` comes to such a point, and whoever picks a root may try many: no proof of
//! work stands before a fingerprint. They are refused by name on both sides before the library sees them.
use alloc::vec::Vec;

use num_traits::Zero;
use stwo::core::air::Component;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::poly::circle::CanonicCoset;

use crate::trees::Tree;

/// A point at which no column can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a point at which columns are opened has y = {y}, which is its own conjugate: nothing can be opened there; \
     other commitments have other points"
)]
pub struct SubfieldPoint {
    /// The coordinate, an element of CM31.
    pub y: QM31,
}

/// The fingerprint points of the ports of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPoints {
    points: Vec<(Tree, CirclePoint<QM31>)>,
    structural: bool,
}

impl PortPoints {
    /// These points.
    pub fn new(points: Vec<(Tree, CirclePoint<QM31>)>) -> Self {
        Self {
            points,
            structural: false,
        }
    }

    /// One and the same point for all ports, for what does not depend on points (column counts, names).
    pub fn structural() -> Self {
        Self {
            points: Vec::new(),
            structural: true,
        }
    }

    /// The point of a port.
    ///
    /// # Panics
    ///
    /// If it has not been given: an error in the program, never in its input.
    pub fn of(&self, port: Tree) -> CirclePoint<QM31> {
        match self.points.iter().find(|(tree, _)| *tree == port) {
            Some((_, point)) => *point,
            None if self.structural => CirclePoint::zero(),
            None => panic!("no fingerprint point of the {} tree", port.name()),
        }
    }
}

/// Gives a point back if columns can be opened there.
///
/// # Errors
///
/// [`SubfieldPoint`] if its `y` lies in CM31.
pub fn check_point(point: CirclePoint<QM31>) -> Result<CirclePoint<QM31>, SubfieldPoint> {
    match point.y.1.is_zero() {
        true => Err(SubfieldPoint { y: point.y }),
        false => Ok(point),
    }
}

/// Checks all points at which a proof opens its columns: the out-of-domain point, those beside it, the
/// fingerprint points, and those at which the library compares a column with its own period.
///
/// `max_log_rows` is the height of the longest column, `log_blowup` that of the code's rate.
///
/// # Errors
///
/// [`SubfieldPoint`] for the first point whose `y` lies in CM31.
pub fn check_samples(
    components: &[&dyn Component],
    point: CirclePoint<QM31>,
    max_log_rows: u32,
    log_blowup: u32,
) -> Result<(), SubfieldPoint> {
    check_point(point)?;
    let step = CanonicCoset::new(max_log_rows + log_blowup).step();
    let mut seen: Vec<(CirclePoint<QM31>, u32)> = Vec::new();
    for component in components {
        let points = component.mask_points(point, max_log_rows);
        let sizes = component.trace_log_degree_bounds();
        for (points, log_rows) in points.iter().zip(sizes.iter()) {
            for (points, log_rows) in points.iter().zip(log_rows) {
                for point in points {
                    let sample = (*point, *log_rows);
                    if seen.contains(&sample) {
                        continue;
                    }
                    seen.push(sample);
                    check_point(*point)?;
                    // Where the library shifts a sample by the column's period.
                    let period = step.repeated_double(log_rows + log_blowup);
                    check_point(*point + period.into_ef())?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use num_traits::One;
    use stwo::core::constraints::complex_conjugate_line_coeffs;
    use stwo::core::fields::cm31::CM31;
    use stwo::core::fields::FieldExpOps;
    use stwo::core::pcs::quotients::PointSample;

    use super::*;

    /// The point of the circle that belongs to a parameter.
    fn point(t: QM31) -> CirclePoint<QM31> {
        let inverse = (QM31::one() + t.square()).inverse();
        CirclePoint {
            x: (QM31::one() - t.square()) * inverse,
            y: (t + t) * inverse,
        }
    }

    fn in_subfield() -> CirclePoint<QM31> {
        point(QM31(CM31::from_u32_unchecked(5, 7), CM31::zero()))
    }

    /// A point whose `y` alone lies in the subfield: `x^2 = 1 - y^2` has no root there.
    fn y_in_subfield() -> CirclePoint<QM31> {
        let points = (2..).map(|t| point(QM31(CM31::zero(), CM31::from_u32_unchecked(t, 1))));
        let mut turned = points.map(|point| CirclePoint {
            x: point.y,
            y: point.x,
        });
        turned
            .find(|point| point.y.1.is_zero() && !point.x.1.is_zero())
            .expect("a parameter whose square lies in the subfield")
    }

    #[test]
    fn points_of_the_subfield_are_refused() {
        for bad in [in_subfield(), y_in_subfield(), CirclePoint::zero()] {
            assert_eq!(bad.x.square() + bad.y.square(), QM31::one());
            assert_eq!(check_point(bad), Err(SubfieldPoint { y: bad.y }));
            assert_eq!(
                check_samples(&[], bad, 5, 1),
                Err(SubfieldPoint { y: bad.y })
            );
        }
        let good = point(QM31::from_u32_unchecked(1, 2, 3, 4));
        assert_eq!(check_point(good), Ok(good));
        assert_eq!(check_samples(&[], good, 5, 1), Ok(()));
    }

    /// What the check is for.
    #[test]
    #[should_panic(expected = "Cannot evaluate a line with a single point")]
    fn the_library_panics_at_such_a_point() {
        let sample = PointSample {
            point: y_in_subfield(),
            value: QM31::from_u32_unchecked(1, 2, 3, 4),
        };
        let _ = complex_conjugate_line_coeffs(&sample, QM31::one());
    }
}
