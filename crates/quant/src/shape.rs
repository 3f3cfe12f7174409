//! The shape of an attention: heads and head dimension.

use serde::{Deserialize, Serialize};

use crate::{HeadDim, KvHeads, QuantError, QueryHeads};

/// Heads and head dimension: `H` query heads, `G` key/value heads with `G` dividing `H`, dimension
/// `d`. Query head `h` reads key/value head `h / (H/G)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawShape", into = "RawShape")]
pub struct AttentionShape {
    query_heads: QueryHeads,
    kv_heads: KvHeads,
    head_dim: HeadDim,
}

/// What is written of a shape; reading goes through [`AttentionShape::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShape {
    query_heads: QueryHeads,
    kv_heads: KvHeads,
    head_dim: HeadDim,
}

impl AttentionShape {
    /// Puts a shape together.
    ///
    /// # Errors
    /// [`QuantError::HeadsNotDivisible`] if the key/value heads do not divide the query heads.
    pub const fn new(
        query_heads: QueryHeads,
        kv_heads: KvHeads,
        head_dim: HeadDim,
    ) -> Result<Self, QuantError> {
        if !query_heads.get().is_multiple_of(kv_heads.get()) {
            return Err(QuantError::HeadsNotDivisible {
                query_heads: query_heads.get(),
                kv_heads: kv_heads.get(),
            });
        }
        Ok(Self {
            query_heads,
            kv_heads,
            head_dim,
        })
    }

    /// `H`, the number of query heads.
    #[must_use]
    pub const fn query_heads(&self) -> usize {
        self.query_heads.get() as usize
    }

    /// `G`, the number of key/value heads.
    #[must_use]
    pub const fn kv_heads(&self) -> usize {
        self.kv_heads.get() as usize
    }

    /// `d`, the dimension of a head.
    #[must_use]
    pub const fn head_dim(&self) -> usize {
        self.head_dim.get() as usize
    }

    /// `H / G`, the number of query heads that share a key/value head.
    #[must_use]
    pub const fn group_size(&self) -> usize {
        self.query_heads() / self.kv_heads()
    }

    /// The key/value head that query head `h` reads.
    #[must_use]
    pub const fn kv_head_of(&self, h: usize) -> usize {
        h / self.group_size()
    }
}

impl TryFrom<RawShape> for AttentionShape {
    type Error = QuantError;

    fn try_from(raw: RawShape) -> Result<Self, QuantError> {
        Self::new(raw.query_heads, raw.kv_heads, raw.head_dim)
    }
}

impl From<AttentionShape> for RawShape {
    fn from(shape: AttentionShape) -> Self {
        Self {
            query_heads: shape.query_heads,
            kv_heads: shape.kv_heads,
            head_dim: shape.head_dim,
        }
    }
}

impl core::fmt::Display for AttentionShape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} query heads, {} key/value heads, head dimension {}",
            self.query_heads, self.kv_heads, self.head_dim
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;

    #[test]
    fn heads_share_out_exactly() {
        for h in 1..=24u32 {
            for g in 1..=24u32 {
                let shape = AttentionShape::new(
                    QueryHeads::new(h).unwrap(),
                    KvHeads::new(g).unwrap(),
                    HeadDim::new(8).unwrap(),
                );
                if h % g != 0 {
                    let expected = QuantError::HeadsNotDivisible {
                        query_heads: h,
                        kv_heads: g,
                    };
                    assert_eq!(shape, Err(expected));
                    continue;
                }
                let shape = shape.unwrap();
                let mut uses = [0u32; 24];
                for head in 0..shape.query_heads() {
                    uses[shape.kv_head_of(head)] += 1;
                }
                for (kv, used) in uses.iter().enumerate() {
                    let expected = if kv < shape.kv_heads() {
                        shape.group_size() as u32
                    } else {
                        0
                    };
                    assert_eq!(*used, expected);
                }
            }
        }
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        let good = r#"{"query_heads":4,"kv_heads":2,"head_dim":8}"#;
        let shape: AttentionShape = serde_json::from_str(good).unwrap();
        assert_eq!(serde_json::to_string(&shape).unwrap(), good);
        for bad in [
            r#"{"query_heads":4,"kv_heads":3,"head_dim":8}"#,
            r#"{"query_heads":4,"kv_heads":2,"head_dim":8,"more":1}"#,
            r#"{"query_heads":4,"kv_heads":2}"#,
        ] {
            assert!(serde_json::from_str::<AttentionShape>(bad).is_err());
        }
    }
}
