//! `Watch`: every change of every reference chain, whatever the servers do.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod command_line;
mod faults;
mod forks;
mod proxied;
mod slow;
mod soak;

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::timeout;
use weir_client::sync::LightClient;
use weir_client::transport::Servers;
use weir_client::watch::{
    BlockStatus, Cursor, Event, EventKind, Filter, Kind, Level, Start, Watch, WatchError,
    WatchOptions,
};
use weir_integration_tests::programs::PATIENCE;
use weir_integration_tests::{CHAINS, TestServer, expected};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::{ProtocolState, identity_table};
use weir_server::prover::Prover;
use weir_verifier::{Change, Trust};

/// A chain on which nodes are ejected.
const CHAIN: &str = "ejection";

/// A watch from the checkpoint's height on, which hears of a block at the end.
async fn watch(
    urls: &[&str],
    root_id: Identifier,
    end: Identifier,
    change: impl FnOnce(&mut WatchOptions),
) -> Watch {
    let servers = Servers::new(urls.iter().copied()).unwrap();
    let client = timeout(PATIENCE, LightClient::start(servers, root_id)).await.unwrap().unwrap();
    let height = client.trusted().checkpoint().height;
    let start = Start::Height(height);
    let mut options = WatchOptions { start, block_ids: vec![end], ..WatchOptions::default() };
    change(&mut options);
    Watch::new(client, options)
}

/// All changes until the status of the end's block comes, which a server tells after them.
async fn changes(watch: &mut Watch) -> Vec<Event> {
    try_changes(watch).await.unwrap()
}

async fn try_changes(watch: &mut Watch) -> Result<Vec<Event>, WatchError> {
    let mut events = Vec::new();
    loop {
        let event = timeout(PATIENCE, watch.next()).await.unwrap()?;
        match event.kind {
            EventKind::Status { status: BlockStatus::Certified, .. } => {}
            EventKind::Status { .. } => return Ok(events),
            _ => events.push(event),
        }
    }
}

fn final_block(prover: &Prover, height: u64) -> Identifier {
    let ordinal = prover.reader().finalized_at(height).unwrap().unwrap();
    prover.block_at(ordinal).unwrap().block_id
}

fn finalized(server: &TestServer) -> Identifier {
    server.prover.latest().head().finalized.id
}

/// Each event names the one before it, from the start on.
fn assert_in_order(events: &[Event], start: Cursor) {
    let mut before = start;
    for event in events {
        assert_eq!(event.predecessor, before);
        before = event.cursor;
    }
}

fn start(server: &TestServer) -> Cursor {
    let height = server.prover.head().first_height;
    Cursor { height, block_id: server.root_id, changes: None }
}

/// What flow-go and the identity tables say that changes with each final block, in few words.
fn expected_changes(chain: &str, prover: &Prover) -> Vec<String> {
    let rows: BTreeMap<_, _> = expected(chain)
        .unwrap()
        .into_iter()
        .filter(|row| row["finalized"] == true)
        .map(|row| (row["height"].as_u64().unwrap(), row))
        .collect();
    let head = prover.head();
    let state = |height| {
        let ordinal = prover.reader().finalized_at(height).unwrap().unwrap();
        let record = prover.block_at(ordinal).unwrap().record;
        prover.states().load(&record.protocol_state_id).unwrap()
    };
    let mut changes = Vec::new();
    for height in head.first_height + 1..=head.finalized.height {
        let (before, after) = (state(height - 1), state(height));
        let row = &rows[&height];
        let epoch = |state: &ProtocolState| {
            let views = (state.first_view(), state.final_view());
            (state.epoch_counter(), state.phase(), state.epoch_fallback_triggered(), views)
        };
        if epoch(&before) != epoch(&after) {
            let (counter, phase) = (&row["epoch_counter"], row["epoch_phase"].as_str().unwrap());
            let fallback = &row["epoch_fallback_triggered"];
            changes.push(format!("{height} epoch {counter} {phase} {fallback}"));
        }
        let version = |state: &ProtocolState| (state.version(), state.kv().version_upgrade);
        if version(&before) != version(&after) {
            changes.push(format!("{height} version {}", row["protocol_state_version"]));
        }
        let table = |state| -> BTreeMap<Identifier, _> {
            let nodes = identity_table(state).into_iter();
            nodes
                .map(|node| (node.skeleton.node_id, (node.skeleton.clone(), node.status)))
                .collect()
        };
        let (before, after) = (table(&before), table(&after));
        let mut ids: Vec<_> = before.keys().chain(after.keys()).collect();
        ids.sort();
        ids.dedup();
        for id in ids.into_iter().filter(|id| before.get(*id) != after.get(*id)) {
            let status = after.get(id).map_or("-", |(_, status)| status.name());
            changes.push(format!("{height} node {id} {status}"));
        }
    }
    changes
}

