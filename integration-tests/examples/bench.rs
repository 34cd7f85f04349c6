//! Weir's side of the measurements beside flow-go, see `cargo xtask flow-go-bench`.
//!
//! `bench DIR` indexes a chain folder, serves it, writes "ready ADDRESS", and then answers each line "WORK TIMES" of
//! standard input with how often it did the work. `bench client FIRST-HEIGHT LAST-HEIGHT` does the same with lines
//! "ADDRESS TIMES", its work being to ask the server there for the snapshots of all these heights in turn.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead as _, Write as _};
use std::path::Path;

use blst::min_sig::SecretKey;
use blst::{BLST_ERROR, blst_fp12, blst_p1_affine, blst_p2_affine};
use blstrs_plus::pairing_lib::MultiMillerLoop as _;
use blstrs_plus::{Bls12, G1Affine, G2Affine, G2Prepared};
use mimalloc::MiMalloc;
use tokio::runtime::Runtime;
use tonic::transport::Channel;
use weir_devnet::keys;
use weir_integration_tests::TestServer;
use weir_proto::convert::block_from_wire;
use weir_proto::flow::access::GetProtocolStateSnapshotByHeightRequest;
use weir_proto::flow::access::access_api_client::AccessApiClient;
use weir_protocol::bls::{Backend as _, Native, PublicKey, Signature, tag, verify};
use weir_protocol::codec::{Entity as _, entity_ids, payload_hash, payload_roots, sha3_256};
use weir_protocol::hotstuff::{Committee, verify_qcs};
use weir_protocol::model::{Block, QuorumCertificate, TimeoutCertificate};
use weir_protocol::protocol_state::{evolve, identity_table};
use weir_protocol::request::Depth;
use weir_protocol::request::{IdentityFilter, Question, Selector, Topic};
use weir_server::api::ApiOptions;
use weir_server::source::ChainFolder;
use weir_verifier::TrustedState;

// As the server's program has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = Runtime::new().unwrap();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["client", first, last] => {
            let heights = first.parse().unwrap()..=last.parse().unwrap();
            client(&runtime, &heights.collect::<Vec<_>>());
        }
        [dir] => {
            let served = TestServer::over(Path::new(dir), ApiOptions::default());
            let server = runtime.block_on(served).unwrap();
            println!("ready {}", server.address);
            let chain = Chain::read(Path::new(dir), &server);
            let mut works = chain.works(&server);
            answer(|name, times| works.get_mut(name).unwrap()(times));
        }
        _ => panic!("usage: bench DIR | bench client FIRST-HEIGHT LAST-HEIGHT"),
    }
}

/// Does what each line asks for, to the end of the input.
fn answer(mut work: impl FnMut(&str, usize) -> usize) {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (name, times) = line.split_once(' ').unwrap();
        writeln!(output, "{}", work(name, times.parse().unwrap())).unwrap();
        output.flush().unwrap();
    }
}

/// Asks servers for snapshots.
fn client(runtime: &Runtime, heights: &[u64]) {
    println!("ready client");
    let mut clients: HashMap<String, AccessApiClient<Channel>> = HashMap::new();
    answer(|address, times| {
        // Snapshots differ in size, so each round asks for all of them.
        let rounds = times.div_ceil(heights.len());
        runtime.block_on(async {
            if !clients.contains_key(address) {
                let channel = Channel::from_shared(format!("http://{address}")).unwrap();
                let client = AccessApiClient::new(channel.connect().await.unwrap());
                let client = client.max_decoding_message_size(SNAPSHOT_BYTES_MAX);
                clients.insert(address.to_owned(), client);
            }
            let client = clients.get_mut(address).unwrap();
            for block_height in heights.iter().copied().cycle().take(rounds * heights.len()) {
                let request = GetProtocolStateSnapshotByHeightRequest { block_height };
                let answer = client.get_protocol_state_snapshot_by_height(request).await.unwrap();
                assert!(!answer.into_inner().serialized_snapshot.is_empty());
            }
        });
        rounds * heights.len()
    });
}

