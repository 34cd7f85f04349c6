//! Headers, links and certificates: how far a block is proved, and as of when.

use weir_conformance::Group;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::AnswerProof;
use weir_protocol::model::{Header, Identifier};
use weir_protocol::request::Depth;
use weir_protocol::request::{Selector, Topic};
use weir_verifier::TrustedState;

use super::chain::{Chain, about, changed, snapshot};
use super::group::{Cases, Lie, NOW_MS};

/// What becomes of a header.
type Change = fn(&mut Header);

/// The first epoch ends here.
const LAST_HEIGHT: u64 = 1031;

pub(super) fn group(chain: &Chain, other: &Chain) -> Group {
    let about = "A block is proved by certificates or by hash links, and by nothing else.";
    let mut cases = Cases::new("blocks", about);
    roots(&mut cases, chain);
    headers(&mut cases, chain);
    links(&mut cases, chain);
    certificates(&mut cases, chain);
    epochs(&mut cases, chain, other);
    hash_links(&mut cases, chain);
    clocks(&mut cases, chain);
    cases.finish()
}

/// Adds lies about one honest answer.
struct Lies<'a> {
    cases: &'a mut Cases,
    trusted: &'a TrustedState,
    honest: AnswerProof,
}

impl Lies<'_> {
    fn lie(&mut self, lie: Lie<'_>, change: impl FnOnce(&mut AnswerProof)) {
        let evidence = changed(&self.honest, change);
        let question = &self.honest.question;
        let task = self.cases.answer(self.trusted, question, &evidence);
        self.cases.lie(lie, task);
    }
}

/// The honest answer about a height, from which lies follow.
fn honest<'a>(
    cases: &'a mut Cases,
    (name, what): (&str, &str),
    (chain, trusted): (&Chain, &'a TrustedState),
    height: u64,
) -> Lies<'a> {
    let question = snapshot(height);
    let honest = chain.evidence(trusted, &question, Depth::Finality);
    let task = cases.answer(trusted, &question, &honest);
    cases.honest(name, what, task);
    Lies { cases, trusted, honest }
}

fn roots(cases: &mut Cases, chain: &Chain) {
    let what = "A final block, by certificates.";
    let mut lies = honest(cases, ("finalized", what), (chain, &chain.root), 1010);
    let what = "A root that the payload hash does not stand for.";
    for (index, name) in
        ["guarantees-root", "seals-root", "receipts-root", "results-root", "state-id"]
            .into_iter()
            .enumerate()
    {
        lies.lie((name, "PayloadHash", what), |answer| {
            let roots = answer.block.roots.as_mut().unwrap();
            let fields = [
                &mut roots.guarantees_root,
                &mut roots.seals_root,
                &mut roots.receipts_root,
                &mut roots.results_root,
                &mut roots.protocol_state_id,
            ];
            fields.into_iter().nth(index).unwrap().0[31] ^= 1;
        });
    }
    let what = "The state of the block is not opened.";
    lies.lie(("no-roots", "PayloadRoots", what), |answer| answer.block.roots = None);
    let bare =
        AnswerProof { bundle: Default::default(), ..chain.whole(&snapshot(1040), Depth::Finality) };
    let question = snapshot(1040);
    let walked = chain.walked(1);
    let whole = chain.whole(&question, Depth::Finality);
    let task = cases.answer(&walked, &question, &whole);
    cases.honest("finalized-later", "A final block of the second epoch.", task);
    let task = cases.answer(&walked, &question, &bare);
    cases.lie(("no-preimages", "Preimage", "The preimages are left out."), task);
    let task = cases.answer(&chain.root, &question, &whole);
    cases.lie(("epoch-not-known-yet", "LaterEpoch", "The client has not walked so far."), task);
}

/// What is not under the hash of a header is believed of none.
fn headers(cases: &mut Cases, chain: &Chain) {
    let what = "A certified block, by its own certificate.";
    let question = weir_protocol::request::Question {
        block: Selector::Id(chain.block_id(1010)),
        topic: Topic::Snapshot,
    };
    let mut evidence = chain.evidence(&chain.root, &question, Depth::Finality);
    let block = &mut evidence.block;
    block.qc = Some(block.descendants[0].parent_qc());
    block.descendants.clear();
    let task = cases.answer(&chain.root, &question, &evidence);
    cases.honest("certified", what, task);
    let mut lies = Lies { cases, trusted: &chain.root, honest: evidence };
    let what = "The header is not the certified one.";
    let changes: [(&str, Change); 5] = [
        ("timestamp", |header| header.timestamp_ms += 1),
        ("height", |header| header.height += 1),
        ("proposer", |header| header.proposer_id = Identifier([1; 32])),
        ("parent", |header| header.parent_id = Identifier([1; 32])),
        ("parent-signers", |header| header.parent_voter_indices[4] ^= 0x80),
    ];
    for (name, change) in changes {
        lies.lie((name, "CertificateBlock", what), |answer| change(&mut answer.block.header));
    }
    let what = "A view that is not in the epoch of the block's state.";
    lies.lie(("view-of-another-epoch", "ViewOutsideEpoch", what), |answer| {
        answer.block.header.view = 1_000_000;
    });
    let what = "A block of another network.";
    lies.lie(("chain-id", "AnotherChain", what), |answer| {
        answer.block.header.chain_id = "flow-mainnet".to_owned();
    });
    let what = "The certificate is of another view than the block.";
    lies.lie(("certificate-of-another-view", "CertificateBlock", what), |answer| {
        answer.block.qc.as_mut().unwrap().view += 1;
    });
    let other = chain.header(1011).parent_qc();
    let other_id = chain.header(1012).parent_qc();
    assert_ne!(other.block_id, other_id.block_id);
    let what = "The certificate is for the next block.";
    lies.lie(("certificate-of-another-block", "CertificateBlock", what), |answer| {
        answer.block.qc = Some(other_id);
    });
}

