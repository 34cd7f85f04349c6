//! Harness of the end-to-end tests: reference chains made by flow-go, and a server over one.
//!
//! Nothing depends on this crate, and nothing here reaches beyond the loopback interface.
#![forbid(unsafe_code)]

pub mod access_node;
pub mod authority;
pub mod connections;
pub mod follower;
pub mod programs;
pub mod proxy;
pub mod random;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use flate2::read::GzDecoder;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use weir_proto::flow::entities;
use weir_proto::frames::write_frame;
use weir_protocol::evidence::HopsPage;
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    AnswerRequest, Depth, Held, HopsRequest, MaxHops, Question, Request, Selector, TreeRequest,
};
use weir_protocol::snapshot_tree::TreeQuestion;
use weir_server::api::{self, ApiOptions};
use weir_server::indexer::{IndexError, Indexer};
use weir_server::prover::{Proved, Prover, ProverError};
use weir_server::source::ChainFolder;
use weir_server::store::StoreOptions;

/// Names of all reference chains.
pub const CHAINS: [&str; 13] = [
    "conflicting-finality",
    "efm-after-commit",
    "efm-bad-commit-and-readmission",
    "efm-invalid-setup-then-recovery",
    "efm-missed-commit",
    "ejection",
    "happy-epochs",
    "kv-version-upgrades",
    "random-1",
    "random-2",
    "random-3",
    "thirty-epochs",
    "wide-462-nodes",
];

/// Folder of a reference chain.
#[must_use]
pub fn chain_dir(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// The lines of a gzipped JSON-lines file of a chain.
///
/// # Errors
/// When the file cannot be read or holds something else.
pub fn json_lines(chain: &str, file: &str) -> io::Result<Vec<Value>> {
    folder_lines(&chain_dir(chain), file)
}

/// The lines of a gzipped JSON-lines file of a chain folder.
///
/// # Errors
/// As [`json_lines`].
pub fn folder_lines(dir: &Path, file: &str) -> io::Result<Vec<Value>> {
    let file = File::open(dir.join(file))?;
    let lines = BufReader::new(GzDecoder::new(file)).lines();
    lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// What flow-go computed for every block of a chain, in the order of its `blocks.pb`.
///
/// # Errors
/// As [`json_lines`].
pub fn expected(chain: &str) -> io::Result<Vec<Value>> {
    json_lines(chain, "expected.jsonl.gz")
}

/// The uncompressed content of a gzipped file of a chain.
///
/// # Errors
/// When the file cannot be read.
pub fn gunzip(chain: &str, file: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(chain_dir(chain).join(file))?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A block as the files of chain folders have it: its message behind the message's length.
///
/// # Panics
/// When the message is longer than a length can say.
#[must_use]
pub fn frame(block: &entities::Block) -> Vec<u8> {
    let mut frame = Vec::new();
    write_frame(&mut frame, block).expect("a message below 4 GiB");
    frame
}

/// A server over one reference chain, on a free port of the loopback interface.
///
/// It serves until it is dropped, inside the runtime it was started in.
#[derive(Debug)]
pub struct TestServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its root block: the usual checkpoint.
    pub root_id: Identifier,
    /// What it proves from.
    pub prover: Prover,
    task: tokio::task::JoinHandle<()>,
    _data: TempDir,
}

/// A request for the answer to a question.
#[must_use]
pub fn asking(question: &Question, held: &Held, depth: Depth) -> Request {
    let (question, held) = (question.clone(), held.clone());
    Request::Answer(AnswerRequest { question, held, depth })
}

/// A request for a proof about the snapshot tree at a block.
#[must_use]
pub fn asking_tree(block: Selector, question: &TreeQuestion) -> Request {
    Request::TreeProof(TreeRequest { block, question: question.clone() })
}

impl TestServer {
    /// The proof of an answer for a client that holds this.
    ///
    /// # Errors
    /// As the prover's.
    pub fn answer(
        &self,
        question: &Question,
        held: &Held,
        depth: Depth,
    ) -> Result<Proved, ProverError> {
        let (question, held) = (question.clone(), held.clone());
        self.prover.answer(&AnswerRequest { question, held, depth })
    }

    /// A page of at most so many hops for a client that holds this.
    ///
    /// # Errors
    /// As the prover's.
    ///
    /// # Panics
    /// When `max` is no number of hops.
    pub fn hops(
        &self,
        epoch_counter: u64,
        held: &Held,
        max: usize,
    ) -> Result<HopsPage, ProverError> {
        let (held, max_hops) =
            (held.clone(), MaxHops(u32::try_from(max).expect("a number of hops")));
        self.prover.hops(&HopsRequest { epoch_counter, held, max_hops })
    }

    /// Indexes the chain into a fresh store and serves it.
    ///
    /// # Errors
    /// When the chain cannot be indexed.
    ///
    /// # Panics
    /// When there is no temporary folder or no free port.
    pub async fn start(chain: &str) -> Result<Self, IndexError> {
        Self::start_with(chain, ApiOptions::default()).await
    }

    /// As [`Self::start`], with options.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with(chain: &str, options: ApiOptions) -> Result<Self, IndexError> {
        Self::over(&chain_dir(chain), options).await
    }

    /// As [`Self::start`], for any chain folder.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn over(chain: &Path, options: ApiOptions) -> Result<Self, IndexError> {
        let data = tempfile::tempdir().expect("a temporary folder");
        let folder = ChainFolder::open(chain)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut indexer =
            Indexer::open(&data.path().join("data"), StoreOptions::default(), &folder, stop)?;
        indexer = options.versions.into_iter().fold(indexer, Indexer::knowing);
        indexer.run(|_| ())?;
        let prover = Prover::new(indexer.reader());
        let root_id = prover.block_at(0)?.block_id;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let served = prover.clone();
        let task = tokio::spawn(async move {
            let _indexer = indexer;
            let forever = std::future::pending();
            api::serve(listener, served, options, forever).await.expect("the server serves");
        });
        Ok(Self { address, root_id, prover, task, _data: data })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
