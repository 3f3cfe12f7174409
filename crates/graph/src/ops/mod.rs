//! The operations: what each takes in and gives, how many rows it has for a token, and its constants.

pub mod argmax;
pub mod attention;
pub mod gated;
pub mod handover;
pub mod linear;
pub mod rotary;
pub mod stream;
pub mod values;

use alloc::vec::Vec;

use matchmark_quant::QuantError;
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::numbers::Numbers;
use argmax::Argmax;
use attention::Attention;
use gated::{Gated, GatedArithmetic};
use handover::{StreamIn, StreamOut};
use linear::{Linear, LinearArithmetic};
use rotary::{Rotary, RotaryArithmetic};
use stream::{Stream, StreamArithmetic};
use values::{Values, ValuesArithmetic};

/// Kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Products with a matrix.
    Linear,
    /// A stage of the residual stream.
    Stream,
    /// Rotary embedding of queries and keys.
    Rotary,
    /// Values on their way into an attention.
    Values,
    /// Attention.
    Attention,
    /// Gated products.
    Gated,
    /// The greedy choice.
    Argmax,
    /// The stream that comes from the group of layers before.
    StreamIn,
    /// The stream that goes to the group of layers behind.
    StreamOut,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Linear,
        Self::Stream,
        Self::Rotary,
        Self::Values,
        Self::Attention,
        Self::Gated,
        Self::Argmax,
        Self::StreamIn,
        Self::StreamOut,
    ];
}

macro_rules! operations {
    ($($kind:ident: $arithmetic:ty,)+) => {
        /// What a node computes.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(
                #[doc = concat!("[`", stringify!($kind), "`].")]
                $kind($kind),
            )+
        }

        impl Operation {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }

            /// What it takes in, edge by edge: what that carries, and how wide it is.
            #[must_use]
            pub fn takes(&self) -> Vec<(EdgeKind, usize)> {
                match self {
                    $(Self::$kind(operation) => operation.takes(),)+
                }
            }

            /// What it gives.
            #[must_use]
            pub fn gives(&self) -> Vec<(EdgeKind, usize)> {
                match self {
                    $(Self::$kind(operation) => operation.gives(),)+
                }
            }

            /// How many rows it has for a token, one behind the other; a product with a matrix has none.
            #[must_use]
            pub const fn rows(&self) -> usize {
                match self {
                    $(Self::$kind(operation) => operation.rows(),)+
                }
            }
        }

        /// The constants of a node.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase", deny_unknown_fields)]
        pub enum NodeArithmetic {
            $(
                #[doc = concat!("Of a node of the kind [`Kind::", stringify!($kind), "`].")]
                $kind($arithmetic),
            )+
        }

        impl NodeArithmetic {
            /// The kind of node that has them.
            #[must_use]
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)+
                }
            }

            /// Each number is in its range.
            pub(crate) fn check(&self) -> Result<(), QuantError> {
                match self {
                    $(Self::$kind(arithmetic) => arithmetic.check(),)+
                }
            }

            /// Its numbers, in the order of the canonical encoding.
            pub(crate) fn append_numbers(&self, numbers: &mut Vec<u32>) {
                match self {
                    $(Self::$kind(arithmetic) => arithmetic.append_numbers(numbers),)+
                }
            }

            /// Reads the numbers of a node of this operation.
            pub(crate) fn read(operation: &Operation, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
                match operation {
                    $(Operation::$kind(operation) => Ok(Self::$kind(<$arithmetic>::read(operation, numbers)?)),)+
                }
            }

            /// How many numbers the constants of this operation are.
            pub(crate) fn count(operation: &Operation) -> usize {
                match operation {
                    $(Operation::$kind(operation) => <$arithmetic>::count(operation),)+
                }
            }

            /// Whether they are constants of this operation: as many as it has.
            #[must_use]
            pub fn is_of(&self, operation: &Operation) -> bool {
                match (self, operation) {
                    $((Self::$kind(arithmetic), Operation::$kind(operation)) => arithmetic.is_of(operation),)+
                    // Of another kind.
                    $((Self::$kind(_), _))|+ => false,
                }
            }
        }
    };
}

operations! {
    Linear: LinearArithmetic,
    Stream: StreamArithmetic,
    Rotary: RotaryArithmetic,
    Values: ValuesArithmetic,
    Attention: NoConstants,
    Gated: GatedArithmetic,
    Argmax: NoConstants,
    StreamIn: NoConstants,
    StreamOut: NoConstants,
}

/// A node has no constants of its own.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct NoConstants {}

impl NoConstants {
    // The same as that of operations with constants, whose numbers can be out of range.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)]
    const fn check(&self) -> Result<(), QuantError> {
        Ok(())
    }

    #[allow(clippy::unused_self)]
    fn append_numbers(&self, _numbers: &mut Vec<u32>) {}

    #[allow(clippy::unnecessary_wraps)]
    fn read<T>(_operation: &T, _numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        Ok(Self {})
    }

    const fn count<T>(_operation: &T) -> usize {
        0
    }

    #[allow(clippy::unused_self)]
    const fn is_of<T>(&self, _operation: &T) -> bool {
        true
    }
}
