//! A server killed without warning, again and again, loses nothing it announced, and ends up with
//! the store of one that nobody disturbed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::timeout;
use tonic::transport::Channel;
use weir_integration_tests::programs::{PATIENCE, Program, ServerProcess, spawn_serve};
use weir_integration_tests::random::Xorshift;
use weir_integration_tests::{chain_dir, expected};
use weir_proto::weir::v1::block_selector::Selector as WireSelector;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{
    self, BlockSelector, Form, GetServerInfoRequest, GetServerInfoResponse, GetSnapshotRequest,
};
use weir_protocol::evidence::EVIDENCE_BYTES_MAX;
use weir_protocol::request::{AnswerRequest, Depth, Held, Question, Selector, Topic};
use weir_server::indexer::Indexer;
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

const CHAIN: &str = "thirty-epochs";
const SEED: u64 = 0x5eed_0003;
const ROUNDS: usize = 16;

type Client = SnapshotApiClient<Channel>;

/// What a server said it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
struct Announced {
    blocks: u64,
    finalized: u64,
    sealed: u64,
}

/// When a server is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// This long after its start, whatever it does then: mostly while it opens its store.
    Blind(Duration),
    /// As soon as it says where it serves.
    Serving,
    /// As soon as it announces more blocks than ever before, or has them all.
    Announcing,
    /// This long after it says where it serves: while it writes.
    Indexing(Duration),
}

impl Kill {
    fn pick(random: &mut Xorshift, round: usize) -> Self {
        let micros = |random: &mut Xorshift, max| Duration::from_micros(random.below(max));
        match round % 5 {
            0 => Self::Blind(micros(random, 30_000)),
            1 => Self::Serving,
            2 => Self::Indexing(micros(random, 200_000)),
            3 => Self::Announcing,
            _ => Self::Blind(micros(random, 300_000)),
        }
    }
}

#[bounded::test]
async fn nothing_announced_is_lost_however_often_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let source = chain_dir(CHAIN);
    let undisturbed = dir.path().join("undisturbed");
    let mut server = ServerProcess::start(&undisturbed, &source).await.unwrap();
    server.indexed().await;
    server.terminate().await.expect(0, &[]);

    let blocks = expected(CHAIN).unwrap().len() as u64;
    let mut random = Xorshift::new(SEED);
    let (mut stores, mut announced) = (0, Announced::default());
    for round in 0..ROUNDS {
        let data = dir.path().join(stores.to_string());
        let kill = Kill::pick(&mut random, round);
        let run = format!("seed {SEED:#x}, round {round}: {kill:?}");
        announced = killed_once(&data, &source, kill, announced, &run).await;
        // With everything written a store has nothing to lose any more; the next one begins.
        if announced.blocks == blocks || round + 1 == ROUNDS {
            ends_up_as(&data, &undisturbed, announced, &run).await;
            (stores, announced) = (stores + 1, Announced::default());
        }
    }
    assert!(stores > 1, "seed {SEED:#x}: {stores} stores");
}

/// After all kills the store becomes what it is without any.
async fn ends_up_as(data: &Path, undisturbed: &Path, announced: Announced, run: &str) {
    let mut server = ServerProcess::start(data, &chain_dir(CHAIN)).await.unwrap();
    still_served(&mut connect(&server).await, announced, run).await;
    server.indexed().await;
    server.terminate().await.expect(0, &[]);
    let reports = [fsck(data).await, fsck(undisturbed).await];
    assert!(reports[0].ends_with("no findings\n"), "{reports:?}; {run}");
    assert_eq!(reports[0], reports[1], "{run}");
    same_store(&open(data), &open(undisturbed));
}

/// Starts the server, kills it, and returns what it had announced by then.
async fn killed_once(
    data: &Path,
    source: &Path,
    kill: Kill,
    before: Announced,
    run: &str,
) -> Announced {
    if let Kill::Blind(after) = kill {
        let mut child = spawn_serve(data, source).unwrap();
        let ended = timeout(after, child.wait()).await;
        assert!(ended.is_err(), "it ended by itself: {ended:?}; {run}");
        child.kill().await.unwrap();
        return before;
    }
    let server = ServerProcess::start(data, source).await;
    let server = server.unwrap_or_else(|ran| panic!("{ran:?}; {run}"));
    let mut client = connect(&server).await;
    let mut announced = still_served(&mut client, before, run).await;
    match kill {
        Kill::Announcing => {
            while announced.blocks <= before.blocks {
                let info = info(&mut client).await;
                announced = Announced::of(&info);
                if !info.indexing {
                    break;
                }
            }
        }
        Kill::Indexing(after) => {
            // Whatever was announced until the moment of the kill must survive it.
            let watch = async {
                loop {
                    announced = Announced::of(&info(&mut client).await);
                }
            };
            let watched: Result<(), _> = timeout(after, watch).await;
            assert!(watched.is_err());
        }
        Kill::Serving | Kill::Blind(_) => {}
    }
    server.kill().await;
    announced
}

