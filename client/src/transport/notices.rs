//! Subscriptions to what changes. Notices prove nothing: they say which blocks to ask about.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Code, Streaming};
use weir_proto::convert::{Watched, watched_to_wire};
use weir_proto::weir::v1::watch_response::Notice as Wire;
use weir_proto::weir::v1::{BlockReference, WatchResponse};
use weir_protocol::model::Identifier;

use super::{Server, TransportError, in_time};

/// A server's hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The protocol state changes with this block.
    StateChanged {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// Something is new about a block asked about.
    BlockNews {
        /// The block.
        block_id: Identifier,
        /// Whether it is said to be orphaned.
        orphaned: bool,
    },
    /// All changes up to this final block are told.
    Reached {
        /// The block.
        block_id: Identifier,
        /// Its height.
        height: u64,
    },
    /// Malformed, or of a kind not known here.
    Unknown,
}

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
    pub async fn watch(&mut self, watched: &Watched) -> Result<Notices, TransportError> {
        let mut client = self.client.clone().max_decoding_message_size(NOTICE_BYTES_MAX);
        let stream = in_time(self.request_timeout, client.watch(watched_to_wire(watched))).await;
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
            Ok(Ok(Some(response))) => Ok(response.notice.map_or(Notice::Unknown, notice)),
            Ok(Err(status)) if status.code() == Code::ResourceExhausted => {
                let (url, code) = (self.url.clone(), status.code());
                Err(TransportError::Refused { url, code, message: status.message().to_owned() })
            }
            Ok(Err(status)) => unavailable(status.message().to_owned()),
        }
    }
}

fn notice(wire: Wire) -> Notice {
    match wire {
        Wire::StateChanged(block) => {
            of_block(&block, |block_id, height| Notice::StateChanged { block_id, height })
        }
        Wire::Reached(block) => {
            of_block(&block, |block_id, height| Notice::Reached { block_id, height })
        }
        Wire::BlockNews(news) => match Identifier::try_from(&news.block_id[..]) {
            Ok(block_id) => {
                let orphaned = news.status() == weir_proto::weir::v1::BlockStatus::Orphaned;
                Notice::BlockNews { block_id, orphaned }
            }
            Err(_) => Notice::Unknown,
        },
    }
}

fn of_block(block: &BlockReference, notice: impl Fn(Identifier, u64) -> Notice) -> Notice {
    let block_id = Identifier::try_from(&block.block_id[..]);
    block_id.map_or(Notice::Unknown, |block_id| notice(block_id, block.height))
}

/// Most bytes of a notice.
const NOTICE_BYTES_MAX: usize = 1024;
