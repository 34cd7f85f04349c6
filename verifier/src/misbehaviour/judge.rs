//! Whether an accusation holds.

use super::super::{
    Anchor, ProvedBlock, Rejection, Timing, Trust, TrustedState, Verified, Violation,
    check_receipt, open, open_file, verify_file, verify_tree,
};
use super::{Act, Finding, Grounds, Misbehaviour, MisbehaviourError, WrongAnswer};
use alloc::vec::Vec;
use weir_protocol::evidence::{AnswerProof, CheckpointProof, HopsPage, Preimages};
use weir_protocol::model::Identifier;
use weir_protocol::request::{AnswerRequest, Depth, Held, Request, Selector, TreeRequest};

impl Misbehaviour {
    /// Checks it from the checkpoint on.
    ///
    /// # Errors
    /// When it goes back to another checkpoint, the grounds are not those of the request, the receipt
    /// is about something else, or nothing is wrong.
    pub fn verify(
        &self,
        checkpoint_id: Identifier,
    ) -> Result<Verified<Finding>, MisbehaviourError> {
        let timing = Timing::at(self.seen_at_ms);
        match &self.act {
            Act::WrongAnswer(wrong) => {
                let verdict = wrong.judge(checkpoint_id, &timing)?;
                let Err(Rejection::Invalid(rule)) = verdict else {
                    return Err(MisbehaviourError::Nothing);
                };
                let signed_by = match &wrong.receipt {
                    Some(receipt) => {
                        check_receipt(receipt, &wrong.request, &wrong.answer)?;
                        Some(receipt.key)
                    }
                    None => None,
                };
                let proved = wrong.is_proved() && is_the_servers(&rule);
                Ok(Verified(Finding::BrokenRule { rule, signed_by, proved }))
            }
            Act::Conflict { evidence, .. } => conflict(checkpoint_id, evidence, &timing),
        }
    }
}

impl WrongAnswer {
    /// Whether what the client trusted is the checkpoint, what the request names, or proved.
    fn is_proved(&self) -> bool {
        matches!(self.grounds, Grounds::Named(_) | Grounds::Proof { .. })
    }

    /// What the verifier says of the answer.
    fn judge(
        &self,
        checkpoint_id: Identifier,
        timing: &Timing,
    ) -> Result<Result<(), Rejection>, MisbehaviourError> {
        match &self.request {
            Request::Checkpoint(block_id) => {
                same_checkpoint(checkpoint_id, *block_id)?;
                Ok(self.judge_checkpoint(checkpoint_id))
            }
            Request::Answer(asked) if asked.depth == Depth::KnownBlock => {
                self.judge_known_block(asked, timing)
            }
            Request::EpochHops(asked) => {
                let mut trusted = self.trusted(checkpoint_id, &asked.held, timing)?;
                if asked.epoch_counter != asked.held.newest_epoch_counter {
                    return Err(MisbehaviourError::Grounds { what: "newest epoch" });
                }
                Ok(self.judge_hops(&mut trusted, timing))
            }
            Request::Answer(asked) => {
                let mut trusted = self.trusted(checkpoint_id, &asked.held, timing)?;
                Ok(self.judge_answer(&mut trusted, asked, timing))
            }
            Request::TreeProof(asked) => {
                let root = self.root(checkpoint_id, asked, timing)?;
                Ok(verify_tree(root, &asked.question, &self.answer).map(|_| ()))
            }
        }
    }

    fn judge_checkpoint(&self, checkpoint_id: Identifier) -> Result<(), Rejection> {
        let proof = CheckpointProof::from_bytes(&self.answer)?;
        TrustedState::from_checkpoint(checkpoint_id, &proof).map(|_| ())
    }

    fn judge_hops(&self, trusted: &mut TrustedState, timing: &Timing) -> Result<(), Rejection> {
        let page = HopsPage::from_bytes(&self.answer)?;
        trusted.apply_hops(&page, timing).map(|_| ())
    }

    fn judge_answer(
        &self,
        trusted: &mut TrustedState,
        asked: &AnswerRequest,
        timing: &Timing,
    ) -> Result<(), Rejection> {
        let proof = AnswerProof::from_bytes(&self.answer)?;
        trusted.verify(&asked.question, &proof, timing).map(|_| ())
    }

