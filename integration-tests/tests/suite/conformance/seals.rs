//! Seals: what a final payload holds, at which position, and what it makes of a block.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, LastSealedProof};
use weir_protocol::merkle;
use weir_protocol::model::Identifier;
use weir_protocol::request::Depth;
use weir_protocol::request::{Question, Selector, Topic};
use weir_verifier::TrustedState;

use super::chain::{Chain, about, changed, snapshot};
use super::forge::Forge;
use super::group::{Cases, Lie};
use super::rlp::{bytes, edit, items, list};

pub(super) fn group(chain: &Chain, forge: &Forge) -> Group {
    let about = "A seal counts where a final payload holds it, for the block it names.";
    let mut cases = Cases::new("seals", about);
    inclusion(&mut cases, chain);
    shapes(&mut cases, chain);
    status(&mut cases, chain);
    last_sealed(&mut cases, chain);
    forged(&mut cases, forge);
    cases.finish()
}

struct Lies<'a> {
    cases: &'a mut Cases,
    trusted: &'a TrustedState,
    question: Question,
    honest: AnswerProof,
}

impl<'a> Lies<'a> {
    fn about(
        cases: &'a mut Cases,
        (name, what): (&str, &str),
        chain: &'a Chain,
        question: Question,
    ) -> Self {
        let trusted = &chain.root;
        let honest = chain.evidence(trusted, &question, Depth::Seal);
        let task = cases.answer(trusted, &question, &honest);
        cases.honest(name, what, task);
        Self { cases, trusted, question, honest }
    }

    fn lie(&mut self, lie: Lie<'_>, change: impl FnOnce(&mut AnswerProof)) {
        let task = self.cases.answer(self.trusted, &self.question, &changed(&self.honest, change));
        self.cases.lie(lie, task);
    }
}

/// A block whose seal shares its payload with others.
fn with_company(chain: &Chain) -> u64 {
    let of = |height| chain.evidence(&chain.root, &snapshot(height), Depth::Seal);
    let found = (1002..1020).find(|height| {
        let proof = of(*height).seal.map(|seal| seal.proof.sibling_hashes());
        proof.is_some_and(|siblings| !siblings.is_empty())
    });
    found.expect("a payload with several seals")
}

fn inclusion(cases: &mut Cases, chain: &Chain) {
    let question = snapshot(with_company(chain));
    let what = "A block sealed in a payload with several seals.";
    let mut lies = Lies::about(cases, ("sealed", what), chain, question);
    let rule = "SealInclusion";
    let what = "Another position.";
    lies.lie(("position-after", rule, what), |answer| answer.seal.as_mut().unwrap().index += 1);
    lies.lie(("position-at-the-end", rule, what), |answer| {
        answer.seal.as_mut().unwrap().index = u64::MAX;
    });
    lies.lie(("seal-changed", rule, "Another execution state."), |answer| {
        answer.seal.as_mut().unwrap().seal.final_state.0[0] ^= 1;
    });
    lies.lie(("approval-left-out", rule, "An approval is left out."), |answer| {
        _ = answer.seal.as_mut().unwrap().seal.aggregated_approval_sigs.pop();
    });
    let of = |height| chain.evidence(&chain.root, &snapshot(height), Depth::Seal);
    let other = of(1020).seal.unwrap();
    let proof = other.proof.clone();
    lies.lie(("proof-of-another-seal", rule, "The proof of another seal."), |answer| {
        answer.seal.as_mut().unwrap().proof = proof;
    });
    let what = "The seal of another block, with its own proof.";
    lies.lie(("seal-of-another-block", "SealedBlock", what), |answer| answer.seal = Some(other));
    lies.lie(("seal-of-no-block", "SealedBlock", "A seal of no block."), |answer| {
        answer.seal.as_mut().unwrap().seal.block_id = Identifier::ZERO;
    });
    lies.lie(("sealed-by-itself", "SealOrder", "The block is said to seal itself."), |answer| {
        answer.seal.as_mut().unwrap().block = answer.block.clone();
    });
    let earlier = of(1001).block;
    let what = "An earlier block is said to seal it.";
    lies.lie(("sealed-before", "SealOrder", what), |answer| {
        answer.seal.as_mut().unwrap().block = earlier;
    });
    let what = "Another seals root than the payload hash stands for.";
    lies.lie(("another-seals-root", "PayloadHash", what), |answer| {
        let seal = answer.seal.as_mut().unwrap();
        seal.block.roots.as_mut().unwrap().seals_root = merkle::root(&[seal.seal.id()]);
    });
    let what = "The sealing block is not the certified one.";
    lies.lie(("sealing-block-changed", "HeaderLink", what), |answer| {
        answer.seal.as_mut().unwrap().block.header.timestamp_ms += 1;
    });
}

