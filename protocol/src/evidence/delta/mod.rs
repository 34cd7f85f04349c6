//! Deltas: a preimage told as pieces of one the client holds, and the bytes between them.
//!
//! Consecutive epochs differ little, so this is most of what an epoch hop saves. The encoding needs
//! no trust: what a delta expands to counts only under its own hash.

mod encode;

use super::{BUNDLE_BYTES_MAX, DELTAS_MAX, Preimages};
use crate::codec::rlp::{Decoder, Encoder, RlpError};
use crate::model::Identifier;
use alloc::vec::Vec;

/// A preimage as pieces of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    base: Identifier,
    /// The pieces' encodings one after the other, checked to be well-formed.
    pieces: Vec<u8>,
}

/// A piece of a preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// These bytes.
    Literal(&'a [u8]),
    /// Bytes of the base.
    Copy {
        /// Where they start in the base.
        offset: u64,
        /// How many they are.
        len: u64,
    },
}

/// Preimages as they are sent: whole ones, and deltas to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// Whole preimages.
    pub preimages: Preimages,
    /// Deltas, each against a held preimage, a whole one, or what an earlier delta expands to.
    pub deltas: Vec<Delta>,
}

impl Delta {
    /// A delta of these pieces; empty ones are left out.
    #[must_use]
    pub fn new(base: Identifier, pieces: &[Piece<'_>]) -> Self {
        let mut encoder = Encoder::new();
        for piece in pieces {
            match piece {
                Piece::Literal([]) | Piece::Copy { len: 0, .. } => (),
                Piece::Literal(bytes) => encoder.bytes(bytes),
                Piece::Copy { offset, len } => encoder.list(|e| {
                    e.uint(*offset);
                    e.uint(*len);
                }),
            }
        }
        Self { base, pieces: encoder.finish() }
    }

    /// ID of the preimage that pieces are copied from.
    #[must_use]
    pub fn base(&self) -> Identifier {
        self.base
    }

    /// What the preimage consists of, in order.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut decoder = Decoder::new(&self.pieces);
        core::iter::from_fn(move || piece(&mut decoder).ok())
    }

    /// About how many bytes the delta takes in evidence.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.pieces.len() + size_of::<Identifier>() + LIST_HEADERS_LEN
    }

    /// Length of what the delta expands to, saturating.
    fn expanded_len(&self) -> u64 {
        let len = |piece| match piece {
            Piece::Literal(bytes) => bytes.len() as u64,
            Piece::Copy { len, .. } => len,
        };
        self.pieces().map(len).fold(0, u64::saturating_add)
    }

    /// Puts the pieces together; the caller has bounded their length.
    fn expand(&self, base: &[u8]) -> Result<Vec<u8>, DeltaError> {
        let mut out = Vec::new();
        for piece in self.pieces() {
            match piece {
                Piece::Literal(bytes) => out.extend_from_slice(bytes),
                Piece::Copy { offset, len } => {
                    let (base_id, found) = (self.base, base.len());
                    let error = DeltaError::OutOfRange { base: base_id, offset, len, found };
                    out.extend_from_slice(range(base, offset, len).ok_or(error)?);
                }
            }
        }
        Ok(out)
    }

    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| {
            e.bytes(&self.base.0);
            e.list(|e| e.raw(&self.pieces));
        });
    }

    /// Reads a delta, keeping its pieces encoded, so that it takes no more memory than bytes.
    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| {
            let base = Identifier(d.array()?);
            let pieces = d.list(|d| {
                let start = d.clone();
                while !d.is_empty() {
                    piece(d)?;
                }
                Ok(start.rest().to_vec())
            })?;
            Ok(Self { base, pieces })
        })
    }
}

fn piece<'a>(decoder: &mut Decoder<'a>) -> Result<Piece<'a>, RlpError> {
    let empty = Err(RlpError::Invalid { field: "empty piece of a delta" });
    if decoder.next_is_list() {
        return decoder.list(|d| match (d.uint()?, d.uint()?) {
            (_, 0) => empty,
            (offset, len) => Ok(Piece::Copy { offset, len }),
        });
    }
    match decoder.bytes()? {
        [] => empty,
        bytes => Ok(Piece::Literal(bytes)),
    }
}

fn range(base: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = usize::try_from(offset.checked_add(len)?).ok()?;
    base.get(start..end)
}

impl Bundle {
    /// A bundle of whole preimages.
    #[must_use]
    pub fn whole(preimages: Preimages) -> Self {
        Self { preimages, deltas: Vec::new() }
    }

    /// All preimages of the bundle, deltas expanded.
    ///
    /// # Errors
    /// When a delta's base is neither held nor in the bundle before it, when a piece lies outside
    /// its base, or when everything together exceeds [`BUNDLE_BYTES_MAX`].
    pub fn expand(&self, held: &[&Preimages]) -> Result<Preimages, DeltaError> {
        let deltas = self.deltas.iter().map(Delta::expanded_len);
        let total = deltas.fold(self.preimages.bytes() as u64, u64::saturating_add);
        if total > BUNDLE_BYTES_MAX as u64 {
            return Err(DeltaError::TooLarge { found: total });
        }
        let mut expanded = self.preimages.clone();
        for delta in &self.deltas {
            let held = || held.iter().find_map(|sent| sent.get(&delta.base));
            let base = expanded.get(&delta.base).or_else(held);
            let bytes = delta.expand(base.ok_or(DeltaError::Base { base: delta.base })?)?;
            expanded.insert(bytes);
        }
        Ok(expanded)
    }

