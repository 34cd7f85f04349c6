//! Access nodes that are asked for single blocks, by whoever can tell right ones from wrong.

use std::time::{Duration, Instant};

use weir_dial::{AccessNode, Dialer};
use weir_peers::{NoPeer, Peers, Rests, Turn};
use weir_proto::flow::entities;

use super::UpstreamError;
use super::upstream::Upstream;

/// Access nodes by preference, each left alone for a while when it does not answer.
#[derive(Debug)]
pub(crate) struct Nodes {
    upstreams: Vec<Upstream>,
    peers: Peers,
    began: Instant,
}

impl Nodes {
    /// Connects to nodes when they are first asked.
    pub(crate) fn new(nodes: &[AccessNode], dialer: &Dialer) -> Result<Self, NoPeer> {
        let peers = Peers::new(nodes.iter().map(AccessNode::url), RESTS)?;
        let connect = |node| Upstream::new(node, dialer, ANSWER_TIMEOUT);
        let upstreams = nodes.iter().map(connect).collect();
        Ok(Self { upstreams, peers, began: Instant::now() })
    }

    /// What is made of the final block of a height of the first node that has one of which that can be
    /// made.
    pub(crate) async fn block<T>(
        &mut self,
        height: u64,
        mut take: impl FnMut(entities::Block) -> Option<T>,
    ) -> Option<T> {
        let mut turn = Turn::default();
        while let Some(peer) = self.peers.take(&mut turn, self.began.elapsed()) {
            let url = self.peers.name(peer);
            match self.upstreams[peer].large_block(height).await {
                Ok(block) => match take(block) {
                    Some(taken) => {
                        self.peers.answered(peer);
                        return Some(taken);
                    }
                    None => tracing::warn!(upstream = url, height, "gives another block"),
                },
                Err(UpstreamError::Missing(reason)) => {
                    tracing::warn!(upstream = url, height, reason, "does not have the block");
                }
                Err(error) => {
                    tracing::warn!(upstream = url, height, %error, "does not give the block");
                    self.peers.silent(peer, error.to_string(), self.began.elapsed());
                }
            }
        }
        None
    }
}

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
const RESTS: Rests =
    Rests { first: Duration::from_secs(1), longest: Duration::from_secs(60), spread: 0 };
