//! Pages of epoch hops on their way to a client.

use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::Status;
use weir_protocol::evidence::{HopsPage, Preimages};
use weir_protocol::request::{Held, HopsRequest, Request};
use weir_verifier::TrustedState;

use crate::cache::Keep;
use crate::fault::Fault;
use crate::own::Own;
use crate::shadow::Shadows;
use crate::upgrade;
use crate::upstream::Upstream;

/// A page that a client asks for.
struct Page<'a> {
    /// What is asked of the upstream.
    forward: HopsRequest,
    held: Preimages,
    base: &'a Arc<TrustedState>,
}

/// Finds pages that verify for the client that asks.
#[derive(Debug)]
pub(crate) struct HopsRelay<'a> {
    pub(crate) own: &'a Own,
    pub(crate) shadows: &'a Shadows,
}

impl HopsRelay<'_> {
    /// The hops from an epoch on for a client that holds this, and whether the page stays what it
    /// is; a client without a checkpoint is taken to have the proxy's.
    pub(crate) async fn page(&self, asked: &HopsRequest) -> Result<(Bytes, Keep), Status> {
        let HopsRequest { epoch_counter, held, max_hops } = asked;
        let (epoch_counter, max_hops) = (*epoch_counter, *max_hops);
        let begins_at = held.checkpoint_id.unwrap_or(self.own.checkpoint_id);
        let base = self.shadows.at_epoch(begins_at, epoch_counter).await?;
        let known = self.own.checker.known(held, Some(&base));
        let forward = Held { preimage_ids: known.ids().copied().collect(), ..held.clone() };
        let forward = HopsRequest { epoch_counter, held: forward, max_hops };
        let page = Page { forward, held: known, base: &base };
        let mut turn = self.own.upstreams.turn();
        while let Some(upstream) = turn.next() {
            match self.page_one(upstream, &page).await {
                Ok(relayed) => return Ok(relayed),
                Err(fault) => turn.failed(upstream, fault)?,
            }
        }
        Err(turn.over())
    }

    async fn page_one(&self, upstream: &Upstream, page: &Page<'_>) -> Result<(Bytes, Keep), Fault> {
        let bytes = upstream.send(&Request::EpochHops(page.forward.clone())).await?;
        if HopsPage::from_bytes(&bytes)?.hops.is_empty() {
            return Ok((bytes, Keep::No));
        }
        let newest = page.base.newest_epoch().counter();
        if newest != page.forward.epoch_counter {
            let (epoch, begins_at) = (page.forward.epoch_counter, page.base.checkpoint().block_id);
            return Err(Fault::Ours(Status::failed_precondition(format!(
                "hops from epoch {epoch} cannot be checked: from checkpoint {begins_at}, epoch \
                 {newest} is known"
            ))));
        }
        match self.own.checker.apply(page.base, &page.held, &bytes).await? {
            Ok((state, evidence)) => {
                self.shadows.keep(Arc::new(state));
                Ok((bytes, Keep::when(evidence.more)))
            }
            // The client finds out by itself, and may know the version.
            Err(rejection) if rejection.is_about_version() => {
                upgrade::passed_on("a page of hops");
                Ok((bytes, Keep::No))
            }
            Err(rejection) => Err(rejection.into()),
        }
    }
}
