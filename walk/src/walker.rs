//! The walker: what is trusted, and how it begins.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use weir_peers::{NoPeer, Peers, Rests, Shared, Standing};
use weir_protocol::evidence::{AnswerProof, CheckpointProof, EvidenceFile, Hop};
use weir_protocol::model::Identifier;
use weir_protocol::request::Request;
use weir_verifier::{Answer, Rejection, TrustedState, Verified, WrongAnswer};

use crate::asking::{Asking, Attempt};
use crate::{AskError, ClockOptions, Judge, Lie, Remark, Walk};

/// A client without its connections: what it trusts, and whom it asks.
///
/// Another server is asked when one gives no answer, refuses, or gives an answer that is of no use; see
/// [`Self::lies`] for those that were wrong.
#[derive(Debug)]
pub struct Walker {
    pub(crate) asking: Asking,
    pub(crate) trusted: TrustedState,
    /// Height of the newest block that is proved sealed.
    pub(crate) newest_sealed: u64,
    pub(crate) path: Option<(CheckpointProof, Vec<Hop>)>,
    pub(crate) hops: u64,
}

/// A verified answer, and the evidence for it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The answer.
    pub answer: Verified<Answer>,
    /// The evidence for it.
    pub proof: AnswerProof,
    /// Checkpoint, hops and answer in one, which stands alone, if the walker keeps evidence.
    pub file: Option<EvidenceFile>,
    /// Epochs walked.
    pub hops: u64,
    /// Bytes of evidence received.
    pub bytes_received: u64,
}

/// How a walker begins.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// The checkpoint: a final block that the caller trusts.
    pub checkpoint_id: Identifier,
    /// Bounds on time.
    pub clock: ClockOptions,
    /// Whether the evidence from the checkpoint on is kept, so that answers can be saved and shown to
    /// others.
    pub keeps_evidence: bool,
    /// Makes of wrong answers what shows them to others, if it is there.
    pub judge: Option<Judge>,
}

/// Fetches and verifies the checkpoint, from servers with these URLs, by preference.
///
/// # Errors
/// When no server is named. The walk fails when no server answers or knows the block, or the evidence
/// fails.
pub fn start(
    urls: impl IntoIterator<Item = impl Into<String>>,
    beginning: Beginning,
) -> Result<Walk<'static, Result<Walker, AskError>>, NoPeer> {
    let Beginning { checkpoint_id, clock, keeps_evidence, judge } = beginning;
    let mut asking = Asking::new(peers(urls)?, checkpoint_id, clock);
    asking.judge = judge;
    let io = asking.io.clone();
    Ok(Walk::new(io, async move {
        let walker = begin(asking).await?;
        Ok(if keeps_evidence { walker } else { Walker { path: None, ..walker } })
    }))
}

/// Fetches the checkpoint, and keeps its evidence.
pub(crate) async fn begin(mut asking: Asking) -> Result<Walker, AskError> {
    let checkpoint_id = asking.checkpoint_id;
    let request = Request::Checkpoint(checkpoint_id);
    let mut attempt = Attempt::default();
    loop {
        let reply = match asking.send(&request, &mut attempt).await {
            Ok(reply) => reply,
            Err(error) => return Err(error.after(asking.lies)),
        };
        match open_checkpoint(checkpoint_id, &reply.bytes) {
            Ok((trusted, evidence)) => {
                asking.answered(&mut attempt);
                let path = Some((evidence, Vec::new()));
                return Ok(Walker { path, ..Walker::from(asking, trusted.into_value()) });
            }
            Err(rejection) => {
                let wrong = || {
                    WrongAnswer::about_checkpoint(checkpoint_id, reply.bytes)
                        .with_receipt(reply.receipt)
                };
                if let Err(error) = asking.reject(rejection, &mut attempt, wrong) {
                    return Err(error.after(asking.lies));
                }
            }
        }
    }
}

impl Walker {
    /// Goes on from what was trusted before, with servers of these URLs, by preference.
    ///
    /// # Errors
    /// When no server is named.
    pub fn resume(
        urls: impl IntoIterator<Item = impl Into<String>>,
        trusted: TrustedState,
    ) -> Result<Self, NoPeer> {
        let checkpoint_id = trusted.checkpoint().block_id;
        let asking = Asking::new(peers(urls)?, checkpoint_id, ClockOptions::default());
        Ok(Self::from(asking, trusted))
    }

    pub(crate) fn from(asking: Asking, trusted: TrustedState) -> Self {
        Self { asking, trusted, newest_sealed: 0, path: None, hops: 0 }
    }

    /// A walk: what `begin` does with the walker, step by step.
    pub fn walk<'a, T, F>(&'a mut self, begin: impl FnOnce(&'a mut Self) -> F) -> Walk<'a, T>
    where
        F: Future<Output = T> + Send + 'a,
    {
        let io = self.asking.io.clone();
        Walk::new(io, begin(self))
    }

    /// As [`Self::walk`], for a host that cannot borrow: the walk holds the walker and has to give it
    /// back. Dropped half way, it is lost: see [`Walk::cancel`].
    pub fn into_walk<T, F>(self, begin: impl FnOnce(Self) -> F) -> Walk<'static, T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let io = self.asking.io.clone();
        Walk::new(io, begin(self))
    }

    /// Uses these bounds on time, and this clock.
    pub fn set_clock(&mut self, clock: ClockOptions) {
        self.asking.clock = clock;
    }

    /// Asks servers that others ask, too, by the same clock: each knows how they have behaved to the
    /// others.
    #[must_use]
    pub fn sharing(mut self, peers: Shared) -> Self {
        self.asking.share(peers);
        self
    }

    /// The servers' URLs, by preference, and how they have behaved.
    pub fn servers(&self) -> impl Iterator<Item = (&str, Standing)> {
        let standing = |peer: usize| self.asking.peers().with(|peers| peers.standing(peer).clone());
        let named = self.asking.names().iter().enumerate();
        named.map(move |(peer, name)| (name.as_str(), standing(peer)))
    }

    /// Servers set aside since the walker began, and why.
    #[must_use]
    pub fn lies(&self) -> &[Lie] {
        &self.asking.lies
    }

    /// What else a user should know of the servers, since the walker began.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        &self.asking.remarks
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
        self.asking.bytes_received
    }
}

pub(crate) fn peers(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Peers, NoPeer> {
    Peers::new(urls, RESTS)
}

fn open_checkpoint(
    checkpoint_id: Identifier,
    bytes: &[u8],
) -> Result<(Verified<TrustedState>, CheckpointProof), Rejection> {
    let evidence = CheckpointProof::from_bytes(bytes)?;
    let trusted = TrustedState::from_checkpoint(checkpoint_id, &evidence)?;
    Ok((trusted, evidence))
}

/// How long a silent server comes after the others.
const RESTS: Rests =
    Rests { first: Duration::from_secs(1), longest: Duration::from_secs(60), spread: 0 };