fn links(cases: &mut Cases, chain: &Chain) {
    let what = "A final block with several descendants.";
    let height = (1002..1025)
        .find(|height| descendants(chain, *height) >= 3)
        .expect("a block whose child is not of the next view");
    let mut lies = honest(cases, ("descendants", what), (chain, &chain.root), height);
    let what = "A descendant is left out.";
    lies.lie(("descendant-left-out", "HeaderLink", what), |answer| {
        answer.block.descendants.remove(0);
    });
    let what = "The descendants are reversed.";
    lies.lie(("descendants-reversed", "HeaderLink", what), |answer| {
        answer.block.descendants.reverse();
    });
    let what = "A descendant comes twice.";
    lies.lie(("descendant-twice", "HeaderLink", what), |answer| {
        let first = answer.block.descendants[0].clone();
        answer.block.descendants.insert(0, first);
    });
    let what = "The last descendant is left out, but its certificate is not.";
    lies.lie(("last-descendant-left-out", "CertificateBlock", what), |answer| {
        answer.block.descendants.pop();
    });
    let what = "A child that names the block as its parent, but does not continue it.";
    let changes: [(&str, Change); 6] = [
        ("child-two-higher", |child| child.height += 1),
        ("child-of-height-zero", |child| child.height = 0),
        ("child-of-the-same-view", |child| child.view = child.parent_view),
        ("child-of-the-last-view", |child| child.view = u64::MAX),
        ("child-of-another-parent-view", |child| child.parent_view -= 1),
        ("child-of-another-chain", |child| child.chain_id = "flow-mainnet".to_owned()),
    ];
    for (name, change) in changes {
        let rule = if name == "child-of-the-last-view" { "CertificateBlock" } else { "HeaderLink" };
        lies.lie((name, rule, what), |answer| {
            answer.block.descendants.truncate(1);
            change(&mut answer.block.descendants[0]);
        });
    }
}

fn descendants(chain: &Chain, height: u64) -> usize {
    let evidence = chain.evidence(&chain.root, &snapshot(height), Depth::Finality);
    evidence.block.descendants.len()
}

fn certificates(cases: &mut Cases, chain: &Chain) {
    let what = "A final block whose child is of a later view than the next.";
    let gap = (1002..1025).find(|height| descendants(chain, *height) >= 2).unwrap();
    let mut lies = honest(cases, ("finalized-after-a-gap", what), (chain, &chain.root), gap);
    let what = "Nothing certifies the last descendant.";
    lies.lie(("no-certificate", "Certificate", what), |answer| answer.block.qc = None);
    let what = "A child that skips a view certifies, but does not finalize.";
    lies.lie(("chain-with-a-gap", "Finality", what), |answer| {
        let block = &mut answer.block;
        block.qc = Some(block.descendants[1].parent_qc());
        block.descendants.truncate(1);
    });
    let what = "The block's own certificate says nothing about finality.";
    lies.lie(("certified-only", "Finality", what), |answer| {
        let block = &mut answer.block;
        block.qc = Some(block.descendants[0].parent_qc());
        block.descendants.clear();
    });
    let what = "The certificate of the last descendant is that of the block.";
    lies.lie(("certificate-of-the-block", "CertificateBlock", what), |answer| {
        answer.block.qc = Some(answer.block.descendants[0].parent_qc());
    });
}

fn epochs(cases: &mut Cases, chain: &Chain, other: &Chain) {
    let question = snapshot(1010);
    let task = cases.answer(&chain.root, &question, &chain.whole(&question, Depth::Finality));
    cases.honest("of-this-network", "A block of the client's network.", task);
    let task = cases.answer(&chain.root, &question, &other.whole(&question, Depth::Finality));
    let what = "A block of a network with the same name and another committee.";
    cases.lie(("of-another-network", "EpochSetup", what), task);

    let question = snapshot(LAST_HEIGHT);
    let evidence = chain.whole(&question, Depth::Finality);
    let task = cases.answer(&chain.walked(1), &question, &evidence);
    cases.honest("last-of-an-epoch", "Final by descendants of the next epoch.", task);
    let task = cases.answer(&chain.root, &question, &evidence);
    let what = "The descendants are of an epoch that the client does not know.";
    cases.lie(("descendants-of-a-later-epoch", "LaterEpoch", what), task);
}

