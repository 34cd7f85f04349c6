//! Upstreams that lie, are dead, or refuse: nothing wrong is passed on.

use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::transport::Channel;
use tonic::{Code, Status};
use weir_client::sync::{AskError, LightClient};
use weir_client::transport::{Code as Refusal, Server, Servers, TransportError};
use weir_integration_tests::connections::{Then, broken_proxy};
use weir_integration_tests::proxy::TestProxy;
use weir_integration_tests::random::Xorshift;
use weir_integration_tests::{TestServer, asking, asking_tree};
use weir_proto::convert::{self, request_to_wire};
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_protocol::evidence::{AnswerProof, Bundle, EvidenceFile, Preimages};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::EpochName;
use weir_protocol::request::{Depth, Held, IdentityFilter, Question, Selector, Topic};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};
use weir_proxy::StartError;

use crate::adversary::proxy::{Call, Hostile};

const CHAIN: &str = "happy-epochs";
/// Nobody listens there: ports below 1024 are not handed out.
const DEAD: &str = "http://127.0.0.1:9";

async fn raw(url: String) -> SnapshotApiClient<Channel> {
    SnapshotApiClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap())
}

async fn light_client(url: &str, root: Identifier) -> LightClient {
    LightClient::start(Server::connect(url).await.unwrap(), root).await.unwrap()
}

fn topics() -> [Topic; 6] {
    [
        Topic::Snapshot,
        Topic::Identity(Identifier([9; 32])),
        Topic::Identities(IdentityFilter::default()),
        Topic::Epoch(EpochName::Current),
        Topic::Seal,
        Topic::ExecutionResult,
    ]
}

/// Flips a bit in the middle of what an honest server says.
fn flip(evidence: Bytes) -> Result<Bytes, Status> {
    let mut bytes = evidence.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(bytes.into())
}

/// Alone, a liar's answer is refused; asked again when it is honest, it is passed on.
#[bounded::test]
async fn a_lie_is_not_passed_on_and_the_truth_is() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (hostile, url) = Hostile::start(&honest).await;
    let proxy = TestProxy::start([url], honest.root_id).await.unwrap();
    let mut client = light_client(&proxy.url(), honest.root_id).await;
    for topic in topics() {
        let question = Question { block: Selector::Height(1010), topic };
        hostile.lie(Call::Answer, Arc::new(flip));
        let error = client.ask(&question, Depth::Seal).await.unwrap_err();
        let AskError::Transport(TransportError::Unavailable { message, .. }) = &error else {
            panic!("{question:?}: {error}")
        };
        assert!(message.contains("no upstream gave an answer that verifies"), "{message}");
        hostile.stop_lying();
        client.ask(&question, Depth::Seal).await.unwrap();
    }
    // A page of hops, and a checkpoint that was not asked for before.
    let late = Question { block: Selector::Height(1080), topic: Topic::Snapshot };
    hostile.lie(Call::Hop, Arc::new(flip));
    let error = client.ask(&late, Depth::Seal).await.unwrap_err();
    assert!(matches!(error, AskError::Transport(TransportError::Unavailable { .. })), "{error}");
    hostile.stop_lying();
    client.ask(&late, Depth::Seal).await.unwrap();
    let other = honest.prover.block_at(7).unwrap().block_id;
    hostile.lie(Call::Checkpoint, Arc::new(flip));
    let server = Server::connect(&proxy.url()).await.unwrap();
    let error = LightClient::start(server.clone(), other).await.unwrap_err();
    assert!(matches!(error, AskError::Transport(TransportError::Unavailable { .. })), "{error}");
    hostile.stop_lying();
    LightClient::start(server, other).await.unwrap();
}

/// With a second upstream nobody notices, whatever the first one says in whatever call.
#[bounded::test]
async fn the_next_upstream_is_asked_instead_of_a_liar() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    for call in [Call::Checkpoint, Call::Hop, Call::Answer] {
        let (hostile, url) = Hostile::start(&honest).await;
        let upstreams = [url, honest.url()];
        let proxy = TestProxy::start(upstreams, honest.root_id).await.unwrap();
        hostile.lie(call, Arc::new(flip));
        let mut client = light_client(&proxy.url(), honest.root_id).await;
        client.sync(|_, _| ()).await.unwrap();
        for topic in topics() {
            let question = Question { block: Selector::Height(1080), topic };
            client.ask(&question, Depth::Seal).await.unwrap();
        }
        assert_eq!(client.lies(), [], "{call:?}");
    }
}

