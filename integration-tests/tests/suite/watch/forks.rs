//! Certified blocks: told soonest, and taken back when they are orphaned.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;
use weir_client::watch::{Event, EventKind, Level, Start, WatchOptions};
use weir_devnet::Config;
use weir_devnet::archive::{Amount, write};
use weir_devnet::config::Chances;
use weir_integration_tests::folder_lines;
use weir_integration_tests::programs::{PATIENCE, ServerProcess};
use weir_protocol::model::Identifier;

use super::{changes, watch};

/// A chain in whose first epoch a certified block that changes the state is orphaned.
fn chain() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let chances = Chances { fork_per_mille: 200, timeout_per_mille: 20, view_gap_per_mille: 20 };
    let config = Config { seed: 0, chances, ..Config::default() };
    write(config, dir.path(), Amount::Blocks(320), |_| ()).unwrap();
    dir
}

/// The same chain, broken off after some blocks.
fn begun(chain: &Path, blocks: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = "root-protocol-state-snapshot.json";
    fs::copy(chain.join(root), dir.path().join(root)).unwrap();
    let bytes = fs::read(chain.join("blocks.pb")).unwrap();
    let mut end = 0;
    for _ in 0..blocks {
        let len = u32::from_be_bytes(bytes[end..end + 4].try_into().unwrap());
        end += 4 + usize::try_from(len).unwrap();
    }
    fs::write(dir.path().join("blocks.pb"), &bytes[..end]).unwrap();
    dir
}

async fn serve(source: &Path, data: &Path) -> ServerProcess {
    let mut server = ServerProcess::start(data, source).await.unwrap();
    server.indexed().await;
    server
}

fn id(row: &Value, field: &str) -> Identifier {
    row[field].as_str().unwrap().parse().unwrap()
}

/// The row of the first orphaned block that changes the state and has a child, and the position
/// of that child.
fn orphan(rows: &[Value]) -> (Value, usize) {
    let state = |block_id: Identifier| {
        let row = rows.iter().find(|row| id(row, "block_id") == block_id)?;
        Some(id(row, "protocol_state_id"))
    };
    let orphans = rows.iter().filter(|row| row["finalized"] == false);
    let mut found = orphans.filter_map(|row| {
        let parent = state(id(row, "parent_id"))?;
        let child = rows.iter().position(|child| child["parent_id"] == row["block_id"])?;
        (parent != id(row, "protocol_state_id")).then(|| (row.clone(), child))
    });
    found.next().expect("the chain has such a block")
}

#[bounded::test]
async fn what_was_told_of_an_orphaned_block_is_taken_back() {
    let chain = chain();
    let rows = folder_lines(chain.path(), "expected.jsonl.gz").unwrap();
    let (orphan, child) = orphan(&rows);
    let orphan_id = id(&orphan, "block_id");
    let begun = begun(chain.path(), child + 1);
    let (early_data, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let early = serve(begun.path(), early_data.path()).await;
    let whole = serve(chain.path(), data.path()).await;
    let root_id = id(&rows[0], "block_id");
    let last = rows.iter().rfind(|row| row["finalized"] == true).unwrap();
    let end = id(last, "block_id");

    let certified = |options: &mut WatchOptions| options.level = Level::Certified;
    let expected = changes(&mut watch(&[&whole.url], root_id, end, certified).await).await;
    let urls = [early.url.as_str(), &whole.url];
    let mut both = watch(&urls, root_id, end, certified).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|event: &Event| event.block.block_id != orphan_id) {
        told.push(timeout(PATIENCE, both.next()).await.unwrap().unwrap());
    }
    early.kill().await;
    told.extend(changes(&mut both).await);

    let reverted: Vec<_> = told.iter().filter(|event| is_revert(event)).collect();
    assert_eq!(reverted.len(), 1, "{told:?}");
    assert_eq!(reverted[0].block.block_id, orphan_id);
    let final_at =
        rows.iter().find(|row| row["finalized"] == true && row["height"] == orphan["height"]);
    let finalized_id = id(final_at.unwrap(), "block_id");
    let finalized_height = orphan["height"].as_u64().unwrap();
    assert_eq!(reverted[0].kind, EventKind::Reverted { finalized_id, finalized_height });
    let mut before = told[0].predecessor;
    for event in &told {
        assert_eq!(event.predecessor, before);
        before = event.cursor;
    }
    let void: BTreeSet<_> = reverted.iter().map(|event| event.block.block_id).collect();
    let facts = |event: &Event| (event.block, event.cursor, event.kind.clone());
    let stand = told.iter().filter(|event| !void.contains(&event.block.block_id));
    let expected: Vec<_> = expected.iter().map(facts).collect();
    assert_eq!(stand.map(facts).collect::<Vec<_>>(), expected);
}

fn is_revert(event: &Event) -> bool {
    matches!(event.kind, EventKind::Reverted { .. })
}

#[bounded::test]
async fn a_run_broken_off_on_an_undecided_block_goes_on() {
    let chain = chain();
    let rows = folder_lines(chain.path(), "expected.jsonl.gz").unwrap();
    let (orphan, child) = orphan(&rows);
    let begun = begun(chain.path(), child + 1);
    let data = tempfile::tempdir().unwrap();
    let early = serve(begun.path(), data.path()).await;
    let (root_id, orphan_id) = (id(&rows[0], "block_id"), id(&orphan, "block_id"));
    let certified = |options: &mut WatchOptions| options.level = Level::Certified;
    let all = changes(
        &mut watch(&[&early.url], root_id, orphan_id, |options| {
            certified(options);
            options.block_ids = vec![id(&rows[child - 4], "block_id")];
        })
        .await,
    )
    .await;
    assert_eq!(all.last().unwrap().block.block_id, orphan_id);
    for (told, event) in all.iter().enumerate() {
        let mut resumed = watch(&[&early.url], root_id, orphan_id, |options| {
            certified(options);
            options.start = Start::After(event.cursor);
            options.block_ids = vec![id(&rows[child - 4], "block_id")];
        })
        .await;
        for expected in &all[told + 1..] {
            assert_eq!(timeout(PATIENCE, resumed.next()).await.unwrap().unwrap(), *expected);
        }
    }
}
