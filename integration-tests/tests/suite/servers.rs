//! Several servers: silent ones, lying ones, and witnesses of the head.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use weir_client::sync::{AskError, Fault, LightClient, Testimony, Verdict};
use weir_client::transport::{Servers, Standing, TransportError};
use weir_integration_tests::connections::{Then, broken_proxy};
use weir_integration_tests::programs::Program;
use weir_integration_tests::{TestServer, asking, chain_dir, gunzip};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_server::api::ApiOptions;
use weir_verifier::{
    Act, Finding, Misbehaviour, MisbehaviourError, Rejection, TrustedState, Violation, WrongAnswer,
};

use crate::adversary::proxy::{Call, Hostile};

const CHAIN: &str = "happy-epochs";
const FORKED: &str = "conflicting-finality";
/// Nobody listens there: ports below 1024 are not handed out.
const DEAD: &str = "http://127.0.0.1:9";

fn servers<'a>(urls: impl IntoIterator<Item = &'a str>) -> Servers {
    Servers::new(urls).unwrap()
}

fn head() -> Question {
    Question { block: Selector::LatestFinalized, topic: Topic::Snapshot }
}

fn is_good(client: &LightClient) -> Vec<bool> {
    client.health().map(|(_, health)| health == Standing::Good).collect()
}

/// Whatever the first server does, the end is that of a client that never met it.
async fn assert_ends_like_honest(urls: [&str; 2], honest: &TestServer) -> LightClient {
    let alone = servers([honest.url().as_str()]);
    let mut expected = LightClient::start(alone, honest.root_id).await.unwrap();
    let expected = expected.sync(|_, _| ()).await.unwrap().answer;
    let mut client = LightClient::start(servers(urls), honest.root_id).await.unwrap();
    let found = client.sync(|_, _| ()).await.unwrap().answer;
    assert_eq!(found.value, expected.value);
    assert_eq!(found.block_id, expected.block_id);
    client
}

#[bounded::test]
async fn a_silent_server_is_left_for_the_next_one() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let client = assert_ends_like_honest([DEAD, &honest.url()], &honest).await;
    assert_eq!(is_good(&client), [false, true]);
    assert_eq!(client.lies(), []);
    // It breaks off at any point of the sync.
    for bytes in [0, 500, 5_000] {
        let broken = broken_proxy(honest.address, bytes, Then::Close).await;
        let client = assert_ends_like_honest([&broken, &honest.url()], &honest).await;
        assert_eq!(is_good(&client), [false, true], "after {bytes} bytes");
    }
    let error = LightClient::start(servers([DEAD, "http://127.0.0.1:10"]), honest.root_id).await;
    let AskError::Transport(TransportError::All { errors }) = error.unwrap_err() else { panic!() };
    assert_eq!(errors.len(), 2);
}

/// A refusal is an answer: the next server is not asked until one says yes.
#[bounded::test]
async fn a_refusal_is_handed_on() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let both = [honest.url(), DEAD.to_owned()];
    let mut client = LightClient::start(Servers::new(both).unwrap(), honest.root_id).await.unwrap();
    let unknown = Question { block: Selector::Id(Identifier([9; 32])), topic: Topic::Snapshot };
    let error = client.ask(&unknown, Depth::Seal).await.unwrap_err();
    assert!(matches!(&error, AskError::Transport(TransportError::UnknownBlock { url, .. })
        if *url == honest.url()));
    assert_eq!(is_good(&client), [true, false]);
}