#[bounded::test]
async fn a_tree_proof_is_checked_against_the_root_that_the_proxy_derives() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (hostile, url) = Hostile::start(&honest).await;
    let proxy = TestProxy::start([url], honest.root_id).await.unwrap();
    let mut client = raw(proxy.url()).await;
    let mut direct = raw(honest.url()).await;
    let question = TreeQuestion::new([TreeItem::Role(Role::Access), TreeItem::Table]).unwrap();
    for block in [Selector::LatestFinalized, Selector::LatestSealed, Selector::Height(1042)] {
        let request = || match request_to_wire(&asking_tree(block, &question)) {
            convert::Call::TreeProof(request) => request,
            other => panic!("{other:?}"),
        };
        hostile.lie(Call::TreeProof, Arc::new(flip));
        let refused = client.get_tree_proof(request()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused}");
        hostile.stop_lying();
        let relayed = client.get_tree_proof(request()).await.unwrap().into_inner();
        assert_eq!(relayed, direct.get_tree_proof(request()).await.unwrap().into_inner());
    }
}

/// True evidence beside what was not asked for: nothing unchecked rides along.
#[bounded::test]
async fn nothing_rides_along_with_an_answer() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (hostile, url) = Hostile::start(&honest).await;
    let proxy = TestProxy::start([url], honest.root_id).await.unwrap();
    let checkpoint = honest.prover.checkpoint(honest.root_id).unwrap();
    let hops = honest.hops(7, &Default::default(), 1).unwrap();
    let mut client = light_client(&proxy.url(), honest.root_id).await;
    for height in 1010..1012 {
        let question = Question { block: Selector::Height(height), topic: Topic::Snapshot };
        let (checkpoint, hops) = (checkpoint.clone(), hops.clone());
        let lie = move |bytes: Bytes| {
            let mut answer = AnswerProof::from_bytes(&bytes).unwrap();
            if height == 1010 {
                answer.bundle.extend(Bundle::whole(preimage(b"junk")));
                return Ok(answer.to_bytes().into());
            }
            let file = EvidenceFile::new(checkpoint.clone(), hops.hops.clone(), answer);
            Ok(file.to_bytes().into())
        };
        hostile.lie(Call::Answer, Arc::new(lie));
        client.ask(&question, Depth::Seal).await.unwrap_err();
        hostile.stop_lying();
        client.ask(&question, Depth::Seal).await.unwrap();
    }
}

fn preimage(bytes: &[u8]) -> Preimages {
    let mut preimages = Preimages::default();
    preimages.insert(bytes.to_vec());
    preimages
}

/// No flipped byte of an answer gets through, wherever it is.
#[bounded::test]
async fn flipped_bytes_are_refused_wherever_they_are() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (hostile, url) = Hostile::start(&honest).await;
    let proxy = TestProxy::start([url], honest.root_id).await.unwrap();
    let mut client = raw(proxy.url()).await;
    let question = Question { block: Selector::Height(1010), topic: Topic::Snapshot };
    let seed = 0x7072_6f78;
    let mut random = Xorshift::new(seed);
    for round in 0..60 {
        let at = random.below(u64::MAX);
        let lie = move |bytes: Bytes| {
            let mut bytes = bytes.to_vec();
            let bits = bytes.len() as u64 * 8;
            let at = usize::try_from(at % bits).unwrap();
            bytes[at / 8] ^= 1 << (at % 8);
            Ok(bytes.into())
        };
        hostile.lie(Call::Answer, Arc::new(lie));
        let held = Held {
            checkpoint_id: Some(honest.root_id),
            newest_epoch_counter: 7,
            ..Held::default()
        };
        let request = request_to_wire(&asking(&question, &held, Depth::Seal));
        let convert::Call::Snapshot(request) = request else { panic!() };
        let refused = client.get_snapshot(request).await;
        let code = refused.map(|_| ()).unwrap_err().code();
        assert_eq!(code, Code::Unavailable, "seed {seed}, round {round}");
    }
}

