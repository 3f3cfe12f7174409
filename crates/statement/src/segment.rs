//! The statement of one segment: what its proof claims, field by field.

use alloc::vec::Vec;
use core::fmt;

use matchmark_graph::{LayerGroup, LayerGroups};
use matchmark_quant::{
    QuantizationId, QuantizationPolicy, Rounding, StepRange, TableBounds, TaggedSha256,
};
use matchmark_tables::TableId;
use serde::{Deserialize, Serialize, Serializer};

use crate::codec;
use crate::cut::SegmentCut;
use crate::decoder::{self, DecoderTerms, SegmentKind};
use crate::error::StatementError;
use crate::group::GroupFields;
use crate::identity::{PortCommitment, PublicValuesDigest, StatementDigest, StatementVersion};
use crate::port::Port;
use crate::public_values::{FormError, PublicValues, PublicValuesError, TokenError};
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::terms::SharedTerms;
use crate::text::{line, Steps};
use crate::tokens::TokenEnds;

/// Largest accepted length of an encoded statement, in bytes. The longest there is has 598.
pub const MAX_STATEMENT_LEN: usize = 640;

/// The fields of a [`SegmentStatement`], open for construction and for taking apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStatementParts {
    /// Version of the statement: [`StatementVersion::CURRENT`].
    pub version: StatementVersion,
    /// What all segments of the chain have in common.
    pub terms: SharedTerms,
    /// The steps proven, in absolute cache positions.
    pub steps: StepRange,
    /// Digest of the steps' queries, keys, values and outputs, or of their tokens.
    pub public_values: PublicValuesDigest,
    /// Commitment to the cache before the first step.
    pub state_before: PortCommitment,
    /// Commitment to the cache after the last step.
    pub state_after: PortCommitment,
    /// Whether one proof shows the segment, or two that this commitment joins.
    pub cut: SegmentCut,
    /// The first token consumed and the last one chosen, if there is a decoder.
    pub tokens: Option<TokenEnds>,
    /// The group of layers, where the decoder is cut into several.
    pub group: Option<GroupFields>,
}

/// What the proof of one segment claims. Immutable, valid by construction, with one canonical encoding
/// and one digest.
///
/// The claim: there are a cache before and a cache after that open the two commitments, and the outputs
/// among the public values follow from the queries, keys and values by the exact integer semantics,
/// under the table, rounding, quantization and shape named here. Where the statement describes a decoder:
/// the public values are tokens, the caches are those of all its layers, and each token chosen is the
/// decoder's greedy choice after the tokens before it, by the exact integer semantics of the model that
/// opens the commitment to its weights. Where that decoder is cut into groups of layers, the claim is of the
/// layers of one group alone: from the stream in, or the tokens, to the stream out, or the choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentStatement {
    parts: SegmentStatementParts,
    /// Made once, in the constructor, so that asking for the encoding or the digest cannot fail.
    encoding: Vec<u8>,
    /// How much of `encoding` the shared terms take.
    terms_len: usize,
}

/// The fields of a segment's own, in the order of the encoding, behind the shared terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnFields {
    /// The steps proven, in absolute cache positions.
    pub steps: StepRange,
    /// Digest of the steps' queries, keys, values and outputs, or of their tokens.
    pub public_values: PublicValuesDigest,
    /// Commitment to the cache before the first step.
    pub state_before: PortCommitment,
    /// Commitment to the cache after the last step.
    pub state_after: PortCommitment,
    /// Whether one proof shows the segment, or two that this commitment joins.
    pub cut: SegmentCut,
    /// The first token consumed and the last one chosen, if there is a decoder.
    pub tokens: Option<TokenEnds>,
    /// The group of layers, where the decoder is cut into several.
    pub group: Option<GroupFields>,
}

impl SegmentStatementParts {
    /// The terms that a chain's segments share, and one segment's own fields.
    #[must_use]
    pub const fn of(terms: SharedTerms, own: OwnFields) -> Self {
        let OwnFields {
            steps,
            public_values,
            state_before,
            state_after,
            cut,
            tokens,
            group,
        } = own;
        Self {
            version: StatementVersion::CURRENT,
            terms,
            steps,
            public_values,
            state_before,
            state_after,
            cut,
            tokens,
            group,
        }
    }
}

