//! From a checkpoint to an answer: which evidence to fetch next, and when to stop.

use thiserror::Error;
use weir_proto::weir::v1::{Held, Proof};
use weir_protocol::evidence::{Evidence, EvidenceError, HOPS_MAX, Question};
use weir_protocol::model::Identifier;

use crate::transport::{Server, TransportError};
use crate::verifier::{
    Anchor, Answer, Missing, Rejection, TrustedState, Verified, Violation, verify,
};

/// A verified answer, and the evidence that convinces anyone else with the same checkpoint.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Verified<Answer>,
    /// Checkpoint, hops and answer in one; stands alone.
    pub evidence: Evidence,
    /// Epochs walked.
    pub hops: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

/// A client of one server with a checkpoint.
#[derive(Debug)]
pub struct LightClient {
    server: Server,
    trusted: TrustedState,
    path: Evidence,
    hops: u64,
    bytes_received: u64,
}

impl LightClient {
    /// Fetches and verifies the checkpoint.
    ///
    /// # Errors
    /// When the server does not answer, does not know the block, or its evidence fails.
    pub async fn start(mut server: Server, checkpoint_id: Identifier) -> Result<Self, AskError> {
        let bytes = server.checkpoint(checkpoint_id).await?;
        let path = decode(&server, &bytes)?;
        let trusted = TrustedState::from_checkpoint(checkpoint_id, &path)
            .map_err(|rejection| AskError::rejected(&server, rejection))?
            .into_value();
        let bytes_received = bytes.len() as u64;
        Ok(Self { server, trusted, path, hops: 0, bytes_received })
    }

    /// Asks one question, walking as many epochs as it takes.
    ///
    /// # Errors
    /// When the server does not answer, or its evidence fails.
    pub async fn ask(&mut self, question: &Question, proof: Proof) -> Result<Outcome, AskError> {
        for _ in 0..=HOPS_MAX {
            let bytes = self.server.ask(question, self.held(), proof).await?;
            self.bytes_received += bytes.len() as u64;
            let evidence = decode(&self.server, &bytes)?;
            let anchor = Anchor::Trusted(&self.trusted);
            match verify(anchor, question, &evidence, self.trusted.preimages()) {
                Ok(answer) => return Ok(self.outcome(answer, evidence)),
                Err(Rejection::NotEnough(Missing::LaterEpoch { newest_known })) => {
                    self.hop(newest_known).await?;
                }
                Err(rejection) => return Err(AskError::rejected(&self.server, rejection)),
            }
        }
        Err(AskError::TooManyHops { url: self.server.url().to_owned() })
    }

    /// What is trusted so far.
    #[must_use]
    pub fn trusted(&self) -> &TrustedState {
        &self.trusted
    }

    /// Epochs walked so far.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.hops
    }

    /// Bytes of evidence received so far.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.bytes_received
    }

    async fn hop(&mut self, from: u64) -> Result<(), AskError> {
        let bytes = self.server.epoch_hop(from, self.held()).await?;
        self.bytes_received += bytes.len() as u64;
        let evidence = decode(&self.server, &bytes)?;
        self.trusted
            .apply_hops(&evidence)
            .map_err(|rejection| AskError::rejected(&self.server, rejection))?;
        if self.trusted.newest_epoch().counter() <= from {
            let missing = Missing::LaterEpoch { newest_known: from };
            return Err(AskError::rejected(&self.server, missing.into()));
        }
        self.hops += 1;
        self.path.merge(evidence);
        Ok(())
    }

    fn held(&self) -> Held {
        let newest_first: Vec<_> = self.trusted.preimages().ids().collect();
        Held {
            checkpoint_id: self.trusted.checkpoint_id().0.to_vec().into(),
            preimage_ids: newest_first
                .into_iter()
                .take(HELD_IDS_MAX)
                .map(|id| id.0.to_vec().into())
                .collect(),
        }
    }

    fn outcome(&self, answer: Verified<Answer>, evidence: Evidence) -> Outcome {
        let mut whole = self.path.clone();
        whole.merge(evidence);
        Outcome { answer, evidence: whole, hops: self.hops, bytes_received: self.bytes_received }
    }
}

fn decode(server: &Server, bytes: &[u8]) -> Result<Evidence, AskError> {
    Evidence::from_bytes(bytes).map_err(|source: EvidenceError| {
        AskError::rejected(server, Violation::Evidence(source).into())
    })
}

/// Why a question has no verified answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The server gave no answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The evidence does not verify.
    #[error("answer of {url}: {rejection}")]
    Rejected {
        /// The server that sent it.
        url: String,
        /// Why.
        rejection: Rejection,
    },
    /// The server leads from epoch to epoch without end.
    #[error("{url} leads through more than {HOPS_MAX} epochs")]
    TooManyHops {
        /// The server.
        url: String,
    },
}

impl AskError {
    fn rejected(server: &Server, rejection: Rejection) -> Self {
        Self::Rejected { url: server.url().to_owned(), rejection }
    }
}

/// Most IDs of held preimages named in one request.
pub const HELD_IDS_MAX: usize = 1024;
