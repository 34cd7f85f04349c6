//! Blocks, payloads, states and indexes on disk: one writer, many readers.
//!
//! A [`WriteBatch`] is one atomic write; its [`Head`] is announced only when it is on disk. A
//! [`Reader`] sees the store as of one head. Every value is checked when it is read: damage is an
//! error that says what to do, never a panic and never wrong data. The format: `docs/format.md`.
//!
//! The store never interprets payloads or states, and never decides what is finalized or sealed.

mod batch;
mod beacons;
mod cache;
mod error;
mod fsck;
mod keys;
mod open;
mod pages;
mod reader;
mod records;
mod report;
mod value;
mod writer;
mod writes;

pub use batch::{PAYLOAD_BYTES_MAX, PREIMAGE_BYTES_MAX, WriteBatch};
pub use error::{CommitError, OpenError, ReadError};
pub use fsck::fsck;
pub use open::{NewStore, Opened, StoreOptions};
pub use pages::{BLOCKS_PER_PAGE, PAYLOADS_PER_PAGE};
pub use reader::{BLOCKS_MAX, Reader};
pub use records::{BlockRecord, BlockRef, ChainInfo, EpochRecord, Head, StoredBlock};
pub use report::{Finding, FsckReport, PayloadFacts};

use cache::Caches;
use keys::Key;
use std::sync::Arc;
use tokio::sync::watch;
use weir_migrations::Database;
use writer::Writer;

/// Version of the format this crate reads and writes.
pub const FORMAT_VERSION: u32 = 3;

/// An open store with at least one block, and the only means to write to it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    writer: Writer,
}

impl Store {
    /// Writes a batch, waits until it is on disk, and only then announces its head.
    ///
    /// Blocks the thread for about a millisecond: call it from a dedicated one.
    ///
    /// # Errors
    /// Any error is final: the store refuses further batches until it is opened again.
    pub fn commit(&mut self, batch: WriteBatch) -> Result<(), CommitError> {
        let head = self.writer.commit(&self.shared.database, batch)?;
        self.shared.head.send_replace(head);
        Ok(())
    }

    /// Deletes payloads that are older than the newest `keep_blocks` blocks, in whole pages, and
    /// says how many pages went.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn prune_payloads(&mut self, keep_blocks: u64) -> Result<u64, CommitError> {
        self.writer.prune_payloads(&self.shared.database, keep_blocks)
    }

    /// A view of the store as of the newest head.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// The newest head, now and whenever it changes.
    #[must_use]
    pub fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.shared.head.subscribe()
    }

    fn new(database: Database, writer: Writer, head: Arc<Head>, options: &StoreOptions) -> Self {
        let caches = Caches::new(options.decoded_cache_bytes);
        let (head, _) = watch::channel(head);
        Self { shared: Arc::new(Shared { database, caches, head }), writer }
    }
}

/// What the writer and all readers share.
#[derive(Debug)]
struct Shared {
    database: Database,
    caches: Caches,
    head: watch::Sender<Arc<Head>>,
}

impl Shared {
    /// The content under a key, checked.
    fn value(&self, key: Key) -> Result<Option<Vec<u8>>, ReadError> {
        value::read(&self.database, key)
    }
}