/// Merkle proofs that are none, inside evidence.
fn shapes(cases: &mut Cases, chain: &Chain) {
    let question = snapshot(with_company(chain));
    let honest = chain.evidence(&chain.root, &question, Depth::Seal).to_bytes();
    let task = cases.answer_bytes(&chain.root, &question, &honest);
    cases.honest("proof", "A Merkle proof of the only right shape.", task);
    let path = [5, 2, 3];
    let mut lie = |name, what, change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let changed = edit(&honest, &path, |item| {
            let proof = weir_protocol::codec::rlp::Decoder::new(item).bytes().unwrap().to_vec();
            let mut parts = items(&proof);
            change(&mut parts);
            bytes(&list(&parts))
        });
        let task = cases.answer_bytes(&chain.root, &question, &changed);
        cases.lie((name, "Evidence", what), task);
    };
    lie("proof-with-a-sibling-more", "A sibling that no node uses.", &|parts| {
        parts[2] = list(&[items(&parts[2]), vec![bytes(&[7; 32])]].concat());
    });
    lie("proof-with-a-sibling-less", "A sibling is missing.", &|parts| {
        parts[2] = list(&items(&parts[2])[1..]);
    });
    lie("proof-without-nodes", "A leaf in place of a node.", &|parts| {
        *parts = vec![bytes(&[]), list(&[]), list(&[])];
    });
    lie("proof-with-padding", "A node type behind the last node.", &|parts| {
        let types = weir_protocol::codec::rlp::Decoder::new(&parts[0]).bytes().unwrap().to_vec();
        parts[0] = bytes(&[&types[..], &[0]].concat());
    });
    lie("proof-with-a-part-more", "A proof has three parts.", &|parts| parts.push(bytes(&[])));
}

fn status(cases: &mut Cases, chain: &Chain) {
    let what = "The seal of a block.";
    let mut lies = Lies::about(cases, ("seal", what), chain, about(1010, Topic::Seal));
    let missing = "Seal";
    lies.lie(("no-seal", missing, "The seal is left out."), |answer| answer.seal = None);
    let what = "Nothing certifies the sealing block.";
    lies.lie(("sealing-block-uncertified", missing, what), |answer| {
        answer.seal.as_mut().unwrap().block.qc = None;
    });
    let what = "The sealing block is certified, but not final.";
    lies.lie(("sealing-block-not-final", missing, what), |answer| {
        let block = &mut answer.seal.as_mut().unwrap().block;
        block.qc = Some(block.descendants[0].parent_qc());
        block.descendants.clear();
    });
    let what = "The payload of the sealing block is not opened.";
    lies.lie(("sealing-payload-closed", missing, what), |answer| {
        answer.seal.as_mut().unwrap().block.roots = None;
    });
    let what = "The execution result sealed for a block.";
    let topic = Topic::ExecutionResult;
    let mut lies = Lies::about(cases, ("result", what), chain, about(1010, topic));
    lies.lie(("no-seal-for-a-result", missing, "The seal is left out."), |answer| {
        answer.seal = None;
    });
    let bare = AnswerProof { bundle: Default::default(), ..lies.honest.clone() };
    let task = lies.cases.answer(lies.trusted, &lies.question, &bare);
    lies.cases.lie(("no-result", "Preimage", "The result is left out."), task);

    let walked = chain.walked(3);
    let question = Question { block: Selector::LatestSealed, topic: Topic::Snapshot };
    let honest = chain.evidence(&walked, &question, Depth::Seal);
    let task = cases.answer(&walked, &question, &honest);
    cases.honest("latest-sealed", "The newest sealed block.", task);
    let task = cases.answer(&walked, &question, &changed(&honest, |answer| answer.seal = None));
    cases.lie(("latest-sealed-without-seal", missing, "The seal is left out."), task);
    let finalized = Question { block: Selector::LatestFinalized, topic: Topic::Snapshot };
    let unsealed = chain.evidence(&walked, &finalized, Depth::Finality);
    let unsealed = changed(&unsealed, |answer| answer.question = question.clone());
    let task = cases.answer(&walked, &question, &unsealed);
    cases.lie(("final-for-sealed", missing, "A final block that is not sealed yet."), task);
}

