//! Keys of the index: a prefix for the kind of entry, then what names the entry. Prefixes are never
//! reused; those missing here belong to formats 1 to 3.

use std::fmt;
use weir_protocol::model::Identifier;

/// Names an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The head that the index is complete to.
    Head,
    /// A preimage by its hash.
    Preimage(Identifier),
    /// An epoch.
    Epoch(u64),
    /// The last version beacon that a block seals, by the block's ordinal.
    VersionBeacon(u64),
    /// A page of what is known of blocks: the latest sealed block and the epoch.
    BlockPage(u64),
    /// A page of finalized heights.
    HeightPage(u64),
    /// A page of first children.
    ChildPage(u64),
    /// Ordinal of a block by the beginning of its ID.
    BlockId(ShortId),
    /// Ordinal of a block that includes an execution result, by the beginning of the result's ID.
    ResultId(ShortId),
    /// IDs of the blocks below the root that may be sealed above it.
    BelowRoot,
}

/// The beginning of an ID: enough to tell any two apart that exist, and checked against the record.
pub(super) type ShortId = [u8; 16];

/// The beginning of an ID.
pub(super) fn short(id: &Identifier) -> ShortId {
    *id.0.first_chunk().expect("an identifier has 32 bytes")
}

impl Key {
    pub(super) fn prefix(self) -> u8 {
        match self {
            Self::Head => 0x01,
            Self::Preimage(_) => 0x07,
            Self::Epoch(_) => 0x08,
            Self::VersionBeacon(_) => 0x0d,
            Self::BlockPage(_) => 0x0e,
            Self::HeightPage(_) => 0x0f,
            Self::ChildPage(_) => 0x10,
            Self::BlockId(_) => 0x11,
            Self::ResultId(_) => 0x12,
            Self::BelowRoot => 0x13,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.prefix()];
        match self {
            Self::Head | Self::BelowRoot => {}
            Self::BlockPage(number)
            | Self::HeightPage(number)
            | Self::ChildPage(number)
            | Self::Epoch(number)
            | Self::VersionBeacon(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            Self::BlockId(short) | Self::ResultId(short) => bytes.extend_from_slice(&short),
            Self::Preimage(id) => bytes.extend_from_slice(&id.0),
        }
        bytes
    }

    /// The key that `bytes` are, if they are one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (prefix, name) = bytes.split_first()?;
        let number = || name.try_into().ok().map(u64::from_be_bytes);
        let short = || ShortId::try_from(name).ok();
        match prefix {
            0x01 => name.is_empty().then_some(Self::Head),
            0x07 => Identifier::try_from(name).ok().map(Self::Preimage),
            0x08 => number().map(Self::Epoch),
            0x0d => number().map(Self::VersionBeacon),
            0x0e => number().map(Self::BlockPage),
            0x0f => number().map(Self::HeightPage),
            0x10 => number().map(Self::ChildPage),
            0x11 => short().map(Self::BlockId),
            0x12 => short().map(Self::ResultId),
            0x13 => name.is_empty().then_some(Self::BelowRoot),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, what: &str, short: &ShortId| {
            write!(f, "{what} id ")?;
            short.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        };
        match self {
            Self::Head => f.write_str("head"),
            Self::Preimage(id) => write!(f, "preimage {id}"),
            Self::Epoch(counter) => write!(f, "epoch {counter}"),
            Self::VersionBeacon(ordinal) => write!(f, "version beacon {ordinal}"),
            Self::BlockPage(page) => write!(f, "block page {page}"),
            Self::HeightPage(page) => write!(f, "height page {page}"),
            Self::ChildPage(page) => write!(f, "child page {page}"),
            Self::BlockId(short) => hex(f, "block", short),
            Self::ResultId(short) => hex(f, "result", short),
            Self::BelowRoot => f.write_str("blocks below the root"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    fn keys_read_back_and_others_are_none() {
        let id = Identifier([7; 32]);
        let keys = [
            Key::Head,
            Key::Preimage(id),
            Key::Epoch(5),
            Key::VersionBeacon(8),
            Key::BlockPage(1),
            Key::HeightPage(3),
            Key::ChildPage(4),
            Key::BlockId(short(&id)),
            Key::ResultId(short(&id)),
            Key::BelowRoot,
        ];
        for key in keys {
            let bytes = key.to_bytes();
            assert_eq!(Key::from_bytes(&bytes), Some(key));
            assert_eq!(Key::from_bytes(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(Key::from_bytes(&[0x02]), None);
    }
}
