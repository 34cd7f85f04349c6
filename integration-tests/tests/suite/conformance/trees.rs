//! Snapshot trees: the root that a block commits to, and proofs under a root.

use tempfile::TempDir;
use weir_conformance::Group;
use weir_devnet::config::EpochConfig;
use weir_devnet::{Config, archive};
use weir_integration_tests::TestServer;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Decoder;
use weir_protocol::evidence::{AnswerProof, Bundle, Preimages};
use weir_protocol::model::{Identifier, KvStore, Role, SIMULATED_KV_STORE_VERSION};
use weir_protocol::request::Depth;
use weir_protocol::request::{Question, Selector, Topic, TreeRequest};
use weir_protocol::snapshot_tree::{Field, NodeIdentity, TreeItem, TreeQuestion};
use weir_server::api::ApiOptions;
use weir_verifier::verify_tree;

use super::chain::{Chain, changed};
use super::group::Cases;

pub(super) fn group(chain: &Chain, simulated: &Chain) -> Group {
    let about = "A question about a snapshot tree has one proof, and leads from one root; a block \
                 commits to that root where its protocol state's version has it.";
    let mut cases = Cases::new("trees", about);
    let tree = Tree { chain, height: 1010 };
    nodes(&mut cases, &tree);
    absence(&mut cases, &tree);
    roles(&mut cases, &tree);
    fields(&mut cases, &tree);
    tables(&mut cases, &tree);
    committed(&mut cases, simulated);
    cases.finish()
}

/// A network that upgrades to the version whose state has the root.
pub(super) async fn simulated() -> (Chain, TempDir) {
    let config = Config { seed: 5, epochs: EpochConfig::of_length(200), ..Config::default() };
    let dir = tempfile::tempdir().unwrap();
    let amount = archive::Amount::Blocks(120);
    archive::write(config.with_snapshot_tree(), dir.path(), amount, |_| ()).unwrap();
    (Chain::of(TestServer::over(dir.path(), ApiOptions::default()).await.unwrap()), dir)
}

/// The tree at a height of a chain.
struct Tree<'a> {
    chain: &'a Chain,
    height: u64,
}

impl Tree<'_> {
    fn prove(&self, items: &[TreeItem]) -> (Identifier, Vec<u8>) {
        let question = TreeQuestion::new(items.iter().copied()).unwrap();
        let block = Selector::Height(self.height);
        let asked = TreeRequest { block, question };
        let proof = self.chain.server.prover.tree_proof(&asked).unwrap();
        (proof.root, proof.proof)
    }

    fn root(&self) -> Identifier {
        self.prove(&[TreeItem::Table]).0
    }

    fn table(&self) -> Vec<NodeIdentity> {
        let (root, proof) = self.prove(&[TreeItem::Table]);
        let question = TreeQuestion::new([TreeItem::Table]).unwrap();
        verify_tree(root, &question, &proof).unwrap().into_value().table.unwrap()
    }

    /// A tree with other nodes: that of a later epoch.
    fn later(&self) -> Self {
        Self { chain: self.chain, height: 1080 }
    }
}

const RULE: &str = "Tree";

/// Tells lies in place of one proof.
struct Liar<'a> {
    cases: &'a mut Cases,
    root: Identifier,
    items: Vec<TreeItem>,
    honest: Vec<u8>,
}

impl<'a> Liar<'a> {
    fn new(cases: &'a mut Cases, tree: &Tree<'_>, items: &[TreeItem], name: (&str, &str)) -> Self {
        let (root, honest) = tree.prove(items);
        let task = cases.tree(root, items, &honest);
        cases.honest(name.0, name.1, task);
        Self { cases, root, items: items.to_vec(), honest }
    }

    /// Other bytes.
    fn says(&mut self, name: &str, what: &str, proof: &[u8]) {
        assert!(*proof != self.honest, "{name} is no lie");
        let task = self.cases.tree(self.root, &self.items, proof);
        self.cases.lie((name, RULE, what), task);
    }

    /// Changed bytes.
    fn changes(&mut self, name: &str, what: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut proof = self.honest.clone();
        change(&mut proof);
        self.says(name, what, &proof);
    }

