//! The evidence codec, for any evidence: one encoding each, nothing else is read, nothing panics.
//!
//! A failing property prints the smallest case and the seed that leads to it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::OnceLock;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use weir_integration_tests::TestServer;
use weir_protocol::evidence::{
    AnswerProof, BlockProof, Bundle, CheckpointProof, Delta, EVIDENCE_VERSION, Evidence,
    EvidenceError, EvidenceFile, Hop, HopsPage, Piece, Preimages,
};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::request::{
    Depth, FILTER_IDS_MAX, Held, IdentityFilter, Question, Selector, Topic,
};

/// Parts of real evidence, from which any other is composed.
struct Parts {
    blocks: Vec<BlockProof>,
    answers: Vec<AnswerProof>,
    whole: Vec<u8>,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = TestServer::start("happy-epochs").await.unwrap();
            let held = Held::default();
            let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
            let mut parts = Parts { blocks: Vec::new(), answers: Vec::new(), whole: Vec::new() };
            parts.blocks.push(checkpoint.block.clone());
            let mut hops = Vec::new();
            for counter in [7, 8] {
                let hop = server.hops(counter, &held, 1).unwrap();
                parts.blocks.extend(hop.hops.iter().map(|hop| hop.block.clone()));
                hops.extend(hop.hops);
            }
            for topic in [Topic::Snapshot, Topic::Seal, Topic::ExecutionResult] {
                let question = Question { block: Selector::Height(1080), topic };
                let answer = server.answer(&question, &held, Depth::Seal).unwrap();
                parts.answers.push(answer.evidence);
            }
            let answer = parts.answers[0].clone();
            parts.whole = EvidenceFile::new(checkpoint, hops, answer).to_bytes();
            parts
        })
    })
}

fn identifier() -> impl Strategy<Value = Identifier> {
    any::<[u8; 32]>().prop_map(Identifier)
}

fn filter() -> impl Strategy<Value = IdentityFilter> {
    let roles = [1, 2, 3, 4, 5].map(|number| Role::from_number(number).unwrap());
    let statuses = ParticipationStatus::ALL.to_vec();
    let (roles_max, statuses_max) = (roles.len(), statuses.len());
    let sets = (
        subsequence(roles.to_vec(), 0..=roles_max),
        subsequence(statuses, 0..=statuses_max),
        btree_set(identifier(), 0..4),
    );
    sets.prop_map(|(roles, statuses, node_ids)| IdentityFilter {
        roles: roles.into_iter().collect(),
        statuses: statuses.into_iter().collect(),
        node_ids,
    })
}

fn question() -> impl Strategy<Value = Question> {
    let block = prop_oneof![
        Just(Selector::LatestFinalized),
        Just(Selector::LatestSealed),
        identifier().prop_map(Selector::Id),
        any::<u64>().prop_map(Selector::Height),
    ];
    let names = vec![EpochName::Previous, EpochName::Current, EpochName::Next];
    let topic = prop_oneof![
        Just(Topic::Snapshot),
        identifier().prop_map(Topic::Identity),
        filter().prop_map(Topic::Identities),
        select(names).prop_map(Topic::Epoch),
        Just(Topic::Seal),
        Just(Topic::ExecutionResult),
    ];
    (block, topic).prop_map(|(block, topic)| Question { block, topic })
}

fn block() -> impl Strategy<Value = BlockProof> {
    let shape = (select(parts().blocks.clone()), any::<[bool; 2]>(), 0..3_usize, any::<u64>());
    shape.prop_map(|(mut block, [roots, qc], descendants, number)| {
        block.roots = block.roots.filter(|_| roots);
        block.qc = block.qc.filter(|_| qc);
        block.descendants.truncate(descendants);
        (block.header.height, block.header.view) = (number, number.reverse_bits());
        block
    })
}

fn answer() -> impl Strategy<Value = AnswerProof> {
    let shape = (select(parts().answers.clone()), question(), block(), any::<[bool; 2]>());
    shape.prop_map(|(mut answer, question, block, [seal, last_sealed])| {
        answer.seal = answer.seal.filter(|_| seal);
        answer.last_sealed = answer.last_sealed.filter(|_| last_sealed);
        AnswerProof { question, block, ..answer }
    })
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let hop = (block(), bundle()).prop_map(|(block, bundle)| Hop { block, bundle });
    let shape = (0..4_u8, block(), vec(hop, 0..3), any::<bool>(), answer(), bundle());
    shape.prop_map(|(kind, mut block, hops, more, answer, bundle)| {
        (block.descendants, block.qc) = (Vec::new(), None);
        let more = more && !hops.is_empty();
        let answer = AnswerProof { bundle: bundle.clone(), ..answer };
        match kind {
            0 => Evidence::Checkpoint(Box::new(CheckpointProof { block, bundle })),
            1 => Evidence::Hops(HopsPage { hops, more }),
            2 => Evidence::Answer(Box::new(answer)),
            _ => Evidence::File(Box::new(EvidenceFile { checkpoint: block, hops, answer })),
        }
    })
}

