//! How much memory a message takes, told from its bytes before it is decoded.
//!
//! An empty message in a list takes two bytes on the wire and a few hundred in memory. So the items
//! of all lists are counted first, in one pass over the field headers, as `prost` will come upon
//! them. Byte fields share the message's buffer and cost nothing more.

mod codec;
mod count;
mod shape;

pub use codec::BoundedCodec;

use bytes::Bytes;
use prost::{DecodeError, Message, Name};
use std::sync::Arc;
use thiserror::Error;
use tonic::Status;

/// Decodes a message whose lists take no more memory than its bytes allow.
///
/// # Errors
/// [`MessageError::TooMuchMemory`], before anything is decoded, when they would take more than
/// [`memory_max`]; else when the bytes are no such message.
pub fn decode<M: Message + Name + Default>(bytes: Bytes) -> Result<M, MessageError> {
    let (needed, max) = (count::memory_of(&M::full_name(), &bytes), memory_max(bytes.len()));
    if needed > max {
        return Err(TooMuchMemory { needed, max }.into());
    }
    Ok(M::decode(bytes)?)
}

/// Most bytes of memory that a message of so many bytes may take beside them.
#[must_use]
pub fn memory_max(message_len: usize) -> usize {
    message_len.saturating_mul(MEMORY_PER_BYTE).saturating_add(MEMORY_SMALL).min(MEMORY_MAX)
}

/// Why bytes are not the message that was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It would take too much memory.
    #[error(transparent)]
    TooMuchMemory(#[from] TooMuchMemory),
    /// It is malformed.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

/// A message whose lists would take more memory than its bytes may: it has more items, and smaller
/// ones, than any honest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the message's lists take {needed} bytes of memory, at most {max} are allowed for its size"
)]
pub struct TooMuchMemory {
    /// Bytes that they take.
    pub needed: usize,
    /// Bytes allowed.
    pub max: usize,
}

impl TooMuchMemory {
    /// The one for which a message was refused here, and not where it came from.
    #[must_use]
    pub fn of(status: &Status) -> Option<&Self> {
        std::error::Error::source(status)?.downcast_ref()
    }
}

impl From<TooMuchMemory> for Status {
    fn from(error: TooMuchMemory) -> Self {
        let mut status = Self::invalid_argument(error.to_string());
        status.set_source(Arc::new(error));
        status
    }
}

/// Most bytes of memory for each byte of a message. With the message itself that makes four.
pub const MEMORY_PER_BYTE: usize = 3;
/// Bytes of memory that any message may take besides: 1 MiB. Seals without approvals, which consensus
/// nodes make in an emergency, have two bytes a chunk, and take 48.
pub const MEMORY_SMALL: usize = 1 << 20;
/// Most bytes of memory that any message may take: 192 MiB.
pub const MEMORY_MAX: usize = 192 << 20;
