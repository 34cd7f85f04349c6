//! Questions, and the epochs that have to be walked for them.

use weir_protocol::evidence::{AnswerProof, Bundle, EvidenceFile, HOPS_MAX, HopsPage};
use weir_protocol::request::{
    AnswerRequest, Depth, HopsRequest, MaxHops, Question, Request, Selector, Topic,
};
use weir_verifier::{
    Answer, HopsApplied, Missing, ProvedBlock, Rejection, Timing, Trust, Verified, Violation,
    WrongAnswer,
};

use alloc::string::ToString as _;

use crate::asking::Attempt;
use crate::upgrades::Unscheduled;
use crate::{AskError, Outcome, Stale, Walker};

/// What is read from a proved block, and what decides whether it is the last word.
struct Read<T> {
    value: T,
    height: u64,
    trust: Trust,
    /// Whether it has a seal that nothing known yet proves.
    leaves_seal: bool,
}

impl Walker {
    /// Asks one question, walking as many epochs as it takes.
    ///
    /// An answer about the newest block never stands below what is proved already.
    ///
    /// # Errors
    /// When no server gives an answer that verifies.
    pub async fn ask(&mut self, question: &Question, depth: Depth) -> Result<Outcome, AskError> {
        let (answer, proof) = self.ask_and_read(question, depth, |block| block.answer()).await?;
        self.outcome(answer, proof)
    }

