//! Convictions: an honest server is never convicted, whatever an accuser makes up, and a liar always by
//! the lie that it signed.

mod forged;
mod honest;

use std::collections::BTreeMap;
use std::fmt;

use weir_client::sync::LightClient;
use weir_client::transport::{Server, Servers};
use weir_integration_tests::{TestServer, asking, asking_tree};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::{EvidenceFile, Statement};
use weir_protocol::model::Identifier;
use weir_protocol::request::{
    Depth, HopsRequest, IdentityFilter, MaxHops, Question, Request, Selector, Topic,
};
use weir_protocol::snapshot_tree::{TreeItem, TreeQuestion};
use weir_server::api::{ApiOptions, Signer};
use weir_verifier::{
    Act, Finding, Misbehaviour, MisbehaviourError, Timing, TrustedState, WrongAnswer, about_state,
};

const CHAIN: &str = "thirty-epochs";
/// Some time after the blocks of all reference chains.
const NOW_MS: u64 = 1_798_761_600_000;
const HONEST: [u8; 32] = [7; 32];
const LIAR: [u8; 32] = [8; 32];

/// A server that signs, what a client of it trusted, and what proves this.
struct Scene {
    server: TestServer,
    trusted: TrustedState,
    /// Evidence of the client's head, and of the state whose tree was asked about; the hops of the first
    /// go on behind the client's newest epoch.
    head: EvidenceFile,
    state: EvidenceFile,
    /// Hops that the client took.
    hops: usize,
}

/// An answer, what was asked, and the proof of what the client trusted.
#[derive(Clone)]
struct Said {
    name: &'static str,
    wrong: WrongAnswer,
}

impl Scene {
    async fn new() -> Self {
        let options = ApiOptions { signer: Some(Signer::new(&HONEST)), ..ApiOptions::default() };
        let server = TestServer::start_with(CHAIN, options).await.unwrap();
        let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
        let trusted = TrustedState::from_checkpoint(server.root_id, &checkpoint).unwrap();
        let mut trusted = trusted.into_value();
        let hops = 2;
        let page = server.hops(trusted.newest_epoch().counter(), &trusted.held(), hops).unwrap();
        trusted.apply_hops(&page, &Timing::at(NOW_MS)).unwrap();
        let about = |block_id| Question { block: Selector::Id(block_id), topic: Topic::Snapshot };
        let head = file(&server, &about(trusted.head().block_id)).await;
        let mut state = file(&server, &about_state(Selector::Id(trusted.head().block_id))).await;
        state.hops.truncate(hops);
        assert!(head.hops.len() > hops, "there are later epochs");
        Self { server, trusted, head, state, hops }
    }

    /// One request of each kind, as the client would send it.
    fn requests(&self) -> Vec<(&'static str, Request)> {
        let (held, head) = (self.trusted.held(), *self.trusted.head());
        let (epoch_counter, max_hops) = (held.newest_epoch_counter, MaxHops::LEFT_TO_SERVER);
        let about = |block, topic| Question { block, topic };
        let (latest, block) = (Selector::LatestFinalized, Selector::Id(head.block_id));
        let everybody = Topic::Identities(IdentityFilter::default());
        let table = TreeQuestion::new([TreeItem::Table]).unwrap();
        let hops = HopsRequest { epoch_counter, held: held.clone(), max_hops };
        let below = Selector::Height(head.height - 3);
        vec![
            ("checkpoint", Request::Checkpoint(self.server.root_id)),
            ("hops", Request::EpochHops(hops)),
            ("latest", asking(&about(latest, Topic::Snapshot), &held, Depth::Seal)),
            ("identities", asking(&about(block, everybody), &held, Depth::Finality)),
            ("seal", asking(&about(below, Topic::Seal), &held, Depth::Seal)),
            ("linked", asking(&about(below, Topic::Snapshot), &held, Depth::Linked)),
            ("known block", asking(&about(block, Topic::Snapshot), &held, Depth::KnownBlock)),
            ("tree", asking_tree(block, &table)),
        ]
    }