    /// Whether the bundle has nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.preimages.is_empty() && self.deltas.is_empty()
    }

    /// Adds everything of `other`, its deltas after those here.
    pub fn extend(&mut self, other: Self) {
        self.preimages.extend(other.preimages);
        self.deltas.extend(other.deltas);
    }

    /// Appends two items: the list of whole preimages, and the list of deltas.
    pub fn encode(&self, encoder: &mut Encoder) {
        self.preimages.encode(encoder);
        encoder.list_of(&self.deltas, |e, delta| delta.encode(e));
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// When whole preimages do not come by ascending ID, each once, or when there are too many.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        let preimages = Preimages::decode(decoder)?;
        let deltas = decoder.list_of_at_most(DELTAS_MAX, "number of deltas", Delta::decode)?;
        Ok(Self { preimages, deltas })
    }
}

/// Why a delta has no preimage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The base is not there.
    #[error("the preimage {base} that a delta copies from is missing")]
    Base {
        /// ID of the base.
        base: Identifier,
    },
    /// A piece lies outside its base.
    #[error("a delta copies {len} bytes from offset {offset} of {base}, which has {found} bytes")]
    OutOfRange {
        /// ID of the base.
        base: Identifier,
        /// Where the piece starts.
        offset: u64,
        /// Its length.
        len: u64,
        /// Length of the base.
        found: usize,
    },
    /// The preimages together are too large.
    #[error("preimages have at most {BUNDLE_BYTES_MAX} bytes together, found {found}")]
    TooLarge {
        /// Bytes found.
        found: u64,
    },
}

/// Room for the list headers around a delta's parts.
const LIST_HEADERS_LEN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn held(bytes: &[u8]) -> (Preimages, Identifier) {
        let mut held = Preimages::default();
        let id = held.insert(bytes.to_vec());
        (held, id)
    }

    fn bundle(delta: Delta) -> Bundle {
        Bundle { preimages: Preimages::default(), deltas: vec![delta] }
    }

    #[bounded::test]
    fn copies_stay_inside_their_base() {
        let (held, base) = held(b"0123456789");
        let copy = |offset, len| bundle(Delta::new(base, &[Piece::Copy { offset, len }]));
        let expanded = copy(2, 8).expand(&[&held]).unwrap();
        assert!(expanded.contains(&crate::codec::entity_id(b"23456789")));
        for (offset, len) in [(2, 9), (11, 1), (u64::MAX, 1), (1, u64::MAX)] {
            let error = copy(offset, len).expand(&[&held]).unwrap_err();
            let too_long = len > BUNDLE_BYTES_MAX as u64;
            assert_eq!(too_long, matches!(error, DeltaError::TooLarge { .. }), "{error}");
            assert_eq!(!too_long, matches!(error, DeltaError::OutOfRange { .. }), "{error}");
        }
    }

    #[bounded::test]
    fn expansion_is_bounded_before_anything_is_copied() {
        let base_bytes = vec![7; 1 << 20];
        let (held, base) = held(&base_bytes);
        let copies = |count| {
            let piece = Piece::Copy { offset: 0, len: 1 << 20 };
            bundle(Delta::new(base, &vec![piece; count]))
        };
        assert!(copies(64).expand(&[&held]).is_ok());
        let error = copies(65).expand(&[&held]).unwrap_err();
        assert_eq!(error, DeltaError::TooLarge { found: 65 << 20 });
    }

    #[bounded::test]
    fn names_the_missing_base() {
        let (held, base) = held(b"a base of some length");
        let delta = Delta::between(base, b"a base of some length", b"a base of more length");
        assert!(bundle(delta.clone()).expand(&[&held]).is_ok());
        let error = bundle(delta).expand(&[]).unwrap_err();
        assert_eq!(error, DeltaError::Base { base });
    }

    #[bounded::test]
    fn a_delta_may_build_on_an_earlier_one_but_not_on_a_later_one() {
        let texts: [&[u8]; 3] = [b"epoch one, one node", b"epoch two, one node", b"epoch two, two"];
        let (held, first) = held(texts[0]);
        let second = crate::codec::entity_id(texts[1]);
        let deltas = vec![
            Delta::between(first, texts[0], texts[1]),
            Delta::between(second, texts[1], texts[2]),
        ];
        let mut bundle = Bundle { preimages: Preimages::default(), deltas };
        assert_eq!(bundle.expand(&[&held]).unwrap().len(), 2);
        bundle.deltas.reverse();
        assert_eq!(bundle.expand(&[&held]), Err(DeltaError::Base { base: second }));
    }

    proptest! {
        #[bounded::test]
        fn deltas_expand_to_their_target(
            base in proptest::collection::vec(0u8..4, 0..400),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..9),
            tail in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut target = base.clone();
            for (at, byte) in edits {
                if !target.is_empty() {
                    let at = at.index(target.len());
                    target[at] = byte;
                }
            }
            target.extend(tail);
            let (held, id) = held(&base);
            let delta = Delta::between(id, &base, &target);
            prop_assert!(delta.expand(&base).unwrap() == target);
            let mut encoder = Encoder::new();
            let bundle = bundle(delta);
            encoder.list(|e| bundle.encode(e));
            let bytes = encoder.finish();
            let decoded = Decoder::new(&bytes).list(Bundle::decode).unwrap();
            prop_assert_eq!(&decoded, &bundle);
            prop_assert!(decoded.expand(&[&held]).unwrap().contains(&crate::codec::entity_id(&target)));
        }
    }
}
