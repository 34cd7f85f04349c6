//! The examples, run.

#[path = "../../../examples/wallet.rs"]
#[expect(dead_code, reason = "its main is not called")]
mod wallet;

use weir_integration_tests::TestServer;

/// Beside a server that is gone; a node of the table, one that is not, and text that is no ID.
#[bounded::test]
async fn the_wallet_tells_of_a_node() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let (urls, root) = (format!("http://127.0.0.1:9,{}", server.url()), server.root_id.to_hex());
    let last = server.prover.block_at(server.prover.head().finalized.ordinal).unwrap();
    let state = server.prover.states().load(&last.record.protocol_state_id).unwrap();
    let node = &state.current_setup().participants[0];
    let told = wallet::ask(&urls, &root, &node.node_id.to_hex()).await.unwrap();
    let height = last.record.header.height;
    assert!(told.starts_with(&format!("at height {height}: a {} node, ", node.role)), "{told}");
    let told = wallet::ask(&urls, &root, &"5a".repeat(32)).await.unwrap();
    assert_eq!(told, format!("at height {height}: no such node"));
    wallet::ask(&urls, &root, "5a").await.unwrap_err();
}
