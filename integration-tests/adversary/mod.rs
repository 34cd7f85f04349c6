//! A server that lies over a real socket: the light client names every lie, never hangs or panics,
//! and takes the honest answer afterwards as if nothing had happened.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod convictions;
pub(crate) mod proxy;
mod rules;

use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::time::timeout;
use tonic::{Code, Status};
use weir_client::sync::{AskError, LightClient, Outcome};
use weir_client::transport::{Code as Refusal, Server, TransportError};
use weir_integration_tests::programs::PATIENCE;
use weir_integration_tests::random::Xorshift;
use weir_integration_tests::{TestServer, expected};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::evidence::{
    AnswerProof, Bundle, EVIDENCE_BYTES_MAX, Evidence, EvidenceError, HopsPage, Preimages,
};
use weir_protocol::model::{EpochSetup, Identifier};
use weir_protocol::request::{Depth, Held, IdentityFilter, Question, Selector, Topic};
use weir_verifier::{AnswerValue, Missing, NotYet, Rejection, Trust, Violation};

use proxy::{Call, Hostile};

const CHAIN: &str = "happy-epochs";
const HEIGHT: u64 = 1010;
/// Some epochs after the root's.
const LATE_HEIGHT: u64 = 1080;

struct Case {
    honest: TestServer,
    hostile: Hostile,
    client: LightClient,
    url: String,
}

impl Case {
    async fn new() -> Self {
        let honest = TestServer::start(CHAIN).await.unwrap();
        let (hostile, url) = Hostile::start(&honest).await;
        let client = start(&url, honest.root_id).await.unwrap();
        Self { honest, hostile, client, url }
    }

    async fn ask(&mut self, question: &Question) -> Result<Outcome, AskError> {
        timeout(PATIENCE, self.client.ask(question, Depth::Seal)).await.unwrap()
    }

    /// Lies in every call of one kind, and says whatever comes of it.
    async fn error(
        &mut self,
        call: Call,
        question: &Question,
        lie: impl Fn(Bytes) -> Result<Bytes, Status> + Send + Sync + 'static,
    ) -> AskError {
        self.hostile.lie(call, Arc::new(lie));
        let hops = self.client.hops();
        let error = self.ask(question).await.unwrap_err();
        self.hostile.stop_lying();
        assert_eq!(self.client.hops(), hops, "a lie moved the client");
        error
    }

    async fn rejection(
        &mut self,
        call: Call,
        question: &Question,
        lie: impl Fn(Bytes) -> Result<Bytes, Status> + Send + Sync + 'static,
    ) -> Rejection {
        match self.error(call, question, lie).await {
            AskError::Rejected { rejection, .. } => rejection,
            error => panic!("not rejected: {error}"),
        }
    }

    /// The answer to a question is replaced; the honest twin passes afterwards.
    async fn answered(&mut self, question: &Question, evidence: AnswerProof) -> Rejection {
        let bytes = Bytes::from(evidence.to_bytes());
        let rejection = self.rejection(Call::Answer, question, move |_| Ok(bytes.clone())).await;
        self.ask(question).await.unwrap();
        rejection
    }

    /// Honest evidence, as the prover makes it for a client that holds nothing.
    fn evidence(&self, block: Selector, topic: Topic) -> AnswerProof {
        let held = Held {
            checkpoint_id: Some(self.honest.root_id),
            newest_epoch_counter: self.client.trusted().newest_epoch().counter(),
            ..Held::default()
        };
        let question = Question { block, topic };
        self.honest.answer(&question, &held, Depth::Seal).unwrap().evidence
    }

    /// Honest evidence about one thing, passed off as the answer to another question.
    fn passed_off(&self, block: Selector, as_answer_to: &Question) -> AnswerProof {
        let mut evidence = self.evidence(block, as_answer_to.topic.clone());
        evidence.question = as_answer_to.clone();
        evidence
    }
}

async fn start(url: &str, checkpoint_id: Identifier) -> Result<LightClient, AskError> {
    let server = timeout(PATIENCE, Server::connect(url)).await.unwrap()?;
    timeout(PATIENCE, LightClient::start(server, checkpoint_id)).await.unwrap()
}

fn snapshot(block: Selector) -> Question {
    Question { block, topic: Topic::Snapshot }
}

fn violation(rejection: Rejection) -> Violation {
    match rejection {
        Rejection::Invalid(violation) => (*violation).clone(),
        rejection => panic!("not invalid: {rejection}"),
    }
}