/// Does a kind of work so often, or a little more, and returns how often it did it.
type Work<'a> = Box<dyn FnMut(usize) -> usize + 'a>;

/// What the work is done with.
struct Chain {
    /// All blocks behind the root.
    blocks: Vec<Block>,
    committee: Committee,
    /// Those that blocks of the root's epoch carry.
    qcs: Vec<QuorumCertificate>,
    tcs: Vec<TimeoutCertificate>,
}

impl Chain {
    fn read(dir: &Path, server: &TestServer) -> Self {
        let folder = ChainFolder::open(dir).unwrap();
        let blocks = folder.blocks().unwrap().skip(1);
        let blocks: Vec<Block> =
            blocks.map(|wire| block_from_wire(wire.unwrap()).unwrap()).collect();
        let root = server.prover.block_at(0).unwrap().record;
        let state = server.prover.states().load(&root.protocol_state_id).unwrap();
        let final_view = state.final_view();
        let of_epoch = |block: &&Block| block.header.parent_view <= final_view;
        let qcs = blocks.iter().filter(of_epoch).map(|block| block.header.parent_qc()).collect();
        let tcs = blocks.iter().filter(of_epoch).filter_map(|block| block.last_view_tc.clone());
        let tcs = tcs.filter(|tc| tc.view <= final_view).collect();
        let committee = Committee::new(state.current_setup(), state.current_commit()).unwrap();
        Self { blocks, committee, qcs, tcs }
    }

    /// All kinds of work, by the names that flow-go's program has for them.
    fn works<'a>(&'a self, server: &'a TestServer) -> HashMap<&'static str, Work<'a>> {
        let mut works = parts();
        works.insert("bls", bls());
        works.insert("qc", in_turn(&self.qcs, |qc| self.committee.verify_qc(qc).unwrap()));
        works.insert("qc-batch", self.qc_batch());
        works.insert("tc", in_turn(&self.tcs, |tc| self.verify_tc(tc)));
        works.insert("block-id", in_turn(&self.blocks, block_id));
        works.insert("step", step(server));
        works.insert("identities", self.identities(server));
        works.insert("identities-proof", self.identities_proof(server));
        works
    }

    /// The certificates of the chain in one batch, by as many as are in it.
    fn qc_batch(&self) -> Work<'_> {
        let batch: Vec<_> = self.qcs.iter().map(|qc| (&self.committee, qc)).collect();
        Box::new(move |times| {
            let batches = times.div_ceil(batch.len());
            (0..batches).for_each(|_| verify_qcs(black_box(&batch)).unwrap());
            batches * batch.len()
        })
    }

    /// A TC with the QC inside, as flow-go's validator checks it.
    fn verify_tc(&self, tc: &TimeoutCertificate) {
        self.committee.verify_tc(tc).unwrap();
        self.committee.verify_qc(&tc.newest_qc).unwrap();
    }

    /// The full identity table as of a block, from the store.
    fn identities<'a>(&'a self, server: &'a TestServer) -> Work<'a> {
        in_turn(&self.blocks, move |block| {
            let state = server.prover.states().load(&block.payload.protocol_state_id).unwrap();
            assert!(!identity_table(&state).is_empty());
        })
    }

    /// The same with its proof, for a client that holds the checkpoint.
    fn identities_proof<'a>(&'a self, server: &'a TestServer) -> Work<'a> {
        let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
        let trusted = TrustedState::from_checkpoint(server.root_id, &checkpoint).unwrap();
        let held = trusted.into_value().held();
        let root = server.prover.block_at(0).unwrap().record.header.height;
        let question = Question {
            block: Selector::Height(root + 3),
            topic: Topic::Identities(IdentityFilter::default()),
        };
        Box::new(move |times| {
            for _ in 0..times {
                let answer = server.answer(black_box(&question), &held, Depth::Finality);
                black_box(answer.unwrap().evidence.to_bytes());
            }
            times
        })
    }
}