    /// The honest bytes, under another root or to another question.
    fn passes_off(&mut self, name: &str, what: &str, root: Identifier, items: &[TreeItem]) {
        let task = self.cases.tree(root, items, &self.honest);
        self.cases.lie((name, RULE, what), task);
    }

    fn find(&self, id: &Identifier) -> usize {
        self.honest.windows(32).position(|window| *window == id.0).unwrap()
    }
}

fn nodes(cases: &mut Cases, tree: &Tree<'_>) {
    let table = tree.table();
    let (node, other) = (table[3].skeleton.node_id, table[4].skeleton.node_id);
    let item = [TreeItem::Node(node)];
    let mut liar = Liar::new(cases, tree, &item, ("node", "A node of the table."));
    liar.says("empty-proof", "No bytes.", &[]);
    liar.says("version-alone", "A version and nothing else.", &[1]);
    liar.says(
        "another-node",
        "The proof of another node.",
        &tree.prove(&[TreeItem::Node(other)]).1,
    );
    liar.says("later-proof", "The proof from a later state.", &tree.later().prove(&item).1);
    liar.passes_off("later-root", "The root of a later state.", tree.later().root(), &item);
    let root = liar.root;
    let asked = [TreeItem::Node(other)];
    liar.passes_off("other-question", "The proof of a node for another one.", root, &asked);
    let asked = [TreeItem::Node(node), TreeItem::Field(Field::EpochCounter)];
    liar.passes_off("half-an-answer", "A node, where a field was asked for besides.", root, &asked);
    liar.changes("unknown-version", "The version of a format to come.", |proof| proof[0] = 2);
    liar.changes("cut-short", "The last byte is missing.", |proof| _ = proof.pop());
    liar.changes("byte-after-the-end", "A byte follows.", |proof| proof.push(0));
    liar.changes("hash-left-out", "The last hash is missing.", |proof| {
        proof.truncate(proof.len() - 32);
    });
    liar.changes("hash-unused", "A hash that nothing needs.", |proof| proof.extend([7; 32]));
    liar.changes("hash-changed", "A hash of what was not asked for.", |proof| {
        *proof.last_mut().unwrap() ^= 1;
    });
    liar.changes("way-longer", "A fork a bit further down.", |proof| proof[1] += 1);
    liar.changes("path-not-needed", "A path shown that the key follows.", |proof| proof[1] |= 0x80);
    liar.changes("all-bits-taken", "A leaf in place of a fork.", |proof| proof[1] = 0x7f);
    liar.says("no-leaves", "A tree without leaves.", &[&[1, 0x80][..], &[7; 32]].concat());
    let key = table[3].skeleton.staking_key.unwrap();
    let at = liar.honest.windows(96).position(|window| *window == key).unwrap();
    liar.changes("another-key", "Another staking key.", |proof| proof[at + 95] ^= 1);
    // The status is the last item of the identity, after the network key.
    let status = at + 96 + 2 + 64;
    liar.changes("another-status", "An active node shown as ejected.", |proof| proof[status] = 4);
    liar.changes("no-status", "A status that there is not.", |proof| proof[status] = 5);
    liar.changes("status-padded", "A status in more bytes than it needs.", |proof| {
        proof.splice(status..=status, [0x81, 1]);
    });
}

fn absence(cases: &mut Cases, tree: &Tree<'_>) {
    let table = tree.table();
    let mut near = table[3].skeleton.node_id;
    near.0[31] ^= 1;
    let item = [TreeItem::Node(near)];
    let what = "A node that is not in the table, beside one that is.";
    let mut liar = Liar::new(cases, tree, &item, ("absent-node", what));
    let far = Identifier([0x5a; 32]);
    let elsewhere = tree.prove(&[TreeItem::Node(far)]).1;
    liar.says("absent-elsewhere", "The place where another key leaves the tree.", &elsewhere);
    let present = tree.prove(&[TreeItem::Node(table[3].skeleton.node_id)]).1;
    liar.says("neighbour-for-absence", "The node beside it.", &present);
    let (root, item) = (liar.root, [TreeItem::Node(table[3].skeleton.node_id)]);
    liar.passes_off("absent-though-there", "A node of the table, shown as absent.", root, &item);
    liar.says(
        "absent-from-nothing",
        "A tree without leaves.",
        &[&[1, 0x80][..], &[7; 32]].concat(),
    );
    liar.changes("absence-cut-short", "The last byte is missing.", |proof| _ = proof.pop());
    liar.changes("absence-without-path", "A path left out though the key leaves it.", |proof| {
        let at = proof.iter().position(|byte| byte & 0x80 != 0).unwrap();
        proof[at] &= 0x7f;
    });
}