/// What was announced is there, down to the answers; returns what is announced now.
async fn still_served(client: &mut Client, before: Announced, run: &str) -> Announced {
    let info = info(client).await;
    let now = Announced::of(&info);
    let kept = now.blocks >= before.blocks
        && now.finalized >= before.finalized
        && now.sealed >= before.sealed;
    assert!(kept, "announced {before:?}, now {now:?}; {run}");
    let heights = if before.blocks == 0 {
        info.first_height..=info.first_height
    } else {
        info.first_height..=before.finalized
    };
    for height in heights {
        let selector = BlockSelector { selector: Some(WireSelector::Height(height)) };
        let question = v1::Question {
            block: Some(selector),
            form: Form::EvidenceOnly.into(),
            ..v1::Question::default()
        };
        let request = GetSnapshotRequest { question: Some(question) };
        let answer = timeout(PATIENCE, client.get_snapshot(request)).await.unwrap();
        assert!(answer.is_ok(), "height {height}: {answer:?}; {run}");
    }
    now
}

impl Announced {
    fn of(info: &GetServerInfoResponse) -> Self {
        Self {
            blocks: info.blocks_indexed,
            finalized: info.latest_finalized.as_ref().unwrap().height,
            sealed: info.latest_sealed.as_ref().unwrap().height,
        }
    }
}

async fn connect(server: &ServerProcess) -> Client {
    let channel = Channel::from_shared(server.url.clone()).unwrap();
    let channel = timeout(PATIENCE, channel.connect()).await.unwrap().unwrap();
    Client::new(channel).max_decoding_message_size(EVIDENCE_BYTES_MAX)
}

async fn info(client: &mut Client) -> GetServerInfoResponse {
    let answer = timeout(PATIENCE, client.get_server_info(GetServerInfoRequest {})).await;
    answer.unwrap().unwrap().into_inner()
}

async fn fsck(data: &Path) -> String {
    let ran = Program::Server.run(["fsck".as_ref(), "--data".as_ref(), data.as_os_str()]).await;
    ran.expect(0, &[]);
    ran.stdout
}

fn open(data: &Path) -> Indexer {
    let folder = ChainFolder::open(chain_dir(CHAIN)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    Indexer::open(data, StoreOptions::default(), &folder, stop).unwrap()
}

/// Record by record, and answer by answer.
fn same_store(found: &Indexer, expected: &Indexer) {
    let (found, expected) = (Prover::new(found.reader()), Prover::new(expected.reader()));
    let head = expected.head();
    assert_eq!(found.head(), head);
    assert_eq!(found.reader().root_snapshot().unwrap(), expected.reader().root_snapshot().unwrap());
    let held = Held::default();
    for ordinal in 0..head.blocks {
        let block = expected.block_at(ordinal).unwrap();
        let other = found.block_at(ordinal).unwrap();
        assert_eq!(block.record.record(), other.record.record(), "{ordinal}");
        let (a, b) = (found.reader(), expected.reader());
        assert_eq!(a.payload(ordinal).unwrap(), b.payload(ordinal).unwrap(), "{ordinal}");
        assert_eq!(a.first_child(ordinal).unwrap(), b.first_child(ordinal).unwrap(), "{ordinal}");
        assert_eq!(a.ordinal_of(&block.block_id).unwrap(), Some(ordinal));
        let question = Question { block: Selector::Id(block.block_id), topic: Topic::Snapshot };
        let answer = |prover: &Prover| {
            let (question, held) = (question.clone(), held.clone());
            let asked = AnswerRequest { question, held, depth: Depth::Seal };
            prover.answer(&asked).unwrap().evidence.to_bytes()
        };
        assert_eq!(answer(&found), answer(&expected), "{ordinal}");
    }
    for height in head.first_height..=head.finalized.height {
        let numbers = |prover: &Prover| {
            let reader = prover.reader();
            (reader.finalized_at(height).unwrap(), reader.sealing_ordinal(height).unwrap())
        };
        assert_eq!(numbers(&found), numbers(&expected), "{height}");
    }
    for counter in head.first_epoch_counter..=head.epoch_counter {
        let epoch = |prover: &Prover| prover.reader().epoch(counter).unwrap();
        assert_eq!(epoch(&found), epoch(&expected), "{counter}");
    }
}
