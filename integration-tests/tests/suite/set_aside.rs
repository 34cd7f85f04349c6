//! Nodes that are set aside: still so after a kill, told with what to do, and forgiven by whoever
//! deletes their file. And nodes whose blocks were being taken in when the process ended.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use weir_integration_tests::access_node::{AccessNode, Faults, ServedChain};
use weir_integration_tests::programs::ServerProcess;
use weir_proto::weir::v1::GetServerInfoResponse;

use crate::server_info::info_is;

const BLOCKS: &str = "get_block_by_height";

fn chain() -> Arc<ServedChain> {
    static CHAIN: OnceLock<Arc<ServedChain>> = OnceLock::new();
    CHAIN.get_or_init(|| ServedChain::read("happy-epochs").unwrap()).clone()
}

async fn liar() -> AccessNode {
    AccessNode::with_faults(&chain(), Faults { light: true, ..Faults::default() }).await
}

async fn start(data: &Path, nodes: &[&AccessNode]) -> ServerProcess {
    let urls: Vec<_> = nodes.iter().map(|node| node.url()).collect();
    ServerProcess::follow(data, &urls.join(","), &chain().root_id().to_hex()).await.unwrap()
}

async fn all_set_aside(server: &ServerProcess) -> String {
    let all = |info: &GetServerInfoResponse| {
        info.sync_state == "stalled" && info.sync_detail.contains("every access node is set aside")
    };
    info_is(server, all).await.sync_detail
}

async fn whole_chain(server: &ServerProcess) {
    let count = chain().blocks.len() as u64;
    info_is(server, |info| info.blocks_indexed == count).await;
}

/// The only file about a node that is set aside.
fn file(data: &Path) -> PathBuf {
    let entries = fs::read_dir(data.join("upstreams")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let named = |path: &PathBuf| path.to_string_lossy().contains("set-aside-");
    let mut paths = paths.filter(is).filter(named);
    let (first, second) = (paths.next().unwrap(), paths.next());
    assert_eq!(second, None);
    first
}

#[bounded::test]
async fn a_node_stays_set_aside_after_a_kill_until_it_is_forgiven() {
    let (bad, good) = (liar().await, AccessNode::start(&chain()).await);
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), &[&bad]).await;
    let detail = all_set_aside(&server).await;
    server.kill().await;
    let json: Value = serde_json::from_slice(&fs::read(file(data.path())).unwrap()).unwrap();
    assert_eq!(json["upstream"], bad.url());
    assert_eq!(json["weir"], env!("CARGO_PKG_VERSION"));
    let reason = json["reason"].as_str().unwrap();
    assert!(reason.contains("light block at height 1001"), "{reason}");

    // Alone it is not asked again, and the same is said with what to do.
    let asked = bad.requests(BLOCKS);
    let server = start(data.path(), &[&bad]).await;
    assert_eq!(all_set_aside(&server).await, detail);
    let folder = data.path().join("upstreams").display().to_string();
    for part in [&bad.url(), reason, &folder, "--source", "a newer version of Weir", "delete"] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    server.kill().await;

    // Before an honest one it is passed over.
    let server = start(data.path(), &[&bad, &good]).await;
    whole_chain(&server).await;
    server.terminate().await.expect(0, &["set aside before"]);
    assert_eq!(bad.requests(BLOCKS), asked);

    // Forgiven, it is asked again; it is honest now.
    fs::remove_file(file(data.path())).unwrap();
    bad.set_faults(Faults::default());
    let server = start(data.path(), &[&bad]).await;
    info_is(&server, |info| info.sync_state == "live").await;
    server.terminate().await.expect(0, &[]);
}

/// Another URL is another node, and verdicts of another version count for nothing.
#[bounded::test]
async fn another_version_begins_afresh() {
    let bad = liar().await;
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), &[&bad]).await;
    all_set_aside(&server).await;
    server.kill().await;
    let path = file(data.path());
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["weir"] = "0.0.1".into();
    fs::write(&path, json.to_string()).unwrap();
    // What a kill in the middle of a write leaves behind is nothing.
    fs::write(path.with_extension("new"), b"{\"weir\": \"0.").unwrap();
    bad.set_faults(Faults::default());
    let server = start(data.path(), &[&bad]).await;
    whole_chain(&server).await;
    server.kill().await;
}

