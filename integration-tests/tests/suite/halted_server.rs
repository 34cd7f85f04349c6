//! A server, or a replay, that comes to a certified block which breaks a rule: what it says, and that
//! it stays up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_integration_tests::access_node::{AccessNode, ServedChain};
use weir_integration_tests::frame;
use weir_integration_tests::programs::{PATIENCE, Program, Ran, ServerProcess};
use weir_proto::weir::v1::GetServerInfoResponse;

use crate::oddities::{BROKEN, CHANGED, ODD, honest, odd};
use crate::server_info::info_is;
use crate::signed::LAST;

async fn halted(server: &ServerProcess) -> GetServerInfoResponse {
    // It says why before it ends indexing.
    info_is(server, |info| info.sync_state == "halted" && !info.indexing).await
}

async fn metrics(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// The program says so by state and metric, and serves on.
#[bounded::test]
async fn the_server_stays_up_and_says_what_it_halted_at() {
    let (change, reason) = BROKEN[0];
    let chain = odd(change);
    let node = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let id = chain.id_at(ODD);
    for _ in 0..2 {
        let root = chain.root_id().to_hex();
        let more = ["--metrics", free.as_str()];
        let server = ServerProcess::follow_with(data.path(), &node.url(), &root, &more).await;
        let server = server.unwrap();
        let info = halted(&server).await;
        assert!(info.sync_detail.contains(&id.to_hex()), "{}", info.sync_detail);
        assert!(info.sync_detail.contains(reason), "{}", info.sync_detail);
        assert!(info.sync_detail.contains(env!("CARGO_PKG_VERSION")), "{}", info.sync_detail);
        assert_eq!(info.blocks_indexed, ODD);
        let metric = format!(
            "ingest_halted{{block_id=\"{id}\",height=\"{ODD}\",rule=\"protocol_state_id\",version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        );
        let metrics = metrics(&free).await;
        assert!(metrics.contains(&metric), "{metrics}");
        assert!(!metrics.contains("ingest_upstream_set_aside"), "{metrics}");
        let ran = server.terminate().await;
        let message = [&id.to_hex(), "halted: a certified block breaks a rule of this version"];
        ran.expect(0, &message);
    }
}

/// It keeps nothing of the halt, and a kill meanwhile makes nobody suspect.
#[bounded::test]
async fn killed_while_halted_it_halts_again() {
    let chain = odd(BROKEN[0].0);
    let node = AccessNode::start(&chain).await;
    let data = tempfile::tempdir().unwrap();
    let mut first = None;
    for _ in 0..4 {
        let root = chain.root_id().to_hex();
        let server = ServerProcess::follow(data.path(), &node.url(), &root).await.unwrap();
        let info = halted(&server).await;
        let detail = first.get_or_insert(info.sync_detail.clone());
        assert_eq!(info.sync_detail, *detail);
        assert_eq!(info.blocks_indexed, ODD);
        server.kill().await;
        assert_eq!(fs::read_dir(data.path().join("upstreams")).unwrap().count(), 0);
    }
}

/// A chain folder of these blocks.
fn folder(chain: &ServedChain, up_to: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = &chain.snapshots[&chain.root_id()];
    fs::write(dir.path().join("root-protocol-state-snapshot.json"), snapshot).unwrap();
    let blocks: Vec<u8> =
        chain.blocks.range(..=up_to).flat_map(|(_, block)| frame(block)).collect();
    fs::write(dir.path().join("blocks.pb"), blocks).unwrap();
    dir
}

async fn replay(dir: &TempDir) -> Ran {
    Program::Server.run(["replay".as_ref(), dir.path().as_os_str()]).await
}

#[bounded::test]
async fn a_replay_says_whose_fault_it_is() {
    for (change, reason) in [BROKEN[0], BROKEN[4]] {
        let chain = odd(change);
        let id = chain.id_at(ODD).to_hex();
        let ran = replay(&folder(&chain, LAST)).await;
        ran.expect(4, &[&id, reason, "the block is certified", env!("CARGO_PKG_VERSION")]);
        let ran = replay(&folder(&chain, ODD)).await;
        ran.expect(1, &[&id, reason, "the folder is wrong"]);
    }
    replay(&folder(&honest(), LAST)).await.expect(0, &[]);
    // The folder may have been changed, or this version may read it in another way.
    for (change, reason) in CHANGED {
        let mut chain = ServedChain::clone(&honest());
        change(chain.blocks.get_mut(&ODD).unwrap());
        let id = chain.id_at(ODD).to_hex();
        let told = [&id, reason, "in this form", "a newer version"];
        replay(&folder(&chain, LAST)).await.expect(1, &told);
    }
}

#[bounded::test]
async fn a_folder_that_is_served_halts_too() {
    let (change, reason) = BROKEN[0];
    let chain = odd(change);
    for (up_to, whose) in [(LAST, "the block is certified"), (ODD, "the source is wrong")] {
        let (source, data) = (folder(&chain, up_to), tempfile::tempdir().unwrap());
        for _ in 0..2 {
            let server = ServerProcess::start(data.path(), source.path()).await.unwrap();
            let info = halted(&server).await;
            for part in [&chain.id_at(ODD).to_hex(), reason, whose] {
                assert!(info.sync_detail.contains(part), "{part}: {}", info.sync_detail);
            }
            assert_eq!(info.blocks_indexed, ODD);
            server.terminate().await.expect(0, &[]);
        }
    }
}
