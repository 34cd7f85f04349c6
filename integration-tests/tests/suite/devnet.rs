//! Weir follows a simulated network through everything that can happen to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;
use weir_client::sync::LightClient;
use weir_client::transport::Server;
use weir_devnet::config::{Chances, EpochConfig};
use weir_devnet::{
    BlockTime, Command, Config, Keep, Live, Network, NodeName, Tip, Trigger,
    access as devnet_access,
};
use weir_protocol::codec::Entity as _;
use weir_protocol::model::{EpochPhase, Identifier, Role};
use weir_protocol::protocol_state::EpochName;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_server::access::AccessView;
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::feed::{AccessFeed, Origin};
use weir_server::indexer::{End, Indexer};
use weir_server::prover::Prover;
use weir_server::source::access::{AccessOptions, Fetcher};
use weir_server::store::{Head, Reader, StoreOptions};
use weir_verifier::AnswerValue;

/// An ejection, a fallback that is recovered in time, and one that extends its epoch.
fn config() -> Config {
    let node = |role, position| NodeName::Place { role, position };
    Config {
        seed: 11,
        epochs: EpochConfig { extension_view_count: 60, ..EpochConfig::of_length(70) },
        chances: Chances { fork_per_mille: 40, timeout_per_mille: 40, view_gap_per_mille: 30 },
        ..Config::default()
    }
    .at(Trigger::View(80), Command::Eject(node(Role::Consensus, 1)))
    .at(Trigger::View(90), Command::Join(Role::Consensus))
    .at(Trigger::View(135), Command::InvalidSetup)
    .at(Trigger::View(160), Command::Recover)
    .at(Trigger::View(275), Command::MissedCommit)
    .at(Trigger::View(365), Command::Recover)
}

async fn serve(config: Config) -> (Arc<Live>, String) {
    let live = Live::new(Network::new(config).unwrap(), Keep::Everything);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(devnet_access::serve(listener, Arc::clone(&live), std::future::pending()));
    (live, url)
}

/// Follows the network until the store's head is as wanted, then stops.
async fn follow(
    data: &Path,
    url: &str,
    root_id: Identifier,
    is_enough: impl Fn(&Head) -> bool,
) -> Indexer {
    let stop = Arc::new(AtomicBool::new(false));
    let (opened, reader) = oneshot::channel();
    let (data, url, runtime) = (PathBuf::from(data), url.parse(), runtime::Handle::current());
    let (stopped, url) = (Arc::clone(&stop), url.unwrap());
    let indexing = thread::spawn(move || {
        let options = AccessOptions::new(vec![url], &data);
        let fetcher = {
            let _guard = runtime.enter();
            Fetcher::new(options).unwrap()
        };
        let feed = Box::new(AccessFeed::new(runtime, Origin::Checkpoint(root_id), fetcher));
        let mut indexer =
            Indexer::open_feed(&data, StoreOptions::default(), feed, stopped).unwrap();
        opened.send(indexer.reader()).unwrap();
        assert_eq!(indexer.run(|_| ()).unwrap(), End::Stopped);
        indexer
    });
    let mut head = reader.await.unwrap().watch_head();
    head.wait_for(|head| is_enough(head)).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    tokio::task::spawn_blocking(move || indexing.join().unwrap()).await.unwrap()
}

/// Every record of one store is in the other.
fn assert_equal(one: &Reader, other: &Reader) {
    let (head, other_head) = (one.head(), other.head());
    assert_eq!(head.blocks, other_head.blocks);
    assert_eq!(head.finalized, other_head.finalized);
    assert_eq!(head.sealed, other_head.sealed);
    assert_eq!(head.chain, other_head.chain);
    assert_eq!(head.epoch_counter, other_head.epoch_counter);
    assert_eq!(one.root_snapshot().unwrap(), other.root_snapshot().unwrap());
    let view = AccessView::new(Prover::new(one.clone())).unwrap();
    for ordinal in 0..head.blocks {
        let block = one.block(ordinal).unwrap().unwrap();
        let id = block.header.id();
        assert_eq!(block.record(), other.block(ordinal).unwrap().unwrap().record(), "{ordinal}");
        assert_eq!(one.payload(ordinal).unwrap(), other.payload(ordinal).unwrap(), "{ordinal}");
        assert_eq!(one.first_child(ordinal).unwrap(), other.first_child(ordinal).unwrap());
        assert_eq!(one.ordinal_of(&id).unwrap(), Some(ordinal));
        assert_eq!(other.ordinal_of(&id).unwrap(), Some(ordinal));
        let height = block.header.height;
        assert_eq!(one.finalized_at(height).unwrap(), other.finalized_at(height).unwrap());
        assert_eq!(one.sealing_ordinal(height).unwrap(), other.sealing_ordinal(height).unwrap());
        let state_id = block.protocol_state_id;
        let state = one.preimage(&state_id).unwrap();
        assert!(state.is_some());
        assert_eq!(state, other.preimage(&state_id).unwrap());
        for result in view.block_by_id(id).unwrap().block.payload.results {
            let including = one.including_ordinal(&result.id()).unwrap();
            assert_eq!(including, other.including_ordinal(&result.id()).unwrap());
        }
    }
    for counter in head.first_epoch_counter..=head.epoch_counter + 1 {
        let (epoch, same) = (one.epoch(counter).unwrap(), other.epoch(counter).unwrap());
        assert_eq!(epoch, same, "epoch {counter}");
    }
}

