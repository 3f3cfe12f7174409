//! The verifier's challenges, one type a phase.
use stwo::core::channel::Channel;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::logup::LookupElements;

/// Points of the random linear combinations (RLC); drawn after the witness tree is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RlcChallenges {
    /// `r`: combines over the head dimension (values and numerators).
    pub dimension: QM31,
    /// `t`: combines over cache positions (keys and scores).
    pub position: QM31,
}

impl RlcChallenges {
    /// Draws both points.
    pub fn draw(channel: &mut impl Channel) -> Self {
        let dimension = channel.draw_secure_felt();
        let position = channel.draw_secure_felt();
        Self {
            dimension,
            position,
        }
    }

    /// Fixed, recognizable values, for what does not depend on challenges (column counts, names,
    /// expressions).
    pub fn structural() -> Self {
        Self {
            dimension: QM31::from_u32_unchecked(101, 102, 103, 104),
            position: QM31::from_u32_unchecked(201, 202, 203, 204),
        }
    }
}

/// Longest tuple of a relation, tag included ([`StepTotals`](crate::relation::StepTotals)).
pub const MAX_TUPLE: usize = 10;

/// Coefficients of the LogUp relations; drawn after the RLC tree is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupChallenges(LookupElements<MAX_TUPLE>);

impl LookupChallenges {
    /// Draws `z` and `alpha`.
    pub fn draw(channel: &mut impl Channel) -> Self {
        Self(LookupElements::draw(channel))
    }

    /// Fixed values, for structure that does not depend on challenges (column counts, names).
    pub fn structural() -> Self {
        Self(LookupElements::dummy())
    }

    /// The point `z` from which combined tuples are subtracted.
    pub fn shift(&self) -> QM31 {
        self.0.z
    }

    /// `alpha^i` for `i < MAX_TUPLE`.
    pub fn powers(&self) -> &[QM31; MAX_TUPLE] {
        &self.0.alpha_powers
    }
}

/// Every challenge that a constraint may contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenges {
    /// Points of the random linear combinations.
    pub rlc: RlcChallenges,
    /// Coefficients of the LogUp relations.
    pub lookup: LookupChallenges,
}

impl Challenges {
    /// Fixed values, for structure that does not depend on challenges.
    pub fn structural() -> Self {
        Self {
            rlc: RlcChallenges::structural(),
            lookup: LookupChallenges::structural(),
        }
    }
}