/// The file's name says of whom it is, and nobody forgave that node.
#[bounded::test]
async fn a_damaged_file_is_named_and_its_node_not_asked() {
    let (bad, good) = (liar().await, AccessNode::start(&chain()).await);
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), &[&bad]).await;
    all_set_aside(&server).await;
    server.kill().await;
    let asked = bad.requests(BLOCKS);
    let path = file(data.path());
    for content in [&b""[..], b"{", b"null", &[0xff, 0]] {
        fs::write(&path, content).unwrap();
        fs::write(data.path().join("upstreams/taking-in.json"), content).unwrap();
        let server = start(data.path(), &[&bad]).await;
        let detail = all_set_aside(&server).await;
        let named = format!("{} cannot be read: ", path.display());
        assert!(detail.contains(&named), "{detail}");
        server.terminate().await.expect(0, &[&named, "delete the file and start again"]);
    }
    let server = start(data.path(), &[&bad, &good]).await;
    whole_chain(&server).await;
    server.terminate().await.expect(0, &[]);
    assert_eq!(bad.requests(BLOCKS), asked);
}

/// The node that was followed when the process was killed comes after the others, once.
#[bounded::test]
async fn who_was_followed_at_a_kill_goes_last() {
    let nodes = [AccessNode::start(&chain()).await, AccessNode::start(&chain()).await];
    nodes.iter().for_each(|node| node.grow_to(1010));
    let data = tempfile::tempdir().unwrap();
    let live_on = async |server: &ServerProcess, node: &AccessNode| {
        let url = format!("live on {}", node.url());
        info_is(server, |info| info.sync_detail.contains(&url)).await;
    };
    let grow = |height| nodes.iter().for_each(|node: &AccessNode| node.grow_to(height));
    let server = start(data.path(), &[&nodes[0], &nodes[1]]).await;
    info_is(&server, |info| info.blocks_indexed == 11).await;
    server.kill().await;
    grow(1020);
    let server = start(data.path(), &[&nodes[0], &nodes[1]]).await;
    live_on(&server, &nodes[1]).await;
    // Ended as it was asked to, nobody is suspect.
    server.terminate().await.expect(0, &[]);
    grow(1030);
    let server = start(data.path(), &[&nodes[0], &nodes[1]]).await;
    live_on(&server, &nodes[0]).await;
    server.terminate().await.expect(0, &[]);
}

/// Whose blocks end the process again and again is left alone, while what there is is served.
#[bounded::test]
async fn a_loop_of_crashes_is_noticed_and_slowed() {
    let node = AccessNode::start(&chain()).await;
    node.grow_to(1010);
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), &[&node]).await;
    info_is(&server, |info| info.blocks_indexed == 11).await;
    let height = info_is(&server, |_| true).await.latest_finalized.unwrap().height;
    server.terminate().await.expect(0, &[]);
    let mark = json!({
        "weir": env!("CARGO_PKG_VERSION"),
        "upstream": node.url(),
        "final_height": height,
        "unfinished_ends": { node.url(): 8 },
    });
    fs::write(data.path().join("upstreams/taking-in.json"), mark.to_string()).unwrap();
    let asked = node.requests(BLOCKS);
    let server = start(data.path(), &[&node]).await;
    let text = "the process ended 9 times while it took in blocks of this node";
    let info = info_is(&server, |info| info.sync_detail.contains(text)).await;
    assert_eq!((info.sync_state.as_str(), info.blocks_indexed), ("stalled", 11));
    assert_eq!(node.requests(BLOCKS), asked);
    // A kill while it is left alone counts for nothing.
    server.kill().await;
    let server = start(data.path(), &[&node]).await;
    info_is(&server, |info| info.sync_detail.contains(text)).await;
    server.kill().await;
}
