//! What is particular to a family of models: how its configurations and tensors are named, and what of it
//! is refused.
//!
//! A family computes what the section "Decoder model" of `docs/semantics.md` says, or its folders are
//! refused. It is one folder here and one line of [`ALL`]; `import` has what all families share.

mod llama;

use matchmark_quant::ModelShape;

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
    /// What GGUF files of the family say, where they are read.
    pub(crate) gguf: Option<GgufNames>,
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

/// How the metadata and the tensors of a family's GGUF files are named. The rows of queries and keys are in the
/// order of llama.cpp: those that are rotated together side by side.
#[derive(Debug)]
pub(crate) struct GgufNames {
    /// The value of `general.architecture`, and what the family's keys begin with.
    pub(crate) architecture: &'static str,
    /// The activation, which the files do not say.
    pub(crate) activation: &'static str,
    /// `L`.
    pub(crate) layers: &'static str,
    /// `C`.
    pub(crate) hidden: &'static str,
    /// `H`.
    pub(crate) query_heads: &'static str,
    /// `G`; absent where it is `H`.
    pub(crate) kv_heads: &'static str,
    /// `d`; absent where it is `C / H`.
    pub(crate) key_length: &'static str,
    /// `d` again; may be absent.
    pub(crate) value_length: &'static str,
    /// How many dimensions of a head are rotated: `d`, or absent.
    pub(crate) rotary_dimensions: &'static str,
    /// `F`.
    pub(crate) mlp: &'static str,
    /// `V`; absent where it is the number of tokens.
    pub(crate) vocabulary: &'static str,
    /// The number of positions.
    pub(crate) positions: &'static str,
    /// Epsilon of the normalizations.
    pub(crate) norm_epsilon: &'static str,
    /// Base of the rotary angles.
    pub(crate) rope_theta: &'static str,
    /// The base where a file says nothing.
    pub(crate) default_rope_theta: f64,
    /// Keys that change what is computed, each with the one value that is supported, as it is written in
    /// messages. They may be absent.
    pub(crate) only: &'static [(&'static str, &'static str)],
    /// Keys of the family that do not change what is computed.
    pub(crate) neutral: &'static [&'static str],
    /// Names of the tensors.
    pub(crate) tensors: TensorNames,
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

impl TensorNames {
    /// The names and dimensions of all tensors of a shape.
    pub(crate) fn all<'a>(
        &'a self,
        shape: &'a ModelShape,
    ) -> impl Iterator<Item = (String, Vec<usize>)> + 'a {
        let (vocabulary, hidden) = (shape.vocabulary(), shape.hidden());
        let others = [
            (self.embedding, vec![vocabulary, hidden]),
            (self.final_norm, vec![hidden]),
            (self.head, vec![vocabulary, hidden]),
        ];
        let layers = (0..shape.layers()).flat_map(move |layer| {
            let tensors = self.layer.with_dimensions(shape).into_iter();
            tensors.map(move |(name, of)| (self.in_layer(layer, name), of.to_vec()))
        });
        let others = others.into_iter();
        others.map(|(name, of)| (name.to_owned(), of)).chain(layers)
    }

    /// The whole name of a tensor of a layer.
    pub(crate) fn in_layer(&self, layer: usize, name: &str) -> String {
        format!("{}{layer}.{name}", self.layers)
    }
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

impl LayerTensorNames {
    /// The names with the dimensions that a shape gives each, in the order of the fields.
    pub(crate) fn with_dimensions(&self, shape: &ModelShape) -> [(&'static str, Vec<usize>); 9] {
        let (hidden, mlp) = (shape.hidden(), shape.mlp());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        // Taken apart, so that a new tensor has its place.
        let Self {
            attention_norm,
            query: query_name,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            down,
        } = self;
        [
            (*attention_norm, vec![hidden]),
            (*query_name, vec![query, hidden]),
            (*key, vec![kv, hidden]),
            (*value, vec![kv, hidden]),
            (*output, vec![hidden, query]),
            (*mlp_norm, vec![hidden]),
            (*gate, vec![mlp, hidden]),
            (*up, vec![mlp, hidden]),
            (*down, vec![hidden, mlp]),
        ]
    }
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
