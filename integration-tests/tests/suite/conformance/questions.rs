//! Answers to other questions, and options that the prover chose itself.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::evidence::{AnswerProof, Bundle, HopsPage, Preimages};
use weir_protocol::model::{EpochSetup, Identifier, Role};
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::request::Depth;
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};

use super::chain::{Chain, about, changed, snapshot};
use super::group::Cases;

pub(super) fn group(chain: &Chain) -> Group {
    let about = "An answer is bound to the question: block, topic, filter, and nothing left out.";
    let mut cases = Cases::new("questions", about);
    blocks(&mut cases, chain);
    topics(&mut cases, chain);
    tables(&mut cases, chain);
    cases.finish()
}

/// Honest evidence about one thing, passed off as the answer to another question.
fn passed_off(evidence: &AnswerProof, as_answer_to: &Question) -> AnswerProof {
    changed(evidence, |answer| answer.question = as_answer_to.clone())
}

fn blocks(cases: &mut Cases, chain: &Chain) {
    let trusted = &chain.root;
    let evidence = |question: &Question| chain.evidence(trusted, question, Depth::Finality);
    let question = snapshot(1010);
    let honest = evidence(&question);
    let task = cases.answer(trusted, &question, &honest);
    cases.honest("by-height", "The final block of a height.", task);
    let other = evidence(&snapshot(1011));
    let task = cases.answer(trusted, &question, &other);
    cases.lie(
        ("older-request", "AnotherQuestion", "An answer to a request for another height."),
        task,
    );
    let task = cases.answer(trusted, &question, &passed_off(&other, &question));
    cases.lie(("another-height", "AnotherHeight", "The block of another height."), task);
    let task = cases.answer_bytes(trusted, &question, &HopsPage::default().to_bytes());
    cases.lie(("no-answer", "Evidence", "A page of no hops instead of an answer."), task);
    let checkpoint = chain.server.prover.checkpoint(chain.server.root_id).unwrap();
    let task = cases.answer_bytes(trusted, &question, &checkpoint.to_bytes());
    cases.lie(("checkpoint-for-an-answer", "Evidence", "A checkpoint instead of an answer."), task);
    let latest = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    let task = cases.answer(trusted, &question, &passed_off(&honest, &latest));
    let what = "The server chose the block itself.";
    cases.lie(("latest-for-a-height", "AnotherQuestion", what), task);

    let question = Question { block: Selector::Id(chain.block_id(1010)), topic: Topic::Snapshot };
    let honest = evidence(&question);
    let task = cases.answer(trusted, &question, &honest);
    cases.honest("by-id", "The block of an ID.", task);
    let task = cases.answer(trusted, &question, &passed_off(&other, &question));
    cases.lie(("another-block", "AnotherBlock", "Another final block."), task);
}

fn topics(cases: &mut Cases, chain: &Chain) {
    let trusted = &chain.root;
    let question = about(1010, Topic::Epoch(EpochName::Current));
    let honest = chain.evidence(trusted, &question, Depth::Finality);
    let task = cases.answer(trusted, &question, &honest);
    cases.honest("current-epoch", "The current epoch.", task);
    let next = about(1010, Topic::Epoch(EpochName::Next));
    let task = cases.answer(trusted, &next, &honest);
    cases.lie(("another-epoch", "AnotherQuestion", "The current epoch instead of the next."), task);
    let task = cases.answer(trusted, &next, &passed_off(&honest, &next));
    cases.lie(("no-such-epoch", "Epoch", "There is no next epoch at the block yet."), task);
    let topics = [
        ("seal-for-an-epoch", Topic::Seal),
        ("result-for-an-epoch", Topic::ExecutionResult),
        ("snapshot-for-an-epoch", Topic::Snapshot),
        ("node-for-an-epoch", Topic::Identity(Identifier([1; 32]))),
    ];
    for (name, topic) in topics {
        let task = cases.answer(trusted, &question, &passed_off(&honest, &about(1010, topic)));
        cases.lie((name, "AnotherQuestion", "Another topic than the one asked for."), task);
    }
}

/// The same evidence without a node in every setup, as far as it comes with setups.
fn without_a_node(evidence: &AnswerProof) -> AnswerProof {
    let mut preimages = Preimages::default();
    for id in evidence.bundle.preimages.ids() {
        let bytes = evidence.bundle.preimages.get(id).unwrap();
        match EpochSetup::decode(&mut Decoder::new(bytes)) {
            Ok(mut setup) => {
                setup.participants.pop();
                preimages.insert(setup.to_rlp());
            }
            Err(_) => _ = preimages.insert(bytes.to_vec()),
        }
    }
    AnswerProof { bundle: Bundle::whole(preimages), ..evidence.clone() }
}

/// For a client that holds nothing but the block's ID.
fn tables(cases: &mut Cases, chain: &Chain) {
    let block_id = chain.block_id(1010);
    let about = |topic| Question { block: Selector::Id(block_id), topic };
    let whole = |topic| chain.whole(&about(topic), Depth::KnownBlock);
    let all = about(Topic::Identities(IdentityFilter::default()));
    let task = cases.known_block(block_id, &all, &whole(all.topic.clone()));
    cases.honest("all-nodes", "The whole identity table.", task);
    let task = cases.known_block(block_id, &all, &without_a_node(&whole(all.topic.clone())));
    cases.lie(("node-left-out", "Preimage", "A setup without one of its nodes."), task);
    let some = IdentityFilter::default;
    let narrower = [
        ("one-role", IdentityFilter { roles: [Role::Consensus].into(), ..some() }),
        ("one-status", IdentityFilter { statuses: [ParticipationStatus::Active].into(), ..some() }),
        ("one-node", IdentityFilter { node_ids: [Identifier([1; 32])].into(), ..some() }),
    ];
    for (name, filter) in narrower {
        let task = cases.known_block(block_id, &all, &whole(Topic::Identities(filter)));
        cases.lie((name, "AnotherQuestion", "The server narrowed the filter."), task);
    }
    let absent = about(Topic::Identity(Identifier([9; 32])));
    let evidence = whole(absent.topic.clone());
    let task = cases.known_block(block_id, &absent, &evidence);
    cases.honest("absent-node", "A node that the table does not have.", task);
    let task = cases.known_block(block_id, &absent, &without_a_node(&evidence));
    let what = "Absence from a table without one of its nodes.";
    cases.lie(("absent-from-a-part", "Preimage", what), task);
    let other = whole(Topic::Identity(Identifier([8; 32])));
    let task = cases.known_block(block_id, &absent, &other);
    cases.lie(("absence-of-another", "AnotherQuestion", "Absence of another node."), task);
}