    /// How far a block is, which is told of blocks whose protocol version is not known here as well.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn status(&mut self, block: Selector, depth: Depth) -> Result<Outcome, AskError> {
        let question = Question { block, topic: Topic::Snapshot };
        let (answer, proof) = self.ask_and_read(&question, depth, |block| block.status()).await?;
        self.outcome(answer, proof)
    }

    /// What `read` makes of the block that is proved, and the evidence; of a block whose protocol
    /// version is not known here, once it is proved whether the network upgraded to it.
    pub(crate) async fn ask_and_read<T>(
        &mut self,
        question: &Question,
        depth: Depth,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<(T, AnswerProof), AskError> {
        let error = match self.ask_known(question, depth, &read).await {
            Ok(answered) => return Ok(answered),
            Err(error) => error,
        };
        let Some(block) = Unscheduled::of(&error) else { return Err(error) };
        let (path, before) = (self.path.take(), self.trusted.clone());
        let found = self.find_schedule(block).await;
        let again = match found {
            Ok(()) => self.ask_known(question, depth, &read).await,
            Err(_) => Err(error),
        };
        if path.is_some() {
            // What is kept of the way here has no part of what was asked for this.
            (self.path, self.trusted) = (path, before);
        }
        again
    }

    /// As [`Self::ask_and_read`], with what is proved by now.
    pub(crate) async fn ask_known<T>(
        &mut self,
        question: &Question,
        depth: Depth,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<(T, AnswerProof), AskError> {
        let mut attempt = Attempt::default();
        for _ in 0..=HOPS_MAX {
            let (asked, held) = (question.clone(), self.trusted.held());
            let request = Request::Answer(AnswerRequest { question: asked, held, depth });
            let reply = self.asking.send(&request, &mut attempt).await?;
            let timing = self.asking.timing()?;
            let known = self.known_height(question.block);
            let rejection = match self.open(question, &reply.bytes, &timing, &read) {
                Ok((Read { height, .. }, _)) if height < known => {
                    self.pass_stale(height, known, &mut attempt)?;
                    continue;
                }
                Ok((read, proof)) => {
                    if read.leaves_seal && self.learns_of_epoch_of_seal().await? {
                        continue;
                    }
                    if read.trust == Trust::Sealed {
                        self.newest_sealed = self.newest_sealed.max(read.height);
                    }
                    self.asking.answered(&mut attempt);
                    return Ok((read.value, proof));
                }
                Err(Rejection::Missing(Missing::LaterEpoch { newest_known })) => {
                    if self.learns_of_later_epoch().await? {
                        continue;
                    }
                    Missing::LaterEpoch { newest_known }.into()
                }
                Err(rejection) => rejection,
            };
            self.asking.reject(rejection, &mut attempt, || {
                WrongAnswer::new(request, reply.bytes, &self.trusted).with_receipt(reply.receipt)
            })?;
        }
        Err(self.too_many_hops())
    }

    /// Height below which an answer about the newest block is stale.
    fn known_height(&self, block: Selector) -> u64 {
        match block {
            Selector::LatestFinalized => self.trusted.head().height,
            Selector::LatestSealed => self.newest_sealed,
            Selector::Id(_) | Selector::Height(_) => 0,
        }
    }

    /// Asks another server than one whose newest block is older than what is proved.
    fn pass_stale(
        &mut self,
        found: u64,
        known: u64,
        attempt: &mut Attempt,
    ) -> Result<(), AskError> {
        let stale = Stale { url: self.asking.url().to_string(), found, known };
        self.asking.remark(stale.clone().into());
        self.asking.pass_for(stale.into(), attempt)
    }

    /// Decodes and verifies an answer.
    ///
    /// Saved evidence is checked from its hops alone, so while it is kept, answers add nothing to
    /// what the next ones build on.
    fn open<T>(
        &mut self,
        question: &Question,
        bytes: &[u8],
        timing: &Timing,
        read: impl Fn(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<(Read<T>, AnswerProof), Rejection> {
        let proof = AnswerProof::from_bytes(bytes)?;
        let read = |block: &ProvedBlock<'_>| {
            let (height, trust) = (block.header().height, block.trust());
            let leaves_seal = block.leaves_seal();
            Ok(Read { value: read(block)?, height, trust, leaves_seal })
        };
        let value = match self.path {
            Some(_) => self.trusted.clone().read(question, &proof, timing, read)?,
            None => self.trusted.read(question, &proof, timing, read)?,
        };
        Ok((value, proof))
    }

    /// Fetches and applies one page of hops; whether it had one.
    pub(crate) async fn learns_of_later_epoch(&mut self) -> Result<bool, AskError> {
        let newest_known = self.trusted.newest_epoch().counter();
        self.page_known().await?;
        Ok(self.trusted.newest_epoch().counter() > newest_known)
    }

    /// As [`Self::learns_of_later_epoch`], for a seal. Where only a newer version can know the epoch that
    /// it lies in, the block is proved all the same.
    async fn learns_of_epoch_of_seal(&mut self) -> Result<bool, AskError> {
        match self.learns_of_later_epoch().await {
            Err(error) if error.is_beyond_upgrade() => Ok(false),
            learned => learned,
        }
    }

    /// Fetches and applies one page of hops; whether there are more.
    pub(crate) async fn page(&mut self) -> Result<bool, AskError> {
        let error = match self.page_known().await {
            Ok(more) => return Ok(more),
            Err(error) => error,
        };
        let Some(block) = Unscheduled::of(&error) else { return Err(error) };
        self.find_schedule(block).await?;
        self.page_known().await
    }

    /// As [`Self::page`], with what is proved by now.
    async fn page_known(&mut self) -> Result<bool, AskError> {
        let mut attempt = Attempt::default();
        loop {
            let epoch_counter = self.trusted.newest_epoch().counter();
            let (held, max_hops) = (self.trusted.held(), MaxHops::LEFT_TO_SERVER);
            let request = Request::EpochHops(HopsRequest { epoch_counter, held, max_hops });
            let reply = self.asking.send(&request, &mut attempt).await?;
            let timing = self.asking.timing()?;
            let before = self.trusted.clone();
            match self.apply(&reply.bytes, &timing) {
                Ok(applied) => {
                    self.asking.answered(&mut attempt);
                    return Ok(applied.more && applied.applied > 0);
                }
                Err(rejection) => {
                    let wrong = || {
                        WrongAnswer::new(request, reply.bytes, &before).with_receipt(reply.receipt)
                    };
                    let rejected = self.asking.reject(rejection, &mut attempt, wrong);
                    if self.path.is_some() {
                        // What is kept of the way here has no part of this page.
                        self.trusted = before;
                    }
                    rejected?;
                }
            }
        }
    }

    fn apply(&mut self, bytes: &[u8], timing: &Timing) -> Result<HopsApplied, Rejection> {
        let page = HopsPage::from_bytes(bytes)?;
        let applied = self.trusted.apply_hops(&page, timing)?;
        self.hops += applied.applied;
        if let Some((_, hops)) = &mut self.path {
            hops.extend(page.hops);
        }
        Ok(applied)
    }

    fn outcome(&self, answer: Verified<Answer>, proof: AnswerProof) -> Result<Outcome, AskError> {
        let file = match &self.path {
            Some((checkpoint, hops)) => {
                let answer = self.whole(&proof)?;
                Some(EvidenceFile::new(checkpoint.clone(), hops.clone(), answer))
            }
            None => None,
        };
        let (hops, bytes_received) = (self.hops, self.bytes_received());
        Ok(Outcome { answer, proof, file, hops, bytes_received })
    }

    /// The evidence without deltas against what only the hops bring.
    fn whole(&self, proof: &AnswerProof) -> Result<AnswerProof, AskError> {
        let expanded = proof.bundle.expand(&[self.trusted.preimages()]);
        let preimages = expanded.map_err(|error| {
            AskError::rejected(self.asking.url(), Violation::Delta(error).into())
        })?;
        Ok(AnswerProof { bundle: Bundle::whole(preimages), ..proof.clone() })
    }

    pub(crate) fn too_many_hops(&self) -> AskError {
        AskError::TooManyHops { url: self.asking.url().to_string() }
    }
}
