//! The one door: a block that evidence proves, and what can be read from it.

use super::answer::{self, Answer, read_identities};
use super::certify::Certifier;
use super::changes::{StateAt, whole_state};
use super::sources::Sources;
use super::state::{StateView, key_value_store};
use super::trust::{Anchored, AnchoredBy, Trust};
use super::trusted::Advance;
use super::{
    Anchor, Missing, NotYet, Rejection, Timing, TreeRoot, TrustedBlock, Verified, Violation, rules,
};
use alloc::string::ToString as _;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, Bundle, DeltaError, Preimages};
use weir_protocol::model::{Header, Identifier, Versions};
use weir_protocol::request::{Question, Selector, Topic};
use weir_protocol::snapshot_tree;

/// A block that evidence proves, for the question that was asked.
///
/// How far it is proved is known; what else is wanted is read from it, and every reading is bound to
/// the block's hash.
#[derive(Debug)]
pub struct ProvedBlock<'a> {
    anchor: Anchor<'a>,
    proof: &'a AnswerProof,
    /// What came with the evidence.
    preimages: Preimages,
    state: Result<StateView, Rejection>,
    anchored: Anchored,
    leaves_seal: bool,
}

/// Proves the block that evidence answers a question about.
///
/// # Errors
/// When the evidence is for another question or another block, breaks a rule, or is not enough for
/// what the question selects; when `timing` forbids to extend trust, or the block is from the future.
pub fn open<'a>(
    anchor: Anchor<'a>,
    question: &Question,
    proof: &'a AnswerProof,
    timing: &Timing,
) -> Result<ProvedBlock<'a>, Rejection> {
    if let Anchor::Trusted(trusted) = anchor {
        timing.check_trust(trusted)?;
    }
    let preimages = expand(&proof.bundle, &[anchor.held()])?;
    rules::answers_the_question(question, &proof.question)?;
    let both = [&preimages, anchor.held()];
    let sources = anchor.sources(&both);
    let state = open_state(anchor, proof, sources)?;
    let certifier = Certifier::new(anchor, sources, timing);
    let anchored = level_of_trust(&certifier, proof, state.as_ref().ok());
    let anchored = match (anchored, &state) {
        // Without its state, too little is known of the epoch that the block says it is of.
        (Err(Rejection::Missing(_) | Rejection::NotYet(_)), Err(lacking))
            if !is_absent(lacking) =>
        {
            return Err(lacking.clone());
        }
        (anchored, _) => anchored?,
    };
    let (anchored, leaves_seal) = anchored;
    let header = &proof.block.header;
    rules::selected_block(question.block, header, anchored.trust)?;
    timing.check_block(header)?;
    Ok(ProvedBlock { anchor, proof, preimages, state, anchored, leaves_seal })
}

impl<'a> ProvedBlock<'a> {
    /// Its header.
    #[must_use]
    pub fn header(&self) -> &'a Header {
        &self.proof.block.header
    }

    /// How far it is proved.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.anchored.trust
    }

    /// By what it is proved.
    #[must_use]
    pub fn anchored_by(&self) -> AnchoredBy {
        self.anchored.by
    }

    /// The evidence.
    #[must_use]
    pub fn proof(&self) -> &'a AnswerProof {
        self.proof
    }

    /// What came with the evidence, deltas expanded.
    #[must_use]
    pub fn preimages(&self) -> &Preimages {
        &self.preimages
    }

    /// Whether the evidence has a seal that nothing known yet proves: it may lie in a later epoch.
    #[must_use]
    pub fn leaves_seal(&self) -> bool {
        self.leaves_seal
    }

    /// The answer to the question.
    ///
    /// # Errors
    /// When a preimage is missing or is not what it should be, or there is no such epoch or seal.
    pub fn answer(&self) -> Result<Verified<Answer>, Rejection> {
        self.with_sources(|sources| {
            let state = || self.state();
            answer::derive(self.proof, state, sources, self.anchored).map(Verified)
        })
    }

    /// How far the block is, which needs no protocol state: it is told of a block whose state has a
    /// version that is not known here as well.
    ///
    /// # Errors
    /// When the proof of the last sealed block fails.
    pub fn status(&self) -> Result<Verified<Answer>, Rejection> {
        answer::derive_status(self.proof, self.anchored).map(Verified)
    }

    /// The whole protocol state with its identity table.
    ///
    /// # Errors
    /// [`Missing::Preimage`] when a setup of the identity table is missing: a question about all
    /// identities brings them.
    pub fn state_at(&self) -> Result<Verified<StateAt>, Rejection> {
        self.with_sources(|sources| {
            whole_state(self.header(), self.state()?, sources, self.trust()).map(Verified)
        })
    }

    /// The snapshot tree's root, derived from the setups of its epochs.
    ///
    /// # Errors
    /// As [`Self::state_at`]; and when the state commits to another root.
    pub fn tree_root(&self) -> Result<Verified<TreeRoot>, Rejection> {
        let state = self.state()?;
        let root = self.with_sources(|sources| {
            read_identities(state, sources, |epochs| snapshot_tree::root_of(&state.kv, epochs))
        })?;
        let committed = state.kv.snapshot_tree_root;
        if committed.is_some_and(|committed| committed != root) {
            let reason = "it commits to another snapshot tree than its own";
            return Err(Violation::State { reason }.into());
        }
        Ok(Verified(self.root(root, state.protocol_state_id, committed.is_some())))
    }

    /// The snapshot tree's root that the block's own protocol state commits to.
    ///
    /// Needs the header, the payload's roots and the key-value store, some 700 bytes besides what
    /// certifies the block, and no setup. Without one nothing but the certificate says that the block
    /// is of the committee's epoch, and views that extensions of an epoch added are beyond it.
    ///
    /// # Errors
    /// [`NotYet::CommittedTree`] when the state's version has no root, as all versions of Flow;
    /// [`Missing::Preimage`] without the key-value store.
    pub fn committed_tree_root(&self) -> Result<Verified<TreeRoot>, Rejection> {
        let (header, block_id) = (self.header(), self.header().id());
        let roots = self.proof.block.roots.as_ref();
        let roots = roots.ok_or(Missing::PayloadRoots { block_id })?;
        let kv = self.with_sources(|sources| {
            key_value_store(header, roots, sources, || self.anchor.schedule())
        })?;
        let missing = NotYet::CommittedTree { block_id, version: kv.version };
        let root = kv.snapshot_tree_root.ok_or(missing)?;
        Ok(Verified(self.root(root, roots.protocol_state_id, true)))
    }

    /// What a client's trust gains from it.
    pub(super) fn into_advance(self) -> Advance {
        let known = Versions::of_chain(&self.header().chain_id);
        let state = self.state.as_ref().ok();
        let schedules = |state: &StateView| state.kv.upgrade_beyond(known).is_some();
        let state = state.map(|state| (state.protocol_state_id, schedules(state)));
        let (block, trust) = (TrustedBlock::of(self.header()), self.anchored.trust);
        Advance { block, state, preimages: self.preimages, trust }
    }

    fn root(&self, root: Identifier, protocol_state_id: Identifier, committed: bool) -> TreeRoot {
        let header = self.header();
        TreeRoot {
            root,
            protocol_state_id,
            committed,
            block_id: header.id(),
            height: header.height,
            view: header.view,
            chain_id: header.chain_id.to_string(),
            trust: self.trust(),
            anchored_by: self.anchored_by(),
        }
    }

    fn state(&self) -> Result<&StateView, Rejection> {
        self.state.as_ref().map_err(Clone::clone)
    }

    fn with_sources<T>(&self, read: impl FnOnce(Sources<'_>) -> T) -> T {
        let both = [&self.preimages, self.anchor.held()];
        read(self.anchor.sources(&both))
    }
}

