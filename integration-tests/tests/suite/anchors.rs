//! What each anchor proves, and that none of them blames an honest server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, LazyLock};

use weir_client::sync::ClockOptions;
use weir_client::transport::unix_ms;
use weir_integration_tests::TestServer;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::{Decoder, Encoder};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{AnswerProof, Bundle, Preimages};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Held, Question, Selector, Topic};
use weir_verifier::{
    Anchor, Answer, Missing, NotYet, Rejection, TRUSTED_STATE_BYTES_MAX, Trust, TrustedState,
    TrustedStateError, Verified, Violation, open,
};

const CHAIN: &str = "happy-epochs";
/// Last of the first epoch; its descendants and its seal are of the next.
const LAST_HEIGHT: u64 = 1031;
const FIRST_EPOCH: u64 = 7;

struct Case {
    server: TestServer,
    trusted: TrustedState,
}

impl Case {
    async fn new() -> Self {
        let server = TestServer::start(CHAIN).await.unwrap();
        let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
        let trusted = TrustedState::from_checkpoint(server.root_id, &checkpoint).unwrap();
        Self { server, trusted: trusted.into_value() }
    }

    fn evidence(&self, question: &Question, depth: Depth) -> AnswerProof {
        self.server.answer(question, &Held::default(), depth).unwrap().evidence
    }

    fn committee(&self) -> Arc<Committee> {
        self.trusted.committee(FIRST_EPOCH).unwrap().clone()
    }
}

fn ask(
    anchor: Anchor<'_>,
    question: &Question,
    evidence: &AnswerProof,
) -> Result<Verified<Answer>, Rejection> {
    open(anchor, question, evidence, &ClockOptions::default().timing(unix_ms()).unwrap())?.answer()
}

fn known_block(block_id: Identifier) -> Anchor<'static> {
    Anchor::KnownBlock { block_id, held: &NOTHING_HELD }
}

static NOTHING_HELD: LazyLock<Preimages> = LazyLock::new(Preimages::default);

fn missing(rejection: Rejection) -> Missing {
    match rejection {
        Rejection::Missing(missing) => missing,
        rejection => panic!("not missing: {rejection}"),
    }
}

fn about(height: u64, topic: Topic) -> Question {
    Question { block: Selector::Height(height), topic }
}

#[bounded::test]
async fn a_known_block_proves_its_state_but_no_seal() {
    let case = Case::new().await;
    let header = |height| {
        let evidence = case.evidence(&about(height, Topic::Snapshot), Depth::KnownBlock);
        evidence.block.header
    };
    let (known, other) = (header(1010).id(), header(1011).id());
    let snapshot = Question { block: Selector::Id(known), topic: Topic::Snapshot };
    for depth in [Depth::KnownBlock, Depth::Seal] {
        let evidence = case.evidence(&snapshot, depth);
        let answer = ask(known_block(known), &snapshot, &evidence).unwrap();
        assert_eq!(answer.trust, Trust::Known);
        let rejection = ask(known_block(other), &snapshot, &evidence).unwrap_err();
        let violation = Violation::AnotherBlock { expected: other, found: known };
        assert_eq!(rejection, violation.into());
    }
    let seal = Question { topic: Topic::Seal, ..snapshot };
    let evidence = case.evidence(&seal, Depth::KnownBlock);
    let rejection = ask(known_block(known), &seal, &evidence).unwrap_err();
    let expected = NotYet::Seal { block_id: known, height: 1010 };
    assert_eq!(rejection, expected.into());
}

#[bounded::test]
async fn a_committee_names_the_later_epoch_that_it_cannot_speak_for() {
    let case = Case::new().await;
    let committee = case.committee();
    let anchor = Anchor::Committee { committee: &committee, held: &NOTHING_HELD };
    // The same block by its own certificate, and by descendants of the next epoch.
    let question = about(LAST_HEIGHT, Topic::Snapshot);
    let evidence = case.evidence(&question, Depth::Seal);
    let rejection = ask(anchor, &question, &evidence).unwrap_err();
    assert_eq!(missing(rejection), Missing::LaterEpoch { newest_known: FIRST_EPOCH });

    // Final by its own epoch, sealed in the next one: what stands is finality.
    let question = about(LAST_HEIGHT - 2, Topic::Snapshot);
    let evidence = case.evidence(&question, Depth::Seal);
    assert_eq!(ask(anchor, &question, &evidence).unwrap().trust, Trust::Finalized);
    let question = about(1010, Topic::Snapshot);
    let evidence = case.evidence(&question, Depth::Seal);
    assert_eq!(ask(anchor, &question, &evidence).unwrap().trust, Trust::Sealed);
}

/// The counter of the oldest epoch is the only number that is added to before anything is checked.
#[bounded::test]
async fn no_counter_overflows_in_a_trusted_state() {
    let case = Case::new().await;
    let bytes = with_field(&case.trusted.to_bytes(), 6, |_, e| e.uint(u64::MAX));
    let error = TrustedState::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, TrustedStateError::Inconsistent { .. }), "{error}");
    let same = with_field(&case.trusted.to_bytes(), 6, |_, e| e.uint(FIRST_EPOCH));
    assert_eq!(same, case.trusted.to_bytes());
    TrustedState::from_bytes(&same).unwrap();
}

#[bounded::test]
async fn a_trusted_state_holds_nothing_that_nothing_needs() {
    let case = Case::new().await;
    let bytes = case.trusted.to_bytes();
    let more = with_field(&bytes, 8, |bundle, e| {
        let mut bundle = Decoder::new(bundle).list(Bundle::decode).unwrap();
        bundle.preimages.insert(b"nothing needs this".to_vec());
        e.list(|e| bundle.encode(e));
    });
    let error = TrustedState::from_bytes(&more).unwrap_err();
    let reason = "a preimage that nothing needs";
    assert_eq!(error, TrustedStateError::Inconsistent { reason });
    TrustedState::from_bytes(&bytes).unwrap();
}

#[bounded::test]
fn a_trusted_state_too_large_is_not_read() {
    let found = TRUSTED_STATE_BYTES_MAX + 1;
    let error = TrustedState::from_bytes(&vec![0; found]).unwrap_err();
    assert_eq!(error, TrustedStateError::TooLarge { found });
    let error = TrustedState::from_bytes(&vec![0; found - 1]).unwrap_err();
    assert_eq!(error, TrustedStateError::NotTrustedState);
}

/// A trusted state with one field written anew and the right checksum.
fn with_field(bytes: &[u8], field: usize, write: impl FnOnce(&[u8], &mut Encoder)) -> Vec<u8> {
    let content = &bytes[..bytes.len() - 32];
    let mut fields = Vec::new();
    Decoder::new(content)
        .list(|d| {
            while !d.is_empty() {
                fields.push(d.raw()?.to_vec());
            }
            Ok(())
        })
        .unwrap();
    let mut encoder = Encoder::new();
    write(&fields[field], &mut encoder);
    fields[field] = encoder.finish();
    let mut encoder = Encoder::new();
    encoder.list(|e| fields.iter().for_each(|item| e.raw(item)));
    let mut bytes = encoder.finish();
    let checksum = sha3_256(&[&bytes]);
    bytes.extend(checksum.0);
    bytes
}
