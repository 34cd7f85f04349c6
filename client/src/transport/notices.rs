//! Subscriptions to what changes. Notices prove nothing: they say which blocks to ask about.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Streaming;
use weir_proto::convert::{notice_from_wire, watch_to_wire};
use weir_proto::weir::v1::WatchResponse;
use weir_protocol::request::{Notice, WatchRequest};

use super::{Code, Server, TransportError, in_time};

/// An open subscription.
#[derive(Debug)]
pub struct Notices {
    url: String,
    stream: Streaming<WatchResponse>,
}

impl Server {
    /// Subscribes to notices.
    ///
    /// # Errors
    /// When the server does not answer or refuses.
    pub async fn watch(&mut self, watched: &WatchRequest) -> Result<Notices, TransportError> {
        let mut client = self.client.clone().max_decoding_message_size(NOTICE_BYTES_MAX);
        let stream = in_time(self.request_timeout, client.watch(watch_to_wire(watched))).await;
        let stream = stream.map_err(|status| self.refused(status))?.into_inner();
        Ok(Notices { url: self.url.clone(), stream })
    }
}

impl Notices {
    /// The next notice.
    ///
    /// # Errors
    /// When the stream ends or breaks, or nothing comes within `patience`.
    /// [`TransportError::Refused`] with [`Code::ResourceExhausted`] says that notices were not
    /// taken fast enough.
    pub async fn next(&mut self, patience: Duration) -> Result<Notice, TransportError> {
        let unavailable = |message: String| {
            let url = self.url.clone();
            Err(TransportError::Unavailable { url, message })
        };
        match timeout(patience, self.stream.message()).await {
            Err(_) => unavailable(format!("no notice within {patience:?}")),
            Ok(Ok(None)) => unavailable("it ended the subscription".to_owned()),
            Ok(Ok(Some(response))) => Ok(notice_from_wire(&response)),
            Ok(Err(status)) if status.code() == tonic::Code::ResourceExhausted => {
                let (url, code) = (self.url.clone(), Code::ResourceExhausted);
                Err(TransportError::Refused { url, code, message: status.message().to_owned() })
            }
            Ok(Err(status)) => unavailable(status.message().to_owned()),
        }
    }
}

/// Most bytes of a notice.
const NOTICE_BYTES_MAX: usize = 1024;
