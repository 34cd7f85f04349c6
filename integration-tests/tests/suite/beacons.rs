//! Version beacons: each snapshot has the newest one sealed as of its head, on its fork.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;
use weir_devnet::config::Chances;
use weir_devnet::{Command, Config, Network, Trigger};
use weir_integration_tests::frame;
use weir_migrations::{Database, checked_value};
use weir_proto::convert::block_to_wire;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::{Block, Identifier, VersionBeacon};
use weir_server::access::AccessView;
use weir_server::indexer::Indexer;
use weir_server::payload;
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::{FsckReport, Opened, Reader, Store, StoreOptions, fsck};

/// A network that announces versions now and then, twice in a block, and in blocks that one payload
/// seals.
pub(crate) fn network() -> (Network, Vec<Arc<Block>>) {
    let chances = Chances { fork_per_mille: 150, timeout_per_mille: 60, view_gap_per_mille: 30 };
    let mut config = Config { seed: 21, chances, ..Config::default() };
    for height in [6, 12, 12, 13, 14, 15, 16, 40, 41, 42, 43, 90] {
        let version = format!("0.{height}.0");
        let command = Command::VersionBeacon { block_height: 1000 + height, version };
        config = config.at(Trigger::Height(height), command);
    }
    let mut network = Network::new(config).unwrap();
    let root = Arc::new(network.root().head().clone());
    let made = (0..160).map(|_| network.next_block().block);
    let blocks = [root].into_iter().chain(made).collect();
    (network, blocks)
}

/// Writes a chain folder that begins at a final block.
pub(crate) fn write_from(network: &Network, blocks: &[Arc<Block>], height: u64, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let root = network.snapshot_at(height).unwrap();
    fs::write(dir.join("root-protocol-state-snapshot.json"), root.to_json()).unwrap();
    let root_id = root.head().header.id();
    let mut known = HashSet::from([root_id]);
    let mut file = Vec::new();
    for block in blocks {
        let id = block.header.id();
        if id == root_id || known.contains(&block.header.parent_id) {
            known.insert(id);
            file.extend(frame(&block_to_wire(block)));
        }
    }
    fs::write(dir.join("blocks.pb"), file).unwrap();
}

/// Final heights at which a version beacon is executed, but not sealed.
pub(crate) fn heights_before_a_seal(network: &Network) -> Vec<u64> {
    let at = |height| {
        let id = network.finalized_at(height).unwrap().block_id;
        network.record(&id).unwrap()
    };
    let pending = |height: &u64| {
        let sealed = at(*height).last_sealed.height;
        let is_beacon = |height| !at(height).execution.result.service_events.is_empty();
        (sealed + 1..=*height).any(is_beacon)
    };
    (4..60).filter(pending).collect()
}

/// A store of the network's chain from a height on.
struct Indexed {
    folder: TempDir,
    indexer: Indexer,
}

impl Indexed {
    fn from(network: &Network, blocks: &[Arc<Block>], height: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = folder.path().join("chain");
        write_from(network, blocks, height, &chain);
        let (data, stop) = (folder.path().join("data"), Arc::new(AtomicBool::new(false)));
        let chain = ChainFolder::open(chain).unwrap();
        let mut indexer = Indexer::open(&data, StoreOptions::default(), &chain, stop).unwrap();
        indexer.run(|_| ()).unwrap();
        Self { folder, indexer }
    }

    fn view(&self) -> AccessView {
        AccessView::new(Prover::new(self.indexer.reader())).unwrap()
    }

    /// Closes the store.
    fn close(self) -> TempDir {
        self.folder
    }
}

/// Ordinals of all blocks that seal a version beacon, newest first.
fn sealing(reader: &Reader) -> Vec<u64> {
    let next = |before: &u64| reader.sealing_version_beacon(before.checked_sub(1)?).unwrap();
    std::iter::successors(reader.sealing_version_beacon(u64::MAX).unwrap(), next).collect()
}

/// The snapshot without proposers' signatures, which blocks do not have.
fn unsigned(snapshot: &Snapshot) -> Snapshot {
    let mut segment = snapshot.sealing_segment().clone();
    for block in segment.extra_blocks.iter_mut().chain(&mut segment.blocks) {
        block.proposer_sig_data.clear();
    }
    let (qc, params) = (snapshot.quorum_certificate().clone(), snapshot.params().clone());
    Snapshot::new(segment, qc, params, snapshot.sealed_version_beacon().cloned()).unwrap()
}

#[bounded::test]
fn rebuilt_snapshots_are_the_networks_beacons_included() {
    let (network, blocks) = network();
    let indexed = Indexed::from(&network, &blocks, 0);
    let view = indexed.view();
    let mut seal_heights = BTreeSet::new();
    for height in 0..=view.head().finalized.height {
        let (found, expected) = (view.snapshot_at(height), network.snapshot_at(height).unwrap());
        let found = found.unwrap();
        assert!(found.to_json() == unsigned(&expected).to_json(), "height {height}");
        seal_heights.extend(found.sealed_version_beacon().map(|sealed| sealed.seal_height));
    }
    assert!(seal_heights.len() > 5, "{seal_heights:?}");
}

