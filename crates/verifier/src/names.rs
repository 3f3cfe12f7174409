//! Names of the variants of error enums.

/// Gives an error enum the names of its variants: the constant `NAMES`, and the method `name`.
///
/// The list has to be complete: a variant that is not in it does not compile. The tests of an enum go
/// through its `NAMES` and fail for a variant that none of them reaches, so that every reason to refuse
/// something is one that can be given.
#[macro_export]
macro_rules! variant_names {
    ($type:ident { $($variant:ident),+ $(,)? }) => {
        impl $type {
            /// Names of all variants.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($variant)),+];

            /// Name of the variant, without what it holds.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                }
            }
        }
    };
}
