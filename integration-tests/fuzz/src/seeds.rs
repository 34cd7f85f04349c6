//! Where the corpus begins: inputs made from reference chains and from the negative suite.
//!
//! `cargo xtask fuzz-corpus` writes them as `seed-…`; the same files give the same bytes.

use prost::Message as _;
use serde_json::Value;
use weir_conformance::Task;
use weir_proto::convert::{Call, block_from_wire, request_to_wire};
use weir_proto::frames::Frames;
use weir_proto::weir::v1;
use weir_protocol::codec::Entity;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::evidence::{Preimages, Receipt, Statement};
use weir_protocol::model::{Block, Identifier, KvStore, Role, ServiceEvent};
use weir_protocol::protocol_state::{EpochName, ParticipationStatus};
use weir_protocol::request::{
    AnswerRequest, Depth, Held, IdentityFilter, Question, Request, Selector, Topic, TreeRequest,
};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};
use weir_verifier::{Act, Grounds, Misbehaviour, WrongAnswer};

use crate::codecs::EVENT_TYPES;
use crate::known::{self, KNOWN};
use crate::rlp_tree::Item;
use crate::{answers, files, trees};

/// An input: its target, a name, its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// A name among the target's seeds.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds, in a fixed order.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Seeds(Vec::new());
    seeds.verifier();
    seeds.lies();
    seeds.blocks();
    seeds.states_and_events();
    seeds.certificates();
    seeds.proofs();
    seeds.requests();
    seeds.small_things();
    seeds.0
}

struct Seeds(Vec<Seed>);

impl Seeds {
    fn add(&mut self, target: &'static str, name: impl Into<String>, parts: &[&[u8]]) {
        let bytes = parts.concat();
        let known = self.0.iter().any(|seed| seed.target == target && seed.bytes == bytes);
        if bytes.len() <= SEED_BYTES_MAX && !known {
            self.0.push(Seed { target, name: name.into(), bytes });
        }
    }

    /// Honest cases as they are, and with one edit of each kind.
    fn verifier(&mut self) {
        for (target, of_state) in [("answer", false), ("hops", true)] {
            let names = answers::names(of_state);
            for (index, name) in (0u8..).zip(&names) {
                let name = name.replace('/', "-");
                self.add(target, &name, &[&[index, 0]]);
                let donor = index.wrapping_add(1);
                let edit = [index, 0, index % 11, 0, index % 8, donor, 0, index];
                self.add(target, format!("{name}-edited"), &[&edit]);
            }
            // The payload roots of another case's block, for which the preimages come as well.
            for (index, name) in (0u8..).zip(names.iter().filter(|_| !of_state)) {
                for donor in [index.wrapping_add(4), index.wrapping_add(9)] {
                    let edit = [index, 0, 11, 0, 9, donor, 0, 0];
                    let name = format!("{}-roots-{donor}", name.replace('/', "-"));
                    self.add(target, name, &[&edit]);
                }
            }
            // Parts of another case's evidence, each at its place.
            for kind in [9, 10] {
                for place in 2..8 {
                    let edit = [place, 0, kind, 0, place, 1, 0, 0];
                    self.add(target, format!("part-{kind}-{place}"), &[&edit]);
                }
            }
        }
        for index in (0..KNOWN.cases.len()).step_by(5).filter_map(|index| u8::try_from(index).ok())
        {
            self.add("evidence", format!("case-{index:02}"), &[&[index, 0]]);
        }
        let trusted = KNOWN.states.first().map(Item::to_bytes).unwrap_or_default();
        let question = Question { block: Selector::Height(7), topic: Topic::Snapshot };
        let (held, depth) = (Held::default(), Depth::Seal);
        let request = Request::Answer(AnswerRequest { question, held, depth });
        let (server, answer) = ("http://127.0.0.1:9400".to_owned(), vec![0xc0]);
        let evidence = [vec![0xc0], vec![0xc1, 0x80]];
        let conflict = Act::Conflict { other_server: server.clone(), evidence };
        let statement = Statement::new(Identifier([1; 32]), (7, Identifier([2; 32])), &answer);
        let receipt = Some(Receipt { statement, key: [3; 32], signature: [4; 64] });
        let (root, items) = (Identifier([5; 32]), TreeQuestion::new([TreeItem::Table]));
        let tree = TreeRequest {
            block: Selector::Id(Identifier([6; 32])),
            question: items.expect("a question"),
        };
        let about_tree = WrongAnswer::about_tree(tree, answer.clone(), root);
        let grounds = Grounds::Word(trusted);
        let wrong = WrongAnswer { request, answer, receipt: None, grounds };
        let held = Preimages::default();
        let grounds = Grounds::Proof { file: vec![0xc0], held: held.clone() };
        let signed = WrongAnswer { receipt, grounds, ..wrong.clone() };
        let named = WrongAnswer { grounds: Grounds::Named(held), ..wrong.clone() };
        let wrong_answer = |wrong| Act::WrongAnswer(Box::new(wrong));
        let acts = [
            ("wrong-answer", wrong_answer(wrong)),
            ("signed", wrong_answer(signed)),
            ("named", wrong_answer(named)),
            ("about-tree", wrong_answer(about_tree)),
            ("conflict", conflict),
        ];
        for (name, act) in acts {
            let found = Misbehaviour { server: server.clone(), seen_at_ms: 1 << 40, act };
            self.add("evidence", name, &[&[0, 1], &found.to_bytes()]);
        }
        for index in (0..KNOWN.states.len()).filter_map(|index| u8::try_from(index).ok()) {
            self.add("trusted_state", format!("state-{index:02}"), &[&[index, 0]]);
            let edit = [index, 0, 4, 0, 9, index, 0, 2];
            self.add("trusted_state", format!("state-{index:02}-edited"), &[&edit]);
        }
    }

