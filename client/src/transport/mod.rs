//! Connections to servers. What they return is untrusted bytes.

mod notices;
mod send;
mod servers;

use std::fmt;
use std::time::Duration;

pub use notices::Notices;
pub use send::Reply;
pub(crate) use servers::Passed;
pub use servers::{Health, NoServer, Servers};

use thiserror::Error;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use weir_proto::evidence_client::EvidenceClient;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{GetServerInfoRequest, GetServerInfoResponse, Reason};
use weir_protocol::evidence::EVIDENCE_BYTES_MAX;
use weir_protocol::model::Identifier;

/// A connection to a server of `weir.v1.SnapshotAPI`.
#[derive(Clone, Debug)]
pub struct Server {
    url: String,
    client: SnapshotApiClient<Channel>,
    /// As `client`, for what is proved: of each answer, it decodes the evidence alone.
    evidence: EvidenceClient<Channel>,
    request_timeout: Duration,
    /// The ed25519 key that has to sign its answers.
    key: Option<[u8; 32]>,
}

impl Server {
    /// Connects to `url`, such as `http://127.0.0.1:9400`; without a scheme, `http` is assumed.
    ///
    /// `URL#KEY`, with an ed25519 public key of 64 hexadecimal digits, takes no evidence without the
    /// receipt of that key, so that a wrong answer can be shown to others (`docs/servers.md`).
    ///
    /// # Errors
    /// When the URL is malformed or nobody answers within [`CONNECT_TIMEOUT`].
    pub async fn connect(url: &str) -> Result<Self, TransportError> {
        let (url, key) = read_key(url)?;
        let (url, endpoint) = endpoint(url)?;
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await;
        let channel =
            channel.map_err(|source| TransportError::Connect { url: url.clone(), source })?;
        let client = SnapshotApiClient::new(channel.clone());
        let evidence = EvidenceClient::new(channel, EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        Ok(Self { url, client, evidence, request_timeout: REQUEST_TIMEOUT, key })
    }

    /// Waits so long for each whole answer, instead of [`REQUEST_TIMEOUT`].
    #[must_use]
    pub fn with_request_timeout(self, request_timeout: Duration) -> Self {
        Self { request_timeout, ..self }
    }

    /// The server's URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its URL with the key that it is known by, as [`Self::connect`] takes it.
    fn address(&self) -> String {
        match self.key {
            Some(key) => format!("{}#{}", self.url, Identifier(key)),
            None => self.url.clone(),
        }
    }

    /// What the server says of itself; nothing proves it.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn info(&mut self) -> Result<GetServerInfoResponse, TransportError> {
        let request = GetServerInfoRequest {};
        let answer = in_time(self.request_timeout, self.client.get_server_info(request)).await;
        Ok(answer.map_err(|status| self.refused(status))?.into_inner())
    }

    fn refused(&self, status: Status) -> TransportError {
        let url = self.url.clone();
        match status.code() {
            Code::Unimplemented => TransportError::NotWeir { url },
            // A peer that speaks HTTP, but no gRPC, shows up as an unknown or internal error.
            Code::Unknown | Code::Internal if std::error::Error::source(&status).is_some() => {
                TransportError::NotWeir { url }
            }
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                TransportError::Unavailable { url, message: status.message().to_owned() }
            }
            code => refused_for(url, code, &status),
        }
    }
}

/// Where a server is: its whole URL, and how to connect to it. Without a scheme, `http` is assumed.
///
/// # Errors
/// When the URL is malformed.
pub fn endpoint(url: &str) -> Result<(String, Endpoint), TransportError> {
    let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    match Endpoint::from_shared(full.clone()) {
        Ok(endpoint) if !url.contains('#') => Ok((full, endpoint)),
        _ => Err(TransportError::Url { url: url.to_owned() }),
    }
}

/// A server's URL, and the key that it is known by.
fn read_key(url: &str) -> Result<(&str, Option<[u8; 32]>), TransportError> {
    let Some((bare, key)) = url.split_once('#') else { return Ok((url, None)) };
    let key: Identifier = key.parse().map_err(|_| TransportError::Key { url: url.to_owned() })?;
    Ok((bare, Some(key.0)))
}

/// A refusal, with the server's reason where it is one of those that a client acts on.
fn refused_for(url: String, code: Code, status: &Status) -> TransportError {
    let message = status.message().to_owned();
    let available = weir_proto::status::available(status).unwrap_or_default();
    match available.reason() {
        Reason::UnknownBlock => TransportError::UnknownBlock { url, message },
        Reason::HeadTooOld => {
            TransportError::HeadTooOld { url, height_needed: available.height_needed }
        }
        Reason::HeadNotCanonical => TransportError::HeadNotCanonical { url, message },
        Reason::Unspecified => TransportError::Refused { url, code, message },
    }
}

/// The whole answer, with its body: a timeout of the channel would end with the answer's headers.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no whole answer within {limit:?}"));
    timeout(limit, answer).await.map_err(late)?
}

/// Why a server gave no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The URL is malformed.
    #[error("`{url}` is not a server url; use for example http://127.0.0.1:9400")]
    Url {
        /// The text given.
        url: String,
    },
    /// What follows the URL is no public key.
    #[error("`{url}`: what follows `#` is not a public key, 64 hexadecimal digits")]
    Key {
        /// The text given.
        url: String,
    },
    /// The answer came without a receipt of the key that the server is known by.
    #[error("{url} gave no receipt of its key for what it said")]
    NoReceipt {
        /// The server.
        url: String,
    },
    /// Nobody accepts connections there, or not as HTTP/2.
    #[error("cannot connect to {url}: is a weir-server running there?")]
    Connect {
        /// The server.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// Something answers, but not weir.
    #[error("{url} is not a weir server: it does not offer weir.v1.SnapshotAPI")]
    NotWeir {
        /// The server.
        url: String,
    },
    /// The connection broke or took too long.
    #[error("{url} gave no answer: {message}")]
    Unavailable {
        /// The server.
        url: String,
        /// What happened.
        message: String,
    },
    /// The server has never seen the block.
    #[error("{url}: {message}")]
    UnknownBlock {
        /// The server.
        url: String,
        /// What it serves instead.
        message: String,
    },
    /// The client's head is before what the proof needs.
    #[error("{url}: the head held here is too old, one of height {height_needed} is needed")]
    HeadTooOld {
        /// The server.
        url: String,
        /// Least height that serves.
        height_needed: u64,
    },
    /// The server has another final chain than the client's head is on.
    #[error("{url}: {message}")]
    HeadNotCanonical {
        /// The server.
        url: String,
        /// What it says.
        message: String,
    },
    /// The server refused.
    #[error("{url} refused ({code:?}): {message}")]
    Refused {
        /// The server.
        url: String,
        /// gRPC status code.
        code: Code,
        /// The server's reason.
        message: String,
    },
    /// None of several servers gave an answer.
    #[error("no server gave an answer: {}", List(errors))]
    All {
        /// Why, server by server.
        errors: Vec<TransportError>,
    },
}

impl TransportError {
    /// Whether the server gave no answer at all, so that another one may be asked.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::NotWeir { .. }
                | Self::NoReceipt { .. }
                | Self::Unavailable { .. }
                | Self::All { .. }
        )
    }
}

/// Errors in a row.
struct List<'a>(&'a [TransportError]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for one answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Room for the protobuf framing around evidence.
const MESSAGE_OVERHEAD_BYTES: usize = 1024;