/// The block's state, or why it cannot be opened; what opens must be what the header commits to.
fn open_state(
    anchor: Anchor<'_>,
    proof: &AnswerProof,
    sources: Sources<'_>,
) -> Result<Result<StateView, Rejection>, Rejection> {
    let header = &proof.block.header;
    let Some(roots) = &proof.block.roots else {
        return Ok(Err(Missing::PayloadRoots { block_id: header.id() }.into()));
    };
    rules::payload_hash(header, roots)?;
    match StateView::derive(header, roots, sources, || anchor.schedule()) {
        Err(invalid @ Rejection::Invalid(_)) => Err(invalid),
        state => Ok(state),
    }
}

/// Whether the evidence does not try to open the state: of some questions only the header matters.
fn is_absent(lacking: &Rejection) -> bool {
    matches!(lacking, Rejection::Missing(Missing::PayloadRoots { .. }))
}

/// All preimages of a bundle.
pub(super) fn expand(bundle: &Bundle, held: &[&Preimages]) -> Result<Preimages, Rejection> {
    bundle.expand(held).map_err(|error| match error {
        DeltaError::Base { base } => Missing::Preimage { what: "base of a delta", id: base }.into(),
        error => Violation::Delta(error).into(),
    })
}

/// How far the block is proved: by its own certificates, and further by its seal; and whether the seal
/// is left for a later epoch.
fn level_of_trust(
    certifier: &Certifier<'_>,
    proof: &AnswerProof,
    state: Option<&StateView>,
) -> Result<(Anchored, bool), Rejection> {
    let anchored = certifier.block(&proof.block, state)?;
    let Some(seal) = &proof.seal else {
        return Ok((anchored, false));
    };
    match certifier.seal((&proof.block.header, state), seal) {
        Ok(by) => Ok((Anchored { trust: Trust::Sealed, by: anchored.by.and(by) }, false)),
        Err(invalid @ Rejection::Invalid(_)) => Err(invalid),
        // The seal may lie in an epoch the caller does not know yet, or believes no more; the rest
        // stands without it, unless the seal is what was asked for.
        Err(lacking) if needs_seal(&proof.question, &lacking) => Err(lacking),
        Err(Rejection::Missing(Missing::PastCommittee { .. })) => Ok((anchored, false)),
        Err(_) => Ok((anchored, true)),
    }
}

/// Whether there is no answer without the seal, for which something is missing.
///
/// Of an answer about the seal itself it is said below that the seal is missing, unless the caller
/// only has to learn of the seal's epoch, or to allow its age.
fn needs_seal(question: &Question, lacking: &Rejection) -> bool {
    let is_about_seal = matches!(question.topic, Topic::Seal | Topic::ExecutionResult);
    let is_epoch = matches!(
        lacking,
        Rejection::Missing(Missing::LaterEpoch { .. } | Missing::PastCommittee { .. })
    );
    question.block == Selector::LatestSealed || (is_about_seal && is_epoch)
}
