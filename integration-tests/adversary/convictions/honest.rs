//! An honest server that somebody tries to convict: its answers and receipts are real, the rest is what
//! the accuser likes.

use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{EvidenceFile, Preimages, Statement};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Request, Selector};
use weir_server::api::Signer;
use weir_verifier::{Act, Grounds, Misbehaviour, TrustedState, WrongAnswer};

use super::{Counted, HONEST, Judged, LIAR, NOW_MS, Said, Scene, key, lie};

/// Times at which an accuser may say that it was: before all blocks, at the checkpoint, now, and
/// beyond all trusting periods.
fn clocks(scene: &Scene) -> [u64; 5] {
    let checkpoint = scene.trusted.checkpoint().timestamp_ms;
    [0, checkpoint - 30_001, checkpoint, NOW_MS, u64::MAX]
}

/// What an accuser makes of a real answer, with what another answer is made of; none where it has
/// nothing to twist.
type Twist = fn(&Scene, &WrongAnswer, &WrongAnswer) -> Option<WrongAnswer>;

const TWISTS: [(&str, Twist); 18] = [
    ("as it is", |_, wrong, _| Some(wrong.clone())),
    ("unsigned", |_, wrong, _| Some(WrongAnswer { receipt: None, ..wrong.clone() })),
    ("signature changed", |_, wrong, _| receipt(wrong, |receipt| receipt.signature[5] ^= 1)),
    ("said to be of another answer", |_, wrong, _| {
        receipt(wrong, |receipt| receipt.statement.answer_hash.0[0] ^= 1)
    }),
    ("said to be of another time", |_, wrong, _| {
        receipt(wrong, |receipt| receipt.statement.head_height += 1)
    }),
    ("signed by another server in its name", |_, wrong, _| {
        receipt(wrong, |receipt| {
            receipt.signature = Signer::new(&LIAR).sign(receipt.statement).signature;
        })
    }),
    ("a lie with a receipt made up", |_, wrong, _| {
        let told = lie(wrong, &LIAR);
        receipt(&told, |receipt| receipt.key = key(&HONEST))
    }),
    ("receipt of another answer", |_, wrong, other| {
        Some(WrongAnswer { receipt: other.receipt.clone(), ..wrong.clone() })
    }),
    ("answer to another question", |_, wrong, other| {
        Some(WrongAnswer { answer: other.answer.clone(), ..wrong.clone() })
    }),
    ("answer to another question with its receipt", |_, wrong, other| {
        let (answer, receipt) = (other.answer.clone(), other.receipt.clone());
        Some(WrongAnswer { answer, receipt, ..wrong.clone() })
    }),
    ("another request", |_, wrong, other| {
        Some(WrongAnswer { request: other.request.clone(), ..wrong.clone() })
    }),
    ("another depth", |_, wrong, _| {
        let mut twisted = wrong.clone();
        let Request::Answer(asked) = &mut twisted.request else { return None };
        let linked = asked.depth == Depth::Linked;
        asked.depth = if linked { Depth::Seal } else { Depth::Linked };
        Some(twisted)
    }),
    ("grounds of another answer", |_, wrong, other| {
        Some(WrongAnswer { grounds: other.grounds.clone(), ..wrong.clone() })
    }),
    ("grounds that end an epoch earlier", |scene, wrong, _| {
        Some(wrong.clone().with_proof(scene.head_with_hops(scene.hops - 1)))
    }),
    ("grounds that end an epoch later", |scene, wrong, _| {
        Some(wrong.clone().with_proof(scene.head_with_hops(scene.hops + 1)))
    }),
    ("grounds without what was held", |_, wrong, _| match &wrong.grounds {
        Grounds::Proof { file, .. } => {
            let grounds = Grounds::Proof { file: file.clone(), held: Preimages::default() };
            Some(WrongAnswer { grounds, ..wrong.clone() })
        }
        _ => Some(WrongAnswer { grounds: Grounds::Named(Preimages::default()), ..wrong.clone() }),
    }),
    ("trust in another chain", |scene, wrong, _| {
        let name = scene.trusted.chain_id().as_bytes();
        let other: Vec<u8> = name.iter().rev().copied().collect();
        Some(believing(&scene.trusted, wrong, name, &other))
    }),
    ("trust in another head", |scene, wrong, _| {
        let head = scene.trusted.head().block_id;
        Some(believing(&scene.trusted, wrong, &head.0, &[9; 32]))
    }),
];

fn receipt(
    wrong: &WrongAnswer,
    change: impl FnOnce(&mut weir_protocol::evidence::Receipt),
) -> Option<WrongAnswer> {
    let mut twisted = wrong.clone();
    change(twisted.receipt.as_mut()?);
    Some(twisted)
}

