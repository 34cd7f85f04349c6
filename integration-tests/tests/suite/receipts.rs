//! Receipts: who signs a lie is shown to have told it, and who is honest cannot be accused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use weir_client::sync::{AskError, LightClient, Verdict};
use weir_client::transport::{Server, Servers, Standing, TransportError};
use weir_integration_tests::programs::{Program, ServerProcess};
use weir_integration_tests::{TestServer, asking, chain_dir};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{Evidence, EvidenceFile};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, HopsRequest, MaxHops, Question, Request, Selector, Topic};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};
use weir_server::api::{ApiOptions, Signer};
use weir_verifier::{
    Act, CLOCK_SKEW_MS_DEFAULT, Finding, Grounds, Misbehaviour, MisbehaviourError, ReceiptError,
    Timing, TrustedState, WrongAnswer, check_receipt,
};

use crate::adversary::proxy::{Call, Hostile, Lie};

const CHAIN: &str = "happy-epochs";
const SECRET: [u8; 32] = [7; 32];

fn signer() -> Signer {
    Signer::new(&SECRET)
}

fn key() -> String {
    Identifier(signer().public_key()).to_hex()
}

async fn signing() -> TestServer {
    let options = ApiOptions { signer: Some(signer()), ..ApiOptions::default() };
    TestServer::start_with(CHAIN, options).await.unwrap()
}

/// A server that lies in these calls, and signs it with its own key.
async fn liar(honest: &TestServer, call: Call, lie: Lie) -> (Hostile, String) {
    let (hostile, url) = Hostile::start(honest).await;
    hostile.sign(signer());
    hostile.lie(call, lie);
    (hostile, url)
}

fn another_time(evidence: &mut Evidence) {
    match evidence {
        Evidence::Checkpoint(proof) => proof.block.header.timestamp_ms += 1,
        Evidence::Hops(page) => {
            page.hops.iter_mut().for_each(|hop| hop.block.header.timestamp_ms += 1);
        }
        Evidence::Answer(proof) => proof.block.header.timestamp_ms += 1,
        Evidence::File(_) => panic!("no server sends files"),
    }
}

fn edited(edit: fn(&mut Evidence)) -> Lie {
    Arc::new(move |bytes| {
        let mut evidence = Evidence::from_bytes(&bytes).unwrap();
        edit(&mut evidence);
        Ok(evidence.to_bytes().into())
    })
}

fn at(height: u64) -> Question {
    Question { block: Selector::Height(height), topic: Topic::Snapshot }
}