/// What happened on the final chain, by what its protocol states say.
async fn happened(live: &Live) -> (u64, BTreeSet<String>) {
    let (mut epoch, mut seen) = (0, BTreeSet::new());
    let network = live.network().await;
    for height in 0..=live.tip().finalized_height {
        let id = network.finalized_at(height).unwrap().block_id;
        let state = network.protocol_state(&id).unwrap();
        epoch = state.epoch_counter();
        seen.insert(state.phase().to_string());
        let current = state.container(EpochName::Current).unwrap();
        if current.active_identities.iter().any(|node| node.ejected) {
            seen.insert("ejected".to_owned());
        }
        if !current.epoch_extensions.is_empty() {
            seen.insert("extended".to_owned());
        }
    }
    (epoch, seen)
}

#[bounded::test(flavor = "multi_thread")]
async fn a_disturbed_run_ends_equal_to_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let (disturbed, undisturbed) = (folder.path().join("one"), folder.path().join("other"));
    let (live, url) = serve(config()).await;
    let root_id = live.root_id();
    let is_enough = |tip: &Tip| tip.finalized_height >= HEIGHT;
    let producing = tokio::spawn(Arc::clone(&live).produce(BlockTime::Immediate, is_enough));
    let mut heights = Vec::new();
    for height in [60, 61, 140, 300] {
        let indexer = follow(&disturbed, &url, root_id, |head| head.finalized.height >= height);
        heights.push(indexer.await.reader().head().finalized.height);
    }
    producing.await.unwrap();
    let tip = live.tip();
    // A store cannot know the blocks after the tip that prove the last ones final.
    let blocks = tip.finalized_height + 1;
    let indexer = follow(&disturbed, &url, root_id, |head| head.blocks == blocks).await;
    assert!(heights.iter().all(|height| *height >= 60), "{heights:?}");

    let (again, again_url) = serve(config()).await;
    assert_eq!(again.root_id(), root_id);
    Arc::clone(&again).produce(BlockTime::Immediate, is_enough).await;
    assert_eq!(again.tip().finalized_id, tip.finalized_id);
    let other = follow(&undisturbed, &again_url, root_id, |head| head.blocks == blocks).await;
    assert_equal(&indexer.reader(), &other.reader());

    let (epoch, seen) = happened(&live).await;
    assert!(epoch >= 5, "epoch {epoch}");
    for fact in [
        EpochPhase::Staking.to_string(),
        EpochPhase::Setup.to_string(),
        EpochPhase::Committed.to_string(),
        EpochPhase::Fallback.to_string(),
        "ejected".to_owned(),
        "extended".to_owned(),
    ] {
        assert!(seen.contains(&fact), "{fact} of {seen:?}");
    }
    verify_with_a_client(&indexer, &live).await;
}

/// A client that trusts only the root block reads the whole history, and it is the network's.
async fn verify_with_a_client(indexer: &Indexer, live: &Live) {
    let prover = Prover::new(indexer.reader());
    let (epoch, sealed_height) = (prover.head().epoch_counter, prover.head().sealed.height);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(api::serve(listener, prover, ApiOptions::default(), std::future::pending()));
    let server = Server::connect(&url).await.unwrap();
    let mut client = LightClient::start(server, live.root_id()).await.unwrap();
    for height in (1..=sealed_height).step_by(7) {
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let outcome = client.ask(&question, Depth::Seal).await.unwrap();
        let AnswerValue::Snapshot(answer) = &outcome.answer.value else { panic!("{height}") };
        let network = live.network().await;
        let id = network.finalized_at(height).unwrap().block_id;
        let state = network.protocol_state(&id).unwrap();
        assert_eq!(outcome.answer.block_id, id);
        assert_eq!(answer.protocol_state_id, state.id());
        assert_eq!(answer.epoch_counter, state.epoch_counter());
        assert_eq!(answer.epoch_phase, state.phase());
        assert_eq!(answer.final_view, state.final_view());
    }
    assert_eq!(client.trusted().newest_epoch().counter(), epoch);
}

/// Final height at which the network comes to rest.
const HEIGHT: u64 = 552;
