//! Collects the cases of a group, and holds each to the rule that it is said to break.

use weir_conformance::{AskedItem, AskedQuestion, Case, Group, SUITE_VERSION, Task, Verdict, run};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{AnswerProof, CheckpointProof, HopsPage};
use weir_protocol::merkle::{AbsenceProof, Proof};
use weir_protocol::model::Identifier;
use weir_protocol::request::Question;
use weir_protocol::snapshot_tree::TreeItem;
use weir_verifier::TrustedState;

/// A group in the making.
pub(super) struct Cases {
    group: Group,
    now_ms: u64,
    trusting_period_ms: Option<u64>,
    honest: Option<String>,
}

/// A lie: its name, the rule that it breaks, and what it does.
pub(super) type Lie<'a> = (&'a str, &'a str, &'a str);

impl Cases {
    pub(super) fn new(name: &str, about: &str) -> Self {
        let group = Group {
            version: SUITE_VERSION,
            group: name.to_owned(),
            about: about.to_owned(),
            blobs: Default::default(),
            cases: Vec::new(),
        };
        Self { group, now_ms: NOW_MS, trusting_period_ms: None, honest: None }
    }

    pub(super) fn finish(self) -> Group {
        self.group
    }

    /// The cases to come are run with this clock.
    pub(super) fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    pub(super) fn trusting_for(&mut self, trusting_period_ms: Option<u64>) {
        self.trusting_period_ms = trusting_period_ms;
    }

    /// An honest case; it is the twin of the lies that follow.
    pub(super) fn honest(&mut self, name: &str, what: &str, task: Task) {
        self.honest = None;
        self.push(name, None, what, task);
        self.honest = Some(self.name(name));
    }

    /// A case as honest as the last one, which stays the twin of the lies that follow.
    pub(super) fn accepted(&mut self, name: &str, what: &str, task: Task) {
        let twin = self.honest.take();
        self.push(name, None, what, task);
        self.honest = twin;
    }

    /// A lie about the last honest case.
    pub(super) fn lie(&mut self, (name, rule, what): Lie<'_>, task: Task) {
        assert!(self.honest.is_some(), "{name} has no honest twin");
        self.push(name, Some(rule), what, task);
    }

    fn push(&mut self, name: &str, rule: Option<&str>, what: &str, task: Task) {
        let nothing = Verdict::Missing { rule: String::new(), detail: None };
        let mut case = Case {
            name: self.name(name),
            rule: rule.map(str::to_owned),
            what: what.to_owned(),
            task,
            now_ms: self.now_ms,
            trusting_period_ms: self.trusting_period_ms,
            expected: nothing,
            twin: self.honest.clone(),
        };
        assert!(self.group.case(&case.name).is_none(), "{} comes twice", case.name);
        case.expected = run(&self.group, &case).unwrap_or_else(|error| panic!("{name}: {error}"));
        if case.expected.rule() != rule {
            println!("{} was to break {rule:?}: {:?}", case.name, case.expected);
        }
        self.group.cases.push(case);
    }

    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.group.group)
    }

    fn blob(&mut self, bytes: &[u8]) -> String {
        let name = sha3_256(&[bytes]).to_hex()[..12].to_owned();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let stored = self.group.blobs.entry(name.clone()).or_insert_with(|| digits.clone());
        assert_eq!(*stored, digits, "two byte strings of one name");
        name
    }

    pub(super) fn answer(
        &mut self,
        trusted: &TrustedState,
        question: &Question,
        evidence: &AnswerProof,
    ) -> Task {
        self.answer_bytes(trusted, question, &evidence.to_bytes())
    }

    pub(super) fn answer_bytes(
        &mut self,
        trusted: &TrustedState,
        question: &Question,
        evidence: &[u8],
    ) -> Task {
        Task::Answer {
            trusted_state: self.blob(&trusted.to_bytes()),
            question: AskedQuestion::from(question),
            evidence: self.blob(evidence),
        }
    }

    pub(super) fn hops(&mut self, trusted: &TrustedState, evidence: &HopsPage) -> Task {
        Task::Hops {
            trusted_state: self.blob(&trusted.to_bytes()),
            evidence: self.blob(&evidence.to_bytes()),
        }
    }

    pub(super) fn checkpoint(&mut self, block_id: Identifier, evidence: &CheckpointProof) -> Task {
        self.checkpoint_bytes(block_id, &evidence.to_bytes())
    }

    pub(super) fn checkpoint_bytes(&mut self, block_id: Identifier, evidence: &[u8]) -> Task {
        Task::Checkpoint { block_id: block_id.to_hex(), evidence: self.blob(evidence) }
    }

    pub(super) fn known_block(
        &mut self,
        block_id: Identifier,
        question: &Question,
        evidence: &AnswerProof,
    ) -> Task {
        Task::KnownBlock {
            block_id: block_id.to_hex(),
            question: AskedQuestion::from(question),
            evidence: self.blob(&evidence.to_bytes()),
        }
    }

    pub(super) fn committee(
        &mut self,
        (trusted, epoch_counter): (&TrustedState, u64),
        question: &Question,
        evidence: &AnswerProof,
    ) -> Task {
        Task::Committee {
            trusted_state: self.blob(&trusted.to_bytes()),
            epoch_counter,
            question: AskedQuestion::from(question),
            evidence: self.blob(&evidence.to_bytes()),
        }
    }

    pub(super) fn file(&mut self, checkpoint_id: Identifier, bytes: &[u8]) -> Task {
        Task::File { checkpoint_id: checkpoint_id.to_hex(), evidence: self.blob(bytes) }
    }

    pub(super) fn committed_tree(&mut self, block_id: Identifier, evidence: &AnswerProof) -> Task {
        Task::CommittedTree {
            block_id: block_id.to_hex(),
            evidence: self.blob(&evidence.to_bytes()),
        }
    }

    pub(super) fn tree(&mut self, root: Identifier, items: &[TreeItem], proof: &[u8]) -> Task {
        Task::Tree {
            root: root.to_hex(),
            items: items.iter().copied().map(AskedItem::from).collect(),
            proof: self.blob(proof),
        }
    }

    pub(super) fn trusted_state(&mut self, bytes: &[u8]) -> Task {
        Task::TrustedState { trusted_state: self.blob(bytes) }
    }

    pub(super) fn inclusion(
        &mut self,
        root: Identifier,
        (id, index): (Identifier, u64),
        proof: &Proof,
    ) -> Task {
        self.inclusion_bytes(root, (id, index), &proof.encode())
    }

    pub(super) fn inclusion_bytes(
        &mut self,
        root: Identifier,
        (id, index): (Identifier, u64),
        proof: &[u8],
    ) -> Task {
        Task::Inclusion { root: root.to_hex(), id: id.to_hex(), index, proof: self.blob(proof) }
    }

    pub(super) fn absence(
        &mut self,
        root: Identifier,
        id: Identifier,
        proof: &AbsenceProof,
    ) -> Task {
        self.absence_bytes(root, id, &proof.encode())
    }

    pub(super) fn absence_bytes(&mut self, root: Identifier, id: Identifier, proof: &[u8]) -> Task {
        Task::Absence { root: root.to_hex(), id: id.to_hex(), proof: self.blob(proof) }
    }
}

/// Some time after the blocks of all chains: 2027.
pub(super) const NOW_MS: u64 = 1_798_761_600_000;
