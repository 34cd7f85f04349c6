//! What a client trusts: a checkpoint, and everything proved from it since.

mod bytes;
mod epoch;
mod hops;

pub use bytes::{TRUSTED_STATE_BYTES_MAX, TRUSTED_STATE_VERSION, TrustedStateError};
pub use epoch::{TrustedBlock, TrustedEpoch};
pub use hops::HopsApplied;

use super::open::expand;
use super::sources::{Decoded, Sources};
use super::state::{self, StateView};
use super::upgrade::Schedule;
use super::{
    Anchor, Answer, Missing, ProvedBlock, Rejection, Timing, Trust, Verified, Violation, open,
    rules,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{
    AnswerProof, BlockProof, Bundle, CheckpointProof, Evidence, EvidenceError, Preimages,
};
use weir_protocol::hotstuff::Committee;
use weir_protocol::model::{Header, Identifier, Versions};
use weir_protocol::protocol_state::ScheduledUpgrade;
use weir_protocol::request::{Held, Question};

/// A checkpoint and what is proved from it: the whole memory of a light client.
///
/// The caller vouches for one thing only, that the checkpoint is a finalized block. From there the
/// state only moves forward: to later epochs by [`Self::apply_hops`], to later final blocks by
/// [`Self::verify`]. It keeps the committees of the newest two epochs, one line for every epoch
/// before them, and the preimages that the next answers are likely to build on.
#[derive(Clone, Debug)]
pub struct TrustedState {
    chain_id: String,
    checkpoint: TrustedBlock,
    head: TrustedBlock,
    /// Newest protocol state that is known of a final block: the head's, unless it was not asked for or
    /// has a version that is not known here.
    head_state_id: Identifier,
    /// View of that block at least.
    head_state_view: u64,
    /// By counter, without gaps, from the checkpoint's epoch on.
    epochs: Vec<TrustedEpoch>,
    /// Of the newest epochs.
    committees: BTreeMap<u64, Arc<Committee>>,
    preimages: Preimages,
    /// What the preimages that answers read most decode to.
    decoded: Decoded,
}

impl TrustedState {
    /// Opens the checkpoint's protocol state: its epoch, and the next one if committed.
    ///
    /// # Errors
    /// When the header does not hash to `checkpoint_id`, or its state cannot be opened from the
    /// preimages.
    pub fn from_checkpoint(
        checkpoint_id: Identifier,
        evidence: &CheckpointProof,
    ) -> Result<Verified<Self>, Rejection> {
        Self::from_block(checkpoint_id, &evidence.block, &evidence.bundle)
    }

    /// As [`Self::from_checkpoint`], from bytes that begin with a checkpoint: a server's evidence, or a
    /// saved file.
    ///
    /// # Errors
    /// As [`Self::from_checkpoint`], and when the bytes are no such evidence.
    pub fn from_checkpoint_bytes(
        checkpoint_id: Identifier,
        bytes: &[u8],
    ) -> Result<Verified<Self>, Rejection> {
        match Evidence::from_bytes(bytes)? {
            Evidence::Checkpoint(proof) => Self::from_checkpoint(checkpoint_id, &proof),
            Evidence::File(file) => {
                Self::from_block(checkpoint_id, &file.checkpoint, &file.answer.bundle)
            }
            other => {
                let (expected, found) = ("a checkpoint", other.name());
                Err(Violation::Evidence(EvidenceError::Another { expected, found }).into())
            }
        }
    }

    /// As [`Self::from_checkpoint`], from the block and the bundle that has its preimages.
    pub(crate) fn from_block(
        checkpoint_id: Identifier,
        proof: &BlockProof,
        bundle: &Bundle,
    ) -> Result<Verified<Self>, Rejection> {
        let found = proof.header.id();
        if found != checkpoint_id {
            return Err(Violation::CheckpointId { expected: checkpoint_id, found }.into());
        }
        let preimages = expand(bundle, &[])?;
        let held = [&preimages];
        let sources = Sources::new(&held);
        let view = open_state(proof, sources, || Schedule::Vouched)?;
        view.contains_view(proof.header.view)?;
        let checkpoint = TrustedBlock::of(&proof.header);
        let (current, committee) = epoch::open(&view.entry.current_epoch, sources, None)?;
        let next = hops::committed_next(&view)
            .map(|container| hops::next_epoch((&current, &committee), &view, container, sources))
            .transpose()?;
        let mut trusted = Self {
            chain_id: proof.header.chain_id.clone(),
            checkpoint,
            head: checkpoint,
            head_state_id: view.protocol_state_id,
            head_state_view: checkpoint.view,
            committees: BTreeMap::new(),
            epochs: Vec::new(),
            preimages,
            decoded: Decoded::default(),
        };
        trusted.committees.insert(current.counter, committee);
        trusted.epochs.push(current);
        if let Some(next) = next {
            trusted.accept(next, checkpoint);
        }
        trusted.forget();
        Ok(Verified(trusted))
    }

    /// Verifies the answer to `question`, and moves the head up to its block if that is proved final
    /// and newer.
    ///
    /// # Errors
    /// As [`open`] and [`ProvedBlock::answer`]; then nothing has changed.
    pub fn verify(
        &mut self,
        question: &Question,
        proof: &AnswerProof,
        timing: &Timing,
    ) -> Result<Verified<Answer>, Rejection> {
        self.read(question, proof, timing, |block| block.answer())
    }

    /// Proves the block that evidence answers a question about, reads from it what is wanted, and
    /// moves the head up to it if it is proved final and newer.
    ///
    /// # Errors
    /// As [`open`], and those of `read`; then nothing has changed.
    pub fn read<T>(
        &mut self,
        question: &Question,
        proof: &AnswerProof,
        timing: &Timing,
        read: impl FnOnce(&ProvedBlock<'_>) -> Result<T, Rejection>,
    ) -> Result<T, Rejection> {
        let block = open(Anchor::Trusted(self), question, proof, timing)?;
        let value = read(&block)?;
        self.learn(block.into_advance());
        self.decoded.follow(&self.preimages, self.head_state_id);
        Ok(value)
    }

    /// Moves up to a final block that is newer than the head, or to the state of one before it that
    /// schedules an upgrade to a version that is not known here, if there is none yet that does.
    fn learn(&mut self, advance: Advance) {
        let Advance { block, state, preimages, trust } = advance;
        let is_newer = block.height > self.head.height;
        let schedules = state.is_some_and(|(_, schedules)| schedules);
        let adds = is_newer || (schedules && self.upgrade_ahead().is_none());
        if adds && trust >= Trust::Finalized {
            self.preimages.extend(preimages);
            let head = if is_newer { block } else { self.head };
            self.advance(head, state.map(|(state_id, _)| (state_id, block.view)));
        }
    }

    /// The upgrade to a version that is not known here, as the newest state that is known schedules it.
    ///
    /// From its view on, states cannot be told: a newer version of this program is needed.
    #[must_use]
    pub fn upgrade_ahead(&self) -> Option<ScheduledUpgrade> {
        let held = [&self.preimages];
        let sources = Sources::new(&held).with_decoded(&self.decoded);
        let kv = sources.kv_store(self.head_state_id).ok()?;
        kv.upgrade_beyond(Versions::of_chain(&self.chain_id))?;
        let (_, setup) = state::current_epoch(&kv, sources).ok()?;
        ScheduledUpgrade::of(&kv, &setup, (self.head.view, self.head.timestamp_ms))
    }

    /// What the newest state that is known says of upgrades.
    pub(super) fn schedule(&self) -> Schedule {
        let held = [&self.preimages];
        match Sources::new(&held).kv_store(self.head_state_id) {
            Ok(kv) => Schedule::of(&kv, &self.chain_id, self.head_state_view),
            Err(_) => Schedule::Unproved,
        }
    }

    /// A final block at this height or above must not contradict what is final already.
    ///
    /// Along the blocks known to be final, views grow with heights, and a height has one block.
    pub(super) fn check_finality(&self, header: &Header) -> Result<(), Violation> {
        let found = TrustedBlock::of(header);
        let conflict = |expected: TrustedBlock| Violation::ConflictingFinality {
            expected: expected.block_id,
            expected_height: expected.height,
            found: found.block_id,
            found_height: found.height,
        };
        for known in self.final_blocks() {
            let same_block = known.block_id == found.block_id;
            let same_order = known.height.cmp(&found.height) == known.view.cmp(&found.view);
            if (known.height == found.height) != same_block || !same_order {
                return Err(conflict(known));
            }
        }
        Ok(())
    }

    /// The block of this height that is known to be final, if there is one.
    pub(super) fn is_final(&self, header: &Header) -> bool {
        self.final_blocks()
            .any(|known| known.height == header.height && known.block_id == header.id())
    }

    /// The first block known to be final of an epoch after this one; none of the head's epoch and
    /// later ones.
    pub(super) fn superseded_by(&self, epoch_counter: u64) -> Option<TrustedBlock> {
        let next = self.epoch(epoch_counter.checked_add(1)?)?;
        let later = self.final_blocks().filter(|block| block.view >= next.first_view);
        later.min_by_key(|block| block.timestamp_ms)
    }

    fn final_blocks(&self) -> impl Iterator<Item = TrustedBlock> + '_ {
        let boundaries = self.epochs.iter().filter_map(|epoch| epoch.boundary);
        [self.checkpoint, self.head].into_iter().chain(boundaries)
    }

    /// Makes a final block the head, and a state of a block of a view the newest that is known.
    fn advance(&mut self, head: TrustedBlock, state: Option<(Identifier, u64)>) {
        self.head = head;
        if let Some((state_id, view)) = state {
            (self.head_state_id, self.head_state_view) = (state_id, view);
        }
        self.forget();
    }

    /// Adds the epoch after the newest one, which `boundary` commits.
    fn accept(
        &mut self,
        (epoch, committee): (TrustedEpoch, Arc<Committee>),
        boundary: TrustedBlock,
    ) {
        if let Some(newest) = self.epochs.last_mut() {
            newest.boundary = Some(boundary);
        }
        self.committees.insert(epoch.counter, committee);
        while self.committees.len() > COMMITTEES_MAX {
            self.committees.pop_first();
        }
        self.epochs.push(epoch);
    }

    /// Drops preimages that neither the kept committees nor the head's state need.
    fn forget(&mut self) {
        let needed = self.needed();
        self.preimages.retain(|id| needed.contains(id));
    }

    fn needed(&self) -> BTreeSet<Identifier> {
        let kept = self.epochs.iter().rev().take(COMMITTEES_MAX);
        let mut needed = BTreeSet::new();
        needed.extend(kept.flat_map(|e| [e.setup_id, e.commit_id]));
        let held = [&self.preimages];
        let sources = Sources::new(&held).with_decoded(&self.decoded);
        needed.extend(state::reachable(sources, self.head_state_id));
        needed
    }

    /// Network of the checkpoint.
    #[must_use]
    pub fn chain_id(&self) -> &str {
        &self.chain_id
    }

    /// The checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> &TrustedBlock {
        &self.checkpoint
    }

    /// Newest block proved final, at first the checkpoint.
    #[must_use]
    pub fn head(&self) -> &TrustedBlock {
        &self.head
    }

    /// Newest epoch whose committee is known.
    #[must_use]
    pub fn newest_epoch(&self) -> &TrustedEpoch {
        self.epochs.last().expect("a checkpoint has a current epoch")
    }

    /// Oldest epoch whose committee is known: the checkpoint's.
    #[must_use]
    pub fn oldest_epoch(&self) -> &TrustedEpoch {
        self.epochs.first().expect("a checkpoint has a current epoch")
    }

    /// The epoch whose views begin last at or before `view`.
    pub(super) fn epoch_of_view(&self, view: u64) -> Option<&TrustedEpoch> {
        let after = self.epochs.partition_point(|epoch| epoch.first_view <= view);
        self.epochs.get(after.checked_sub(1)?)
    }

    /// The epoch with this counter, if it is proved.
    #[must_use]
    pub fn epoch(&self, counter: u64) -> Option<&TrustedEpoch> {
        let index = counter.checked_sub(self.oldest_epoch().counter)?;
        self.epochs.get(usize::try_from(index).ok()?)
    }

    /// The committee of one of the newest epochs.
    #[must_use]
    pub fn committee(&self, counter: u64) -> Option<&Arc<Committee>> {
        self.committees.get(&counter)
    }

    /// The same trust of a client that holds these preimages instead: what another one in this state
    /// would make of evidence that was made for it.
    #[must_use]
    pub fn holding(self, preimages: Preimages) -> Self {
        Self { preimages, decoded: Decoded::default(), ..self }
    }

    /// With another block for its head, which the caller has proved final.
    pub(crate) fn with_head(self, proof: &BlockProof) -> Self {
        let head = TrustedBlock::of(&proof.header);
        match &proof.roots {
            Some(roots) => Self {
                head,
                head_state_id: roots.protocol_state_id,
                head_state_view: head.view,
                ..self
            },
            None => Self { head, ..self },
        }
    }

    pub(super) fn decoded(&self) -> &Decoded {
        &self.decoded
    }

    /// Preimages that answers may leave out.
    #[must_use]
    pub fn preimages(&self) -> &Preimages {
        &self.preimages
    }

    /// What to tell a server, so that answers leave it out and build on it.
    #[must_use]
    pub fn held(&self) -> Held {
        Held {
            checkpoint_id: Some(self.checkpoint.block_id),
            head_id: Some(self.head.block_id),
            newest_epoch_counter: self.newest_epoch().counter(),
            preimage_ids: Held::named(self.preimages.ids()),
        }
    }
}

/// What a proved block adds to what is trusted.
#[derive(Debug)]
pub(super) struct Advance {
    pub(super) block: TrustedBlock,
    /// Its protocol state, if it was opened, and whether it schedules an upgrade to a version that is not
    /// known here.
    pub(super) state: Option<(Identifier, bool)>,
    /// What came with its evidence.
    pub(super) preimages: Preimages,
    pub(super) trust: Trust,
}

fn open_state(
    proof: &BlockProof,
    sources: Sources<'_>,
    schedule: impl FnOnce() -> Schedule,
) -> Result<StateView, Rejection> {
    let missing = || Missing::PayloadRoots { block_id: proof.header.id() };
    let roots = proof.roots.as_ref().ok_or_else(missing)?;
    rules::payload_hash(&proof.header, roots)?;
    StateView::derive(&proof.header, roots, sources, schedule)
}

/// Committees kept: of the newest epoch and of the one before it, which the head may be in.
const COMMITTEES_MAX: usize = 2;
