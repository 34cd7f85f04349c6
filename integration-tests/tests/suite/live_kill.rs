//! A server that follows a network through twenty epochs, killed again and again on the way, ends
//! up as one that nobody disturbed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::transport::Channel;
use weir_integration_tests::follower::check_same;
use weir_integration_tests::programs::{PATIENCE, Program, ServerProcess};
use weir_integration_tests::random::Xorshift;
use weir_proto::flow::access::GetLatestBlockHeaderRequest;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::weir::v1::GetServerInfoRequest;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_protocol::model::EpochPhase;
use weir_server::prover::Prover;
use weir_server::store::{Opened, Store, StoreOptions};

const SEED: u64 = 0x5eed_0004;
const KILLS: u64 = 16;
/// A history of twenty epochs and more, with a fallback and its recovery, and no block after it.
const NETWORK: [&str; 12] = [
    "--seed",
    "21",
    "--epoch-views",
    "60",
    "--history",
    "1500",
    "--block-time-ms",
    "3600000",
    "--at",
    "view:310=invalid-setup",
    "--at",
    "view:330=recover",
];

#[bounded::test]
async fn twenty_epochs_with_kills_end_as_without() {
    let network = ServerProcess::devnet(&NETWORK).await.unwrap();
    let (url, checkpoint) = network.url.split_once(", checkpoint ").unwrap();
    let tip = tip(url).await;
    let dir = tempfile::tempdir().unwrap();
    let undisturbed = dir.path().join("undisturbed");
    let server = ServerProcess::follow(&undisturbed, url, checkpoint).await.unwrap();
    indexed(&server, tip + 1).await;
    server.terminate().await.expect(0, &[]);

    let killed = dir.path().join("killed");
    let mut random = Xorshift::new(SEED);
    let mut indexed_at_kills = BTreeSet::new();
    for _ in 0..KILLS {
        let server = ServerProcess::follow(&killed, url, checkpoint).await.unwrap();
        // The moment of the kill is the input of this test.
        sleep(Duration::from_micros(random.below(400_000))).await;
        indexed_at_kills.insert(blocks(&server).await);
        server.kill().await;
    }
    let server = ServerProcess::follow(&killed, url, checkpoint).await.unwrap();
    indexed(&server, tip + 1).await;
    server.terminate().await.expect(0, &[]);
    println!("seed {SEED:#x}: killed with {indexed_at_kills:?} of {} blocks indexed", tip + 1);
    let ran = Program::Server.run(["fsck".as_ref(), "--data".as_ref(), killed.as_os_str()]).await;
    ran.expect(0, &[]);

    let (killed, undisturbed) = (open(&killed), open(&undisturbed));
    let (killed, undisturbed) = (Prover::new(killed.reader()), Prover::new(undisturbed.reader()));
    check_same(&killed, &undisturbed);
    let head = killed.head();
    assert!(head.epoch_counter - head.first_epoch_counter >= 20, "{head:?}");
    let phases: BTreeSet<&str> = (0..head.blocks).map(|ordinal| phase(&killed, ordinal)).collect();
    assert!(phases.contains(EpochPhase::Fallback.name()), "{phases:?}");
}

fn phase(prover: &Prover, ordinal: u64) -> &'static str {
    let block = prover.block_at(ordinal).unwrap();
    prover.states().load(&block.record.protocol_state_id).unwrap().phase().name()
}

fn open(data: &Path) -> Store {
    match Store::open(data, StoreOptions::default()).unwrap() {
        Opened::Existing(store) => store,
        Opened::New(_) => panic!("{} is empty", data.display()),
    }
}

/// The height that the network has reached.
async fn tip(url: &str) -> u64 {
    let mut client = AccessApiClient::new(connect(url).await);
    let request = GetLatestBlockHeaderRequest { is_sealed: false };
    let answer = client.get_latest_block_header(request).await.unwrap().into_inner();
    answer.block.unwrap().height
}

async fn blocks(server: &ServerProcess) -> u64 {
    let mut client = SnapshotApiClient::new(connect(&server.url).await);
    let info = client.get_server_info(GetServerInfoRequest {}).await.unwrap().into_inner();
    info.blocks_indexed
}

/// Waits until so many blocks are indexed.
async fn indexed(server: &ServerProcess, expected: u64) {
    let indexed = async {
        while blocks(server).await < expected {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, indexed).await.unwrap();
}

async fn connect(url: &str) -> Channel {
    let channel = Channel::from_shared(url.to_owned()).unwrap();
    timeout(PATIENCE, channel.connect()).await.unwrap().unwrap()
}
