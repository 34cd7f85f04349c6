//! An indexer that follows access nodes, and what it must end up with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use weir_protocol::model::{Identifier, Versions};
use weir_server::indexer::feed::{AccessFeed, Origin};
use weir_server::indexer::{End, IndexError, Indexer};
use weir_server::prover::Prover;
use weir_server::source::access::{AccessOptions, Fetcher, Standing, SyncState};
use weir_server::store::{Head, StoreOptions};

use crate::access_node::{AccessNode, ServedChain};

/// An indexer over access nodes, on a thread of its own.
#[derive(Debug)]
pub struct Follower {
    /// Where following stands.
    pub sync: watch::Receiver<SyncState>,
    /// How the nodes have behaved.
    pub upstreams: watch::Receiver<Vec<Standing>>,
    /// What is indexed.
    pub prover: Prover,
    head: watch::Receiver<Arc<Head>>,
    stop: Arc<AtomicBool>,
    indexing: JoinHandle<Result<End, IndexError>>,
}

/// Following nodes with little patience; wrong answers are kept beside the data.
#[must_use]
pub fn options(data: &Path, nodes: &[&AccessNode]) -> AccessOptions {
    let urls = nodes.iter().map(|node| node.url().parse().expect("a node has a URL")).collect();
    AccessOptions {
        request_timeout: Duration::from_secs(2),
        poll_interval: Duration::from_millis(10),
        cross_check_interval: Duration::from_millis(50),
        quiet_max: Duration::from_millis(300),
        ..AccessOptions::new(urls, data)
    }
}

impl Follower {
    /// Opens the store in `data` and follows the nodes, from the chain's root if it is new.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn start(
        data: &Path,
        chain: &ServedChain,
        nodes: &[&AccessNode],
    ) -> Result<Self, IndexError> {
        Self::start_at(data, Origin::Checkpoint(chain.root_id()), options(data, nodes)).await
    }

    /// As [`Self::start`], from any origin and with any options.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// When opening panics.
    pub async fn start_at(
        data: &Path,
        origin: Origin,
        options: AccessOptions,
    ) -> Result<Self, IndexError> {
        Self::start_as(data, origin, options, None).await
    }

    /// As [`Self::start_at`], as a version of Weir that knows these protocol state versions only.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// When no node is named, or opening panics.
    pub async fn start_as(
        data: &Path,
        origin: Origin,
        options: AccessOptions,
        versions: Option<Versions>,
    ) -> Result<Self, IndexError> {
        let (fetcher, handle) = Fetcher::new(options).expect("a node is named");
        let (sync, upstreams) = (handle.state.subscribe(), handle.upstreams.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let (runtime, folder, stops) =
            (runtime::Handle::current(), data.join("data"), stop.clone());
        let opening = spawn_blocking(move || {
            let feed = Box::new(AccessFeed::new(runtime, origin, (fetcher, handle)));
            Indexer::open_feed(&folder, StoreOptions::default(), feed, stops)
        });
        let mut indexer = opening.await.expect("opening does not panic")?;
        if let Some(versions) = versions {
            indexer = indexer.knowing(versions);
        }
        let reader = indexer.reader();
        let head = reader.watch_head();
        let indexing = spawn_blocking(move || indexer.run(|_| ()));
        Ok(Self { sync, upstreams, prover: Prover::new(reader), head, stop, indexing })
    }

    /// Waits until the block at a height is final.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn finalized(&self, height: u64) {
        self.head_is(&format!("height {height} is final"), |head| head.finalized.height >= height)
            .await;
    }

    /// Waits until the store has so many blocks.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn indexed(&self, blocks: u64) {
        self.head_is(&format!("{blocks} blocks are indexed"), |head| head.blocks >= blocks).await;
    }

    async fn head_is(&self, what: &str, is: impl Fn(&Head) -> bool) {
        let mut head = self.head.clone();
        let waited = timeout(PATIENCE, head.wait_for(|head| is(head))).await;
        let reached = matches!(waited, Ok(Ok(_)));
        drop(waited);
        let (head, sync) = (self.head.borrow().clone(), self.sync.borrow().clone());
        assert!(reached, "waiting until {what}: {head:?}, {sync}, {:?}", *self.upstreams.borrow());
    }

    /// Waits until following stands as told.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn sync_is(&self, is: impl Fn(&SyncState) -> bool) -> SyncState {
        let mut sync = self.sync.clone();
        match timeout(PATIENCE, sync.wait_for(|sync| is(sync))).await {
            Ok(Ok(sync)) => sync.clone(),
            other => {
                drop(other);
                panic!("{}, {:?}", *self.sync.borrow(), *self.upstreams.borrow());
            }
        }
    }

    /// Waits until a node is thought of as told.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn upstream_is(&self, index: usize, is: impl Fn(&Standing) -> bool) {
        let mut upstreams = self.upstreams.clone();
        let waited = timeout(PATIENCE, upstreams.wait_for(|all| is(&all[index]))).await;
        let reached = matches!(waited, Ok(Ok(_)));
        drop(waited);
        assert!(reached, "{:?}, {}", *self.upstreams.borrow(), *self.sync.borrow());
    }

    /// Waits until a node is distrusted, and says why.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn distrusts(&self, index: usize) -> String {
        self.upstream_is(index, |state| matches!(state, Standing::SetAside { .. })).await;
        match &self.upstreams.borrow()[index] {
            Standing::SetAside { reason } => reason.clone(),
            other => panic!("a node stays distrusted: {other:?}"),
        }
    }

    /// Stops, and closes the store.
    ///
    /// # Panics
    /// When indexing panicked or does not stop.
    pub async fn stop(self) -> Result<End, IndexError> {
        self.stop.store(true, Ordering::Relaxed);
        self.ends().await
    }

    /// Waits for the end of indexing, and closes the store.
    ///
    /// # Errors
    /// Why it ended, unless it was asked to.
    ///
    /// # Panics
    /// When indexing panicked or does not end.
    pub async fn ends(mut self) -> Result<End, IndexError> {
        let ended = timeout(PATIENCE, &mut self.indexing).await.expect("indexing ends");
        ended.expect("indexing does not panic")
    }
}