#[track_caller]
fn not_yet(rejection: Rejection) -> NotYet {
    match rejection {
        Rejection::NotYet(not_yet) => not_yet,
        rejection => panic!("not unproved: {rejection}"),
    }
}

#[track_caller]
fn missing(rejection: Rejection) -> Missing {
    match rejection {
        Rejection::Missing(missing) => missing,
        rejection => panic!("not missing: {rejection}"),
    }
}

/// The same evidence with one node less in every setup of its first bundle.
fn without_a_node(evidence: &Bytes, held: &Preimages) -> Bytes {
    let mut evidence = Evidence::from_bytes(evidence).unwrap();
    let bundle = match &mut evidence {
        Evidence::Checkpoint(proof) => &mut proof.bundle,
        Evidence::Hops(page) => &mut page.hops[0].bundle,
        Evidence::Answer(proof) => &mut proof.bundle,
        Evidence::File(file) => &mut file.answer.bundle,
    };
    let honest = bundle.expand(&[held]).unwrap();
    let mut preimages = Preimages::default();
    let mut changed = false;
    for id in honest.ids() {
        let bytes = honest.get(id).unwrap();
        match EpochSetup::decode(&mut Decoder::new(bytes)) {
            Ok(mut setup) => {
                setup.participants.pop();
                preimages.insert(setup.to_rlp());
                changed = true;
            }
            Err(_) => _ = preimages.insert(bytes.to_vec()),
        }
    }
    assert!(changed, "no setup to change");
    *bundle = Bundle::whole(preimages);
    evidence.to_bytes().into()
}

#[bounded::test]
async fn another_block_height_or_question_is_named() {
    let mut case = Case::new().await;
    let id = |case: &Case, height| {
        case.evidence(Selector::Height(height), Topic::Snapshot).block.header.id()
    };
    let (here, there) = (id(&case, HEIGHT), id(&case, HEIGHT + 1));
    let question = snapshot(Selector::Id(here));
    let evidence = case.passed_off(Selector::Id(there), &question);
    let found = violation(case.answered(&question, evidence).await);
    assert_eq!(found, Violation::AnotherBlock { expected: here, found: there });

    let question = snapshot(Selector::Height(HEIGHT));
    let evidence = case.passed_off(Selector::Height(HEIGHT + 1), &question);
    let found = violation(case.answered(&question, evidence).await);
    assert_eq!(found, Violation::AnotherHeight { expected: HEIGHT, found: HEIGHT + 1 });

    // An honest answer to an older request.
    let older = case.evidence(Selector::Height(HEIGHT - 1), Topic::Snapshot);
    let found = violation(case.answered(&question, older).await);
    assert_eq!(found, Violation::AnotherQuestion);
}

#[bounded::test]
async fn another_node_or_a_narrower_filter_is_named() {
    let mut case = Case::new().await;
    let block = Selector::Height(HEIGHT);
    let all = Question { block, topic: Topic::Identities(IdentityFilter::default()) };
    let nodes = match case.ask(&all).await.unwrap().answer.into_value().value {
        AnswerValue::Identities(nodes) => nodes,
        value => panic!("{value:?}"),
    };
    let topic = |index: usize| Topic::Identity(nodes[index].skeleton.node_id);
    let first = Question { block, topic: topic(0) };
    let found = violation(case.answered(&first, case.evidence(block, topic(1))).await);
    assert_eq!(found, Violation::AnotherQuestion);
    let some = IdentityFilter {
        node_ids: nodes[1..].iter().map(|node| node.skeleton.node_id).collect(),
        ..IdentityFilter::default()
    };
    let narrower = case.evidence(block, Topic::Identities(some.clone()));
    let found = violation(case.answered(&all, narrower).await);
    assert_eq!(found, Violation::AnotherQuestion);
    // The table is derived whole, so the same evidence under the right name is the right answer.
    let mut evidence = case.evidence(block, Topic::Identities(some));
    evidence.question = all.clone();
    let bytes = Bytes::from(evidence.to_bytes());
    case.hostile.lie(Call::Answer, Arc::new(move |_| Ok(bytes.clone())));
    let answer = case.ask(&all).await.unwrap().answer;
    assert!(matches!(&answer.value, AnswerValue::Identities(table) if *table == nodes));
}