#[bounded::test]
async fn a_dead_or_breaking_upstream_is_left_for_the_next() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let broken = broken_proxy(honest.address, 5_000, Then::Close).await;
    let upstreams = [DEAD.to_owned(), broken, honest.url()];
    let proxy = TestProxy::start(upstreams, honest.root_id).await.unwrap();
    let mut client = light_client(&proxy.url(), honest.root_id).await;
    client.sync(|_, _| ()).await.unwrap();
    let error = TestProxy::start([DEAD.to_owned()], honest.root_id).await.unwrap_err();
    assert!(matches!(&error, StartError::Checkpoint { message } if message.contains(DEAD)));
    let none = TestProxy::start([], honest.root_id).await.unwrap_err();
    assert!(matches!(none, StartError::NoUpstream));
    let known = format!("{}#{}", honest.url(), "ab".repeat(32));
    let error = TestProxy::start([known], honest.root_id).await.unwrap_err();
    assert!(matches!(error, StartError::Key { .. }));
}

/// An upstream that goes away: what was verified is still served, the rest is not, without a hang.
#[bounded::test]
async fn what_was_verified_outlives_its_upstream() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([honest.url()], honest.root_id).await.unwrap();
    let mut client = raw(proxy.url()).await;
    let at = |height| {
        let selector = Some(v1::block_selector::Selector::Height(height));
        let question =
            v1::Question { block: Some(v1::BlockSelector { selector }), ..Default::default() };
        v1::GetSnapshotRequest { question: Some(question) }
    };
    let before = client.get_snapshot(at(1010)).await.unwrap().into_inner();
    drop(honest);
    assert_eq!(client.get_snapshot(at(1010)).await.unwrap().into_inner(), before);
    let gone = client.get_snapshot(at(1011)).await.unwrap_err();
    assert_eq!(gone.code(), Code::Unavailable, "{gone}");
}

#[bounded::test]
async fn refusals_are_handed_on_with_what_exists_instead() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([honest.url(), DEAD.to_owned()], honest.root_id).await.unwrap();
    let (mut relayed, mut direct) = (raw(proxy.url()).await, raw(honest.url()).await);
    let root: Bytes = honest.root_id.0.to_vec().into();
    let ask = |selector, depth: Depth, head_id: Bytes| {
        let proof = i32::try_from(depth.number()).unwrap();
        let held = v1::Held { checkpoint_id: root.clone(), head_id, ..Default::default() };
        let block = Some(v1::BlockSelector { selector: Some(selector) });
        let question = v1::Question { block, held: Some(held), proof, ..Default::default() };
        v1::GetSnapshotRequest { question: Some(question) }
    };
    use v1::block_selector::Selector as Wire;
    let (low, high) = (honest.prover.block_at(9).unwrap(), Wire::Height(1050));
    let unknown: Bytes = vec![9; 32].into();
    for request in [
        ask(Wire::BlockId(unknown.clone()), Depth::Seal, Bytes::new()),
        ask(Wire::Height(1), Depth::Seal, Bytes::new()),
        ask(high.clone(), Depth::Linked, low.block_id.0.to_vec().into()),
        ask(high.clone(), Depth::Linked, unknown),
        ask(high, Depth::Linked, Bytes::new()),
        v1::GetSnapshotRequest::default(),
    ] {
        let expected = direct.get_snapshot(request.clone()).await.unwrap_err();
        let found = relayed.get_snapshot(request).await.unwrap_err();
        assert_eq!(found.code(), expected.code(), "{found}");
        assert_eq!(found.message(), expected.message());
        assert_eq!(found.details(), expected.details());
    }
}

/// Who begins at another chain's block is told so; who begins on this one is not.
#[bounded::test]
async fn another_chains_checkpoint_is_refused() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let other = TestServer::start("ejection").await.unwrap();
    let proxy = TestProxy::start([honest.url()], honest.root_id).await.unwrap();
    let strange = Server::connect(&other.url()).await.unwrap();
    let strange = LightClient::start(strange, other.root_id).await.unwrap();
    let servers = Servers::new([proxy.url()]).unwrap();
    let mut moved = LightClient::resume(servers, strange.trusted().clone());
    let question = Question { block: Selector::Height(1010), topic: Topic::Snapshot };
    let error = moved.ask(&question, Depth::Seal).await.unwrap_err();
    let AskError::Transport(TransportError::Refused { code, message, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(*code, Refusal::FailedPrecondition);
    assert!(message.contains(&other.root_id.to_string()), "{message}");
    assert!(message.contains("is not proved to be on the chain"), "{message}");
    let error = TestProxy::start([honest.url()], other.root_id).await.unwrap_err();
    assert!(matches!(error, StartError::Checkpoint { .. }), "{error}");
    light_client(&proxy.url(), honest.root_id).await.ask(&question, Depth::Seal).await.unwrap();
}
