//! Known answers: the honest cases of the negative suite, and what flow-go computed.
//!
//! Cases of forged chains stay out: their committees signed lies, so no answer is the known one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use weir_conformance::{AskedQuestion, Case, Group, Task, answer_digest, state_digest};
use weir_protocol::evidence::{AnswerProof, CheckpointProof, HopsPage, Preimages};
use weir_protocol::model::{Identifier, QuorumCertificate};
use weir_protocol::request::Question;
use weir_verifier::{Anchor, Answer, Rejection, Timing, TrustedState, open, verify_file};

use crate::files;
use crate::rlp_tree::Item;

/// What the accepting targets compare with.
pub(crate) struct Known {
    /// Honest evidence, each with what it proves.
    pub(crate) cases: Vec<HonestCase>,
    /// Honest states, without their checksums.
    pub(crate) states: Vec<Item>,
    /// What is accepted about an epoch, by chain and counter.
    pub(crate) epochs: BTreeMap<(Chain, u64), BTreeSet<EpochFacts>>,
    /// Blocks of the chains by flow-go, by ID.
    pub(crate) blocks: BTreeMap<Identifier, (Chain, Value)>,
}

/// Evidence that a client accepts, and what it proves.
pub(crate) struct HonestCase {
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) timing: Timing,
    pub(crate) tree: Item,
    pub(crate) proves: Proved,
}

/// Who verifies, and what is asked.
pub(crate) enum Client {
    Checkpoint(Identifier),
    Hops(TrustedState),
    Answer(TrustedState, Question),
    KnownBlock(Identifier, Question),
    Committee(TrustedState, u64, Question),
    File(Identifier),
}

/// What evidence proves.
#[derive(Clone)]
pub(crate) enum Proved {
    State(Box<TrustedState>),
    Answer(Question, Box<Answer>),
}

/// A chain by flow-go, by its place among them; or the simulated network's.
pub(crate) type Chain = Option<usize>;

/// Setup ID, commit ID and first view of an epoch.
pub(crate) type EpochFacts = (Vec<u8>, Vec<u8>, u64);

impl Client {
    /// What the evidence proves to this client; a state that came of an error is proved as well.
    pub(crate) fn verify(&self, bytes: &[u8], timing: &Timing) -> Result<Proved, Rejection> {
        let read = || AnswerProof::from_bytes(bytes);
        let held = &Preimages::default();
        let answer =
            |question: &Question, answer| Proved::Answer(question.clone(), Box::new(answer));
        match self {
            Self::Checkpoint(id) => {
                let checkpoint = CheckpointProof::from_bytes(bytes)?;
                let state = TrustedState::from_checkpoint(*id, &checkpoint)?.into_value();
                Ok(Proved::State(Box::new(state)))
            }
            Self::Hops(trusted) => {
                let mut after = trusted.clone();
                let applied = after.apply_hops(&HopsPage::from_bytes(bytes)?, timing);
                // Hops before a failing one stay applied, and must be as true as all others.
                let moved = after.newest_epoch() != trusted.newest_epoch();
                let after = Proved::State(Box::new(after));
                if moved { Ok(after) } else { applied.map(|_| after) }
            }
            Self::Answer(trusted, question) => {
                let mut after = trusted.clone();
                let found = after.verify(question, &read()?, timing);
                assert!(found.is_ok() || after.head() == trusted.head(), "moved by a rejection");
                Ok(answer(question, found?.into_value()))
            }
            Self::KnownBlock(id, question) => {
                let anchor = Anchor::KnownBlock { block_id: *id, held };
                let found = open(anchor, question, &read()?, timing)?.answer()?;
                Ok(answer(question, found.into_value()))
            }
            Self::Committee(trusted, counter, question) => {
                let committee = trusted.committee(*counter).expect("a kept committee");
                let anchor = Anchor::Committee { committee, held };
                let found = open(anchor, question, &read()?, timing)?.answer()?;
                Ok(answer(question, found.into_value()))
            }
            Self::File(checkpoint_id) => {
                let (question, found) = verify_file(*checkpoint_id, bytes, timing)?;
                Ok(answer(&question, found.into_value()))
            }
        }
    }

    pub(crate) fn gives_states(&self) -> bool {
        matches!(self, Self::Checkpoint(_) | Self::Hops(_))
    }
}

impl Proved {
    /// The suite's digest of it.
    fn digest(&self) -> String {
        match self {
            Self::State(state) => state_digest(state),
            Self::Answer(_, answer) => answer_digest(answer),
        }
    }
}

impl Known {
    fn load() -> Self {
        let mut known = Self {
            cases: Vec::new(),
            states: Vec::new(),
            epochs: BTreeMap::new(),
            blocks: BTreeMap::new(),
        };
        for (chain, path) in EXPECTED.iter().enumerate() {
            for row in files::rows(path) {
                let id = identifier(&row["block_id"]).expect("a row's block ID");
                known.blocks.insert(id, (Some(chain), row));
            }
        }
        for name in GROUPS {
            let group = files::group(name);
            for case in group.cases.iter().filter(|case| case.twin.is_none()) {
                known.add(&group, case);
            }
        }
        known
    }

