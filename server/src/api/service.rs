//! The methods of `weir.v1.SnapshotAPI`: parse, prove off the async threads, answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prost::bytes::Bytes;
use tokio::sync::watch;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use weir_admission::Workers;
use weir_proto::convert::{
    Asked, ConvertError, block_reference, checkpoint_from_wire, hops_from_wire, tree_from_wire,
    watch_from_wire,
};
use weir_proto::weir::v1;
use weir_proto::weir::v1::snapshot_api_server::SnapshotApi;
use weir_protocol::codec::Entity as _;
use weir_protocol::evidence::{EVIDENCE_VERSION, Receipt, Statement};
use weir_protocol::model::{Identifier, Versions};
use weir_protocol::request::{IdentityFilter, Request as Asking, Topic};

use super::errors::{invalid, reference, unproved};
use super::receipts::with_receipt;
use super::values::{self, BlockProgress};
use super::{ApiOptions, Signer, tree};
use crate::VERSION;
use crate::indexer::Condition;
use crate::prover::{Proved, Prover, ProverError};
use crate::source::access::SyncState;
use crate::watch::Streams;

/// Answers from what has been announced when a request arrives.
#[derive(Clone, Debug)]
pub(super) struct SnapshotService {
    prover: Prover,
    indexing: Arc<AtomicBool>,
    sync: Option<watch::Receiver<SyncState>>,
    condition: Option<watch::Receiver<Condition>>,
    signer: Option<Signer>,
    /// Protocol versions that the server knows, if not those of the chain.
    versions: Option<Versions>,
    workers: Workers,
    streams: Streams,
    /// Turns true when the server ends.
    ended: watch::Receiver<bool>,
}

/// An answer, ready to be sent.
struct Answered {
    proved: Proved,
    with_value: bool,
    /// The evidence, as bytes.
    evidence: Bytes,
    receipt: Option<Receipt>,
}

impl SnapshotService {
    pub(super) fn new(
        prover: Prover,
        options: &ApiOptions,
        workers: Workers,
        ended: watch::Receiver<bool>,
    ) -> Self {
        let ApiOptions { indexing, sync, condition, signer, versions, .. } = options.clone();
        let streams = Streams::new(workers.clone());
        Self { prover, indexing, sync, condition, signer, versions, workers, streams, ended }
    }

    /// Has `prove` done by the workers.
    async fn blocking<T: Send + 'static>(
        &self,
        prove: impl FnOnce(Prover) -> Result<T, ProverError> + Send + 'static,
    ) -> Result<T, Status> {
        let prover = self.prover.latest();
        let proved = self.workers.run(move || prove(prover)).await?;
        proved.map_err(|error| unproved(&error))
    }

    async fn answer(
        &self,
        asked: Result<Asked, ConvertError>,
    ) -> Result<(Topic, Answered), Status> {
        let Asked { request, with_value } = asked.map_err(|error| invalid(&error))?;
        let topic = request.question.topic.clone();
        let request_id = self.signs(|| Asking::Answer(request.clone()));
        let proved = self.blocking(move |prover| prover.answer(&request)).await?;
        let evidence: Bytes = proved.evidence.to_bytes().into();
        let receipt = self.receipt(request_id, &evidence);
        Ok((topic, Answered { proved, with_value, evidence, receipt }))
    }

    /// The ID of a request, if answers are signed.
    fn signs(&self, request: impl FnOnce() -> Asking) -> Option<Identifier> {
        self.signer.as_ref().map(|_| request().id())
    }

    /// The receipt of an answer, if answers are signed.
    fn receipt(&self, request_id: Option<Identifier>, evidence: &[u8]) -> Option<Receipt> {
        let (signer, request_id) = self.signer.as_ref().zip(request_id)?;
        let head = self.prover.latest().head().finalized;
        Some(signer.sign(Statement::new(request_id, (head.height, head.id), evidence)))
    }
}

