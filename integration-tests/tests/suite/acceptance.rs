//! What flow-go accepts is accepted, and what lies one step beside it is not.
//!
//! `vectors/acceptance` has a chain made by flow-go and two candidates for its next block, both with
//! the parent's certificate by all keys: one as an honest leader writes it, and one whose signature
//! types name a beacon signer. Every flow-go node accepts both.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use prost::Message as _;
use serde_json::Value;
use weir_client::sync::LightClient;
use weir_client::transport::Server;
use weir_devnet::epoch::{Epoch, vote_message};
use weir_devnet::nodes::Nodes;
use weir_devnet::{Config, Network};
use weir_integration_tests::proxy::TestProxy;
use weir_integration_tests::{TestServer, chain_dir, frame, gunzip};
use weir_proto::convert::{block_from_wire, block_to_wire};
use weir_proto::flow::entities;
use weir_protocol::bls::tag;
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::rlp::Encoder;
use weir_protocol::hotstuff::{CertificateError, Committee, verify_qcs};
use weir_protocol::model::{
    BlsPublicKey, EpochCommit, EpochSetup, Identifier, QuorumCertificate, TimeoutCertificate,
};
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_server::api::ApiOptions;
use weir_server::ingest::Rule;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::replay::{Replay, ReplayError};
use weir_server::source::ChainFolder;
use weir_verifier::Trust;

const CASE: &str = "acceptance";
/// Height of the candidates, whose certificate makes the block two below it final.
const CANDIDATE: u64 = 1022;

fn candidates() -> Vec<(String, entities::Block)> {
    let lines = fs::read_to_string(chain_dir(CASE).join("candidates.jsonl")).unwrap();
    let candidate = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let block = hex::decode(value["block"].as_str().unwrap()).unwrap();
        (value["kind"].to_string(), entities::Block::decode(&block[..]).unwrap())
    };
    lines.lines().map(candidate).collect()
}

/// Writes the chain with a block after it.
fn write(dir: &Path, block: &entities::Block) {
    const SNAPSHOT: &str = "root-protocol-state-snapshot.json.gz";
    fs::copy(chain_dir(CASE).join(SNAPSHOT), dir.join(SNAPSHOT)).unwrap();
    let blocks = [gunzip(CASE, "blocks.pb.gz").unwrap(), frame(block)].concat();
    fs::write(dir.join("blocks.pb"), blocks).unwrap();
}

/// The candidates, and the honest one with much behind its certificate.
fn accepted() -> Vec<(String, entities::Block)> {
    let mut candidates = candidates();
    let mut block = block_from_wire(candidates[0].1.clone()).unwrap();
    block.header.parent_voter_sig_data.extend([0xff; 1_000_000]);
    candidates.push(("a million bytes after the list".into(), block_to_wire(&block)));
    candidates
}

#[bounded::test]
async fn a_certificate_that_only_a_strict_reader_refuses_is_indexed_verified_and_passed_on() {
    for (kind, block) in accepted() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &block);
        let server = TestServer::over(dir.path(), ApiOptions::default()).await.unwrap();
        assert_eq!(server.prover.head().finalized.height, CANDIDATE - 2, "{kind}");
        let proxy = TestProxy::start([server.url()], server.root_id).await.unwrap();
        for url in [server.url(), proxy.url()] {
            let connection = Server::connect(&url).await.unwrap();
            let mut client = LightClient::start(connection, server.root_id).await.unwrap();
            let question =
                Question { block: Selector::Height(CANDIDATE - 2), topic: Topic::Snapshot };
            let outcome = client.ask(&question, Depth::Finality).await.unwrap();
            assert!(outcome.answer.trust >= Trust::Finalized, "{kind}");
        }
    }
}

#[bounded::test]
fn a_signature_type_for_a_signer_that_there_is_not_is_refused() {
    for (kind, block) in candidates() {
        let mut block = block_from_wire(block).unwrap();
        // The first byte after the list's own; seven signed, so that the last bit is padding.
        block.header.parent_voter_sig_data[2] = 1;
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &block_to_wire(&block));
        let folder = ChainFolder::open(dir.path()).unwrap();
        let error = Replay::run(&folder, Thoroughness::Unvouched).unwrap_err();
        let ReplayError::Ingest(error) = error else { panic!("{kind}: {error}") };
        assert_eq!(error.block_id, block.header.id(), "{kind}");
        assert!(matches!(*error.rule, Rule::QuorumCertificate { .. }), "{kind}: {error}");
    }
}

/// A committee whose keys are known.
struct Signers {
    epoch: Epoch,
    setup: EpochSetup,
    commit: EpochCommit,
}

/// The signature data of a QC in the making.
struct Shape {
    signed: Vec<bool>,
    types: Vec<u8>,
    aggregated_beacon: Vec<u8>,
    elements: usize,
    after: Vec<u8>,
}

const VIEW: u64 = 3000;
const BLOCK: Identifier = Identifier([7; 32]);

