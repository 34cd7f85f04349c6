//! A trusted state as bytes: the whole database of a client, one encoding per state.

use super::super::Rejection;
use super::super::sources::{Decoded, Sources};
use super::super::state;
use super::{COMMITTEES_MAX, TrustedBlock, TrustedEpoch, TrustedState};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{Bundle, Delta};
use weir_protocol::model::Identifier;

impl TrustedState {
    /// The state as bytes, the same for the same state: an RLP list and the SHA3-256 of it.
    ///
    /// `docs/trusted-state.md` describes the format.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.bytes(MAGIC.as_bytes());
            e.uint(TRUSTED_STATE_VERSION);
            e.bytes(self.chain_id.as_bytes());
            encode_block(e, &self.checkpoint);
            encode_block(e, &self.head);
            e.bytes(&self.head_state_id.0);
            e.uint(self.oldest_epoch().counter);
            e.list_of(&self.epochs, encode_epoch);
            let bundle = self.bundle();
            e.list(|e| bundle.encode(e));
        });
        let mut bytes = encoder.finish();
        let checksum = sha3_256(&[&bytes]);
        bytes.extend_from_slice(&checksum.0);
        bytes
    }

    /// Reads a state that [`Self::to_bytes`] wrote.
    ///
    /// The bytes are the caller's own: they are checked for damage and for fitting together, and
    /// trusted otherwise.
    ///
    /// # Errors
    /// When the bytes are damaged, of another format or version, or not what [`Self::to_bytes`]
    /// writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustedStateError> {
        if bytes.len() > TRUSTED_STATE_BYTES_MAX {
            return Err(TrustedStateError::TooLarge { found: bytes.len() });
        }
        let Some((content, checksum)) = bytes.split_last_chunk::<32>() else {
            return Err(TrustedStateError::NotTrustedState);
        };
        let mut decoder = Decoder::new(content);
        let mut fields = Decoder::new(content);
        let magic = fields.list(|d| {
            let magic = d.text().map(|text| text == MAGIC)?;
            let version = d.uint()?;
            while !d.is_empty() {
                d.raw()?;
            }
            Ok(magic.then_some(version))
        });
        match magic {
            Ok(Some(TRUSTED_STATE_VERSION)) => (),
            Ok(Some(found)) => return Err(TrustedStateError::Version { found }),
            Ok(None) | Err(_) => return Err(TrustedStateError::NotTrustedState),
        }
        if sha3_256(&[content]).0 != *checksum {
            return Err(TrustedStateError::Checksum);
        }
        let parts = decoder.list(Parts::decode)?;
        decoder.finish()?;
        let state = parts.assemble()?;
        let needed = state.needed();
        if !state.preimages.ids().all(|id| needed.contains(id)) {
            let reason = "a preimage that nothing needs";
            return Err(TrustedStateError::Inconsistent { reason });
        }
        if state.to_bytes() != bytes {
            return Err(TrustedStateError::Inconsistent { reason: "not the canonical form" });
        }
        Ok(state)
    }

    /// The kept preimages: setups and commits besides the newest as deltas against it.
    fn bundle(&self) -> Bundle {
        let newest = self.newest_epoch();
        let mut bundle = Bundle::default();
        for id in self.preimages.ids() {
            let Some(bytes) = self.preimages.get(id) else { continue };
            let near = [newest.setup_id, newest.commit_id].into_iter().filter(|base| base != id);
            let delta = near
                .filter_map(|base| Some(Delta::between(base, self.preimages.get(&base)?, bytes)))
                .min_by_key(Delta::encoded_len)
                .filter(|delta| delta.encoded_len() < bytes.len());
            match delta.filter(|_| *id != newest.setup_id && *id != newest.commit_id) {
                Some(delta) => bundle.deltas.push(delta),
                None => {
                    bundle.preimages.insert(bytes.to_vec());
                }
            }
        }
        bundle
    }
}

/// What the bytes say, before it is known to fit together.
struct Parts {
    chain_id: String,
    checkpoint: TrustedBlock,
    head: TrustedBlock,
    head_state_id: Identifier,
    epochs: Vec<TrustedEpoch>,
    bundle: Bundle,
}

impl Parts {
    fn decode(d: &mut Decoder<'_>) -> Result<Self, RlpError> {
        d.text()?;
        d.uint()?;
        let chain_id = d.text()?.to_string();
        let (checkpoint, head) = (decode_block(d)?, decode_block(d)?);
        let head_state_id = Identifier(d.array()?);
        let first = d.uint()?;
        let mut epochs = d.list_of(decode_epoch)?;
        for (index, epoch) in (0..).zip(&mut epochs) {
            epoch.counter = first.checked_add(index).ok_or(RlpError::Overflow)?;
        }
        let bundle = d.list(Bundle::decode)?;
        Ok(Self { chain_id, checkpoint, head, head_state_id, epochs, bundle })
    }

