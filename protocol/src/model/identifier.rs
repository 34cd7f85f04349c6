//! The 32-byte identifier that names every entity.

use alloc::string::String;
use alloc::vec;
use core::fmt;
use core::str::FromStr;

/// A 32-byte SHA3-256 identifier of an entity, or a node ID.
///
/// Text form: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(pub [u8; 32]);

impl Identifier {
    /// The all-zero identifier, Flow's stand-in for "none".
    pub const ZERO: Self = Self([0; 32]);
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Whether this is [`Self::ZERO`].
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text form.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex_text(&self.0)
    }
}

/// Bytes as hexadecimal digits; `hex::encode` takes twice as long, for it goes digit by digit.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    let mut digits = vec![0; 2 * bytes.len()];
    hex::encode_to_slice(bytes, &mut digits).expect("there are two digits for each byte");
    String::from_utf8(digits).expect("digits are ASCII")
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 32]> for Identifier {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Identifier {
    type Error = IdentifierError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        match <[u8; 32]>::try_from(bytes) {
            Ok(array) => Ok(Self(array)),
            Err(_) => Err(IdentifierError::Length { found: bytes.len() }),
        }
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 64 {
            return Err(IdentifierError::Digits { found: text.chars().count() });
        }
        let mut bytes = [0u8; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| IdentifierError::NotHex)?;
        Ok(Self(bytes))
    }
}

/// Why bytes or text are not an [`Identifier`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// Wrong number of bytes.
    #[error("an identifier has 32 bytes, found {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// Wrong number of characters.
    #[error("an identifier has 64 hexadecimal digits, found {found} characters")]
    Digits {
        /// Characters found.
        found: usize,
    },
    /// A character that is not a hexadecimal digit.
    #[error("an identifier has only hexadecimal digits")]
    NotHex,
}
