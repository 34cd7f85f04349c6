//! Honest evidence with one thing changed: every lie has its own rejection, every honest twin passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_client::sync::ClockOptions;
use weir_client::transport::unix_ms;
use weir_integration_tests::TestServer;
use weir_protocol::evidence::{AnswerProof, EvidenceFile, Preimages};
use weir_protocol::hotstuff::CertificateError;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Held, IdentityFilter, Question, Selector, Topic};
use weir_verifier::{
    Anchor, Answer, Missing, NotYet, Rejection, Timing, TrustedState, Verified, Violation, open,
    verify_file,
};

const HEIGHT: u64 = 1010;

fn now() -> Timing {
    ClockOptions::default().timing(unix_ms()).unwrap()
}

struct Case {
    server: TestServer,
    trusted: TrustedState,
    question: Question,
    honest: AnswerProof,
}

impl Case {
    async fn new(chain: &str, topic: Topic) -> Self {
        let server = TestServer::start(chain).await.unwrap();
        let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
        let trusted = TrustedState::from_checkpoint(server.root_id, &checkpoint).unwrap();
        let trusted = trusted.into_value();
        let question = Question { block: Selector::Height(HEIGHT), topic };
        let honest = server.answer(&question, &Held::default(), Depth::Seal).unwrap();
        let case = Self { server, trusted, question, honest: honest.evidence };
        case.verify(&case.honest).unwrap();
        case
    }

    fn verify(&self, evidence: &AnswerProof) -> Result<Verified<Answer>, Rejection> {
        open(Anchor::Trusted(&self.trusted), &self.question, evidence, &now())?.answer()
    }

    /// The rule that the changed evidence breaks.
    fn violation(&self, change: impl FnOnce(&mut AnswerProof)) -> Violation {
        match self.rejection(change) {
            Rejection::Invalid(violation) => (*violation).clone(),
            other => panic!("not invalid: {other}"),
        }
    }

    fn rejection(&self, change: impl FnOnce(&mut AnswerProof)) -> Rejection {
        let mut evidence = self.honest.clone();
        change(&mut evidence);
        self.verify(&evidence).unwrap_err()
    }
}

#[bounded::test]
async fn rejects_answers_to_other_questions() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let other = |topic, block| {
        let question = Question { block, topic };
        case.server.answer(&question, &Held::default(), Depth::Seal).unwrap().evidence
    };
    let block = Selector::Height(HEIGHT);
    let table = other(Topic::Identities(IdentityFilter::default()), block);
    assert_eq!(case.violation(|e| *e = table), Violation::AnotherQuestion);
    let mut height = other(Topic::Snapshot, Selector::Height(HEIGHT + 1));
    height.question = case.question.clone();
    let expected = Violation::AnotherHeight { expected: HEIGHT, found: HEIGHT + 1 };
    assert_eq!(case.violation(|e| *e = height), expected);
}

#[bounded::test]
async fn rejects_another_network() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let other = Case::new("ejection", Topic::Snapshot).await;
    let rejection = case.rejection(|evidence| *evidence = other.honest.clone());
    // Both are flow-localnet, but no committee of this chain signed.
    assert!(
        matches!(rejection, Rejection::Invalid(v) if matches!(*v, Violation::EpochSetup { .. }))
    );
}

#[bounded::test]
async fn rejects_changed_headers_roots_and_links() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let roots = case.violation(|evidence| {
        let roots = evidence.block.roots.as_mut().unwrap();
        roots.results_root = Identifier::ZERO;
    });
    assert!(matches!(roots, Violation::PayloadHash { .. }), "{roots}");
    let header = case.violation(|evidence| {
        evidence.block.header.timestamp_ms += 1;
    });
    assert!(matches!(header, Violation::HeaderLink { field: "parent id", .. }), "{header}");
    let dropped = case.violation(|evidence| {
        evidence.block.descendants.pop();
    });
    assert!(matches!(dropped, Violation::CertificateBlock { .. }), "{dropped}");
    let uncertified = case.rejection(|evidence| {
        evidence.block.qc = None;
    });
    assert!(matches!(uncertified, Rejection::NotYet(NotYet::Certificate { .. })));
}

#[bounded::test]
async fn rejects_a_status_too_high() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let certified_only = case.rejection(|evidence| {
        evidence.block.qc = Some(evidence.block.descendants[0].parent_qc());
        evidence.block.descendants.clear();
        evidence.seal = None;
    });
    assert!(matches!(certified_only, Rejection::NotYet(NotYet::Finality { .. })));
    let moved = case.violation(|evidence| {
        evidence.seal.as_mut().unwrap().index += 1;
    });
    assert!(matches!(moved, Violation::SealInclusion { .. }), "{moved}");
    let foreign = case.violation(|evidence| {
        let seal = evidence.seal.as_mut().unwrap();
        seal.seal.block_id = Identifier::ZERO;
    });
    assert!(matches!(foreign, Violation::SealedBlock { .. }), "{foreign}");
    let last_sealed = case.violation(|evidence| {
        evidence.last_sealed.as_mut().unwrap().seals.clear();
    });
    assert!(matches!(last_sealed, Violation::LastSealed { .. }), "{last_sealed}");
}

