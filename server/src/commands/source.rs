//! The text that names a source of blocks.

use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use thiserror::Error;

/// Where blocks come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A chain folder.
    Replay(PathBuf),
    /// Access nodes, by preference.
    Access(Vec<Uri>),
}

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("replay", dir)) if !dir.is_empty() => Ok(Self::Replay(dir.into())),
            Some(("access", urls)) => {
                urls.split(',').map(access_url).collect::<Result<_, _>>().map(Self::Access)
            }
            _ => Err(UnknownSource::Kind),
        }
    }
}

/// The URL of an access node.
pub(super) fn access_url(text: &str) -> Result<Uri, UnknownSource> {
    let malformed = || UnknownSource::Url { found: text.to_owned() };
    let url: Uri = text.parse().map_err(|_| malformed())?;
    let plain = url.scheme_str() == Some("http") && url.authority().is_some();
    if plain { Ok(url) } else { Err(malformed()) }
}

/// The text names no source.
#[derive(Debug, Error)]
pub(crate) enum UnknownSource {
    /// Neither a folder nor access nodes.
    #[error(
        "a source is replay:DIR, where DIR is a chain folder, or access:URL[,URL...], access nodes"
    )]
    Kind,
    /// Not the URL of an access node.
    #[error("{found:?} is not the url of an access node, such as http://127.0.0.1:9000")]
    Url {
        /// The text.
        found: String,
    },
}
