//! A light client: what it trusts, and its connections.

use weir_protocol::model::Identifier;
use weir_protocol::request::{Depth, Question, Selector, TreeRequest};
use weir_protocol::snapshot_tree::{TreeAnswer, TreeQuestion};
use weir_verifier::{StateAt, TreeRoot, TrustedState, Verified};
use weir_walk::{Beginning, Judge, Standing, TreeOutcome, Walker, start};

use crate::transport::Servers;

pub use weir_walk::{
    AskError, ClockOptions, Fault, Lie, Outcome, Remark, ServerReport, Stale, SyncProgress,
    Testimony, Verdict,
};

/// A client of one server, or of several.
///
/// Another server is asked when one gives no answer, when it refuses, and when an answer is of no use;
/// see [`Self::lies`] for those that were wrong. Whatever is dropped half way leaves the client with
/// what was proved until then.
#[derive(Debug)]
pub struct LightClient {
    pub(crate) servers: Servers,
    pub(crate) walker: Walker,
}

impl LightClient {
    /// Fetches and verifies the checkpoint.
    ///
    /// # Errors
    /// When no server answers or knows the block, or the evidence fails.
    pub async fn start(
        servers: impl Into<Servers>,
        checkpoint_id: Identifier,
    ) -> Result<Self, AskError> {
        Self::begin(servers.into(), beginning(checkpoint_id)).await
    }

    /// As [`Self::start`], and keeps the evidence from the checkpoint on, so that answers can be
    /// saved and shown to others.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_keeping_evidence(
        servers: impl Into<Servers>,
        checkpoint_id: Identifier,
    ) -> Result<Self, AskError> {
        let beginning = Beginning { keeps_evidence: true, ..beginning(checkpoint_id) };
        Self::begin(servers.into(), beginning).await
    }

    async fn begin(mut servers: Servers, beginning: Beginning) -> Result<Self, AskError> {
        let begun = start(urls(&servers), beginning).expect(HAS_SERVER);
        let walker = servers.drive(begun).await?;
        Ok(Self { servers, walker })
    }

    /// Goes on from what was trusted before.
    #[must_use]
    pub fn resume(servers: impl Into<Servers>, trusted: TrustedState) -> Self {
        let servers = servers.into();
        let mut walker = Walker::resume(urls(&servers), trusted).expect(HAS_SERVER);
        walker.set_judge(Judge::new());
        if let Some(peers) = servers.shared() {
            walker = walker.sharing(peers.clone());
        }
        Self { servers, walker }
    }

    /// Uses these bounds on time, and this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: ClockOptions) -> Self {
        self.walker.set_clock(clock);
        self
    }

    /// Walks to the newest epoch and proves the newest final block, telling `progress` of each page
    /// and of what is trusted by then.
    ///
    /// # Errors
    /// As [`Walker::sync`].
    pub async fn sync(
        &mut self,
        progress: impl FnMut(&SyncProgress, &TrustedState) + Send,
    ) -> Result<Outcome, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.sync(progress))).await
    }

    /// Asks one question, walking as many epochs as it takes.
    ///
    /// # Errors
    /// As [`Walker::ask`].
    pub async fn ask(&mut self, question: &Question, depth: Depth) -> Result<Outcome, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.ask(question, depth))).await
    }

    /// How far a block is; see [`Walker::status`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn status(&mut self, block: Selector, depth: Depth) -> Result<Outcome, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.status(block, depth))).await
    }

    /// The protocol state at a block, with its identity table.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn state_at(
        &mut self,
        block: Selector,
        depth: Depth,
    ) -> Result<Verified<StateAt>, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.state_at(block, depth))).await
    }

    /// The protocol state at a block of which only the ID is trusted.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn state_at_known(
        &mut self,
        block_id: Identifier,
    ) -> Result<Verified<StateAt>, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.state_at_known(block_id))).await
    }

    /// The snapshot tree's root at a block; see [`Walker::tree_root`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tree_root(&mut self, block: Selector) -> Result<Verified<TreeRoot>, AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.tree_root(block))).await
    }

    /// The answer to a question about the snapshot tree at a block, and the tree's root.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn ask_tree(
        &mut self,
        block: Selector,
        question: &TreeQuestion,
    ) -> Result<(Verified<TreeRoot>, Verified<TreeAnswer>), AskError> {
        self.servers.drive(self.walker.walk(|walker| walker.ask_tree(block, question))).await
    }

    /// Asks all other servers for the final block at the height of the head; see
    /// [`Walker::cross_check`].
    ///
    /// # Errors
    /// When a bound on time is out of range.
    pub async fn cross_check(&mut self) -> Result<Vec<Testimony>, AskError> {
        self.servers.drive(self.walker.walk(Walker::cross_check)).await
    }

    /// Adds to what shows wrong answers the evidence of what was trusted then; see
    /// [`Walker::prove_lies`].
    pub async fn prove_lies(&mut self) {
        self.servers.drive(self.walker.walk(Walker::prove_lies)).await;
    }

    /// The servers, by preference, and how they have behaved.
    pub fn health(&self) -> impl Iterator<Item = (&str, Standing)> {
        self.walker.servers()
    }

    /// The servers after a sync; see [`Walker::reports`].
    pub fn reports<'a>(
        &'a self,
        testimonies: &'a [Testimony],
    ) -> impl Iterator<Item = ServerReport<'a>> {
        self.walker.reports(testimonies)
    }

    /// Servers set aside since the client began, and why.
    #[must_use]
    pub fn lies(&self) -> &[Lie] {
        self.walker.lies()
    }

    /// What else a user should know of the servers, since the client began.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        self.walker.remarks()
    }

    /// What is trusted so far.
    #[must_use]
    pub fn trusted(&self) -> &TrustedState {
        self.walker.trusted()
    }

    /// Epochs walked so far.
    #[must_use]
    pub fn hops(&self) -> u64 {
        self.walker.hops()
    }

    /// Bytes of evidence received so far.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.walker.bytes_received()
    }
}

fn beginning(checkpoint_id: Identifier) -> Beginning {
    let clock = ClockOptions::default();
    Beginning { checkpoint_id, clock, keeps_evidence: false, judge: Some(Judge::new()) }
}

/// Asks servers about the snapshot tree with this root, which the caller vouches for: no checkpoint is
/// needed. Says too which of them were set aside on the way.
pub async fn ask_tree_with_root(
    mut servers: Servers,
    root: Identifier,
    asked: TreeRequest,
) -> TreeOutcome {
    let asking = weir_walk::ask_tree_with_root(urls(&servers), root, asked).expect(HAS_SERVER);
    servers.drive(asking).await
}

fn urls(servers: &Servers) -> Vec<String> {
    servers.urls().map(str::to_owned).collect()
}

/// Why there is a peer to ask.
const HAS_SERVER: &str = "servers are never none";