fn bundle() -> impl Strategy<Value = Bundle> {
    let delta = (identifier(), vec(piece(), 0..4)).prop_map(|(base, pieces)| {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|(literal, range)| match range {
                Some((offset, len)) => Piece::Copy { offset: *offset, len: *len },
                None => Piece::Literal(literal),
            })
            .collect();
        Delta::new(base, &pieces)
    });
    (vec(vec(any::<u8>(), 0..80), 0..6), vec(delta, 0..3)).prop_map(|(contents, deltas)| {
        let mut preimages = Preimages::default();
        for content in contents {
            preimages.insert(content);
        }
        Bundle { preimages, deltas }
    })
}

fn piece() -> impl Strategy<Value = (Vec<u8>, Option<(u64, u64)>)> {
    (vec(any::<u8>(), 0..40), option::of(any::<(u64, u64)>()))
}

/// Bytes that are read at all are the only ones for what they say.
fn canonical(bytes: &[u8]) -> Result<Option<Evidence>, TestCaseError> {
    match Evidence::from_bytes(bytes) {
        Err(_) => Ok(None),
        Ok(evidence) => {
            prop_assert_eq!(&evidence.to_bytes()[..], bytes);
            Ok(Some(evidence))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[bounded::test]
    fn what_is_written_is_read_back(evidence in evidence()) {
        let bytes = evidence.to_bytes();
        prop_assert_eq!(Evidence::from_bytes(&bytes).unwrap(), evidence);
    }

    #[bounded::test]
    fn every_truncation_and_every_addition_is_refused(evidence in evidence(), more in 1..9_usize) {
        let mut bytes = evidence.to_bytes();
        for cut in 0..bytes.len() {
            prop_assert!(Evidence::from_bytes(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
        bytes.resize(bytes.len() + more, 0x80);
        prop_assert!(Evidence::from_bytes(&bytes).is_err());
    }

    #[bounded::test]
    fn a_changed_byte_is_refused_or_says_something_else(
        evidence in evidence(), at in any::<Index>(), mask in 1..=u8::MAX
    ) {
        let mut bytes = evidence.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        prop_assert_ne!(canonical(&bytes)?, Some(evidence));
    }

    #[bounded::test]
    fn a_piece_moved_doubled_or_removed_is_refused_or_says_something_else(
        evidence in evidence(), ends in any::<[Index; 2]>(), target in any::<Index>()
    ) {
        let honest = evidence.to_bytes();
        let [a, b] = ends.map(|end| end.index(honest.len()));
        let piece = a.min(b)..a.max(b);
        let mut removed = honest.clone();
        let cut: Vec<u8> = removed.drain(piece.clone()).collect();
        let mut moved = removed.clone();
        let to = target.index(moved.len() + 1);
        moved.splice(to..to, cut.iter().copied());
        let mut doubled = honest.clone();
        doubled.splice(to..to, cut);
        for bytes in [removed, moved, doubled] {
            let found = canonical(&bytes)?;
            prop_assert!(bytes == honest || found.as_ref() != Some(&evidence));
        }
    }

    #[bounded::test]
    fn random_bytes_are_no_evidence(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(Evidence::from_bytes(&bytes), Err(EvidenceError::NotEvidence));
    }

    #[bounded::test]
    fn random_bytes_behind_an_honest_beginning_do_no_harm(
        tail in vec(any::<u8>(), 0..500), at in any::<Index>()
    ) {
        let whole = &parts().whole;
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + tail.len());
        bytes[at..end].copy_from_slice(&tail[..end - at]);
        canonical(&bytes)?;
        bytes.truncate(at);
        bytes.extend(tail);
        canonical(&bytes)?;
    }

    #[bounded::test]
    fn filters_longer_than_the_limit_are_refused(beyond in 0..2_usize) {
        let count = FILTER_IDS_MAX + beyond;
        let numbered = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            Identifier(id)
        };
        let node_ids = (0..count).map(numbered).collect();
        let filter = IdentityFilter { node_ids, ..IdentityFilter::default() };
        let topic = Topic::Identities(filter);
        let question = Question { block: Selector::LatestFinalized, topic };
        let answer = AnswerProof { question, ..parts().answers[0].clone() };
        prop_assert_eq!(AnswerProof::from_bytes(&answer.to_bytes()).is_ok(), beyond == 0);
    }
}

#[bounded::test]
fn other_versions_are_refused_by_name() {
    let mut bytes = HopsPage::default().to_bytes();
    assert_eq!(HopsPage::from_bytes(&bytes), Ok(HopsPage::default()));
    // The list's header, the magic behind its length, then the version.
    let version = 1 + 1 + "weir-evidence".len();
    assert_eq!(u64::from(bytes[version]), EVIDENCE_VERSION);
    for other in [1, 3] {
        bytes[version] = other;
        let found = other.into();
        assert_eq!(Evidence::from_bytes(&bytes), Err(EvidenceError::Version { found }));
    }
}
