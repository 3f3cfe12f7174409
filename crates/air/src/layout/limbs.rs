//! Range checks by limbs: how many limbs a value has, and how it is bounded from above. The columns and
//! constraints that go with them, and why they hold, are [`crate::gadgets`].

/// A value below a bound: [`less_than`](crate::gadgets::less_than).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LessThan {
    pub(crate) limb_bits: u32,
    pub(crate) two_limbs: bool,
}

impl LessThan {
    /// The gadget for bounds up to `max_bound` on limbs of `limb_bits` bits; `None` if two limbs do
    /// not hold it.
    pub fn new(max_bound: u64, limb_bits: u32) -> Option<Self> {
        (max_bound <= 1 << (2 * limb_bits)).then_some(Self {
            limb_bits,
            two_limbs: max_bound > 1 << limb_bits,
        })
    }
}

/// A value that is not negative: [`non_negative`](crate::gadgets::non_negative).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonNegative {
    pub(crate) limb_bits: u32,
    pub(crate) two_limbs: bool,
    pub(crate) upper: Upper,
}

/// How the value is bounded from above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upper {
    /// By its limbs alone.
    Limbs,
    /// By this value of its top limb.
    TopLimb(u32),
    /// Below this bound.
    Exact(LessThan, u32),
}

impl NonNegative {
    /// The cheapest gadget that holds every value up to `max` and whose slack the caller accepts;
    /// `None` if there is none.
    pub fn covering(max: u64, limb_bits: u32, accepts: impl Fn(u64) -> bool) -> Option<Self> {
        let size = 1_u64 << limb_bits;
        let two_limbs = max >= size;
        let top_max = if two_limbs { max >> limb_bits } else { max };
        if top_max >= size {
            return None;
        }
        let free = if two_limbs { size * size } else { size } - 1;
        let bounded = if two_limbs {
            (top_max + 1) * size - 1
        } else {
            max
        };
        let upper = if accepts(free) {
            Upper::Limbs
        } else if accepts(bounded) {
            Upper::TopLimb(u32::try_from(top_max).ok()?)
        } else if accepts(max) {
            let bound = max + 1;
            Upper::Exact(LessThan::new(bound, limb_bits)?, u32::try_from(bound).ok()?)
        } else {
            return None;
        };
        Some(Self {
            limb_bits,
            two_limbs,
            upper,
        })
    }
}
