//! Subscriptions to what changes: notices that name blocks, read from the store as the reader takes
//! them, so that a slow reader holds up nobody and costs no memory.

mod scan;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use weir_admission::{Workers, feed};
use weir_proto::convert::block_reference;
use weir_proto::weir::v1::watch_response::Notice;
use weir_proto::weir::v1::{BlockNews, BlockReference, BlockStatus, WatchResponse};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Level, WatchRequest};

use crate::store::{BlockRef, ReadError, Reader};

/// Admits so many streams at once.
#[derive(Clone, Debug)]
pub struct Streams {
    open: Arc<Semaphore>,
    workers: Workers,
}

impl Streams {
    /// Streams that are read from the store by `workers`.
    #[must_use]
    pub fn new(workers: Workers) -> Self {
        Self { open: Arc::new(Semaphore::new(STREAMS_MAX)), workers }
    }

    /// Opens a stream of notices; it ends when `ended` turns true.
    ///
    /// # Errors
    /// [`tonic::Code::ResourceExhausted`] when too many are open, [`tonic::Code::OutOfRange`] when
    /// the store does not go back so far.
    pub fn open(
        &self,
        reader: &Reader,
        watched: WatchRequest,
        ended: watch::Receiver<bool>,
    ) -> Result<impl Stream<Item = Result<WatchResponse, Status>> + use<>, Status> {
        let too_many =
            |_| Status::resource_exhausted("as many subscriptions are open as are served");
        let open = self.open.clone().try_acquire_owned().map_err(too_many)?;
        let (sender, receiver) = channel(NOTICES_AHEAD);
        let notices = Feed::new(reader.latest(), self.workers.clone(), watched, sender)?;
        let run = async move {
            let _open = open;
            notices.run().await
        };
        Ok(feed(receiver, run, ended, ending()))
    }
}

/// Reads on whenever the head moves.
struct Feed {
    reader: Reader,
    workers: Workers,
    level: Level,
    /// The next height to look at.
    next: u64,
    /// Changes told of blocks that are not final.
    told: BTreeSet<(u64, Identifier)>,
    blocks: Vec<(Identifier, BlockStatus)>,
    sender: Sender<WatchResponse>,
}

/// Why a feed ends: with what status, if anybody listens.
type End = ControlFlow<Option<Status>>;

impl Feed {
    fn new(
        reader: Reader,
        workers: Workers,
        watched: WatchRequest,
        sender: Sender<WatchResponse>,
    ) -> Result<Self, Status> {
        let WatchRequest { level, after_height, block_ids } = watched;
        let head = reader.head();
        let first = head.first_height;
        let after = after_height.unwrap_or_else(|| scan::newest(level, head).height);
        if after < first {
            let reason = format!("height {after} is before {first}, the first one that is served");
            return Err(Status::out_of_range(reason));
        }
        let next = after.saturating_add(1);
        let blocks = block_ids.into_iter().map(|id| (id, BlockStatus::Unspecified)).collect();
        Ok(Self { reader, workers, level, next, told: BTreeSet::new(), blocks, sender })
    }

    /// Runs until the reader goes or is too slow, or the store fails.
    async fn run(mut self) -> Option<Status> {
        let mut heads = self.reader.watch_head();
        loop {
            heads.mark_unchanged();
            self.reader = self.reader.latest();
            if let ControlFlow::Break(end) = self.catch_up().await {
                return end;
            }
            let beat = sleep_until(Instant::now() + HEARTBEAT);
            tokio::select! {
                () = self.sender.closed() => return None,
                changed = heads.changed() => if changed.is_err() { return Some(ending()) },
                () = beat => {}
            }
        }
    }

    /// Tells all that is new as of the reader's head.
    async fn catch_up(&mut self) -> End {
        let top = scan::newest(self.level, self.reader.head());
        while self.next <= top.height {
            let last = top.height.min(self.next.saturating_add(HEIGHTS_AT_ONCE - 1));
            let heights = self.next..=last;
            for block in self.blocking(move |reader| scan::changed(reader, heights)).await? {
                if !self.told.remove(&(block.height, block.id)) {
                    self.send(Notice::StateChanged(reference(&block))).await?;
                }
            }
            self.next = last + 1;
            if last < top.height {
                let at = self.blocking(move |reader| scan::finalized(reader, last)).await?;
                self.reached(at.as_ref()).await?;
            }
        }
        self.reached(Some(&top)).await?;
        self.tell_undecided().await?;
        self.tell_news().await
    }

    /// Changes of certified blocks that are not final yet.
    async fn tell_undecided(&mut self) -> End {
        if self.level != Level::Certified {
            return ControlFlow::Continue(());
        }
        let next = self.next;
        self.told.retain(|(height, _)| *height >= next);
        for block in self.blocking(scan::changed_undecided).await? {
            if block.height >= next && self.told.insert((block.height, block.id)) {
                self.send(Notice::StateChanged(reference(&block))).await?;
            }
        }
        ControlFlow::Continue(())
    }

    async fn tell_news(&mut self) -> End {
        let undecided = |status| !matches!(status, BlockStatus::Sealed | BlockStatus::Orphaned);
        for index in 0..self.blocks.len() {
            let (id, told) = self.blocks[index];
            if !undecided(told) {
                continue;
            }
            let status = self.blocking(move |reader| scan::status(reader, &id)).await?;
            if status != told {
                self.blocks[index].1 = status;
                let block_id = id.0.to_vec().into();
                let news = BlockNews { block_id, status: status.into() };
                self.send(Notice::BlockNews(news)).await?;
            }
        }
        ControlFlow::Continue(())
    }

    async fn reached(&self, block: Option<&BlockRef>) -> End {
        match block {
            Some(block) => self.send(Notice::Reached(reference(block))).await,
            None => ControlFlow::Continue(()),
        }
    }

    async fn send(&self, notice: Notice) -> End {
        let response = WatchResponse { notice: Some(notice) };
        match self.sender.send_timeout(response, SEND_TIMEOUT).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) if self.sender.is_closed() => ControlFlow::Break(None),
            Err(_) => ControlFlow::Break(Some(Status::resource_exhausted(format!(
                "no notice was taken for {SEND_TIMEOUT:?}; subscribe again after the last height \
                 that was reached"
            )))),
        }
    }

    /// Reads on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> ControlFlow<Option<Status>, T> {
        let reader = self.reader.clone();
        match self.workers.run_in_turn(move || read(&reader)).await {
            Ok(Ok(found)) => ControlFlow::Continue(found),
            Ok(Err(error)) => {
                tracing::error!(%error, "the store is damaged");
                ControlFlow::Break(Some(Status::internal(error.to_string())))
            }
            Err(busy) => ControlFlow::Break(Some(busy.into())),
        }
    }
}

fn ending() -> Status {
    Status::unavailable("the server ends")
}

fn reference(block: &BlockRef) -> BlockReference {
    block_reference(&block.id, block.height, block.view)
}

/// Subscriptions open at once.
const STREAMS_MAX: usize = 1000;
/// Notices made before the reader takes them.
const NOTICES_AHEAD: usize = 16;
/// Heights looked at before the reader is told how far that is.
const HEIGHTS_AT_ONCE: u64 = 1024;
/// Longest time that a reader leaves a notice waiting.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time without a notice.
const HEARTBEAT: Duration = Duration::from_secs(10);
