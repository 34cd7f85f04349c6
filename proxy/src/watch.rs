//! Subscriptions: notices of the upstreams, each checked as a client of theirs would check it.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::BoxStream;
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{Code, Servers, TransportError};
use weir_client::watch::{BlockStatus, Event, EventKind, Start, Watch, WatchError, WatchOptions};
use weir_proto::convert::{block_reference, watch_from_wire};
use weir_proto::weir::v1;
use weir_proto::weir::v1::watch_response::Notice as Wire;
use weir_protocol::request::{Notice, WatchRequest};
use weir_verifier::TrustedState;

use crate::own::Own;

/// Subscriptions; so many are admitted at once.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions(Arc<Semaphore>);

impl Default for Subscriptions {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

impl Subscriptions {
    /// Notices for as long as they are read. Each subscription has its own connections; how the
    /// upstreams have behaved, it shares with everything else that is asked of them.
    pub(crate) fn open(
        &self,
        own: &Own,
        request: &v1::WatchRequest,
    ) -> Result<BoxStream<v1::WatchResponse>, Status> {
        let options = options(request)?;
        let too_many =
            |_| Status::resource_exhausted("as many subscriptions are open as are served");
        let open = self.0.clone().try_acquire_owned().map_err(too_many)?;
        let servers =
            Servers::sharing(own.upstreams.shared()).with_request_timeout(own.upstreams.timeout());
        let trusted = TrustedState::clone(&own.state());
        let client = LightClient::resume(servers, trusted).with_clock(own.checker.clock());
        let (sender, receiver) = channel(NOTICES_AHEAD);
        let (last, said_last) = oneshot::channel();
        tokio::spawn(async move {
            let _open = open;
            let _gone = last.send(feed(Watch::new(client, options), &sender).await);
        });
        // Why it ended comes after the notices that wait, however slow the reader is.
        let end = stream::once(said_last).filter_map(async |end| end.ok().flatten().map(Err));
        Ok(Box::pin(ReceiverStream::new(receiver).map(Ok).chain(end)))
    }
}

fn options(request: &v1::WatchRequest) -> Result<WatchOptions, Status> {
    let watched = watch_from_wire(request);
    let WatchRequest { level, after_height, block_ids } =
        watched.map_err(|error| Status::invalid_argument(error.to_string()))?;
    let start = after_height.map_or(Start::Latest, Start::Height);
    Ok(WatchOptions { level, start, block_ids, ..WatchOptions::default() })
}

/// Passes on what held until the reader goes or is too slow, or no upstream is left; why it ends.
async fn feed(mut watch: Watch, sender: &Sender<v1::WatchResponse>) -> Option<Status> {
    loop {
        let sent = match next_or_beat(&mut watch, sender).await {
            ControlFlow::Break(end) => return end,
            ControlFlow::Continue(Ok((notice, events))) => match wire(notice, &events) {
                Some(notice) => send(sender, notice).await,
                None => ControlFlow::Continue(()),
            },
            ControlFlow::Continue(Err(error)) if is_ahead(&error) => {
                sleep(RETRY).await;
                ControlFlow::Continue(())
            }
            ControlFlow::Continue(Err(error)) => {
                return Some(Status::unavailable(error.to_string()));
            }
        };
        if let ControlFlow::Break(end) = sent {
            return end;
        }
    }
}

/// The next notice that held; until then the reader is told now and then that nothing is new.
async fn next_or_beat(
    watch: &mut Watch,
    sender: &Sender<v1::WatchResponse>,
) -> ControlFlow<Option<Status>, Result<(Notice, Vec<Event>), WatchError>> {
    let newest = watch.newest_change();
    let mut next = pin!(watch.next_notice());
    loop {
        tokio::select! {
            next = &mut next => return ControlFlow::Continue(next),
            () = sender.closed() => return ControlFlow::Break(None),
            () = sleep(HEARTBEAT) => if let Some((id, height)) = newest {
                send(sender, Wire::Reached(block_reference(&id, height, 0))).await?;
            }
        }
    }
}

async fn send(sender: &Sender<v1::WatchResponse>, notice: Wire) -> ControlFlow<Option<Status>> {
    let response = v1::WatchResponse { notice: Some(notice) };
    match sender.send_timeout(response, SEND_TIMEOUT).await {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) if sender.is_closed() => ControlFlow::Break(None),
        Err(_) => ControlFlow::Break(Some(Status::resource_exhausted(format!(
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

/// The notice as it is passed on, without views: they are for people, and not checked.
fn wire(notice: Notice, events: &[Event]) -> Option<Wire> {
    match notice {
        Notice::StateChanged { block_id, height } => {
            Some(Wire::StateChanged(block_reference(&block_id, height, 0)))
        }
        Notice::Reached { block_id, height } => {
            Some(Wire::Reached(block_reference(&block_id, height, 0)))
        }
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
