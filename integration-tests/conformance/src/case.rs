//! Groups of cases, as they are written in files.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use weir_protocol::model::Identifier;

use crate::question::{AskedItem, AskedQuestion};

/// Cases that belong together, in one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Version of the suite's format.
    pub version: u64,
    /// Name of the group, that of its file.
    pub group: String,
    /// What the group is about, in one sentence.
    pub about: String,
    /// Bytes that cases name, in hexadecimal digits.
    pub blobs: BTreeMap<String, String>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case: something to verify, and the verdict that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name, unique in the suite.
    pub name: String,
    /// The rule that it exercises; none where everything is as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What is special about it, in one sentence.
    pub what: String,
    /// What is to be verified.
    pub task: Task,
    /// The verifier's clock, Unix milliseconds.
    pub now_ms: u64,
    /// Greatest age of trust, in milliseconds; the widest unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusting_period_ms: Option<u64>,
    /// The verdict that is due.
    pub expected: Verdict,
    /// Name of the honest case that it differs from in one thing; none for honest cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
}

/// What is to be verified; byte strings are named by their key among the blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Evidence for a checkpoint of which only the ID is trusted.
    Checkpoint {
        /// ID of the block.
        block_id: String,
        /// The evidence.
        evidence: String,
    },
    /// A page of epoch hops.
    Hops {
        /// What is trusted before.
        trusted_state: String,
        /// The evidence.
        evidence: String,
    },
    /// An answer, for a client with a trusted state.
    Answer {
        /// What is trusted before.
        trusted_state: String,
        /// What was asked.
        question: AskedQuestion,
        /// The evidence.
        evidence: String,
    },
    /// An answer, for a client that knows the block's ID and nothing else.
    KnownBlock {
        /// ID of the block.
        block_id: String,
        /// What was asked.
        question: AskedQuestion,
        /// The evidence.
        evidence: String,
    },
    /// An answer, for a client that trusts the committee of one epoch and nothing else.
    Committee {
        /// A state that holds setup and commit of the epoch.
        trusted_state: String,
        /// The epoch.
        epoch_counter: u64,
        /// What was asked.
        question: AskedQuestion,
        /// The evidence.
        evidence: String,
    },
    /// Saved evidence that stands alone; the question is the one saved with it.
    File {
        /// ID of the checkpoint.
        checkpoint_id: String,
        /// The evidence.
        evidence: String,
    },
    /// The bytes of a trusted state.
    TrustedState {
        /// The bytes.
        trusted_state: String,
    },
    /// A Merkle proof that an ID is at a position of a list.
    Inclusion {
        /// Root of the list.
        root: String,
        /// The ID.
        id: String,
        /// The position.
        index: u64,
        /// The proof.
        proof: String,
    },
    /// A Merkle proof that an ID is not in a list.
    Absence {
        /// Root of the list.
        root: String,
        /// The ID.
        id: String,
        /// The proof.
        proof: String,
    },
    /// A snapshot tree's root, for a client that knows the block's ID and nothing else.
    CommittedTree {
        /// ID of the block.
        block_id: String,
        /// Evidence of any answer about it.
        evidence: String,
    },
    /// An answer about a snapshot tree.
    Tree {
        /// Root of the tree.
        root: String,
        /// What was asked.
        items: Vec<AskedItem>,
        /// The proof.
        proof: String,
    },
}

/// What becomes of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verdict {
    /// The evidence proves a value.
    Verified {
        /// The block that the value is about; the head, for hops and states.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        block_id: Option<String>,
        /// Its height.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        height: Option<u64>,
        /// How far the block is proved, for answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trust: Option<String>,
        /// Newest epoch known afterwards, for hops and states.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch_counter: Option<u64>,
        /// SHA3-256 of the value, see `README.md`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// Something is missing that who asks can get or mend.
    Missing {
        /// What is missing.
        rule: String,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Nobody can prove it now.
    NotYet {
        /// What is not proved.
        rule: String,
        /// More about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Only a newer version of the verifier understands it.
    NeedsUpdate {
        /// What is not understood.
        rule: String,
    },
    /// A rule is broken.
    Invalid {
        /// The rule.
        rule: String,
        /// Which part of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

impl Verdict {
    /// The rule that stands against the evidence, if one does.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Verified { .. } => None,
            Self::Missing { rule, .. }
            | Self::NotYet { rule, .. }
            | Self::NeedsUpdate { rule }
            | Self::Invalid { rule, .. } => Some(rule),
        }
    }
}

impl Group {
    /// Reads a group.
    ///
    /// # Errors
    /// When the bytes are not a group of this version.
    pub fn from_json(bytes: &[u8]) -> Result<Self, SuiteError> {
        let group: Self = serde_json::from_slice(bytes).map_err(|_| SuiteError::NotASuite)?;
        if group.version != SUITE_VERSION {
            return Err(SuiteError::Version { found: group.version });
        }
        Ok(group)
    }

    /// The case of this name.
    #[must_use]
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    /// The bytes of this name.
    ///
    /// # Errors
    /// When there are none, or they are not hexadecimal digits.
    pub fn blob(&self, name: &str) -> Result<Vec<u8>, SuiteError> {
        let digits = self.blobs.get(name).ok_or(SuiteError::Blob)?;
        hex::decode(digits).map_err(|_| SuiteError::Blob)
    }
}

pub(crate) fn identifier(text: &str) -> Result<Identifier, SuiteError> {
    text.parse().map_err(|_| SuiteError::Identifier)
}

/// Why a suite cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Something else altogether.
    #[error("not a group of conformance cases")]
    NotASuite,
    /// Another version of the format.
    #[error("suite version {SUITE_VERSION} is supported, found {found}")]
    Version {
        /// Version found.
        found: u64,
    },
    /// A name without bytes.
    #[error("a case names bytes that the group does not have")]
    Blob,
    /// An ID that is none.
    #[error("malformed identifier")]
    Identifier,
    /// A question that is none.
    #[error("malformed question")]
    Question,
    /// A trusted state to start from that is none.
    #[error("malformed trusted state to start from")]
    TrustedState,
    /// A bound on time out of range.
    #[error("a bound on time is out of range")]
    Timing,
}

/// Version of the suite's format.
pub const SUITE_VERSION: u64 = 2;
