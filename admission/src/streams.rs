//! Streams that have no end of their own.

use futures_util::stream::{self, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// What a feed sends, and then why it ended, unless the reader is gone.
///
/// The feed is a task, which also ends when `ended` turns true; that is told as `cut`. Why it ended comes
/// after all that waits, however slow the reader is: by nothing else can a reader tell a cut from an end.
pub fn feed<T: Send + 'static>(
    sent: mpsc::Receiver<T>,
    feed: impl Future<Output = Option<Status>> + Send + 'static,
    mut ended: watch::Receiver<bool>,
    cut: Status,
) -> impl Stream<Item = Result<T, Status>> + Send {
    let (last, said_last) = oneshot::channel();
    tokio::spawn(async move {
        let end = tokio::select! {
            end = feed => end,
            _ = ended.wait_for(|ended| *ended) => Some(cut),
        };
        let _gone = last.send(end);
    });
    let end = stream::once(said_last).filter_map(async |end| end.ok().flatten().map(Err));
    ReceiverStream::new(sent).map(Ok).chain(end)
}
