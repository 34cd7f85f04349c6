//! Receipts: who signs a lie is shown to have told it, and who is honest cannot be accused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use weir_client::sync::{LightClient, Verdict};
use weir_client::transport::{Health, Request, Server, Servers, TransportError};
use weir_integration_tests::programs::{Program, ServerProcess};
use weir_integration_tests::{TestServer, chain_dir};
use weir_proto::weir::v1::Proof;
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{Evidence, Question, ReceiptRequest, Selector, Topic};
use weir_protocol::model::Identifier;
use weir_server::api::{ApiOptions, Signer};
use weir_verifier::{
    Act, Asked, CLOCK_SKEW_MS_DEFAULT, Finding, Misbehaviour, MisbehaviourError, ReceiptError,
    Timing, TrustedState, Violation, check_receipt,
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
    let hops = evidence.hops.iter_mut().map(|hop| &mut hop.block);
    for block in hops.chain(evidence.answer.iter_mut().map(|answer| &mut answer.block)) {
        block.header.timestamp_ms += 1;
    }
    if let Some(checkpoint) = &mut evidence.checkpoint {
        checkpoint.header.timestamp_ms += 1;
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
        let Act::WrongAnswer { asked, answer, receipt, grounds } = found.act.clone() else {
            panic!("{found:?}")
        };
        assert_eq!(grounds.is_some(), call != Call::Checkpoint);
        let with = |act| Misbehaviour { act, ..found.clone() };

        // Nobody signed it, or nothing shows what was trusted.
        let unsigned = Act::WrongAnswer {
            asked: asked.clone(),
            answer: answer.clone(),
            receipt: None,
            grounds,
        };
        assert_eq!(finding(&with(unsigned), honest.root_id), (None, true));
        let groundless = Act::WrongAnswer {
            asked: asked.clone(),
            answer: answer.clone(),
            receipt: receipt.clone(),
            grounds: None,
        };
        let proved = call == Call::Checkpoint;
        assert_eq!(finding(&with(groundless), honest.root_id).1, proved);

        // Another signature, answer or request.
        let refused = |act| with(act).verify(honest.root_id).unwrap_err();
        let mut forged = receipt.clone().unwrap();
        forged.signature[5] ^= 1;
        let act = Act::WrongAnswer {
            asked: asked.clone(),
            answer: answer.clone(),
            receipt: Some(forged),
            grounds: None,
        };
        assert_eq!(refused(act), MisbehaviourError::Receipt(ReceiptError::Signature));
        let other = [&answer[..], &[0]].concat();
        let act = Act::WrongAnswer {
            asked: asked.clone(),
            answer: other,
            receipt: receipt.clone(),
            grounds: None,
        };
        assert_eq!(refused(act), MisbehaviourError::Receipt(ReceiptError::Answer));
        if let Asked::Question { trusted, question, proof } = asked {
            let asked = Asked::Question { trusted, question, proof: proof + 1 };
            let act = Act::WrongAnswer { asked, answer, receipt, grounds: None };
            assert_eq!(refused(act), MisbehaviourError::Receipt(ReceiptError::Request));
        }
    }
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
        let page = honest.prover.hops(newest, &trusted.held(), hops).unwrap();
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
async fn honest_answer(honest: &TestServer, trusted: &TrustedState, question: &Question) -> Act {
    let mut server = Server::connect(&honest.url()).await.unwrap();
    let (held, proof) = (trusted.held(), 1);
    let reply = server.ask(question, &held, Proof::Sealed).await.unwrap();
    let receipt = reply.receipt.unwrap();
    let request = ReceiptRequest::Question { question, held: &held, proof };
    check_receipt(&receipt, &request, &reply.bytes).unwrap();
    assert_eq!(receipt.statement.head_id, honest.prover.head().finalized.id);
    let asked = Asked::Question { trusted: trusted.to_bytes(), question: question.clone(), proof };
    let receipt = Some(Box::new(receipt));
    Act::WrongAnswer { asked, answer: reply.bytes, receipt, grounds: None }
}

#[bounded::test]
async fn an_honest_server_cannot_be_convicted() {
    let honest = signing().await;
    let alone = || Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start_keeping_evidence(alone(), honest.root_id).await.unwrap();
    let grounds = client.sync(|_, _| ()).await.unwrap().evidence.to_bytes();
    let question = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    let trusted = client.trusted().clone();
    let act = honest_answer(&honest, &trusted, &question).await;
    let accuse = |act: &Act, seen_at_ms, grounds: Option<&Vec<u8>>| {
        let mut act = act.clone();
        if let Act::WrongAnswer { grounds: place, .. } = &mut act {
            *place = grounds.cloned();
        }
        Misbehaviour { server: honest.url(), seen_at_ms, act }.verify(honest.root_id)
    };
    let now_ms = trusted.head().timestamp_ms + 3_600_000;
    assert_eq!(accuse(&act, now_ms, None), Err(MisbehaviourError::Nothing));
    assert_eq!(accuse(&act, now_ms, Some(&grounds)), Err(MisbehaviourError::Nothing));

    // A clock that is slow makes an honest answer one from the future: nobody else is to blame.
    let begun = LightClient::start(alone(), honest.root_id).await.unwrap();
    let early_ms = begun.trusted().head().timestamp_ms - CLOCK_SKEW_MS_DEFAULT;
    let act = honest_answer(&honest, begun.trusted(), &at(begun.trusted().head().height + 5)).await;
    let found = accuse(&act, early_ms, None).unwrap().into_value();
    assert!(matches!(found, Finding::BrokenRule { signed_by: Some(_), proved: false, .. }));
    assert_eq!(accuse(&act, now_ms, None), Err(MisbehaviourError::Nothing));

    // Grounds of another head than the client's do not carry.
    let elsewhere = accuse(&act, early_ms, Some(&grounds)).unwrap_err();
    assert!(
        matches!(elsewhere, MisbehaviourError::Grounds { .. } | MisbehaviourError::Evidence(_)),
        "{elsewhere}"
    );
}

/// A client that was made to trust something else calls an honest answer wrong.
#[bounded::test]
async fn who_trusts_what_no_checkpoint_proves_convicts_nobody() {
    let honest = signing().await;
    let alone = || Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start_keeping_evidence(alone(), honest.root_id).await.unwrap();
    let grounds = client.sync(|_, _| ()).await.unwrap().evidence.to_bytes();
    let trusted = client.trusted();
    // Another block for the head: an honest answer about the true one contradicts it.
    let (head, forged_id) = (*trusted.head(), Identifier([9; 32]));
    let bytes = trusted.to_bytes();
    let content = replaced(&bytes[..bytes.len() - 32], &head.block_id.0, &forged_id.0);
    let bytes = [&content[..], &sha3_256(&[&content]).0].concat();
    let forged = TrustedState::from_bytes(&bytes).unwrap();
    assert_eq!(forged.head().block_id, forged_id);
    let mut server = Server::connect(&honest.url()).await.unwrap();
    let (question, held) = (at(head.height), forged.held());
    let reply = server.ask(&question, &held, Proof::Sealed).await.unwrap();
    let asked = Asked::Question { trusted: bytes, question, proof: 1 };
    let receipt = reply.receipt.map(Box::new);
    let seen_at_ms = head.timestamp_ms + 3_600_000;
    let accuse = |grounds| {
        let (asked, answer, receipt) = (asked.clone(), reply.bytes.clone(), receipt.clone());
        let act = Act::WrongAnswer { asked, answer, receipt, grounds };
        Misbehaviour { server: honest.url(), seen_at_ms, act }.verify(honest.root_id)
    };
    let found = accuse(None).unwrap().into_value();
    assert!(matches!(found, Finding::BrokenRule { signed_by: Some(_), proved: false, .. }));
    let unproved = accuse(Some(grounds)).unwrap_err();
    assert_eq!(unproved, MisbehaviourError::Grounds { head_id: forged_id });
}

/// What the grounds show counts, not what the accuser's state shows.
#[bounded::test]
async fn an_invented_state_does_not_hide_that_the_clock_is_to_blame() {
    let honest = signing().await;
    let alone = Servers::new([honest.url()]).unwrap();
    let mut client = LightClient::start_keeping_evidence(alone, honest.root_id).await.unwrap();
    let trusted = client.trusted().clone();
    let checkpoint = Question { block: Selector::Id(honest.root_id), topic: Topic::Snapshot };
    let outcome = client.ask(&checkpoint, Proof::Unspecified).await.unwrap();
    let grounds = Some(outcome.evidence.to_bytes());
    let early_ms = trusted.head().timestamp_ms - CLOCK_SKEW_MS_DEFAULT;

    // Of another chain, whose blocks the honest server's are not.
    let name = trusted.chain_id().as_bytes();
    let other: Vec<u8> = name.iter().rev().copied().collect();
    let bytes = trusted.to_bytes();
    let content = replaced(&bytes[..bytes.len() - 32], name, &other);
    let forged = [&content[..], &sha3_256(&[&content]).0].concat();
    let forged = TrustedState::from_bytes(&forged).unwrap();
    let mut rules = Vec::new();
    for trusted in [&trusted, &forged] {
        let mut act = honest_answer(&honest, trusted, &at(trusted.head().height + 5)).await;
        if let Act::WrongAnswer { grounds: place, .. } = &mut act {
            place.clone_from(&grounds);
        }
        let found = Misbehaviour { server: honest.url(), seen_at_ms: early_ms, act };
        let found = found.verify(honest.root_id).unwrap().into_value();
        let Finding::BrokenRule { rule, signed_by: Some(_), proved: false } = found else {
            panic!("{found:?}")
        };
        rules.push(*rule);
    }
    assert!(matches!(rules[0], Violation::FromTheFuture { .. }), "{rules:?}");
    assert!(!matches!(rules[1], Violation::FromTheFuture { .. }), "{rules:?}");
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
        client.health().map(|(url, health)| (url.to_owned(), health.clone())).collect::<Vec<_>>()
    };
    let health = sync([known(honest.url()), silent.url()]).await;
    assert_eq!(health, [(honest.url(), Health::Good), (silent.url(), Health::Untried)]);
    // One that does not sign, and one that signs with another key, give no answer.
    let other = format!("{}#{}", honest.url(), "11".repeat(32));
    for unsigned in [known(silent.url()), other] {
        let health = sync([unsigned, silent.url()]).await;
        assert!(
            matches!(&health[0].1, Health::Unreachable { message } if message.contains("receipt"))
        );
        assert_eq!(health[1].1, Health::Good);
    }
    // A receipt for another answer is none.
    let (hostile, url) = Hostile::start(&honest).await;
    hostile.sign(Signer::new(&[8; 32]));
    let health = sync([known(url), honest.url()]).await;
    assert!(matches!(health[0].1, Health::Unreachable { .. }), "{health:?}");
    // Nor is it taken without one when it is connected to again.
    let connected = Server::connect(&known(silent.url())).await.unwrap();
    let mut again = Servers::from(connected);
    for _ in 0..2 {
        let reply = again.send(&Request::Checkpoint { block_id: silent.root_id }).await;
        assert!(matches!(reply, Err(TransportError::NoReceipt { .. })), "{reply:?}");
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
    sync(&format!("{}#{}", server.url, &key[1..])).await.expect(5, &["not a public key"]);
    std::fs::write(&file, "no key").unwrap();
    let arguments = ["receipt-key".as_ref(), file.as_os_str()];
    Program::Server.run(arguments).await.expect(1, &["is no key: 64 hexadecimal digits"]);
}