/// Blocks that will never be final have the beacon of their own fork.
#[bounded::test]
fn orphaned_blocks_have_the_beacon_of_their_fork() {
    let (network, blocks) = network();
    let indexed = Indexed::from(&network, &blocks, 0);
    let (view, reader) = (indexed.view(), indexed.indexer.reader());
    let orphaned = |ordinal: &u64| {
        let height = reader.block(*ordinal).unwrap().unwrap().header.height;
        reader.finalized_at(height).unwrap() != Some(*ordinal)
    };
    assert!(sealing(&reader).iter().any(orphaned), "no orphan seals a beacon");
    let mut compared = 0;
    for ordinal in (0..reader.head().blocks).filter(orphaned) {
        // Most have no child, whose certificate a snapshot needs.
        let Ok(snapshot) = view.snapshot_of(ordinal) else { continue };
        let record = network.record(&snapshot.head().header.id()).unwrap();
        assert_eq!(snapshot.sealed_version_beacon(), record.version_beacon.as_ref(), "{ordinal}");
        compared += 1;
    }
    assert!(compared > 5, "{compared}");
}

/// What was executed below the root is sealed above it, and its result is in the root snapshot only.
#[bounded::test]
fn a_chain_begun_before_the_seal_has_the_beacon_too() {
    let (network, blocks) = network();
    let heights = heights_before_a_seal(&network);
    assert!(heights.len() > 5, "{heights:?}");
    for root in heights {
        let indexed = Indexed::from(&network, &blocks, root);
        let view = indexed.view();
        for height in root..=root + 20 {
            let expected = network.snapshot_at(height).unwrap();
            let found = view.snapshot_at(height).unwrap();
            assert_eq!(found.sealed_version_beacon(), expected.sealed_version_beacon(), "{height}");
        }
        drop(view);
        let report = audit(&indexed.close().path().join("data"));
        assert!(report.is_clean() && report.version_beacons > 0, "{report:?}");
    }
}

fn audit(data: &Path) -> FsckReport {
    let Opened::Existing(store) = Store::open(data, StoreOptions::default()).unwrap() else {
        panic!("no store");
    };
    let root = store.reader().root_snapshot().unwrap().unwrap();
    let root = Snapshot::from_json(&root).unwrap();
    fsck(&store, payload::checker(Some(&root)), |_, _| ())
}

/// Sets or removes the entry of a block, with a checksum that fits.
fn put(data: &Path, ordinal: u64, beacon: Option<&VersionBeacon>) {
    let key = [&[0x0d][..], &ordinal.to_be_bytes()].concat();
    let database = Database::open(&data.join("index"), 1 << 24).unwrap();
    match beacon {
        Some(beacon) => {
            let value = checked_value(&key, [&[0][..], &beacon.to_rlp()].concat());
            database.tree().insert(&key, value).unwrap();
        }
        None => drop(database.tree().remove(&key).unwrap().unwrap()),
    }
    database.flush().unwrap();
}

#[bounded::test]
fn fsck_rebuilds_the_index_and_names_what_differs() {
    let (network, blocks) = network();
    let indexed = Indexed::from(&network, &blocks, 0);
    let ordinals = sealing(&indexed.indexer.reader());
    let real = indexed.indexer.reader().version_beacon(ordinals[2]).unwrap().unwrap();
    let folder = indexed.close();
    let data = folder.path().join("data");
    let report = audit(&data);
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.version_beacons, ordinals.len() as u64);
    let other = VersionBeacon { sequence: real.sequence + 1, ..real.clone() };
    for (ordinal, wrong, right) in [
        (ordinals[2], None, Some(&real)),
        (ordinals[2], Some(&other), Some(&real)),
        (2, Some(&other), None),
    ] {
        put(&data, ordinal, wrong);
        let report = audit(&data);
        assert_eq!(report.finding_count, 1, "{report:?}");
        assert_eq!(report.findings[0].entry, format!("version beacon {ordinal}"));
        put(&data, ordinal, right);
        assert!(audit(&data).is_clean());
    }
    put(&data, 10_000, Some(&other));
    assert_eq!(audit(&data).findings[0].reason, "it is beyond the log");
}

#[bounded::test]
fn pruned_payloads_leave_the_index_as_it_is() {
    let (network, blocks) = network();
    let folder = Indexed::from(&network, &blocks, 0).close();
    let data = folder.path().join("data");
    let chain = ChainFolder::open(folder.path().join("chain")).unwrap();
    let pruned = folder.path().join("pruned");
    // Payloads go by whole segments.
    let options = StoreOptions { segment_bytes: 64 << 10, ..StoreOptions::default() };
    let stop = Arc::new(AtomicBool::new(false));
    Indexer::open(&pruned, options.clone(), &chain, stop).unwrap().run(|_| ()).unwrap();
    let Opened::Existing(mut store) = Store::open(&pruned, options).unwrap() else {
        panic!("no store");
    };
    let before = sealing(&store.reader());
    assert!(store.prune_payloads(0).unwrap() > 0);
    assert_eq!(sealing(&store.reader()), before);
    assert_eq!(store.reader().payload(0).unwrap(), None);
    drop(store);
    assert!(audit(&pruned).is_clean());
    assert!(audit(&data).is_clean());
}

#[bounded::test]
fn a_store_without_beacons_answers_none() {
    let (network, blocks) = network();
    let first = network.finalized_at(3).unwrap().block_id;
    let upto = blocks.iter().position(|block| block.header.id() == first).unwrap();
    let indexed = Indexed::from(&network, &blocks[..=upto], 0);
    let reader = indexed.indexer.reader();
    assert_eq!(reader.sealing_version_beacon(u64::MAX).unwrap(), None);
    assert_eq!(reader.version_beacon(2).unwrap(), None);
    assert_ne!(reader.ordinal_of(&first).unwrap(), None);
    assert_eq!(reader.ordinal_of(&Identifier::ZERO).unwrap(), None);
}
