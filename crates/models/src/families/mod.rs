//! What is particular to a family of models: how its configurations and tensors are named, and what of it
//! is refused.
//!
//! A family computes what the section "Decoder model" of `docs/semantics.md` says, or its folders are
//! refused. It is one folder here and one line of [`ALL`]; `import` has what all families share.

mod llama;

/// Every family that is imported.
pub(crate) const ALL: [&Family; 1] = [&llama::FAMILY];

/// A family of models, as `import` reads its folders.
#[derive(Debug)]
pub(crate) struct Family {
    /// The one element of `architectures`.
    pub(crate) architecture: &'static str,
    /// The value of `model_type`, which may be absent.
    pub(crate) model_type: &'static str,
    /// Names of the entries that are read.
    pub(crate) entries: EntryNames,
    /// Base of the rotary angles where a configuration says nothing.
    pub(crate) rope_theta: f64,
    /// Entries that have to be there, if only as `null`, because the format's default is something else
    /// than what `import` takes their absence for.
    pub(crate) required: &'static [&'static str],
    /// Entries that change what is computed, each with the one value that is supported, as JSON. `null` and
    /// an absent entry are supported too.
    pub(crate) only: &'static [(&'static str, &'static str)],
    /// Entries of this family alone that do not change what is computed.
    pub(crate) neutral: &'static [&'static str],
    /// Names of the tensors.
    pub(crate) tensors: TensorNames,
}

/// Names of the entries of `config.json` that are read. Those that have one name everywhere are in
/// `import`: `rope_theta`, `rope_parameters`, `tie_word_embeddings`, `bos_token_id` and `eos_token_id`.
#[derive(Debug)]
pub(crate) struct EntryNames {
    /// `L`.
    pub(crate) layers: &'static str,
    /// `C`.
    pub(crate) hidden: &'static str,
    /// `H`.
    pub(crate) query_heads: &'static str,
    /// `G`; absent or `null` where it is `H`.
    pub(crate) kv_heads: &'static str,
    /// `d`; absent or `null` where it is `C / H`.
    pub(crate) head_dim: &'static str,
    /// `F`.
    pub(crate) mlp: &'static str,
    /// `V`.
    pub(crate) vocabulary: &'static str,
    /// The number of positions.
    pub(crate) positions: &'static str,
    /// The activation, by one of the names in `matchmark_tables::activations`.
    pub(crate) activation: &'static str,
    /// Epsilon of the normalizations.
    pub(crate) norm_epsilon: &'static str,
}

/// Names of the tensors. Matrices are `[outputs, inputs]`, each a tensor of its own.
#[derive(Debug)]
pub(crate) struct TensorNames {
    /// Embedding, `[V, C]`.
    pub(crate) embedding: &'static str,
    /// Weights of the last normalization, `[C]`.
    pub(crate) final_norm: &'static str,
    /// Output head, `[V, C]`.
    pub(crate) head: &'static str,
    /// What the names of all layers begin with; the number of the layer and a dot follow.
    pub(crate) layers: &'static str,
    /// Names within a layer.
    pub(crate) layer: LayerTensorNames,
    /// Endings of names that stand for nothing: buffers whose content follows from the configuration.
    pub(crate) passed_over: &'static [&'static str],
}

/// Names of the tensors of a layer, in the order of [`FloatLayer`](crate::FloatLayer), whose fields say what
/// each is.
#[derive(Debug)]
pub(crate) struct LayerTensorNames {
    pub(crate) attention_norm: &'static str,
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) output: &'static str,
    pub(crate) mlp_norm: &'static str,
    pub(crate) gate: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn families_are_told_apart() {
        let architectures: BTreeSet<_> = ALL.iter().map(|it| it.architecture).collect();
        assert_eq!(architectures.len(), ALL.len());
    }

    #[test]
    fn supported_values_are_canonical_json() {
        for family in ALL {
            for (entry, text) in family.only {
                let value: Result<serde_json::Value, _> = serde_json::from_str(text);
                let written = value.map(|value| value.to_string());
                assert_eq!(written.ok().as_deref(), Some(*text), "{entry}");
            }
        }
    }
}
