//! Snapshots of the Access API through a proxy: the server's bytes, or nothing.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, async_trait};
use weir_integration_tests::proxy::{TestProxy, options};
use weir_integration_tests::{CHAINS, TestServer, chain_dir, expected, gunzip};
use weir_proto::flow::access;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_proto::flow::access::access_api_server::{AccessApi, AccessApiServer};
use weir_proto::weir::v1::snapshot_api_server::SnapshotApiServer;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::model::Identifier;
use weir_proxy::ProxyOptions;
use weir_server::ingest::check_snapshot;

use crate::adversary::proxy::Hostile;

const CHAIN: &str = "happy-epochs";

async fn connect(url: String) -> AccessApiClient<Channel> {
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();
    AccessApiClient::new(channel).max_decoding_message_size(256 << 20)
}

fn by_height(block_height: u64) -> access::GetProtocolStateSnapshotByHeightRequest {
    access::GetProtocolStateSnapshotByHeightRequest { block_height }
}

fn by_id(block_id: &[u8]) -> access::GetProtocolStateSnapshotByBlockIdRequest {
    access::GetProtocolStateSnapshotByBlockIdRequest { block_id: block_id.to_vec().into() }
}

/// Every snapshot that flow-go made passes, those of spork roots among them.
#[bounded::test]
fn flow_gos_snapshots_are_what_their_heads_commit_to() {
    for chain in CHAINS {
        let names = std::fs::read_dir(chain_dir(chain)).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in names.filter(|name| name.contains("snapshot")) {
            let snapshot = Snapshot::from_json(&gunzip(chain, &name).unwrap()).unwrap();
            check_snapshot(&snapshot).unwrap_or_else(|fault| panic!("{chain} {name}: {fault}"));
        }
    }
}

#[bounded::test]
async fn snapshots_are_the_servers_byte_for_byte() {
    for chain in CHAINS {
        let server = TestServer::start(chain).await.unwrap();
        let near = TestProxy::start([server.url()], server.root_id).await.unwrap();
        // One chain goes through two proxies; a large network's snapshots take their time.
        let far = match chain {
            CHAIN => Some(TestProxy::start([near.url()], server.root_id).await.unwrap()),
            _ => None,
        };
        let mut direct = connect(server.url()).await;
        let head = server.prover.head();
        let middle = (head.first_height + head.finalized.height) / 2;
        for url in [Some(near.url()), far.as_ref().map(TestProxy::url)].into_iter().flatten() {
            let mut relayed = connect(url).await;
            let latest = access::GetLatestProtocolStateSnapshotRequest {};
            let found = relayed.get_latest_protocol_state_snapshot(latest).await.unwrap();
            let expected = direct.get_latest_protocol_state_snapshot(latest).await.unwrap();
            assert_eq!(found.into_inner(), expected.into_inner(), "{chain}");
            for height in [head.first_height, middle] {
                let found = relayed.get_protocol_state_snapshot_by_height(by_height(height)).await;
                let expected =
                    direct.get_protocol_state_snapshot_by_height(by_height(height)).await;
                let (found, expected) = (found.unwrap(), expected.unwrap());
                assert_eq!(found.into_inner(), expected.into_inner(), "{chain} {height}");
            }
            for block_id in [server.root_id, head.finalized.id] {
                let request = || by_id(&block_id.0);
                let found = relayed.get_protocol_state_snapshot_by_block_id(request()).await;
                let expected = direct.get_protocol_state_snapshot_by_block_id(request()).await;
                let (found, expected) = (found.unwrap(), expected.unwrap());
                assert_eq!(found.into_inner(), expected.into_inner(), "{chain} {block_id}");
            }
        }
    }
}

#[bounded::test]
async fn refusals_are_the_servers() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
    let (mut direct, mut relayed) = (connect(server.url()).await, connect(proxy.url()).await);
    let rows = expected(CHAIN).unwrap();
    let orphan = rows.iter().find(|row| row["finalized"] == false).unwrap();
    let orphan: Identifier = orphan["block_id"].as_str().unwrap().parse().unwrap();
    for block_id in [&orphan.0[..], &[3; 32], &[1; 31]] {
        let found = relayed.get_protocol_state_snapshot_by_block_id(by_id(block_id)).await;
        let expected = direct.get_protocol_state_snapshot_by_block_id(by_id(block_id)).await;
        let (found, expected) = (found.unwrap_err(), expected.unwrap_err());
        assert_eq!((found.code(), found.message()), (expected.code(), expected.message()));
    }
    for height in [5, 999_999] {
        let found = relayed.get_protocol_state_snapshot_by_height(by_height(height)).await;
        let expected = direct.get_protocol_state_snapshot_by_height(by_height(height)).await;
        let (found, expected) = (found.unwrap_err(), expected.unwrap_err());
        assert_eq!((found.code(), found.message()), (expected.code(), expected.message()));
    }
}