#[bounded::test]
async fn a_node_left_out_leaves_a_preimage_missing() {
    let mut case = Case::new().await;
    let held = case.client.trusted().preimages().clone();
    let lie = move |evidence: Bytes| Ok(without_a_node(&evidence, &held));
    let late = Question {
        block: Selector::Height(LATE_HEIGHT),
        topic: Topic::Identities(IdentityFilter::default()),
    };
    let found = missing(case.rejection(Call::Hop, &late, lie.clone()).await);
    assert!(matches!(found, Missing::Preimage { what: "epoch setup", .. }), "{found}");

    let url = case.url.clone();
    case.hostile.lie(Call::Checkpoint, Arc::new(lie));
    let error = start(&url, case.honest.root_id).await.unwrap_err();
    let AskError::Rejected { rejection, .. } = error else { panic!("{error}") };
    let found = missing(rejection);
    assert!(matches!(found, Missing::Preimage { what: "epoch setup", .. }), "{found}");
    case.hostile.stop_lying();
    start(&url, case.honest.root_id).await.unwrap();
    case.ask(&late).await.unwrap();
}

#[bounded::test]
async fn a_status_too_high_is_not_enough() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::LatestSealed);
    case.ask(&question).await.unwrap();
    let unsealed = case.passed_off(Selector::LatestFinalized, &question);
    let found = case.answered(&question, unsealed).await;
    assert!(matches!(found, Rejection::NotYet(NotYet::Seal { .. })), "{found}");

    // A certified orphan, passed off as the final block of its height.
    let blocks = expected(CHAIN).unwrap();
    let orphan = blocks.iter().find(|block| {
        let is_parent = blocks.iter().any(|child| child["parent_id"] == block["block_id"]);
        block["finalized"] == false && is_parent && block["epoch_counter"] == 7
    });
    let orphan = orphan.unwrap();
    let question = snapshot(Selector::Height(orphan["height"].as_u64().unwrap()));
    let orphan_id = orphan["block_id"].as_str().unwrap().parse().unwrap();
    let certified = case.passed_off(Selector::Id(orphan_id), &question);
    let found = case.answered(&question, certified).await;
    let NotYet::Finality { block_id, .. } = not_yet(found) else { panic!("not about finality") };
    assert_eq!(block_id, orphan_id);
    let outcome = case.ask(&snapshot(Selector::Id(orphan_id))).await.unwrap();
    assert_eq!(outcome.answer.trust, Trust::Certified);
}

#[bounded::test]
async fn hops_that_lead_elsewhere_or_nowhere_are_rejected() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(LATE_HEIGHT));
    let hop = |case: &Case, counter| case.honest.hops(counter, &Held::default(), 1).unwrap();
    let send = |evidence: HopsPage| {
        let bytes = Bytes::from(evidence.to_bytes());
        move |_| Ok(bytes.clone())
    };
    let skipping = send(hop(&case, 8));
    let found = case.rejection(Call::Hop, &question, skipping).await;
    assert!(matches!(found, Rejection::Invalid(_)), "{found}");
    let found = case.rejection(Call::Hop, &question, send(HopsPage::default())).await;
    assert_eq!(missing(found), Missing::LaterEpoch { newest_known: 7 });
    let mut uncertified = hop(&case, 7);
    uncertified.hops[0].block.qc = None;
    let found = case.rejection(Call::Hop, &question, send(uncertified)).await;
    assert!(matches!(found, Rejection::NotYet(NotYet::Certificate { .. })), "{found}");
    assert_eq!(case.ask(&question).await.unwrap().answer.height, LATE_HEIGHT);
}