    /// Short lies about the chain whose keys nobody has, as they are.
    fn lies(&mut self) {
        let names = answers::names(false);
        for group in ["blocks", "questions", "seals", "format"].map(files::group) {
            for case in group.cases.iter() {
                let Task::Answer { evidence, .. } = &case.task else { continue };
                let twin =
                    case.twin.as_deref().and_then(|twin| names.iter().position(|n| n == twin));
                let Some(index) = twin.and_then(|twin| u8::try_from(twin).ok()) else { continue };
                let evidence = group.blob(evidence).expect("a blob of the group");
                if evidence.len() > LIE_BYTES_MAX {
                    continue;
                }
                let (name, target) = (case.name.replace('/', "-"), "answer");
                if group.group == "format" {
                    self.add("evidence", name, &[&[0, 1], &evidence]);
                } else {
                    self.add(target, name, &[&[index, 1], &evidence]);
                }
            }
        }
    }

    /// Messages, and whatever a payload holds.
    fn blocks(&mut self) {
        let file = files::gunzip("vectors/efm-after-commit/blocks.pb.gz");
        self.add("frames", "two", &[file.get(..two_frames(&file)).unwrap_or_default()]);
        self.add("frames", "cut-short", &[file.get(..500).unwrap_or_default()]);
        let mut kinds = [false; 4];
        for (number, wire) in Frames::new(&file[..]).enumerate() {
            let wire = wire.expect("a block of the chain");
            let message = wire.encode_to_vec();
            let block = block_from_wire(wire).expect("a block of the chain");
            let lists = [
                block.payload.guarantees.is_empty(),
                block.payload.seals.is_empty(),
                block.payload.results.is_empty(),
                block.last_view_tc.is_none(),
            ];
            let news = kinds.iter_mut().zip(lists).any(|(seen, empty)| {
                let new = !empty && !*seen;
                *seen |= !empty;
                new
            });
            if news || number == 0 {
                self.add("block_message", format!("block-{number}"), &[&message]);
                self.parts(number, &block);
            }
        }
    }

    fn parts(&mut self, number: usize, block: &Block) {
        let payload = &block.payload;
        let tc = block.last_view_tc.as_ref();
        let parts = [
            (0, Some(block.header.to_rlp())),
            (1, tc.map(|tc| tc.newest_qc.to_rlp())),
            (2, tc.map(Entity::to_rlp)),
            (3, payload.guarantees.first().map(Entity::to_rlp)),
            (4, payload.seals.first().map(Entity::to_rlp)),
            (5, payload.receipts.first().map(Entity::to_rlp)),
            (6, payload.results.first().map(Entity::to_rlp)),
        ];
        for (kind, rlp) in parts {
            let Some(rlp) = rlp else { continue };
            self.add("model", format!("{kind:02}-{number}"), &[&[kind], &rlp]);
            self.add("rlp", format!("{kind:02}-{number}"), &[&rlp]);
        }
        let result = payload
            .results
            .first()
            .map(|result| weir_proto::convert::result_to_wire(result).encode_to_vec());
        self.add("block_message", format!("result-{number}"), &[&result.unwrap_or_default()]);
    }

