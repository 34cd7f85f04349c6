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
use weir_dial::{Address, AddressError, Channel, Dialer};
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
    /// Connected to it, and does again when the connection breaks.
    dialer: Dialer,
    /// The ed25519 key that has to sign its answers.
    key: Option<[u8; 32]>,
}

impl Server {
    /// Connects to `url`: `http://127.0.0.1:9400`, `https://HOST[:PORT][/PREFIX]`, or `HOST:PORT` of this
    /// machine; with TLS, whoever the platform's authorities vouch for.
    ///
    /// `URL#KEY`, with an ed25519 public key of 64 hexadecimal digits, takes no evidence without the
    /// receipt of that key, so that a wrong answer can be shown to others (`docs/servers.md`).
    ///
    /// # Errors
    /// When the URL is malformed or nobody answers within [`weir_dial::CONNECT_TIMEOUT`].
    pub async fn connect(url: &str) -> Result<Self, TransportError> {
        Self::dial(url, &Dialer::default()).await
    }

    /// As [`Self::connect`], with a dialer, which says whom to trust.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn dial(url: &str, dialer: &Dialer) -> Result<Self, TransportError> {
        let (address, key) = read_address(url)?;
        let url = address.url();
        let channel = dialer.connect(&address).await;
        let channel = channel.map_err(|error| {
            let (url, reason) = (url.clone(), error.to_string());
            TransportError::Connect { url, reason }
        })?;
        let client = SnapshotApiClient::new(channel.clone());
        let evidence = EvidenceClient::new(channel, EVIDENCE_BYTES_MAX + MESSAGE_OVERHEAD_BYTES);
        let (request_timeout, dialer) = (REQUEST_TIMEOUT, dialer.clone());
        Ok(Self { url, client, evidence, request_timeout, dialer, key })
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
        let number = code_number(&status);
        let message = status.message().to_owned();
        TransportError::refused(url, number, message, weir_proto::status::reason(status.details()))
    }
}

/// The number of a status's code, as [`Code::from_number`] takes it.
#[must_use]
pub fn code_number(status: &Status) -> u8 {
    u8::try_from(i32::from(status.code())).unwrap_or(u8::MAX)
}

/// A server's address, and the key that it is known by: an ed25519 public key after `#`.
///
/// # Errors
/// When the URL or the key is malformed.
pub fn read_address(url: &str) -> Result<(Address, Option<[u8; 32]>), TransportError> {
    let address: Address = url.parse().map_err(|error: AddressError| {
        let (url, reason) = (url.to_owned(), error.to_string());
        TransportError::Url { url, reason }
    })?;
    let key = address.key().map(str::parse::<Identifier>).transpose();
    let key = key.map_err(|_| TransportError::Key { url: url.to_owned() })?;
    Ok((address, key.map(|key| key.0)))
}

/// The whole answer, with its body: a timeout of the channel would end with the answer's headers.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = |_| Status::deadline_exceeded(format!("no whole answer within {limit:?}"));
    timeout(limit, answer).await.map_err(late)?
}

/// Longest wait for one answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Room for the protobuf framing around evidence.
const MESSAGE_OVERHEAD_BYTES: usize = 1024;
