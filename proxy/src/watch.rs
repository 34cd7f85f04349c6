//! Subscriptions: notices of the upstreams, each checked as a client of theirs would check it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Code, Status};
use weir_client::sync::watch::{
    BlockStatus, Event, EventKind, Level, Start, Watch, WatchError, WatchOptions,
};
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{Notice, Servers, TransportError};
use weir_proto::convert::watched_from_wire;
use weir_proto::weir::v1;
use weir_proto::weir::v1::watch_response::Notice as Wire;
use weir_protocol::model::Identifier;

use crate::chain::Chain;

/// How many streams are open.
#[derive(Debug, Default)]
pub(crate) struct Streams(AtomicUsize);

/// Counts a stream for as long as it lives.
struct OpenStream(Arc<Streams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Chain {
    /// Notices for as long as they are read; each subscription has its own way through the upstreams.
    pub(crate) fn watch(
        &self,
        streams: &Arc<Streams>,
        request: &v1::WatchRequest,
    ) -> Result<BoxStream<v1::WatchResponse>, Status> {
        let options = options(request)?;
        let open = OpenStream(streams.clone());
        if streams.0.fetch_add(1, Ordering::Relaxed) >= STREAMS_MAX {
            return Err(Status::resource_exhausted("as many subscriptions are open as are served"));
        }
        let trusted = self.own()?;
        let servers = Servers::new(self.upstreams.urls())
            .map_err(|none| Status::unavailable(none.to_string()))?
            .with_request_timeout(self.upstreams.timeout());
        let client = LightClient::resume(servers, (*trusted).clone()).with_clock(self.clock());
        let (sender, receiver) = channel(NOTICES_AHEAD);
        tokio::spawn(async move {
            let _open = open;
            let end = feed(Watch::new(client, options), &sender).await;
            if let Some(status) = end {
                let _gone = timeout(SEND_TIMEOUT, sender.send(Err(status))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }
}

fn options(request: &v1::WatchRequest) -> Result<WatchOptions, Status> {
    let asked = watched_from_wire(request);
    let asked = asked.map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(WatchOptions {
        level: match asked.level {
            v1::Level::Certified => Level::Certified,
            v1::Level::Sealed => Level::Sealed,
            v1::Level::Unspecified | v1::Level::Finalized => Level::Finalized,
        },
        start: asked.after_height.map_or(Start::Latest, Start::Height),
        block_ids: asked.block_ids,
        ..WatchOptions::default()
    })
}

/// Passes on what held until the reader goes or is too slow, or no upstream is left; why it ends.
async fn feed(
    mut watch: Watch,
    sender: &Sender<Result<v1::WatchResponse, Status>>,
) -> Option<Status> {
    loop {
        let beat = watch.newest_change();
        let next = {
            let mut next = pin!(watch.next_notice());
            loop {
                tokio::select! {
                    next = &mut next => break next,
                    () = sender.closed() => return None,
                    () = sleep(HEARTBEAT) => {
                        let notice = beat.map(|(id, height)| Wire::Reached(reference(id, height)));
                        send(sender, notice?).await.err()?;
                    }
                }
            }
        };
        let sent = match next {
            Ok((notice, events)) => match wire(notice, &events) {
                Some(notice) => send(sender, notice).await,
                None => Ok(()),
            },
            Err(error) if is_ahead(&error) => {
                sleep(RETRY).await;
                Ok(())
            }
            Err(error) => return Some(Status::unavailable(error.to_string())),
        };
        if let Err(end) = sent {
            return end;
        }
    }
}

async fn send(
    sender: &Sender<Result<v1::WatchResponse, Status>>,
    notice: Wire,
) -> Result<(), Option<Status>> {
    let response = v1::WatchResponse { notice: Some(notice) };
    match timeout(SEND_TIMEOUT, sender.send(Ok(response))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(Status::resource_exhausted(format!(
            "no notice was taken for {SEND_TIMEOUT:?}; subscribe again after the last height that \
             was reached"
        )))),
    }
}

/// The reader is ahead of the upstream: it has to wait, as it would for a server.
fn is_ahead(error: &WatchError) -> bool {
    matches!(
        error,
        WatchError::Ask(AskError::Transport(TransportError::Refused {
            code: Code::OutOfRange,
            ..
        }))
    )
}

fn wire(notice: Notice, events: &[Event]) -> Option<Wire> {
    match notice {
        Notice::StateChanged { block_id, height } => {
            Some(Wire::StateChanged(reference(block_id, height)))
        }
        Notice::Reached { block_id, height } => Some(Wire::Reached(reference(block_id, height))),
        Notice::BlockNews { block_id, .. } => {
            let status = match events.last()?.kind {
                EventKind::Status { status, .. } => status,
                _ => return None,
            };
            let status = match status {
                BlockStatus::Certified => v1::BlockStatus::Certified,
                BlockStatus::Finalized => v1::BlockStatus::Finalized,
                BlockStatus::Sealed => v1::BlockStatus::Sealed,
                BlockStatus::Orphaned => v1::BlockStatus::Orphaned,
            };
            let block_id = block_id.0.to_vec().into();
            Some(Wire::BlockNews(v1::BlockNews { block_id, status: status.into() }))
        }
        _ => None,
    }
}

/// The view is left out: it is for people, and not checked.
fn reference(block_id: Identifier, height: u64) -> v1::BlockReference {
    v1::BlockReference { block_id: block_id.0.to_vec().into(), height, view: 0 }
}

/// Subscriptions open at once; each has one at an upstream.
const STREAMS_MAX: usize = 256;
/// Notices checked before the reader takes them.
const NOTICES_AHEAD: usize = 16;
/// Longest time that a reader leaves a notice waiting.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time without a notice.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Until an upstream is asked again for a height that it has not.
const RETRY: Duration = Duration::from_secs(1);
