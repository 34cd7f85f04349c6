//! What can be wrong with an upstream.

use std::error::Error as _;
use std::time::Duration;

use thiserror::Error;
use tonic::{Code, Status};
use weir_proto::flow::entities;
use weir_proto::memory::TooMuchMemory;
use weir_protocol::model::Identifier;

/// Why an upstream gave no usable answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It cannot be reached, or broke off; another try may help.
    #[error("{0}")]
    Transport(String),
    /// It did not answer in time; another try may help.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// It is behind what is indexed already; later it may have caught up.
    #[error("it is behind: its latest finalized height is {tip}, {expected} is indexed")]
    Behind {
        /// Its latest finalized height.
        tip: u64,
        /// Height indexed.
        expected: u64,
    },
    /// It does not have what was asked for.
    #[error("not there: {0}")]
    Missing(String),
    /// The answer is larger than is taken in this way.
    #[error("the answer is too large")]
    TooLarge,
    /// It does not offer the method.
    #[error("not offered: {0}")]
    Unimplemented(String),
    /// It names another spork than other nodes did, and nothing proves who is right.
    #[error(
        "it says it is of spork {found}, other access nodes said {expected}: the right one is named \
         with --spork SPORK_ID"
    )]
    Disputed {
        /// What others said.
        expected: Identifier,
        /// What it says.
        found: Identifier,
    },
    /// It gave a snapshot that this version cannot use, which may be the fault of either.
    #[error("snapshot: {0}")]
    Unusable(String),
    /// It gave an answer that no honest node gives.
    #[error("{answer}")]
    Wrong {
        /// The answer.
        answer: WrongAnswer,
        /// The block in it.
        block: Option<Box<entities::Block>>,
    },
}

impl From<WrongAnswer> for UpstreamError {
    fn from(answer: WrongAnswer) -> Self {
        Self::Wrong { answer, block: None }
    }
}

/// An answer that no honest node of this network gives.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WrongAnswer {
    /// A node of another chain or spork.
    #[error("another network: expected {field} {expected}, found {found}")]
    Network {
        /// Chain or spork.
        field: &'static str,
        /// What is indexed.
        expected: String,
        /// What the node is of.
        found: String,
    },
    /// A block of another height than asked for.
    #[error("height: asked for {expected}, found {found}")]
    Height {
        /// Height asked for.
        expected: u64,
        /// Height of the answer.
        found: u64,
    },
    /// A subscription that skips or repeats heights.
    #[error("subscription: expected height {expected}, found {found}")]
    Sequence {
        /// The next height.
        expected: u64,
        /// Height sent.
        found: u64,
    },
    /// A block without what a full response carries.
    #[error("light block at height {height}: a full response was asked for")]
    LightBlock {
        /// Its height.
        height: u64,
    },
    /// A snapshot of another block, or one that contradicts itself.
    #[error("snapshot: {0}")]
    Snapshot(String),
    /// A message that is larger than any honest one.
    #[error("larger than a block can be")]
    TooLarge,
    /// A message with more and smaller items than any honest one.
    #[error("{0}")]
    Memory(TooMuchMemory),
    /// A block that breaks a rule.
    #[error("{0}")]
    Block(String),
    /// A final header other than the indexed one.
    #[error("finalized block at height {height}: expected {expected}, found {found}")]
    Finalized {
        /// The height.
        height: u64,
        /// The block indexed, whose finality is proved.
        expected: String,
        /// The block that the node says is final.
        found: String,
    },
}

impl UpstreamError {
    pub(super) fn wrong_block(answer: WrongAnswer, block: entities::Block) -> Self {
        Self::Wrong { answer, block: Some(Box::new(block)) }
    }

    /// As it is when no block can be so large.
    pub(super) fn of_large_block(self) -> Self {
        match self {
            Self::TooLarge => WrongAnswer::TooLarge.into(),
            error => error,
        }
    }

    pub(super) fn from_status(status: &Status) -> Self {
        if let Some(error) = TooMuchMemory::of(status) {
            return WrongAnswer::Memory(*error).into();
        }
        let mut text = format!("{:?}: {}", status.code(), status.message());
        // A transport error says why only in its sources.
        let mut source = status.source();
        while let Some(error) = source {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(&format!(": {said}"));
            }
            source = error.source();
        }
        match status.code() {
            Code::NotFound | Code::FailedPrecondition => Self::Missing(text),
            Code::OutOfRange if text.contains("message length too large") => Self::TooLarge,
            Code::Unimplemented => Self::Unimplemented(text),
            _ => Self::Transport(text),
        }
    }
}