impl SegmentStatement {
    /// Domain tag of the digest.
    pub const TAG: &'static str = "matchmark/segment-statement/v6";

    /// Checks the fields against each other and makes a statement of them.
    ///
    /// # Errors
    ///
    /// - [`StatementError::UnsupportedVersion`] for any statement version but the current one;
    /// - [`StatementError::StepsAboveSegment`] and [`StatementError::EntriesAboveCapacity`] if the steps
    ///   do not fit the shape;
    /// - those of [`SharedTerms::check`] if the terms do not go with each other;
    /// - [`StatementError::TokensMissing`], [`StatementError::TokensUnexpected`] and
    ///   [`StatementError::TokenAboveVocabulary`] unless there are tokens, of the vocabulary, exactly if
    ///   there is a decoder.
    pub fn new(parts: SegmentStatementParts) -> Result<Self, StatementError> {
        if parts.version != StatementVersion::CURRENT {
            return Err(StatementError::UnsupportedVersion {
                expected: StatementVersion::CURRENT,
                got: parts.version,
            });
        }
        let decoder = parts.terms.decoder.as_ref();
        parts.terms.shape.check_steps(&parts.steps)?;
        parts.terms.check()?;
        decoder::check_own(decoder, parts.tokens)?;
        GroupFields::check(parts.group.as_ref(), decoder)?;
        let mut encoding = codec::encode(&(parts.version, &parts.terms))?;
        let terms_len = encoding.len();
        // The encoding of a tuple is the concatenation of its elements' encodings, so this is the
        // encoding of the three that `decode` reads.
        encoding.extend(codec::encode(&own_fields(&parts))?);
        Ok(Self {
            parts,
            encoding,
            terms_len,
        })
    }