impl Signers {
    fn new() -> Self {
        let config = Config::default();
        let network = Network::new(config.clone()).unwrap();
        let state = network.root().head_state();
        let mut nodes = Nodes::new(config.seed);
        nodes.first(&config);
        let setup = state.current_epoch_setup.clone();
        let epoch = Epoch::new(config.seed, &setup, &nodes);
        Self { epoch, setup, commit: state.current_epoch_commit.clone() }
    }

    fn committee(&self) -> Committee {
        Committee::new(&self.setup, &self.commit).unwrap()
    }

    fn qc(&self, view: u64, change: impl FnOnce(&mut Shape)) -> QuorumCertificate {
        let group = &self.epoch.committee;
        let members = group.members.len();
        let mut shape = Shape {
            signed: vec![true; members],
            types: vec![0; members.div_ceil(8)],
            aggregated_beacon: Vec::new(),
            elements: 4,
            after: Vec::new(),
        };
        change(&mut shape);
        let message = vote_message(view, &BLOCK);
        let staking = group.signers_key(&shape.signed).sign(tag::CONSENSUS_VOTE, &message);
        let beacon = self.epoch.beacon_key.sign(tag::RANDOM_BEACON, &message);
        let elements = [&shape.types[..], &staking, &shape.aggregated_beacon, &beacon, b"one more"];
        let mut encoder = Encoder::new();
        encoder.list(|e| elements[..shape.elements].iter().for_each(|bytes| e.bytes(bytes)));
        QuorumCertificate {
            view,
            block_id: BLOCK,
            signer_indices: group.signer_indices(&shape.signed),
            sig_data: [encoder.finish(), shape.after].concat(),
        }
    }

    /// A TC of [`VIEW`] by all, who signed these views in turn.
    fn tc(&self, newest_qc: QuorumCertificate, views: &[u64]) -> TimeoutCertificate {
        let group = &self.epoch.committee;
        let newest_qc_views: Vec<u64> =
            views.iter().copied().cycle().take(group.members.len()).collect();
        let signature = |(member, newest): (usize, &u64)| {
            let message = [VIEW.to_be_bytes(), newest.to_be_bytes()].concat();
            let key = &group.members[member].staking_key;
            key.sign_point(tag::CONSENSUS_TIMEOUT, &message)
        };
        let signatures = newest_qc_views.iter().enumerate().map(signature);
        let aggregate = signatures.reduce(|sum, signature| sum.add(&signature)).unwrap();
        TimeoutCertificate {
            view: VIEW,
            newest_qc_views,
            newest_qc,
            signer_indices: group.signer_indices(&vec![true; group.members.len()]),
            sig_data: aggregate.to_bytes().to_vec(),
        }
    }

    /// Gives the first member of the committee another staking key, or none.
    fn with_first_key(mut self, key: Option<BlsPublicKey>) -> Self {
        let node_id = self.epoch.committee.members[0].id();
        let nodes = self.setup.participants.iter_mut();
        nodes.filter(|node| node.node_id == node_id).for_each(|node| node.staking_key = key);
        self
    }
}

/// Alone, in a batch, and by its form.
fn verify(committee: &Committee, qc: &QuorumCertificate) -> Result<(), CertificateError> {
    let alone = committee.verify_qc(qc);
    let batch = verify_qcs(&[(committee, qc), (committee, qc)]).map_err(|failure| failure.source);
    assert_eq!(alone, batch);
    if alone.is_ok() {
        committee.check_qc(qc).unwrap();
    }
    alone
}

