//! `weir-server demo`: a bundled chain, a server, a client that trusts one block ID, and a lie.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use weir_client::sync::{LightClient, Outcome};
use weir_client::transport::Server;
use weir_client::verifier::{Answer, AnswerValue, verify_file};
use weir_proto::weir::v1::Proof;
use weir_protocol::evidence::{IdentityFilter, Question, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::Indexer;
use weir_server::prover::Prover;
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

/// Tells the story.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(story())?;
    Ok(ExitCode::SUCCESS)
}

async fn story() -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let (address, root_id) = start_server(folder.path()).await?;
    let server = Server::connect(&format!("http://{address}")).await?;
    println!("\nThe client trusts one thing, the ID of the root block:\n  {root_id}");
    let mut client = LightClient::start(server, root_id).await?;
    let trusted = client.trusted();
    println!(
        "  The server opened it: header, payload, protocol state, epoch {} - each part hashes to \
         the ID\n  that the part before it names, so the committee of that epoch is proved.",
        trusted.newest_epoch().counter()
    );

    let question = ask_about(Selector::LatestFinalized, Topic::Snapshot);
    let outcome =
        ask(&mut client, "What is the epoch phase at the latest finalized block?", &question)
            .await?;
    describe_epoch(&outcome.answer);
    let filter = IdentityFilter::default();
    let question = ask_about(Selector::LatestSealed, Topic::Identities(filter));
    let outcome =
        ask(&mut client, "Who is in the identity table at the latest sealed block?", &question)
            .await?;
    let node_id = describe_identities(&outcome.answer)?;
    let question = ask_about(Selector::Id(outcome.answer.block_id), Topic::Identity(node_id));
    let outcome =
        ask(&mut client, "And one node alone, now that the client is warm?", &question).await?;
    lie(root_id, &outcome)
}

/// Indexes the bundled chain and serves it on a free port.
async fn start_server(folder: &Path) -> anyhow::Result<(SocketAddr, Identifier)> {
    let (chain, data) = (folder.join("chain"), folder.join("data"));
    fs::create_dir(&chain)?;
    fs::write(chain.join("root-protocol-state-snapshot.json.gz"), SNAPSHOT)?;
    fs::write(chain.join("blocks.pb.gz"), BLOCKS)?;
    let source = ChainFolder::open(&chain)?;
    let started = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut indexer = Indexer::open(&data, StoreOptions::default(), &source, stop)?;
    indexer.run(|_| ())?;
    let prover = Prover::new(indexer.reader());
    let head = prover.head();
    println!(
        "The server read a chain made by flow-go: {} blocks on several forks, epochs {} to {}.\n  \
         Every hash, certificate and protocol state agrees; indexed into sled in {}.\n  \
         Finalized up to height {}, sealed up to height {}.",
        head.blocks,
        head.first_epoch_counter,
        head.epoch_counter,
        milliseconds(started.elapsed()),
        head.finalized.height,
        head.sealed.height
    );
    let root_id = prover.block_at(0)?.block_id;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        // The store's writer lives as long as the server that reads from it.
        let _indexer = indexer;
        api::serve(listener, prover, ApiOptions::default(), std::future::pending()).await
    });
    println!("  Serving on http://{address}");
    Ok((address, root_id))
}

fn ask_about(block: Selector, topic: Topic) -> Question {
    Question { block, topic }
}

async fn ask(client: &mut LightClient, text: &str, question: &Question) -> anyhow::Result<Outcome> {
    println!("\n{text}");
    let (hops, bytes) = (client.hops(), client.bytes_received());
    let started = Instant::now();
    let outcome = client.ask(question, Proof::Sealed).await?;
    let elapsed = milliseconds(started.elapsed());
    let hops = outcome.hops - hops;
    if hops > 0 {
        println!(
            "  {hops} epochs lay between: for each, a final block certified by the committee before \
             it\n  that commits the next committee."
        );
    }
    println!(
        "  {} bytes of evidence, fetched and verified in {elapsed}.",
        outcome.bytes_received - bytes
    );
    let answer = &outcome.answer;
    println!(
        "  Verified: block {} at height {}, view {}, is {}.",
        answer.block_id, answer.height, answer.view, answer.trust
    );
    Ok(outcome)
}

fn describe_epoch(answer: &Answer) {
    if let AnswerValue::Snapshot(snapshot) = &answer.value {
        println!(
            "  Epoch {} is in {}, views {} to {}, protocol version {}.",
            snapshot.epoch_counter,
            snapshot.epoch_phase,
            snapshot.first_view,
            snapshot.final_view,
            snapshot.kv_store.version
        );
    }
}

fn describe_identities(answer: &Answer) -> anyhow::Result<Identifier> {
    let AnswerValue::Identities(nodes) = &answer.value else {
        bail!("the verifier answered another question");
    };
    println!(
        "  {} nodes, and none can be left out: the table is derived from the setup.",
        nodes.len()
    );
    for node in nodes.iter().take(3) {
        let skeleton = &node.skeleton;
        println!(
            "    {}  {:<12} {:<8} weight {}",
            skeleton.node_id, skeleton.role, node.status, skeleton.initial_weight
        );
    }
    println!("    ...");
    Ok(nodes.first().context("an identity table has nodes")?.skeleton.node_id)
}

/// Changes one bit of the saved evidence and shows who notices.
fn lie(root_id: Identifier, outcome: &Outcome) -> anyhow::Result<()> {
    println!("\nAnd if somebody lies?");
    let mut bytes = outcome.evidence.to_bytes();
    let (_, answer) = verify_file(root_id, &bytes)?;
    println!(
        "  The saved evidence ({} bytes) verifies offline: height {}, {}.",
        bytes.len(),
        answer.height,
        answer.trust
    );
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    match verify_file(root_id, &bytes) {
        Ok(_) => bail!("evidence with a flipped bit was accepted"),
        Err(rejection) => println!("  With one bit flipped: {rejection}"),
    }
    Ok(())
}

fn milliseconds(elapsed: Duration) -> String {
    format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0)
}

const SNAPSHOT: &[u8] = include_bytes!(
    "../../../integration-tests/vectors/happy-epochs/root-protocol-state-snapshot.json.gz"
);
const BLOCKS: &[u8] =
    include_bytes!("../../../integration-tests/vectors/happy-epochs/blocks.pb.gz");