    /// Protocol states in RLP and msgpack, service events in RLP and JSON.
    fn states_and_events(&mut self) {
        for chain in ["efm-after-commit", "kv-version-upgrades", "ejection", "efm-missed-commit"] {
            let rows = |file: &str| files::rows(&format!("vectors/{chain}/{file}.jsonl.gz"));
            for row in rows("epoch_states").iter().step_by(20) {
                self.add(
                    "model",
                    format!("10-{chain}-{}", row["counter"]),
                    &[&[10], &hex(&row["rlp"])],
                );
            }
            for row in rows("kv_states").iter().step_by(20) {
                self.store(&format!("{chain}-{}", row["version"]), row);
            }
            for (number, row) in rows("service_events").iter().enumerate() {
                self.event(&format!("{chain}-{number}"), row);
            }
        }
        for (number, row) in files::rows("vectors/primitives/kv_store.jsonl.gz").iter().enumerate()
        {
            self.store(&format!("{number:02}"), row);
        }
    }

    fn store(&mut self, name: &str, row: &Value) {
        let (version, data) = (row["version"].as_u64().unwrap_or_default(), hex(&row["data"]));
        let Ok(store) = KvStore::from_msgpack(version, &data) else { return };
        let first = u8::try_from(version).unwrap_or_default();
        self.add("msgpack", name, &[&[first], &data]);
        self.add("model", format!("11-{name}"), &[&[11], &store.to_rlp()]);
    }

    fn event(&mut self, name: &str, row: &Value) {
        let (type_name, rlp) = (row["type"].as_str().unwrap_or_default(), hex(&row["rlp"]));
        let Some((kind, _)) = (0u8..).zip(EVENT_TYPES).find(|(_, known)| *known == type_name)
        else {
            return;
        };
        let Ok(event) = ServiceEvent::decode(type_name, &mut Decoder::new(&rlp)) else { return };
        let same_kind = |seed: &&Seed| seed.target == "service_event" && seed.bytes[0] == kind;
        if self.0.iter().filter(same_kind).count() < 2 {
            self.add("service_event", name, &[&[kind], &event.to_json()]);
            self.add("model", format!("12-{name}"), &[&[12, kind], &rlp]);
            match kind {
                0 => self.add("model", format!("07-{name}"), &[&[7], &rlp]),
                1 => self.add("model", format!("08-{name}"), &[&[8], &rlp]),
                6 => self.add("model", format!("09-{name}"), &[&[9], &rlp]),
                _ => (),
            }
        }
    }

    fn certificates(&mut self) {
        for index in 0..8 {
            self.add("certificate", format!("honest-{index}"), &[&[index, 0]]);
            self.add(
                "certificate",
                format!("donor-{index}"),
                &[&[index, 0, 5, 0, 3, index + 1, 0, 3]],
            );
        }
        for row in files::rows(known::EXPECTED[0]).iter().take(4) {
            let Some(qc) = known::certificate(&row["certifying_qc"]) else { continue };
            self.add("certificate", format!("raw-{}", qc.view), &[&[0, 1], &qc.to_rlp()]);
            let checksum = qc.signer_indices.get(..4).unwrap_or_default();
            self.add("indices", qc.view.to_string(), &[checksum, &[0, 5], &qc.signer_indices]);
        }
        for (number, row) in
            files::rows("vectors/primitives/bls.jsonl.gz").iter().enumerate().step_by(3)
        {
            let parts = [hex(&row["signature"]), hex(&row["public_key"]), hex(&row["message"])];
            self.add("bls", format!("{number:02}"), &[&[1], &parts.concat()]);
            self.add("bls", format!("{number:02}-parse"), &[&[2], &parts[..2].concat()]);
        }
    }

