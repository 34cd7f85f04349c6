//! Why bytes are not RLP.

/// Why bytes are not the RLP of what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RlpError {
    /// An item is cut short.
    #[error("rlp item is cut short")]
    EndOfInput,
    /// Bytes follow the last item.
    #[error("{found} bytes follow the last rlp item")]
    TrailingBytes {
        /// Bytes left.
        found: usize,
    },
    /// A list where bytes were expected.
    #[error("expected rlp bytes, found a list")]
    ExpectedBytes,
    /// Bytes where a list was expected.
    #[error("expected an rlp list, found bytes")]
    ExpectedList,
    /// A length or byte not in its shortest form.
    #[error("rlp item is not in its shortest form, or longer than 4 GiB")]
    NotShortest,
    /// An integer with a leading zero.
    #[error("rlp integer has a leading zero")]
    LeadingZero,
    /// An integer above its range.
    #[error("rlp integer is out of range")]
    Overflow,
    /// A boolean that is neither 0 nor 1.
    #[error("rlp boolean is neither 0 nor 1")]
    Boolean,
    /// Text that is not UTF-8.
    #[error("rlp text is not utf-8")]
    NotUtf8,
    /// A byte string of the wrong length.
    #[error("expected {expected} rlp bytes, found {found}")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Lists that would take more memory than their bytes may.
    #[error(
        "the items of an rlp list take {needed} bytes of memory, {left} are left for this input"
    )]
    Memory {
        /// Bytes that the items take.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// A value outside what its field allows.
    #[error("invalid {field}")]
    Invalid {
        /// The field.
        field: &'static str,
    },
}
