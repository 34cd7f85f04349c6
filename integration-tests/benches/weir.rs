//! What DESIGN promises in numbers, measured: `cargo bench -p weir-integration-tests`.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use blst::min_sig::SecretKey;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weir_integration_tests::{chain_dir, expected, gunzip};
use weir_protocol::codec::Entity as _;
use weir_protocol::codec::snapshot::Snapshot;
use weir_protocol::evidence::{AnswerProof, HopsPage};
use weir_protocol::hotstuff::{Committee, verify_qcs};
use weir_protocol::model::{Header, QuorumCertificate};
use weir_protocol::protocol_state::evolve;
use weir_protocol::request::{
    AnswerRequest, Depth, Held, HopsRequest, IdentityFilter, MaxHops, Question, Selector, Topic,
};
use weir_server::indexer::Indexer;
use weir_server::ingest::certificates::Thoroughness;
use weir_server::prover::Prover;
use weir_server::replay::Replay;
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;
use weir_verifier::{Anchor, Timing, TrustedState, open};

const WIDE: &str = "wide-462-nodes";
const LONG: &str = "thirty-epochs";

/// A chain, indexed into a store that lives as long as the value.
struct Indexed {
    prover: Prover,
    _indexer: Indexer,
    _data: tempfile::TempDir,
}

impl Indexed {
    fn answer(&self, question: &Question, held: &Held, depth: Depth) -> AnswerProof {
        let (question, held) = (question.clone(), held.clone());
        self.prover.answer(&AnswerRequest { question, held, depth }).unwrap().evidence
    }

    fn hop(&self, epoch_counter: u64, held: &Held) -> HopsPage {
        let (held, max_hops) = (held.clone(), MaxHops(1));
        self.prover.hops(&HopsRequest { epoch_counter, held, max_hops }).unwrap()
    }
}

