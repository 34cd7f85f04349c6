//! Why a key-value store's msgpack form is rejected.

/// Why bytes are not the msgpack form of a key-value store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MsgpackError {
    /// A version this crate does not know.
    #[error("key-value store versions go up to {max}, found {found}")]
    Version {
        /// Highest version known.
        max: u64,
        /// Version found.
        found: u64,
    },
    /// More bytes than any store has.
    #[error("a key-value store has at most {max} msgpack bytes, found {found}")]
    TooLong {
        /// Bytes allowed.
        max: usize,
        /// Bytes found.
        found: usize,
    },
    /// The bytes end inside the store.
    #[error("msgpack is cut short")]
    EndOfInput,
    /// Bytes follow the store.
    #[error("{found} bytes follow the msgpack map")]
    TrailingBytes {
        /// Bytes left.
        found: usize,
    },
    /// A value of another kind or width.
    #[error("expected msgpack {expected}, found the byte {found:#04x}")]
    Kind {
        /// What flow-go writes here.
        expected: &'static str,
        /// First byte of what is there.
        found: u8,
    },
    /// A field of another name.
    #[error("expected the msgpack field {expected}")]
    Field {
        /// The name flow-go writes here.
        expected: &'static str,
    },
    /// A metering weight given twice.
    #[error("metering weight {kind} is given twice")]
    RepeatedWeight {
        /// Kind of the weight.
        kind: u32,
    },
}