#[bounded::test]
async fn garbage_is_no_evidence_in_any_call() {
    let mut case = Case::new().await;
    let early = snapshot(Selector::Height(HEIGHT));
    let late = snapshot(Selector::Height(LATE_HEIGHT));
    for (call, question) in [(Call::Answer, &early), (Call::Hop, &late)] {
        for garbage in [&b""[..], b"\x00", b"\xc0", b"hello", &[0xff; 4096]] {
            let lie = move |_| Ok(Bytes::from_static(garbage));
            let found = violation(case.rejection(call, question, lie).await);
            assert_eq!(found, Violation::Evidence(EvidenceError::NotEvidence), "{garbage:?}");
        }
        let cut = |evidence: Bytes| Ok(evidence.slice(..evidence.len() - 1));
        let found = violation(case.rejection(call, question, cut).await);
        assert!(matches!(found, Violation::Evidence(EvidenceError::Malformed(_))), "{found}");
        let more = |evidence: Bytes| Ok([&evidence[..], b"\x80"].concat().into());
        let found = violation(case.rejection(call, question, more).await);
        assert!(matches!(found, Violation::Evidence(EvidenceError::Malformed(_))), "{found}");
    }
    let nothing = |_| Ok(HopsPage::default().to_bytes().into());
    let found = violation(case.rejection(Call::Answer, &early, nothing).await);
    let another = EvidenceError::Another { expected: "an answer", found: "epoch hops" };
    assert_eq!(found, Violation::Evidence(another));
    case.ask(&early).await.unwrap();
    case.ask(&late).await.unwrap();
}

#[bounded::test]
async fn bits_flipped_on_the_way_are_never_believed() {
    const SEED: u64 = 0x5eed_0004;
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(HEIGHT));
    // Asked twice, so that both answers are anchored in the client's head.
    case.ask(&question).await.unwrap();
    let honest = case.ask(&question).await.unwrap().answer;
    let mut random = Xorshift::new(SEED);
    for round in 0..100 {
        let (place, bit) = (random.below(u64::MAX), random.below(8));
        let lie = move |evidence: Bytes| {
            let mut bytes = evidence.to_vec();
            let at = usize::try_from(place % bytes.len() as u64).unwrap();
            bytes[at] ^= 1 << bit;
            Ok(bytes.into())
        };
        let error = case.error(Call::Answer, &question, lie).await;
        assert!(matches!(error, AskError::Rejected { .. }), "seed {SEED:#x}, {round}: {error}");
    }
    assert_eq!(case.ask(&question).await.unwrap().answer, honest);
}

#[bounded::test]
async fn evidence_of_another_chain_is_rejected() {
    let mut case = Case::new().await;
    let other = TestServer::start("ejection").await.unwrap();
    let question = snapshot(Selector::Height(HEIGHT));
    let held = Held::default();
    let foreign = other.answer(&question, &held, Depth::Seal).unwrap().evidence;
    let found = violation(case.answered(&question, foreign).await);
    assert!(matches!(found, Violation::EpochSetup { .. }), "{found}");

    let checkpoint = Bytes::from(other.prover.checkpoint(other.root_id).unwrap().to_bytes());
    let lie = move |_| Ok(checkpoint.clone());
    case.hostile.lie(Call::Checkpoint, Arc::new(lie));
    let error = start(&case.url, case.honest.root_id).await.unwrap_err();
    let AskError::Rejected { rejection, .. } = error else { panic!("{error}") };
    let (expected, found) = (case.honest.root_id, other.root_id);
    assert_eq!(violation(rejection), Violation::CheckpointId { expected, found });
}

#[bounded::test]
async fn messages_too_large_are_not_read() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(HEIGHT));
    let sized = |length: usize| move |_| Ok(Bytes::from(vec![0; length]));
    let found = case.rejection(Call::Answer, &question, sized(EVIDENCE_BYTES_MAX + 1)).await;
    let found = violation(found);
    let too_large = EvidenceError::TooLarge { found: EVIDENCE_BYTES_MAX + 1 };
    assert_eq!(found, Violation::Evidence(too_large));
    let error = case.error(Call::Answer, &question, sized(EVIDENCE_BYTES_MAX + 2048)).await;
    let AskError::Transport(TransportError::Refused { code, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(*code, Refusal::OutOfRange, "{error}");
    case.ask(&question).await.unwrap();
}

#[bounded::test]
async fn refusals_are_reported_as_they_are() {
    let mut case = Case::new().await;
    let question = snapshot(Selector::Height(HEIGHT));
    for (code, expected) in [
        (Code::NotFound, Refusal::NotFound),
        (Code::Internal, Refusal::Internal),
        (Code::DataLoss, Refusal::DataLoss),
        (Code::Unauthenticated, Refusal::Unauthenticated),
    ] {
        let lie = move |_| Err(Status::new(code, "no"));
        let error = case.error(Call::Answer, &question, lie).await;
        let AskError::Transport(TransportError::Refused { code: found, message, .. }) = &error
        else {
            panic!("{error}")
        };
        assert_eq!((*found, &message[..]), (expected, "no"));
    }
    case.ask(&question).await.unwrap();
}
