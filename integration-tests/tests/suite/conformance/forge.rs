//! A simulated network whose keys are known: what a committee of liars could sign.

use weir_devnet::certificates::Vote;
use weir_devnet::config::{Chances, EpochConfig};
use weir_devnet::epoch::{Epoch, vote_message};
use weir_devnet::keys::SecretKey;
use weir_devnet::nodes::Nodes;
use weir_devnet::{Command, Config, Trigger, archive};
use weir_integration_tests::TestServer;
use weir_protocol::bls::tag;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::codec::{Entity as _, payload_hash};
use weir_protocol::evidence::{BlockProof, Bundle, Preimages};
use weir_protocol::model::{
    EpochCommit, EpochSetup, EpochStateEntry, Header, Identifier, KvStore, PayloadRoots,
    QuorumCertificate, Role,
};
use weir_server::api::ApiOptions;

use super::chain::Chain;

/// The network, its chain, and all keys.
pub(super) struct Forge {
    pub(super) chain: Chain,
    nodes: Nodes,
}

/// A certificate in the making: who signs what, and how it is written down.
pub(super) struct Certificate {
    pub(super) view: u64,
    pub(super) block_id: Identifier,
    /// Who is said to have signed.
    pub(super) indices: Vec<u8>,
    pub(super) types: Vec<u8>,
    pub(super) staking: Vec<u8>,
    /// What flow-go calls the aggregated random beacon signature, and never reads.
    pub(super) unread: Vec<u8>,
    pub(super) beacon: Vec<u8>,
    /// Bytes behind the signatures.
    pub(super) after: Vec<u8>,
}

/// A block's state with all parts at hand, to be changed and committed to anew.
#[derive(Clone)]
pub(super) struct State {
    pub(super) header: Header,
    pub(super) roots: PayloadRoots,
    pub(super) kv: KvStore,
    pub(super) entry: EpochStateEntry,
    pub(super) setup: EpochSetup,
    pub(super) next: Option<(EpochSetup, EpochCommit)>,
    pub(super) preimages: Preimages,
}

impl Forge {
    pub(super) async fn new() -> Self {
        let config = config();
        let folder = tempfile::tempdir().unwrap();
        archive::write(config.clone(), folder.path(), archive::Amount::Blocks(BLOCKS), |_| ())
            .unwrap();
        let server = TestServer::over(folder.path(), ApiOptions::default()).await.unwrap();
        let mut nodes = Nodes::new(SEED);
        nodes.first(&config);
        // Those that join are numbered on.
        for number in 0..64 {
            nodes.make(Role::Consensus, number);
        }
        Self { chain: Chain::of(server), nodes }
    }

    pub(super) fn state(&self, height: u64) -> State {
        let prover = &self.chain.server.prover;
        let ordinal = prover.reader().finalized_at(height).unwrap().unwrap();
        let record = prover.block_at(ordinal).unwrap().record;
        let state = prover.states().load(&record.protocol_state_id).unwrap();
        let mut preimages = Preimages::default();
        preimages.insert(state.kv().to_rlp());
        preimages.insert(state.epoch_state().to_rlp());
        for setup in [state.previous_setup(), Some(state.current_setup()), state.next_setup()] {
            setup.into_iter().for_each(|setup| _ = preimages.insert(setup.to_rlp()));
        }
        let commits = [Some(state.current_commit()), state.next_commit()];
        commits.into_iter().flatten().for_each(|commit| _ = preimages.insert(commit.to_rlp()));
        let next = state.next_setup().zip(state.next_commit());
        State {
            header: record.header.clone(),
            roots: record.roots().unwrap(),
            kv: state.kv().clone(),
            entry: (**state.epoch_state()).clone(),
            setup: (**state.current_setup()).clone(),
            next: next.map(|(setup, commit)| ((**setup).clone(), (**commit).clone())),
            preimages,
        }
    }

    pub(super) fn epoch(&self, setup: &EpochSetup) -> Epoch {
        let epoch = Epoch::new(SEED, setup, &self.nodes);
        let members = weir_protocol::hotstuff::committee_members(&setup.participants).count();
        assert_eq!(epoch.committee.members.len(), members, "a key is not known");
        epoch
    }