    fn add(&mut self, group: &Group, case: &Case) {
        let (client, evidence) = match (client(group, &case.task), &case.task) {
            (Some(found), _) => found,
            (None, Task::TrustedState { trusted_state }) => {
                return self.learn(&trusted(group, trusted_state));
            }
            (None, _) => return,
        };
        let mut timing = Timing::at(case.now_ms);
        if let Some(period) = case.trusting_period_ms {
            timing = timing.with_trusting_period_ms(period).expect("a period in range");
        }
        let proves = client.verify(&evidence, &timing).expect("honest evidence");
        check_digest(case, &proves.digest());
        match (&client, &proves) {
            (Client::Answer(trusted, _) | Client::Committee(trusted, ..), _) => self.learn(trusted),
            (_, Proved::State(state)) => self.learn(state),
            _ => (),
        }
        let tree = Item::parse(&evidence).expect("evidence is RLP");
        self.cases.push(HonestCase { name: case.name.clone(), client, timing, tree, proves });
    }

    /// Takes an honest state's word for its epochs.
    fn learn(&mut self, state: &TrustedState) {
        let chain = self.chain_of(state);
        let bytes = state.to_bytes();
        for (counter, facts) in epoch_facts(state, &bytes) {
            self.epochs.entry((chain, counter)).or_default().insert(facts);
        }
        let item = Item::parse(content(&bytes)).expect("a state is RLP");
        if !self.states.contains(&item) {
            self.states.push(item);
        }
    }

    /// The chain that a state's checkpoint is of.
    pub(crate) fn chain_of(&self, state: &TrustedState) -> Chain {
        self.blocks.get(&state.checkpoint().block_id).and_then(|(chain, _)| *chain)
    }

    /// Evidence that edits may take parts from.
    pub(crate) fn donors(&self) -> Vec<&Item> {
        self.cases.iter().map(|case| &case.tree).collect()
    }
}

/// Who verifies in a case, and what; none where it is no evidence or about a tree.
fn client(group: &Group, task: &Task) -> Option<(Client, Vec<u8>)> {
    let id = |text: &str| text.parse::<Identifier>().expect("an ID");
    let ask = |question: &AskedQuestion| question.parse().expect("a question");
    let (client, evidence) = match task {
        Task::Checkpoint { block_id, evidence } => (Client::Checkpoint(id(block_id)), evidence),
        Task::Hops { trusted_state, evidence } => {
            (Client::Hops(trusted(group, trusted_state)), evidence)
        }
        Task::Answer { trusted_state, question, evidence } => {
            (Client::Answer(trusted(group, trusted_state), ask(question)), evidence)
        }
        Task::KnownBlock { block_id, question, evidence } => {
            (Client::KnownBlock(id(block_id), ask(question)), evidence)
        }
        Task::Committee { trusted_state, epoch_counter, question, evidence } => {
            let trusted = trusted(group, trusted_state);
            (Client::Committee(trusted, *epoch_counter, ask(question)), evidence)
        }
        Task::File { checkpoint_id, evidence } => (Client::File(id(checkpoint_id)), evidence),
        Task::TrustedState { .. }
        | Task::Inclusion { .. }
        | Task::Absence { .. }
        | Task::CommittedTree { .. }
        | Task::Tree { .. } => return None,
    };
    Some((client, group.blob(evidence).expect("a blob of the group")))
}

fn trusted(group: &Group, name: &str) -> TrustedState {
    let bytes = group.blob(name).expect("a blob of the group");
    TrustedState::from_bytes(&bytes).expect("an honest state")
}

/// Setup, commit and first view of every epoch of a state, by counter.
pub(crate) fn epoch_facts(state: &TrustedState, bytes: &[u8]) -> Vec<(u64, EpochFacts)> {
    let item = Item::parse(content(bytes)).expect("a state is RLP");
    let bytes = |item: &Item| match item {
        Item::Bytes(bytes) => bytes.clone(),
        Item::List(_) => Vec::new(),
    };
    let epochs = item.items()[EPOCHS_OF_STATE].items().iter();
    let numbered = (state.oldest_epoch().counter()..).zip(epochs);
    numbered
        .map(|(counter, epoch)| {
            let parts = epoch.items();
            let (first_view, _) = state.epoch(counter).expect("an epoch of the state").views();
            (counter, (bytes(&parts[0]), bytes(&parts[1]), first_view))
        })
        .collect()
}

/// A state's bytes without the checksum.
fn content(bytes: &[u8]) -> &[u8] {
    bytes.split_last_chunk::<32>().expect("a state has a checksum").0
}

/// What is called honest here is what the suite says it is.
fn check_digest(case: &Case, found: &str) {
    let weir_conformance::Verdict::Verified { digest: Some(expected), .. } = &case.expected else {
        panic!("{} is not honest", case.name);
    };
    assert_eq!(expected, found, "{}", case.name);
}

/// The ID in a JSON text.
pub(crate) fn identifier(value: &Value) -> Option<Identifier> {
    value.as_str()?.parse().ok()
}

/// A certificate of a row.
pub(crate) fn certificate(value: &Value) -> Option<QuorumCertificate> {
    let bytes = |name: &str| hex::decode(value[name].as_str()?).ok();
    Some(QuorumCertificate {
        view: value["view"].as_u64()?,
        block_id: identifier(&value["block_id"])?,
        signer_indices: bytes("signer_indices")?,
        sig_data: bytes("sig_data")?,
    })
}

/// Loaded once a process.
pub(crate) static KNOWN: LazyLock<Known> = LazyLock::new(Known::load);

/// What flow-go computed for every block of the chains that cases are of; the others are of a
/// simulated network.
pub(crate) const EXPECTED: [&str; 2] =
    ["vectors/happy-epochs/expected.jsonl.gz", "vectors/thirty-epochs/expected.jsonl.gz"];

/// Groups without forged chains among their honest cases.
const GROUPS: [&str; 8] =
    ["anchors", "blocks", "checkpoints", "format", "hops", "questions", "seals", "states"];

const EPOCHS_OF_STATE: usize = 7;