    fn assemble(self) -> Result<TrustedState, TrustedStateError> {
        let Self { chain_id, checkpoint, head, head_state_id, epochs, bundle } = self;
        let inconsistent = |reason| TrustedStateError::Inconsistent { reason };
        let follows = |pair: &[TrustedEpoch]| {
            pair[0].boundary.is_some()
                && pair[0].final_view.checked_add(1) == Some(pair[1].first_view)
        };
        if !epochs.windows(2).all(follows) {
            return Err(inconsistent("epochs do not follow one another"));
        }
        match epochs.last() {
            Some(newest) if newest.boundary.is_none() => (),
            _ => return Err(inconsistent("there is no newest epoch")),
        }
        if head.height < checkpoint.height || head.view < checkpoint.view {
            return Err(inconsistent("the head is before the checkpoint"));
        }
        let preimages = bundle.expand(&[]).map_err(|_| inconsistent("a delta does not expand"))?;
        let mut committees = BTreeMap::new();
        for epoch in epochs.iter().rev().take(COMMITTEES_MAX) {
            let committee = epoch.open_committee(Sources::new(&[&preimages]));
            let committee = committee.map_err(TrustedStateError::Committee)?;
            if committee.counter() != epoch.counter {
                return Err(inconsistent("a committee is of another epoch"));
            }
            committees.insert(epoch.counter, committee);
        }
        let decoded = Decoded::default();
        let head_state_view = state::first_view(Sources::new(&[&preimages]), head_state_id);
        Ok(TrustedState {
            chain_id,
            checkpoint,
            head,
            head_state_id,
            head_state_view,
            epochs,
            committees,
            preimages,
            decoded,
        })
    }
}

fn encode_block(encoder: &mut Encoder, block: &TrustedBlock) {
    encoder.list(|e| {
        e.bytes(&block.block_id.0);
        e.uint(block.height);
        e.uint(block.view);
        e.uint(block.timestamp_ms);
    });
}

fn decode_block(decoder: &mut Decoder<'_>) -> Result<TrustedBlock, RlpError> {
    decoder.list(|d| {
        Ok(TrustedBlock {
            block_id: Identifier(d.array()?),
            height: d.uint()?,
            view: d.uint()?,
            timestamp_ms: d.uint()?,
        })
    })
}

fn encode_epoch(encoder: &mut Encoder, epoch: &TrustedEpoch) {
    encoder.list(|e| {
        e.bytes(&epoch.setup_id.0);
        e.bytes(&epoch.commit_id.0);
        e.uint(epoch.first_view);
        e.uint(epoch.final_view);
        match &epoch.boundary {
            Some(boundary) => encode_block(e, boundary),
            None => e.list(|_| ()),
        }
    });
}

fn decode_epoch(decoder: &mut Decoder<'_>) -> Result<TrustedEpoch, RlpError> {
    decoder.list(|d| {
        Ok(TrustedEpoch {
            counter: 0,
            setup_id: Identifier(d.array()?),
            commit_id: Identifier(d.array()?),
            first_view: d.uint()?,
            final_view: d.uint()?,
            boundary: if d.next_is_empty_list() {
                d.list(|_| Ok(None))?
            } else {
                Some(decode_block(d)?)
            },
        })
    })
}

/// Why bytes are no trusted state.
#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedStateError {
    /// More bytes than a trusted state has.
    #[error("a trusted state has at most {TRUSTED_STATE_BYTES_MAX} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Something else altogether.
    #[error("these bytes are not a weir trusted state")]
    NotTrustedState,
    /// A version this build cannot read.
    #[error("trusted state version {TRUSTED_STATE_VERSION} is supported, found version {found}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// The bytes were damaged.
    #[error("the trusted state is damaged: its checksum differs")]
    Checksum,
    /// Malformed content.
    #[error("malformed trusted state: {0}")]
    Malformed(#[from] RlpError),
    /// The parts contradict each other.
    #[error("inconsistent trusted state: {reason}")]
    Inconsistent {
        /// How.
        reason: &'static str,
    },
    /// A committee cannot be derived.
    #[error("trusted state: {0}")]
    Committee(Rejection),
}

/// Version of the format that this build writes and reads.
pub const TRUSTED_STATE_VERSION: u64 = 1;
/// Most bytes a trusted state may have: 16 MiB.
pub const TRUSTED_STATE_BYTES_MAX: usize = 16 << 20;

const MAGIC: &str = "weir-trusted-state";
