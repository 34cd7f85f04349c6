//! Connections to servers. What they return is untrusted bytes.

mod notices;
mod send;
mod servers;
mod shared;

use std::time::Duration;

pub use notices::Notices;
pub use servers::{Servers, unix_ms};
pub use shared::SharedServers;
pub use weir_walk::{Code, NoPeer, Reply, Standing, TransportError};

use tokio::time::timeout;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};
use weir_proto::evidence_client::EvidenceClient;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{GetServerInfoRequest, GetServerInfoResponse};
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
        let channel = channel.map_err(|error| cannot_connect(&url, &error))?;
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
        // A peer that speaks HTTP, but no gRPC, shows up as an unknown or internal error.
        let is_foreign = matches!(status.code(), tonic::Code::Unknown | tonic::Code::Internal);
        if is_foreign && std::error::Error::source(&status).is_some() {
            return TransportError::NotWeir { url };
        }
        let number = u8::try_from(i32::from(status.code())).unwrap_or(u8::MAX);
        let message = status.message().to_owned();
        TransportError::refused(url, number, message, weir_proto::status::reason(status.details()))
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

/// Why there is no connection, down to the first cause.
fn cannot_connect(url: &str, error: &tonic::transport::Error) -> TransportError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    TransportError::Connect { url: url.to_owned(), reason: cause.to_string() }
}

/// The whole answer, with its body: a timeout of the channel would end with the answer's headers.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no whole answer within {limit:?}"));
    timeout(limit, answer).await.map_err(late)?
}

/// Longest wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for one answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Room for the protobuf framing around evidence.
const MESSAGE_OVERHEAD_BYTES: usize = 1024;