fn in_few_words(event: &Event) -> String {
    let height = event.block.height;
    match &event.kind {
        EventKind::Change(Change::Epoch { after, .. }) => {
            let (counter, phase) = (after.counter, after.phase.name());
            format!("{height} epoch {counter} {phase} {}", after.fallback_triggered)
        }
        EventKind::Change(Change::Version { after, .. }) => {
            format!("{height} version {}", after.version)
        }
        EventKind::Change(Change::Identity { before, after }) => {
            let node = after.as_ref().or(before.as_ref()).unwrap();
            let status = after.as_ref().map_or("-", |node| node.status.name());
            format!("{height} node {} {status}", node.skeleton.node_id)
        }
        kind => panic!("{height} {kind:?}"),
    }
}

#[bounded::test]
async fn every_change_of_every_chain_is_told() {
    for chain in CHAINS.into_iter().filter(|chain| *chain != "conflicting-finality") {
        let server = TestServer::start(chain).await.unwrap();
        let end = finalized(&server);
        let expected = expected_changes(chain, &server.prover.latest());
        for level in [Level::Finalized, Level::Certified] {
            let mut watch =
                watch(&[&server.url()], server.root_id, end, |options| options.level = level).await;
            let events = changes(&mut watch).await;
            // Certified blocks above the newest final one come as well, where there are any.
            let end = watch.walker().trusted().head().height;
            let found: Vec<_> = events.iter().filter(|event| event.block.height <= end).collect();
            let found: Vec<_> = found.into_iter().map(in_few_words).collect();
            assert_eq!(found, expected, "{chain}, {level:?}");
            assert_in_order(&events, start(&server));
        }
    }
}

#[bounded::test]
async fn changes_of_sealed_blocks_are_those_of_final_ones_as_far_as_they_are_sealed() {
    // Blocks at the end of an epoch are sealed by one of the next, which the client has to learn of.
    let server = TestServer::start("thirty-epochs").await.unwrap();
    let url = server.url();
    let end = finalized(&server);
    let finals = changes(&mut watch(&[&url], server.root_id, end, |_| ()).await).await;
    let sealed_height = server.prover.latest().head().sealed.height;
    let sealed = |options: &mut WatchOptions| options.level = Level::Sealed;
    let found = changes(&mut watch(&[&url], server.root_id, end, sealed).await).await;
    assert!(!found.is_empty());
    assert!(found.iter().all(|event| event.block.trust == Trust::Sealed));
    let words = |events: &[Event]| -> Vec<_> {
        let sealed = events.iter().filter(|event| event.block.height <= sealed_height);
        sealed.map(in_few_words).collect()
    };
    assert_eq!(words(&found), words(&finals));
    assert_eq!(found.len(), words(&finals).len());
}

#[bounded::test]
async fn every_cursor_goes_on_right_behind_its_event() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (url, end) = (server.url(), finalized(&server));
    let all = changes(&mut watch(&[&url], server.root_id, end, |_| ()).await).await;
    assert!(all.windows(2).any(|pair| pair[0].block == pair[1].block), "several in one block");
    for (told, event) in all.iter().enumerate() {
        let after = |options: &mut WatchOptions| options.start = Start::After(event.cursor);
        let rest = changes(&mut watch(&[&url], server.root_id, end, after).await).await;
        assert_eq!(rest, all[told + 1..]);
    }
}

#[bounded::test]
async fn a_cursor_that_does_not_fit_is_refused() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (url, end) = (server.url(), finalized(&server));
    let height = start(&server).height;
    let error = async |cursor: Cursor| {
        let after = |options: &mut WatchOptions| options.start = Start::After(cursor);
        let mut watch = watch(&[&url], server.root_id, end, after).await;
        timeout(PATIENCE, watch.next()).await.unwrap().unwrap_err()
    };
    let wrong_height = Cursor { height: height + 5, ..start(&server) };
    assert!(
        matches!(error(wrong_height).await, WatchError::Height { found, .. } if found == height)
    );
    let unknown = Cursor { block_id: Identifier([1; 32]), ..start(&server) };
    assert!(matches!(error(unknown).await, WatchError::Ask(_)));
}

