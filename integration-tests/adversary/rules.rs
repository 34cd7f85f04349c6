//! Every lie of the negative suite that a server can tell, over a real socket: the client names the
//! rule, keeps what it had, and takes the honest twin right after.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::bytes::Bytes;
use tokio::time::timeout;
use weir_client::sync::{AskError, ClockOptions, LightClient};
use weir_client::transport::Server;
use weir_conformance::{Case, Group, Task, Verdict, tree_question};
use weir_integration_tests::programs::PATIENCE;
use weir_integration_tests::{TestServer, asking, asking_tree};
use weir_protocol::evidence::{AnswerProof, EvidenceError, HopsPage, Preimages};
use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Held, Question, Selector, Topic};
use weir_verifier::{Anchor, Rejection, Timing, TrustedState, Violation, open, verify_tree};

use super::proxy::{Call, Hostile};
use crate::conformance::{published, rules};

/// A hostile server, and what it says next.
struct Adversary {
    hostile: Hostile,
    url: String,
    _honest: TestServer,
}

/// What became of a case.
type Ended = Result<(), Rejection>;

impl Adversary {
    async fn new() -> Self {
        let honest = TestServer::start(super::CHAIN).await.unwrap();
        let (hostile, url) = Hostile::start(&honest).await;
        Self { hostile, url, _honest: honest }
    }

    async fn connect(&self) -> Server {
        timeout(PATIENCE, Server::connect(&self.url)).await.unwrap().unwrap()
    }

    fn says(&self, call: Call, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        // Whatever is asked otherwise, there is nothing to say.
        let nothing = Bytes::from(HopsPage::default().to_bytes());
        self.hostile.say(Arc::new(
            move |asked| if asked == call { bytes.clone() } else { nothing.clone() },
        ));
    }

    async fn client(&self, group: &Group, case: &Case, trusted_state: &str) -> LightClient {
        let trusted = TrustedState::from_bytes(&group.blob(trusted_state).unwrap()).unwrap();
        let clock = ClockOptions {
            now_ms: Some(case.now_ms),
            trusting_period_ms: case.trusting_period_ms,
            ..ClockOptions::default()
        };
        LightClient::resume(self.connect().await, trusted).with_clock(clock)
    }

    /// Tells a lie, and then its twin to the same client.
    async fn tell(&self, group: &Group, lie: &Case, twin: &Case) -> Option<()> {
        match (&lie.task, &twin.task) {
            (Task::Answer { trusted_state, .. }, Task::Answer { trusted_state: same, .. }) => {
                let mut client = self.client(group, lie, trusted_state).await;
                let before = client.trusted().to_bytes();
                let ended = self.answer(&mut client, group, lie).await;
                named(lie, ended);
                assert!(client.trusted().to_bytes() == before, "{} moved the client", lie.name);
                // A twin may be about another time, or about a client that has come further.
                if trusted_state != same || lie.now_ms != twin.now_ms {
                    client = self.client(group, twin, same).await;
                }
                self.answer(&mut client, group, twin).await.unwrap();
            }
            (Task::Hops { trusted_state, .. }, Task::Hops { trusted_state: same, .. }) => {
                let mut client = self.client(group, lie, trusted_state).await;
                let ended = self.hops(&mut client, group, lie).await;
                named(lie, ended);
                if client.hops() > 0 || trusted_state != same || lie.now_ms != twin.now_ms {
                    client = self.client(group, twin, same).await;
                }
                self.hops(&mut client, group, twin).await.unwrap();
            }
            (Task::Checkpoint { .. }, Task::Checkpoint { .. }) => {
                let ended = self.checkpoint(group, lie).await;
                named(lie, ended);
                self.checkpoint(group, twin).await.unwrap();
            }
            (Task::Tree { .. }, Task::Tree { .. }) => {
                named(lie, self.tree(group, lie).await);
                self.tree(group, twin).await.unwrap();
            }
            (Task::CommittedTree { .. }, Task::CommittedTree { .. }) => {
                named(lie, self.committed_tree(group, lie).await);
                self.committed_tree(group, twin).await.unwrap();
            }
            _ => return None,
        }
        Some(())
    }

    /// A device with a root and nothing else.
    async fn tree(&self, group: &Group, case: &Case) -> Ended {
        let Task::Tree { root, items, proof } = &case.task else { panic!("{case:?}") };
        self.says(Call::TreeProof, group.blob(proof).unwrap());
        let question = tree_question(items).unwrap();
        let mut server = self.connect().await;
        let request = asking_tree(Selector::LatestFinalized, &question);
        let reply = timeout(PATIENCE, server.send(&request)).await.unwrap().unwrap();
        verify_tree(root.parse().unwrap(), &question, &reply.bytes).map(|_| ())
    }