    /// Reads a statement from exactly `bytes`.
    ///
    /// # Errors
    ///
    /// - [`StatementError::UnsupportedVersion`] if the first two bytes name another version;
    /// - [`StatementError::Codec`] if the bytes are not the canonical encoding, or a field is outside of its
    ///   own range;
    /// - those of [`SegmentStatement::new`] if the fields do not go together.
    pub fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        // The version comes first and decides how the rest is read.
        if let Some(version) = bytes.first_chunk::<2>() {
            let got = StatementVersion::new(u16::from_le_bytes(*version));
            if got != StatementVersion::CURRENT {
                return Err(StatementError::UnsupportedVersion {
                    expected: StatementVersion::CURRENT,
                    got,
                });
            }
        }
        let (version, terms, own) = codec::decode(bytes, MAX_STATEMENT_LEN)?;
        let parts = SegmentStatementParts::of(terms, own);
        Self::new(SegmentStatementParts { version, ..parts })
    }

    /// The canonical encoding: the version, the [`SharedTerms`] in order, then steps, public values, state
    /// before, state after, cut, tokens, group, by [`codec`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encoding.clone()
    }

    /// SHA-256 of the canonical encoding under [`Self::TAG`].
    #[must_use]
    pub fn digest(&self) -> StatementDigest {
        StatementDigest::from_bytes(TaggedSha256::new(Self::TAG).chain(&self.encoding).finish())
    }

    /// The fields.
    #[must_use]
    pub fn parts(&self) -> SegmentStatementParts {
        self.parts.clone()
    }

    /// What this segment has in common with all segments of its chain.
    #[must_use]
    pub const fn terms(&self) -> &SharedTerms {
        &self.parts.terms
    }

    /// The canonical encoding of the version and [`Self::terms`], the first part of [`Self::encode`].
    #[must_use]
    pub fn encoded_terms(&self) -> &[u8] {
        &self.encoding[..self.terms_len]
    }

    /// Length of the encoded public values in bytes.
    #[must_use]
    pub fn public_values_len(&self) -> usize {
        self.parts
            .terms
            .form()
            .encoded_len(self.parts.steps.steps())
    }

    /// Reads the segment's public values from exactly `bytes`, and checks their digest.
    ///
    /// # Errors
    ///
    /// Those of [`AttentionValues::decode`](crate::AttentionValues::decode) or, for a decoder, of
    /// [`TokenValues::decode`](crate::TokenValues::decode), and [`PublicValuesError::Digest`] if the
    /// values are not the ones that the statement names.
    pub fn decode_public_values(&self, bytes: &[u8]) -> Result<PublicValues, PublicValuesError> {
        let values = self
            .parts
            .terms
            .form()
            .decode(bytes, self.parts.steps.steps())?;
        let got = values.digest();
        if got != self.parts.public_values {
            return Err(PublicValuesError::Digest {
                expected: self.parts.public_values,
                got,
            });
        }
        Ok(values)
    }

    /// Whether these public values are of the form that the statement fixes: of its kind and steps, and of
    /// its heads and value width, or its vocabulary. Digest and tokens are for
    /// [`Self::check_tokens`] and the caller to check.
    ///
    /// # Errors
    ///
    /// [`FormError`], one variant for each reason.
    pub fn check_form(&self, values: &PublicValues) -> Result<(), FormError> {
        self.parts
            .terms
            .form()
            .check(values, self.parts.steps.steps())
    }

    /// Whether the tokens among these public values are the statement's, and follow from each other;
    /// see [`TokenValues::check`](crate::TokenValues::check). Of attention alone there is nothing to
    /// check but the form.
    ///
    /// The proof shows that each choice follows from the tokens consumed; that the tokens consumed behind
    /// the prompt are these choices is shown by nothing else than this.
    ///
    /// # Errors
    ///
    /// [`TokenError`], one variant for each reason.
    pub fn check_tokens(&self, values: &PublicValues) -> Result<(), TokenError> {
        self.check_form(values)?;
        match (&self.parts.terms.decoder, self.parts.tokens, values) {
            (Some(decoder), Some(cut), PublicValues::Tokens(values)) => {
                values.check(self.parts.steps, decoder.prompt, cut)
            }
            // There are tokens exactly if there is a decoder.
            _ => Ok(()),
        }
    }

    /// Version of the statement.
    #[must_use]
    pub const fn version(&self) -> StatementVersion {
        self.parts.version
    }

    /// Security level and profile.
    #[must_use]
    pub const fn security(&self) -> Security {
        self.parts.terms.security
    }

    /// Value width, score step and scales.
    #[must_use]
    pub const fn quantization(&self) -> &QuantizationPolicy {
        &self.parts.terms.quantization
    }

    /// Rounding rule of the outputs.
    #[must_use]
    pub const fn rounding(&self) -> Rounding {
        self.parts.terms.rounding
    }

    /// Identity of the weight table.
    #[must_use]
    pub const fn table(&self) -> TableId {
        self.parts.terms.table
    }

    /// Length of the weight table and its largest weight.
    #[must_use]
    pub const fn table_bounds(&self) -> TableBounds {
        self.parts.terms.table_bounds
    }

    /// Heads, head dimension, capacity and segment length.
    #[must_use]
    pub const fn shape(&self) -> SegmentShape {
        self.parts.terms.shape
    }

    /// The decoder, if the segment is one of a whole model.
    #[must_use]
    pub const fn decoder(&self) -> Option<&DecoderTerms> {
        self.parts.terms.decoder.as_ref()
    }

    /// What the segment is of.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        SegmentKind::of(self.parts.terms.decoder.as_ref())
    }

    /// The steps proven, in absolute cache positions.
    #[must_use]
    pub const fn steps(&self) -> StepRange {
        self.parts.steps
    }

    /// Digest of the public values.
    #[must_use]
    pub const fn public_values(&self) -> PublicValuesDigest {
        self.parts.public_values
    }

    /// Commitment to the cache before the first step.
    #[must_use]
    pub const fn state_before(&self) -> PortCommitment {
        self.parts.state_before
    }

    /// Commitment to the cache after the last step.
    #[must_use]
    pub const fn state_after(&self) -> PortCommitment {
        self.parts.state_after
    }

    /// The commitment to a port, if the proofs of the segment open it.
    #[must_use]
    pub fn port(&self, port: Port) -> Option<PortCommitment> {
        match port {
            Port::Model => match self.group() {
                None => self.decoder().map(|decoder| decoder.weights),
                Some(group) => Some(group.weights),
            },
            Port::StreamIn => self.group()?.stream_in,
            Port::StreamOut => self.group()?.stream_out,
            Port::StateBefore => Some(self.state_before()),
            Port::StateAfter => Some(self.state_after()),
            Port::Pairs => self.cut().commitment(),
        }
    }

    /// Whether one proof shows the segment, or two, and what joins them.
    #[must_use]
    pub const fn cut(&self) -> SegmentCut {
        self.parts.cut
    }

    /// The first token consumed and the last one chosen, if there is a decoder.
    #[must_use]
    pub const fn tokens(&self) -> Option<TokenEnds> {
        self.parts.tokens
    }

    /// The group of layers, where the decoder is cut into several.
    #[must_use]
    pub const fn group(&self) -> Option<&GroupFields> {
        self.parts.group.as_ref()
    }

    /// Place of the part among those of its segment: that of its group of layers.
    #[must_use]
    pub const fn group_index(&self) -> u16 {
        match &self.parts.group {
            None => 0,
            Some(group) => group.index,
        }
    }

    /// How many parts the segment has: one for each group of layers.
    #[must_use]
    pub const fn groups(&self) -> LayerGroups {
        self.parts.terms.groups()
    }

    /// The layers that the part is of, if there is a decoder.
    #[must_use]
    pub fn layers(&self) -> Option<LayerGroup> {
        let decoder = self.decoder()?;
        Some(match self.group() {
            None => LayerGroup::whole(decoder.shape.layers()),
            Some(group) => group.layers(decoder),
        })
    }

    /// Heads of the part's own layers, with capacity and segment length: what its layout is of.
    ///
    /// # Errors
    ///
    /// [`StatementError::Quantity`], for no statement that is known.
    pub fn part_shape(&self) -> Result<SegmentShape, StatementError> {
        match self.decoder().zip(self.layers()) {
            None => Ok(self.shape()),
            Some((decoder, layers)) => self.shape().of_layers(&decoder.shape, &layers),
        }
    }

    /// The first field in which `other` differs from `self`, by name; `None` if they are equal.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<&'static str> {
        if let Some(difference) = self.terms().first_difference(other.terms()) {
            return Some(difference.field);
        }
        // Taken apart exhaustively: a new field does not compile until it is compared.
        let OwnFields {
            steps,
            public_values,
            state_before,
            state_after,
            cut,
            tokens,
            group,
        } = own_fields(&self.parts);
        let other = &other.parts;
        [
            ("steps", steps == other.steps),
            ("public_values", public_values == other.public_values),
            ("state_before", state_before == other.state_before),
            ("state_after", state_after == other.state_after),
            ("cut", cut == other.cut),
            ("tokens", tokens == other.tokens),
            ("group", group == other.group),
        ]
        .into_iter()
        .find_map(|(field, equal)| (!equal).then_some(field))
    }
}