/// What the forger makes of an honest snapshot.
type Forgery = Box<dyn Fn(&str) -> String + Send>;

/// Passes on everything, and snapshots as it likes.
#[derive(Clone)]
struct Forger {
    honest: AccessApiClient<Channel>,
    forgery: Arc<Mutex<Option<Forgery>>>,
}

impl Forger {
    /// Stands before a server, and says where.
    async fn start(honest: &TestServer) -> (Self, String) {
        let (snapshots, _) = Hostile::start(honest).await;
        let forger = Self { honest: connect(honest.url()).await, forgery: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let access = AccessApiServer::new(forger.clone()).max_encoding_message_size(256 << 20);
        let serving = Server::builder()
            .add_service(SnapshotApiServer::new(snapshots))
            .add_service(access)
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(serving);
        (forger, url)
    }

    fn forge(&self, forgery: Option<Forgery>) {
        *self.forgery.lock().unwrap() = forgery;
    }

    fn forged(
        &self,
        answer: Response<access::ProtocolStateSnapshotResponse>,
    ) -> Response<access::ProtocolStateSnapshotResponse> {
        let mut answer = answer.into_inner();
        if let Some(forgery) = &*self.forgery.lock().unwrap() {
            let honest = String::from_utf8(answer.serialized_snapshot.to_vec()).unwrap();
            let forged = forgery(&honest);
            assert_ne!(forged, honest, "nothing is forged");
            answer.serialized_snapshot = forged.into();
        }
        Response::new(answer)
    }
}

#[async_trait]
impl AccessApi for Forger {
    async fn get_latest_protocol_state_snapshot(
        &self,
        request: Request<access::GetLatestProtocolStateSnapshotRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let answer = self.honest.clone().get_latest_protocol_state_snapshot(request).await?;
        Ok(self.forged(answer))
    }

    async fn get_protocol_state_snapshot_by_height(
        &self,
        request: Request<access::GetProtocolStateSnapshotByHeightRequest>,
    ) -> Result<Response<access::ProtocolStateSnapshotResponse>, Status> {
        let answer = self.honest.clone().get_protocol_state_snapshot_by_height(request).await?;
        Ok(self.forged(answer))
    }
}

/// Where the last of these words ends, each found after the one before.
fn after(json: &str, words: &[&str]) -> usize {
    words.iter().fold(0, |from, word| {
        let found = json[from..].find(word).unwrap_or_else(|| panic!("no {word} in the snapshot"));
        from + found + word.len()
    })
}

/// Another letter or digit behind these words.
fn twisted(json: &str, words: &[&str]) -> String {
    let from = after(json, words);
    let at = from + json[from..].find(|found: char| found.is_ascii_alphanumeric()).unwrap();
    let other = if json[at..].starts_with('4') { "5" } else { "4" };
    [&json[..at], other, &json[at + 1..]].concat()
}

/// Without the first object of the list behind these words.
fn shortened(json: &str, words: &[&str]) -> String {
    let from = after(json, words);
    let mut depth = 0;
    let end = json[from..].find(|found| {
        depth += match found {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        depth == 0
    });
    let end = from + end.unwrap() + 1;
    assert!(json[end..].starts_with(','), "it is the only one");
    [&json[..from], &json[end + 1..]].concat()
}

/// The latest seals as of the first two blocks in each other's place.
fn swapped_seals(json: &str) -> String {
    let from = after(json, &["\"LatestSeals\":{"]);
    let pair = "\"\":\"\",".len() + 2 * 64;
    let seal = |index: usize| from + index * pair + 68..from + index * pair + 132;
    let (first, second) = (&json[seal(0)], &json[seal(1)]);
    assert_ne!(first, second);
    let mut forged = json.to_owned();
    forged.replace_range(seal(0), second);
    forged.replace_range(seal(1), first);
    forged
}

/// One lie for every part that something covers.
fn forgeries() -> Vec<(&'static str, Forgery)> {
    fn twist(words: &'static [&'static str]) -> Forgery {
        Box::new(move |json| twisted(json, words))
    }
    fn shorten(words: &'static [&'static str]) -> Forgery {
        Box::new(move |json| shortened(json, words))
    }
    vec![
        ("address of a node", twist(&["\"CurrentEpochSetup\":{", "\"Address\":\""])),
        (
            "status in an identity table",
            Box::new(|json| {
                let from = after(json, &["\"CurrentEpochIdentityTable\":["]);
                let at = from + after(&json[from..], &["EpochParticipationStatus"]);
                let ejected = json[at..].replacen("Active", "Ejected", 1);
                [&json[..at], &ejected].concat()
            }),
        ),
        ("a node left out of an identity table", shorten(&["\"CurrentEpochIdentityTable\":["])),
        ("height of the spork's root", twist(&["\"Params\":{", "\"SporkRootBlockHeight\":"])),
        ("chain", twist(&["\"Params\":{", "\"ChainID\":\""])),
        ("spork", twist(&["\"Params\":{", "\"SporkID\":\""])),
        ("view of a block", twist(&["\"Blocks\":[", "\"View\":"])),
        ("a block left out", shorten(&["\"Blocks\":["])),
        ("an ancestor left out", shorten(&["\"ExtraBlocks\":["])),
        ("an ancestor's height", twist(&["\"ExtraBlocks\":[", "\"Height\":"])),
        ("a result left out", shorten(&["\"ExecutionResults\":["])),
        ("another latest seal", Box::new(swapped_seals)),
        (
            "signature of the head's certificate",
            twist(&["\"QuorumCertificate\":{", "SigData\":\"+GQAsK"]),
        ),
    ]
}