#[bounded::test]
async fn a_cursor_of_an_orphaned_block_is_refused() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let rows = expected("happy-epochs").unwrap();
    let is_parent = |row: &Value| rows.iter().any(|child| child["parent_id"] == row["block_id"]);
    let orphan = rows.iter().find(|row| row["finalized"] == false && is_parent(row)).unwrap();
    let height = orphan["height"].as_u64().unwrap();
    let block_id = orphan["block_id"].as_str().unwrap().parse().unwrap();
    let cursor = Cursor { height, block_id, changes: None };
    for level in [Level::Certified, Level::Finalized] {
        let after = |options: &mut WatchOptions| {
            (options.level, options.start) = (level, Start::After(cursor));
        };
        let mut watch = watch(&[&server.url()], server.root_id, block_id, after).await;
        let error = timeout(PATIENCE, watch.next()).await.unwrap().unwrap_err();
        match (level, error) {
            (Level::Certified, WatchError::Orphaned { finalized_id, .. }) => {
                assert_eq!(finalized_id, final_block(&server.prover.latest(), height));
            }
            (Level::Finalized, WatchError::NotFinal { .. }) => {}
            (_, error) => panic!("{error}"),
        }
    }
}

#[bounded::test]
async fn filters_leave_out_and_change_nothing_else() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let (url, end) = (server.url(), finalized(&server));
    let all = changes(&mut watch(&[&url], server.root_id, end, |_| ()).await).await;
    let node = all.iter().find_map(|event| match &event.kind {
        EventKind::Change(Change::Identity { before, after }) => {
            Some(after.as_ref().or(before.as_ref())?.skeleton.clone())
        }
        _ => None,
    });
    let node = node.unwrap();
    let other = Role::ALL.into_iter().find(|role| *role != node.role).unwrap();
    let filters = [
        Filter::nothing(),
        Filter::default().kind(Kind::Epoch),
        Filter::default().kind(Kind::Identity).kind(Kind::Version),
        Filter::default().kind(Kind::Identity).role(node.role),
        Filter::default().role(other),
        Filter::default().node(node.node_id),
        Filter::default().node(node.node_id).role(other),
    ];
    for filter in filters {
        let admits = |event: &&Event| match &event.kind {
            EventKind::Change(change) => filter.admits(change),
            _ => false,
        };
        let kept: Vec<_> = all.iter().filter(admits).collect();
        let filtered = |options: &mut WatchOptions| options.filter = filter.clone();
        let found = changes(&mut watch(&[&url], server.root_id, end, filtered).await).await;
        assert_in_order(&found, start(&server));
        let facts = |event: &Event| (event.block, event.cursor, event.kind.clone());
        let kept: Vec<_> = kept.into_iter().map(facts).collect();
        assert_eq!(found.iter().map(facts).collect::<Vec<_>>(), kept, "{filter:?}");
    }
}

#[bounded::test]
async fn a_block_comes_from_certified_to_sealed_or_is_orphaned() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let head = server.prover.latest().head();
    let rows = expected("happy-epochs").unwrap();
    let orphan = rows.iter().find(|row| {
        row["finalized"] == false && row["height"].as_u64().unwrap() < head.finalized.height
    });
    let orphan: Identifier = orphan.unwrap()["block_id"].as_str().unwrap().parse().unwrap();
    let sealed = final_block(&server.prover.latest(), head.sealed.height);
    let ids = vec![sealed, orphan, Identifier([9; 32])];
    let only_blocks = |options: &mut WatchOptions| {
        (options.filter, options.block_ids) = (Filter::nothing(), ids);
    };
    let mut watch = watch(&[&server.url()], server.root_id, sealed, only_blocks).await;
    let mut statuses: BTreeMap<Identifier, Vec<BlockStatus>> = BTreeMap::new();
    for _ in 0..4 {
        let event = timeout(PATIENCE, watch.next()).await.unwrap().unwrap();
        let EventKind::Status { status, before } = event.kind else { panic!("{event:?}") };
        let told = statuses.entry(event.block.block_id).or_default();
        assert_eq!(told.last().copied(), before);
        told.push(status);
    }
    assert_eq!(
        statuses[&sealed],
        [BlockStatus::Certified, BlockStatus::Finalized, BlockStatus::Sealed]
    );
    assert_eq!(statuses[&orphan], [BlockStatus::Orphaned]);
    assert!(!watch.blocks_are_decided(), "nobody knows the third block");
}