fn last_sealed(cases: &mut Cases, chain: &Chain) {
    const RULE: &str = "LastSealed";
    let ancestors = |height: u64| {
        let evidence = chain.evidence(&chain.root, &snapshot(height), Depth::Seal);
        evidence.last_sealed.map(|last| (last.ancestors.len(), last.seals.len()))
    };
    let behind = (1003..1028).find(|height| ancestors(*height).is_some_and(|(n, _)| n > 0));
    let question = snapshot(behind.expect("a payload without seals"));
    let what = "The last sealed block, by an ancestor's payload.";
    let mut lies = Lies::about(cases, ("by-an-ancestor", what), chain, question);
    let what = "The ancestors are left out.";
    lies.lie(("ancestors-left-out", RULE, what), |answer| {
        answer.last_sealed.as_mut().unwrap().ancestors.clear();
    });
    let last = lies.honest.last_sealed.as_ref().unwrap();
    let parent_id = last.ancestors.last().unwrap().0.parent_id;
    let by_id = Question { block: Selector::Id(parent_id), topic: Topic::Snapshot };
    let older = chain.whole(&by_id, Depth::KnownBlock).block;
    let what = "A payload with seals is passed over.";
    lies.lie(("newer-seals-passed-over", RULE, what), |answer| {
        let ancestors = &mut answer.last_sealed.as_mut().unwrap().ancestors;
        ancestors.push((older.header, older.roots.unwrap()));
    });
    let what = "An ancestor that is none.";
    lies.lie(("ancestor-changed", "HeaderLink", what), |answer| {
        answer.last_sealed.as_mut().unwrap().ancestors[0].0.timestamp_ms += 1;
    });
    let what = "An ancestor with another payload.";
    lies.lie(("ancestor-with-another-payload", "PayloadHash", what), |answer| {
        answer.last_sealed.as_mut().unwrap().ancestors[0].1.results_root = Identifier::ZERO;
    });

    let own = (1003..1028).find(|height| ancestors(*height).is_some_and(|(n, s)| n == 0 && s > 1));
    let question = snapshot(own.expect("a payload with several seals"));
    let what = "The last sealed block, by the block's own payload.";
    let mut lies = Lies::about(cases, ("by-its-own-payload", what), chain, question);
    let mut lie = |name, what, change: fn(&mut LastSealedProof)| {
        lies.lie((name, RULE, what), |answer| change(answer.last_sealed.as_mut().unwrap()));
    };
    lie("no-seals", "The seals are left out.", |last| last.seals.clear());
    lie("last-seal-left-out", "The last seal is left out.", |last| {
        last.seals.pop();
        last.sealed_headers.pop();
    });
    lie("seals-swapped", "The seals are in another order.", |last| {
        last.seals.reverse();
        last.sealed_headers.reverse();
    });
    lie("seal-twice", "A seal comes twice.", |last| {
        last.seals.insert(0, last.seals[0].clone());
        last.sealed_headers.insert(0, last.sealed_headers[0].clone());
    });
    lie("seal-invented", "A seal is added.", |last| {
        last.seals.push(last.seals[0].clone());
        last.sealed_headers.push(last.sealed_headers[0].clone());
    });
    lie("header-left-out", "A sealed header is left out.", |last| _ = last.sealed_headers.pop());
    lie("header-added", "A sealed header is added.", |last| {
        last.sealed_headers.push(last.sealed_headers[0].clone());
    });
    lie("headers-swapped", "The sealed headers are in another order.", |last| {
        last.sealed_headers.reverse();
    });
    lie("header-changed", "A sealed header with another height.", |last| {
        last.sealed_headers[0].height = u64::MAX;
    });
    let what = "The payload of the block itself is not opened.";
    let missing = "PayloadRoots";
    lies.lie(("own-payload-closed", missing, what), |answer| answer.block.roots = None);
}