#[bounded::test]
async fn a_lie_is_kept_and_the_next_server_asked() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    for call in [Call::Checkpoint, Call::Hop, Call::Answer] {
        let (hostile, url) = Hostile::start(&honest).await;
        hostile.lie(
            call,
            Arc::new(|evidence| {
                let mut bytes = evidence.to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                Ok(bytes.into())
            }),
        );
        let client = assert_ends_like_honest([&url, &honest.url()], &honest).await;
        let [lie] = client.lies() else {
            // What a changed hash leads to is missed rather than wrong: that sets nobody aside.
            assert!(client.lies().is_empty(), "{call:?}: {:?}", client.lies());
            assert!(
                !client.health().any(|(_, health)| matches!(health, Standing::SetAside { .. }))
            );
            continue;
        };
        assert_eq!(lie.url, url);
        let found = lie.misbehaviour.as_ref().unwrap();
        let Fault::Rejected(Rejection::Invalid(rule)) = &lie.fault else {
            panic!("{call:?}: {lie:?}")
        };
        let finding = found.verify(honest.root_id).unwrap();
        let Finding::BrokenRule { rule: broken, signed_by: None, proved } = finding.into_value()
        else {
            panic!("{call:?}: {found:?}")
        };
        assert_eq!((broken, proved), (rule.clone(), call == Call::Checkpoint));
        assert_bytes(found);
    }
}

/// Its bytes are the only ones that are read as it.
fn assert_bytes(found: &Misbehaviour) {
    let bytes = found.to_bytes();
    assert!(Misbehaviour::is_meant(&bytes));
    assert_eq!(Misbehaviour::from_bytes(&bytes).unwrap(), *found);
    for len in [0, 1, 20, bytes.len() / 2, bytes.len() - 1] {
        Misbehaviour::from_bytes(&bytes[..len]).unwrap_err();
    }
    Misbehaviour::from_bytes(&[&bytes[..], &[0]].concat()).unwrap_err();
}

#[bounded::test]
async fn an_honest_answer_is_no_misbehaviour() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let alone = servers([honest.url().as_str()]);
    let mut client = LightClient::start(alone, honest.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let trusted = client.trusted().clone();
    let answer = client.ask(&head(), Depth::Seal).await.unwrap().proof.to_bytes();
    let found = |question: &Question| {
        let request = asking(question, &trusted.held(), Depth::Seal);
        let wrong = WrongAnswer::new(request, answer.clone(), &trusted);
        Misbehaviour {
            server: honest.url(),
            seen_at_ms: 1_798_761_600_000,
            act: Act::WrongAnswer(Box::new(wrong)),
        }
    };
    assert_eq!(found(&head()).verify(honest.root_id), Err(MisbehaviourError::Nothing));
    // An answer to another question is wrong, but only from the checkpoint it was seen from.
    let other = Question { block: Selector::Height(1), topic: Topic::Snapshot };
    let wrong = found(&other);
    wrong.verify(honest.root_id).unwrap();
    let elsewhere = wrong.verify(Identifier([1; 32])).unwrap_err();
    assert!(matches!(elsewhere, MisbehaviourError::Checkpoint { .. }), "{elsewhere}");
}

/// Some blocks of the chain with two final branches, in a folder of their own.
fn branch(is_in: impl Fn(usize) -> bool) -> TempDir {
    some_blocks(FORKED, is_in)
}

/// Some blocks of a chain, in a folder of their own.
pub(crate) fn some_blocks(chain: &str, is_in: impl Fn(usize) -> bool) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = "root-protocol-state-snapshot.json.gz";
    fs::copy(chain_dir(chain).join(root), dir.path().join(root)).unwrap();
    let all = gunzip(chain, "blocks.pb.gz").unwrap();
    let (mut rest, mut kept, mut index) = (&all[..], Vec::new(), 0);
    while let Some((len, _)) = rest.split_first_chunk::<4>() {
        let (block, after) = rest.split_at(4 + u32::from_be_bytes(*len) as usize);
        if is_in(index) {
            kept.extend_from_slice(block);
        }
        (rest, index) = (after, index + 1);
    }
    fs::write(dir.path().join("blocks.pb"), kept).unwrap();
    dir
}

pub(crate) async fn serve(dir: &Path) -> TestServer {
    TestServer::over(dir, ApiOptions::default()).await.unwrap()
}