fn indexed(chain: &str) -> Indexed {
    let data = tempfile::tempdir().unwrap();
    let folder = ChainFolder::open(chain_dir(chain)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let options = StoreOptions::default();
    let mut indexer = Indexer::open(&data.path().join("data"), options, &folder, stop).unwrap();
    indexer.run(|_| ()).unwrap();
    Indexed { prover: Prover::new(indexer.reader()), _indexer: indexer, _data: data }
}

/// The committee of the root's epoch and the headers it certified, oldest first.
fn certified(prover: &Prover) -> (Committee, Vec<Header>) {
    let root = prover.block_at(0).unwrap();
    let state = prover.states().load(&root.record.protocol_state_id).unwrap();
    let committee = Committee::new(state.current_setup(), state.current_commit()).unwrap();
    let headers = (1..prover.head().blocks).map(|i| prover.block_at(i).unwrap().record);
    let headers = headers
        .filter(|record| record.header.parent_view <= state.final_view())
        .map(|record| record.header.clone());
    (committee, headers.collect())
}

fn certificates(criterion: &mut Criterion) {
    let wide = indexed(WIDE);
    let (committee, headers) = certified(&wide.prover);
    let qcs: Vec<QuorumCertificate> = headers.iter().map(Header::parent_qc).collect();
    let mut group = criterion.benchmark_group("qc of 80 signers");
    group.throughput(Throughput::Elements(1));
    // The unit of all figures below: a signature and key already decoded, one message.
    let secret = SecretKey::key_gen(&[7; 32], &[]).unwrap();
    let (public, signature) = (secret.sk_to_pk(), secret.sign(b"vote", b"tag", &[]));
    group.bench_function("one blst verification, for scale", |b| {
        b.iter(|| signature.verify(false, b"vote", b"tag", &[], black_box(&public), false));
    });
    group.bench_function("alone", |b| b.iter(|| committee.verify_qc(black_box(&qcs[0])).unwrap()));
    let batch: Vec<_> = qcs.iter().map(|qc| (&committee, qc)).collect();
    group.throughput(Throughput::Elements(batch.len() as u64));
    group.bench_function(format!("batch of {}", batch.len()), |b| {
        b.iter(|| verify_qcs(black_box(&batch)).unwrap());
    });
    group.finish();
}

fn blocks(criterion: &mut Criterion) {
    let wide = indexed(WIDE);
    let root = wide.prover.block_at(0).unwrap();
    let state = wide.prover.states().load(&root.record.protocol_state_id).unwrap();
    let view = root.record.header.view + 1;
    let mut group = criterion.benchmark_group("blocks");
    group.throughput(Throughput::Elements(1));
    group.bench_function("step without events, 462 nodes", |b| {
        b.iter(|| evolve(black_box(&state), view, &[]).unwrap());
    });
    group.bench_function("header id", |b| b.iter(|| black_box(&root.record.header).id()));
    let folder = ChainFolder::open(chain_dir(LONG)).unwrap();
    group.sample_size(10);
    group.throughput(Throughput::Elements(expected(LONG).unwrap().len() as u64));
    group.bench_function("replay thirty-epochs, certificates vouched", |b| {
        b.iter(|| Replay::run(&folder, Thoroughness::Unvouched).unwrap());
    });
    group.bench_function("replay thirty-epochs, all signatures", |b| {
        b.iter(|| Replay::run(&folder, Thoroughness::All).unwrap());
    });
    group.bench_function("index thirty-epochs into sled", |b| {
        b.iter_batched(|| (), |()| indexed(LONG), BatchSize::PerIteration);
    });
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let wide = indexed(WIDE);
    let root_id = wide.prover.block_at(0).unwrap().block_id;
    let checkpoint = wide.prover.checkpoint(root_id).unwrap();
    let trusted = TrustedState::from_checkpoint(root_id, &checkpoint).unwrap().into_value();
    let warm = Held {
        checkpoint_id: Some(root_id),
        preimage_ids: trusted.preimages().ids().copied().collect(),
        ..Held::default()
    };
    let timing = Timing::at(1_798_761_600_000);
    let mut group = criterion.benchmark_group("answers, 462 nodes");
    group.throughput(Throughput::Elements(1));
    let filter = IdentityFilter::default();
    for (name, topic) in [("phase", Topic::Snapshot), ("table", Topic::Identities(filter))] {
        let question = Question { block: Selector::Height(1003), topic };
        let cold = wide.answer(&question, &Held::default(), Depth::Finality);
        let proved = wide.answer(&question, &warm, Depth::Finality);
        let bytes = proved.to_bytes();
        println!("{name}: {} bytes warm, {} bytes cold", bytes.len(), cold.to_bytes().len());
        group.bench_function(format!("prove {name}, warm"), |b| {
            b.iter(|| wide.answer(black_box(&question), &warm, Depth::Finality).to_bytes());
        });
        group.bench_function(format!("verify {name}, warm"), |b| {
            b.iter(|| {
                let proof = AnswerProof::from_bytes(black_box(&bytes)).unwrap();
                let block = open(Anchor::Trusted(&trusted), &question, &proof, &timing).unwrap();
                block.answer().unwrap()
            });
        });
    }
    group.finish();
}

/// What a light client does: one hop, and one answer about a block it knows to be final.
fn light_client(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("light client, 462 nodes");
    group.throughput(Throughput::Elements(1));
    let wide = indexed(WIDE);
    let root_id = wide.prover.block_at(0).unwrap().block_id;
    let checkpoint = wide.prover.checkpoint(root_id).unwrap();
    let trusted = TrustedState::from_checkpoint(root_id, &checkpoint).unwrap().into_value();
    let timing = Timing::at(1_798_761_600_000);
    let page = wide.hop(trusted.newest_epoch().counter(), &trusted.held());
    let bytes = page.to_bytes();
    println!("hop: {} bytes; trusted state: {} bytes", bytes.len(), trusted.to_bytes().len());
    group.bench_function("prove a hop, deltas known", |b| {
        let (counter, held) = (trusted.newest_epoch().counter(), trusted.held());
        b.iter(|| wide.hop(counter, &held).to_bytes());
    });
    group.bench_function("apply a hop", |b| {
        b.iter_batched(
            || trusted.clone(),
            |mut trusted| {
                let page = HopsPage::from_bytes(black_box(&bytes)).unwrap();
                trusted.apply_hops(&page, &timing).unwrap()
            },
            BatchSize::PerIteration,
        );
    });
    let snapshot = gunzip(WIDE, "snapshot-1-height-1024.json.gz").unwrap();
    println!("full snapshot: {} bytes", snapshot.len());
    group.bench_function("read a full snapshot instead", |b| {
        b.iter(|| Snapshot::from_json(black_box(&snapshot)).unwrap());
    });
    let mut trusted = trusted;
    let node_id = {
        let state = wide
            .prover
            .states()
            .load(&wide.prover.block_at(0).unwrap().record.protocol_state_id)
            .unwrap();
        state.current_setup().participants[200].node_id
    };
    let block = Selector::Height(1003);
    let question = Question { block, topic: Topic::Identity(node_id) };
    let first = wide.answer(&question, &trusted.held(), Depth::Finality);
    trusted.verify(&question, &first, &timing).unwrap();
    let warm = wide.answer(&question, &trusted.held(), Depth::Linked);
    let bytes = warm.to_bytes();
    println!("warm identity, its certificate known: {} bytes", bytes.len());
    group.bench_function("verify a warm identity, its certificate known", |b| {
        b.iter(|| {
            let evidence = AnswerProof::from_bytes(black_box(&bytes)).unwrap();
            trusted.verify(&question, &evidence, &timing).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, certificates, blocks, answers, light_client);
criterion_main!(benches);
