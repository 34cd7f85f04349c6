//! What a proxy says of itself: what it proves, and its upstream's word where nothing proves it.

use tonic::Status;
use weir_proto::weir::v1;
use weir_protocol::evidence::EVIDENCE_VERSION;
use weir_protocol::request::{Depth, Question, Selector, Topic};
use weir_verifier::{Answer, AnswerValue};

use crate::fault::{Failed, Fault};
use crate::own::Own;
use crate::upstream::Upstream;
use crate::values;

/// Chain, tips, epoch and sealing lag are proved at this moment; the rest is the word of the first
/// upstream that answers.
pub(crate) async fn info(own: &Own) -> Result<v1::GetServerInfoResponse, Status> {
    let finalized = tip(own, Selector::LatestFinalized).await?;
    let sealed = tip(own, Selector::LatestSealed).await?;
    let said = word(own).await?;
    let sealed_height = sealed.as_ref().map(|answer| answer.height);
    let finalized_height = finalized.as_ref().map_or(0, |answer| answer.height);
    let finalized_view = finalized.as_ref().map_or(0, |answer| answer.view);
    Ok(v1::GetServerInfoResponse {
        chain_id: own.state().chain_id().to_owned(),
        epoch_counter: finalized.as_ref().map_or(0, |answer| epoch_counter(own, answer)),
        finalization_lag_views: said.highest_view.saturating_sub(finalized_view),
        sealing_lag: sealed_height.map_or(0, |height| finalized_height.saturating_sub(height)),
        latest_finalized: finalized.as_ref().map(values::block),
        latest_sealed: sealed.as_ref().map(values::block),
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        needs_update: own.state().upgrade_ahead().is_some(),
        evidence_versions: vec![u32::try_from(EVIDENCE_VERSION).unwrap_or(u32::MAX)],
        ..said
    })
}

/// The newest block of a kind; none where the chain does not prove one.
async fn tip(own: &Own, block: Selector) -> Result<Option<Answer>, Status> {
    let question = Question { block, topic: Topic::Snapshot };
    match own.ask(&question, Depth::Finality).await {
        Ok(proven) => Ok(Some(proven.answer)),
        Err(Failed::Unproved(_)) => Ok(None),
        Err(Failed::Status(status)) => Err(status),
    }
}

/// What the first upstream that answers says of itself.
async fn word(own: &Own) -> Result<v1::GetServerInfoResponse, Status> {
    let mut turn = own.upstreams.turn();
    while let Some(upstream) = turn.next() {
        match said(own, upstream).await {
            Ok(said) => return Ok(said),
            Err(fault) => turn.failed(upstream, fault)?,
        }
    }
    Err(turn.over())
}

async fn said(own: &Own, upstream: &Upstream) -> Result<v1::GetServerInfoResponse, Fault> {
    let mut api = upstream.snapshots();
    let said = upstream.within(api.get_server_info(v1::GetServerInfoRequest {})).await?;
    let state = own.state();
    if said.chain_id != state.chain_id() {
        let (expected, found) = (state.chain_id(), &said.chain_id);
        return Err(Fault::Wrong(format!("it says it is of {found}, the chain is {expected}")));
    }
    // What is relayed is not signed by it.
    Ok(v1::GetServerInfoResponse { receipt_key: Default::default(), ..said })
}

fn epoch_counter(own: &Own, answer: &Answer) -> u64 {
    match &answer.value {
        AnswerValue::Snapshot(snapshot) => snapshot.epoch_counter,
        // A state that is not known here; its epoch is the newest whose committee is.
        _ => own.state().newest_epoch().counter(),
    }
}