/// The signature data of a QC, as a change to it and whether flow-go accepts it.
type Data = (&'static str, bool, fn(&mut Shape));

#[bounded::test]
fn of_signature_data_only_what_flow_go_looks_at_counts() {
    let signers = Signers::new();
    let committee = signers.committee();
    assert_ne!(committee.len() % 8, 0, "the types have padding");
    let cases: [Data; 12] = [
        ("as an honest leader writes it", true, |_| ()),
        ("a beacon signer", true, |data| data.types[0] = 0x80),
        ("a beacon aggregate of one byte", true, |data| data.aggregated_beacon = vec![1]),
        ("a beacon aggregate of 5,000 bytes", true, |data| data.aggregated_beacon = vec![9; 5000]),
        ("a byte after the list", true, |data| data.after = vec![0]),
        ("100,000 bytes after the list", true, |data| data.after = vec![0xff; 100_000]),
        ("a type for nobody", false, |data| *data.types.last_mut().unwrap() |= 1),
        ("a byte of types more", false, |data| data.types.push(0)),
        ("no types", false, |data| data.types.clear()),
        ("three elements", false, |data| data.elements = 3),
        ("five elements", false, |data| data.elements = 5),
        ("a signer who did not sign", false, |data| data.signed[0] = false),
    ];
    for (what, is_accepted, change) in cases {
        let mut qc = signers.qc(VIEW, change);
        // Whoever signed, all are said to have.
        qc.signer_indices = signers.epoch.committee.signer_indices(&vec![true; committee.len()]);
        assert_eq!(verify(&committee, &qc).is_ok(), is_accepted, "{what}");
        let tc = signers.tc(qc.clone(), &[VIEW]);
        committee.verify_tc(&tc).unwrap();
        assert_eq!(committee.verify_qc(&tc.newest_qc).is_ok(), is_accepted, "{what} in a tc");
    }
    let honest = signers.qc(VIEW, |_| ());
    // f8, one byte of length; then the same with two, and a byte before it.
    let longer = [&[0xf9, 0][..], &honest.sig_data[1..]].concat();
    for sig_data in [longer, [&[0x80][..], &honest.sig_data].concat(), Vec::new()] {
        let qc = QuorumCertificate { sig_data, ..honest.clone() };
        let error = verify(&committee, &qc).unwrap_err();
        assert!(matches!(error, CertificateError::SigData(_)), "{error}");
    }
}

#[bounded::test]
fn the_newest_qc_of_a_tc_is_as_new_as_any_view_signed_and_no_newer_than_the_tc() {
    let signers = Signers::new();
    let committee = signers.committee();
    let check = |newest: u64, views: &[u64]| {
        let tc = signers.tc(signers.qc(newest, |_| ()), views);
        committee.verify_qc(&tc.newest_qc).unwrap();
        committee.verify_tc(&tc)
    };
    for (newest, views) in [
        (VIEW - 1, &[VIEW - 1][..]),
        (VIEW - 1, &[VIEW - 2, 17, 0]),
        (VIEW - 1, &[0]),
        (VIEW, &[VIEW]),
        (VIEW, &[0]),
        (0, &[0]),
    ] {
        check(newest, views).unwrap_or_else(|error| panic!("{newest} {views:?}: {error}"));
    }
    for (newest, views) in [
        (VIEW - 2, &[VIEW - 2, VIEW - 1][..]),
        (0, &[1]),
        (VIEW + 1, &[VIEW]),
        (VIEW + 1, &[VIEW + 1]),
    ] {
        let error = check(newest, views).unwrap_err();
        let newest_signed = *views.iter().max().unwrap();
        let expected = CertificateError::NewestQcView { newest_signed, view: VIEW, found: newest };
        assert_eq!(error, expected);
    }
    let honest = signers.tc(signers.qc(VIEW - 1, |_| ()), &[VIEW - 1]);
    let changes: [fn(&mut TimeoutCertificate); 4] = [
        |tc| tc.sig_data.push(0),
        |tc| _ = tc.newest_qc_views.pop(),
        |tc| tc.newest_qc_views.push(0),
        |tc| tc.newest_qc_views[0] -= 1,
    ];
    for change in changes {
        let mut tc = honest.clone();
        change(&mut tc);
        committee.verify_tc(&tc).unwrap_err();
    }
}

#[bounded::test]
fn a_member_without_a_key_counts_and_cannot_sign() {
    let signers = Signers::new().with_first_key(None);
    let committee = signers.committee();
    assert_eq!(committee.total_weight(), Signers::new().committee().total_weight());
    verify(&committee, &signers.qc(VIEW, |data| data.signed[0] = false)).unwrap();
    let node_id = signers.epoch.committee.members[0].id();
    let expected = CertificateError::SignerWithoutKey { node_id };
    let qc = signers.qc(VIEW, |_| ());
    assert_eq!(verify(&committee, &qc), Err(expected.clone()));
    assert_eq!(committee.check_qc(&qc), Err(expected.clone()));
    assert_eq!(committee.verify_tc(&signers.tc(qc, &[0])), Err(expected));
}

/// onflow/crypto adds up keys at infinity without a word, and refuses them one by one.
#[bounded::test]
fn a_member_whose_key_is_the_identity_is_a_signer_of_qcs_and_of_nothing_else() {
    let mut identity = [0; 96];
    identity[0] = 0xc0;
    let signers = Signers::new().with_first_key(Some(identity));
    let committee = signers.committee();
    let all = vec![true; committee.len()];
    let mut qc = signers.qc(VIEW, |data| data.signed[0] = false);
    verify(&committee, &qc).unwrap();
    qc.signer_indices = signers.epoch.committee.signer_indices(&all);
    verify(&committee, &qc).unwrap();
    let tc = signers.tc(qc, &[0]);
    assert_eq!(committee.verify_tc(&tc), Err(CertificateError::TimeoutSignature));

    let mut silent = Signers::new();
    silent.commit.dkg_group_key = identity;
    let error = verify(&silent.committee(), &silent.qc(VIEW, |_| ())).unwrap_err();
    assert_eq!(error, CertificateError::BeaconSignature);
    let (mut none, mut every_bit) = ([0; 96], [0xff; 96]);
    (none[0], every_bit[0]) = (0x80, 0xc0);
    for key in [none, every_bit] {
        let broken = Signers::new().with_first_key(Some(key));
        Committee::new(&broken.setup, &broken.commit).unwrap_err();
    }
}