const fn own_fields(parts: &SegmentStatementParts) -> OwnFields {
    OwnFields {
        steps: parts.steps,
        public_values: parts.public_values,
        state_before: parts.state_before,
        state_after: parts.state_after,
        cut: parts.cut,
        tokens: parts.tokens,
        group: parts.group,
    }
}

impl fmt::Display for SegmentStatement {
    /// One aligned line a field, then the digest; no line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = format_args!("version {}", self.version());
        line(f, "segment statement", version)?;
        self.terms().fmt(f)?;
        line(f, "steps", Steps(&self.steps()))?;
        line(f, "public values", self.public_values())?;
        line(f, "state before", self.state_before())?;
        line(f, "state after", self.state_after())?;
        line(f, "cut", self.cut())?;
        if let Some(tokens) = self.tokens() {
            line(f, "tokens", tokens)?;
        }
        if let Some(group) = self.group() {
            line(f, "group", group)?;
        }
        write!(f, "{:<18}{}", "digest", self.digest())
    }
}

impl Serialize for SegmentStatement {
    /// For people: all fields by name, with the derived quantization identity and the digest. The
    /// canonical encoding is [`SegmentStatement::encode`], and the binary codec refuses this one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            version: StatementVersion,
            #[serde(flatten)]
            terms: &'a SharedTerms,
            quantization_id: QuantizationId,
            #[serde(flatten)]
            own: OwnFields,
            digest: StatementDigest,
        }
        View {
            version: self.version(),
            terms: self.terms(),
            quantization_id: self.terms().quantization.id(),
            own: own_fields(&self.parts),
            digest: self.digest(),
        }
        .serialize(serializer)
    }
}
