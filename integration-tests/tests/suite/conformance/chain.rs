//! Honest evidence: reference chains made by flow-go, through the real prover.

use weir_integration_tests::TestServer;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{AnswerProof, HopsPage};
use weir_protocol::model::{Header, Identifier};
use weir_protocol::request::{Depth, Held, Question, Selector, Topic};
use weir_verifier::{Timing, TrustedState};

use super::group::NOW_MS;

/// A chain, and a client that trusts its root.
pub(super) struct Chain {
    pub(super) server: TestServer,
    pub(super) root: TrustedState,
}

impl Chain {
    pub(super) async fn reference(name: &str) -> Self {
        Self::of(TestServer::start(name).await.unwrap())
    }

    pub(super) fn of(server: TestServer) -> Self {
        let checkpoint = server.prover.checkpoint(server.root_id).unwrap();
        let root = TrustedState::from_checkpoint(server.root_id, &checkpoint).unwrap();
        Self { server, root: root.into_value() }
    }

    /// The client after so many hops.
    pub(super) fn walked(&self, hops: usize) -> TrustedState {
        let mut trusted = self.root.clone();
        let page = self.hops(&trusted, hops);
        assert_eq!(page.hops.len(), hops);
        trusted.apply_hops(&page, &Timing::at(NOW_MS)).unwrap();
        trusted
    }

    pub(super) fn hops(&self, trusted: &TrustedState, max: usize) -> HopsPage {
        self.server.hops(trusted.newest_epoch().counter(), &trusted.held(), max).unwrap()
    }

    /// Hops that need nothing held.
    pub(super) fn whole_hops(&self, counter: u64, max: usize) -> HopsPage {
        let mut page = HopsPage::default();
        for counter in (counter..).take(max) {
            let hop = self.server.hops(counter, &Held::default(), 1).unwrap();
            page.hops.extend(hop.hops);
        }
        page
    }

    pub(super) fn evidence(
        &self,
        trusted: &TrustedState,
        question: &Question,
        depth: Depth,
    ) -> AnswerProof {
        self.server.answer(question, &trusted.held(), depth).unwrap().evidence
    }

    /// AnswerProof that needs nothing held.
    pub(super) fn whole(&self, question: &Question, depth: Depth) -> AnswerProof {
        self.server.answer(question, &Held::default(), depth).unwrap().evidence
    }

    pub(super) fn header(&self, height: u64) -> Header {
        let evidence = self.whole(&snapshot(height), Depth::KnownBlock);
        evidence.block.header
    }

    pub(super) fn block_id(&self, height: u64) -> Identifier {
        self.header(height).id()
    }
}

pub(super) fn about(height: u64, topic: Topic) -> Question {
    Question { block: Selector::Height(height), topic }
}

pub(super) fn snapshot(height: u64) -> Question {
    about(height, Topic::Snapshot)
}

/// The same evidence with its answer changed.
pub(super) fn changed(honest: &AnswerProof, change: impl FnOnce(&mut AnswerProof)) -> AnswerProof {
    let mut evidence = honest.clone();
    change(&mut evidence);
    evidence
}