/// What a client has seen of the first server once it synced over both.
async fn seen(liar: &str, honest: &TestServer) -> Misbehaviour {
    let servers = Servers::new([liar.to_owned(), honest.url()]).unwrap();
    let mut client = LightClient::start(servers, honest.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    client.prove_lies().await;
    let [lie] = client.lies() else { panic!("{:?}", client.lies()) };
    lie.misbehaviour.clone().unwrap()
}

fn finding(found: &Misbehaviour, checkpoint_id: Identifier) -> (Option<[u8; 32]>, bool) {
    match found.verify(checkpoint_id).unwrap().into_value() {
        Finding::BrokenRule { signed_by, proved, .. } => (signed_by, proved),
        other => panic!("{other:?}"),
    }
}

#[bounded::test]
async fn whoever_signs_a_lie_is_convicted_by_the_checkpoint_alone() {
    let honest = signing().await;
    for call in [Call::Checkpoint, Call::Hop, Call::Answer] {
        let (_hostile, url) = liar(&honest, call, edited(another_time)).await;
        let found = seen(&url, &honest).await;
        assert_eq!(
            finding(&found, honest.root_id),
            (Some(signer().public_key()), true),
            "{call:?}"
        );
        let bytes = found.to_bytes();
        assert_eq!(Misbehaviour::from_bytes(&bytes).unwrap(), found);
        let Act::WrongAnswer(wrong) = found.act.clone() else { panic!("{found:?}") };
        let is_proof = matches!(wrong.grounds, Grounds::Proof { .. });
        assert_eq!(is_proof, call != Call::Checkpoint);
        let with = |wrong| Misbehaviour { act: Act::WrongAnswer(Box::new(wrong)), ..found.clone() };

        // Nobody signed it.
        let unsigned = WrongAnswer { receipt: None, ..(*wrong).clone() };
        assert_eq!(finding(&with(unsigned), honest.root_id), (None, true));

        // Another signature, answer or request.
        let refused = |wrong| with(wrong).verify(honest.root_id).unwrap_err();
        let mut forged = (*wrong).clone();
        forged.receipt.as_mut().unwrap().signature[5] ^= 1;
        assert_eq!(refused(forged), MisbehaviourError::Receipt(ReceiptError::Signature));
        let other = [&wrong.answer[..], &[0]].concat();
        let other = WrongAnswer { answer: other, ..(*wrong).clone() };
        assert_eq!(refused(other), MisbehaviourError::Receipt(ReceiptError::Answer));
        let mut other = (*wrong).clone();
        if let Request::Answer(asked) = &mut other.request {
            asked.depth = Depth::Linked;
            assert_eq!(refused(other), MisbehaviourError::Receipt(ReceiptError::Request));
        }
    }
}

/// What is asked for by its hash alone needs no grounds; a proof about a tree those of its root.
#[bounded::test]
async fn lies_about_trees_and_known_blocks_are_convicted() {
    let honest = signing().await;
    let lie: Lie = Arc::new(|proof| Ok(proof.slice(1..)));
    let (_hostile, url) = liar(&honest, Call::TreeProof, lie).await;
    let servers = Servers::new([url, honest.url()]).unwrap();
    let mut client = LightClient::start(servers, honest.root_id).await.unwrap();
    let items = TreeQuestion::new([TreeItem::Table]).unwrap();
    client.ask_tree(Selector::LatestFinalized, &items).await.unwrap();
    client.prove_lies().await;
    let [lie] = client.lies() else { panic!("{:?}", client.lies()) };
    let found = lie.misbehaviour.clone().unwrap();
    assert_eq!(Misbehaviour::from_bytes(&found.to_bytes()).unwrap(), found);
    assert_eq!(finding(&found, honest.root_id), (Some(signer().public_key()), true));
    // The honest proof convicts nobody, with the same grounds.
    let Act::WrongAnswer(wrong) = found.act.clone() else { panic!("{found:?}") };
    let mut server = Server::connect(&honest.url()).await.unwrap();
    let reply = server.send(&wrong.request).await.unwrap();
    let true_one = WrongAnswer { answer: reply.bytes, receipt: reply.receipt, ..*wrong };
    let accused = Misbehaviour { act: Act::WrongAnswer(Box::new(true_one)), ..found };
    assert_eq!(accused.verify(honest.root_id), Err(MisbehaviourError::Nothing));

    let (_hostile, url) = liar(&honest, Call::Answer, edited(another_time)).await;
    let servers = Servers::new([url, honest.url()]).unwrap();
    let mut client = LightClient::start(servers, honest.root_id).await.unwrap();
    let known = honest.prover.block_at(5).unwrap().block_id;
    client.state_at_known(known).await.unwrap();
    let [lie] = client.lies() else { panic!("{:?}", client.lies()) };
    let found = lie.misbehaviour.clone().unwrap();
    assert_eq!(finding(&found, honest.root_id), (Some(signer().public_key()), true));
}

/// Also who lies in the middle of the way: grounds go as far as the client had come.
#[bounded::test]
async fn a_lie_about_later_epochs_is_convicted() {
    let options = ApiOptions { signer: Some(signer()), ..ApiOptions::default() };
    let honest = TestServer::start_with("thirty-epochs", options).await.unwrap();
    let checkpoint = honest.prover.checkpoint(honest.root_id).unwrap();
    let trusted = TrustedState::from_checkpoint(honest.root_id, &checkpoint).unwrap();
    let mut trusted = trusted.into_value();
    for hops in [1, 4] {
        let newest = trusted.newest_epoch().counter();
        let page = honest.hops(newest, &trusted.held(), hops).unwrap();
        trusted.apply_hops(&page, &Timing::at(1_798_761_600_000)).unwrap();
        let (_hostile, url) = liar(&honest, Call::Hop, edited(another_time)).await;
        let servers = Servers::new([url, honest.url()]).unwrap();
        let mut client = LightClient::resume(servers, trusted.clone());
        client.sync(|_, _| ()).await.unwrap();
        client.prove_lies().await;
        let [lie] = client.lies() else { panic!("{:?}", client.lies()) };
        let found = lie.misbehaviour.as_ref().unwrap();
        assert_eq!(finding(found, honest.root_id), (Some(signer().public_key()), true));
    }
}

#[bounded::test]
async fn a_lying_witness_is_convicted_too() {
    let honest = signing().await;
    let lie: Lie = Arc::new(|evidence| Ok(evidence.slice(1..)));
    let (_hostile, url) = liar(&honest, Call::Answer, lie).await;
    let servers = Servers::new([honest.url(), url]).unwrap();
    let mut client = LightClient::start(servers, honest.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let testimonies = client.cross_check().await.unwrap();
    let [testimony] = &testimonies[..] else { panic!("{testimonies:?}") };
    let Verdict::Rejected { misbehaviour: Some(found), .. } = &testimony.verdict else {
        panic!("{testimony:?}")
    };
    assert_eq!(finding(found, honest.root_id), (Some(signer().public_key()), true));
}

/// An honest answer with its receipt, as an accuser would show it.
async fn honest_answer(
    honest: &TestServer,
    trusted: &TrustedState,
    question: &Question,
) -> WrongAnswer {
    let mut server = Server::connect(&honest.url()).await.unwrap();
    let request = asking(question, &trusted.held(), Depth::Seal);
    let reply = server.send(&request).await.unwrap();
    let receipt = reply.receipt.unwrap();
    check_receipt(&receipt, &request, &reply.bytes).unwrap();
    assert_eq!(receipt.statement.head_id, honest.prover.head().finalized.id);
    WrongAnswer::new(request, reply.bytes, trusted).with_receipt(Some(receipt))
}

fn accuse(honest: &TestServer, wrong: WrongAnswer, seen_at_ms: u64) -> Accused {
    let act = Act::WrongAnswer(Box::new(wrong));
    let found = Misbehaviour { server: honest.url(), seen_at_ms, act };
    found.verify(honest.root_id).map(|finding| finding.into_value())
}

type Accused = Result<Finding, MisbehaviourError>;

/// Evidence of this block from the checkpoint on, and what is trusted after all of it.
async fn file_about(honest: &TestServer, block: Selector) -> (EvidenceFile, TrustedState) {
    let alone = Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start_keeping_evidence(alone, honest.root_id).await.unwrap();
    let question = Question { block, topic: Topic::Snapshot };
    let file = client.ask(&question, Depth::Finality).await.unwrap().file.unwrap();
    (file, client.trusted().clone())
}

#[bounded::test]
async fn an_honest_server_cannot_be_convicted() {
    let honest = signing().await;
    let alone = Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start(alone, honest.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let trusted = client.trusted().clone();
    let question = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    let wrong = honest_answer(&honest, &trusted, &question).await;
    let (file, _) = file_about(&honest, Selector::Id(trusted.head().block_id)).await;
    let now_ms = trusted.head().timestamp_ms + 3_600_000;
    let nothing = Err(MisbehaviourError::Nothing);
    assert_eq!(accuse(&honest, wrong.clone(), now_ms), nothing);
    let proved = wrong.clone().with_proof(file.to_bytes());
    assert_eq!(accuse(&honest, proved, now_ms), nothing);

    // A clock that is slow is nobody's fault but its owner's.
    let early_ms = honest_root(&honest).head().timestamp_ms - CLOCK_SKEW_MS_DEFAULT;
    let root = honest_root(&honest);
    let later = honest_answer(&honest, &root, &at(root.head().height + 5)).await;
    assert_eq!(accuse(&honest, later.clone(), early_ms), nothing);
    assert_eq!(accuse(&honest, later.clone(), now_ms), nothing);

    // Grounds of another head than the client's do not carry.
    let elsewhere = accuse(&honest, later.with_proof(file.to_bytes()), now_ms);
    assert_eq!(elsewhere, Err(MisbehaviourError::Grounds { what: "head" }));
}

fn honest_root(honest: &TestServer) -> TrustedState {
    let checkpoint = honest.prover.checkpoint(honest.root_id).unwrap();
    TrustedState::from_checkpoint(honest.root_id, &checkpoint).unwrap().into_value()
}

/// The request names the newest epoch: a state that knows one less would call an honest page wrong.
#[bounded::test]
async fn grounds_that_end_an_epoch_early_convict_nobody() {
    let options = ApiOptions { signer: Some(signer()), ..ApiOptions::default() };
    let honest = TestServer::start_with("thirty-epochs", options).await.unwrap();
    let now = Timing::at(1_798_761_600_000);
    let mut trusted = honest_root(&honest);
    let hops = honest.hops(trusted.newest_epoch().counter(), &trusted.held(), 3).unwrap();
    trusted.apply_hops(&hops, &now).unwrap();
    let held = trusted.held();
    let (epoch_counter, max_hops) = (held.newest_epoch_counter, MaxHops::LEFT_TO_SERVER);
    let request = Request::EpochHops(HopsRequest { epoch_counter, held, max_hops });
    let mut server = Server::connect(&honest.url()).await.unwrap();
    let reply = server.send(&request).await.unwrap();
    let wrong = WrongAnswer::new(request, reply.bytes, &trusted).with_receipt(reply.receipt);
    let head_id = trusted.head().block_id;
    let (file, _) = file_about(&honest, Selector::Id(head_id)).await;
    let with_hops = |count: usize| {
        let file = EvidenceFile { hops: file.hops[..count].to_vec(), ..file.clone() };
        accuse(&honest, wrong.clone().with_proof(file.to_bytes()), now.now_ms())
    };
    assert_eq!(with_hops(3), Err(MisbehaviourError::Nothing));
    for other in [2, 4] {
        let what = MisbehaviourError::Grounds { what: "newest epoch" };
        assert_eq!(with_hops(other), Err(what), "{other} hops");
    }
    // Nor does it help to leave out what was held.
    let Grounds::Proof { file, held } = wrong.clone().with_proof(file.to_bytes()).grounds else {
        panic!("no proof")
    };
    let mut fewer = held;
    let first = *fewer.ids().next().unwrap();
    fewer.retain(|id| *id != first);
    let mut cut = EvidenceFile::from_bytes(&file).unwrap();
    cut.hops.truncate(3);
    let grounds = Grounds::Proof { file: cut.to_bytes(), held: fewer };
    let refused = accuse(&honest, WrongAnswer { grounds, ..wrong }, now.now_ms());
    assert_eq!(refused, Err(MisbehaviourError::Grounds { what: "held preimages" }));
}

/// A client that was made to trust something else calls an honest answer wrong: that is its word.
#[bounded::test]
async fn who_trusts_what_no_checkpoint_proves_convicts_nobody() {
    let honest = signing().await;
    let alone = Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start(alone, honest.root_id).await.unwrap();
    client.sync(|_, _| ()).await.unwrap();
    let trusted = client.trusted();
    let head = *trusted.head();
    let (file, _) = file_about(&honest, Selector::Id(head.block_id)).await;
    let seen_at_ms = head.timestamp_ms + 3_600_000;
    let name = trusted.chain_id().as_bytes();
    let other_name: Vec<u8> = name.iter().rev().copied().collect();
    // Another block for the head, which an honest answer about the true one contradicts; and another
    // chain, whose blocks the honest server's are not.
    let forged_id = Identifier([9; 32]);
    for (from, to) in [(&head.block_id.0[..], &forged_id.0[..]), (name, &other_name)] {
        let bytes = trusted.to_bytes();
        let content = replaced(&bytes[..bytes.len() - 32], from, to);
        let forged = [&content[..], &sha3_256(&[&content]).0].concat();
        let forged = TrustedState::from_bytes(&forged).unwrap();
        let wrong = honest_answer(&honest, &forged, &at(head.height)).await;
        let found = accuse(&honest, wrong.clone(), seen_at_ms).unwrap();
        assert!(!found.convicts(), "{found:?}");
        assert!(matches!(found, Finding::BrokenRule { signed_by: Some(_), proved: false, .. }));
        accuse(&honest, wrong.with_proof(file.to_bytes()), seen_at_ms).unwrap_err();
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<_> =
        (0..=bytes.len() - from.len()).filter(|place| bytes[*place..].starts_with(from)).collect();
    let mut bytes = bytes.to_vec();
    places.iter().for_each(|place| bytes[*place..place + to.len()].copy_from_slice(to));
    bytes
}

#[bounded::test]
async fn a_server_known_by_its_key_has_to_sign() {
    let (honest, silent) = (signing().await, TestServer::start(CHAIN).await.unwrap());
    let known = |url: String| format!("{url}#{}", key());
    let sync = async |urls: [String; 2]| {
        let servers = Servers::new(urls).unwrap();
        let mut client = LightClient::start(servers, honest.root_id).await.unwrap();
        client.sync(|_, _| ()).await.unwrap();
        client.health().map(|(url, health)| (url.to_owned(), health)).collect::<Vec<_>>()
    };
    let health = sync([known(honest.url()), silent.url()]).await;
    assert_eq!(health, [(honest.url(), Standing::Good), (silent.url(), Standing::Untried)]);
    // One that does not sign, and one that signs with another key, give no answer.
    let other = format!("{}#{}", honest.url(), "11".repeat(32));
    for unsigned in [known(silent.url()), other] {
        let health = sync([unsigned, silent.url()]).await;
        assert!(
            matches!(&health[0].1, Standing::Resting { reason, .. } if reason.contains("receipt"))
        );
        assert_eq!(health[1].1, Standing::Good);
    }
    // A receipt for another answer is none.
    let (hostile, url) = Hostile::start(&honest).await;
    hostile.sign(Signer::new(&[8; 32]));
    let health = sync([known(url), honest.url()]).await;
    assert!(matches!(health[0].1, Standing::Resting { .. }), "{health:?}");
    // Nor is it taken without one when it is connected to again.
    let connected = Server::connect(&known(silent.url())).await.unwrap();
    let mut again = LightClient::resume(connected, honest_root(&silent));
    for _ in 0..2 {
        let error = again.ask(&at(1010), Depth::Finality).await.unwrap_err();
        assert!(matches!(error, AskError::Transport(TransportError::NoReceipt { .. })), "{error}");
    }
    let no_key = Server::connect(&format!("{}#12", honest.url())).await.unwrap_err();
    assert!(matches!(no_key, TransportError::Key { .. }), "{no_key}");
}

#[bounded::test]
async fn an_operator_makes_a_key_and_a_user_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let made = Program::Server.run(["receipt-key".as_ref(), file.as_os_str()]).await;
    made.expect(0, &[]);
    let again = Program::Server.run(["receipt-key".as_ref(), file.as_os_str()]).await;
    assert_eq!(again.stdout, made.stdout, "a key that exists stays");
    let key = made.stdout.trim();
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(secret.trim().len() == 64 && secret.trim() != key, "the key is shown, the secret not");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let data = folder.path().join("data");
    let mut server = ServerProcess::signing(&data, &chain_dir(CHAIN), &file).await.unwrap();
    server.indexed().await;
    let root = TestServer::start(CHAIN).await.unwrap().root_id;
    let sync = |server: &str| {
        let all = format!("--checkpoint {root} --server {server} sync");
        async move { Program::Client.run(all.split_whitespace()).await }
    };
    sync(&format!("{}#{key}", server.url)).await.expect(0, &[]);
    sync(&format!("{}#{}", server.url, "11".repeat(32)))
        .await
        .expect(5, &["no receipt of its key"]);
    sync(&format!("{}#{}", server.url, &key[1..])).await.expect(2, &["not a public key"]);
    std::fs::write(&file, "no key").unwrap();
    let arguments = ["receipt-key".as_ref(), file.as_os_str()];
    Program::Server.run(arguments).await.expect(1, &["is no key: 64 hexadecimal digits"]);
}
