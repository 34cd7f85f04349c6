//! What the other upstreams say, while one is followed: whether it is stuck, and whether they have the
//! block that is proved to be final.

use super::fetcher::Fetcher;
use super::follow::Trouble;
use super::upstream::Upstream;
use super::{UpstreamError, WrongAnswer};

impl Fetcher {
    /// Nothing has come for a while: is there nothing, or is the upstream stuck?
    ///
    /// A block that somebody has may be on its way, so that only one doubted twice counts.
    pub(super) async fn doubt(
        &self,
        index: usize,
        upstream: &Upstream,
        missed: &mut Option<u64>,
    ) -> Result<(), Trouble> {
        let mut tips = vec![(index, self.tip(upstream).await?)];
        for (other, upstream) in self.others(index) {
            tips.extend(upstream.tip().await.ok().map(|tip| (other, tip)));
        }
        let ahead = tips.into_iter().find(|(_, tip)| *tip >= self.next_height);
        if let Some((of, tip)) = ahead
            && *missed == Some(self.next_height)
        {
            let (quiet, url) = (self.options.quiet_max, self.peers.name(of));
            let reason =
                format!("no block for {quiet:?} and more, while the tip of {url} is {tip}");
            return Err(UpstreamError::Transport(reason).into());
        }
        *missed = ahead.map(|_| self.next_height);
        Ok(())
    }

    /// The other upstreams that behave.
    fn others(&self, followed: usize) -> Vec<(usize, Upstream)> {
        let others = self.peers.iter().enumerate().filter(|(index, _)| *index != followed);
        let behaving = others.filter(|(_, (_, standing))| standing.behaves());
        behaving.map(|(index, _)| (index, self.upstreams[index].clone())).collect()
    }

    /// Asks another upstream for the block that is proved to be final.
    pub(super) async fn cross_check(&mut self, followed: usize) {
        let Some((height, proved)) = *self.finalized.borrow() else {
            return;
        };
        for (index, upstream) in self.others(followed) {
            // A node that does not answer now is not contradicting anybody.
            let Ok(found) = upstream.block_id(height).await else {
                continue;
            };
            metrics::counter!("ingest_cross_checks_total").increment(1);
            if found != proved {
                let (expected, found) = (proved.to_string(), found.to_string());
                let wrong = WrongAnswer::Finalized { height, expected, found };
                self.on_wrong(index, &wrong, None);
            }
        }
    }
}