#[bounded::test]
async fn rejects_certificates_that_no_quorum_signed() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let source = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| {
        let violation = case.violation(|evidence| {
            let qc = evidence.block.qc.as_mut().unwrap();
            change(&mut qc.signer_indices, &mut qc.sig_data);
        });
        match violation {
            Violation::Certificate { source, .. } => source,
            other => panic!("{other}"),
        }
    };
    let too_few = source(|indices, _| indices[4] = 0b1000_0000);
    assert!(matches!(too_few, CertificateError::Signers(_)), "{too_few}");
    let foreign = source(|indices, _| indices[0] ^= 1);
    assert!(foreign.to_string().contains("another committee"), "{foreign}");
    let padded = source(|indices, _| indices[4] = 0xff);
    assert!(padded.to_string().contains("padding"), "{padded}");
    // All seven members instead of those who signed.
    assert_eq!(case.trusted.committee(7).unwrap().len(), 7);
    let everyone = source(|indices, _| indices[4] = 0b1111_1110);
    assert_eq!(everyone, CertificateError::StakingSignature);
    let swapped = source(|_, sig_data| {
        let staking = sig_data[4..52].to_vec();
        sig_data.copy_within(54..102, 4);
        sig_data[54..102].copy_from_slice(&staking);
    });
    assert_eq!(swapped, CertificateError::StakingSignature);
}

#[bounded::test]
async fn names_missing_preimages_and_epochs() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let late = Question { block: Selector::Height(1080), topic: Topic::Snapshot };
    let proved = case.server.answer(&late, &Held::default(), Depth::Seal).unwrap();
    let anchor = Anchor::Trusted(&case.trusted);
    let rejection = open(anchor, &late, &proved.evidence, &now()).unwrap_err();
    let expected = Missing::LaterEpoch { newest_known: 7 };
    assert_eq!(rejection, Rejection::Missing(expected));
    let bare = AnswerProof { bundle: Default::default(), ..case.honest.clone() };
    let stranger = case.trusted.clone().holding(Preimages::default());
    let anchor = Anchor::Trusted(&stranger);
    let rejection =
        open(anchor, &case.question, &bare, &now()).and_then(|block| block.answer()).unwrap_err();
    assert!(matches!(rejection, Rejection::Missing(Missing::Preimage { .. })), "{rejection}");
}

#[bounded::test]
async fn hops_cannot_be_left_out() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let hop = |counter| case.server.hops(counter, &Held::default(), 1).unwrap();
    let mut trusted = case.trusted.clone();
    let rejection = trusted.apply_hops(&hop(8), &now()).unwrap_err();
    assert!(matches!(rejection, Rejection::Invalid(_)), "{rejection}");
    trusted.apply_hops(&hop(7), &now()).unwrap();
    trusted.apply_hops(&hop(8), &now()).unwrap();
    assert_eq!(trusted.newest_epoch().counter(), 9);
}

/// No single flipped bit survives, in any byte of a file that stands alone, but for the types of a
/// certificate's signatures: flow-go does not look at them, and nothing follows from them.
#[bounded::test]
async fn rejects_every_flipped_byte_of_a_saved_file() {
    let case = Case::new("happy-epochs", Topic::Snapshot).await;
    let checkpoint = case.server.prover.checkpoint(case.server.root_id).unwrap();
    let file = EvidenceFile::new(checkpoint, Vec::new(), case.honest.clone());
    let bytes = file.to_bytes();
    let honest = verify_file(case.server.root_id, &bytes, &now()).unwrap();
    let begun = TrustedState::from_checkpoint_bytes(case.server.root_id, &bytes).unwrap();
    assert_eq!(begun.to_bytes(), case.trusted.to_bytes());
    let alone = case.honest.to_bytes();
    TrustedState::from_checkpoint_bytes(case.server.root_id, &alone).unwrap_err();
    let types = signature_types(&file.answer, &bytes);
    for position in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        if let Ok(accepted) = verify_file(case.server.root_id, &flipped, &now()) {
            assert!(types.contains(&position), "byte {position} of {}", bytes.len());
            assert_eq!(accepted, honest);
        }
    }
    for cut in 0..bytes.len() {
        assert!(verify_file(case.server.root_id, &bytes[..cut], &now()).is_err(), "cut at {cut}");
    }
}

/// Where in a file the types of signatures are, one byte for each certificate that no hash covers.
fn signature_types(answer: &AnswerProof, bytes: &[u8]) -> Vec<usize> {
    let seal = answer.seal.as_ref().map(|seal| &seal.block);
    let proofs = [Some(&answer.block), seal].into_iter().flatten();
    let certificates = proofs.filter_map(|proof| proof.qc.as_ref());
    // The data is a list of less than 256 bytes; the types are its first element.
    let at = certificates.map(|qc| {
        let mut windows = bytes.windows(qc.sig_data.len());
        windows.position(|window| window == qc.sig_data).unwrap() + LIST_HEADER
    });
    at.collect()
}

/// Bytes before the elements of an RLP list of 56 to 255 bytes.
const LIST_HEADER: usize = 2;