    fn proofs(&mut self) {
        for case in &files::group("proofs").cases {
            let group = files::group("proofs");
            let (Task::Inclusion { proof, .. } | Task::Absence { proof, .. }) = &case.task else {
                continue;
            };
            let proof = group.blob(proof).expect("a blob of the group");
            self.add("merkle", case.name.replace('/', "-"), &[&proof]);
        }
        for list in 0..4 {
            for id in [0, 3, 8] {
                self.add("merkle_answer", format!("{list}-{id}"), &[&[list, 0, id, id, id]]);
            }
            // Not in the list, for the list has fewer.
            self.add("merkle_answer", format!("{list}-absent"), &[&[list, 0, 200, 0, 0, 9]]);
        }
        for (question, proof) in (0u8..).zip(trees::proofs()) {
            self.add("tree", question.to_string(), &[&[question], &proof]);
            self.add("tree_answer", question.to_string(), &[&[question, 0, question]]);
            let edit = [question, 0, question, question % 6, 0, 40, 3, 0, 9];
            self.add("tree_answer", format!("{question}-edited"), &[&edit]);
        }
    }

    fn requests(&mut self) {
        let id = Identifier([7; 32]);
        let filter = IdentityFilter {
            roles: [Role::Access, Role::Consensus].into(),
            statuses: [ParticipationStatus::Joining].into(),
            node_ids: [id].into(),
        };
        let selectors = [
            Selector::LatestFinalized,
            Selector::LatestSealed,
            Selector::Id(id),
            Selector::Height(1000),
        ];
        let topics = [Topic::Snapshot, Topic::Identities(filter), Topic::Epoch(EpochName::Next)];
        for (number, block) in selectors.into_iter().enumerate() {
            for topic in &topics {
                let question = Question { block, topic: topic.clone() };
                let (held, depth) = (Held::default(), Depth::Finality);
                let asked = Request::Answer(AnswerRequest { question, held, depth });
                let (kind, bytes) = match request_to_wire(&asked) {
                    Call::Identities(list) => (1, list.encode_to_vec()),
                    Call::Epoch(epoch) => (2, epoch.encode_to_vec()),
                    Call::Snapshot(snapshot) => (4, snapshot.encode_to_vec()),
                    _ => continue,
                };
                self.add("request", format!("{kind}-{number}"), &[&[kind], &bytes]);
            }
        }
        for (number, question) in trees::questions().into_iter().enumerate() {
            let asked = Request::TreeProof(TreeRequest { block: Selector::Id(id), question });
            if let Call::TreeProof(request) = request_to_wire(&asked) {
                self.add("request", format!("0-{number}"), &[&[0], &request.encode_to_vec()]);
            }
        }
        let available = v1::Available::default();
        let status = weir_proto::status::with_available(tonic::Code::NotFound, "none", &available);
        self.add("request", "3", &[&[3], status.details()]);
    }

    fn small_things(&mut self) {
        let id = Identifier([0xab; 32]);
        for name in ["consensus", "joining", "current_epoch.counter", &id.to_hex()] {
            self.add("names", name.get(..9).unwrap_or(name), &[name.as_bytes()]);
        }
        self.add("names", "id", &[&id.0]);
        for (name, edit) in
            [("whole", &[][..]), ("bit", &[0, 9, 0, 3, 0, 0]), ("cut", &[4, 0, 0, 9, 8, 0])]
        {
            self.add("snapshot", name, &[&[0], edit]);
        }
        self.add("snapshot", "raw", &[&[1], b"{\"SealingSegment\":{\"Blocks\":[]}}"]);
        self.add("rlp", "nested", &[&[0xc3, 0xc2, 0xc1, 0xc0]]);
    }
}

fn hex(value: &Value) -> Vec<u8> {
    value.as_str().and_then(|digits| hex::decode(digits).ok()).unwrap_or_default()
}

/// Where the second frame of a file ends.
fn two_frames(file: &[u8]) -> usize {
    let end = |start: usize| {
        let len = file
            .get(start..start + 4)
            .map_or(0, |len| u32::from_be_bytes(len.try_into().unwrap_or_default()));
        start + 4 + usize::try_from(len).unwrap_or_default()
    };
    end(end(0))
}

/// Most bytes of a seed, and of a lie among them.
const SEED_BYTES_MAX: usize = 6 << 10;
const LIE_BYTES_MAX: usize = 1200;