fn roles(cases: &mut Cases, tree: &Tree<'_>) {
    let item = [TreeItem::Role(Role::Consensus)];
    let what = "All nodes of a role.";
    let mut liar = Liar::new(cases, tree, &item, ("role", what));
    let of_role = |node: &&NodeIdentity| node.skeleton.role == Role::Consensus;
    let ids: Vec<_> =
        tree.table().iter().filter(of_role).map(|node| node.skeleton.node_id).collect();
    // An identity is a list of more than 55 bytes that begins with an ID: three bytes before it.
    let starts: Vec<_> = ids.iter().map(|id| liar.find(id) - 3).collect();
    let (first, second, third) = (starts[0], starts[1], starts[2]);
    liar.changes("role-without-a-node", "A node is left out.", |proof| {
        proof.drain(first..second);
    });
    // Version and root by ID come before the counts.
    let count = 33 + usize::from(Role::Consensus.number() - 1);
    liar.changes("role-with-another-count", "A node is left out, and not counted.", |proof| {
        proof[count] -= 1;
        proof.drain(first..second);
    });
    liar.changes("another-count", "Another count of another role.", |proof| proof[33] += 1);
    liar.changes("role-out-of-order", "Two nodes swapped.", |proof| {
        proof[first..third].rotate_left(second - first);
    });
    liar.changes("role-with-a-node-twice", "A node in place of another.", |proof| {
        let node = proof[first..second].to_vec();
        proof.splice(second..third, node);
    });
    liar.changes("empty-role", "A role said to have no nodes.", |proof| proof[count] = 0);
    let other = tree.prove(&[TreeItem::Role(Role::Execution)]).1;
    liar.says("another-role", "The nodes of another role.", &other);
    liar.says("later-role", "The nodes of a later state.", &tree.later().prove(&item).1);
    liar.changes("count-padded", "A count in more bytes than it needs.", |proof| {
        let padded = [0x81, proof[count]];
        proof.splice(count..=count, padded);
    });
}

fn fields(cases: &mut Cases, tree: &Tree<'_>) {
    let item = [TreeItem::Field(Field::EpochCounter)];
    let mut liar = Liar::new(cases, tree, &item, ("field", "A field of the state."));
    let other = tree.prove(&[TreeItem::Field(Field::EpochPhase)]).1;
    liar.says("another-field", "The proof of another field.", &other);
    let (root, asked) = (liar.root, [TreeItem::Field(Field::EpochFirstView)]);
    liar.passes_off("value-of-another-field", "A counter given for a view.", root, &asked);
    liar.changes("field-cut-short", "The last byte is missing.", |proof| _ = proof.pop());
    let item = [TreeItem::Field(Field::NextCommitId)];
    let what = "A field that the state does not have.";
    let mut liar = Liar::new(cases, tree, &item, ("absent-field", what));
    let (root, asked) = (liar.root, [TreeItem::Field(Field::CurrentCommitId)]);
    liar.passes_off("field-said-to-be-absent", "A field that is there.", root, &asked);
    let present = tree.prove(&asked).1;
    liar.says("field-said-to-be-there", "Another commit in its place.", &present);
}