/// Final payloads that no honest committee signs.
fn forged(cases: &mut Cases, forge: &Forge) {
    let root = &forge.chain.root;
    let question = about(10, Topic::ExecutionResult);
    let honest = forge.chain.evidence(root, &question, Depth::Seal);
    let sealing = honest.seal.clone().unwrap();
    let resealed = |result_id: Identifier| {
        let mut seal = sealing.clone();
        seal.seal.result_id = result_id;
        let tree = merkle::Tree::new(&[seal.seal.id()]);
        (seal.index, seal.proof) = (0, tree.prove(&seal.seal.id()).unwrap());
        let mut state = forge.state(sealing.block.header.height);
        state.roots.seals_root = tree.root();
        let state = state.commit_roots();
        seal.block = forge.finalized(&state.setup, &state.header, Some(state.roots));
        changed(&honest, |answer| answer.seal = Some(seal))
    };
    let task = cases.answer(root, &question, &resealed(sealing.seal.result_id));
    cases.honest("result-sealed-again", "A seal that the committee signed again.", task);
    let other = forge.chain.evidence(root, &about(11, Topic::ExecutionResult), Depth::Seal);
    let other_id = other.seal.as_ref().unwrap().seal.result_id;
    let mut evidence = resealed(other_id);
    evidence.bundle.extend(other.bundle);
    let task = cases.answer(root, &question, &evidence);
    let what = "A seal that names the result of another block.";
    cases.lie(("result-of-another-block", "SealedBlock", what), task);
    repeated(cases, forge);
}

/// A payload that holds a seal twice: other lists have the same root.
fn repeated(cases: &mut Cases, forge: &Forge) {
    let root = &forge.chain.root;
    let question = snapshot(20);
    let honest = forge.chain.evidence(root, &question, Depth::Seal);
    let sealed = |heights: &[u64]| {
        let of = |height: &u64| {
            let answer = forge.chain.evidence(root, &snapshot(*height), Depth::Seal);
            (answer.seal.unwrap().seal, answer.block.header)
        };
        let (seals, sealed_headers): (Vec<_>, Vec<_>) = heights.iter().map(of).unzip();
        let ids: Vec<_> = seals.iter().map(|seal| seal.id()).collect();
        let mut state = forge.state(20);
        state.roots.seals_root = merkle::root(&ids);
        let state = state.commit_roots();
        let block = forge.finalized(&state.setup, &state.header, Some(state.roots));
        let last = LastSealedProof { ancestors: vec![], seals, sealed_headers };
        changed(&honest, |answer| {
            (answer.block, answer.seal, answer.last_sealed) = (block, None, Some(last));
        })
    };
    let task = cases.answer(root, &question, &sealed(&[16, 17]));
    cases.honest("payload-of-two-seals", "A payload that the committee signed again.", task);
    let task = cases.answer(root, &question, &sealed(&[16, 17, 16]));
    let what = "A payload with a seal twice, so that its root does not say which.";
    cases.lie(("payload-with-a-seal-twice", "LastSealed", what), task);
}