/// A client at a later block.
fn at(chain: &Chain, height: u64) -> TrustedState {
    let block_id = chain.block_id(height);
    let checkpoint = chain.server.prover.checkpoint(block_id).unwrap();
    TrustedState::from_checkpoint(block_id, &checkpoint).unwrap().into_value()
}

fn hash_links(cases: &mut Cases, chain: &Chain) {
    let trusted = at(chain, 1015);
    let question = snapshot(1010);
    let linked = chain.evidence(&trusted, &question, Depth::Linked);
    let task = cases.answer(&trusted, &question, &linked);
    cases.honest("linked", "A block that the trusted one descends from.", task);
    let after = [chain.header(1016), chain.header(1017)];
    let mut lies = Lies { cases, trusted: &trusted, honest: linked };
    let what = "The links end before the trusted block.";
    lies.lie(("links-too-short", "Certificate", what), |answer| {
        answer.block.descendants.pop();
    });
    let what = "A link is left out.";
    lies.lie(("link-left-out", "HeaderLink", what), |answer| {
        answer.block.descendants.remove(1);
    });
    let what = "The links go on behind the trusted block, where nothing certifies them.";
    lies.lie(("links-too-long", "Certificate", what), |answer| {
        answer.block.descendants.extend(after.clone());
    });
    let what = "The links end at a block of the trusted one's height, but not at it.";
    lies.lie(("links-to-a-forgery", "Certificate", what), |answer| {
        answer.block.descendants.last_mut().unwrap().timestamp_ms += 1;
    });
    let what = "The block itself is not the one that is linked to.";
    lies.lie(("linked-block-changed", "HeaderLink", what), |answer| {
        answer.block.header.timestamp_ms += 1;
    });
    let mut forged = after[0].clone();
    forged.timestamp_ms += 1;
    let what = "A block on top of the trusted one, which nothing certifies.";
    let question = weir_protocol::request::Question {
        block: Selector::Id(forged.id()),
        topic: Topic::Snapshot,
    };
    let mut evidence = chain.evidence(&trusted, &snapshot(1016), Depth::Finality);
    evidence.question = question.clone();
    (evidence.block.header, evidence.block.descendants) = (forged, vec![]);
    evidence.block.qc = None;
    let task = cases.answer(&trusted, &question, &evidence);
    cases.lie(("on-top-of-the-trusted-block", "Certificate", what), task);

    // Before the client's first epoch, only links prove anything.
    let trusted = at(chain, 1040);
    let question = about(1030, Topic::Snapshot);
    let task =
        cases.answer(&trusted, &question, &chain.evidence(&trusted, &question, Depth::Linked));
    cases.honest("linked-across-epochs", "A block of the epoch before the checkpoint's.", task);
    let task = cases.answer(&trusted, &question, &chain.whole(&question, Depth::Finality));
    let what = "Certified by a committee of before the checkpoint.";
    cases.lie(("certified-before-the-checkpoint", "EarlierEpoch", what), task);
}

fn clocks(cases: &mut Cases, chain: &Chain) {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let question = snapshot(1010);
    let evidence = chain.evidence(&chain.root, &question, Depth::Finality);
    let (block, root) = (chain.header(1010), *chain.root.head());
    let timed = |cases: &mut Cases, now_ms, lie: Lie<'_>| {
        cases.at(now_ms);
        let task = cases.answer(&chain.root, &question, &evidence);
        match lie.1 {
            "" => cases.honest(lie.0, lie.2, task),
            _ => cases.lie(lie, task),
        }
    };
    let skew_ms = 30_000;
    timed(cases, block.timestamp_ms - skew_ms, ("in-time", "", "A clock half a minute late."));
    let late = block.timestamp_ms - skew_ms - 1;
    timed(cases, late, ("from-the-future", "Clock", "A clock later than that."));
    let before = root.timestamp_ms - skew_ms - 1;
    timed(cases, before, ("clock-before-trust", "Clock", "A clock before the trusted block."));
    timed(cases, 0, ("clock-before-genesis", "Clock", "A clock that was never set."));
    cases.trusting_for(Some(DAY_MS));
    timed(cases, root.timestamp_ms + DAY_MS, ("trusted-a-day", "", "Trust a day old."));
    let what = "Trust a millisecond older.";
    timed(cases, root.timestamp_ms + DAY_MS + 1, ("trust-expired", "TrustExpired", what));
    let what = "A clock at the end of time.";
    timed(cases, u64::MAX, ("clock-at-the-end-of-time", "TrustExpired", what));
    cases.trusting_for(None);
    cases.at(NOW_MS);
}