    /// A device with a block ID and nothing else.
    async fn committed_tree(&self, group: &Group, case: &Case) -> Ended {
        let Task::CommittedTree { block_id, evidence } = &case.task else { panic!("{case:?}") };
        self.says(Call::Answer, group.blob(evidence).unwrap());
        let block_id: Identifier = block_id.parse().unwrap();
        let block = Selector::Id(block_id);
        let question = Question { block, topic: Topic::Snapshot };
        let mut server = self.connect().await;
        let request = asking(&question, &Held::default(), Depth::Finality);
        let reply = timeout(PATIENCE, server.send(&request)).await.unwrap().unwrap();
        let evidence = AnswerProof::from_bytes(&reply.bytes)?;
        let anchor = Anchor::KnownBlock { block_id, held: &Preimages::default() };
        open(anchor, &question, &evidence, &Timing::at(case.now_ms))?
            .committed_tree_root()
            .map(|_| ())
    }

    async fn answer(&self, client: &mut LightClient, group: &Group, case: &Case) -> Ended {
        let Task::Answer { question, evidence, .. } = &case.task else { panic!("{case:?}") };
        self.says(Call::Answer, group.blob(evidence).unwrap());
        let question = question.parse().unwrap();
        let asked = timeout(PATIENCE, client.ask(&question, Depth::Seal)).await.unwrap();
        ended(asked.map(|_| ()))
    }

    /// Walks as far as the page leads; the answer that follows is none.
    async fn hops(&self, client: &mut LightClient, group: &Group, case: &Case) -> Ended {
        let Task::Hops { evidence, .. } = &case.task else { panic!("{case:?}") };
        let page = group.blob(evidence).unwrap();
        self.says(Call::Hop, page);
        let walked = timeout(PATIENCE, client.sync(|_, _| ())).await.unwrap();
        match ended(walked.map(|_| ())) {
            Err(Rejection::Invalid(rule))
                if matches!(*rule, Violation::Evidence(EvidenceError::Another { .. })) =>
            {
                Ok(())
            }
            ended => ended,
        }
    }

    async fn checkpoint(&self, group: &Group, case: &Case) -> Ended {
        let Task::Checkpoint { block_id, evidence } = &case.task else { panic!("{case:?}") };
        self.says(Call::Checkpoint, group.blob(evidence).unwrap());
        let block_id: Identifier = block_id.parse().unwrap();
        let server = self.connect().await;
        let started = timeout(PATIENCE, LightClient::start(server, block_id)).await.unwrap();
        ended(started.map(|_| ()))
    }
}

fn ended(result: Result<(), AskError>) -> Ended {
    result.map_err(|error| match error {
        AskError::Rejected { rejection, .. } => rejection,
        error => panic!("not rejected: {error}"),
    })
}

/// The rejection is the one that is due.
fn named(case: &Case, ended: Ended) {
    let debug = match ended.unwrap_err() {
        Rejection::Missing(missing) => format!("Missing {missing:?}"),
        Rejection::NotYet(not_yet) => format!("NotYet {not_yet:?}"),
        Rejection::NeedsUpdate(needs) => format!("NeedsUpdate {needs:?}"),
        Rejection::Invalid(violation) => format!("Invalid {violation:?}"),
    };
    let due = match &case.expected {
        Verdict::Missing { rule, .. } => format!("Missing {rule}"),
        Verdict::NotYet { rule, .. } => format!("NotYet {rule}"),
        Verdict::NeedsUpdate { rule } => format!("NeedsUpdate {rule}"),
        Verdict::Invalid { rule, .. } => format!("Invalid {rule}"),
        Verdict::Verified { .. } => panic!("{} is no lie", case.name),
    };
    let rest = debug.strip_prefix(&due);
    let is_due = rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    assert!(is_due, "{}: {due} was due, found {debug}", case.name);
}

#[bounded::test]
async fn every_rule_holds_over_a_socket() {
    let adversary = Adversary::new().await;
    let (mut told, mut rules) = (0, BTreeSet::new());
    for group in published() {
        for lie in group.cases.iter().filter(|case| case.twin.is_some()) {
            let twin = group.case(lie.twin.as_ref().unwrap()).unwrap();
            if lie.rule.is_some() && adversary.tell(&group, lie, twin).await.is_some() {
                told += 1;
                rules.insert(lie.rule.clone().unwrap());
            }
        }
    }
    println!("{told} lies over a socket");
    let all = ["Violation", "Missing", "NotYet", "NeedsUpdate"];
    let all: BTreeSet<_> = all.into_iter().flat_map(rules::variants).collect();
    assert!(told > 200 && rules == all, "{told} lies about {rules:?} of {all:?}");
}