/// Does something with one of the items after the other, and with the first again after the last.
fn in_turn<'a, T>(items: &'a [T], mut work: impl FnMut(&'a T) + 'a) -> Work<'a> {
    let mut items = items.iter().cycle();
    Box::new(move |times| {
        items.by_ref().take(times).for_each(|item| work(black_box(item)));
        times
    })
}

fn repeated<R>(work: impl Fn() -> R + 'static) -> Work<'static> {
    Box::new(move |times| {
        (0..times).for_each(|_| drop(black_box(work())));
        times
    })
}

/// A payload's identifiers, roots and hash, and the header's.
fn block_id(block: &Block) {
    let roots = payload_roots(&block.payload, &entity_ids(&block.payload.results));
    assert_eq!(payload_hash(&roots), block.header.payload_hash);
    black_box(block.header.id());
}

/// The state of a block behind the root that seals nothing.
fn step(server: &TestServer) -> Work<'static> {
    let root = server.prover.block_at(0).unwrap().record;
    let state = server.prover.states().load(&root.protocol_state_id).unwrap();
    let view = root.header.view + 1;
    repeated(move || evolve(black_box(&state), view, &[]).unwrap())
}

/// One signature by one key, which is decoded, as a committee's are.
fn bls() -> Work<'static> {
    let secret = keys::SecretKey::derive(&sha3_256(&[b"bench"]));
    let key: PublicKey = PublicKey::from_bytes(&secret.public_key()).unwrap();
    let bytes = secret.sign(tag::CONSENSUS_VOTE, &MESSAGE);
    repeated(move || {
        let signature = Signature::from_bytes(&bytes).unwrap();
        assert!(verify(&key, &signature, tag::CONSENSUS_VOTE, &MESSAGE));
    })
}

/// What the floor of a certificate is made of, and the unit: one verification by blst itself, of a signature and key
/// that are decoded.
fn parts() -> HashMap<&'static str, Work<'static>> {
    let secrets = [1, 2, 3].map(|seed| SecretKey::key_gen(&[seed; 32], &[]).unwrap());
    let (key, signature) = (secrets[0].sk_to_pk(), secrets[0].sign(&MESSAGE, b"tag", &[]));
    let compressed = signature.compress();
    let hashes = [0, 1, 2].map(|message| Native::hash_to_g1("tag", &[message]));
    let keys =
        secrets.map(|secret| Native::g2_from_compressed(&secret.sk_to_pk().compress()).unwrap());
    let g1: [blst_p1_affine; 3] = hashes.map(|hash| *hash.as_ref());
    let g2: [blst_p2_affine; 3] = keys.map(|key| *key.as_ref());
    let product = blst_fp12::miller_loop_n(&g2, &g1);
    HashMap::from([
        (
            "unit",
            repeated(move || {
                let verified = signature.verify(false, &MESSAGE, b"tag", &[], &key, false);
                assert_eq!(verified, BLST_ERROR::BLST_SUCCESS);
            }),
        ),
        ("miller-1", repeated(move || blst_fp12::miller_loop_n(&g2[..1], &g1[..1]))),
        ("miller-3", repeated(move || blst_fp12::miller_loop_n(&g2, &g1))),
        ("miller-3-prepared", miller_prepared(hashes, keys)),
        ("final-exp", repeated(move || product.final_exp())),
        ("hash-to-curve", repeated(|| Native::hash_to_g1("tag", &MESSAGE))),
        ("subgroup-check", repeated(move || signature.subgroup_check())),
        ("decode", repeated(move || Native::g1_from_compressed(&compressed).unwrap())),
    ])
}

/// Miller loops over lines that are computed beforehand, as blstrs does it: one by one.
fn miller_prepared(hashes: [G1Affine; 3], keys: [G2Affine; 3]) -> Work<'static> {
    let keys = keys.map(G2Prepared::from);
    repeated(move || {
        let pairs: Vec<_> = hashes.iter().zip(&keys).collect();
        Bls12::multi_miller_loop(&pairs)
    })
}

const MESSAGE: [u8; 40] = [0; 40];
/// More than any snapshot of the chains has.
const SNAPSHOT_BYTES_MAX: usize = 1 << 30;