#[bounded::test]
async fn forged_snapshots_are_refused_and_honest_ones_passed_on() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (forger, url) = Forger::start(&honest).await;
    // Nothing is kept, so that every request is asked of the forger.
    let forgetful = |urls| ProxyOptions { cache_bytes: 0, ..options(urls, honest.root_id) };
    let proxy = TestProxy::start_with(forgetful(vec![url.clone()])).await.unwrap();
    let (mut alone, mut direct) = (connect(proxy.url()).await, connect(honest.url()).await);
    let at = || by_height(1042);
    let expected = direct.get_protocol_state_snapshot_by_height(at()).await.unwrap();
    let expected = expected.into_inner().serialized_snapshot;
    for (name, forgery) in forgeries() {
        forger.forge(Some(forgery));
        let refused = alone.get_protocol_state_snapshot_by_height(at()).await;
        let refused = refused.map(|_| ()).expect_err(name);
        assert_eq!(refused.code(), Code::Unavailable, "{name}: {refused}");
        // It is read well, and refused for what it says.
        assert!(!refused.message().contains("malformed"), "{name}: {refused}");
        let both = forgetful(vec![url.clone(), honest.url()]);
        let both = TestProxy::start_with(both).await.unwrap();
        let mut second = connect(both.url()).await;
        let found = second.get_protocol_state_snapshot_by_height(at()).await.unwrap();
        assert_eq!(found.into_inner().serialized_snapshot, expected, "{name}");
        forger.forge(None);
        let found = alone.get_protocol_state_snapshot_by_height(at()).await.unwrap();
        assert_eq!(found.into_inner().serialized_snapshot, expected, "{name}");
    }
}

/// The snapshot of another block, and what nobody asked for beside one.
#[bounded::test]
async fn another_blocks_snapshot_is_refused_and_additions_are_dropped() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (forger, url) = Forger::start(&honest).await;
    let proxy = TestProxy::start([url], honest.root_id).await.unwrap();
    let (mut relayed, mut direct) = (connect(proxy.url()).await, connect(honest.url()).await);
    let other = direct.get_protocol_state_snapshot_by_height(by_height(1030)).await.unwrap();
    let other = String::from_utf8(other.into_inner().serialized_snapshot.to_vec()).unwrap();
    forger.forge(Some(Box::new(move |_| other.clone())));
    let refused = relayed.get_protocol_state_snapshot_by_height(by_height(1031)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("at height 1030 instead"), "{refused}");
    forger.forge(Some(Box::new(|json| json.replacen('{', "{\"Comment\":\"believe me\",", 1))));
    let found = relayed.get_protocol_state_snapshot_by_height(by_height(1031)).await.unwrap();
    let expected = direct.get_protocol_state_snapshot_by_height(by_height(1031)).await.unwrap();
    let (found, expected) = (found.into_inner(), expected.into_inner());
    assert_eq!(found.serialized_snapshot, expected.serialized_snapshot);
}

/// The operator may name the spork; then no other one is passed on.
#[bounded::test]
async fn a_named_spork_is_the_only_one() {
    let server = TestServer::start(CHAIN).await.unwrap();
    let latest = access::GetLatestProtocolStateSnapshotRequest {};
    let spork_id = server.prover.head().chain.spork_id;
    for (spork_id, is_right) in [(spork_id, true), (Identifier([7; 32]), false)] {
        let options = options([server.url()], server.root_id);
        let options = ProxyOptions { spork_id: Some(spork_id), ..options };
        let proxy = TestProxy::start_with(options).await.unwrap();
        let found = connect(proxy.url()).await.get_latest_protocol_state_snapshot(latest).await;
        assert_eq!(found.is_ok(), is_right, "{found:?}");
    }
}