impl Drop for Follower {
    /// Stops indexing, for which the runtime waits at its end: a test that fails would hang.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Every finalized block is the chain's, with every record as flow-go computed it.
///
/// # Panics
/// On the first that is not.
pub fn check_finalized(prover: &Prover, chain: &ServedChain) {
    let prover = prover.latest();
    let head = prover.head();
    for height in head.first_height..=head.finalized.height {
        let ordinal = prover.reader().finalized_at(height).expect("readable").expect("served");
        check_block(&prover, ordinal, &chain.rows[&height]);
    }
}

/// The store holds the chain's blocks, in order, and no others.
///
/// # Panics
/// On the first block that is another.
pub fn check_all(prover: &Prover, chain: &ServedChain) {
    check_finalized(prover, chain);
    let prover = prover.latest();
    let head = prover.head();
    assert_eq!(head.first_height + head.blocks, chain.last_height() + 1);
    assert!(head.finalized.height >= u64::min(chain.finalized_height, chain.last_height()));
    for (ordinal, height) in (0..head.blocks).zip(head.first_height..) {
        check_block(&prover, ordinal, &chain.rows[&height]);
    }
}

fn check_block(prover: &Prover, ordinal: u64, expected: &Value) {
    let block = prover.block_at(ordinal).expect("stored");
    let (header, roots) = (&block.record.header, block.roots().expect("a payload"));
    let (last_sealed_id, _) = prover.reader().last_sealed(&block.record).expect("stored");
    let state = prover.states().load(&roots.protocol_state_id).expect("stored");
    let hex = |id: Identifier| if id.is_zero() { String::new() } else { id.to_hex() };
    let found = json!({
        "block_id": block.block_id.to_hex(),
        "parent_id": header.parent_id.to_hex(),
        "height": header.height,
        "view": header.view,
        "payload_hash": header.payload_hash.to_hex(),
        "last_view_tc_id": hex(header.last_view_tc_id),
        "guarantees_root": roots.guarantees_root.to_hex(),
        "seals_root": roots.seals_root.to_hex(),
        "receipts_root": roots.receipts_root.to_hex(),
        "results_root": roots.results_root.to_hex(),
        "protocol_state_id": roots.protocol_state_id.to_hex(),
        "epoch_state_id": state.epoch_state_id().to_hex(),
        "protocol_state_version": state.version(),
        "epoch_counter": block.record.epoch_counter,
        "epoch_phase": state.phase().name(),
        "epoch_fallback_triggered": state.epoch_fallback_triggered(),
        "last_sealed_block_id": last_sealed_id.to_hex(),
    });
    for (field, value) in found.as_object().expect("an object") {
        assert_eq!(value, &expected[field], "{field} of {found}");
    }
}

/// Two stores are equal, record by record.
///
/// # Panics
/// On the first difference.
pub fn check_same(found: &Prover, expected: &Prover) {
    let (found, expected) = (found.latest(), expected.latest());
    let head = expected.head();
    // Where to resume depends on how blocks fell into batches.
    let resume_ordinal = head.resume_ordinal;
    assert_eq!(Head { resume_ordinal, ..Head::clone(&found.head()) }, *head);
    let (a, b) = (found.reader(), expected.reader());
    assert_eq!(a.root_snapshot().expect("readable"), b.root_snapshot().expect("readable"));
    for ordinal in 0..head.blocks {
        let block = expected.block_at(ordinal).expect("stored");
        let other = found.block_at(ordinal).expect("stored");
        assert_eq!(
            (other.block_id, other.record.record()),
            (block.block_id, block.record.record()),
            "{ordinal}"
        );
        assert_eq!(a.payload(ordinal).expect("readable"), b.payload(ordinal).expect("readable"));
        assert_eq!(
            a.first_child(ordinal).expect("readable"),
            b.first_child(ordinal).expect("readable")
        );
        assert_eq!(a.ordinal_of(&block.block_id).expect("readable"), Some(ordinal));
        let beacons = [a, b].map(|reader| reader.version_beacon(ordinal).expect("readable"));
        assert_eq!(beacons[0], beacons[1], "{ordinal}");
    }
    for height in head.first_height..=head.finalized.height {
        let numbers = |prover: &Prover| {
            let reader = prover.reader();
            (reader.finalized_at(height).ok(), reader.sealing_ordinal(height).ok())
        };
        assert_eq!(numbers(&found), numbers(&expected), "{height}");
    }
    for counter in head.first_epoch_counter..=head.epoch_counter {
        assert_eq!(a.epoch(counter).expect("readable"), b.epoch(counter).expect("readable"));
    }
}

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(40);