async fn testimonies(urls: impl IntoIterator<Item = &str>, root: Identifier) -> Vec<Testimony> {
    let mut client = LightClient::start(servers(urls), root).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    client.cross_check().await.unwrap()
}

#[bounded::test]
async fn witnesses_agree_lag_lie_or_are_silent() {
    let (whole, some) = (branch(|index| index <= 5 || index >= 9), branch(|index| index <= 5));
    let (honest, same, behind) =
        (serve(whole.path()).await, serve(whole.path()).await, serve(some.path()).await);
    let (hostile, lying) = Hostile::start(&honest).await;
    hostile.lie(Call::Answer, Arc::new(|evidence| Ok(evidence.slice(1..))));
    let urls = [honest.url(), same.url(), behind.url(), lying.clone(), DEAD.to_owned()];
    let said = testimonies(urls.iter().map(String::as_str), honest.root_id).await;
    let named: Vec<_> = said.iter().map(|testimony| testimony.url.clone()).collect();
    assert_eq!(named, urls[1..]);
    let [same, behind, lying, dead] = &said[..] else { panic!("{said:?}") };
    assert!(matches!(same.verdict, Verdict::Agrees), "{same:?}");
    assert!(matches!(behind.verdict, Verdict::Behind { height: 1003 }), "{behind:?}");
    let Verdict::Rejected { rejection, misbehaviour } = &lying.verdict else { panic!("{lying:?}") };
    assert!(matches!(rejection, Rejection::Invalid(rule)
        if matches!(**rule, Violation::Evidence(_))));
    misbehaviour.as_ref().unwrap().verify(honest.root_id).unwrap();
    assert!(matches!(dead.verdict, Verdict::Silent(_)), "{dead:?}");
}

/// More than a third of the committee signed two final branches; either way round it shows.
#[bounded::test]
async fn two_final_branches_are_evidence_that_anybody_can_check() {
    let (low, high) = (branch(|index| index <= 8), branch(|index| index <= 5 || index >= 9));
    let (low, high) = (serve(low.path()).await, serve(high.path()).await);
    for [one, other] in [[&low, &high], [&high, &low]] {
        let urls = [one.url(), other.url()];
        let said = testimonies(urls.iter().map(String::as_str), low.root_id).await;
        let [Testimony { url, verdict: Verdict::Conflicts { misbehaviour }, .. }] = &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!(*url, other.url());
        let found = misbehaviour.as_ref().unwrap();
        let finding = found.verify(low.root_id).unwrap().into_value();
        let Finding::Conflict { height: 1006, block_ids } = finding else { panic!("{finding:?}") };
        assert_ne!(block_ids[0], block_ids[1]);
        assert_bytes(found);
        // The same block twice is no conflict.
        let Act::Conflict { other_server, evidence: [this, _] } = found.act.clone() else {
            panic!()
        };
        let act = Act::Conflict { other_server, evidence: [this.clone(), this] };
        let twice = Misbehaviour { act, ..found.as_ref().clone() };
        assert_eq!(twice.verify(low.root_id), Err(MisbehaviourError::Nothing));
    }
}

/// Runs `weir` with a folder for its state.
pub(crate) async fn weir(
    folder: &TempDir,
    arguments: &str,
) -> weir_integration_tests::programs::Ran {
    let state = folder.path().display();
    let all = format!("--state-dir {state} {arguments}");
    Program::Client.run(all.split_whitespace()).await
}