    /// The certificate that the whole committee would sign.
    pub(super) fn certificate(&self, setup: &EpochSetup, header: &Header) -> Certificate {
        let epoch = self.epoch(setup);
        let vote = Vote { view: header.view, block_id: header.id() };
        let signed = vec![true; epoch.committee.members.len()];
        let message = vote_message(vote.view, &vote.block_id);
        let staking = epoch.committee.signers_key(&signed);
        Certificate {
            view: vote.view,
            block_id: vote.block_id,
            indices: epoch.committee.signer_indices(&signed),
            types: vec![0; signed.len().div_ceil(8)],
            staking: staking.sign(tag::CONSENSUS_VOTE, &message).to_vec(),
            unread: Vec::new(),
            beacon: epoch.beacon_key.sign(tag::RANDOM_BEACON, &message).to_vec(),
            after: Vec::new(),
        }
    }

    /// The block with a certified child of the very next view: final, if the signers are right.
    pub(super) fn finalized(
        &self,
        setup: &EpochSetup,
        header: &Header,
        roots: Option<PayloadRoots>,
    ) -> BlockProof {
        let child = self.child(setup, header);
        let qc = self.certificate(setup, &child).finish();
        let descendants = vec![child];
        BlockProof { header: header.clone(), roots, descendants, qc: Some(qc) }
    }

    /// A child of the very next view, which carries the block's certificate.
    pub(super) fn child(&self, setup: &EpochSetup, header: &Header) -> Header {
        let qc = self.certificate(setup, header).finish();
        Header {
            chain_id: header.chain_id.clone(),
            parent_id: header.id(),
            height: header.height + 1,
            payload_hash: Identifier([7; 32]),
            timestamp_ms: header.timestamp_ms + 1,
            view: header.view + 1,
            parent_view: header.view,
            parent_voter_indices: qc.signer_indices,
            parent_voter_sig_data: qc.sig_data,
            proposer_id: header.proposer_id,
            last_view_tc_id: Identifier::ZERO,
        }
    }
}

impl Certificate {
    pub(super) fn finish(&self) -> QuorumCertificate {
        let mut encoder = Encoder::new();
        encoder.list(|e| {
            e.bytes(&self.types);
            e.bytes(&self.staking);
            e.bytes(&self.unread);
            e.bytes(&self.beacon);
        });
        QuorumCertificate {
            view: self.view,
            block_id: self.block_id,
            signer_indices: self.indices.clone(),
            sig_data: [&encoder.finish()[..], &self.after].concat(),
        }
    }

    pub(super) fn message(&self) -> [u8; 40] {
        vote_message(self.view, &self.block_id)
    }
}

impl State {
    /// The state's parts, hashed into one another up to the header.
    pub(super) fn commit(mut self) -> Self {
        if let (Some((setup, commit)), Some(next)) = (&self.next, &mut self.entry.next_epoch) {
            next.setup_id = self.preimages.insert(setup.to_rlp());
            next.commit_id = self.preimages.insert(commit.to_rlp());
        }
        self.entry.current_epoch.setup_id = self.preimages.insert(self.setup.to_rlp());
        self.commit_entry()
    }

    /// As [`Self::commit`], from the epoch state upwards.
    pub(super) fn commit_entry(mut self) -> Self {
        self.kv.epoch_state_id = self.preimages.insert(self.entry.to_rlp());
        self.roots.protocol_state_id = self.preimages.insert(self.kv.to_rlp());
        self.commit_roots()
    }

    /// As [`Self::commit`], from the payload roots upwards.
    pub(super) fn commit_roots(mut self) -> Self {
        self.header.payload_hash = payload_hash(&self.roots);
        self
    }

    pub(super) fn next_mut(&mut self) -> (&mut EpochSetup, &mut EpochCommit) {
        let (setup, commit) = self.next.as_mut().unwrap();
        (setup, commit)
    }

    pub(super) fn bundle(&self) -> Bundle {
        Bundle::whole(self.preimages.clone())
    }
}

/// The sum of the members' keys, each as often as it is said.
pub(super) fn key_counted(epoch: &Epoch, times: &[usize]) -> SecretKey {
    let members = epoch.committee.members.iter().zip(times);
    SecretKey::sum(members.flat_map(|(node, times)| std::iter::repeat_n(&node.staking_key, *times)))
}

fn config() -> Config {
    Config {
        seed: SEED,
        epochs: EpochConfig::of_length(EPOCH_VIEWS),
        chances: Chances { fork_per_mille: 0, timeout_per_mille: 0, view_gap_per_mille: 0 },
        guarantees_per_block_max: 0,
        ..Config::default()
    }
    .at(Trigger::View(EPOCH_VIEWS + 2), Command::Join(Role::Consensus))
}

const SEED: u64 = 0x5eed_0005;
/// Length of an epoch; every view has a block, so that heights are views.
pub(super) const EPOCH_VIEWS: u64 = 70;
const BLOCKS: u64 = 4 * EPOCH_VIEWS;
