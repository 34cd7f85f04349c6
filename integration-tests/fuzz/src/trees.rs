//! Merkle proofs of payload lists, and proofs of the snapshot tree.

use std::sync::LazyLock;

use weir_protocol::codec::sha3_256;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::merkle::{AbsenceProof, Proof, Tree, verify, verify_absence};
use weir_protocol::model::{Identifier, Role};
use weir_protocol::protocol_state::EpochIdentities;
use weir_protocol::snapshot_tree::{
    self, Field, SnapshotTree, TreeAnswer, TreeError, TreeItem, TreeQuestion,
};

use crate::input::Input;
use crate::rlp_tree::Item;
use crate::{bytes_edit, files};

/// Merkle proofs: what is accepted is written again byte for byte, and climbs without a panic.
pub fn merkle(bytes: &[u8]) {
    let (root, id) = (sha3_256(&[b"root"]), sha3_256(&[bytes.get(..4).unwrap_or_default()]));
    if let Ok(proof) = Proof::decode(bytes) {
        assert_eq!(proof.encode(), bytes, "another encoding of the same proof");
        assert!(verify(&root, &id, 0, &proof).is_err(), "a root was met by chance");
    }
    if let Ok(proof) = AbsenceProof::decode(bytes) {
        assert_eq!(proof.encode(), bytes, "another encoding of the same proof");
        assert!(verify_absence(&root, &id, &proof).is_err(), "a root was met by chance");
    }
}

/// Edited proofs about a known list: what is accepted is true, and is the tree's own proof.
pub fn merkle_answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let list = input.choose(&LISTS);
    let (mode, chosen) = (input.byte(), usize::from(input.byte()));
    let index = u64::from(input.byte());
    let id = match list.ids.get(chosen) {
        Some(id) => *id,
        None => sha3_256(&[&[input.byte()]]),
    };
    let proof = if mode & 1 == 0 {
        let donors: Vec<_> = list.proofs.iter().collect();
        let mut proof = input.choose(&list.proofs).clone();
        proof.edit(&mut input, &donors);
        proof.to_bytes()
    } else {
        input.rest().to_vec()
    };
    list.check(&id, index, &proof);
}

/// A list, its tree, and honest proofs about it.
struct List {
    ids: Vec<Identifier>,
    tree: Tree,
    proofs: Vec<Item>,
}

impl List {
    fn new(name: &str, len: u8) -> Self {
        let ids: Vec<_> = (0..len).map(|n| sha3_256(&[name.as_bytes(), &[n]])).collect();
        let tree = Tree::new(&ids);
        let strangers = (0..4).map(|n| sha3_256(&[&[n]]));
        let proofs = ids.iter().copied().chain(strangers).map(|id| {
            let proof = tree.prove(&id).map(|proof| proof.encode());
            let absence = tree.prove_absence(&id).map(|proof| proof.encode());
            Item::parse(&proof.or(absence).expect("an ID is in the list or not")).expect("RLP")
        });
        Self { proofs: proofs.collect(), ids, tree }
    }

    fn check(&self, id: &Identifier, index: u64, proof: &[u8]) {
        let root = self.tree.root();
        if Proof::decode(proof).is_ok_and(|proof| verify(&root, id, index, &proof).is_ok()) {
            let at = usize::try_from(index).ok().and_then(|index| self.ids.get(index));
            assert_eq!(at, Some(id), "an entity where it is not");
            let own = self.tree.prove(id).map(|proof| proof.encode());
            assert_eq!(own.as_deref(), Some(proof), "a second proof of one fact");
        }
        let absent = AbsenceProof::decode(proof);
        if absent.is_ok_and(|proof| verify_absence(&root, id, &proof).is_ok()) {
            assert!(!self.ids.contains(id), "an entity that is there is proved absent");
            let own = self.tree.prove_absence(id).map(|proof| proof.encode());
            let same_divergence = own.as_deref() == Some(proof);
            assert!(same_divergence, "a second proof of one absence");
        }
    }
}

/// Proofs of the snapshot tree under whatever root they lead to: reading is total and repeats, and
/// two questions that one proof answers are answered alike.
pub fn tree(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (question, ..) = input.choose(&KNOWN.honest);
    let proof = input.rest();
    let found = match snapshot_tree::verify(&Identifier::ZERO, question, proof) {
        Ok(_) => panic!("a root of zeros was met by chance"),
        Err(TreeError::WrongRoot { found, .. }) => found,
        Err(_) => return,
    };
    let answer = snapshot_tree::verify(&found, question, proof);
    let answer = answer.expect("the proof leads to this root");
    for (other, ..) in &KNOWN.honest {
        // Both may be answered, as when one path shows that two nodes are absent.
        if let Ok(other) = snapshot_tree::verify(&found, other, proof) {
            agree(&answer, &other);
        }
    }
}