    fn judge_known_block(
        &self,
        asked: &AnswerRequest,
        timing: &Timing,
    ) -> Result<Result<(), Rejection>, MisbehaviourError> {
        let (Grounds::Named(preimages), Selector::Id(block_id)) =
            (&self.grounds, asked.question.block)
        else {
            return Err(MisbehaviourError::Grounds { what: "block" });
        };
        names_all(&asked.held, preimages)?;
        let anchor = Anchor::KnownBlock { block_id, held: preimages };
        let verdict = AnswerProof::from_bytes(&self.answer).map_err(Rejection::from);
        Ok(verdict
            .and_then(|proof| open(anchor, &asked.question, &proof, timing)?.answer().map(|_| ())))
    }

    /// The state that the client was in when it sent the request.
    fn trusted(
        &self,
        checkpoint_id: Identifier,
        held: &Held,
        timing: &Timing,
    ) -> Result<TrustedState, MisbehaviourError> {
        let trusted = match &self.grounds {
            Grounds::Word(bytes) => TrustedState::from_bytes(bytes)?,
            Grounds::Proof { file, held } => {
                let (own, proof, head) =
                    open_file(checkpoint_id, file, timing, |block| block.answer())?;
                if head.trust < Trust::Finalized {
                    return Err(MisbehaviourError::Grounds { what: "head, which is not final" });
                }
                own.with_head(&proof.block).holding(held.clone())
            }
            Grounds::Named(_) | Grounds::RootWord(_) => {
                return Err(MisbehaviourError::Grounds { what: "trusted state" });
            }
        };
        same_checkpoint(checkpoint_id, trusted.checkpoint().block_id)?;
        if held.checkpoint_id != Some(checkpoint_id) {
            return Err(MisbehaviourError::Grounds { what: "checkpoint" });
        }
        if held.head_id != Some(trusted.head().block_id) {
            return Err(MisbehaviourError::Grounds { what: "head" });
        }
        if held.newest_epoch_counter != trusted.newest_epoch().counter() {
            return Err(MisbehaviourError::Grounds { what: "newest epoch" });
        }
        names_all(held, trusted.preimages())?;
        Ok(trusted)
    }

    /// The root of the tree that was asked about.
    fn root(
        &self,
        checkpoint_id: Identifier,
        asked: &TreeRequest,
        timing: &Timing,
    ) -> Result<Identifier, MisbehaviourError> {
        match &self.grounds {
            Grounds::RootWord(root) => Ok(*root),
            Grounds::Proof { file, .. } => {
                let Selector::Id(block_id) = asked.block else {
                    return Err(MisbehaviourError::Grounds { what: "block of the tree" });
                };
                let read = |block: &ProvedBlock<'_>| Ok((block.answer()?, block.tree_root()));
                let (_, _, (found, root)) = open_file(checkpoint_id, file, timing, read)?;
                if found.block_id != block_id {
                    return Err(MisbehaviourError::Grounds { what: "block of the tree" });
                }
                Ok(root?.root)
            }
            Grounds::Named(_) | Grounds::Word(_) => {
                Err(MisbehaviourError::Grounds { what: "root of the tree" })
            }
        }
    }
}

fn same_checkpoint(expected: Identifier, found: Identifier) -> Result<(), MisbehaviourError> {
    if expected == found { Ok(()) } else { Err(MisbehaviourError::Checkpoint { expected, found }) }
}

/// The request names the preimages that are said to have been held.
fn names_all(held: &Held, preimages: &Preimages) -> Result<(), MisbehaviourError> {
    if held.preimage_ids == Held::named(preimages.ids()) {
        return Ok(());
    }
    Err(MisbehaviourError::Grounds { what: "held preimages" })
}

/// Whether the server alone is to blame: not the committee.
fn is_the_servers(rule: &Violation) -> bool {
    !matches!(rule, Violation::ConflictingFinality { .. })
}

fn conflict(
    checkpoint_id: Identifier,
    evidence: &[Vec<u8>; 2],
    timing: &Timing,
) -> Result<Verified<Finding>, MisbehaviourError> {
    let final_block = |bytes: &Vec<u8>| {
        let (_, answer) = verify_file(checkpoint_id, bytes, timing)?;
        Ok((answer.trust >= Trust::Finalized).then_some((answer.height, answer.block_id)))
    };
    let blocks: Result<Vec<_>, Rejection> = evidence.iter().map(final_block).collect();
    match blocks?[..] {
        [Some((height, this)), Some((other_height, other))]
            if height == other_height && this != other =>
        {
            Ok(Verified(Finding::Conflict { height, block_ids: [this, other] }))
        }
        _ => Err(MisbehaviourError::Nothing),
    }
}