#[tonic::async_trait]
impl SnapshotApi for SnapshotService {
    async fn get_server_info(
        &self,
        _request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        // Before the head, so that a state that is final is told with the blocks it was reached by.
        let sync = self.sync.as_ref().map(|sync| sync.borrow().clone());
        let condition = self.condition.as_ref().map(|condition| condition.borrow().clone());
        let condition = condition.filter(|condition| *condition != Condition::Well);
        let indexing = self.indexing.load(Ordering::Relaxed);
        let head = self.prover.latest().head();
        let known = self.versions;
        let version = self.blocking(move |prover| prover.protocol_version(known)).await?;
        Ok(Response::new(v1::GetServerInfoResponse {
            sync_state: values::state(condition.as_ref(), sync.as_ref()).to_owned(),
            sync_detail: values::detail(condition.as_ref(), sync.as_ref(), &version),
            chain_id: head.chain.chain_id.clone(),
            spork_id: values::bytes(&head.chain.spork_id),
            spork_root_block_height: head.chain.spork_root_block_height,
            spork_root_block_view: head.chain.spork_root_block_view,
            first_height: head.first_height,
            latest_finalized: Some(reference(&head.finalized)),
            latest_sealed: Some(reference(&head.sealed)),
            highest_view: head.highest_view,
            blocks_indexed: head.blocks,
            finalization_lag_views: head.highest_view.saturating_sub(head.finalized.view),
            sealing_lag: head.finalized.height.saturating_sub(head.sealed.height),
            indexing,
            server_version: VERSION.to_owned(),
            receipt_key: self
                .signer
                .as_ref()
                .map(|signer| signer.public_key().to_vec().into())
                .unwrap_or_default(),
            evidence_versions: vec![u32::try_from(EVIDENCE_VERSION).unwrap_or(u32::MAX)],
            epoch_counter: head.epoch_counter,
            protocol_state_version: version.version,
            pending_upgrade: version.pending.as_ref().map(values::upgrade),
            needs_update: version.needs_update,
            conflicting_certificates: head
                .conflicting
                .as_deref()
                .map(|json| String::from_utf8_lossy(json).into_owned())
                .unwrap_or_default(),
        }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let block_id = checkpoint_from_wire(request.get_ref()).map_err(|error| invalid(&error))?;
        let request_id = self.signs(|| Asking::Checkpoint(block_id));
        let evidence = self.blocking(move |prover| prover.checkpoint(block_id)).await?;
        let evidence: Bytes = evidence.to_bytes().into();
        let receipt = self.receipt(request_id, &evidence);
        Ok(with_receipt(v1::GetCheckpointResponse { evidence }, receipt.as_ref()))
    }

    async fn get_epoch_hops(
        &self,
        request: Request<v1::GetEpochHopsRequest>,
    ) -> Result<Response<v1::GetEpochHopsResponse>, Status> {
        let asked = hops_from_wire(request.into_inner()).map_err(|error| invalid(&error))?;
        let request_id = self.signs(|| Asking::EpochHops(asked.clone()));
        let page = self.blocking(move |prover| prover.hops(&asked)).await?;
        let evidence: Bytes = page.to_bytes().into();
        let receipt = self.receipt(request_id, &evidence);
        Ok(with_receipt(v1::GetEpochHopsResponse { evidence }, receipt.as_ref()))
    }

    async fn get_snapshot(
        &self,
        request: Request<v1::GetSnapshotRequest>,
    ) -> Result<Response<v1::GetSnapshotResponse>, Status> {
        let (_, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let snapshot = if with_value {
            let (progress, proved) =
                self.blocking(move |prover| Ok((progress(&prover, &proved)?, proved))).await?;
            Some(values::snapshot(&proved, &progress))
        } else {
            None
        };
        Ok(with_receipt(v1::GetSnapshotResponse { snapshot, evidence }, receipt.as_ref()))
    }

    async fn get_identity(
        &self,
        request: Request<v1::GetIdentityRequest>,
    ) -> Result<Response<v1::GetIdentityResponse>, Status> {
        let (topic, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let block = Some(values::block(&proved.block));
        let identity = if let (true, Topic::Identity(node_id)) = (with_value, topic) {
            let filter =
                IdentityFilter { node_ids: BTreeSet::from([node_id]), ..Default::default() };
            let node = values::identities(&proved.state, &filter).pop();
            let block_id = proved.block.block_id;
            let absent = || {
                let message = format!("node {node_id} is not in the identity table at {block_id}");
                Status::not_found(message)
            };
            Some(node.ok_or_else(absent)?)
        } else {
            None
        };
        Ok(with_receipt(v1::GetIdentityResponse { block, identity, evidence }, receipt.as_ref()))
    }

    async fn list_identities(
        &self,
        request: Request<v1::ListIdentitiesRequest>,
    ) -> Result<Response<v1::ListIdentitiesResponse>, Status> {
        let (topic, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let identities = match topic {
            Topic::Identities(filter) if with_value => values::identities(&proved.state, &filter),
            _ => Vec::new(),
        };
        Ok(with_receipt(
            v1::ListIdentitiesResponse {
                block: Some(values::block(&proved.block)),
                identities,
                evidence,
            },
            receipt.as_ref(),
        ))
    }

    async fn get_epoch(
        &self,
        request: Request<v1::GetEpochRequest>,
    ) -> Result<Response<v1::GetEpochResponse>, Status> {
        let (topic, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let mut response = match topic {
            Topic::Epoch(name) if with_value => values::epoch(&proved, name),
            _ => v1::GetEpochResponse::default(),
        };
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_seal(
        &self,
        request: Request<v1::GetSealRequest>,
    ) -> Result<Response<v1::GetSealResponse>, Status> {
        let (_, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let mut response = v1::GetSealResponse::default();
        if let (true, Some(seal)) = (with_value, &proved.evidence.seal) {
            let header = &seal.block.header;
            response.block = Some(values::block(&proved.block));
            response.seal_id = values::bytes(&seal.seal.id());
            response.seal = seal.seal.to_rlp().into();
            let sealing = block_reference(&header.id(), header.height, header.view);
            response.sealing_block = Some(sealing);
        }
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_execution_result(
        &self,
        request: Request<v1::GetExecutionResultRequest>,
    ) -> Result<Response<v1::GetExecutionResultResponse>, Status> {
        let (_, answered) = self.answer(request.into_inner().try_into()).await?;
        let Answered { proved, with_value, evidence, receipt } = answered;
        let mut response = v1::GetExecutionResultResponse::default();
        if let (true, Some(seal)) = (with_value, &proved.evidence.seal) {
            let result_id = seal.seal.result_id;
            let result = proved.evidence.bundle.preimages.get(&result_id).unwrap_or_default();
            response.block = Some(values::block(&proved.block));
            response.result_id = values::bytes(&result_id);
            response.result = result.to_vec().into();
        }
        response.evidence = evidence;
        Ok(with_receipt(response, receipt.as_ref()))
    }

    async fn get_tree_proof(
        &self,
        request: Request<v1::GetTreeProofRequest>,
    ) -> Result<Response<v1::GetTreeProofResponse>, Status> {
        let asked = tree_from_wire(request.into_inner()).map_err(|error| invalid(&error))?;
        let request_id = self.signs(|| Asking::TreeProof(asked.clone()));
        let proved = self.blocking(move |prover| prover.tree_proof(&asked)).await?;
        let receipt = self.receipt(request_id, &proved.proof);
        Ok(with_receipt(tree::response(proved), receipt.as_ref()))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<BoxStream<v1::WatchResponse>>, Status> {
        let watched = watch_from_wire(request.get_ref()).map_err(|error| invalid(&error))?;
        let notices = self.streams.open(self.prover.reader(), watched, self.ended.clone())?;
        Ok(Response::new(Box::pin(notices)))
    }
}

fn progress(prover: &Prover, proved: &Proved) -> Result<BlockProgress, ProverError> {
    let height = proved.block.record.header.height;
    let finalized = prover.reader().finalized_at(height)? == Some(proved.block.ordinal);
    let (last_sealed_id, _) = prover.reader().last_sealed(&proved.block.record)?;
    Ok(BlockProgress {
        last_sealed_id,
        finalized,
        certified: finalized || prover.reader().first_child(proved.block.ordinal)?.is_some(),
        sealed: prover.sealing_block(&proved.block)?.is_some(),
    })
}
