//! The text that names a source of blocks.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use weir_dial::{AccessNode, AddressError};

/// Where blocks come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A chain folder.
    Replay(PathBuf),
    /// Access nodes, by preference.
    Access(Vec<AccessNode>),
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("replay", dir)) if !dir.is_empty() => Ok(Self::Replay(dir.into())),
            Some(("access", urls)) => {
                Ok(Self::Access(urls.split(',').map(str::parse).collect::<Result<_, _>>()?))
            }
            _ => Err(UnknownSource::Kind),
        }
    }
}

/// The text names no source.
#[derive(Debug, Error)]
pub(crate) enum UnknownSource {
    /// Neither a folder nor access nodes.
    #[error(
        "a source is replay:DIR, where DIR is a chain folder, or access:URL[,URL...], access nodes"
    )]
    Kind,
    /// Not the address of an access node.
    #[error(transparent)]
    Address(#[from] AddressError),
}
