//! Keys: a prefix for the kind of entry, then what names the entry. Prefixes are never reused.

use std::fmt;
use weir_protocol::model::Identifier;

/// Names an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The head.
    Head,
    /// A full page of block records.
    BlockPage(u64),
    /// A full page of payloads.
    PayloadPage(u64),
    /// Ordinal of a block by its ID.
    BlockId(Identifier),
    /// A page of finalized heights.
    HeightPage(u64),
    /// A page of first children.
    ChildPage(u64),
    /// A preimage by its hash.
    Preimage(Identifier),
    /// An epoch.
    Epoch(u64),
    /// The root snapshot.
    RootSnapshot,
    /// One block record of the page that is not full yet.
    BlockRow(u64),
    /// One payload of the page that is not full yet.
    PayloadRow(u64),
    /// Ordinal of a block that includes an execution result, by the result's ID.
    ResultId(Identifier),
    /// The last version beacon that a block seals, by the block's ordinal.
    VersionBeacon(u64),
}

impl Key {
    pub(super) fn prefix(self) -> u8 {
        match self {
            Self::Head => 0x01,
            Self::BlockPage(_) => 0x02,
            Self::PayloadPage(_) => 0x03,
            Self::BlockId(_) => 0x04,
            Self::HeightPage(_) => 0x05,
            Self::ChildPage(_) => 0x06,
            Self::Preimage(_) => 0x07,
            Self::Epoch(_) => 0x08,
            Self::RootSnapshot => 0x09,
            Self::BlockRow(_) => 0x0a,
            Self::PayloadRow(_) => 0x0b,
            Self::ResultId(_) => 0x0c,
            Self::VersionBeacon(_) => 0x0d,
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![self.prefix()];
        match self {
            Self::Head | Self::RootSnapshot => {}
            Self::BlockPage(number)
            | Self::PayloadPage(number)
            | Self::HeightPage(number)
            | Self::ChildPage(number)
            | Self::Epoch(number)
            | Self::BlockRow(number)
            | Self::PayloadRow(number)
            | Self::VersionBeacon(number) => bytes.extend_from_slice(&number.to_be_bytes()),
            Self::BlockId(id) | Self::Preimage(id) | Self::ResultId(id) => {
                bytes.extend_from_slice(&id.0)
            }
        }
        bytes
    }

    /// The key that `bytes` are, if they are one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (prefix, name) = bytes.split_first()?;
        let number = || name.try_into().ok().map(u64::from_be_bytes);
        let id = || Identifier::try_from(name).ok();
        match prefix {
            0x01 => name.is_empty().then_some(Self::Head),
            0x02 => number().map(Self::BlockPage),
            0x03 => number().map(Self::PayloadPage),
            0x04 => id().map(Self::BlockId),
            0x05 => number().map(Self::HeightPage),
            0x06 => number().map(Self::ChildPage),
            0x07 => id().map(Self::Preimage),
            0x08 => number().map(Self::Epoch),
            0x09 => name.is_empty().then_some(Self::RootSnapshot),
            0x0a => number().map(Self::BlockRow),
            0x0b => number().map(Self::PayloadRow),
            0x0c => id().map(Self::ResultId),
            0x0d => number().map(Self::VersionBeacon),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("head"),
            Self::BlockPage(page) => write!(f, "block page {page}"),
            Self::PayloadPage(page) => write!(f, "payload page {page}"),
            Self::BlockId(id) => write!(f, "block id {id}"),
            Self::HeightPage(page) => write!(f, "height page {page}"),
            Self::ChildPage(page) => write!(f, "child page {page}"),
            Self::Preimage(id) => write!(f, "preimage {id}"),
            Self::Epoch(counter) => write!(f, "epoch {counter}"),
            Self::RootSnapshot => f.write_str("root snapshot"),
            Self::BlockRow(ordinal) => write!(f, "block row {ordinal}"),
            Self::PayloadRow(ordinal) => write!(f, "payload row {ordinal}"),
            Self::ResultId(id) => write!(f, "result id {id}"),
            Self::VersionBeacon(ordinal) => write!(f, "version beacon {ordinal}"),
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
            Key::BlockPage(1),
            Key::PayloadPage(2),
            Key::BlockId(id),
            Key::HeightPage(3),
            Key::ChildPage(4),
            Key::Preimage(id),
            Key::Epoch(5),
            Key::RootSnapshot,
            Key::BlockRow(6),
            Key::PayloadRow(7),
            Key::ResultId(id),
            Key::VersionBeacon(8),
        ];
        for key in keys {
            let bytes = key.to_bytes();
            assert_eq!(Key::from_bytes(&bytes), Some(key));
            assert_eq!(Key::from_bytes(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(Key::from_bytes(&[0x0e]), None);
    }
}
