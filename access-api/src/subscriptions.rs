//! Subscriptions: every finalized or sealed block from a start on, each once, in order.
//!
//! A slow reader holds up nobody: its stream waits for it, and ends when it takes too long
//! (flow-go `engine/access/subscription`).

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Sender, channel};
use tonic::{Code, Response, Status};
use weir_admission::{Workers, feed};
use weir_proto::flow::{access, entities};
use weir_protocol::model::Identifier;

use crate::messages::{header_message, light_block_message};
use crate::refusal::Refusal;
use crate::service::AccessService;
use crate::view::{BlockName, View};

/// A stream of messages.
pub(super) type Subscription<T> = tonic::codegen::BoxStream<T>;

/// Admits so many streams at once.
#[derive(Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// Where a subscription starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// At a block.
    Block(Identifier),
    /// At a height.
    Height(u64),
    /// At the latest sealed block.
    Latest,
}

/// Makes the message of the block at a height.
type Message<V, T> = dyn Fn(&V, u64) -> Result<T, Status> + Send + Sync;

impl<V: View> AccessService<V> {
    pub(super) async fn subscribe_blocks(
        &self,
        start: Start,
        status: i32,
        full: bool,
    ) -> Result<Response<Subscription<access::SubscribeBlocksResponse>>, Status> {
        self.subscribe(start, status, move |view, height| {
            let block = if full {
                view.full_block(BlockName::Height(height))?.message
            } else {
                light_block_message(&view.block_by_height(height)?)
            };
            Ok(access::SubscribeBlocksResponse { block: Some(block) })
        })
        .await
    }

    pub(super) async fn subscribe_headers(
        &self,
        start: Start,
        status: i32,
    ) -> Result<Response<Subscription<access::SubscribeBlockHeadersResponse>>, Status> {
        self.subscribe(start, status, |view, height| {
            let header = header_message(&view.header_by_height(height)?);
            Ok(access::SubscribeBlockHeadersResponse { header: Some(header) })
        })
        .await
    }

    pub(super) async fn subscribe_digests(
        &self,
        start: Start,
        status: i32,
    ) -> Result<Response<Subscription<access::SubscribeBlockDigestsResponse>>, Status> {
        self.subscribe(start, status, |view, height| {
            let header = header_message(&view.header_by_height(height)?);
            Ok(access::SubscribeBlockDigestsResponse {
                block_id: header.id,
                block_height: header.height,
                block_timestamp: header.timestamp,
            })
        })
        .await
    }

    async fn subscribe<T: Send + 'static>(
        &self,
        start: Start,
        status: i32,
        message: impl Fn(&V, u64) -> Result<T, Status> + Send + Sync + 'static,
    ) -> Result<Response<Subscription<T>>, Status> {
        let level = Level::new(status)?;
        let open = self.streams.0.clone().try_acquire_owned();
        let open =
            open.map_err(|_| Status::resource_exhausted("maximum number of streams reached"))?;
        let view = self.view.latest();
        let next = self.workers.run(move || first_height(&view, start)).await??;
        let (sender, receiver) = channel(MESSAGES_AHEAD);
        let (view, workers, message) = (self.view.clone(), self.workers.clone(), Arc::new(message));
        let blocks = Feed { view, workers, level, next, message, sender };
        let run = async move {
            let _open = open;
            blocks.run().await
        };
        let cut = Status::cancelled("the server ends");
        Ok(Response::new(Box::pin(feed(receiver, run, self.ended.clone(), cut))))
    }
}

/// Which blocks are wanted.
#[derive(Clone, Copy, Debug)]
enum Level {
    Finalized,
    Sealed,
}

impl Level {
    fn new(status: i32) -> Result<Self, Status> {
        match entities::BlockStatus::try_from(status) {
            Ok(entities::BlockStatus::BlockFinalized) => Ok(Self::Finalized),
            Ok(entities::BlockStatus::BlockSealed) => Ok(Self::Sealed),
            _ => Err(Status::invalid_argument(
                "block status is unknown. Possible variants: BLOCK_FINALIZED, BLOCK_SEALED",
            )),
        }
    }
}

/// The height of the first message; the root itself is skipped, as flow-go does.
fn first_height<V: View>(view: &V, start: Start) -> Result<u64, Status> {
    let head = view.head();
    let root = head.first_height;
    let height = match start {
        Start::Block(id) => {
            let header = view.header_by_id(id).map_err(|status| match status.code() {
                Code::NotFound => Refusal::StartBlock(id).into(),
                _ => status,
            });
            header?.header.height
        }
        Start::Height(height) if height < root => return Err(Refusal::StartBelow(root).into()),
        // The next one is waited for, so that whoever was cut off can go on behind the last message.
        Start::Height(height) if height > head.finalized_height + 1 => {
            return Err(Refusal::StartHeight(height).into());
        }
        Start::Height(height) => height,
        Start::Latest => head.sealed_height,
    };
    Ok(if height == root { root + 1 } else { height })
}

/// Sends what there is, then waits for more.
struct Feed<V, T> {
    view: V,
    workers: Workers,
    level: Level,
    next: u64,
    message: Arc<Message<V, T>>,
    sender: Sender<T>,
}

impl<V: View, T: Send + 'static> Feed<V, T> {
    /// Runs until the reader is gone, or for as long as it can; then why it cannot.
    async fn run(mut self) -> Option<Status> {
        let mut announcements = self.view.announcements();
        loop {
            announcements.mark_unchanged();
            let head = self.view.latest().head();
            let top = match self.level {
                Level::Finalized => head.finalized_height,
                Level::Sealed => head.sealed_height,
            };
            while self.next <= top {
                if let ControlFlow::Break(end) = self.send_some(top).await {
                    return end;
                }
            }
            tokio::select! {
                () = self.sender.closed() => return None,
                changed = announcements.changed() => if changed.is_err() {
                    return Some(Status::cancelled("no more blocks come"));
                },
            }
        }
    }

    /// Sends the next few messages, or says why the stream is over.
    async fn send_some(&mut self, top: u64) -> ControlFlow<Option<Status>> {
        let (view, message) = (self.view.latest(), self.message.clone());
        let heights = self.next..=top.min(self.next + LOOKUPS_AT_ONCE - 1);
        let look_up = move || heights.map(|height| message(&view, height)).collect();
        let looked_up: Result<Vec<_>, _> = self.workers.run_in_turn(look_up).await;
        for message in looked_up.unwrap_or_else(|busy| vec![Err(busy.into())]) {
            let message = match message {
                Ok(message) => message,
                Err(status) => return ControlFlow::Break(Some(status)),
            };
            match self.sender.send_timeout(message, SEND_TIMEOUT).await {
                Ok(()) => self.next += 1,
                Err(_) if self.sender.is_closed() => return ControlFlow::Break(None),
                Err(_) => return ControlFlow::Break(Some(too_slow())),
            }
        }
        ControlFlow::Continue(())
    }
}

/// flow-go ends such a stream with this code, too (flow-go `engine/access/subscription/streamer.go`).
fn too_slow() -> Status {
    Status::deadline_exceeded(format!(
        "no message was taken for {SEND_TIMEOUT:?}; subscribe again behind the last one that came"
    ))
}

/// Streams open at once (flow-go `DefaultMaxGlobalStreams`).
const STREAMS_MAX: usize = 1000;
/// Messages made before the reader takes them (flow-go `DefaultSendBufferSize`).
const MESSAGES_AHEAD: usize = 10;
/// Blocks looked up at once.
const LOOKUPS_AT_ONCE: u64 = 32;
/// Longest time that a reader leaves a message waiting (flow-go `DefaultSendTimeout`).
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
