//! What a client is begun with.

use serde_json::Value;
use weir_protocol::model::Identifier;
use weir_protocol::request;
use weir_walk::ClockOptions;

use crate::HostError;
use crate::fields::Fields;

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

impl Options {
    /// Reads `{servers, checkpoint, clock?: {now_ms?, trusting_period_ms?,
    /// past_committee_age_ms?, clock_skew_ms?}, keep_evidence?}`.
    ///
    /// # Errors
    /// When a field is not what it should be.
    pub fn read(options: &Value) -> Result<Self, HostError> {
        let names = ["servers", "checkpoint", "clock", "keep_evidence"];
        let fields = Fields::read(options, "options", &names)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names = ["now_ms", "trusting_period_ms", "past_committee_age_ms", "clock_skew_ms"];
        let clock = fields.get("clock").unwrap_or(&Value::Null);
        let clock = Fields::read(clock, "a clock", &names)?;
        Ok(Self {
            servers: fields.list("servers")?.iter().map(text).collect(),
            checkpoint: fields.text("checkpoint")?.unwrap_or_default().to_owned(),
            clock: ClockOptions {
                now_ms: clock.whole("now_ms")?,
                trusting_period_ms: clock.whole("trusting_period_ms")?,
                past_committee_age_ms: clock.whole("past_committee_age_ms")?,
                clock_skew_ms: clock.whole("clock_skew_ms")?,
            },
            keep_evidence: fields.flag("keep_evidence")?,
        })
    }
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