    /// What the server answers to each, with its receipt and a proof of what was trusted.
    async fn said(&self) -> Vec<Said> {
        let mut server = Server::connect(&self.server.url()).await.unwrap();
        let mut said = Vec::new();
        for (name, request) in self.requests() {
            let reply = server.send(&request).await.unwrap();
            let wrong = WrongAnswer::new(request, reply.bytes, &self.trusted);
            let wrong = self.proved(wrong.with_receipt(reply.receipt));
            said.push(Said { name, wrong });
        }
        said
    }

    /// With the proof that an accuser needs to convict a liar.
    fn proved(&self, wrong: WrongAnswer) -> WrongAnswer {
        match (wrong.proof_wanted(), &wrong.request) {
            (None, _) => wrong,
            (Some(_), Request::TreeProof(_)) => wrong.with_proof(self.state.to_bytes()),
            (Some(_), _) => wrong.with_proof(self.head_with_hops(self.hops)),
        }
    }

    /// Evidence of the client's head, with hops to some epoch.
    fn head_with_hops(&self, hops: usize) -> Vec<u8> {
        let file = EvidenceFile { hops: self.head.hops[..hops].to_vec(), ..self.head.clone() };
        file.to_bytes()
    }

    fn accuse(&self, wrong: WrongAnswer, seen_at_ms: u64) -> Misbehaviour {
        let act = Act::WrongAnswer(Box::new(wrong));
        Misbehaviour { server: self.server.url(), seen_at_ms, act }
    }

    fn judge(&self, found: &Misbehaviour) -> Judged {
        Judged::of(found.verify(self.server.root_id).map(|finding| finding.into_value()))
    }
}

async fn file(server: &TestServer, question: &Question) -> EvidenceFile {
    let alone = Servers::new([server.url()]).unwrap();
    let mut client = LightClient::start_keeping_evidence(alone, server.root_id).await.unwrap();
    client.ask(question, Depth::Finality).await.unwrap().file.unwrap()
}

/// The answer with its last byte changed, signed by whoever says so: of evidence that is no evidence
/// any more, and of a proof of a tree none.
fn lie(wrong: &WrongAnswer, secret: &[u8; 32]) -> WrongAnswer {
    let mut answer = wrong.answer.clone();
    answer.pop();
    let honest = wrong.receipt.as_ref().unwrap().statement;
    let statement = Statement { answer_hash: sha3_256(&[&answer]), ..honest };
    let receipt = Some(Signer::new(secret).sign(statement));
    WrongAnswer { answer, receipt, ..wrong.clone() }
}

fn key(secret: &[u8; 32]) -> [u8; 32] {
    Signer::new(secret).public_key()
}

/// What becomes of an accusation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Judged {
    /// It is no file.
    Unreadable,
    /// It does not hold.
    Refused(String),
    /// It is somebody's word.
    Word,
    /// It convicts whoever has this key.
    Convicts([u8; 32]),
}

impl Judged {
    fn of(found: Result<Finding, MisbehaviourError>) -> Self {
        match found {
            Ok(found) if !found.convicts() => Self::Word,
            Ok(Finding::BrokenRule { signed_by: Some(key), .. }) => Self::Convicts(key),
            // A committee is convicted by the block IDs, and no server.
            Ok(found) => panic!("nobody made two final blocks of one height: {found:?}"),
            Err(error) => {
                let debug = format!("{error:?}");
                let name = debug.split(|c: char| !c.is_alphanumeric()).next();
                Self::Refused(name.unwrap_or_default().to_owned())
            }
        }
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => write!(f, "unreadable"),
            Self::Refused(rule) => write!(f, "refused ({rule})"),
            Self::Word => write!(f, "somebody's word"),
            Self::Convicts(key) => write!(f, "convicts {}", Identifier(*key)),
        }
    }
}

/// How often what came of accusations.
#[derive(Default)]
struct Counted(BTreeMap<Judged, usize>);

impl Counted {
    fn add(&mut self, judged: Judged) {
        *self.0.entry(judged).or_default() += 1;
    }

    fn print(&self, of: &str) {
        for (judged, count) in &self.0 {
            println!("{of}: {judged}: {count}");
        }
    }

    /// Whether anything else came of them than of those that are honest.
    fn convicts(&self, key: [u8; 32]) -> bool {
        self.0.contains_key(&Judged::Convicts(key))
    }
}