/// As of a client that trusts something else: its word, or a root of nothing.
fn believing(trusted: &TrustedState, wrong: &WrongAnswer, from: &[u8], to: &[u8]) -> WrongAnswer {
    let grounds = match &wrong.request {
        Request::TreeProof(_) => Grounds::RootWord(Identifier([9; 32])),
        _ => {
            let bytes = trusted.to_bytes();
            let mut content = bytes[..bytes.len() - 32].to_vec();
            for place in 0..=content.len() - from.len() {
                if content[place..].starts_with(from) {
                    content[place..place + to.len()].copy_from_slice(to);
                }
            }
            Grounds::Word([&content[..], &sha3_256(&[&content]).0].concat())
        }
    };
    WrongAnswer { grounds, ..wrong.clone() }
}

#[bounded::test]
async fn an_honest_server_is_never_convicted() {
    let scene = Scene::new().await;
    let said = scene.said().await;
    let mut all = Counted::default();
    for (index, Said { name, wrong }) in said.iter().enumerate() {
        let other = &said[(index + 1) % said.len()].wrong;
        for (twist, twisted) in TWISTS {
            let Some(twisted) = twisted(&scene, wrong, other) else { continue };
            for seen_at_ms in clocks(&scene) {
                let judged = scene.judge(&scene.accuse(twisted.clone(), seen_at_ms));
                let is_convicted = matches!(judged, Judged::Convicts(_));
                assert!(!is_convicted, "{name}, {twist}, seen at {seen_at_ms}: {judged}");
                all.add(judged);
            }
        }
        let plain = scene.judge(&scene.accuse(wrong.clone(), NOW_MS));
        assert_eq!(plain, Judged::Refused("Nothing".to_owned()), "{name}");
    }
    all.print("honest server");
    // Some of it goes so far that only the word of the accuser speaks for it.
    assert!(all.0[&Judged::Word] > 0);
}

/// The honest twin: the same server, accused in the same way, of what it did.
#[bounded::test]
async fn a_server_that_signs_a_lie_is_convicted_by_it() {
    let scene = Scene::new().await;
    let mut all = Counted::default();
    for Said { name, wrong } in scene.said().await {
        let told = lie(&wrong, &HONEST);
        let judged = scene.judge(&scene.accuse(told.clone(), NOW_MS));
        assert_eq!(judged, Judged::Convicts(key(&HONEST)), "{name}");
        all.add(judged);
        let unsigned = WrongAnswer { receipt: None, ..told };
        let judged = scene.judge(&scene.accuse(unsigned, NOW_MS));
        assert_eq!(judged, Judged::Word, "{name}, unsigned");
        all.add(judged);
    }
    all.print("liar");
    assert_eq!(all.0[&Judged::Convicts(key(&HONEST))], scene.requests().len());
}

/// A receipt binds the server to one request and one answer, not to its words about itself.
#[bounded::test]
async fn a_receipt_says_nothing_about_another_chain_of_the_same_name() {
    let scene = Scene::new().await;
    for Said { name, wrong } in scene.said().await {
        let Some(receipt) = &wrong.receipt else { panic!("{name} is not signed") };
        // Any other checkpoint than the client's is not what the receipt is about.
        let found = scene.accuse(wrong.clone(), NOW_MS);
        let elsewhere = found.verify(Identifier([3; 32]));
        assert!(elsewhere.is_err(), "{name}: {elsewhere:?}");
        let Statement { request_id, .. } = receipt.statement;
        assert_eq!(request_id, wrong.request.id(), "{name}");
    }
}

/// Two blocks of one height are nobody's unless both are final.
#[bounded::test]
async fn honest_evidence_is_no_conflict() {
    let scene = Scene::new().await;
    let mut all = Counted::default();
    let earlier = Selector::Height(scene.trusted.head().height - 3);
    let earlier = super::file(&scene.server, &weir_verifier::about_state(earlier)).await;
    let mut unlike = scene.head.clone();
    unlike.answer.block.header.timestamp_ms += 1;
    let files: [&EvidenceFile; 4] = [&scene.head, &scene.state, &earlier, &unlike];
    for this in files {
        for other in files {
            for seen_at_ms in clocks(&scene) {
                let evidence = [this.to_bytes(), other.to_bytes()];
                let act = Act::Conflict { other_server: scene.server.url(), evidence };
                let found = Misbehaviour { server: scene.server.url(), seen_at_ms, act };
                all.add(scene.judge(&found));
            }
        }
    }
    all.print("no conflict");
    assert!(all.0.keys().all(|judged| matches!(judged, Judged::Refused(_))));
}