/// What both answers speak of, they say alike.
fn agree(one: &TreeAnswer, other: &TreeAnswer) {
    let nodes = one.nodes.iter().filter_map(|(id, node)| Some((node, other.nodes.get(id)?)));
    nodes.for_each(|(one, other)| assert_eq!(one, other, "two nodes of one ID"));
    let fields = one.fields.iter().filter_map(|(field, v)| Some((v, other.fields.get(field)?)));
    fields.for_each(|(one, other)| assert_eq!(one, other, "two values of one field"));
    let roles = one.roles.iter().filter_map(|(role, list)| Some((list, other.roles.get(role)?)));
    roles.for_each(|(one, other)| assert_eq!(one, other, "two lists of one role"));
    if let (Some(one), Some(other)) = (&one.role_counts, &other.role_counts) {
        assert_eq!(one, other, "two counts of one table");
    }
}

/// Edited proofs under a known root: what is accepted is the one proof, and the known answer.
pub fn tree_answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let honest = input.choose(&KNOWN.honest);
    let proof = if !input.is_raw() {
        let mut proof = input.choose(&KNOWN.honest).1.clone();
        bytes_edit::edit(&mut proof, &mut input);
        proof
    } else {
        input.rest().to_vec()
    };
    check(&KNOWN.root, honest, &proof);
}

fn check(root: &Identifier, (question, honest, answer): &Honest, proof: &[u8]) {
    if let Ok(found) = snapshot_tree::verify(root, question, proof) {
        assert_eq!(&found, answer, "another answer under the same root");
        assert_eq!(proof, honest, "a second proof of one answer");
    }
}

/// The known questions.
pub(crate) fn questions() -> Vec<TreeQuestion> {
    KNOWN.honest.iter().map(|(question, ..)| question.clone()).collect()
}

/// Their proofs.
pub(crate) fn proofs() -> Vec<Vec<u8>> {
    KNOWN.honest.iter().map(|(_, proof, _)| proof.clone()).collect()
}

/// A question, its proof, and its answer.
type Honest = (TreeQuestion, Vec<u8>, TreeAnswer);

struct KnownTree {
    root: Identifier,
    honest: Vec<Honest>,
}

static LISTS: LazyLock<Vec<List>> = LazyLock::new(|| {
    [("nine", 9), ("one", 1), ("none", 0), ("many", 60)].map(|(n, l)| List::new(n, l)).into()
});

static KNOWN: LazyLock<KnownTree> = LazyLock::new(|| {
    let json = files::gunzip("vectors/conflicting-finality/root-protocol-state-snapshot.json.gz");
    let snapshot = Snapshot::from_json(&json).expect("a real snapshot");
    let state = snapshot.head_state();
    let epochs = EpochIdentities {
        entry: &state.epoch_entry,
        previous: state.previous_epoch_setup.as_ref(),
        current: &state.current_epoch_setup,
        next: state.next_epoch_setup.as_ref(),
    };
    let tree = SnapshotTree::new(&state.kv_store, &epochs).expect("a consistent state");
    let nodes: Vec<_> = tree.identities().iter().map(|node| node.skeleton.node_id).collect();
    let questions: [&[TreeItem]; 8] = [
        &[TreeItem::Node(nodes[0])],
        &[TreeItem::Node(Identifier([0x5a; 32]))],
        &[TreeItem::Node(nodes[1]), TreeItem::Node(nodes[2]), TreeItem::Node(Identifier([1; 32]))],
        &[TreeItem::Field(Field::EpochCounter)],
        &[TreeItem::Field(Field::NextSetupId), TreeItem::Field(Field::Version)],
        &[TreeItem::Role(Role::Consensus)],
        &[TreeItem::Role(Role::Access), TreeItem::Role(Role::Execution), TreeItem::Node(nodes[3])],
        &[TreeItem::Table],
    ];
    let root = tree.root();
    let honest = questions.map(|items| {
        let question = TreeQuestion::new(items.iter().cloned()).expect("a question");
        let proof = tree.prove(&question);
        let answer = snapshot_tree::verify(&root, &question, &proof).expect("an honest proof");
        (question, proof, answer)
    });
    KnownTree { root, honest: honest.into() }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[bounded::test]
    #[should_panic(expected = "another answer under the same root")]
    fn a_wrong_known_answer_is_noticed() {
        let mut wrong = KNOWN.honest[0].clone();
        wrong.2 = KNOWN.honest[1].2.clone();
        check(&KNOWN.root, &wrong, &KNOWN.honest[0].1);
    }

    #[bounded::test]
    #[should_panic(expected = "an entity where it is not")]
    fn a_wrong_known_list_is_noticed() {
        let mut list = List::new("nine", 9);
        let proof = list.tree.prove(&list.ids[3]).expect("it is there").encode();
        let id = list.ids[3];
        list.ids.swap(3, 4);
        list.check(&id, 3, &proof);
    }
}
