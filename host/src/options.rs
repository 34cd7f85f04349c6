//! What a client is begun with.

use weir_protocol::model::Identifier;
use weir_protocol::request;
use weir_walk::ClockOptions;

use crate::HostError;

/// What a client is begun with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Servers by preference.
    pub servers: Vec<String>,
    /// The checkpoint's ID, 64 hexadecimal digits.
    pub checkpoint: String,
    /// Bounds on time.
    pub clock: ClockOptions,
    /// Keeps the evidence from the checkpoint on, so that each answer comes with a file that
    /// `weir verify` reads.
    pub keep_evidence: bool,
}

/// A server's URL, and the ed25519 key that has to sign its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// The URL, without the key.
    pub url: String,
    /// The key.
    pub key: Option<[u8; 32]>,
}

impl ServerAddress {
    /// Reads `URL` or `URL#KEY`, a key of 64 hexadecimal digits.
    ///
    /// # Errors
    /// When what follows `#` is no key, or there is no URL.
    pub fn read(text: &str) -> Result<Self, HostError> {
        let (url, key) = match text.split_once('#') {
            Some((url, key)) => {
                let key: Option<Identifier> = key.parse().ok();
                let key = key.ok_or_else(|| {
                    HostError::usage(&format!(
                        "`{text}`: what follows `#` is not a public key, 64 hexadecimal digits"
                    ))
                })?;
                (url, Some(key.0))
            }
            None => (text, None),
        };
        if url.is_empty() {
            return Err(HostError::usage(&"a server has a URL, such as http://127.0.0.1:9400"));
        }
        Ok(Self { url: url.to_owned(), key })
    }
}

/// How far a block is to be proved, by the names of hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth(pub(crate) request::Depth);

impl Depth {
    /// Reads `final`, `sealed` or `linked`; `sealed` where nothing is said.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn read(name: Option<&str>) -> Result<Self, HostError> {
        match name {
            Some("final") => Ok(Self(request::Depth::Finality)),
            None | Some("sealed") => Ok(Self(request::Depth::Seal)),
            Some("linked") => Ok(Self(request::Depth::Linked)),
            Some(_) => Err(HostError::usage(&"a proof is `final`, `sealed` or `linked`")),
        }
    }
}