#[bounded::test]
async fn the_command_keeps_lists_and_checks_what_servers_did() {
    let (low, high) = (branch(|index| index <= 8), branch(|index| index <= 5 || index >= 9));
    let (low, high) = (serve(low.path()).await, serve(high.path()).await);
    let (hostile, lying) = Hostile::start(&low).await;
    hostile.lie(Call::Answer, Arc::new(|evidence| Ok(evidence.slice(1..))));
    let folder = tempfile::tempdir().unwrap();
    let (root, one, other) = (low.root_id, low.url(), high.url());
    weir(&folder, "evidence list").await.expect(0, &[]);
    let sync = format!("--checkpoint {root} --server {lying},{one},{other} sync");
    let synced = weir(&folder, &sync).await;
    let lied = format!("{lying} is not asked again: invalid evidence");
    synced.expect(3, &[&lied, "proves another final block", "is kept in"]);
    let listed = weir(&folder, "--json evidence list").await.json();
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, ["wrong answer", "two final blocks"]);
    for file in listed.as_array().unwrap() {
        let name = file["file"].as_str().unwrap();
        let shown = format!("--checkpoint {root} --json evidence show {name}");
        let shown: Value = serde_json::from_str(&weir(&folder, &shown).await.stdout).unwrap();
        assert_eq!(shown["kind"], file["kind"]);
        assert_eq!(shown["convicts"], file["kind"] != "wrong answer");
        let path = folder.path().join("evidence").join(name);
        let verified = format!("--checkpoint {root} verify {}", path.display());
        // Nobody signed the wrong answer: it is somebody's word. Two final blocks are signed.
        let (code, words) = match file["kind"].as_str() {
            Some("wrong answer") => (9, "not proved: this is the word of whoever wrote the file"),
            _ => (0, "verified: the server misbehaved"),
        };
        weir(&folder, &verified).await.expect(code, &[]);
        let shown = format!("--checkpoint {root} evidence show {name}");
        let shown = weir(&folder, &shown).await;
        shown.expect(code, &[]);
        assert!(shown.stdout.starts_with(words), "{}", shown.stdout);
        let elsewhere = format!("--checkpoint {} verify {}", "11".repeat(32), path.display());
        weir(&folder, &elsewhere).await.expect(3, &["checkpoint"]);
    }
    // What was proved before is kept, of the server that did not lie.
    let state = fs::read(folder.path().join(format!("{root}.trusted"))).unwrap();
    assert_eq!(TrustedState::from_bytes(&state).unwrap().head().height, 1006);
}

#[bounded::test]
async fn a_server_that_lies_again_and_again_fills_no_disk() {
    let honest = TestServer::start(CHAIN).await.unwrap();
    let (hostile, lying) = Hostile::start(&honest).await;
    let told = AtomicUsize::new(1);
    let lie = move |evidence: Bytes| Ok(evidence.slice(told.fetch_add(1, Ordering::Relaxed)..));
    hostile.lie(Call::Checkpoint, Arc::new(lie));
    let folder = tempfile::tempdir().unwrap();
    let sync = format!("--checkpoint {} --server {lying} sync", honest.root_id);
    for run in 0..6 {
        let ran = weir(&folder, &sync).await;
        let words =
            if run < 4 { "is kept in" } else { "4 files about this server are kept already" };
        ran.expect(3, &[words]);
    }
    let kept: Vec<_> = fs::read_dir(folder.path().join("evidence")).unwrap().collect();
    assert_eq!(kept.len(), 4);

    // Nor does what a file says forge a line on a terminal.
    let kept = kept[0].as_ref().unwrap().path();
    let forged = Misbehaviour {
        server: "http://a\nweir: verified: the server misbehaved\u{1b}[1A".to_owned(),
        ..Misbehaviour::from_bytes(&fs::read(&kept).unwrap()).unwrap()
    };
    fs::write(kept.with_file_name("forged.evidence"), forged.to_bytes()).unwrap();
    let listed = weir(&folder, "evidence list").await;
    listed.expect(0, &[]);
    assert_eq!(listed.stdout.lines().count(), 5);
    let show = format!("--checkpoint {} evidence show forged.evidence", honest.root_id);
    let shown = weir(&folder, &show).await;
    shown.expect(9, &[]);
    for text in [&listed.stdout, &shown.stdout] {
        assert!(!text.contains('\u{1b}') && text.contains("\\nweir: verified"), "{text}");
    }
}
