//! Misbehaviour as bytes: RLP, strict, one encoding for one value.

use super::{Act, Grounds, Misbehaviour, MisbehaviourError, WrongAnswer};
use alloc::boxed::Box;
use alloc::vec::Vec;
use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::evidence::{EVIDENCE_BYTES_MAX, Preimages, Receipt};
use weir_protocol::model::Identifier;
use weir_protocol::request::Request;

impl Misbehaviour {
    /// As bytes, the same for the same misbehaviour.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.bytes(MAGIC.as_bytes());
            e.uint(MISBEHAVIOUR_VERSION);
            e.bytes(self.server.as_bytes());
            e.uint(self.seen_at_ms);
            self.act.encode(e);
        });
        encoder.finish()
    }

    /// Whether the bytes begin as those of [`Self::to_bytes`] do.
    #[must_use]
    pub fn is_meant(bytes: &[u8]) -> bool {
        // A list's header is at most nine bytes long, the text's is one.
        let head = &bytes[..bytes.len().min(10 + MAGIC.len())];
        head.windows(MAGIC.len()).any(|window| window == MAGIC.as_bytes())
    }

    /// Reads what [`Self::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are too many, of another format or version, or not exactly what
    /// [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MisbehaviourError> {
        if bytes.len() > MISBEHAVIOUR_BYTES_MAX {
            return Err(MisbehaviourError::TooLarge { found: bytes.len() });
        }
        if !Self::is_meant(bytes) {
            return Err(MisbehaviourError::NotMisbehaviour);
        }
        let mut decoder = Decoder::new(bytes);
        let found = decoder.list(|d| {
            if d.text() != Ok(MAGIC) {
                return Err(RlpError::Invalid { field: "name of the format" });
            }
            let version = d.uint()?;
            if version != MISBEHAVIOUR_VERSION {
                while !d.is_empty() {
                    d.raw()?;
                }
                return Ok(Err(MisbehaviourError::Version { found: version }));
            }
            let (server, seen_at_ms) = (d.text()?.into(), d.uint()?);
            Ok(Ok(Self { server, seen_at_ms, act: Act::decode(d)? }))
        })??;
        decoder.finish()?;
        Ok(found)
    }
}

impl Act {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::WrongAnswer(wrong) => {
                let WrongAnswer { request, answer, receipt, grounds } = &**wrong;
                e.uint(0);
                request.encode(e);
                e.bytes(answer);
                e.bytes(&receipt.as_ref().map(Receipt::to_bytes).unwrap_or_default());
                grounds.encode(e);
            }
            Self::Conflict { other_server, evidence: [this, other] } => {
                e.uint(1);
                e.bytes(other_server.as_bytes());
                e.bytes(this);
                e.bytes(other);
            }
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => {
                let (request, answer) = (Request::decode(d)?, d.bytes()?.to_vec());
                let receipt = match d.bytes()? {
                    [] => None,
                    bytes => Some(Receipt::from_bytes(bytes)?),
                };
                let grounds = Grounds::decode(d)?;
                Ok(Self::WrongAnswer(Box::new(WrongAnswer { request, answer, receipt, grounds })))
            }
            1 => Ok(Self::Conflict {
                other_server: d.text()?.into(),
                evidence: [d.bytes()?.to_vec(), d.bytes()?.to_vec()],
            }),
            _ => Err(RlpError::Invalid { field: "kind of misbehaviour" }),
        })
    }
}

impl Grounds {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.list(|e| match self {
            Self::Named(held) => {
                e.uint(0);
                held.encode(e);
            }
            Self::Word(trusted) => {
                e.uint(1);
                e.bytes(trusted);
            }
            Self::RootWord(root) => {
                e.uint(2);
                e.bytes(&root.0);
            }
            Self::Proof { file, held } => {
                e.uint(3);
                e.bytes(file);
                held.encode(e);
            }
        });
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<Self, RlpError> {
        decoder.list(|d| match d.uint()? {
            0 => Ok(Self::Named(Preimages::decode(d)?)),
            1 => Ok(Self::Word(d.bytes()?.to_vec())),
            2 => Ok(Self::RootWord(Identifier(d.array()?))),
            3 => Ok(Self::Proof { file: d.bytes()?.to_vec(), held: Preimages::decode(d)? }),
            _ => Err(RlpError::Invalid { field: "kind of grounds" }),
        })
    }
}

/// Version of the format.
pub const MISBEHAVIOUR_VERSION: u64 = 3;
/// Most bytes of it: two pieces of evidence, and room for what was trusted.
pub const MISBEHAVIOUR_BYTES_MAX: usize = 2 * EVIDENCE_BYTES_MAX + (1 << 20);

const MAGIC: &str = "weir misbehaviour";