fn tables(cases: &mut Cases, tree: &Tree<'_>) {
    let table = tree.table();
    let mut liar =
        Liar::new(cases, tree, &[TreeItem::Table], ("table", "The whole identity table."));
    let starts: Vec<_> =
        table[..3].iter().map(|node| liar.find(&node.skeleton.node_id) - 3).collect();
    let (first, second, third) = (starts[0], starts[1], starts[2]);
    liar.changes("table-without-a-node", "A node is left out, and not counted.", |proof| {
        proof[1] -= 1;
        proof.drain(first..second);
    });
    liar.changes("table-out-of-order", "Two nodes swapped.", |proof| {
        proof[first..third].rotate_left(second - first);
    });
    liar.changes("table-with-a-node-twice", "A node twice.", |proof| {
        proof[1] += 1;
        let node = proof[first..second].to_vec();
        proof.splice(second..second, node);
    });
    liar.changes("empty-table", "A table without nodes.", |proof| {
        proof[1] = 0;
        proof.drain(2..proof.len() - 32);
    });
    liar.changes("table-beyond-the-bytes", "More nodes counted than there are bytes.", |proof| {
        proof.splice(1..2, [0x84, 0xff, 0xff, 0xff, 0xff]);
    });
}

/// Evidence about a block of a chain, for one who holds nothing.
fn about_block(chain: &Chain, block_id: Identifier) -> AnswerProof {
    let question = Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
    chain.whole(&question, Depth::KnownBlock)
}

/// The same with the key-value store changed and nothing else in the bundle, and the store's ID.
fn with_store(
    evidence: &AnswerProof,
    change: impl FnOnce(&mut KvStore),
) -> (AnswerProof, Identifier) {
    let roots = evidence.block.roots.unwrap();
    let expanded = evidence.bundle.expand(&[]).unwrap();
    let bytes = expanded.get(&roots.protocol_state_id).unwrap();
    let mut store = KvStore::decode(&mut Decoder::new(bytes)).unwrap();
    change(&mut store);
    let mut preimages = Preimages::default();
    preimages.insert(store.to_rlp());
    (AnswerProof { bundle: Bundle::whole(preimages), ..evidence.clone() }, store.id())
}

fn committed(cases: &mut Cases, chain: &Chain) {
    let heights = [1, 110].map(|height| chain.block_id(height));
    let [before, after] = heights;
    let honest = about_block(chain, after);
    let task = cases.committed_tree(after, &honest);
    cases.honest("committed-root", "A block whose protocol state has the root.", task);
    let (alone, _) = with_store(&honest, |_| ());
    let task = cases.committed_tree(after, &alone);
    cases.honest("committed-without-setups", "Header, roots and key-value store alone.", task);
    let task = cases.committed_tree(before, &about_block(chain, before));
    let what = "A block before the upgrade, whose state has no root.";
    cases.lie(("no-committed-root", "CommittedTree", what), task);
    let (other, id) =
        with_store(&honest, |store| store.snapshot_tree_root = Some(Identifier([7; 32])));
    let task = cases.committed_tree(after, &other);
    cases.lie(("store-with-another-root", "Preimage", "A store with another root."), task);
    let roots = changed(&other, |answer| {
        answer.block.roots.as_mut().unwrap().protocol_state_id = id;
    });
    let task = cases.committed_tree(after, &roots);
    let what = "Payload roots that lead to a store with another root.";
    cases.lie(("roots-to-another-root", "PayloadHash", what), task);
    let task = cases.committed_tree(before, &honest);
    cases.lie(("root-of-another-block", "AnotherQuestion", "The root of another block."), task);
    let closed = changed(&alone, |answer| answer.block.roots = None);
    let task = cases.committed_tree(after, &closed);
    cases.lie(("committed-without-roots", "PayloadRoots", "A header alone."), task);
    flows(cases, &alone);
}

/// A network of Flow's, with the version that only a simulated one has.
fn flows(cases: &mut Cases, honest: &AnswerProof) {
    let mut evidence = changed(honest, |answer| {
        answer.block.header.chain_id = "flow-mainnet".to_owned();
    });
    let block_id = evidence.block.header.id();
    evidence.question.block = Selector::Id(block_id);
    let (store, _) = with_store(&evidence, |store| {
        assert_eq!(store.version, SIMULATED_KV_STORE_VERSION);
    });
    let task = cases.committed_tree(block_id, &store);
    let what = "A version that is not known of Flow's, in a block of the main network that is vouched for.";
    cases.lie(("version-of-no-flow-network", "ProtocolVersion", what), task);
}
